//! Several requests on one connection, and the one of HTTP/1.0.

use simulator::{Fault, Times};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{self, HANG, get, post};
use crate::harness::{House, question};

#[tokio::test]
async fn one_after_the_other() {
    let house = House::new(&[]).await;
    let mut socket = TcpStream::connect(house.proxy.address).await.expect("the proxy listens");
    let chat = |body: &str| post("/v1/chat/completions", &[], body.as_bytes());
    for round in 0..5 {
        for stream in [true, false] {
            socket.write_all(&chat(&question(stream).to_string())).await.expect("the proxy reads");
            client::read(&mut socket).await.good();
        }
        socket.write_all(&chat("{}")).await.expect("the proxy reads");
        client::read(&mut socket).await.error(400);
        socket.write_all(&get(&format!("/{round}"), &[])).await.expect("the proxy reads");
        client::read(&mut socket).await.error(404);
    }
    assert_eq!(house.cerebras.stats().served, 10);
}

#[tokio::test]
async fn all_at_once() {
    let house = House::new(&[]).await;
    let chat = post("/v1/chat/completions", &[], question(true).to_string().as_bytes());
    let last = get("/health", &[("Connection", "close")]);
    let mut socket = TcpStream::connect(house.proxy.address).await.expect("the proxy listens");
    let all = [chat.clone(), get("/nope", &[]), chat, last].concat();
    socket.write_all(&all).await.expect("the proxy reads");
    let mut answers = String::new();
    let read = tokio::time::timeout(HANG, socket.read_to_string(&mut answers)).await;
    read.expect("no hang").expect("text");
    let statuses: Vec<&str> = answers.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert_eq!(statuses, ["200", "404", "200", "200"], "{answers}");
    assert_eq!(answers.matches("data: [DONE]").count(), 2, "{answers}");
}

#[tokio::test]
async fn a_stream_without_chunks_that_breaks_does_not_look_whole() {
    let house = House::new(&[]).await;
    let chat = post("/v1/chat/completions", &[], question(true).to_string().as_bytes());
    let chat = String::from_utf8(chat).expect("text").replace("HTTP/1.1", "HTTP/1.0");
    let read = async || {
        let mut socket = TcpStream::connect(house.proxy.address).await.expect("the proxy listens");
        socket.write_all(chat.as_bytes()).await.expect("the proxy reads");
        let mut answer = Vec::new();
        let end = tokio::time::timeout(HANG, socket.read_to_end(&mut answer)).await.expect("no hang");
        (String::from_utf8_lossy(&answer).into_owned(), end.is_ok())
    };
    let (answer, ended) = read().await;
    assert!(ended && answer.contains("[DONE]") && !answer.contains("transfer-encoding"), "{answer}");
    for fault in [Fault::CutFin, Fault::CutClean, Fault::CutRst] {
        house.cerebras.inject(fault, Times::Once);
        let (answer, ended) = read().await;
        assert!(!ended && answer.contains("content"), "{fault}: {answer}");
    }
}

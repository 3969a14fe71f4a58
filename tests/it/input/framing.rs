//! Requests of which two readers could disagree where they end, or which do not end.

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::{Bad, all_turned_away};
use crate::client;
use crate::harness::{House, question};

const HEAD: &str =
    "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";

/// A good question in one chunk.
fn chunked() -> String {
    let body = question(false).to_string();
    format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
}

fn with(headers: &str, body: &str) -> String {
    format!("{HEAD}{headers}\r\n{body}")
}

#[tokio::test]
async fn two_ways_to_find_the_end() {
    let (body, whole) = (chunked(), question(false).to_string());
    let length = format!("Content-Length: {}\r\n", body.len());
    let te = "Transfer-Encoding: chunked\r\n";
    // Read by its length, the chunk's end hides another request.
    let smuggled = format!("{}GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n", chunked());
    let ambiguous = |name, request: String| Bad::raw(name, request, 400, "ambiguous_framing");
    let malformed = |name, request: String| Bad::raw(name, request, 400, "invalid_http");
    let cases = [
        ambiguous("length first", with(&format!("{length}{te}"), &body)),
        ambiguous("length last", with(&format!("{te}{length}"), &body)),
        ambiguous("another request inside", with(&format!("{length}{te}"), &smuggled)),
        ambiguous("after empty lines", format!("\r\n\r\n{}", with(&format!("{length}{te}"), &body))),
        ambiguous("bare line feeds", with(&format!("{length}{te}"), "").replace("\r\n", "\n") + &body),
        ambiguous("odd case", with(&format!("{length}{te}").to_uppercase(), &body)),
        ambiguous("chunked twice", with(&format!("{te}{te}"), &body)),
        ambiguous("chunked in chunked", with("Transfer-Encoding: chunked, chunked\r\n", &body)),
        ambiguous("compressed", with("Transfer-Encoding: gzip, chunked\r\n", &body)),
        malformed("not chunked", with("Transfer-Encoding: gzip\r\n", &body)),
        malformed("identity", with("Transfer-Encoding: identity\r\n", &body)),
        malformed("chunked, but not last", with("Transfer-Encoding: chunked, gzip\r\n", &body)),
        malformed("hidden by a control character", with("Transfer-Encoding: \u{b}chunked\r\n", &body)),
        malformed("of HTTP/1.0", with(te, &body).replacen("HTTP/1.1", "HTTP/1.0", 1)),
        malformed("two lengths", with(&format!("{length}Content-Length: 7\r\n"), &whole)),
        malformed("two lengths in one", with("Content-Length: 5, 6\r\n", &whole)),
        malformed("a signed length", with("Content-Length: +5\r\n", &whole)),
        malformed("a negative length", with("Content-Length: -1\r\n", &whole)),
        malformed("a hexadecimal length", with("Content-Length: 0x5\r\n", &whole)),
        malformed("an empty length", with("Content-Length:\r\n", &whole)),
        malformed("an overflowing length", with("Content-Length: 99999999999999999999\r\n", &whole)),
        malformed("a space before the colon", with("Content-Length : 5\r\n", &whole)),
    ];
    all_turned_away(&House::new(&[]).await, &cases).await;
}

#[tokio::test]
async fn chunks_that_are_none() {
    let te = "Transfer-Encoding: chunked\r\n";
    let endless = format!("2;{}\r\n{{}}\r\n0\r\n\r\n", "x".repeat(100_000));
    let trailers = format!("2\r\n{{}}\r\n0\r\n{}\r\n", "X: y\r\n".repeat(100_000));
    let cases = [
        "zz\r\n{}\r\n0\r\n\r\n",
        "-2\r\n{}\r\n0\r\n\r\n",
        "fffffffffffffffff\r\n{}\r\n0\r\n\r\n",
        "2\r\n{}??0\r\n\r\n",
        "\r\n{}\r\n0\r\n\r\n",
        "2\n{}\r\n0\r\n\r\n",
        "0x2\r\n{}\r\n0\r\n\r\n",
        "2;\n{}\r\n0\r\n\r\n",
        "2;a\rb\n{}\r\n0\r\n\r\n",
        "2 2\r\n{}\r\n0\r\n\r\n",
        "2\r\n{}\n0\r\n\r\n",
        "2\r\n{}\r\n0\r\nX Y: z\r\n\r\n",
        &trailers,
        &endless,
    ]
    .map(|body| Bad::raw(&body[..body.len().min(15)], with(te, body), 400, "invalid_body"));
    all_turned_away(&House::new(&[]).await, &cases).await;
}

#[tokio::test]
async fn chunks_as_they_should_be_are_read() {
    let house = House::new(&[]).await;
    let te = "Transfer-Encoding: Chunked\r\n";
    client::exchange(house.proxy.address, with(te, &chunked()).as_bytes()).await.good();
    let extended =
        chunked().replacen("\r\n", ";name=value\r\n", 1).replace("0\r\n\r\n", "0\r\nX-Trailer: 1\r\n\r\n");
    client::exchange(house.proxy.address, with(te, &extended).as_bytes()).await.good();
}

#[tokio::test]
async fn a_length_that_lies() {
    let house = House::new(&[("BODY_TIMEOUT", "150")]).await;
    let short = with("Content-Length: 5000\r\n", &question(false).to_string());
    let silent = Bad::raw("silence", short.as_str(), 408, "request_timeout");
    let half = with("Transfer-Encoding: chunked\r\n", "ff\r\n{\"model\"");
    let half = Bad::raw("silence in a chunk", half, 408, "request_timeout");
    all_turned_away(&house, &[silent, half]).await;

    let mut socket = TcpStream::connect(house.proxy.address).await.expect("the proxy listens");
    socket.write_all(short.as_bytes()).await.expect("the proxy reads");
    socket.shutdown().await.expect("half a connection");
    let reply = client::read(&mut socket).await;
    assert_eq!(reply.error(400)["code"], "invalid_body");
    assert_eq!(house.cerebras.requests().len(), 1, "only the good one above");

    // Too short a length: the rest is no request.
    let body = question(false).to_string();
    let request = with("Content-Length: 10\r\n", &body);
    let reply = client::exchange(house.proxy.address, request.as_bytes()).await;
    assert_eq!(reply.error(400)["code"], "invalid_request");
}

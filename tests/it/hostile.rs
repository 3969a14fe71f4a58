//! What costs a sender little must not cost the proxy much: floods from providers and clients, and how much memory each takes.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{self, HANG, post};
use crate::compressed::{bomb, gzip};
use crate::harness::question;
use crate::process::Process;
use crate::scripted::Scripted;

const MIB: usize = 1024 * 1024;
/// More than any of these may take, in KiB.
const BOUND: u64 = 20 * 1024;
const CHUNKED: &str = "transfer-encoding: chunked\r\n\r\n";

fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

/// A provider, and a process that asks it alone.
struct Stage {
    upstream: Scripted,
    process: Process,
    base: u64,
}

impl Stage {
    async fn new() -> Self {
        let upstream = Scripted::start().await;
        // A model whose vocabulary is not known, so that none is loaded in between.
        let vars = [
            ("CHUTES_API_KEY", "cpk_it"),
            ("CHUTES_BASE_URL", &upstream.base_url()),
            ("CHUTES_MODEL_NAME", "some-model"),
        ];
        let process = Process::start(&vars).await;
        let stage = Self { upstream, process, base: 0 };
        stage.works().await;
        stage.process.forget_peak();
        Self { base: stage.process.resident_kib(), ..stage }
    }

    async fn works(&self) {
        let finish = r#"data: {"model":"up","choices":[{"index":0,"delta":{"content":"well"},"finish_reason":"stop"}]}"#;
        self.upstream.answer(vec![format!("{finish}\n\ndata: [DONE]\n\n").into_bytes()]);
        self.process.chat(&question(true)).await.good();
    }

    /// What was sent took no more memory than it may.
    fn took_little(&self, what: &str) -> String {
        let took = self.process.peak_kib().saturating_sub(self.base);
        assert!(took <= BOUND, "{what}: {took} KiB");
        format!("{what}: {took} KiB")
    }
}

/// An answer that never ends, or nearly; what the client sees of it.
struct Flood {
    name: &'static str,
    stream: bool,
    head: String,
    piece: Vec<u8>,
    times: usize,
    status: u16,
}

fn floods() -> Vec<Flood> {
    let flood = |name, stream, head: &str, piece: Vec<u8>, times, status| {
        let kind = if stream { "text/event-stream" } else { "application/json" };
        let (status_line, more) = head.split_once('|').unwrap_or((head, CHUNKED));
        let head = format!("{status_line}\r\ncontent-type: {kind}\r\n{more}");
        Flood { name, stream, head, piece, times, status }
    };
    let ok = "200 OK";
    let bomb = bomb(400);
    let packed =
        |status: &str| format!("{status}|content-encoding: gzip\r\ncontent-length: {}\r\n\r\n", bomb.len());
    // Of each 16 KiB, three bytes are held back.
    let usage = r#"data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1},"pad":""#;
    let much = format!("{usage}{}\"}}\n\n:\n\n", "a".repeat(16 * 1024 - usage.len() - 7));
    let held = gzip(much.repeat(6_000).as_bytes());
    let held_head = format!("{ok}|content-encoding: gzip\r\ncontent-length: {}\r\n\r\n", held.len());
    let blanks = chunk(&vec![b' '; MIB]);
    let first = r#"{"model":"up","choices":[{"index":0,"delta":{"content":"once"}}]}"#;
    let begun = String::from_utf8(chunk(format!("data: {first}\n\n").as_bytes())).expect("text");
    let begun_event = String::from_utf8(chunk(b"data: ")).expect("text");
    vec![
        flood("a compressed answer of 400 MiB", false, &packed(ok), bomb.clone(), 1, 503),
        flood("a compressed stream of 400 MiB", true, &packed(ok), bomb.clone(), 1, 503),
        flood("a compressed error of 400 MiB", false, &packed("500 Oops"), bomb.clone(), 1, 503),
        flood("94 MiB of which little is held back", true, &held_head, held, 1, 503),
        flood("an error of 200 MiB", false, "500 Oops", blanks.clone(), 200, 503),
        flood("an answer of 200 MiB", false, ok, blanks.clone(), 200, 503),
        flood("a plain answer of 200 MiB to a stream", true, "200 OK\r\nx: y", blanks.clone(), 200, 503),
        flood("a line without an end", true, ok, blanks.clone(), 200, 503),
        flood("comments without an end", true, ok, chunk(&b": ping\n\n".repeat(10_000)), 1_000, 503),
        flood("an event of 100 MiB", true, &format!("{ok}|{CHUNKED}{begun_event}"), blanks.clone(), 100, 503),
        flood(
            "a line without an end within an answer",
            true,
            &format!("{ok}|{CHUNKED}{begun}"),
            blanks,
            200,
            200,
        ),
        flood(
            "headers without an end",
            false,
            &format!("{ok}|"),
            b"x-more: and more of it\r\n".repeat(1_000),
            4_000,
            503,
        ),
        flood("a header without an end", false, &format!("{ok}|x: "), vec![b'x'; MIB], 100, 503),
        flood("a chunk's size without an end", true, &format!("{ok}|{CHUNKED}5;"), vec![b'x'; MIB], 100, 503),
        flood(
            "trailers without an end",
            false,
            &format!("{ok}|{CHUNKED}0\r\n"),
            b"x: y\r\n".repeat(1_000),
            4_000,
            503,
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_provider_floods_us_with_takes_little_memory() {
    for Flood { name, stream, head, piece, times, status } in floods() {
        let stage = Stage::new().await;
        stage.upstream.answer_flood(&head, &piece, times);
        let reply = stage.process.chat(&question(stream)).await;
        assert_eq!(reply.status, status, "{name}: {}", reply.describe());
        if status == 200 {
            assert!(!reply.whole && !reply.answer().1, "{name}: {}", reply.describe());
        } else {
            reply.error(status);
        }
        println!("{}", stage.took_little(name));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_floods_us_with_takes_little_memory() {
    let stage = Stage::new().await;
    let packed = post("/v1/chat/completions", &[("Content-Encoding", "gzip")], &bomb(400));
    let reply = client::exchange(stage.process.address, &packed).await;
    assert_eq!(reply.error(413)["code"], "request_too_large");
    println!("{}", stage.took_little("a compressed request of 400 MiB"));

    let head = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    let announced = format!("{head}Content-Length: {}\r\n\r\n", 300 * MIB);
    let endless = format!("{head}X-More: ");
    for (name, head, expected) in [
        ("an announced upload of 300 MiB", announced, 413),
        ("a request's header without an end", endless, 431),
    ] {
        assert_eq!(flooded(&stage, head.as_bytes(), &vec![b'x'; MIB], 300).await, expected, "{name}");
        println!("{}", stage.took_little(name));
    }
    let chunked = format!("{head}{CHUNKED}");
    assert_eq!(flooded(&stage, chunked.as_bytes(), &chunk(&vec![b' '; MIB]), 300).await, 413);
    println!("{}", stage.took_little("an upload of 300 MiB in chunks"));
    stage.works().await;
}

/// Sends as much as is taken; the status of the answer.
async fn flooded(stage: &Stage, head: &[u8], piece: &[u8], times: usize) -> u16 {
    let socket = TcpStream::connect(stage.process.address).await.expect("the proxy listens");
    let (mut read, mut write) = socket.into_split();
    let sending = async {
        let mut sent = write.write_all(head).await;
        for _ in 0..times {
            if sent.is_err() {
                break;
            }
            sent = write.write_all(piece).await;
        }
        // Held open: it is the proxy that has had enough.
        std::future::pending::<()>().await;
    };
    let reading = async {
        let mut start = [0; 12];
        read.read_exact(&mut start).await.expect("an answer");
        String::from_utf8_lossy(&start[9..]).parse().expect("a status")
    };
    tokio::select! {
        () = sending => 0,
        status = tokio::time::timeout(HANG, reading) => status.expect("no hang"),
    }
}

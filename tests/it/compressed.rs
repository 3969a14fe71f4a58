//! Compressed bodies, from either side: what is in them counts, and is all that the other side sees.

use std::io::Write;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use serde_json::{Value, json};

use crate::client::{self, Reply, post};
use crate::harness::{CEREBRAS_KEY, CHUTES_KEY, House, Running, question};
use crate::scripted::Scripted;

const CHAT: &str = "/v1/chat/completions";

pub(crate) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).and_then(|()| encoder.finish()).expect("a vector takes anything")
}

fn deflate(content: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).and_then(|()| encoder.finish()).expect("a vector takes anything")
}

/// Mebibytes of blanks.
pub(crate) fn bomb(mebibytes: usize) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let blanks = vec![b' '; 1024 * 1024];
    for _ in 0..mebibytes {
        encoder.write_all(&blanks).expect("a vector takes anything");
    }
    encoder.finish().expect("a vector takes anything")
}

async fn send(house: &House, coding: &str, body: &[u8]) -> Reply {
    let request = post(CHAT, &[("Content-Encoding", coding)], body);
    client::exchange(house.proxy.address, &request).await
}

#[tokio::test]
async fn a_provider_gets_what_is_in_a_request() {
    let house = House::new(&[]).await;
    for stream in [false, true] {
        let plain = question(stream).to_string();
        house.proxy.chat(plain.as_bytes()).await.good();
        let expected = house.cerebras.requests().pop().expect("one").body;
        for (coding, body) in [
            ("gzip", gzip(plain.as_bytes())),
            ("X-GZip", gzip(plain.as_bytes())),
            ("deflate", deflate(plain.as_bytes())),
            ("identity", plain.clone().into_bytes()),
        ] {
            send(&house, coding, &body).await.good();
            let seen = house.cerebras.requests().pop().expect("one");
            assert_eq!(seen.body, expected, "{coding}");
            assert!(!seen.headers.contains_key("content-encoding"), "{coding}");
        }
    }
}

#[tokio::test]
async fn what_is_not_compressed_as_it_says_or_too_large_is_refused() {
    let house = House::new(&[("MAX_BODY_BYTES", "100000")]).await;
    let plain = question(false).to_string();
    let packed = gzip(plain.as_bytes());
    let bad: [(&str, &[u8]); 6] = [
        ("gzip", plain.as_bytes()),
        ("gzip", b""),
        ("gzip", &packed[..packed.len() - 1]),
        ("gzip", &[&packed[..], b"GET / HTTP/1.1\r\n\r\n"].concat()),
        ("deflate", &packed),
        ("deflate", &[&deflate(plain.as_bytes())[..], b"x"].concat()),
    ];
    for (coding, body) in bad {
        let reply = send(&house, coding, body).await;
        assert_eq!(reply.error(400)["code"], "invalid_body", "{}", reply.describe());
    }
    // What is in it is held to the limit, not what was sent.
    let mut large = plain.clone();
    large.insert_str(1, &" ".repeat(100_000 - plain.len()));
    send(&house, "gzip", &gzip(large.as_bytes())).await.good();
    large.insert(1, ' ');
    let reply = send(&house, "gzip", &gzip(large.as_bytes())).await;
    assert_eq!(reply.error(413)["code"], "request_too_large");
    let reply = send(&house, "br", plain.as_bytes()).await;
    assert_eq!(reply.error(415)["code"], "unsupported_encoding");
    assert_eq!(reply.header("accept-encoding").as_deref(), Some("gzip, deflate"));
    assert_eq!(house.cerebras.requests().len(), 1);
}

const ANSWER: &str = r#"{"id":"x","model":"up","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}]}"#;

fn head(status: &str, kind: &str, coding: &str, length: usize) -> String {
    format!(
        "{status}\r\ncontent-type: {kind}\r\ncontent-encoding: {coding}\r\ncontent-length: {length}\r\n\r\n"
    )
}

/// A provider that compresses although it was asked not to, before one that does not.
struct Stage {
    upstream: Scripted,
    house: House,
    proxy: Running,
}

impl Stage {
    async fn new() -> Self {
        let (upstream, house) = (Scripted::start().await, House::new(&[]).await);
        let vars = [
            ("CEREBRAS_API_KEY", CEREBRAS_KEY),
            ("CEREBRAS_BASE_URL", &upstream.base_url()),
            ("CHUTES_API_KEY", CHUTES_KEY),
            ("CHUTES_BASE_URL", &house.chutes.base_url()),
        ];
        let proxy = Running::start(&vars).await;
        Self { upstream, house, proxy }
    }

    async fn ask(&self, stream: bool, head: &str, body: &[u8]) -> Reply {
        self.upstream.answer_flood(head, body, 1);
        self.proxy.chat(question(stream).to_string().as_bytes()).await
    }
}

#[tokio::test]
async fn a_client_gets_what_is_in_an_answer() {
    let stage = Stage::new().await;
    for (coding, packed) in [("gzip", gzip(ANSWER.as_bytes())), ("deflate", deflate(ANSWER.as_bytes()))] {
        let head = head("200 OK", "application/json", coding, packed.len());
        let reply = stage.ask(false, &head, &packed).await.good();
        assert_eq!((reply.answer().0.as_str(), &*reply.provider()), ("hello", "cerebras"));
        assert!(reply.header("content-encoding").is_none(), "{}", reply.head);
        assert_eq!(reply.text(), ANSWER.replace("up", "qwen-3-coder"));
    }
    let event = |delta: Value, finish: Value| {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
        format!("data: {}\n\n", json!({"model": "up", "choices": [choice]}))
    };
    let text = |text: &str| event(json!({"content": text}), Value::Null);
    let events = [text("hel"), text("lo"), event(json!({}), json!("stop")), "data: [DONE]\n\n".to_owned()];
    let packed = gzip(events.concat().as_bytes());
    let head_of_stream = head("200 OK", "text/event-stream", "gzip", packed.len());
    let reply = stage.ask(true, &head_of_stream, &packed).await.good();
    assert_eq!((reply.answer().0.as_str(), &*reply.provider()), ("hello", "cerebras"));
    assert!(reply.header("content-encoding").is_none(), "{}", reply.head);

    // What an error says decides what follows: this one is about the request.
    let error = gzip(br#"{"error":{"message":"the field x is wrong","code":"wrong_api_format"}}"#);
    let head = head("400 Bad Request", "application/json", "gzip", error.len());
    let reply = stage.ask(false, &head, &error).await;
    assert_eq!(stage.house.chutes.requests().len(), usize::from(reply.status == 200));
    if reply.status != 200 {
        assert!(
            reply.error(400)["message"].as_str().is_some_and(|it| it.contains("field x")),
            "{}",
            reply.describe()
        );
    }
}

#[tokio::test]
async fn an_answer_that_cannot_be_unpacked_is_fetched_elsewhere() {
    let packed = gzip(ANSWER.as_bytes());
    for (coding, body) in
        [("br", ANSWER.as_bytes()), ("gzip", ANSWER.as_bytes()), ("gzip", &packed[..packed.len() - 9])]
    {
        for stream in [false, true] {
            let stage = Stage::new().await;
            let kind = if stream { "text/event-stream" } else { "application/json" };
            let head = head("200 OK", kind, coding, body.len());
            assert_eq!(stage.ask(stream, &head, body).await.good().provider(), "chutes", "{coding}");
        }
    }
}

#[tokio::test]
async fn providers_are_asked_not_to_compress() {
    let house = House::new(&[]).await;
    house.ask(true).await.good();
    house.ask(false).await.good();
    for request in house.cerebras.requests() {
        assert_eq!(request.headers["accept-encoding"], "identity");
    }
}

//! A provider in the test's hand: it writes what it is told to, when it is told to.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::client::HANG;
use crate::scripted::read_request;

pub(super) const HEAD: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

pub(super) struct Held(TcpListener);

/// A request that waits for its answer.
pub(super) struct Asked(pub(super) TcpStream);

impl Held {
    pub(super) async fn start() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.expect("a port"))
    }

    pub(super) fn base_url(&self) -> String {
        format!("http://{}/v1", self.0.local_addr().expect("an address"))
    }

    /// Waits for a connection and reads the request on it.
    pub(super) async fn asked(&self) -> Asked {
        let asked = async {
            let (mut socket, _) = self.0.accept().await.expect("a connection");
            read_request(&mut socket).await.expect("a request");
            Asked(socket)
        };
        tokio::time::timeout(HANG, asked).await.expect("the proxy asks")
    }
}

impl Asked {
    pub(super) async fn write(&mut self, bytes: &str) {
        self.0.write_all(bytes.as_bytes()).await.expect("the proxy reads");
    }

    /// Sends an event.
    pub(super) async fn event(&mut self, data: &str) {
        self.write(&chunk(data)).await;
    }

    /// Waits until the proxy has closed the connection.
    pub(super) async fn closed(mut self) {
        let mut byte = [0];
        let closed = tokio::time::timeout(HANG, self.0.read(&mut byte)).await.expect("the proxy hangs up");
        assert!(!matches!(closed, Ok(1..)), "the proxy says more");
    }
}

/// An event in a chunk.
pub(super) fn chunk(data: &str) -> String {
    format!("{:x}\r\ndata: {data}\n\n\r\n", data.len() + 8)
}

/// The data of an event with so much text.
pub(super) fn content(text: &str) -> String {
    format!(r#"{{"model":"up","choices":[{{"index":0,"delta":{{"content":"{text}"}}}}]}}"#)
}

pub(super) const ROLE: &str = r#"{"model":"up","choices":[{"index":0,"delta":{"role":"assistant"}}]}"#;
pub(super) const FINISH: &str = r#"{"model":"up","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;

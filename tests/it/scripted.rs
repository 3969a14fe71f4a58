//! A provider that writes the bytes it is told to, in the parts it is told to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The parts of a chunked event stream's body, each written on its own.
type Parts = Vec<Vec<u8>>;

/// What is answered to every request.
#[derive(Clone)]
enum Script {
    Chunks(Parts),
    /// These bytes, head included; then the connection is held open.
    Raw(Vec<u8>),
    /// A head, and a piece so many times; then the connection is held open.
    Flood(Vec<u8>, Arc<[u8]>, usize),
}

pub(crate) struct Scripted {
    pub(crate) address: SocketAddr,
    script: Arc<Mutex<Script>>,
    asked: Arc<AtomicUsize>,
    serving: JoinHandle<()>,
}

impl Scripted {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let script = Arc::new(Mutex::new(Script::Chunks(Parts::new())));
        let (answers, asked) = (Arc::clone(&script), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&asked);
        let serving = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(connection(socket, Arc::clone(&answers), Arc::clone(&count)));
            }
        });
        Self { address, script, asked, serving }
    }

    pub(crate) fn answer(&self, parts: Parts) {
        *self.script.lock() = Script::Chunks(parts);
    }

    pub(crate) fn answer_raw(&self, head: &str, body: &str) {
        *self.script.lock() = Script::Raw(format!("HTTP/1.1 {head}\r\n\r\n{body}").into_bytes());
    }

    pub(crate) fn answer_flood(&self, head: &str, piece: &[u8], times: usize) {
        *self.script.lock() = Script::Flood(format!("HTTP/1.1 {head}").into_bytes(), piece.into(), times);
    }

    /// How many times it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn connection(mut socket: TcpStream, script: Arc<Mutex<Script>>, asked: Arc<AtomicUsize>) {
    let _ = socket.set_nodelay(true);
    while read_request(&mut socket).await.is_some() {
        asked.fetch_add(1, Ordering::Relaxed);
        let script = script.lock().clone();
        let parts = match script {
            Script::Chunks(parts) => parts,
            Script::Raw(bytes) => {
                let _ = socket.write_all(&bytes).await;
                continue;
            }
            Script::Flood(head, piece, times) => {
                let mut sent = socket.write_all(&head).await;
                for _ in 0..times {
                    if sent.is_err() {
                        return;
                    }
                    sent = socket.write_all(&piece).await;
                }
                continue;
            }
        };
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        if socket.write_all(head.as_bytes()).await.is_err() {
            return;
        }
        for part in parts.iter().filter(|part| !part.is_empty()) {
            let chunk = [format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat();
            if socket.write_all(&chunk).await.is_err() {
                return;
            }
            // So that the parts arrive apart, as nearly always; nothing depends on it.
            tokio::task::yield_now().await;
        }
        if socket.write_all(b"0\r\n\r\n").await.is_err() {
            return;
        }
    }
}

/// Reads a whole request; `None`: the client is gone.
pub(crate) async fn read_request(socket: &mut TcpStream) -> Option<()> {
    read_body(socket).await.map(drop)
}

/// Reads a whole request; returns its body.
pub(crate) async fn read_body(socket: &mut TcpStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"))?
                .trim()
                .parse::<usize>()
                .ok()?;
            if bytes.len() >= end + 4 + length {
                return Some(bytes.split_off(end + 4));
            }
        }
        let mut part = [0; 4096];
        match socket.read(&mut part).await {
            Ok(0) | Err(_) => return None,
            Ok(length) => bytes.extend_from_slice(&part[..length]),
        }
    }
}

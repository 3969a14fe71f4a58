//! A client that sees what is on the wire: whether an answer ended whole, or its connection broke.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// No answer takes longer in any test: whatever does is a hang.
pub(crate) const HANG: Duration = Duration::from_secs(40);

/// What came back.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    /// The body without its framing.
    pub(crate) body: Vec<u8>,
    /// Whether the framing says that this is all.
    pub(crate) whole: bool,
}

/// Sends raw bytes and reads one answer.
pub(crate) async fn exchange(address: SocketAddr, request: &[u8]) -> Reply {
    let mut socket = TcpStream::connect(address).await.expect("the proxy listens");
    socket.write_all(request).await.expect("the proxy reads");
    read(&mut socket).await
}

/// Reads one answer.
pub(crate) async fn read(socket: &mut TcpStream) -> Reply {
    read_on(socket, Vec::new()).await
}

/// Reads the rest of an answer that begins with these bytes.
pub(crate) async fn read_on(socket: &mut TcpStream, bytes: Vec<u8>) -> Reply {
    tokio::time::timeout(HANG, read_answer(socket, bytes))
        .await
        .expect("an answer, or the end of the connection, before the hang")
}

async fn read_answer(socket: &mut TcpStream, mut bytes: Vec<u8>) -> Reply {
    loop {
        if let Some(reply) = parse(&bytes, false) {
            return reply;
        }
        let mut part = [0; 8 * 1024];
        match socket.read(&mut part).await {
            Ok(0) | Err(_) => return parse(&bytes, true).unwrap_or_else(|| empty(&bytes)),
            Ok(length) => bytes.extend_from_slice(&part[..length]),
        }
    }
}

fn empty(bytes: &[u8]) -> Reply {
    Reply { status: 0, head: String::from_utf8_lossy(bytes).into_owned(), body: Vec::new(), whole: false }
}

/// The answer in these bytes, once it is over.
fn parse(bytes: &[u8], ended: bool) -> Option<Reply> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status: u16 = head.get(9..12)?.parse().ok()?;
    if status == 100 {
        return parse(&bytes[end + 4..], ended);
    }
    let rest = &bytes[end + 4..];
    let header = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
    };
    let (body, whole) = match header("content-length").and_then(|length| length.parse::<usize>().ok()) {
        Some(length) => (rest[..length.min(rest.len())].to_vec(), rest.len() >= length),
        None if header("transfer-encoding").is_some() => unchunk(rest),
        None => (rest.to_vec(), ended),
    };
    (whole || ended).then_some(Reply { status, head, body, whole })
}

/// The data of a chunked body, and whether its last chunk is there.
fn unchunk(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let Some(line) = rest.windows(2).position(|window| window == b"\r\n") else { return (body, false) };
        let size =
            std::str::from_utf8(&rest[..line]).ok().and_then(|size| usize::from_str_radix(size, 16).ok());
        let size = size.expect("a chunk size");
        rest = &rest[line + 2..];
        if size == 0 {
            return (body, true);
        }
        body.extend_from_slice(&rest[..size.min(rest.len())]);
        if rest.len() < size + 2 {
            return (body, false);
        }
        rest = &rest[size + 2..];
    }
}

/// A `POST` of JSON as agents send it.
pub(crate) fn post(path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    head.push_str("\r\n");
    [head.as_bytes(), body].concat()
}

/// A `GET`.
pub(crate) fn get(path: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let lines: String = headers.iter().flat_map(|(name, value)| [name, ": ", value, "\r\n"]).collect();
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n").into_bytes()
}

impl Reply {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("UTF-8")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
    }

    pub(crate) fn provider(&self) -> String {
        self.header("x-proxy-provider").unwrap_or_default()
    }

    /// The data of each event of a stream.
    pub(crate) fn events(&self) -> Vec<String> {
        let text = self.text();
        text.split("\n\n")
            .filter_map(|event| event.trim_start().strip_prefix("data: "))
            .map(str::to_owned)
            .collect()
    }

    /// The text of an answer, plain or streamed, and whether it has a finish reason.
    pub(crate) fn answer(&self) -> (String, bool) {
        let chunks: Vec<Value> = if self.is_stream() {
            self.events().iter().filter_map(|event| serde_json::from_str(event).ok()).collect()
        } else {
            vec![self.json()]
        };
        let choices: Vec<&Value> =
            chunks.iter().flat_map(|chunk| chunk["choices"].as_array().into_iter().flatten()).collect();
        let text = |choice: &&Value| {
            ["delta", "message"]
                .iter()
                .find_map(|key| choice[key]["content"].as_str())
                .unwrap_or_default()
                .to_owned()
        };
        let finished = choices.iter().any(|choice| choice["finish_reason"].is_string());
        (choices.iter().map(text).collect(), finished)
    }

    pub(crate) fn is_stream(&self) -> bool {
        self.header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream"))
    }

    /// A whole answer with a finish reason, by the client's name of the model.
    #[track_caller]
    pub(crate) fn good(self) -> Self {
        assert_eq!(self.status, 200, "{}", self.describe());
        assert!(self.whole, "{}", self.describe());
        let (text, finished) = self.answer();
        assert!(finished && !text.is_empty(), "{}", self.describe());
        self
    }

    /// One error in OpenAI's shape; returns its object.
    #[track_caller]
    pub(crate) fn error(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.describe());
        assert!(self.whole, "{}", self.describe());
        let error = self.json()["error"].clone();
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{}", self.describe());
        assert!(error["type"].is_string(), "{}", self.describe());
        error
    }

    pub(crate) fn describe(&self) -> String {
        format!("whole: {}\n{}\n\n{}", self.whole, self.head, String::from_utf8_lossy(&self.body))
    }
}

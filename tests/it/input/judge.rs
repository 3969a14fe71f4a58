//! Whether a request may be forwarded, by the letter of RFC 9112 and of the API, and in none of the proxy's words; and a provider
//! that answers whatever it is asked, and remembers it.

use std::collections::HashSet;
use std::fmt;
use std::io::Read;
use std::sync::Arc;

use flate2::read::GzDecoder;
use parking_lot::Mutex;
use serde::Deserialize;
use serde::de::{Error, MapAccess, Visitor};
use serde_json::{Map, Value};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::scripted::read_body;

/// A request as it was sent.
pub(super) fn request(bytes: &[u8]) -> Result<(), String> {
    body(&content(bytes)?)
}

fn no<T>(why: &str) -> Result<T, String> {
    Err(why.to_owned())
}

/// A line and what is behind it. A lone LF may end a line (RFC 9112, 2.2).
fn line(bytes: &[u8]) -> Result<(&[u8], &[u8]), String> {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { return no("a line does not end") };
    let line = bytes[..end].strip_suffix(b"\r").unwrap_or(&bytes[..end]);
    if line.contains(&b'\r') {
        return no("a lone CR");
    }
    Ok((line, &bytes[end + 1..]))
}

fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|it| it.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(it))
}

/// The content of a request for a completion.
fn content(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let blank = bytes.iter().take_while(|byte| b"\r\n".contains(byte)).count();
    let (first, mut rest) = line(&bytes[blank..])?;
    let words: Vec<&[u8]> = first.split(|byte| *byte == b' ').collect();
    let [b"POST", target, version @ (b"HTTP/1.1" | b"HTTP/1.0")] = words[..] else {
        return no("the request line");
    };
    let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
    if !path.ends_with(b"/chat/completions") {
        return no("the path");
    }
    let mut headers: Vec<(String, Vec<u8>)> = Vec::new();
    loop {
        let (header, more) = line(rest)?;
        rest = more;
        if header.is_empty() {
            break;
        }
        let Some(colon) = header.iter().position(|byte| *byte == b':') else { return no("no colon") };
        let (name, value) = (&header[..colon], header[colon + 1..].trim_ascii());
        if !is_token(name) || value.iter().any(|byte| *byte != b'\t' && (*byte < 32 || *byte == 127)) {
            return no("a header");
        }
        headers.push((String::from_utf8_lossy(name).to_ascii_lowercase(), value.to_vec()));
    }
    let all = |name: &str| -> Vec<&[u8]> {
        headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_slice()).collect()
    };
    if all("host").len() > 1 || (version == b"HTTP/1.1" && all("host").is_empty()) {
        return no("the host");
    }
    let sent = match (&all("content-length")[..], &all("transfer-encoding")[..]) {
        ([length], []) => {
            if !length.iter().all(u8::is_ascii_digit) {
                return no("the length");
            }
            let length: usize = String::from_utf8_lossy(length).parse().map_err(|_| "the length")?;
            rest.get(..length).ok_or("too short")?.to_vec()
        }
        ([], [coding]) if coding.eq_ignore_ascii_case(b"chunked") && version == b"HTTP/1.1" => chunks(rest)?,
        _ => return no("the framing"),
    };
    match &all("content-encoding")[..] {
        [] => Ok(sent),
        [coding] if coding.is_empty() || coding.eq_ignore_ascii_case(b"identity") => Ok(sent),
        [coding] if coding.eq_ignore_ascii_case(b"gzip") || coding.eq_ignore_ascii_case(b"x-gzip") => {
            let mut content = Vec::new();
            let mut decoder = GzDecoder::new(&sent[..]);
            decoder.read_to_end(&mut content).map_err(|error| error.to_string())?;
            if decoder.into_inner().is_empty() { Ok(content) } else { no("more than one stream") }
        }
        _ => no("the encoding"),
    }
}

fn chunks(mut rest: &[u8]) -> Result<Vec<u8>, String> {
    let mut whole = Vec::new();
    loop {
        let Some(end) = rest.windows(2).position(|window| window == b"\r\n") else { return no("no size") };
        let (head, more) = (&rest[..end], &rest[end + 2..]);
        let digits = head.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let behind = head[digits..].trim_ascii();
        if digits == 0 || head.contains(&b'\n') || !(behind.is_empty() || behind[0] == b';') {
            return no("a chunk's size");
        }
        let size = usize::from_str_radix(&String::from_utf8_lossy(&head[..digits]), 16);
        let size = size.map_err(|_| "a chunk's size")?;
        if size == 0 {
            rest = more;
            break;
        }
        let chunk = more.get(..size).ok_or("a short chunk")?;
        whole.extend_from_slice(chunk);
        rest = more[size..].strip_prefix(b"\r\n").ok_or("a chunk's end")?;
    }
    // Trailers, up to an empty line.
    loop {
        let (trailer, more) = line(rest)?;
        if trailer.is_empty() {
            return Ok(whole);
        }
        let name = trailer.split(|byte| *byte == b':').next().unwrap_or_default();
        if name.len() == trailer.len() || !is_token(name) {
            return no("a trailer");
        }
        rest = more;
    }
}

/// An object no key of which stands twice.
struct Unique(Map<String, Value>);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Unique;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Unique, A::Error> {
                let (mut map, mut keys) = (Map::new(), HashSet::new());
                while let Some((key, value)) = access.next_entry::<String, Value>()? {
                    if !keys.insert(key.clone()) {
                        return Err(A::Error::custom("a key stands twice"));
                    }
                    map.insert(key, value);
                }
                Ok(Unique(map))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

/// A body that a provider of the API takes, as far as the API says what that is.
pub(super) fn body(bytes: &[u8]) -> Result<(), String> {
    let Unique(body) = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let is = |name: &str, sound: fn(&Value) -> bool| match body.get(name) {
        Some(value) if !value.is_null() && !sound(value) => no(name),
        _ => Ok(()),
    };
    let messages = body.get("messages").and_then(Value::as_array).ok_or("no messages")?;
    if messages.is_empty() || !messages.iter().all(Value::is_object) {
        return no("messages");
    }
    if body.get("model").and_then(Value::as_str).is_none_or(str::is_empty) {
        return no("model");
    }
    is("stream", Value::is_boolean)?;
    is("max_tokens", |it| {
        it.as_f64().is_some_and(|it| it.fract() == 0.0 && (it >= 1.0 || (it + 1.0).abs() < f64::EPSILON))
    })?;
    is("temperature", Value::is_number)?;
    is("tools", Value::is_array)
}

/// A provider that takes everything.
pub(super) struct Provider {
    address: std::net::SocketAddr,
    bodies: Arc<Mutex<Vec<Vec<u8>>>>,
    serving: JoinHandle<()>,
}

impl Provider {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let bodies: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let seen = Arc::clone(&bodies);
        let serving = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(answer(socket, Arc::clone(&seen)));
            }
        });
        Self { address, bodies, serving }
    }

    pub(super) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// All it was asked.
    pub(super) fn asked(&self) -> Vec<Vec<u8>> {
        self.bodies.lock().clone()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(mut socket: TcpStream, seen: Arc<Mutex<Vec<Vec<u8>>>>) {
    while let Some(body) = read_body(&mut socket).await {
        let stream = serde_json::from_slice::<Value>(&body).is_ok_and(|body| body["stream"] == true);
        seen.lock().push(body);
        let (kind, field) =
            if stream { ("text/event-stream", "delta") } else { ("application/json", "message") };
        let said = format!(
            r#"{{"model":"up","choices":[{{"index":0,"{field}":{{"role":"assistant","content":"well"}},"finish_reason":"stop"}}]}}"#
        );
        let said = if stream { format!("data: {said}\n\ndata: [DONE]\n\n") } else { said };
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n", said.len());
        if socket.write_all([head, said].concat().as_bytes()).await.is_err() {
            return;
        }
    }
}

//! What no provider should ever see is turned away with one clear error, and costs nothing.

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::client::{self, Reply, post};
use crate::harness::{House, question};

mod bodies;
mod flood;
mod framing;
mod heads;
mod judge;
mod mutations;

const CHAT: &str = "/v1/chat/completions";

/// A request that is to be turned away, and how.
struct Bad {
    name: String,
    request: Vec<u8>,
    status: u16,
    code: &'static str,
    param: Option<&'static str>,
    /// Whether the connection can go on: the request was read to its end.
    kept: bool,
}

impl Bad {
    /// Raw bytes of which the end can't be known.
    fn raw(name: &str, request: impl Into<Vec<u8>>, status: u16, code: &'static str) -> Self {
        Self { name: name.to_owned(), request: request.into(), status, code, param: None, kept: false }
    }

    /// A well-framed request with a body that is wrong in this field.
    fn body(body: impl AsRef<[u8]>, param: impl Into<Option<&'static str>>) -> Self {
        let body = body.as_ref();
        let name = String::from_utf8_lossy(&body[..body.len().min(100)]).into_owned();
        let request = post(CHAT, &[], body);
        Self { name, request, status: 400, code: "invalid_request", param: param.into(), kept: true }
    }

    /// A good question with one field set to something else.
    fn field(field: &'static str, value: Value) -> Self {
        let mut body = question(false);
        body[field] = value;
        Self::body(body.to_string(), field)
    }

    fn kept(self) -> Self {
        Self { kept: true, ..self }
    }

    async fn check(&self, house: &House) -> Result<Reply, String> {
        let mut socket = TcpStream::connect(house.proxy.address).await.expect("the proxy listens");
        socket.write_all(&self.request).await.map_err(|error| format!("{}: {error}", self.name))?;
        let reply = client::read(&mut socket).await;
        let fail = |what: &str| Err(format!("{}: {what}: {}", self.name, reply.describe()));
        let error = serde_json::from_slice::<Value>(&reply.body).unwrap_or_default()["error"].clone();
        let expected = json!({"message": error["message"], "type": "invalid_request_error", "param": self.param, "code": self.code});
        if reply.status != self.status || error != expected || !reply.whole {
            return fail("not as expected");
        }
        if error["message"].as_str().is_none_or(|message| !message.ends_with('.')) {
            return fail("no message");
        }
        if reply.header("content-type").as_deref() != Some("application/json") {
            return fail("no JSON");
        }
        if reply.header("x-request-id").is_none_or(|id| !id.starts_with("req_")) {
            return fail("no request id");
        }
        let announced = reply.header("connection").as_deref() != Some("close");
        // Whatever of it was taken for a request would be answered.
        let _ = socket.write_all(&client::get("/health", &[])).await;
        let next = client::read(&mut socket).await.status;
        if (next, announced) != if self.kept { (200, true) } else { (0, false) } {
            return fail(&format!("goes on with {next}, {announced} announced"));
        }
        Ok(reply)
    }
}

/// All of these are turned away; no provider hears of any, and the next good request is served.
async fn all_turned_away(house: &House, cases: &[Bad]) {
    let mut wrong = Vec::new();
    for case in cases {
        wrong.extend(case.check(house).await.err());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(house.cerebras.requests().is_empty() && house.chutes.requests().is_empty());
    house.ask(true).await.good();
    assert_eq!(house.cerebras.requests().len(), 1);
}

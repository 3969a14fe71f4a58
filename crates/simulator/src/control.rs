//! The `/_sim/` endpoints, which do over HTTP what the handle's methods do.

use std::sync::Arc;

use http::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::fault::{Fault, Times};
use crate::script::Reply;
use crate::state::{Seen, State};

#[derive(Deserialize)]
struct Injection {
    fault: Fault,
    #[serde(default = "once")]
    times: Times,
}

#[derive(Deserialize)]
struct Script {
    replies: Vec<Reply>,
}

fn once() -> Times {
    Times::Once
}

pub(crate) fn answer(state: &Arc<State>, method: &Method, action: &str, body: &[u8]) -> (StatusCode, Value) {
    let done = || Ok(json!({"ok": true}));
    let result = match (method.as_str(), action) {
        ("POST", "fault") => parsed::<Injection>(body).and_then(|injection| {
            state.inject(injection.fault, injection.times);
            done()
        }),
        ("POST", "script") => parsed::<Script>(body).and_then(|script| {
            state.set_script(script.replies);
            done()
        }),
        ("POST", "heal") => {
            state.heal();
            done()
        }
        ("POST", "reset") => {
            state.reset();
            done()
        }
        ("GET", "stats") => Ok(json!(state.stats())),
        ("GET", "requests") => Ok(state.seen().iter().map(shown).collect()),
        ("GET", "faults") => Ok(json!(Fault::ALL)),
        _ => {
            return (StatusCode::NOT_FOUND, json!({"error": format!("there is no {method} /_sim/{action}")}));
        }
    };
    match result {
        Ok(value) => (StatusCode::OK, value),
        Err(error) => (StatusCode::BAD_REQUEST, json!({"error": error})),
    }
}

fn parsed<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

fn shown(seen: &Seen) -> Value {
    let body = String::from_utf8_lossy(&seen.body);
    json!({"method": seen.method.as_str(), "path": seen.path, "body": body})
}

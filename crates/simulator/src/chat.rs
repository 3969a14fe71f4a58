//! One chat completion, from arrival to the first byte of its answer.

use std::sync::Arc;

use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::Value;
use tokio::time::sleep;

use crate::answer::Answer;
use crate::canned::{self, Asked, Canned, EVENTS};
use crate::fault::Fault;
use crate::playback::{Bill, Broken, Ending, Playback};
use crate::profile::Vendor;
use crate::refusal::Refusal;
use crate::request::Chat;
use crate::route;
use crate::shape::{self, Head};
use crate::state::{Seen, State};
use crate::{count, steps};

pub(crate) async fn answer(
    state: &Arc<State>,
    request: Request<Incoming>,
    ending: Ending,
) -> Result<Response<Playback>, Broken> {
    let (parts, body) = request.into_parts();
    state.count(|stats| stats.received += 1);
    let mut seen = Seen::of(&parts);
    if state.take_fault(|fault| fault == Fault::Refuse).is_some() {
        state.remember(seen);
        return Err(ending.reset());
    }
    seen.body = body.collect().await.map_err(|_| Broken)?.to_bytes();
    let (headers, body) = (seen.headers.clone(), seen.body.clone());
    state.remember(seen);

    let json: Option<Value> = serde_json::from_slice(&body).ok();
    let key = route::key(&headers);
    if let Some(fault) = state.take_fault(|fault| !fault.within_answer()) {
        let model = json.as_ref().and_then(|body| body["model"].as_str()).unwrap_or("unknown");
        let stream = json.as_ref().is_some_and(|body| body["stream"] == true);
        let asked = Asked { key: key.unwrap_or_default(), model, stream };
        return match canned::answer(fault, &state.profile, asked) {
            Some(Canned::Refusal(refusal)) => Ok(route::refused(&refusal)),
            Some(Canned::Page { status, content_type, body }) => Ok(route::page(status, content_type, body)),
            // A black hole: the connection stays open until the client gives up.
            None => std::future::pending().await,
        };
    }
    let reply = if let Some(body) = json.as_ref() {
        complete(state, body, key, ending).await
    } else {
        state.count(|stats| stats.rejected += 1);
        Err(Refusal::bad_format(state.profile.vendor, ": Invalid JSON"))
    };
    Ok(with_vendor_headers(state, reply.unwrap_or_else(|refusal| route::refused(&refusal))))
}

async fn complete(
    state: &Arc<State>,
    body: &Value,
    key: Option<&str>,
    ending: Ending,
) -> Result<Response<Playback>, Refusal> {
    let profile = &state.profile;
    let prompt = count::prompt(body);
    let chat = checked(state, body, key, prompt).inspect_err(|_| state.count(|stats| stats.rejected += 1))?;
    let mut rng = state.rng();
    sleep(profile.arrival_jitter.mul_f64(rng.f64())).await;
    let mut admission = state
        .admit(prompt, chat.reserved_completion())
        .map_err(|scope| Refusal::over_limit(profile.vendor, scope, scope.window(profile)))?;

    let fault = state.take_fault(Fault::within_answer);
    let mut answer = Answer::to(&chat, &state.script(), profile.seed);
    if fault.is_some() {
        answer = answer.made_long_enough();
    }
    let completion = answer.tokens() * chat.choices;
    let head = Head {
        prompt_tokens: prompt,
        completion_tokens: completion,
        choices: chat.choices,
        include_usage: chat.include_usage,
        seconds: (profile.head_delay.as_secs_f64(), profile.token_delay.as_secs_f64() * to_f64(completion)),
        ..Head::new(profile, chat.model, &mut rng)
    };
    let frames = shape::stream(&head, &answer);
    let error = canned::error_within(fault, key.unwrap_or_default()).to_string();
    sleep(profile.head_delay).await;
    let (content_type, body) = if chat.stream {
        (EVENTS, steps::streamed(&frames, profile.token_delay, fault, &error))
    } else {
        // A plain answer is written to its end whether or not somebody still waits for it.
        admission.produced(completion);
        if !matches!(fault, Some(Fault::SilenceAfterHead | Fault::RoleThenSilence)) {
            sleep(steps::duration(&frames, profile.token_delay, fault)).await;
        }
        ("application/json", steps::plain(shape::plain(&head, &answer), fault, &error))
    };
    let playback = Playback::new(body.steps, Some(Bill { admission, completion }), ending);
    Ok(route::response(StatusCode::OK, content_type, body.length, playback))
}

/// What the vendor checks before it looks at its books, in its order.
fn checked<'a>(state: &State, body: &'a Value, key: Option<&str>, prompt: u64) -> Result<Chat<'a>, Refusal> {
    let profile = &state.profile;
    route::authorize(profile, key)?;
    let chat = Chat::read(profile.vendor, body)?;
    if !profile.models.iter().any(|model| model == chat.model) {
        return Err(Refusal::no_model(profile.vendor, chat.model));
    }
    let length = prompt.saturating_add(chat.max_tokens.unwrap_or(0));
    if length > profile.context_limit {
        return Err(Refusal::context_too_long(length, profile.context_limit));
    }
    Ok(chat)
}

fn with_vendor_headers(state: &State, mut response: Response<Playback>) -> Response<Playback> {
    if state.profile.rate_headers {
        for (name, value) in state.rate_headers() {
            route::set(&mut response, &name, &value);
        }
    }
    if state.profile.vendor == Vendor::Chutes && response.status().is_success() {
        let id = shape::uuid(&mut state.rng());
        route::set(&mut response, "x-chutes-invocationid", &id);
    }
    response
}

#[expect(clippy::cast_precision_loss, reason = "a number of tokens, far below 2^52")]
fn to_f64(tokens: u64) -> f64 {
    tokens as f64
}

//! One completion, of a chat or of a raw prompt, from arrival to the first byte of its answer.

use std::sync::Arc;

use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::Value;
use tokio::time::sleep;

use crate::admission::{Admission, Asked};
use crate::answer::Answer;
use crate::canned::{self, Canned, EVENTS};
use crate::count::Prompt;
use crate::fault::Fault;
use crate::playback::{Bill, Broken, Ending, Playback};
use crate::profile::Vendor;
use crate::refusal::Refusal;
use crate::request::Chat;
use crate::route;
use crate::shape::{self, Head};
use crate::state::{Seen, State};
use crate::{count, hash, steps};

pub(crate) async fn answer(
    state: &Arc<State>,
    request: Request<Incoming>,
    ending: Ending,
) -> Result<Response<Playback>, Broken> {
    let (parts, body) = request.into_parts();
    let number = state.arrive();
    let raw = parts.uri.path() == "/v1/completions";
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
        let asked = canned::Asked { key: key.unwrap_or_default(), model, stream };
        return match canned::answer(fault, &state.profile, asked) {
            Some(Canned::Refusal(refusal)) => Ok(route::refused(&refusal)),
            Some(Canned::Page { status, content_type, body }) => Ok(route::page(status, content_type, body)),
            // A black hole: the connection stays open until the client gives up.
            None => std::future::pending().await,
        };
    }
    let Some(body) = json.as_ref() else {
        state.count(|stats| stats.rejected += 1);
        return Ok(route::refused(&Refusal::bad_format(state.profile.vendor, ": Invalid JSON")));
    };
    // Chutes shows its quota as it was before the request.
    let quota = state.quota();
    let answered = complete(state, body, Caller { number, key, raw }, ending).await;
    let response = answered.unwrap_or_else(|refusal| route::refused(&refusal));
    Ok(with_vendor_headers(state, number, quota, response))
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
struct Caller<'a> {
    /// The request's number.
    number: u64,
    key: Option<&'a str>,
    /// Whether a raw prompt is to be continued.
    raw: bool,
}

async fn complete(
    state: &Arc<State>,
    body: &Value,
    caller: Caller<'_>,
    ending: Ending,
) -> Result<Response<Playback>, Refusal> {
    let profile = &state.profile;
    let prompt = count::prompt(body);
    let chat = checked(state, body, caller, prompt.tokens)
        .inspect_err(|_| state.count(|stats| stats.rejected += 1))?;
    let mut rng = state.rng(caller.number);
    sleep(profile.arrival_jitter.mul_f64(rng.f64())).await;
    let mut admission = admitted(state, body, &chat, prompt.clone(), &mut rng)?;

    let fault = state.take_fault(Fault::within_answer);
    let mut answer = Answer::to(&chat, &state.script(), profile);
    if fault.is_some() {
        answer = answer.made_long_enough();
    }
    let completion = answer.tokens() * chat.choices;
    let head = Head {
        prompt_tokens: prompt.tokens,
        cached_tokens: admission.cached,
        completion_tokens: completion,
        reasoning_tokens: count::tokens(&answer.reasoning) * chat.choices,
        choices: chat.choices,
        include_usage: chat.include_usage,
        raw: caller.raw,
        seconds: (profile.head_delay.as_secs_f64(), profile.token_delay.as_secs_f64() * to_f64(completion)),
        ..Head::new(profile, chat.model, &mut rng)
    };
    let frames = shape::stream(&head, &answer);
    let error = canned::error_within(fault, caller.key.unwrap_or_default());
    let error = Some(fault)
        .filter(|fault| chat.stream && *fault != Some(Fault::BareJsonFailure))
        .and_then(|_| shape::broken_off(&head, error["error"]["message"].as_str().unwrap_or_default()))
        .unwrap_or_else(|| error.to_string());
    let lead = steps::lead(profile, chat.stream);
    if lead.is_empty() {
        sleep(profile.head_delay).await;
    }
    state.read(&prompt);
    let (content_type, body) = if let (true, Some(events)) = (chat.stream, profile.cut_after) {
        (EVENTS, steps::cut_after(events, &frames, profile.token_delay))
    } else if chat.stream {
        (EVENTS, steps::streamed(&frames, profile.token_delay, fault, &error))
    } else {
        // A plain answer is written to its end whether or not somebody still waits for it.
        admission.produced(completion);
        if !matches!(fault, Some(Fault::SilenceAfterHead | Fault::RoleThenSilence)) {
            sleep(steps::duration(&frames, profile.token_delay, fault)).await;
        }
        ("application/json", steps::plain(shape::plain(&head, &answer), fault, &error))
    };
    let body = steps::after(lead, body);
    let playback = Playback::new(body.steps, Some(Bill { admission, completion }), ending);
    Ok(route::response(StatusCode::OK, content_type, body.length, playback))
}

/// What the vendor checks before it looks at its books, in its order.
fn checked<'a>(state: &State, body: &'a Value, caller: Caller, prompt: u64) -> Result<Chat<'a>, Refusal> {
    let profile = &state.profile;
    let vendor = profile.vendor;
    route::authorize(profile, caller.key)?;
    let chat = Chat::read(profile, body, caller.raw)?;
    if profile.retired.iter().any(|model| model == chat.model) {
        return Err(Refusal::retired(vendor, chat.model));
    }
    // llama.cpp serves the model it has loaded, whatever it is called.
    if vendor != Vendor::LlamaCpp && !profile.models.iter().any(|model| model == chat.model) {
        return Err(Refusal::no_model(vendor, chat.model));
    }
    let completion = chat.max_tokens.unwrap_or(0);
    // llama.cpp only minds the prompt: an answer ends where the context does.
    let length = prompt.saturating_add(if vendor == Vendor::LlamaCpp { 0 } else { completion });
    if length > profile.context_limit {
        return Err(Refusal::context_too_long(vendor, prompt, completion, profile.context_limit));
    }
    Ok(chat)
}

/// A place in the provider's books, if the model is up, the account has paid and the limits allow it.
fn admitted(
    state: &Arc<State>,
    body: &Value,
    chat: &Chat,
    prompt: Prompt,
    rng: &mut fastrand::Rng,
) -> Result<Admission, Refusal> {
    let profile = &state.profile;
    let unavailable = |refusal| {
        state.count(|stats| stats.unavailable += 1);
        Err(refusal)
    };
    if !state.is_warm() {
        return unavailable(Refusal::cold(profile.vendor));
    }
    state.check_quota().map_err(|spent| Refusal::spent(profile, spent))?;
    if rng.u8(..100) < profile.busy_percent {
        return unavailable(Refusal::busy(profile.vendor));
    }
    let off = profile.miscount_percent.unsigned_abs().min(100);
    let miscount = rng.u64(100 - off..=100 + off);
    let question = [&body["model"], &body["messages"], &body["prompt"]].map(Value::to_string);
    let asked = Asked {
        prompt,
        completion: chat.reserved_completion(profile.vendor),
        question: hash::of(&question.join("\n")),
        stream: chat.stream,
        turbo: chat.model.ends_with("-turbo"),
    };
    state.admit(&asked, miscount).map_err(|over| Refusal::over_limit(profile, chat.model, &over))
}

fn with_vendor_headers(
    state: &State,
    number: u64,
    quota: (u64, u64),
    mut response: Response<Playback>,
) -> Response<Playback> {
    let profile = &state.profile;
    let status = response.status();
    if profile.rate_headers && (status != StatusCode::TOO_MANY_REQUESTS || profile.rate_headers_on_429) {
        for (name, value) in state.rate_headers() {
            route::set(&mut response, &name, &value);
        }
    }
    if profile.vendor == Vendor::Chutes && status.is_success() {
        let id = shape::uuid(&mut state.rng(number));
        route::set(&mut response, "x-chutes-invocationid", &id);
        if profile.rate_headers {
            let (total, used) = quota;
            let rate = profile.limits.requests_per_minute.map_or("inf".into(), |limit| limit.to_string());
            route::set(&mut response, "x-chutes-quota-total", &total.to_string());
            route::set(&mut response, "x-chutes-quota-used", &used.to_string());
            route::set(&mut response, "x-chutes-quota-remaining", &total.saturating_sub(used).to_string());
            route::set(&mut response, "x-chutes-rl-user", &rate);
        }
    }
    response
}

#[expect(clippy::cast_precision_loss, reason = "a number of tokens, far below 2^52")]
fn to_f64(tokens: u64) -> f64 {
    tokens as f64
}

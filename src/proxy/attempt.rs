//! One target asked: sends, waits, classifies, up to the commit point.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use wire::completion::{Completion, NoCompletion};
use wire::{ChatRequest, ChatStream, Mending, Repairs, Spliced, calls};

use super::deadlines::{Deadlines, Phase, Until};
use super::turn::Asked;
use super::{Answer, AnswerBody, Proxy};
use crate::account::Reservation;
use crate::clock::Clock;
use crate::config::Preset;
use crate::failure::{Failure, Kind, Rule, pairs};
use crate::gather::gather;
use crate::relay::{Relay, Source};
use crate::report::{self, End, Report};
use crate::target::Target;
use crate::upstream::Incoming;

/// The largest plain answer, in bytes.
const MAX_ANSWER: usize = 16 * 1024 * 1024;
/// The largest error body that is read, in bytes.
const MAX_ERROR: usize = 64 * 1024;
/// How long the body of an error is waited for.
const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(2);
/// Where providers tell their own id of a request, as far as it is logged.
const PROVIDER_IDS: [&str; 4] = ["inference-id", "x-chutes-invocationid", "x-request-id", "x-generation-id"];
const LONGEST_ID: usize = 128;
/// Response headers of providers that clients may see.
const PASSED_HEADERS: [HeaderName; 3] = [
    http::header::CONTENT_TYPE,
    HeaderName::from_static("inference-id"),
    HeaderName::from_static("x-chutes-invocationid"),
];

/// An attempt that reached its commit point.
pub(super) struct Taken<'a> {
    proxy: &'a Proxy,
    headers: HeaderMap,
    /// The provider's own id of the request.
    id: Option<String>,
    body: TakenBody,
    until: Option<Until>,
    /// Nobody would have been asked after it.
    last: bool,
}

enum TakenBody {
    Plain(Completion),
    Stream(Box<Source>),
}

/// Asks one target. A failure for want of time says what was waited for; a stream that has begun is given up only for
/// silence.
pub(super) async fn attempt<'a>(
    proxy: &'a Proxy,
    request: &ChatRequest,
    target: &Target,
    body: Spliced,
    id: &str,
    reservation: &mut Reservation,
    deadlines: Deadlines,
) -> Result<Taken<'a>, Failure> {
    let preset = &target.provider.preset;
    let (rules, dialect) = (&preset.errors, preset.headers);
    let (upstream, sent) = (&proxy.upstream, reservation.sent());
    // Pinned here, as those below, each for its statement: what takes a future by value has room for it several times.
    let answer =
        deadlines.within(Phase::Head, pin!(upstream.send(target, body, request.stream, id, sent))).await?;
    let (head, body) = answer.into_parts();
    let since_1970 = proxy.clock.since_1970();
    if head.status != StatusCode::OK {
        let failure =
            Failure::from_answer(head.status, &error_body(body, &deadlines, proxy.clock).await, rules);
        return Err(failure.with_evidence(dialect, &head.headers, since_1970));
    }
    let readings = wire::rate::readings(dialect, pairs(&head.headers), since_1970);
    report::learned(&target.label, &reservation.admitted(&readings));
    let (headers, id) = (passed_headers(&head.headers), provider_id(&head.headers));
    // Its values are slices of what the connection read into, which would be kept while the first payload is waited for.
    drop(head);
    let body = if request.stream {
        let mut source = deadlines
            .within(Phase::Payload, pin!(begun(proxy, request, preset, &headers, body, reservation)))
            .await?;
        if !deadlines.is_last() {
            let idle = proxy.timeouts.stream_idle;
            deadlines.in_all(pin!(source.commit(rules, idle, reservation))).await?;
        }
        TakenBody::Stream(source)
    } else {
        let completion = deadlines.within(Phase::Body, pin!(whole(body, request, rules))).await?;
        let completion = completion.mended(&mending(request, preset.repairs));
        if !deadlines.is_last() && !request.tools.is_empty() && !calls::can_be_made_of(&completion.body) {
            reservation.counted(completion.counted);
            reservation.settle(completion.usage);
            return Err(Failure::new(Kind::BrokenCall, "sent a tool call whose arguments are no JSON"));
        }
        TakenBody::Plain(completion)
    };
    Ok(Taken { proxy, headers, id, body, until: deadlines.until(), last: deadlines.is_last() })
}

/// The body of an error: the status says the most, so it is not waited for long.
async fn error_body(body: Incoming, deadlines: &Deadlines, clock: Clock) -> Bytes {
    let left = deadlines.until().map(|until| until.left(clock.now()));
    let patience = left.map_or(ERROR_BODY_TIMEOUT, |left| left.min(ERROR_BODY_TIMEOUT));
    let whole = tokio::time::timeout(patience, gather(body, MAX_ERROR)).await;
    whole.ok().and_then(Result::ok).unwrap_or_default()
}

/// A stream read up to its first payload.
async fn begun(
    proxy: &Proxy,
    request: &ChatRequest,
    preset: &Preset,
    headers: &HeaderMap,
    body: Incoming,
    reservation: &mut Reservation,
) -> Result<Box<Source>, Failure> {
    let kind =
        headers.get(http::header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.to_ascii_lowercase().starts_with("text/event-stream") {
        // What it is instead says more than that it is no stream.
        let failure = whole(body, request, &preset.errors).await.err();
        return Err(
            failure.unwrap_or_else(|| Failure::new(Kind::NoCompletion, "sent a plain answer for a stream"))
        );
    }
    let stream = ChatStream::new(&request.model, request.wants_usage);
    let stream = stream.mending(&mending(request, preset.repairs));
    let mut source = Box::new(Source::new(body, stream, Arc::clone(&proxy.redactor)));
    source.begin(&preset.errors, reservation).await?;
    Ok(source)
}

/// What is to be repaired in the answer to a request.
fn mending(request: &ChatRequest, repairs: Repairs) -> Mending<'_> {
    let tools = request.body.get(request.tools.clone()).unwrap_or_default();
    Mending { repairs, tools, seed: fastrand::u64(..) }
}

/// A plain answer, whole and checked.
async fn whole(body: Incoming, request: &ChatRequest, rules: &[Rule]) -> Result<Completion, Failure> {
    let body = gather(body, MAX_ANSWER)
        .await
        .map_err(|partly| Failure::new(Kind::Connection, partly.to_string()))?;
    Completion::parse(&body, &request.model).map_err(|error| match error {
        NoCompletion::Error(error) => Failure::in_answer(error, rules),
        NoCompletion::Other(what) => Failure::new(Kind::NoCompletion, format!("answered 200 with {what}")),
    })
}

impl Taken<'_> {
    /// Settles a plain answer; a stream is settled by its relay.
    pub(super) fn into_answer(self, mut report: Report, asked: Asked, target: Arc<Target>) -> Answer {
        let Asked { model, mut reservation, .. } = asked;
        let attempts = report.attempts();
        report.provider_request_id = self.id.map(|id| self.proxy.redactor.redact(&id).into_owned());
        let body = match self.body {
            TakenBody::Plain(completion) => {
                reservation.works();
                reservation.counted(completion.counted);
                reservation.settle(completion.usage);
                report.usage = completion.usage;
                report.counted = completion.counted;
                report.repaired = completion.repaired;
                report.end = End::Whole;
                AnswerBody::Plain(completion.body)
            }
            TakenBody::Stream(source) => {
                reservation.probed();
                let idle = self.proxy.timeouts.stream_idle;
                AnswerBody::Stream(Box::new(Relay::new(
                    *source,
                    idle,
                    self.until,
                    self.last,
                    reservation,
                    report,
                )))
            }
        };
        Answer { target, model, attempts, headers: self.headers, body }
    }
}

/// The provider's own id of a request, where it tells one.
fn provider_id(headers: &HeaderMap) -> Option<String> {
    let id = PROVIDER_IDS.iter().find_map(|name| headers.get(*name))?;
    id.to_str().ok().map(|id| id.chars().take(LONGEST_ID).collect())
}

/// Copies, which keep nothing else of the answer.
fn passed_headers(headers: &HeaderMap) -> HeaderMap {
    let copied = |name| HeaderValue::from_bytes(headers.get(name)?.as_bytes()).ok();
    PASSED_HEADERS.iter().filter_map(|name| Some((name.clone(), copied(name)?))).collect()
}

#[cfg(test)]
mod tests {
    use http::header::{CONTENT_TYPE, SERVER};

    use super::*;

    #[test]
    fn what_clients_see_of_a_head_keeps_nothing_of_what_was_read_with_it() {
        let read = Bytes::from(b"text/event-stream nginx".to_vec());
        let value = |span| HeaderValue::from_maybe_shared(read.slice(span)).expect("a value");
        let head: HeaderMap = [(CONTENT_TYPE, value(0..17)), (SERVER, value(18..23))].into_iter().collect();
        let passed = passed_headers(&head);
        drop(head);
        assert_eq!(
            (passed.len(), &passed[CONTENT_TYPE]),
            (1, &HeaderValue::from_static("text/event-stream"))
        );
        assert!(read.is_unique());
    }
}

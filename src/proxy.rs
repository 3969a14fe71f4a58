//! One request from reservation to answer: the only loop over providers in the program.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use parking_lot::Mutex;
use quota::RetryBudget;
use secrecy::ExposeSecret;
use wire::completion::{Completion, NoCompletion};
use wire::{ChatRequest, ChatStream, Redactor};

use crate::account::{Estimate, Reservation};
use crate::clock::Clock;
use crate::config::{Config, Timeouts};
use crate::failure::{Failure, Kind};
use crate::refusal::Refusal;
use crate::relay::{Relay, Source};
use crate::report::{End, Report};
use crate::target::Target;
use crate::turn::{Decision, Turn};
use crate::upstream::Upstream;

/// The largest plain answer, in bytes.
const MAX_ANSWER: usize = 64 * 1024 * 1024;
/// The largest error body that is read, in bytes.
const MAX_ERROR: usize = 64 * 1024;
/// Response headers of providers that clients may see.
const PASSED_HEADERS: [HeaderName; 3] = [
    http::header::CONTENT_TYPE,
    HeaderName::from_static("inference-id"),
    HeaderName::from_static("x-chutes-invocationid"),
];

/// Everything that all requests share.
#[derive(Debug)]
pub struct Proxy {
    /// The model that clients ask for.
    pub model: String,
    /// In order of preference.
    pub targets: Vec<Arc<Target>>,
    /// Deadlines.
    pub timeouts: Timeouts,
    /// The process's time.
    pub clock: Clock,
    /// Takes keys out of text.
    pub redactor: Redactor,
    /// Pays for tries beyond the first round.
    pub retries: Mutex<RetryBudget>,
    upstream: Upstream,
}

/// An answer that is on its way to the client.
#[derive(Debug)]
pub struct Answer {
    /// Who gives it.
    pub target: Arc<Target>,
    /// Its model there.
    pub model: String,
    /// How many times a provider was asked.
    pub attempts: usize,
    /// Headers of the provider that clients may see.
    pub headers: HeaderMap,
    /// What it says.
    pub body: AnswerBody,
}

/// The body of an answer.
#[derive(Debug)]
pub enum AnswerBody {
    /// A plain one, whole and checked.
    Plain(Bytes),
    /// A stream, past its commit point.
    Stream(Box<Relay>),
}

/// Answers `request` from the first provider that can.
///
/// Cancel safety: dropped at any point, it gives back or settles what is reserved and drops the connection.
///
/// # Errors
///
/// One [`Refusal`] when nothing is left.
pub async fn forward(proxy: &Proxy, request: &ChatRequest, report: Report) -> Result<Answer, Refusal> {
    let mut turn = Turn::new(proxy, request, report);
    while let Some(target) = turn.next_target().await {
        let Some(mut reservation) = turn.reserve(&target) else { continue };
        let model = target.model().to_owned();
        let deadline = turn.deadline(&target);
        match attempt(proxy, request, &target, &model, &mut reservation, deadline).await {
            Ok(taken) => {
                return Ok(taken.into_answer(turn.took(&target, &model), reservation, target, model));
            }
            Err(failure) => match turn.failed(&target, &model, reservation, failure) {
                Decision::GoOn => {}
                Decision::Refuse(refusal) => return Err(refusal),
            },
        }
    }
    Err(turn.refuse())
}

/// An attempt that reached its commit point.
struct Taken<'a> {
    proxy: &'a Proxy,
    headers: HeaderMap,
    body: TakenBody,
}

enum TakenBody {
    Plain(Completion),
    Stream(Box<Source>),
}

/// Asks one target: sends, waits, classifies, up to the commit point.
async fn attempt<'a>(
    proxy: &'a Proxy,
    request: &ChatRequest,
    target: &Target,
    model: &str,
    reservation: &mut Reservation,
    deadline: Duration,
) -> Result<Taken<'a>, Failure> {
    let ask = async {
        let shaped = request.shape(model);
        let response = proxy.upstream.send(target, shaped, request.stream, reservation.sent()).await?;
        let (head, body) = response.into_parts();
        if head.status != StatusCode::OK {
            let body = Limited::new(body, MAX_ERROR).collect().await.map(http_body_util::Collected::to_bytes);
            return Err(Failure::from_answer(head.status, &head.headers, &body.unwrap_or_default()));
        }
        reservation.admitted();
        let body = if request.stream {
            TakenBody::Stream(Box::new(committed(proxy, request, &head.headers, body).await?))
        } else {
            TakenBody::Plain(whole(body, request).await?)
        };
        Ok(Taken { proxy, headers: passed_headers(&head.headers), body })
    };
    tokio::time::timeout(deadline, ask).await.unwrap_or_else(|_| Err(too_late(deadline)))
}

/// A stream read up to its first payload.
async fn committed(
    proxy: &Proxy,
    request: &ChatRequest,
    headers: &HeaderMap,
    body: Incoming,
) -> Result<Source, Failure> {
    let kind =
        headers.get(http::header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("text/event-stream") {
        // What it is instead says more than that it is no stream.
        let failure = whole(body, request).await.err();
        return Err(
            failure.unwrap_or_else(|| Failure::new(Kind::NoCompletion, "sent a plain answer for a stream"))
        );
    }
    let stream = ChatStream::new(&request.model, request.wants_usage);
    let mut source = Source::new(body, stream, proxy.redactor.clone());
    source.commit().await?;
    Ok(source)
}

/// A plain answer, whole and checked.
async fn whole(body: Incoming, request: &ChatRequest) -> Result<Completion, Failure> {
    let body = Limited::new(body, MAX_ANSWER)
        .collect()
        .await
        .map_err(|error| Failure::new(Kind::Connection, format!("its answer broke off: {error}")))?;
    Completion::parse(&body.to_bytes(), &request.model).map_err(|error| match error {
        NoCompletion::Error(error) => Failure { error, ..Failure::new(Kind::ErrorInAnswer, "") },
        NoCompletion::Other(what) => Failure::new(Kind::NoCompletion, format!("answered 200 with {what}")),
    })
}

impl Taken<'_> {
    fn into_answer(
        self,
        mut report: Report,
        mut reservation: Reservation,
        target: Arc<Target>,
        model: String,
    ) -> Answer {
        let attempts = report.attempts();
        let body = match self.body {
            TakenBody::Plain(completion) => {
                reservation.works();
                reservation.counted(completion.counted);
                reservation.settle(completion.usage);
                report.usage = completion.usage;
                report.counted = completion.counted;
                report.end = End::Whole;
                AnswerBody::Plain(completion.body)
            }
            TakenBody::Stream(source) => {
                reservation.probed();
                let Proxy { timeouts, clock, .. } = self.proxy;
                AnswerBody::Stream(Box::new(Relay::new(
                    *source,
                    timeouts.stream_idle,
                    reservation,
                    report,
                    *clock,
                )))
            }
        };
        Answer { target, model, attempts, headers: self.headers, body }
    }
}

fn too_late(deadline: Duration) -> Failure {
    Failure::new(Kind::Timeout, format!("sent nothing of an answer within {} s", deadline.as_secs_f64()))
}

fn passed_headers(headers: &HeaderMap) -> HeaderMap {
    PASSED_HEADERS.iter().filter_map(|name| Some((name.clone(), headers.get(name)?.clone()))).collect()
}

impl Proxy {
    /// The proxy of a configuration.
    ///
    /// # Errors
    ///
    /// Certificates or keys that can't be used.
    pub fn new(config: &Config, clock: Clock) -> anyhow::Result<Self> {
        let keys = config.providers.iter().map(|provider| &provider.key).chain(&config.server.client_keys);
        let redactor = Redactor::new(keys.map(ExposeSecret::expose_secret));
        Ok(Self {
            model: config.model.clone(),
            targets: Target::all(config, clock)?,
            timeouts: config.timeouts,
            clock,
            redactor,
            retries: Mutex::default(),
            upstream: Upstream::new(config.extra_ca.as_deref())?,
        })
    }

    /// What the request will cost before anything is known of a provider.
    #[must_use]
    pub fn estimate(&self, request: &ChatRequest) -> Estimate {
        let part = |span: &std::ops::Range<usize>| request.body.get(span.clone()).unwrap_or_default();
        let prompt = tokens::estimate_chat(part(&request.messages), part(&request.tools));
        Estimate { prompt, max_tokens: request.max_tokens }
    }
}

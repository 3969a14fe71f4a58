//! What the client sees when nothing is left: one clear error that says when to come back, and why.

use std::time::Duration;

use quota::Moment;
use wire::ApiError;

use crate::account::{Skip, TooLong};
use crate::failure::{Failure, Kind};
use crate::report::{Step, Verdict};

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub error: ApiError,
    /// In how many seconds to come back. At least 1; at most 59, since clients throw away what is above 60.
    pub retry_after: Option<u64>,
}

/// How long a provider in trouble is given at the least.
const TROUBLE: Duration = Duration::from_secs(5);

/// What the last verdict about a target means for the client, the most hopeful first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outlook {
    /// Comes back by itself: a quota refills, a queue empties.
    Quota,
    /// The provider is in trouble.
    Down,
    /// The request must change.
    Request,
    /// The operator must change something.
    Configuration,
}

/// Sums up what became of each target; `latest` is in their order.
#[must_use]
pub fn refusal(latest: &[&Step], now: Moment) -> Refusal {
    let Some((outlook, decisive)) =
        latest.iter().map(|step| (outlook(&step.verdict), *step)).min_by_key(|(outlook, _)| *outlook)
    else {
        return refuse(503, "server_error", "no_provider", "No provider is configured.".to_owned(), None);
    };
    let story = story(latest, now);
    let wait = latest.iter().filter_map(|step| usable_in(step, now)).min();
    let retry_after = Some(whole_seconds(wait.unwrap_or(Duration::from_mins(1))));
    match outlook {
        Outlook::Quota => {
            let message = format!("No provider can take this request now. {story}");
            refuse(429, "rate_limit_error", "rate_limit_exceeded", message, retry_after)
        }
        Outlook::Down => {
            let message = format!("No provider answers. {story}");
            refuse(503, "server_error", "providers_unavailable", message, retry_after)
        }
        Outlook::Request => too_long(latest).unwrap_or_else(|| for_the_client(decisive, &story)),
        Outlook::Configuration => {
            let variables = configuration(latest);
            let message = format!("The proxy's own settings must be corrected: check {variables}. {story}");
            refuse(502, "server_error", "provider_configuration", message, None)
        }
    }
}

/// The error for what no provider would answer otherwise, in the words of the one that said so.
#[must_use]
pub fn passed_on(failure: &Failure) -> Refusal {
    let mut error = failure.error.to_api("invalid_request_error");
    let mut status = failure.status.map_or(400, |status| status.as_u16());
    if failure.kind == Kind::ContextTooLong {
        status = 400;
        error.code = Some("context_length_exceeded".to_owned());
    }
    Refusal { status, error, retry_after: None }
}

/// Where a model's context is too small for it: in the words of the roomiest one's provider, or in `OpenAI`'s, by which agents know
/// that a conversation must be compacted. `None`: that is not why.
fn too_long(latest: &[&Step]) -> Option<Refusal> {
    let skipped = latest.iter().filter_map(|step| match step.verdict {
        Verdict::Skipped(Skip::TooLong(too_long)) => Some(too_long),
        _ => None,
    });
    let refused = latest.iter().filter_map(|step| match &step.verdict {
        Verdict::Failed(failure) if failure.kind == Kind::ContextTooLong => {
            // One that names no limit is taken to be the roomiest: it was tried.
            Some((failure.error.context_limit().unwrap_or(u64::MAX), failure))
        }
        _ => None,
    });
    let (skipped, refused) =
        (skipped.max_by_key(|it| it.context), refused.max_by_key(|(context, _)| *context));
    let TooLong { context, prompt, answer } = match (refused, skipped) {
        (Some((context, failure)), skipped) if skipped.is_none_or(|it| it.context <= context) => {
            return Some(passed_on(failure));
        }
        (_, skipped) => skipped?,
    };
    let message = match answer {
        0 => format!(
            "This model's maximum context length is {context} tokens. However, your messages resulted in {prompt} tokens. \
             Please reduce the length of the messages."
        ),
        _ => format!(
            "This model's maximum context length is {context} tokens. However, you requested {} tokens ({prompt} in the \
             messages, {answer} in the completion). Please reduce the length of the messages or completion.",
            prompt.saturating_add(answer)
        ),
    };
    let mut refusal = refuse(400, "invalid_request_error", "context_length_exceeded", message, None);
    refusal.error.param = Some("messages".to_owned());
    Some(refusal)
}

fn for_the_client(step: &Step, story: &str) -> Refusal {
    match &step.verdict {
        Verdict::Failed(failure) if failure.kind != Kind::TooLargeForLimit => passed_on(failure),
        // Compaction is what helps, and this code is what makes an agent compact.
        _ => refuse(
            400,
            "invalid_request_error",
            "context_length_exceeded",
            format!(
                "This request is larger than what may be sent at once: shorten it or lower max_tokens. {story}"
            ),
            None,
        ),
    }
}

fn refuse(status: u16, kind: &str, code: &str, message: String, retry_after: Option<u64>) -> Refusal {
    let error = ApiError { message, kind: kind.to_owned(), param: None, code: Some(code.to_owned()) };
    Refusal { status, error, retry_after }
}

fn outlook(verdict: &Verdict) -> Outlook {
    match verdict {
        Verdict::Skipped(Skip::Short(short)) if short.available_at.is_none() => Outlook::Request,
        Verdict::Skipped(Skip::Short(_) | Skip::Full(_) | Skip::Unleased) => Outlook::Quota,
        Verdict::Skipped(Skip::TooLong(_)) => Outlook::Request,
        Verdict::Skipped(Skip::Open(_, kind)) => kind.map_or(Outlook::Down, by_kind),
        Verdict::Skipped(Skip::Probing) | Verdict::Took => Outlook::Down,
        Verdict::Failed(failure) => by_kind(failure.kind),
    }
}

fn by_kind(kind: Kind) -> Outlook {
    match kind {
        Kind::RateLimited(..) | Kind::Busy | Kind::PaymentRequired => Outlook::Quota,
        Kind::Timeout
        | Kind::Unreachable
        | Kind::OutOfTime
        | Kind::ServerError
        | Kind::Connection
        | Kind::ErrorInAnswer
        | Kind::EmptyStream
        | Kind::BrokenOff
        | Kind::BrokenCall
        | Kind::NoCompletion => Outlook::Down,
        Kind::TooLargeForLimit | Kind::ContextTooLong | Kind::Rejected | Kind::BadRequest => Outlook::Request,
        Kind::Unauthorized | Kind::ModelGone | Kind::NotFound => Outlook::Configuration,
    }
}

/// One sentence for each provider.
fn story(latest: &[&Step], now: Moment) -> String {
    let sentence = |step: &&Step| {
        format!("{}: {}.", step.target.label, step.verdict.describe(now).trim_end_matches('.'))
    };
    latest.iter().map(sentence).collect::<Vec<_>>().join(" ")
}

/// When this target will most likely take the request; `None`: never as things are.
fn usable_in(step: &Step, now: Moment) -> Option<Duration> {
    if !matches!(outlook(&step.verdict), Outlook::Quota | Outlook::Down) {
        return None;
    }
    let wait = step.target.account.available_at(step.estimate)? - now;
    Some(match &step.verdict {
        // The books know when a quota refills.
        Verdict::Skipped(Skip::Full(_) | Skip::Unleased) => wait.max(TROUBLE),
        Verdict::Skipped(_) | Verdict::Took => wait,
        Verdict::Failed(failure) if matches!(failure.kind, Kind::RateLimited(..)) => wait,
        // Nobody knows when trouble ends, and many clients come back only twice: better a little late.
        Verdict::Failed(failure) => wait.max(TROUBLE).max(failure.retry_after.unwrap_or_default()),
    })
}

/// The settings to look at.
fn configuration(latest: &[&Step]) -> String {
    let mut settings: Vec<&str> = Vec::new();
    for step in latest {
        let kind = match &step.verdict {
            Verdict::Failed(failure) => failure.kind,
            Verdict::Skipped(Skip::Open(_, Some(kind))) => *kind,
            _ => continue,
        };
        let setting = step.target.provider.settings.to_correct(kind);
        settings.extend(setting.filter(|setting| !settings.contains(setting)));
    }
    settings.join(" and ")
}

fn whole_seconds(time: Duration) -> u64 {
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    // Waiters who were refused together need not come back together.
    (seconds + fastrand::u64(0..=1)).clamp(1, 59)
}

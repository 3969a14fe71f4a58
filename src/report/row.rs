//! What is left of a request when it is over: one value, which the log line is written from and the history keeps.

use std::time::Duration;

use wire::Usage;

use super::{End, Report, Step, Verdict};

/// One request that is over. Neither prompts nor keys: what providers said has been redacted on its way here.
#[derive(Clone, Debug)]
pub struct Row {
    /// When it came in, in milliseconds since 1970.
    pub at_ms: u64,
    /// The id the client, the log and the history know it by.
    pub request_id: String,
    /// Who asked: which of the client keys, or else the family of the user agent.
    pub client: Option<String>,
    /// The model the client asked for.
    pub model: String,
    /// Whether it is a stream.
    pub stream: bool,
    /// The longest answer that the client allowed, if it named one.
    pub max_tokens: Option<u64>,
    /// Who answered.
    pub took: Option<Step>,
    /// Whether that was the provider that was looked at first.
    pub first_choice: Option<bool>,
    /// Its id at the provider that answered.
    pub provider_request_id: Option<String>,
    /// How many times a provider was asked.
    pub attempts: usize,
    /// What became of each target, in words.
    pub steps: String,
    /// The prompt's tokens as counted or guessed, for the target that was looked at last.
    pub tokens_estimated: Option<u64>,
    /// Tokens set aside where it was sent last.
    pub tokens_reserved: u64,
    /// What the provider reported.
    pub usage: Option<Usage>,
    /// Tokens counted from the answer where it reported nothing.
    pub tokens_counted: Option<u64>,
    /// What was repaired in the answer, with commas between.
    pub repaired: Option<String>,
    /// From its arrival to the first payload on its way to the client.
    pub first_payload_ms: Option<u64>,
    /// From its arrival to its end.
    pub total_ms: u64,
    /// The client's status.
    pub status: u16,
    /// How it ended, in a word or two.
    pub end: &'static str,
    /// What broke the answer.
    pub why: Option<String>,
}

impl Row {
    /// Writes the log line.
    fn log(&self, well: bool) {
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    request_id = self.request_id,
                    model = self.model,
                    stream = self.stream,
                    max_tokens = self.max_tokens,
                    provider = self.took.as_ref().map(|step| step.target.name()),
                    upstream_model = self.took.as_ref().map(|step| step.model.as_str()),
                    provider_request_id = self.provider_request_id,
                    attempts = self.attempts,
                    steps = self.steps,
                    tokens_estimated = self.tokens_estimated,
                    tokens_reserved = self.tokens_reserved,
                    prompt_tokens = self.usage.map(|usage| usage.prompt_tokens),
                    cached_tokens = self.usage.and_then(|usage| usage.cached_tokens),
                    completion_tokens = self.usage.map(|usage| usage.completion_tokens),
                    tokens_counted = self.tokens_counted,
                    repaired = self.repaired,
                    first_payload_ms = self.first_payload_ms,
                    total_ms = self.total_ms,
                    status = self.status,
                    end = self.end,
                    why = self.why,
                    "request"
                )
            };
        }
        if well {
            line!(info);
        } else {
            line!(warn);
        }
    }
}

impl Report {
    /// What is left of it; the texts move.
    fn row(&mut self) -> Row {
        let steps = self.story();
        let attempts = self.attempts();
        let tokens_estimated = self.steps.last().map(|step| step.estimate.prompt);
        let took = self.steps.iter().rposition(|step| matches!(step.verdict, Verdict::Took));
        let first = |took: usize| {
            self.steps.first().map(|first| first.target.name() == self.steps[took].target.name())
        };
        let first_choice = took.and_then(first);
        let took = took.map(|index| self.steps.swap_remove(index));
        let (end, why) = match std::mem::replace(&mut self.end, End::ClientLeft) {
            End::ClientLeft => ("client left", None),
            End::Whole => ("whole", None),
            End::Refused => ("refused", None),
            End::Broken(why) => ("broken", Some(why)),
        };
        let total_ms = millis(self.clock.since(self.started));
        Row {
            at_ms: self.clock.unix_ms().saturating_sub(total_ms),
            request_id: std::mem::take(&mut self.id),
            client: self.client.take(),
            model: std::mem::take(&mut self.model),
            stream: self.stream,
            max_tokens: self.max_tokens,
            took,
            first_choice,
            provider_request_id: self.provider_request_id.take(),
            attempts,
            steps,
            tokens_estimated,
            tokens_reserved: self.reserved,
            usage: self.usage,
            tokens_counted: self.usage.is_none().then_some(self.counted),
            repaired: (!self.repaired.is_empty()).then(|| self.repaired.names()),
            first_payload_ms: self.first_payload.map(millis),
            total_ms,
            status: self.status,
            end,
            why,
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Drop for Report {
    fn drop(&mut self) {
        let well = match self.end {
            End::Whole | End::ClientLeft => true,
            End::Refused => self.status < 429,
            End::Broken(_) => false,
        };
        let logged = !well || tracing::enabled!(tracing::Level::INFO);
        let kept = self.store.keeps_history();
        if !logged && !kept {
            return;
        }
        let row = self.row();
        if logged {
            row.log(well);
        }
        if kept {
            self.store.record(row);
        }
    }
}

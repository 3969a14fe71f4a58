//! What of a simulated provider can be set from the command line. What is not given is the preset's.

use std::time::Duration;

use clap::{Args, ValueEnum};
use simulator::{Completions, Damage, Plan, Profile, RateHeaderSet, Vendor};

/// A Cerebras account.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum PlanName {
    #[value(name = "free-2025")]
    Free2025,
    #[value(name = "code-pro-2025")]
    CodePro2025,
    #[value(name = "free-trial-2026")]
    FreeTrial2026,
    #[value(name = "developer-2026")]
    Developer2026,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Headers {
    /// As vendors with one generation of headers send them; at Cerebras those until early 2026
    Six,
    /// Cerebras's since 2026
    Twelve,
    /// None
    None,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum DamageName {
    /// Arguments in fragments
    Fragmented,
    /// Fragments say null for what they leave out
    NullFilled,
    /// Arguments in one piece after a silence
    Buffered,
    /// All calls have the index 0
    IndexZero,
    /// No ids
    MissingIds,
    /// Arguments are JSON within a JSON string
    DoubleEncoded,
    /// Arrays and objects within them are
    StringifiedValues,
    /// The last call's arguments lack their end
    BrokenArguments,
    /// Calls as XML in the text
    XmlLeak,
    /// The same without the opening tag
    XmlLeakUnopened,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum CompletionsName {
    /// The prompt goes on where it ends
    Ok,
    /// 404
    Missing,
    /// No text
    Empty,
    /// A space before the text
    Space,
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(super) struct Options {
    /// Limits, models and headers of a Cerebras account; the options below change it
    #[arg(long, value_enum)]
    pub(super) plan: Option<PlanName>,
    /// Requests a second allowed (0: without limit, here and below)
    #[arg(long)]
    requests_per_second: Option<u64>,
    /// Requests a minute
    #[arg(long)]
    requests_per_minute: Option<u64>,
    /// Requests an hour
    #[arg(long)]
    requests_per_hour: Option<u64>,
    /// Requests a day; at Chutes the quota of answers until midnight UTC
    #[arg(long, alias = "daily-requests")]
    requests_per_day: Option<u64>,
    /// Tokens a minute
    #[arg(long)]
    tokens_per_minute: Option<u64>,
    /// Tokens an hour
    #[arg(long)]
    tokens_per_hour: Option<u64>,
    /// Tokens a day
    #[arg(long)]
    tokens_per_day: Option<u64>,
    /// Tokens a minute, cached ones left out
    #[arg(long)]
    uncached_tokens_per_minute: Option<u64>,
    /// Chutes: micro-dollars' worth of answers in four hours
    #[arg(long)]
    four_hour_cap: Option<u64>,
    /// Chutes: micro-dollars' worth of answers in thirty days
    #[arg(long)]
    monthly_cap: Option<u64>,
    /// How long a minute lasts, in milliseconds; give the proxy the same as `RATE_WINDOW_MS`
    #[arg(long, default_value_t = 60_000)]
    minute_ms: u64,
    /// What was reserved and not used is not given back
    #[arg(long)]
    keep_reserved: bool,
    /// By how many percent the count of a prompt may be off, either way
    #[arg(long)]
    miscount_percent: Option<i64>,
    /// How long a request may take to reach the books, at random, in milliseconds
    #[arg(long)]
    jitter_ms: Option<u64>,
    /// The headers that tell how much is left
    #[arg(long, value_enum)]
    headers: Option<Headers>,
    /// No such headers with a 429
    #[arg(long)]
    no_headers_on_429: bool,
    /// Streams end without `data: [DONE]`
    #[arg(long)]
    no_done: bool,
    /// Tokens of reasoning before each answer
    #[arg(long, num_args = 0..=1, default_missing_value = "20")]
    reasoning: Option<u64>,
    /// Prompts are cached
    #[arg(long)]
    prompt_cache: bool,
    /// Damage to tool calls, instead of the vendor's own; may be given several times
    #[arg(long, value_enum, value_delimiter = ',')]
    damage: Vec<DamageName>,
    /// The connection of every stream is reset after so many events
    #[arg(long)]
    cut_after: Option<usize>,
    /// What /v1/completions does
    #[arg(long, value_enum)]
    completions: Option<CompletionsName>,
    /// Properties answered with 400, such as store or messages.*.name, instead of the vendor's own
    #[arg(long, value_delimiter = ',')]
    reject: Vec<String>,
    /// Undocumented properties are answered with 400 too
    #[arg(long)]
    strict_fields: bool,
    /// Unpaired calls and answers, and broken arguments of earlier calls, are answered with 400
    #[arg(long)]
    strict_history: bool,
    /// The model is loaded so long, in milliseconds
    #[arg(long)]
    cold_start_ms: Option<u64>,
    /// So many of a hundred requests meet a full queue
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=100))]
    busy_percent: Option<u8>,
    /// Time to the answer's head, in milliseconds
    #[arg(long)]
    head_delay_ms: Option<u64>,
    /// Time per token, in microseconds
    #[arg(long)]
    token_delay_us: Option<u64>,
    /// Most tokens of prompt and answer together
    #[arg(long)]
    context_limit: Option<u64>,
    /// A model to serve, instead of the preset's; may be given several times
    #[arg(long = "model", value_delimiter = ',')]
    models: Vec<String>,
    /// A model that is gone; may be given several times
    #[arg(long, value_delimiter = ',')]
    retired: Vec<String>,
    /// The only key accepted; without it all are
    #[arg(long)]
    api_key: Option<String>,
    /// Seed of everything random
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl Options {
    /// The preset with what was given put in its place.
    pub(super) fn profile(self, vendor: Vendor) -> Profile {
        let mut profile = self.plan.map_or_else(|| Profile::of(vendor), |plan| Plan::from(plan).profile());
        self.limit(&mut profile);
        profile.minute = Duration::from_millis(self.minute_ms.max(1));
        profile.seed = self.seed;
        profile.returns_unused &= !self.keep_reserved;
        profile.done_marker &= !self.no_done;
        profile.rate_headers_on_429 &= !self.no_headers_on_429;
        profile.prompt_cache |= self.prompt_cache;
        profile.strict_fields |= self.strict_fields;
        profile.strict_history |= self.strict_history;
        match self.headers {
            Some(Headers::None) => profile.rate_headers = false,
            Some(Headers::Six) => {
                (profile.rate_headers, profile.rate_header_set) = (true, RateHeaderSet::Six);
            }
            Some(Headers::Twelve) => {
                (profile.rate_headers, profile.rate_header_set) = (true, RateHeaderSet::Twelve);
            }
            None => {}
        }
        put(&mut profile.miscount_percent, self.miscount_percent);
        put(&mut profile.arrival_jitter, self.jitter_ms.map(Duration::from_millis));
        put(&mut profile.reasoning_tokens, self.reasoning);
        put(&mut profile.cold_start, self.cold_start_ms.map(Duration::from_millis));
        put(&mut profile.busy_percent, self.busy_percent);
        put(&mut profile.head_delay, self.head_delay_ms.map(Duration::from_millis));
        put(&mut profile.token_delay, self.token_delay_us.map(Duration::from_micros));
        put(&mut profile.context_limit, self.context_limit);
        put(&mut profile.completions, self.completions.map(Completions::from));
        put(&mut profile.damage, given(self.damage.into_iter().map(Damage::from).collect()));
        put(&mut profile.rejected_fields, given(self.reject));
        put(&mut profile.models, given(self.models));
        put(&mut profile.retired, given(self.retired));
        profile.cut_after = self.cut_after;
        profile.api_key = self.api_key.or(profile.api_key);
        profile
    }

    fn limit(&self, profile: &mut Profile) {
        let (limits, paid) = (&mut profile.limits, &mut profile.subscription);
        let places = [
            (&mut limits.requests_per_second, self.requests_per_second),
            (&mut limits.requests_per_minute, self.requests_per_minute),
            (&mut limits.requests_per_hour, self.requests_per_hour),
            (&mut limits.requests_per_day, self.requests_per_day),
            (&mut limits.tokens_per_minute, self.tokens_per_minute),
            (&mut limits.tokens_per_hour, self.tokens_per_hour),
            (&mut limits.tokens_per_day, self.tokens_per_day),
            (&mut limits.uncached_tokens_per_minute, self.uncached_tokens_per_minute),
            (&mut paid.four_hour_cap, self.four_hour_cap),
            (&mut paid.monthly_cap, self.monthly_cap),
        ];
        for (place, given) in places {
            put(place, given.map(|limit| Some(limit).filter(|limit| *limit > 0)));
        }
    }
}

fn put<T>(place: &mut T, given: Option<T>) {
    if let Some(value) = given {
        *place = value;
    }
}

fn given<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

impl From<PlanName> for Plan {
    fn from(name: PlanName) -> Self {
        match name {
            PlanName::Free2025 => Self::Free2025,
            PlanName::CodePro2025 => Self::CodePro2025,
            PlanName::FreeTrial2026 => Self::FreeTrial2026,
            PlanName::Developer2026 => Self::Developer2026,
        }
    }
}

impl From<DamageName> for Damage {
    fn from(name: DamageName) -> Self {
        match name {
            DamageName::Fragmented => Self::Fragmented,
            DamageName::NullFilled => Self::NullFilled,
            DamageName::Buffered => Self::Buffered,
            DamageName::IndexZero => Self::IndexZero,
            DamageName::MissingIds => Self::MissingIds,
            DamageName::DoubleEncoded => Self::DoubleEncoded,
            DamageName::StringifiedValues => Self::StringifiedValues,
            DamageName::BrokenArguments => Self::BrokenArguments,
            DamageName::XmlLeak => Self::XmlLeak,
            DamageName::XmlLeakUnopened => Self::XmlLeakUnopened,
        }
    }
}

impl From<CompletionsName> for Completions {
    fn from(name: CompletionsName) -> Self {
        match name {
            CompletionsName::Ok => Self::Served,
            CompletionsName::Missing => Self::Missing,
            CompletionsName::Empty => Self::Empty,
            CompletionsName::Space => Self::Space,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn profile(vendor: Vendor, line: &str) -> Profile {
        let words = std::iter::once("simulate").chain(line.split_whitespace());
        Line::try_parse_from(words).unwrap().options.profile(vendor)
    }

    #[test]
    fn what_is_not_given_is_the_presets() {
        let plain = profile(Vendor::Groq, "");
        assert_eq!(format!("{plain:?}"), format!("{:?}", Profile::groq()));
    }

    #[test]
    fn what_is_given_takes_its_place() {
        let line = "--plan free-trial-2026 --requests-per-hour 7 --tokens-per-day 0 --headers none --keep-reserved \
                    --no-done --reasoning --damage xml-leak,missing-ids --completions space --seed 9";
        let changed = profile(Vendor::Cerebras, line);
        assert_eq!(changed.limits.requests_per_hour, Some(7));
        assert_eq!(changed.limits.tokens_per_day, None);
        assert_eq!(changed.limits.requests_per_minute, Some(5));
        assert!(!(changed.rate_headers || changed.returns_unused || changed.done_marker));
        assert_eq!((changed.reasoning_tokens, changed.seed), (20, 9));
        assert_eq!(changed.damage, [Damage::XmlLeak, Damage::MissingIds]);
        assert_eq!(changed.completions, Completions::Space);
        let chutes =
            profile(Vendor::Chutes, "--daily-requests 300 --four-hour-cap 1250000 --cold-start-ms 50");
        assert_eq!(chutes.limits.requests_per_day, Some(300));
        assert_eq!(chutes.subscription.four_hour_cap, Some(1_250_000));
        assert_eq!(chutes.cold_start, Duration::from_millis(50));
    }
}

//! Who spells rate-limit headers how.

use quota::{Dimension, Window};

macro_rules! dialects {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// How a provider's rate-limit headers are spelled.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Dialect { $($(#[$doc])* $name,)* }

        impl Dialect {
            /// All of them, by the names they have in settings.
            pub const ALL: &[(&str, Self)] = &[$(($text, Self::$name),)*];
        }
    };
}

dialects! {
    /// None are sent.
    None = "none",
    /// `x-ratelimit-{limit,remaining,reset}-{requests,tokens}-{minute,hour,day}`, some of them or none. The resets
    /// are left out: they tell how far the wall clock is from its next whole minute or day, while the buckets refill
    /// continuously (two documented values of one response differ by whole minutes). What remains of an hour's tokens
    /// was seen above the limit beside it, as if it were of another bucket; both are told as they are. Tokens a
    /// minute are the uncached ones where the plan has a limit for those (`limit` says which).
    Cerebras = "cerebras",
    /// `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`, by minute; resets as Go durations.
    OpenAi = "openai",
    /// The same names; requests by day, tokens by minute.
    Groq = "groq",
    /// `x-ratelimit-{limit,remaining,reset}` and `x-tokenlimit-{limit,remaining}`, by second
    /// (docs.together.ai, 2026). Further ones ending in `-dynamic` stand for a second pair of limits; not read.
    Together = "together",
    /// `x-ratelimit-{limit,remaining,reset}` on refusals alone, also in the body; resets in epoch milliseconds. The
    /// window is not named: one that ends within a minute is taken for a minute, another for a day.
    OpenRouter = "openrouter",
    /// `x-chutes-quota-{total,used,remaining}`: requests until midnight UTC as they were before the request, which
    /// counts when it is complete. All are 0 where a balance pays instead.
    Chutes = "chutes",
    /// `RateLimit` and `RateLimit-Policy`, in the forms of several drafts, where they name their window and count
    /// requests.
    Ietf = "ietf",
    /// `x-ratelimit-{limit,remaining}-{req,tokens}-minute` (recorded 2026-02); those by month are not read.
    Mistral = "mistral",
    /// `x-ratelimit-{limit,remaining}-tokens-{prompt,cache-adjusted-prompt,generated}`. Nothing is read: each bounds
    /// a part of a request's tokens, and none is a bound of all of them.
    Fireworks = "fireworks",
}

/// Prefix and suffix of the headers `{prefix}limit{suffix}`, `{prefix}remaining{suffix}` and `{prefix}reset{suffix}`, and
/// what they count.
pub(super) type Spelling = (&'static str, &'static str, Dimension, Window);

/// Which of a limit's numbers a header holds.
#[derive(Clone, Copy)]
pub(super) enum Part {
    Limit,
    Remaining,
    Reset,
}

const RATE: &str = "x-ratelimit-";
const TOKEN: &str = "x-tokenlimit-";

/// A header's name as prefix, part and suffix, if it is one of a limit.
pub(super) fn parts(name: &str) -> Option<(&'static str, Part, &str)> {
    let with = |prefix| Some((prefix, name.strip_prefix(prefix)?));
    let (prefix, rest) = with(RATE).or_else(|| with(TOKEN))?;
    let part = |text, part| Some((prefix, part, rest.strip_prefix(text)?));
    part("limit", Part::Limit)
        .or_else(|| part("remaining", Part::Remaining))
        .or_else(|| part("reset", Part::Reset))
}

impl Dialect {
    /// The headers of limits, where they are no more than numbers with such names.
    pub(super) fn spellings(self) -> &'static [Spelling] {
        use Dimension::{Requests, Tokens};
        use Window::{Day, Hour, Minute, Second};
        match self {
            Self::Cerebras => &[
                (RATE, "-requests-minute", Requests, Minute),
                (RATE, "-requests-hour", Requests, Hour),
                (RATE, "-requests-day", Requests, Day),
                (RATE, "-tokens-minute", Tokens, Minute),
                (RATE, "-tokens-hour", Tokens, Hour),
                (RATE, "-tokens-day", Tokens, Day),
            ],
            Self::OpenAi => &[(RATE, "-requests", Requests, Minute), (RATE, "-tokens", Tokens, Minute)],
            Self::Groq => &[(RATE, "-requests", Requests, Day), (RATE, "-tokens", Tokens, Minute)],
            Self::Together => &[(RATE, "", Requests, Second), (TOKEN, "", Tokens, Second)],
            // Until the reset is known.
            Self::OpenRouter => &[(RATE, "", Requests, Minute)],
            Self::Mistral => {
                &[(RATE, "-req-minute", Requests, Minute), (RATE, "-tokens-minute", Tokens, Minute)]
            }
            Self::None | Self::Chutes | Self::Ietf | Self::Fireworks => &[],
        }
    }
}

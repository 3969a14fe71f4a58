//! The catalogue of faults.

use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error as _};

/// How far an answer gets before the fault shows, as a client of a *stream* sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nothing of the answer was sent: another provider can be asked without the client noticing.
    BeforePayload,
    /// Some of the answer was sent. (A plain answer breaks within its body, so that none of it is usable.)
    AfterPayload,
    /// The answer is whole, only unusual.
    Healthy,
}

/// How many chat completion requests a fault hits before the provider is well again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// The next one.
    Once,
    /// This many.
    Count(u32),
    /// All, until healed.
    Always,
}

impl Times {
    /// What is left after one more hit; `None` when that was the last.
    pub(crate) fn after_one(self) -> Option<Self> {
        match self {
            Self::Always => Some(self),
            Self::Count(n) if n > 1 => Some(Self::Count(n - 1)),
            Self::Once | Self::Count(_) => None,
        }
    }
}

/// A count, or one of the words `once` and `always`.
impl<'de> Deserialize<'de> for Times {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        match (value.as_u64().and_then(|n| u32::try_from(n).ok()), value.as_str()) {
            (Some(n), _) => Ok(Self::Count(n)),
            (_, Some("once")) => Ok(Self::Once),
            (_, Some("always")) => Ok(Self::Always),
            _ => Err(D::Error::custom("times is a count, \"once\" or \"always\"")),
        }
    }
}

/// A name that is no fault's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no fault named {0:?}")]
pub struct UnknownFault(pub String);

/// Declares the enum together with its names and phases, so that none of the three can miss one.
macro_rules! faults {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $phase:ident;)*) => {
        /// One way in which a provider fails a chat completion request.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        pub enum Fault {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)*
        }

        impl Fault {
            /// Every fault.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name it has in the control plane.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// How far an answer gets before this fault shows.
            #[must_use]
            pub fn when(&self) -> Phase {
                match self { $(Self::$variant => Phase::$phase),* }
            }
        }
    };
}

faults! {
    /// 429: requests per second. (At Chutes all 429s are the capacity one.)
    RateLimitSecond = "rate_limit_second", BeforePayload;
    /// 429: requests per minute.
    RateLimitMinute = "rate_limit_minute", BeforePayload;
    /// 429: tokens per minute.
    RateLimitTokensMinute = "rate_limit_tokens_minute", BeforePayload;
    /// 429: tokens per day.
    RateLimitTokensDay = "rate_limit_tokens_day", BeforePayload;
    /// 429: the provider's shared queue is full; no `Retry-After`.
    QueueExceeded = "queue_exceeded", BeforePayload;
    /// 429 as Chutes says it, whoever the vendor is; no `Retry-After`.
    Capacity = "capacity", BeforePayload;
    /// 500.
    ServerError = "server_error", BeforePayload;
    /// 502 with an HTML body.
    BadGateway = "bad_gateway", BeforePayload;
    /// 503: the model is cold.
    Unavailable = "unavailable", BeforePayload;
    /// 402 with a dictionary as detail that says when the quota is reset.
    PaymentRequired = "payment_required", BeforePayload;
    /// 401.
    Unauthorized = "unauthorized", BeforePayload;
    /// 403 with an HTML body.
    Forbidden = "forbidden", BeforePayload;
    /// 408.
    RequestTimeout = "request_timeout", BeforePayload;
    /// 404: the model was archived.
    ModelRetired = "model_retired", BeforePayload;
    /// 400: prompt and completion do not fit.
    ContextTooLong = "context_too_long", BeforePayload;
    /// 400: a property this vendor does not support.
    BadFormat = "bad_format", BeforePayload;
    /// 422: some tools strict, some not.
    MixedStrict = "mixed_strict", BeforePayload;
    /// 400: a request no provider would take.
    BadRequest = "bad_request", BeforePayload;
    /// The connection is reset when the request's head arrives; its body is not read.
    Refuse = "refuse", BeforePayload;
    /// The request is read and never answered.
    BlackHole = "black_hole", BeforePayload;
    /// A 200 head, then nothing.
    SilenceAfterHead = "silence_after_head", BeforePayload;
    /// A 200 head and the role, then only comments, one a second. Plain: [`Fault::SilenceAfterHead`].
    RoleThenSilence = "role_then_silence", BeforePayload;
    /// 200 with an error as the first event, or as the body.
    ErrorIn200 = "error_in_200", BeforePayload;
    /// 200 with an `event: error` frame. Plain: [`Fault::ErrorIn200`].
    ErrorEventNamed = "error_event_named", BeforePayload;
    /// 200 and a clean end with nothing in between.
    EmptyStream = "empty_stream", BeforePayload;
    /// 200 with JSON that is no completion.
    NoCompletion = "no_completion", BeforePayload;
    /// 200 with a web page.
    Html200 = "html_200", BeforePayload;
    /// Half of the answer, then the connection is closed amid the body.
    CutFin = "cut_fin", AfterPayload;
    /// Half of the answer, then the connection is reset.
    CutRst = "cut_rst", AfterPayload;
    /// Half of the answer, then a clean end of the body.
    CutClean = "cut_clean", AfterPayload;
    /// The role, then the connection is reset. Plain: half of the body, then a reset.
    CutBeforePayload = "cut_before_payload", BeforePayload;
    /// Half of the answer, then nothing more.
    Stall = "stall", AfterPayload;
    /// Half of the answer, then a line of bare JSON and a clean end. Plain: [`Fault::ErrorIn200`].
    BareJsonFailure = "bare_json_failure", AfterPayload;
    /// Half of the answer, then an error event and a clean end. Plain: [`Fault::ErrorIn200`].
    ErrorMidStream = "error_mid_stream", AfterPayload;
    /// 500 with a message that quotes the caller's key.
    ErrorLeaksKey = "error_leaks_key", BeforePayload;
    /// [`Fault::ErrorMidStream`] with a message that quotes the caller's key.
    ErrorMidStreamLeaksKey = "error_mid_stream_leaks_key", AfterPayload;
    /// A whole answer at one event per 300 ms.
    SlowTokens = "slow_tokens", Healthy;
}

impl Fault {
    /// Whether the request gets as far as being admitted: the fault then happens within the answer.
    pub(crate) fn within_answer(self) -> bool {
        use Fault::{CutBeforePayload, RoleThenSilence, SilenceAfterHead};
        self.when() != Phase::BeforePayload
            || matches!(self, SilenceAfterHead | RoleThenSilence | CutBeforePayload)
    }
}

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(name: &str) -> Result<Self, UnknownFault> {
        Self::ALL.iter().copied().find(|fault| fault.name() == name).ok_or_else(|| UnknownFault(name.into()))
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

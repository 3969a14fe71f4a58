//! What a provider does with a request, and what may become of a turn by it.

use std::time::Duration;

use super::{IDLE, REQUEST, SLACK, WHOLE};

/// Between two tokens of a provider that is well.
pub(super) const PACE: Duration = Duration::from_millis(20);

/// What a provider does with one request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fate {
    /// Answers.
    Well,
    /// Answers with so long between two tokens.
    Drip(Duration),
    /// Answers half, is silent for so long, and answers the rest.
    Pause(Duration),
    /// Answers all but `[DONE]`, and closes the connection.
    NoDone,
    /// Resets the connection when it has read the request.
    Reset,
    /// Never answers.
    NoHead,
    /// Sends a head, and nothing more.
    SilentHead,
    /// Sends a head, the role, and comments for ever.
    PingsAtFirst,
    /// Refuses with this status, and with a `Retry-After` of so many seconds.
    Refuse(u16, Option<u64>),
    /// Sends an error as the first event, or as the body.
    ErrorAtFirst,
    /// Sends half, and ends as if that were all.
    CutClean,
    /// Sends half, and resets the connection.
    CutHard,
    /// Sends half, and comments for ever.
    PingsAmid,
    /// Sends half, and an error.
    ErrorAmid,
}

/// How an answer may come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It must be whole.
    Whole,
    /// It is whole, or not in time.
    Either,
    /// It fails, before the client has seen anything of it or after.
    Fails,
}

impl Fate {
    /// One of all, by chance; silences shorter and longer than any limit.
    pub(super) fn random(rng: &mut fastrand::Rng) -> Self {
        let statuses = [
            (429, Some(rng.u64(1..200))),
            (429, Some(20_000)),
            (429, None),
            (500, None),
            (502, None),
            (503, Some(rng.u64(1..100))),
            (503, None),
        ];
        let (status, hint) = statuses[rng.usize(..statuses.len())];
        match rng.u8(0..17) {
            0 => Self::Drip(Duration::from_secs(rng.u64(1..50))),
            1 => Self::Drip(Duration::from_millis(rng.u64(100..3_000))),
            2 => Self::Pause(Duration::from_secs(rng.u64(1..58))),
            3 => Self::Pause(Duration::from_secs(rng.u64(62..4_000))),
            4 => Self::NoDone,
            5 => Self::Reset,
            6 => Self::NoHead,
            7 => Self::SilentHead,
            8 => Self::PingsAtFirst,
            9..12 => Self::Refuse(status, hint),
            12 => Self::ErrorAtFirst,
            13 => Self::CutClean,
            14 => Self::CutHard,
            15 => Self::PingsAmid,
            _ => Self::ErrorAmid,
        }
    }

    /// How long an answer of so many tokens takes, if nobody gives it up; `None`: there will be none.
    fn takes(self, tokens: u32) -> Option<Duration> {
        match self {
            Self::Well | Self::NoDone => Some(PACE * tokens),
            Self::Drip(between) => Some(between * tokens),
            Self::Pause(silence) => Some(PACE * tokens + silence),
            _ => None,
        }
    }

    /// What comes of it in a stream, or in a plain answer, of so many tokens.
    pub(super) fn outcome(self, tokens: u32, stream: bool) -> Outcome {
        match (self, self.takes(tokens)) {
            (_, None) => Outcome::Fails,
            (Self::Pause(silence), _) if stream && silence >= IDLE => Outcome::Fails,
            (_, Some(_)) if stream => Outcome::Whole,
            (_, Some(time)) if time + SLACK < REQUEST => Outcome::Whole,
            (_, Some(time)) if time <= WHOLE => Outcome::Either,
            _ => Outcome::Fails,
        }
    }

    /// Whether a client may have seen a part of what failed.
    pub(super) fn breaks_amid(self) -> bool {
        matches!(self, Self::CutClean | Self::CutHard | Self::PingsAmid | Self::ErrorAmid | Self::Pause(_))
    }

    /// How long the proxy may have to do with it at the most.
    pub(super) fn longest(self, tokens: u32, stream: bool) -> Duration {
        let steady = PACE * tokens;
        match self {
            Self::Drip(between) if stream => between * tokens,
            Self::Pause(silence) if stream => steady + silence.min(IDLE),
            Self::PingsAmid if stream => steady + IDLE,
            Self::Well
            | Self::NoDone
            | Self::Reset
            | Self::Refuse(..)
            | Self::ErrorAtFirst
            | Self::CutClean
            | Self::CutHard
            | Self::ErrorAmid => steady,
            _ => WHOLE,
        }
    }
}

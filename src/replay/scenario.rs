//! The plan, and what is assumed of network and providers.

use super::trace::Request;
use crate::config::Limits;

/// How fast a provider answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speed {
    /// Until it begins to read, in microseconds.
    pub delay: u64,
    /// Tokens of the prompt it reads in a second; at least 1.
    pub prefill: u64,
    /// Tokens of the answer it writes in a second; at least 1.
    pub decode: u64,
}

impl Speed {
    /// The rationed provider: a wafer's speed.
    pub const FAST: Self = Self { delay: 0, prefill: 50_000, decode: 1_500 };
    /// The roomy one behind it: the first token after 1.2 seconds, whatever the prompt.
    pub const FALLBACK: Self = Self { delay: 1_200_000, prefill: u64::MAX, decode: 60 };

    /// From arrival to the first token, in microseconds.
    #[must_use]
    pub fn first_token(self, request: &Request) -> u64 {
        self.delay + request.prompt_tokens.saturating_mul(1_000_000) / self.prefill
    }

    /// From arrival to the last token, in microseconds.
    #[must_use]
    pub fn whole(self, request: &Request) -> u64 {
        self.first_token(request) + request.completion_tokens.saturating_mul(1_000_000) / self.decode
    }
}

/// Everything about a replay but the trace and who decides.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What the plan allows.
    pub limits: Limits,
    /// Tokens that the provider sets aside for an answer at the most, and where the client names no maximum; `None`:
    /// what the client names.
    pub completion_reserve: Option<u64>,
    /// Whether what was set aside and not used comes back at the end.
    pub returns_unused: bool,
    /// The provider's guess of a prompt is off by so much at the most, in percent; usage it reports is right.
    pub miscount_percent: u64,
    /// A message takes so long at the most, each its own time, in microseconds.
    pub jitter: u64,
    /// A request waits so long for the fast provider at the most, in microseconds.
    pub wait: u64,
    /// Whether a session's next request comes when its turn is over and the agent has thought, and not when the
    /// trace says.
    pub closed: bool,
    /// Of jitter and miscounts.
    pub seed: u64,
}

/// What chance does to one request: the same under every policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chance {
    /// To the provider, in microseconds.
    pub there: u64,
    /// And back.
    pub back: u64,
    /// The provider's guess of the prompt, in tokens.
    pub guessed_prompt: u64,
}

impl Scenario {
    /// What chance does to the request with this index.
    #[must_use]
    pub fn chance(&self, index: usize, request: &Request) -> Chance {
        // Mixed, since generators with neighbouring seeds begin alike.
        let mixed = (index as u64).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut random = fastrand::Rng::with_seed(self.seed ^ mixed);
        random.u64(..);
        let there = random.u64(0..=self.jitter);
        let back = random.u64(0..=self.jitter);
        // In hundredths of a percent.
        let off = self.miscount_percent.min(99) * 100;
        let guessed_prompt = request.prompt_tokens * (10_000 - off + random.u64(0..=2 * off)) / 10_000;
        Chance { there, back, guessed_prompt }
    }
}

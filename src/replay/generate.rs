//! A made-up day of agents, by seed.
//!
//! Each agent works through tasks. A task is a conversation that grows from some 10,000 tokens until it is done or is
//! compacted at 95,000; most turns call a tool and come back after seconds, some wait for a person. Now and then an
//! agent sends a side agent ahead, whose conversation is short, plain and names its longest answer. The figures are
//! guesses of the right size, not measurements.

use fastrand::Rng;

use super::scenario::Speed;
use super::trace::{Request, Trace};

/// What to make up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// The same seed makes the same trace.
    pub seed: u64,
    /// Agents that work at the same time.
    pub agents: u64,
    /// For how long, in minutes.
    pub minutes: u64,
    /// The guess of a prompt is off by so much at the most, in percent; 0: no guesses, which means right ones.
    pub estimate_error_percent: u64,
}

/// A conversation is compacted beyond this many tokens.
const LONGEST_PROMPT: u64 = 95_000;
/// What clients name as the longest answer, where they name any.
const MAXIMA: [u64; 4] = [4_096, 8_192, 16_384, 32_000];

/// Makes up a trace.
#[must_use]
pub fn generate(recipe: Recipe) -> Trace {
    let mut requests = Vec::new();
    for agent in 0..recipe.agents {
        let mut random = Rng::with_seed(recipe.seed.wrapping_mul(1_000_003).wrapping_add(agent));
        random.u64(..);
        Agent { recipe, name: format!("agent-{}", agent + 1), random, requests: &mut requests }.work();
    }
    Trace::new(requests)
}

struct Agent<'a> {
    recipe: Recipe,
    name: String,
    random: Rng,
    requests: &'a mut Vec<Request>,
}

impl Agent<'_> {
    fn work(&mut self) {
        let end = self.recipe.minutes * 60_000;
        let mut now = self.random.u64(0..20_000);
        let mut task = 0;
        while now < end {
            task += 1;
            now = self.task(task, now, end);
            // A person reads what was done and says what is next.
            now += self.random.u64(20_000..120_000);
        }
    }

    /// One conversation; returns when it is over.
    fn task(&mut self, task: u64, start: u64, end: u64) -> u64 {
        // Half of the clients name a maximum, the same one all along.
        let max_tokens = self.random.bool().then(|| self.pick(&MAXIMA));
        let session = format!("{}.{task}", self.name);
        let mut prompt = self.random.u64(9_000..16_000);
        let mut now = start;
        for turn in 0..self.random.u64(15..60) {
            if now >= end {
                break;
            }
            let completion = self.completion().min(max_tokens.unwrap_or(u64::MAX));
            now += self.ask(&session, now, prompt, max_tokens, completion, true);
            if self.random.u64(0..15) == 0 {
                self.side_agent(&format!("{session}.side-{turn}"), now, end);
            }
            now += self.pause();
            // The answer, and what the tool said.
            prompt += completion + self.skewed(200, 8_000);
            if prompt > LONGEST_PROMPT {
                prompt = self.random.u64(15_000..25_000);
            }
        }
        now
    }

    fn side_agent(&mut self, session: &str, start: u64, end: u64) {
        let mut prompt = self.random.u64(10_000..14_000);
        let mut now = start;
        for _ in 0..self.random.u64(3..9) {
            if now >= end {
                return;
            }
            let completion = self.skewed(60, 1_500);
            now += self.ask(session, now, prompt, Some(4_096), completion, false);
            now += self.random.u64(500..4_000);
            prompt += completion + self.skewed(200, 6_000);
        }
    }

    /// Notes a request; returns how long the rationed provider would take, in milliseconds.
    fn ask(
        &mut self,
        session: &str,
        at_ms: u64,
        prompt_tokens: u64,
        max_tokens: Option<u64>,
        completion_tokens: u64,
        stream: bool,
    ) -> u64 {
        let error = self.recipe.estimate_error_percent.min(99) * 100;
        let off = self.random.u64(0..=2 * error);
        let estimate = (error > 0).then(|| prompt_tokens * (10_000 - error + off) / 10_000);
        let request = Request {
            at_ms,
            session: session.to_owned(),
            prompt_tokens,
            cached_tokens: 0,
            estimate,
            max_tokens,
            completion_tokens,
            stream,
        };
        let time = Speed::FAST.whole(&request) / 1_000;
        self.requests.push(request);
        time
    }

    /// Most answers are a call of a tool; some write a file.
    fn completion(&mut self) -> u64 {
        if self.random.u64(0..8) == 0 { self.random.u64(1_200..6_000) } else { self.skewed(60, 900) }
    }

    /// A tool that runs for seconds, or a person who thinks.
    fn pause(&mut self) -> u64 {
        match self.random.u64(0..20) {
            0 => self.random.u64(30_000..120_000),
            1..=4 => self.random.u64(10_000..30_000),
            _ => self.random.u64(1_000..12_000),
        }
    }

    /// Small ones are more likely.
    fn skewed(&mut self, least: u64, most: u64) -> u64 {
        let first = self.random.u64(least..most);
        self.random.u64(least..=first)
    }

    fn pick(&mut self, values: &[u64]) -> u64 {
        values[self.random.usize(0..values.len())]
    }
}

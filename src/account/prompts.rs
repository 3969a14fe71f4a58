//! Prompts that the provider has read lately: what begins like one of them it need not read again.
//!
//! Where a limit counts only tokens that are not in the provider's cache, a conversation that grows costs its new turn. How
//! much of a request was read before is known for certain: the tokens that an answer has reported for a whole request, where this one begins
//! with the same bytes. Whether the provider still has it is not: it may have several machines, or count otherwise. So as much of it is
//! believed as the worst of the last eight answers has shown, and nothing before there are two.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use quota::Moment;

use crate::config::PromptCache;
use crate::estimate::{Estimate, Prefix};

/// So many answers are remembered for what part of its prediction they found.
const ANSWERS: usize = 8;
/// So many are needed before a prediction is used.
const FEWEST: usize = 2;
/// Parts are kept in thousandths.
const WHOLE: u64 = 1_000;
/// Of a prompt so many tokens at its end may be another text where the conversation goes on: what opens the answer.
const OPENING: u64 = 16;
/// Prompts of a generation; there are two. Some 100 KiB each.
const GENERATION: usize = 2_048;
/// This part of the lifetime is left for what is on its way.
const GUARD: u32 = 10;
/// A refusal ends all belief for so many minutes, twice as long each time.
const DOUBT_MINUTES: u32 = 30;
const MOST_DOUBLINGS: u32 = 5;

/// What one account's provider has read lately.
#[derive(Debug)]
pub(super) struct Prompts {
    cache: PromptCache,
    minute: Duration,
    /// By upstream model and hash of the prompt. What is older than the younger generation is forgotten when that is full, or
    /// has outlived its use.
    younger: HashMap<(u64, u64), Read>,
    older: HashMap<(u64, u64), Read>,
    younger_since: Moment,
    /// What part of a prediction the last answers found.
    found: VecDeque<u64>,
    /// No prediction is believed until then.
    doubted_until: Option<Moment>,
    refutations: u32,
}

#[derive(Clone, Copy, Debug)]
struct Read {
    tokens: u64,
    /// At this moment at the earliest.
    at: Moment,
}

impl Prompts {
    pub(super) fn new(cache: PromptCache, minute: Duration, now: Moment) -> Self {
        Self {
            cache,
            minute,
            younger: HashMap::new(),
            older: HashMap::new(),
            younger_since: now,
            found: VecDeque::with_capacity(ANSWERS),
            doubted_until: None,
            refutations: 0,
        }
    }

    /// What was read of a prompt with these [prefixes](tokens::Keyed::prefixes), and may still be there.
    pub(super) fn prefix(&self, model: u64, prefixes: &[u64], now: Moment) -> Prefix {
        let lifetime = self.lifetime();
        let usable = lifetime.saturating_sub(lifetime / GUARD);
        let fresh = |read: &&Read| now - read.at < usable;
        let read = |prefix: &u64| {
            let key = (model, *prefix);
            let found = self.younger.get(&key).or_else(|| self.older.get(&key)).filter(fresh)?;
            Some(self.blocks(found.tokens.saturating_sub(OPENING)))
        };
        let read_before = prefixes.iter().rev().find_map(read).unwrap_or(0);
        Prefix { read_before, whole: prefixes.last().copied() }
    }

    /// Tokens of it that the provider will leave out of what it counts, most likely.
    pub(super) fn cached(&self, prefix: Prefix, now: Moment) -> u64 {
        let doubted = self.doubted_until.is_some_and(|until| now < until);
        if doubted || self.found.len() < FEWEST {
            return 0;
        }
        let part = self.found.iter().min().copied().unwrap_or(0);
        self.blocks(prefix.read_before.saturating_mul(part) / WHOLE)
    }

    /// The provider has read a prompt of so many tokens after `sent`, and found so many of them in its cache.
    pub(super) fn read(&mut self, estimate: Estimate, prompt_tokens: u64, cached: u64, sent: Moment) {
        let Prefix { read_before, whole } = estimate.prefix;
        if let Some(part) = cached.saturating_mul(WHOLE).checked_div(read_before) {
            if self.found.len() == ANSWERS {
                self.found.pop_front();
            }
            self.found.push_back(part.min(WHOLE));
        }
        let Some(whole) = whole else { return };
        if self.younger.len() >= GENERATION || sent - self.younger_since > self.lifetime() {
            self.older = std::mem::take(&mut self.younger);
            self.younger_since = sent;
        }
        self.younger.insert((estimate.whose.model, whole), Read { tokens: prompt_tokens, at: sent });
    }

    /// A request for which a prediction was used was refused, and nothing else explains it.
    pub(super) fn refuted(&mut self, now: Moment) {
        let minutes = DOUBT_MINUTES << self.refutations.min(MOST_DOUBLINGS);
        self.refutations = self.refutations.saturating_add(1);
        self.doubted_until = Some(now + self.minute.saturating_mul(minutes));
        self.found.clear();
    }

    fn lifetime(&self) -> Duration {
        self.minute.saturating_mul(self.cache.minutes)
    }

    fn blocks(&self, tokens: u64) -> u64 {
        tokens - tokens % self.cache.block.max(1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokens::Keys;

    use super::*;
    use crate::estimate::Whose;

    const CACHE: PromptCache = PromptCache { block: 128, minutes: 5 };
    const MINUTE: Duration = Duration::from_mins(1);

    fn at(seconds: u64) -> Moment {
        Moment::new(Duration::from_secs(seconds))
    }

    fn prompts() -> Prompts {
        Prompts::new(CACHE, MINUTE, at(0))
    }

    /// A conversation of so many messages, all alike, and what is known of it.
    fn conversation(prompts: &Prompts, keys: Keys, model: u64, messages: usize, now: Moment) -> Estimate {
        let hashes = keys.of(std::iter::repeat_n(&b"message"[..], messages), b"").prefixes();
        let prefix = prompts.prefix(model, &hashes, now);
        Estimate { prefix, whose: Whose { model, client: 0 }, ..Estimate::default() }
    }

    /// Prompts that believe all they predict.
    fn believing(prompts: &mut Prompts) {
        let prefix = Prefix { read_before: 1_000, whole: None };
        for _ in 0..FEWEST {
            prompts.read(Estimate { prefix, ..Estimate::default() }, 2_000, 1_000, at(0));
        }
    }

    #[derive(Clone, Debug)]
    struct Sent {
        model: u64,
        tools: u8,
        messages: Vec<u8>,
        tokens: u64,
        found: u64,
        after: u64,
    }

    fn sent() -> impl Strategy<Value = Sent> {
        let messages = prop::collection::vec(0..2u8, 1..5);
        let both = prop_oneof![Just(0u64), 0..=1_000u64, Just(1_000)];
        (0..2u64, 0..2u8, messages, 1..50_000u64, both, 0..200u64).prop_map(
            |(model, tools, messages, tokens, found, after)| Sent {
                model,
                tools,
                messages,
                tokens,
                found,
                after,
            },
        )
    }

    proptest! {
        /// Nothing is predicted that was not really sent before, to the same model, with the same tools, not long ago.
        #[test]
        fn no_prediction_exceeds_what_was_sent(all in prop::collection::vec(sent(), 1..60)) {
            let (mut prompts, keys) = (prompts(), Keys::default());
            let (mut now, mut before): (u64, Vec<(u64, Sent)>) = (0, Vec::new());
            for sent in all {
                now += sent.after;
                let tools: &[u8] = if sent.tools == 0 { b"" } else { b"[1]" };
                let hashes = keys.of(sent.messages.iter().map(std::slice::from_ref), tools).prefixes();
                let prefix = prompts.prefix(sent.model, &hashes, at(now));
                let begins_with = |(then, other): &&(u64, Sent)| {
                    (other.model, other.tools) == (sent.model, sent.tools)
                        && sent.messages.starts_with(&other.messages)
                        && now - then < 5 * 60
                };
                let most = before.iter().filter(begins_with).map(|(_, other)| other.tokens).max().unwrap_or(0);
                prop_assert!(prefix.read_before <= most, "{} of {most}", prefix.read_before);
                prop_assert!(prompts.cached(prefix, at(now)) <= prefix.read_before);
                prop_assert_eq!(prefix.read_before % 128, 0);
                let whose = Whose { model: sent.model, client: 0 };
                let found = prefix.read_before * sent.found / 1_000;
                prompts.read(Estimate { whose, prefix, ..Estimate::default() }, sent.tokens, found, at(now));
                before.push((now, sent));
            }
        }
    }

    #[test]
    fn a_growing_conversation_is_known_again_in_whole_blocks_while_it_lasts() {
        let (mut prompts, keys) = (prompts(), Keys::default());
        let first = conversation(&prompts, keys, 1, 3, at(0));
        assert_eq!(first.prefix.read_before, 0);
        prompts.read(first, 1_000, 0, at(0));
        // 984 without what opens the answer, in blocks of 128.
        let next =
            |messages, model, now| conversation(&prompts, keys, model, messages, at(now)).prefix.read_before;
        assert_eq!(next(4, 1, 10), 896);
        assert_eq!(next(3, 1, 10), 896);
        assert_eq!(next(2, 1, 10), 0, "a part of it was not reported");
        assert_eq!(next(4, 2, 10), 0, "another model");
        assert_eq!(next(4, 1, 269), 896);
        assert_eq!(next(4, 1, 270), 0, "a tenth of the five minutes is left for what is on its way");
    }

    #[test]
    fn as_much_is_believed_as_the_worst_of_the_last_answers_has_shown() {
        let mut prompts = prompts();
        let prefix = Prefix { read_before: 12_800, whole: None };
        let answered = |prompts: &mut Prompts, cached| {
            prompts.read(Estimate { prefix, ..Estimate::default() }, 20_000, cached, at(0));
            prompts.cached(prefix, at(0))
        };
        assert_eq!(answered(&mut prompts, 12_800), 0, "one answer is none");
        assert_eq!(answered(&mut prompts, 19_000), 12_800);
        assert_eq!(answered(&mut prompts, 9_999), 9_984);
        assert_eq!(answered(&mut prompts, 0), 0);
        for _ in 0..ANSWERS - 1 {
            assert_eq!(answered(&mut prompts, 12_800), 0);
        }
        assert_eq!(answered(&mut prompts, 12_800), 12_800);
    }

    #[test]
    fn a_refusal_ends_the_belief_for_half_an_hour_and_then_for_longer() {
        let mut prompts = prompts();
        let prefix = Prefix { read_before: 1_280, whole: None };
        believing(&mut prompts);
        assert_eq!(prompts.cached(prefix, at(0)), 1_280);
        prompts.refuted(at(0));
        believing(&mut prompts);
        assert_eq!(prompts.cached(prefix, at(30 * 60 - 1)), 0);
        assert_eq!(prompts.cached(prefix, at(30 * 60)), 1_280);
        prompts.refuted(at(30 * 60));
        believing(&mut prompts);
        assert_eq!(prompts.cached(prefix, at(90 * 60 - 1)), 0);
        assert_eq!(prompts.cached(prefix, at(90 * 60)), 1_280);
    }

    #[test]
    fn many_prompts_take_no_more_room() {
        let mut prompts = prompts();
        for whole in 0..10_000 {
            let prefix = Prefix { read_before: 0, whole: Some(whole) };
            prompts.read(Estimate { prefix, ..Estimate::default() }, 100, 0, at(0));
        }
        assert!(prompts.younger.len() + prompts.older.len() <= 2 * GENERATION);
    }
}

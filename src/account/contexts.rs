//! How long a conversation may be for each model, as far as the provider has said so.
//!
//! A provider that refuses a conversation as too long often names the limit. It is believed for an hour, and never beyond
//! what is known already; what is longer than that is not sent at all. One may be raised, or was said in error, and nothing that
//! is not sent can show it: a refusal an hour is a small price for that.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use tokens::Range;

use crate::estimate::Estimate;

/// So long a limit is believed without being named again.
const BELIEVED: Duration = Duration::from_hours(1);

/// A request that does not fit, in tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong {
    /// The model's context there.
    pub context: u64,
    /// The prompt, as it is counted or guessed.
    pub prompt: u64,
    /// The longest answer, where the provider wants room for that, too.
    pub answer: u64,
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { context, prompt, answer } = self;
        match answer {
            0 => write!(f, "{prompt} tokens do not fit into the model's context of {context}"),
            _ => write!(
                f,
                "{prompt} tokens and an answer of {answer} do not fit into the model's context of {context}"
            ),
        }
    }
}

/// What has been learned, by the hash that estimates know a model by.
#[derive(Debug, Default)]
pub(super) struct Contexts(BTreeMap<u64, Learned>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Learned {
    context: u64,
    /// Whether prompt and longest answer must fit together: so do most, and none says it.
    with_answer: bool,
    /// When it is believed no longer, since 1970.
    until: Duration,
}

impl Contexts {
    /// A request of this size was refused because of a context of so many tokens. Returns under which key to remember what;
    /// `None`: it would have fitted, so that is not why, or nothing is new.
    pub(super) fn refused(
        &mut self,
        estimate: Estimate,
        range: Range,
        context: u64,
        since_1970: Duration,
    ) -> Option<(String, String)> {
        let with_answer = range.high <= context;
        // Where no longest answer is named, the provider's own counts; how long that is only it knows.
        let named = estimate.max_tokens.unwrap_or(u64::MAX);
        if range.high.saturating_add(named) <= context {
            return None;
        }
        let model = estimate.whose.model;
        let learned = Learned { context, with_answer, until: since_1970 + BELIEVED };
        let before = self.0.insert(model, learned);
        if let (Some(before), Some(learned)) = (before, self.0.get_mut(&model)) {
            // A long prompt does not tell whether answers count, and a short one has told.
            learned.with_answer |= before.with_answer && before.context == context;
        }
        Some((key(model), self.0.get(&model)?.value()))
    }

    /// Whether a request is certain not to fit into what is `known` of the model's context, or learned.
    pub(super) fn too_long(
        &self,
        estimate: Estimate,
        range: Range,
        known: Option<u64>,
        since_1970: Duration,
    ) -> Option<TooLong> {
        let learned = self.0.get(&estimate.whose.model).filter(|learned| learned.until > since_1970);
        let learned = learned.map(|learned| (learned.context, learned.with_answer));
        let known = known.map(|context| (context, false));
        let mut both = learned.into_iter().chain(known).map(|(context, with_answer)| {
            let answer = if with_answer { estimate.max_tokens.unwrap_or(0) } else { 0 };
            let fits = range.low.saturating_add(answer) <= context;
            (fits, TooLong { context, prompt: range.mean, answer })
        });
        both.find(|(fits, _)| !fits).map(|(_, too_long)| too_long)
    }

    /// Takes back what was remembered under such a key; others are none of its business.
    pub(super) fn recall(&mut self, key: &str, value: &str) {
        let model = key.strip_prefix("context ").and_then(|model| u64::from_str_radix(model, 16).ok());
        if let (Some(model), Some(learned)) = (model, Learned::read(value)) {
            self.0.entry(model).or_insert(learned);
        }
    }
}

impl Learned {
    fn value(self) -> String {
        let what = if self.with_answer { "all" } else { "prompt" };
        format!("{} {what} {}", self.context, self.until.as_secs())
    }

    fn read(value: &str) -> Option<Self> {
        let mut words = value.split(' ');
        let (context, what, until) = (words.next()?, words.next()?, words.next()?);
        Some(Self {
            context: context.parse().ok()?,
            with_answer: what == "all",
            until: Duration::from_secs(until.parse().ok()?),
        })
    }
}

fn key(model: u64) -> String {
    format!("context {model:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_790_000_000);

    fn of(prompt: u64, max_tokens: Option<u64>) -> (Estimate, Range) {
        let range = Range { low: prompt - prompt / 10, mean: prompt, high: prompt + prompt / 10 };
        (Estimate { prompt, max_tokens, ..Estimate::default() }, range)
    }

    /// Whether a request of this size is passed over.
    fn is_passed_over(contexts: &Contexts, prompt: u64, max_tokens: Option<u64>, now: Duration) -> bool {
        let (estimate, range) = of(prompt, max_tokens);
        contexts.too_long(estimate, range, None, now).is_some()
    }

    fn learned(prompt: u64, max_tokens: Option<u64>, context: u64) -> Contexts {
        let mut contexts = Contexts::default();
        let (estimate, range) = of(prompt, max_tokens);
        contexts.refused(estimate, range, context, NOW);
        contexts
    }

    #[test]
    fn only_what_is_certain_to_be_refused_is_passed_over() {
        let contexts = learned(80_000, Some(1_000), 65_536);
        for (prompt, max_tokens, expected) in [
            (80_000, None, true),
            (73_000, None, true),
            // By a low guess it fits.
            (70_000, None, false),
            // Nobody knows that the answer counts.
            (60_000, Some(100_000), false),
        ] {
            assert_eq!(
                is_passed_over(&contexts, prompt, max_tokens, NOW),
                expected,
                "{prompt} {max_tokens:?}"
            );
        }
    }

    #[test]
    fn a_short_prompt_that_is_refused_tells_that_the_answer_counts() {
        let mut contexts = learned(10_000, Some(60_000), 65_536);
        assert!(is_passed_over(&contexts, 10_000, Some(60_000), NOW));
        assert!(!is_passed_over(&contexts, 10_000, Some(50_000), NOW));
        assert!(
            !is_passed_over(&contexts, 10_000, None, NOW),
            "what the provider takes for it only it knows"
        );
        // A long one says nothing against it.
        let (estimate, range) = of(90_000, Some(1));
        contexts.refused(estimate, range, 65_536, NOW);
        assert!(is_passed_over(&contexts, 10_000, Some(60_000), NOW));
    }

    #[test]
    fn a_limit_that_the_request_kept_is_not_believed() {
        let contexts = learned(1_000, Some(100), 65_536);
        assert!(!is_passed_over(&contexts, 1_000_000, Some(100), NOW));
    }

    #[test]
    fn it_is_believed_for_an_hour() {
        let contexts = learned(80_000, None, 65_536);
        assert!(is_passed_over(&contexts, 80_000, None, NOW + Duration::from_mins(59)));
        assert!(!is_passed_over(&contexts, 80_000, None, NOW + BELIEVED));
    }

    #[test]
    fn what_is_known_bounds_what_is_learned_and_the_other_way_round() {
        let contexts = learned(80_000, None, 65_536);
        let (estimate, range) = of(50_000, None);
        let context = |known| contexts.too_long(estimate, range, known, NOW).map(|it| it.context);
        assert_eq!(
            [context(None), context(Some(40_000)), context(Some(200_000))],
            [None, Some(40_000), None]
        );
        let (estimate, range) = of(90_000, None);
        assert_eq!(contexts.too_long(estimate, range, Some(200_000), NOW).map(|it| it.context), Some(65_536));
    }

    #[test]
    fn another_process_believes_it_as_long() {
        let mut contexts = Contexts::default();
        let (estimate, range) = of(10_000, Some(60_000));
        let (key, value) = contexts.refused(estimate, range, 65_536, NOW).unwrap();
        let mut after = Contexts::default();
        for (key, value) in [(key.as_str(), value.as_str()), ("settlement", "kept"), ("context x", "1 all 2")]
        {
            after.recall(key, value);
        }
        assert_eq!(after.0, contexts.0);
        for value in ["", "65536", "65536 all", "x all 1", "65536 all -1"] {
            assert_eq!(Learned::read(value), None, "{value}");
        }
    }
}

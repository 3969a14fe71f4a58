//! What a client got, and whether that is honest.

use std::time::Duration;

use http::response::Parts;
use quota::Moment;
use serde_json::Value;

use super::SLACK;
use super::fate::{Fate, Outcome};
use super::house::House;
use super::provider::Seen;
use super::words::Question;

/// Connections that do not come, pauses and bodies of errors, all together.
const DETOURS: Duration = Duration::from_secs(40);

/// What a client got.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) question: Question,
    pub(super) began: Moment,
    pub(super) ended: Moment,
    /// When the last of it came.
    pub(super) heard: Moment,
    pub(super) head: Parts,
    pub(super) body: String,
    /// The connection broke.
    pub(super) broken: bool,
}

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum End {
    Whole,
    /// In one error, with when to come back.
    Refused(u16, Duration),
    Broken,
}

impl Reply {
    pub(super) fn begun(question: Question, began: Moment, head: Parts) -> Self {
        Self { question, began, ended: began, heard: began, head, body: String::new(), broken: false }
    }

    pub(super) fn take(&mut self, data: &[u8], now: Moment) {
        self.body.push_str(std::str::from_utf8(data).expect("ASCII"));
        self.heard = now;
    }

    pub(super) fn took(&self) -> Duration {
        self.ended - self.began
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub(super) fn provider(&self) -> &str {
        self.header("x-proxy-provider")
    }

    /// How it ended; any but the three honest ways stops the test.
    pub(super) fn judged(&self) -> End {
        let status = self.head.status.as_u16();
        if status != 200 {
            assert!(matches!(status, 429 | 503) && !self.broken, "{self:?}");
            let error: Value = serde_json::from_str(&self.body).expect("JSON");
            let error = error["error"].as_object().expect("an error");
            assert!(["message", "type", "code"].iter().all(|key| error[*key].is_string()), "{self:?}");
            let seconds: u64 = self.header("retry-after").parse().expect("when to come back");
            assert!((1..=59).contains(&seconds), "{self:?}");
            return End::Refused(status, Duration::from_secs(seconds));
        }
        let told = self.question.tokens(self.provider()).concat();
        let (said, reason) = self.answer();
        if self.broken {
            assert!(self.question.stream && reason.is_none(), "{self:?}");
            assert!(told.starts_with(&said) && !self.body.contains("[DONE]"), "{self:?}");
            return End::Broken;
        }
        assert_eq!((&said, reason.as_deref()), (&told, Some(self.question.reason())), "{self:?}");
        End::Whole
    }

    /// The same, held against what providers did with this turn.
    pub(super) fn judged_by(&self, house: &House) -> End {
        let end = self.judged();
        let (tokens, stream) = (self.question.length(), self.question.stream);
        let mut asked: Vec<(&str, Seen)> = Vec::new();
        for provider in house.providers() {
            let fates = provider.fates(self.question.turn, self.began);
            asked.extend(fates.into_iter().map(|seen| (provider.name, seen)));
        }
        asked.sort_by_key(|(_, seen)| seen.at);
        let story = || format!("{asked:?}\n{self:?}");
        let outcome = |seen: &Seen| seen.fate.outcome(tokens, stream);
        match (end, asked.last()) {
            (End::Refused(..), _) => {
                assert!(asked.iter().all(|(_, seen)| outcome(seen) != Outcome::Whole), "{}", story());
            }
            (End::Whole, Some((name, last))) => {
                assert!(self.provider() == *name && outcome(last) != Outcome::Fails, "{}", story());
                // What Cerebras leaves out of old is repaired; else bytes pass as they are.
                let ends = stream && (last.fate != Fate::NoDone || *name == "cerebras");
                assert_eq!(self.body.matches("data: [DONE]\n\n").count(), usize::from(ends), "{}", story());
            }
            (End::Broken, Some((name, last))) => {
                let breaks = last.fate.breaks_amid() && outcome(last) == Outcome::Fails;
                assert!(self.provider() == *name && breaks, "{}", story());
            }
            (_, None) => panic!("an answer of nobody's: {}", story()),
        }
        let longest: Duration = asked.iter().map(|(_, seen)| seen.fate.longest(tokens, stream)).sum();
        assert!(self.took() <= longest + DETOURS + SLACK, "{}", story());
        end
    }

    /// What it says, and the finish reason.
    fn answer(&self) -> (String, Option<String>) {
        let parse = |text: &str| serde_json::from_str::<Value>(text).ok();
        let chunks: Vec<Value> = if self.question.stream {
            let events = self.body.split("\n\n").filter_map(|event| event.strip_prefix("data: "));
            events.filter(|data| *data != "[DONE]").filter_map(parse).collect()
        } else {
            parse(&self.body).into_iter().collect()
        };
        let (mut said, mut reason) = (String::new(), None);
        for choice in chunks.iter().map(|chunk| &chunk["choices"][0]) {
            let part = if self.question.stream { &choice["delta"] } else { &choice["message"] };
            let arguments = &part["tool_calls"][0]["function"]["arguments"];
            said.extend([&part["content"], arguments].iter().filter_map(|it| it.as_str()));
            reason = choice["finish_reason"].as_str().map(str::to_owned).or(reason);
        }
        (said, reason)
    }
}

//! `RateLimit` and `RateLimit-Policy`, as several drafts of the IETF's HTTP API group spell them:
//!
//! - `RateLimit-Policy: "burst";q=100;w=60` and `RateLimit: "burst";r=50;t=30` (since 2024),
//! - `RateLimit-Policy: 100;w=60` and `RateLimit: limit=100, remaining=50, reset=30` (2023),
//! - `RateLimit-Limit: 100, 100;w=60`, `RateLimit-Remaining: 50` and `RateLimit-Reset: 30` (before).
//!
//! Without a policy the window is unknown, and nothing can be told.

use std::time::Duration;

use quota::{Dimension, Reading, Window};

use super::text;
use super::value::{count, time_until};

/// No honest response names more limits.
const MOST: usize = 16;

/// What was taken in so far.
#[derive(Default)]
pub(super) struct Ietf<'a> {
    policies: Vec<Item<'a>>,
    /// What is left, by name.
    states: Vec<Item<'a>>,
    /// The same without a name, from the older forms.
    unnamed: Item<'a>,
}

/// One member of a list with its parameters.
#[derive(Clone, Copy, Default)]
struct Item<'a> {
    /// A string without its quotes, or whatever stands there.
    name: &'a str,
    quota: Option<u64>,
    window: Option<u64>,
    remaining: Option<u64>,
    reset: Option<Duration>,
    /// It counts something else than requests.
    foreign: bool,
}

impl<'a> Ietf<'a> {
    pub(super) fn take(&mut self, name: &str, value: &'a [u8]) {
        let Some(rest) = name.strip_prefix("ratelimit") else { return };
        let Some(value) = text(value) else { return };
        match rest {
            "-policy" => self.add_policies(value),
            "-limit" => {
                self.unnamed.quota = members(value).next().and_then(|first| Item::read(first).quota);
                self.add_policies(value);
            }
            "-remaining" => self.unnamed.remaining = count(value),
            "-reset" => self.unnamed.reset = seconds(value),
            "" => {
                for member in members(value) {
                    let item = Item::read(member);
                    if item.name.is_empty() {
                        let unnamed = &mut self.unnamed;
                        unnamed.quota = unnamed.quota.or(item.quota);
                        unnamed.remaining = unnamed.remaining.or(item.remaining);
                        unnamed.reset = unnamed.reset.or(item.reset);
                    } else if self.states.len() < MOST {
                        self.states.push(item);
                    }
                }
            }
            _ => {}
        }
    }

    fn add_policies(&mut self, value: &'a str) {
        let policies = members(value).map(Item::read).filter(|item| item.window.is_some());
        self.policies.extend(policies.take(MOST.saturating_sub(self.policies.len())));
    }

    /// One reading for each policy with a window that the books know.
    pub(super) fn readings(&self) -> Vec<Reading> {
        let reading = |policy: &Item| {
            let window = match policy.window? {
                1 => Window::Second,
                60 => Window::Minute,
                3_600 => Window::Hour,
                86_400 => Window::Day,
                _ => return None,
            };
            if policy.foreign {
                return None;
            }
            let named = self.states.iter().find(|state| state.name == policy.name);
            let state = named.copied().or_else(|| self.unnamed_of(policy)).unwrap_or_default();
            Some(Reading {
                dimension: Dimension::Requests,
                window,
                limit: policy.quota.or(state.quota),
                remaining: state.remaining,
                reset: state.reset,
            })
        };
        let mut readings: Vec<Reading> = Vec::new();
        for reading in self.policies.iter().filter_map(reading) {
            // Two policies of one window: the tighter one is what a request meets first.
            match readings.iter_mut().find(|known| known.window == reading.window) {
                Some(known) if reading.remaining < known.remaining => *known = reading,
                Some(_) => {}
                None => readings.push(reading),
            }
        }
        readings
    }

    /// What was said without a name, if it is of this policy: the only one, or one of the same quota.
    fn unnamed_of(&self, policy: &Item) -> Option<Item<'a>> {
        let same = self.policies.len() == 1 || self.unnamed.quota.is_some_and(|it| policy.quota == Some(it));
        same.then_some(self.unnamed)
    }
}

impl<'a> Item<'a> {
    fn read(member: &'a str) -> Self {
        let mut item = Self::default();
        for (index, part) in split(member, b';').enumerate() {
            let part = part.trim();
            match part.split_once('=').filter(|_| !part.starts_with('"')) {
                Some(("q" | "limit", value)) => item.quota = count(value),
                Some(("w", value)) => item.window = count(value),
                Some(("r" | "remaining", value)) => item.remaining = count(value),
                Some(("t" | "reset", value)) => item.reset = seconds(value),
                Some(("qu", value)) => item.foreign = value.trim_matches('"') != "requests",
                None if index == 0 => {
                    item.name = part.trim_matches('"');
                    item.quota = count(part);
                }
                _ => {}
            }
        }
        item
    }
}

/// The drafts know seconds only.
fn seconds(text: &str) -> Option<Duration> {
    count(text).and_then(|_| time_until(text, Duration::ZERO))
}

fn members(value: &str) -> impl Iterator<Item = &str> {
    split(value, b',').map(str::trim)
}

/// Cuts at a separator that is not within a string.
fn split(text: &str, separator: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let whole = rest?;
        let (mut quoted, mut escaped) = (false, false);
        let end = whole.bytes().position(|byte| {
            let here = byte == separator && !quoted;
            quoted ^= byte == b'"' && !escaped;
            escaped = quoted && byte == b'\\' && !escaped;
            here
        });
        let (part, after) = match end {
            Some(end) => (&whole[..end], Some(&whole[end + 1..])),
            None => (whole, None),
        };
        rest = after;
        Some(part)
    })
}

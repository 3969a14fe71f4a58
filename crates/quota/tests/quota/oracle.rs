//! A provider whose limits are written down a second time, and requests on their way to it and back.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use proptest::prelude::*;
use quota::{
    Books, Cost, Dimension, Grant, Lesson, Limit, Meter, Moment, Reading, Refill, Settlement, Used, Window,
};

pub(crate) const MINUTE: u64 = 60_000;

pub(crate) fn limit(dimension: Dimension, window: Window, capacity: u64) -> Limit {
    Limit::new(dimension, window, capacity, Duration::from_millis(MINUTE))
}

pub(crate) fn at(ms: u64) -> Moment {
    Moment::new(Duration::from_millis(ms))
}

pub(crate) fn cost(at_least: u64, at_most: u64) -> Cost {
    Cost { at_least, set_aside: at_most, at_most, cached: 0 }
}

pub(crate) fn used(tokens: u64) -> Used {
    Used { tokens, cached: 0, set_aside: tokens }
}

/// One of a provider's limits; times in milliseconds.
pub(crate) struct Oracle {
    capacity: i128,
    refill: Refill,
    /// Units × 60,000 for one that refills all the time.
    level: i128,
    at: u64,
    /// What was taken when, for one that slides.
    taken: Vec<(u64, i128)>,
}

impl Oracle {
    pub(crate) fn full(capacity: u64, refill: Refill) -> Self {
        let capacity = i128::from(capacity);
        Self { capacity, refill, level: capacity * 60_000, at: 0, taken: Vec::new() }
    }

    /// What is left, in whole units rounded down; negative in debt.
    pub(crate) fn left(&mut self, now: u64) -> i128 {
        match self.refill {
            Refill::Continuous => {
                self.level =
                    (self.level + self.capacity * i128::from(now - self.at)).min(self.capacity * 60_000);
            }
            Refill::Sliding => self.taken.retain(|(at, _)| at + MINUTE > now),
            Refill::Fixed(_) => self.taken.retain(|(at, _)| at / MINUTE == now / MINUTE),
        }
        self.at = now;
        match self.refill {
            Refill::Continuous => self.level.div_euclid(60_000),
            _ => self.capacity - self.taken.iter().map(|(_, units)| units).sum::<i128>(),
        }
    }

    pub(crate) fn take(&mut self, units: i128, now: u64) {
        self.left(now);
        match self.refill {
            Refill::Continuous => {
                self.level = (self.level - units * 60_000).min(self.capacity * 60_000);
            }
            _ => self.taken.push((now, units)),
        }
    }

    /// Gives back what was taken at `then` and not used.
    fn give(&mut self, units: i128, then: u64, now: u64) {
        self.left(now);
        match self.refill {
            Refill::Continuous => self.take(-units, now),
            _ => {
                if let Some(entry) = self.taken.iter_mut().find(|(at, _)| *at == then) {
                    entry.1 -= units;
                }
            }
        }
    }
}

/// One request as it goes through the network; all times in milliseconds after the step before.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// After the request before it.
    pub(crate) gap: u64,
    /// Ours to the provider, provider to head at ours, head to the provider's end, end to ours.
    pub(crate) delays: [u64; 4],
    pub(crate) prompt: u64,
    pub(crate) prompt_low: u64,
    pub(crate) prompt_high: u64,
    pub(crate) longest: u64,
    pub(crate) completion: u64,
}

impl Request {
    fn cost(&self, miscounts: bool) -> Cost {
        let (low, high) = (self.prompt - self.prompt_low, self.prompt + self.prompt_high);
        let off = if miscounts { low / 20 } else { 0 };
        Cost { set_aside: low - off + self.longest, ..cost(low, high + self.longest) }
    }

    /// What the provider sets aside: the prompt, by a count of its own that may be off by a twentieth, and the longest answer.
    fn reserved(&self, miscounts: bool) -> u64 {
        // As good as drawn: from -5 to 5 percent.
        let percent = if miscounts { 95 + self.gap % 11 } else { 100 };
        (self.prompt * percent).div_ceil(100) + self.longest
    }

    fn used(&self) -> u64 {
        self.prompt + self.completion
    }
}

pub(crate) fn request() -> impl Strategy<Value = Request> {
    let delays = [0..5_000u64, 0..5_000u64, 0..20_000u64, 0..30_000u64];
    (0..4_000u64, delays, 1..8_000u64, 0..2_000u64, 0..100u64, 1..16_384u64, 0.0..=1.0f64).prop_map(
        |(gap, delays, prompt, low, prompt_high, longest, share)| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "test data"
            )]
            let completion = (longest as f64 * share) as u64;
            Request { gap, delays, prompt, prompt_low: low.min(prompt), prompt_high, longest, completion }
        },
    )
}

/// The provider, and what our books take for granted of it.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) rpm: u64,
    pub(crate) tpm: u64,
    pub(crate) refill: Refill,
    pub(crate) settlement: Settlement,
    pub(crate) believed: Settlement,
    /// What our books believe the token limit to be.
    pub(crate) believed_tpm: u64,
    pub(crate) headers: bool,
    /// Whether the provider's own count of a prompt is off when it sets aside.
    pub(crate) miscounts: bool,
    /// What somebody else takes from the same account: when, and how many tokens.
    pub(crate) foreign: Vec<(u64, u64)>,
}

impl World {
    pub(crate) fn plain(rpm: u64, tpm: u64) -> Self {
        Self {
            rpm,
            tpm,
            refill: Refill::Continuous,
            settlement: Settlement::Returned,
            believed: Settlement::Returned,
            believed_tpm: tpm,
            headers: false,
            miscounts: false,
            foreign: Vec::new(),
        }
    }
}

/// What happened.
#[derive(Debug, Default)]
pub(crate) struct Played {
    pub(crate) granted: usize,
    /// Tokens of answered requests.
    pub(crate) used: u64,
    pub(crate) refused: Vec<Refused>,
    /// So many of them the books had not foreseen when they heard of it.
    pub(crate) unforeseen: usize,
    pub(crate) lessons: Vec<(u64, Lesson)>,
    pub(crate) books: Option<Books>,
}

/// A request that the provider refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) sent: u64,
    pub(crate) arrived: u64,
    /// The latest moment of which our books had heard for certain when they sent it: from an answer to a request
    /// beside which no other was under way.
    pub(crate) heard: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Foreign,
    Arrive,
    Head,
    ProviderEnd,
    End,
    Send,
}

/// What the provider made of a request.
#[derive(Clone, Copy, Default)]
struct Taken {
    at_all: bool,
    sent: u64,
    over: Option<u64>,
    heard: Option<u64>,
    at: u64,
    admitted: bool,
    /// Left of requests and tokens once it was taken in.
    left: [u64; 2],
}

/// Plays the requests against books and provider.
pub(crate) fn play(requests: &[Request], world: &World) -> Played {
    let limits = [
        Limit { refill: world.refill, ..limit(Dimension::Requests, Window::Minute, world.rpm) },
        Limit { refill: world.refill, ..limit(Dimension::Tokens, Window::Minute, world.believed_tpm) },
    ];
    let mut books = Books::new(&limits, Meter { settlement: world.believed, ..Meter::default() }, at(0));
    let mut oracles = [Oracle::full(world.rpm, world.refill), Oracle::full(world.tpm, world.refill)];
    let mut queue = BinaryHeap::new();
    let mut clock = 0;
    for (index, request) in requests.iter().enumerate() {
        clock += request.gap;
        queue.push(Reverse((clock, Event::Send, index)));
    }
    queue.extend(
        world.foreign.iter().enumerate().map(|(index, (at, _))| Reverse((*at, Event::Foreign, index))),
    );
    let mut grants: Vec<Option<Grant>> = requests.iter().map(|_| None).collect();
    let mut taken = vec![Taken::default(); requests.len()];
    let mut heard: Option<u64> = None;
    let mut played = Played::default();
    while let Some(Reverse((now, event, index))) = queue.pop() {
        if event == Event::Foreign {
            let left = oracles[1].left(now).max(0);
            oracles[1].take(i128::from(world.foreign[index].1).min(left), now);
            continue;
        }
        let request = &requests[index];
        let reserved = i128::from(request.reserved(world.miscounts));
        let [to_provider, to_head, to_end, back] = request.delays;
        match event {
            Event::Send => {
                if let Ok(grant) = books.reserve(request.cost(world.miscounts), at(now)) {
                    grants[index] = Some(grant);
                    played.granted += 1;
                    taken[index] = Taken { at_all: true, sent: now, heard, ..Taken::default() };
                    queue.push(Reverse((now + to_provider, Event::Arrive, index)));
                }
            }
            Event::Arrive => {
                let admitted = oracles[0].left(now) >= 1 && oracles[1].left(now) >= reserved;
                if admitted {
                    oracles[0].take(1, now);
                    oracles[1].take(reserved, now);
                } else {
                    let Taken { sent, heard, .. } = taken[index];
                    played.refused.push(Refused { sent, arrived: now, heard });
                }
                let left = [oracles[0].left(now), oracles[1].left(now)];
                let left = left.map(|left| u64::try_from(left.max(0)).unwrap_or(0));
                taken[index] = Taken { at: now, admitted, left, ..taken[index] };
                queue.push(Reverse((now + to_head, Event::Head, index)));
            }
            Event::Head => {
                let Some(mut grant) = grants[index].take() else { continue };
                let Taken { at: written, admitted, left, .. } = taken[index];
                let readings = readings(world, left);
                let lessons = if admitted {
                    let lessons = books.sync(&grant, &readings, at(now));
                    books.admitted(&mut grant, at(now));
                    grants[index] = Some(grant);
                    queue.push(Reverse((now + to_end, Event::ProviderEnd, index)));
                    lessons
                } else {
                    let scope = (Some(Dimension::Tokens), Some(Window::Minute));
                    let refused = books.refused(grant, scope, &readings, at(now));
                    played.unforeseen += usize::from(!refused.foreseen);
                    refused.lessons
                };
                taken[index].over = (!admitted).then_some(now);
                let sent = taken[index].sent;
                let beside = |(other, taken): (usize, &Taken)| {
                    other != index && taken.at_all && taken.over.is_none_or(|over| over >= sent)
                };
                if world.headers && !taken.iter().enumerate().any(beside) {
                    heard = heard.max(Some(written));
                }
                played.lessons.extend(lessons.into_iter().map(|lesson| (now, lesson)));
            }
            Event::ProviderEnd => {
                if world.settlement == Settlement::Returned {
                    oracles[1].give(reserved - i128::from(request.used()), taken[index].at, now);
                }
                queue.push(Reverse((now + back, Event::End, index)));
            }
            Event::End => {
                if let Some(grant) = grants[index].take() {
                    let set_aside = request.prompt + request.longest;
                    books.settle(grant, Used { set_aside, ..used(request.used()) }, at(now));
                    played.used += request.used();
                    taken[index].over = Some(now);
                }
            }
            Event::Foreign => {}
        }
    }
    played.books = Some(books);
    played
}

fn readings(world: &World, left: [u64; 2]) -> Vec<Reading> {
    let reading = |dimension, limit, remaining| Reading {
        dimension,
        window: Window::Minute,
        limit: Some(limit),
        remaining: Some(remaining),
        reset: None,
    };
    if !world.headers {
        return Vec::new();
    }
    vec![reading(Dimension::Requests, world.rpm, left[0]), reading(Dimension::Tokens, world.tpm, left[1])]
}

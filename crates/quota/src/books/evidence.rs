//! What a provider's answers and refusals say of its own books, and what these learn from it.

use super::{Books, Grant, Refused};
use crate::bucket::{Bucket, Ticket, Verdict};
use crate::evidence::{Lesson, Reading};
use crate::limit::{Cost, Dimension, Limit, Refill, Window};
use crate::time::Moment;

impl Books {
    /// Holds what the head of the response says of the provider's own books against these; to be called before
    /// [`admitted`](Self::admitted). Returns what was learned from it.
    pub fn sync(&mut self, grant: &Grant, readings: &[Reading], now: Moment) -> Vec<Lesson> {
        let mut lessons = Vec::new();
        for reading in readings {
            let index = self.bucket_for(reading, now, &mut lessons);
            let Some(bucket) = index.and_then(|index| self.buckets.get_mut(index)) else { continue };
            let dimension = bucket.limit.dimension;
            if let Some(limit) = reading.limit
                && bucket.name_limit(limit, now)
            {
                lessons.push(Lesson::Limit(bucket.limit));
            }
            let about = |(of, by, _): &&(Dimension, Window, Ticket)| bucket.limit.is_about(*of, *by);
            let Some((_, _, ticket)) = grant.tickets.iter().find(about) else {
                // Nobody had named this limit when the request was sent.
                let with_own =
                    reading.remaining.map(|remaining| remaining.saturating_add(grant.cost.least(dimension)));
                bucket.read_at_most(with_own, self.held.both(dimension), now);
                continue;
            };
            let traffic = self.traffic.of(dimension);
            let verdict = bucket.read(reading, ticket, grant.cost, traffic, self.belief.settlement, now);
            self.hear(verdict, &mut lessons);
        }
        lessons
    }

    /// The provider refused the request for a quota: of this dimension and window, as far as it said so. Everything comes
    /// back; and unless the books know by now that there was not enough, less than that is left.
    pub fn refused(
        &mut self,
        grant: Grant,
        (dimension, window): (Option<Dimension>, Option<Window>),
        readings: &[Reading],
        now: Moment,
    ) -> Refused {
        // Its own trust was misplaced, or that of one which overtook it.
        let (cost, trusting) = (grant.cost, self.trusting > grant.trusting_before);
        self.release(grant, now);
        let mut lessons = Vec::new();
        let mut foreseen = self.check(cost, now).is_err();
        if !foreseen && trusting && dimension != Some(Dimension::Requests) {
            if self.belief.refused(self.meter.minute, now) {
                lessons.push(Lesson::Settlement(self.belief.settlement));
            }
            // What it has taught may explain it, and says how much there is.
            foreseen = self.check(cost, now).is_err();
        }
        if !foreseen {
            self.refute(dimension, window, cost, now);
        }
        self.sync_refusal(readings, &mut lessons, now);
        let available_at = self.check(cost, now).err().and_then(|shortfall| shortfall.available_at);
        Refused { foreseen, available_at, lessons }
    }

    /// The provider refused the request because it is larger than a limit, as these readings say. Everything comes back.
    pub fn too_large(&mut self, grant: Grant, readings: &[Reading], now: Moment) -> Vec<Lesson> {
        self.release(grant, now);
        let mut lessons = Vec::new();
        self.sync_refusal(readings, &mut lessons, now);
        lessons
    }

    fn refute(&mut self, dimension: Option<Dimension>, window: Option<Window>, cost: Cost, now: Moment) {
        // One that names no window refutes none: what it meant may be kept nowhere here.
        let Some(window) = window else { return };
        for bucket in &mut self.buckets {
            let limit = bucket.limit;
            if limit.window == window && dimension.is_none_or(|it| it == limit.dimension) {
                bucket.refute(cost.most(limit.dimension), self.held.both(limit.dimension), now);
            }
        }
    }

    fn sync_refusal(&mut self, readings: &[Reading], lessons: &mut Vec<Lesson>, now: Moment) {
        for reading in readings {
            let index = self.bucket_for(reading, now, lessons);
            let Some(bucket) = index.and_then(|index| self.buckets.get_mut(index)) else { continue };
            if let Some(limit) = reading.limit
                && bucket.name_limit(limit, now)
            {
                lessons.push(Lesson::Limit(bucket.limit));
            }
            bucket.read_at_most(reading.remaining, self.held.both(bucket.limit.dimension), now);
        }
    }

    /// Believes what was learned in an earlier life.
    pub fn remember(&mut self, lesson: Lesson, now: Moment) {
        match lesson {
            Lesson::Settlement(settlement) => self.belief.remember(settlement, self.meter.minute, now),
            Lesson::Limit(limit) => {
                let reading = Reading {
                    dimension: limit.dimension,
                    window: limit.window,
                    limit: Some(limit.capacity),
                    remaining: None,
                    reset: None,
                };
                self.sync_refusal(&[reading], &mut Vec::new(), now);
            }
        }
    }

    fn hear(&mut self, verdict: Verdict, lessons: &mut Vec<Lesson>) {
        if self.belief.hear(verdict) {
            lessons.push(Lesson::Settlement(self.belief.settlement));
        }
    }

    /// The limit that a reading is about; one that nobody has named before is opened.
    fn bucket_for(&mut self, reading: &Reading, now: Moment, lessons: &mut Vec<Lesson>) -> Option<usize> {
        let tokens = reading.dimension != Dimension::Requests;
        let about = |bucket: &Bucket| {
            bucket.limit.window == reading.window && (bucket.limit.dimension != Dimension::Requests) == tokens
        };
        let candidates = self.buckets.iter().enumerate().filter(|(_, bucket)| about(bucket));
        // A provider with limits for cached and uncached tokens does not say which of the two it means.
        let distance = |bucket: &Bucket| match reading.limit {
            Some(limit) => bucket.limit.capacity.abs_diff(limit),
            None => u64::from(bucket.limit.dimension != reading.dimension),
        };
        let nearest = candidates.min_by_key(|(_, bucket)| distance(bucket)).map(|(index, _)| index);
        if nearest.is_some() {
            return nearest;
        }
        let limit = Limit::new(reading.dimension, reading.window, reading.limit?, self.meter.minute);
        let refill = match self.meter.day_begins {
            Some(mark) if limit.window == Window::Day => Refill::Fixed(mark),
            _ => Refill::Continuous,
        };
        let limit = Limit { refill, ..limit };
        self.buckets.push(Bucket::learned(limit, self.meter, now));
        lessons.push(Lesson::Limit(limit));
        Some(self.buckets.len() - 1)
    }
}

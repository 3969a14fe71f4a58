//! How a bucket stands, for people.

use std::iter;
use std::time::Duration;

use super::Bucket;
use crate::limit::{Refill, Settlement};
use crate::rate::Rate;
use crate::status::{Forecast, LimitStatus, Source, forecast};
use crate::time::Moment;

impl Bucket {
    /// How it stands beside what is `held`, where its units are spent at this rate, so many at once as `usual`; `None`: it is
    /// believed no longer.
    pub(crate) fn status(
        &mut self,
        held: u64,
        settlement: Settlement,
        rate: &Rate,
        usual: u64,
        now: Moment,
    ) -> Option<LimitStatus> {
        self.refill(now);
        if self.is_stale(now) {
            return None;
        }
        let usual = usual.clamp(1, self.limit.capacity);
        let room = self.check(usual, held, settlement, now);
        let missing = self.full.saturating_sub(self.level.of(settlement)).saturating_add(self.scale(held));
        let status = LimitStatus {
            limit: self.limit,
            source: self.source(),
            available: self.available(held, settlement, now),
            in_flight: held,
            usual,
            exhausted_until: room.err().map(|at| at.unwrap_or(now + self.limit.period)),
            full_at: if missing > 0 { self.comes_back(missing, settlement, now) } else { now },
            per_hour: rate.in_time(self.meter.minute.saturating_mul(60), now),
            forecast: None,
        };
        let daily = status.is_daily();
        Some(LimitStatus { forecast: daily.then(|| self.forecast(&status, settlement, rate, now)), ..status })
    }

    fn source(&self) -> Source {
        match (self.configured, self.named) {
            (Some(configured), _) if configured.ceiling && configured.capacity == self.limit.capacity => {
                Source::Operator
            }
            (_, Some(_)) => Source::Provider,
            (_, None) => Source::Assumed,
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    fn forecast(&self, status: &LimitStatus, settlement: Settlement, rate: &Rate, now: Moment) -> Forecast {
        let left = status.available as f64 - (status.usual + self.margin()) as f64;
        let period = self.limit.period;
        let a_second = Duration::from_secs(1);
        let drain = rate.in_time(a_second, now);
        match self.limit.refill {
            Refill::Continuous => {
                let earned = self.limit.capacity as f64 / period.as_secs_f64();
                forecast(left, drain - earned, iter::empty(), now + period, now)
            }
            Refill::Fixed(mark) => forecast(left, drain, iter::empty(), self.next_mark(mark, now), now),
            Refill::Sliding => {
                let scale = self.period as f64;
                let returns = self.spendings.returns(settlement);
                let returns = returns.map(|(moment, amount)| (moment, amount as f64 / scale));
                forecast(left, drain, returns, now + period, now)
            }
        }
    }
}

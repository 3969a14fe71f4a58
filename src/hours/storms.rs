//! Agents that work for hours while one provider, or both, fail in every way, for a moment or for an hour.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::time::sleep;

use super::fate::Fate;
use super::house::House;
use super::provider::{Provider, Weather};
use super::reply::{End, Reply};
use super::setting;
use super::words::{Question, Shape};

/// Turns at once.
const AGENTS: u64 = 8;

/// How turns ended.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    turns: u64,
    whole: u64,
    refused: u64,
    broken: u64,
    /// Calls among those.
    broken_calls: u64,
    left: u64,
    /// Of all that happened, in order.
    digest: u64,
}

impl Tally {
    fn add(&mut self, question: Question, time: Duration, end: Option<End>) {
        self.turns += 1;
        *match end {
            Some(End::Whole) => &mut self.whole,
            Some(End::Refused(..)) => &mut self.refused,
            Some(End::Broken) => &mut self.broken,
            None => &mut self.left,
        } += 1;
        let is_broken_call = end == Some(End::Broken) && question.shape == Shape::Call;
        self.broken_calls += u64::from(is_broken_call);
        let mut hasher = DefaultHasher::new();
        (self.digest, question.turn, time, end).hash(&mut hasher);
        self.digest = hasher.finish();
    }
}

/// One agent for so long. Now and then it leaves amid a turn; it comes back when it is told to.
async fn agent(house: &House, number: u64, seed: u64, length: Duration, tally: &Mutex<Tally>) {
    let mut rng = fastrand::Rng::with_seed(seed ^ (number << 32));
    let began = house.clock.now();
    for turn in (0..).map(|turn| turn * AGENTS + number) {
        sleep(Duration::from_millis(rng.u64(0..60_000))).await;
        if house.since(began) > length {
            return;
        }
        let question = Question::random(turn, &mut rng);
        let asked = house.ask(question);
        let end = if rng.u8(0..20) == 0 {
            let patience = Duration::from_millis(1 << rng.u8(0..16));
            tokio::time::timeout(patience, asked).await.ok()
        } else {
            Some(asked.await)
        };
        let end = end.map(|reply: Reply| reply.judged_by(house));
        tally.lock().add(question, house.since(began), end);
        if let Some(End::Refused(_, wait)) = end {
            sleep(wait).await;
        }
    }
}

/// Weather that changes every few minutes; an outage of an hour is among it.
async fn climate(provider: &Provider, seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    for spell in 0.. {
        let (weather, minutes) = match rng.u8(0..10) {
            _ if spell == 3 => (Weather::Refusing, 60),
            0..3 => (Weather::Well, rng.u64(1..30)),
            3..7 => (Weather::Stormy(rng.u8(2..80)), rng.u64(1..30)),
            7 => (Weather::All(Fate::random(&mut rng)), rng.u64(1..20)),
            8 => (Weather::BlackHole, rng.u64(1..20)),
            _ => (Weather::Refusing, rng.u64(1..20)),
        };
        provider.set(weather);
        sleep(Duration::from_mins(minutes)).await;
    }
}

/// So many hours with weather at these providers. Everything is as new afterwards.
async fn hours_of(seed: u64, weather_at: &[&str], length: Duration) -> Tally {
    let house = House::new(seed, &[]);
    let started = house.clock.since_1970();
    let tally = Mutex::new(Tally::default());
    let agents = join_all((0..AGENTS).map(|number| agent(&house, number, seed, length, &tally)));
    let providers = house.providers().into_iter().zip([seed ^ 3, seed ^ 4]);
    let climates = providers.filter(|(provider, _)| weather_at.contains(&provider.name));
    let climates = join_all(climates.map(|(provider, seed)| climate(provider, seed)));
    tokio::select! {
        biased;
        _ = agents => {}
        _ = climates => {}
    }
    house.providers().iter().for_each(|provider| provider.set(Weather::Well));
    house.is_as_new().await;
    let tally = tally.into_inner();
    let took = house.clock.since_1970().saturating_sub(started);
    println!("{length:?} of weather at {weather_at:?}, seed {seed}, in {took:?}: {tally:?}");
    tally
}

#[tokio::test(start_paused = true)]
async fn every_turn_ends_honestly_while_both_providers_fail() {
    let (hours, seed) = (setting("HOURS", 3), setting("HOURS_SEED", 1));
    let tally = hours_of(seed, &["cerebras", "chutes"], Duration::from_hours(hours)).await;
    assert!(tally.whole > tally.turns / 3, "{tally:?}");
    assert!(tally.refused > 0 && tally.broken > 0 && tally.left > 0, "{tally:?}");
}

#[tokio::test(start_paused = true)]
async fn nobody_hears_of_what_one_provider_does_before_its_first_payload() {
    let (hours, seed) = (setting("HOURS", 3), setting("HOURS_SEED", 1));
    let tally = hours_of(seed, &["cerebras"], Duration::from_hours(hours)).await;
    assert_eq!((tally.refused, tally.broken_calls), (0, 0), "{tally:?}");
    assert!(tally.broken > 0 && tally.broken < tally.turns / 20, "{tally:?}");
}

#[tokio::test(start_paused = true)]
async fn a_seed_tells_all_that_happens() {
    // Whose first half an hour is a bad one.
    let seed = setting("HOURS_SEED", 2);
    let half_an_hour = async |seed| hours_of(seed, &["cerebras", "chutes"], Duration::from_mins(30)).await;
    let once = half_an_hour(seed).await;
    assert_eq!(half_an_hour(seed).await, once);
    assert_ne!(half_an_hour(seed + 1).await, once);
}

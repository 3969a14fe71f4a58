//! What keeps a stream alive, and for how long, to the millisecond.

use std::time::Duration;

use super::fate::{Fate, PACE};
use super::house::House;
use super::provider::Weather;
use super::reply::{End, Reply};
use super::words::{Question, Shape};
use super::{IDLE, REQUEST, WHOLE};

/// Timers are exact to one, and a provider's first token takes some.
const EXACT: Duration = Duration::from_millis(2);

/// A provider that does this with all that it is asked.
async fn asked(house: &House, fate: Fate, question: Question) -> (Reply, End) {
    house.cerebras.set(Weather::All(fate));
    let reply = house.ask(question).await;
    let end = reply.judged_by(house);
    (reply, end)
}

#[track_caller]
fn assert_is(time: Duration, expected: Duration) {
    assert!((expected..=expected + EXACT).contains(&time), "{time:?} instead of {expected:?}");
}

#[tokio::test(start_paused = true)]
async fn a_token_a_minute_goes_on_for_hours() {
    let house = House::new(1, &[]);
    let between = IDLE.checked_sub(Duration::from_millis(100)).expect("less");
    for shape in [Shape::Text, Shape::Call] {
        let question = Question { shape, ..Question::text(1, 241) };
        let (reply, end) = asked(&house, Fate::Drip(between), question).await;
        assert_eq!((end, reply.provider()), (End::Whole, "cerebras"));
        assert_is(reply.took(), PACE * 2 + between * (question.length() - 1));
        assert!(reply.took() > Duration::from_hours(3), "{:?}", reply.took());
    }
    house.is_as_new().await;
}

#[tokio::test(start_paused = true)]
async fn the_total_limit_alone_ends_it() {
    let house = House::new(1, &[("TOTAL_TIMEOUT", "3600000")]);
    let drip = Fate::Drip(Duration::from_secs(50));
    house.cerebras.set(Weather::All(drip));
    // A part of a call that nobody has seen makes way for an error.
    for (shape, status) in [(Shape::Text, 200), (Shape::Call, 503)] {
        let reply = house.ask(Question { shape, ..Question::text(1, 200) }).await;
        assert_eq!((reply.head.status.as_u16(), reply.broken), (status, status == 200));
        assert_is(reply.took(), Duration::from_hours(1));
    }
    assert_eq!(house.chutes.seen().len(), 0, "there was no time left for it");
    house.is_as_new().await;
}

#[tokio::test(start_paused = true)]
async fn a_silence_is_bounded_by_the_idle_limit_however_many_pings_break_it() {
    let house = House::new(1, &[]);
    for fate in [Fate::PingsAmid, Fate::Pause(Duration::from_hours(2)), Fate::Pause(IDLE)] {
        let (reply, end) = asked(&house, fate, Question::text(1, 20)).await;
        assert_eq!(end, End::Broken, "{fate:?}");
        assert_is(reply.took(), PACE * 10 + IDLE);
        tokio::time::sleep(EXACT).await;
        assert_eq!(house.cerebras.busy(), 0, "{fate:?} was left on its hands");
    }
    let shorter = Fate::Pause(IDLE.checked_sub(EXACT).expect("less"));
    assert_eq!(asked(&house, shorter, Question::text(1, 20)).await.1, End::Whole);
    house.is_as_new().await;
}

#[tokio::test(start_paused = true)]
async fn before_the_first_payload_only_payload_counts() {
    for fate in [Fate::NoHead, Fate::SilentHead, Fate::PingsAtFirst] {
        let house = House::new(1, &[]);
        let (reply, end) = asked(&house, fate, Question::text(1, 5)).await;
        assert_eq!((end, reply.provider()), (End::Whole, "chutes"), "{fate:?}");
        assert_is(reply.took(), REQUEST + PACE * 6);
        assert_eq!(house.cerebras.busy(), 0, "{fate:?} was left on its hands");

        // The last one that is left gets four times as much, and then there is an error.
        house.chutes.set(Weather::All(fate));
        tokio::time::sleep(Duration::from_hours(1)).await;
        let (reply, end) = asked(&house, fate, Question::text(2, 5)).await;
        assert!(matches!(end, End::Refused(503, _)), "{fate:?}: {end:?}");
        assert_is(reply.took(), REQUEST + WHOLE);
        house.providers().iter().for_each(|provider| provider.set(Weather::Well));
        house.is_as_new().await;
    }
}

//! Hours without a provider: how much it is asked meanwhile, and how soon it is used again.

use std::time::Duration;

use futures_util::future::join_all;
use quota::Moment;
use tokio::time::sleep;

use super::COOLDOWN;
use super::fate::Fate;
use super::house::House;
use super::provider::Weather;
use super::reply::End;
use super::words::Question;

/// Between the questions of a client that never rests.
const OFTEN: Duration = Duration::from_secs(5);
/// From one herd to the next, in seconds.
const HERD: f64 = 0.05;

/// A client that never rests, for so long; how many turns it took, each of which was answered.
async fn asks_for(house: &House, time: Duration) -> u64 {
    let began = house.clock.now();
    let mut turns = 0;
    while house.since(began) < time {
        let reply = house.ask(Question::text(turns, 1)).await;
        assert_eq!(reply.judged_by(house), End::Whole);
        turns += 1;
        sleep(OFTEN).await;
    }
    turns
}

/// The longest time between two of these.
fn longest_pause(moments: &[Moment]) -> Duration {
    moments.windows(2).map(|two| two[1] - two[0]).max().unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_is_down_for_an_hour_is_hardly_asked_and_soon_back() {
    for (down, longest) in [
        (Weather::Refusing, Duration::from_secs(30)),
        (Weather::BlackHole, Duration::from_secs(30)),
        (Weather::All(Fate::Refuse(500, None)), Duration::from_secs(30)),
        (Weather::All(Fate::PingsAtFirst), Duration::from_mins(1)),
    ] {
        let house = House::new(1, &[]);
        assert_eq!(house.ask(Question::text(0, 1)).await.provider(), "cerebras");
        house.cerebras.set(down);
        let began = house.clock.now();
        let turns = asks_for(&house, Duration::from_hours(1)).await;
        let asked: Vec<Moment> = match down {
            Weather::All(_) => house.cerebras.seen().iter().map(|seen| seen.at).collect(),
            _ => house.cerebras.dials(),
        };
        let asked: Vec<Moment> = asked.into_iter().filter(|at| *at >= began).collect();
        let pause = longest_pause(&asked);
        println!(
            "{down:?}: asked {} times in {turns} turns of an hour, {pause:?} apart at the most",
            asked.len()
        );
        // A quarter more by chance, what finding out takes, and a turn.
        let most = longest.mul_f64(1.25) + super::REQUEST + OFTEN * 2;
        assert!(pause <= most && asked.len() < 150, "{} times, {pause:?} apart", asked.len());

        house.cerebras.set(Weather::Well);
        let healed = house.clock.now();
        while house.ask(Question::text(turns, 1)).await.provider() != "cerebras" {
            sleep(OFTEN).await;
        }
        assert!(house.since(healed) <= longest.mul_f64(1.25) + OFTEN * 2, "{:?}", house.since(healed));
        house.is_as_new().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_is_used_again_when_it_said_by_one_probe_of_a_herd() {
    let longest = COOLDOWN.as_secs_f64();
    for (hint, pause) in [(1, 1.0..1.25), (120, 120.0..120.5), (10_800, (longest - 0.5)..longest)] {
        // A 503 is believed when there have been three.
        for (status, turns) in [(429, 1), (503, 3)] {
            let house = House::new(hint, &[]);
            house.cerebras.set(Weather::All(Fate::Refuse(status, Some(hint))));
            for turn in 0..turns {
                assert_eq!(house.ask(Question::text(turn, 1)).await.provider(), "chutes");
            }
            let refused = house.cerebras.seen();
            house.cerebras.set(Weather::Well);
            sleep(Duration::from_secs(hint).min(COOLDOWN).saturating_sub(Duration::from_secs(1))).await;
            let mut herds = 0;
            while house.cerebras.seen().len() == refused.len() {
                herds += 1;
                assert!(herds < 100, "{status} with {hint} s: not used again");
                let herd = join_all((0..30).map(|one| house.ask(Question::text(herds * 100 + one, 1)))).await;
                assert!(herd.iter().all(|reply| reply.judged_by(&house) == End::Whole));
            }
            let seen = house.cerebras.seen();
            assert_eq!(seen.len(), refused.len() + 1, "a herd");
            let away = (seen[refused.len()].at - refused[refused.len() - 1].at).as_secs_f64();
            println!("{status} with {hint} s: used again after {away} s");
            assert!(away >= pause.start && away <= pause.end + HERD, "{away}");
            assert_eq!(house.ask(Question::text(1, 1)).await.provider(), "cerebras");
            house.is_as_new().await;
        }
    }
}

/// Both are down for so many turns of a client that comes back when it is told, and well from the last of them on. What it hears
/// then, and how long it had been told to wait.
async fn comes_back(down: Weather, turns: u64) -> (End, Duration) {
    let house = House::new(turns, &[]);
    let mut waited = Duration::ZERO;
    house.providers().iter().for_each(|provider| provider.set(down));
    for turn in 1..=turns {
        sleep(waited).await;
        match house.ask(Question::text(turn, 1)).await.judged_by(&house) {
            End::Refused(_, wait) => waited = wait,
            end => panic!("{end:?}, and nobody could answer"),
        }
    }
    house.providers().iter().for_each(|provider| provider.set(Weather::Well));
    sleep(waited).await;
    (house.ask(Question::text(0, 1)).await.judged_by(&house), waited)
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_back_when_it_was_told_is_answered() {
    for down in [
        Weather::Refusing,
        Weather::BlackHole,
        Weather::All(Fate::Reset),
        Weather::All(Fate::NoHead),
        Weather::All(Fate::PingsAtFirst),
        Weather::All(Fate::ErrorAtFirst),
        Weather::All(Fate::Refuse(429, None)),
        Weather::All(Fate::Refuse(429, Some(40))),
        Weather::All(Fate::Refuse(500, None)),
        Weather::All(Fate::Refuse(503, Some(40))),
    ] {
        for turns in [1, 3, 7, 12] {
            let (end, waited) = comes_back(down, turns).await;
            // Clients believe nothing longer.
            let is_longest = waited == Duration::from_secs(59);
            assert!(end == End::Whole || is_longest, "{down:?}, {turns} times: {end:?} after {waited:?}");
        }
    }
}

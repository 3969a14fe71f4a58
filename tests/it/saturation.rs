//! Agents that never rest: the fast lane is used to the last token it allows, and never beyond.
//!
//! A provider's minute lasts three and a half seconds. What is said to be used is what the provider charged for the requests of that
//! time, as a part of what its bucket held at the start and what came back to it meanwhile.
#![expect(clippy::print_stdout, reason = "the figures are what people run it for")]

use std::sync::atomic::Ordering::Relaxed;

use futures_util::future::{join, join_all};
use quota::Settlement::{Kept, Returned};
use simulator::RateHeaderSet::{Six, Twelve};

mod agent;
mod cell;
mod original;
mod stranger;

use agent::Habits;
use cell::{Lane, Played, World};
use stranger::Stranger;

/// Four agents on large conversations; two name no longest answer, and the provider sets 16,384 tokens aside for them.
fn agents() -> [Habits; 4] {
    let habits = |max_completion_tokens, stream| Habits {
        prompt: 10_000..100_000,
        turn: 2_000..9_000,
        words: 100..400,
        max_completion_tokens,
        stream,
    };
    [habits(None, true), habits(None, true), habits(Some(8_192), true), habits(Some(4_096), false)]
}

/// Four that ask for less, and so more often.
fn small_agents() -> [Habits; 4] {
    let habits = |max_completion_tokens, stream| Habits {
        prompt: 2_000..16_000,
        turn: 1_000..3_000,
        words: 100..400,
        max_completion_tokens: Some(max_completion_tokens),
        stream,
    };
    [habits(2_000, true), habits(2_000, true), habits(1_500, true), habits(1_000, false)]
}

/// Of our requests to Cerebras so many in a thousand may be refused because somebody else was faster.
const REFUSED_PER_MILLE: u64 = 10;

/// What a cell shows is a matter of chance as well, and of how busy the machine is: a fault shows twice.
async fn twice<F: Future<Output = Result<(), String>>>(play: impl Fn() -> F) {
    if let Err(why) = play().await {
        println!("once more, since {why}");
        assert_eq!(play().await, Ok(()));
    }
}

fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fast_lane_is_used_up_and_refuses_nothing() {
    twice(fast_lane).await;
}

async fn fast_lane() -> Result<(), String> {
    const MINUTES: u32 = 24;
    let worlds = [Returned, Kept]
        .into_iter()
        .flat_map(|settlement| [Some(Six), Some(Twelve), None].map(|headers| World { settlement, headers }));
    let cells = worlds.map(async |world| (world, Lane::ours(world).await.play(&agents(), MINUTES).await));
    let originals = [Returned, Kept].map(async |settlement| {
        let world = World { settlement, headers: None };
        (world, Lane::originals(world).await.play(&agents(), MINUTES).await)
    });
    let (ours, originals) = join(join_all(cells), join_all(originals)).await;
    println!(
        "\nunused    headers  books     used    left over  asked  refused (before it was known)  errors  answers"
    );
    let rows = ours.iter().map(|cell| ("ours", cell)).chain(originals.iter().map(|cell| ("original", cell)));
    for (who, (world, played)) in rows {
        println!("{world}  {who:<8}  {played}");
    }
    for (world, played) in ours {
        ensure(played.errors.is_empty(), || format!("{world}: {:?}", played.errors))?;
        ensure(played.used() >= 0.95, || format!("{world}: {played}"))?;
        ensure(played.belief == world.settlement, || format!("{world}: {played}"))?;
        // Without a change of mind it was known from the start.
        let before = played.refused_before_known.unwrap_or(0);
        ensure(before <= 2 && played.refused == before, || format!("{world}: {played}"))?;
    }
    Ok(())
}

/// What became of a cell in which another program spent on the same account for a while.
struct Shared {
    world: World,
    beside: Played,
    /// Requests of ours that were refused, and all of ours.
    refused: (u64, u64),
    /// The other program's.
    strangers: (u64, u64),
    alone: Played,
}

async fn shared(world: World) -> Shared {
    let (lane, stranger) = (Lane::with(world, 50).await, Stranger::default());
    let work = async {
        let beside = lane.play(&small_agents(), 10).await;
        stranger.leave();
        beside
    };
    let (beside, ()) = join(work, stranger.spend(&lane)).await;
    let [asked, refused] = [&stranger.asked, &stranger.refused].map(|count| count.load(Relaxed));
    // What is kept for it fades.
    let fading = lane.play(&small_agents(), 1).await;
    assert!(fading.errors.is_empty(), "{world}: {:?}", fading.errors);
    let alone = lane.play(&small_agents(), 7).await;
    let ours = (beside.refused - refused, beside.asked - asked);
    Shared { world, beside, refused: ours, strangers: (refused, asked), alone }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_program_on_the_same_account_is_made_room_for_and_forgotten() {
    twice(another_program).await;
}

async fn another_program() -> Result<(), String> {
    let worlds = [Some(Six), Some(Twelve), None].map(|headers| World { settlement: Returned, headers });
    let cells = join_all(worlds.map(shared)).await;
    println!(
        "\nunused    headers  used by both  refused to us, to it      errors   alone: used   left over  refused"
    );
    for Shared { world, beside, refused, strangers, alone } in &cells {
        println!(
            "{world}  {:>10.1} %  {:>3} of {:<4}  {:>3} of {:<4}  {:>10}  {:>11.1} %  {:>8.1} %  {:>7}",
            beside.used() * 100.0,
            refused.0,
            refused.1,
            strangers.0,
            strangers.1,
            beside.errors.len() + alone.errors.len(),
            alone.used() * 100.0,
            alone.left_over() * 100.0,
            alone.refused,
        );
    }
    for Shared { world, beside, alone, .. } in &cells {
        let errors = || format!("{world}: {:?} {:?}", beside.errors, alone.errors);
        ensure(beside.errors.is_empty() && alone.errors.is_empty(), errors)?;
        // Refusals that nobody explains look like a provider that keeps what it sets aside. That is believed for half an hour.
        let enough = if world.headers.is_some() { 0.95 } else { 0.7 };
        ensure(alone.used() >= enough, || format!("{world}: {alone}"))?;
    }
    let told = cells.iter().filter(|cell| cell.world.headers.is_some());
    let (refused, asked) = told.fold((0, 0), |sum, cell| (sum.0 + cell.refused.0, sum.1 + cell.refused.1));
    ensure(refused * 1_000 <= asked * REFUSED_PER_MILLE, || format!("{refused} of {asked} were refused"))
}

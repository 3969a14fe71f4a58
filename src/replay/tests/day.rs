//! Two hours of four agents.

use quota::Moment;

use crate::config::Preset;
use crate::replay::generate::{Recipe, generate};
use crate::replay::policy::{Choice, Counting, Original, Ours, Policy, Refused, Strict};
use crate::replay::provider::{self, Refusal};
use crate::replay::report::{Report, Row};
use crate::replay::scenario::Scenario;
use crate::replay::trace::Request;

fn recipe(seed: u64) -> Recipe {
    Recipe { seed, agents: 4, minutes: 120, estimate_error_percent: 0 }
}

fn scenario(returns_unused: bool, seed: u64) -> Scenario {
    let preset = Preset::builtin("cerebras").expect("a preset");
    let plan = preset.plans.iter().find(|plan| plan.name == "code-pro-2025").expect("a plan");
    Scenario {
        limits: plan.limits,
        completion_reserve: preset.completion_reserve,
        returns_unused,
        miscount_percent: 0,
        jitter: 50_000,
        wait: 0,
        closed: false,
        seed,
    }
}

fn rows(scenario: &Scenario, recipe: Recipe) -> Vec<Row> {
    let policies: Vec<Box<dyn Policy>> = vec![
        Box::new(Original::new(&scenario.limits, Counting::Flat)),
        Box::new(Original::new(&scenario.limits, Counting::True)),
        Box::new(Strict::new(scenario)),
        Box::new(Ours::new(scenario, None)),
    ];
    Report::new(scenario, &generate(recipe), policies).rows
}

#[test]
fn the_ration_is_used_and_nothing_beyond_it() {
    for seed in 1..=2 {
        let [original, true_counts, strict, ours] = &rows(&scenario(true, seed), recipe(seed))[..] else {
            panic!()
        };
        assert!(ours.share_permille >= 980, "{ours:?}");
        assert_eq!((ours.drawn_429, ours.refused), (0, 0));
        assert!((150..260).contains(&original.share_permille), "{original:?}");
        assert!(original.drawn_429 >= 15 && original.refused == original.drawn_429, "{original:?}");
        assert!((200..450).contains(&true_counts.share_permille), "{true_counts:?}");
        assert!((680..850).contains(&strict.share_permille) && strict.drawn_429 == 0, "{strict:?}");
    }
}

/// Where unused reservations stay spent, whoever knows the trace sends only what leaves little unused: long prompts. By
/// tokens, first come, first served can't keep up with that; of what can be charged it uses as much as before.
#[test]
fn kept_reservations_are_charged_to_the_last_token_as_well() {
    for seed in 1..=2 {
        let [original, .., ours] = &rows(&scenario(false, seed), recipe(seed))[..] else { panic!() };
        assert!(ours.used_permille >= 950, "{ours:?}");
        assert_eq!((ours.drawn_429, ours.refused), (0, 0));
        assert!((700..870).contains(&ours.share_permille), "{ours:?}");
        assert!(original.used_permille < 250, "{original:?}");
    }
}

/// Knows how long each answer gets, and sends only what uses at least this part of its charge, in thousandths.
struct Knowing {
    scenario: Scenario,
    part_permille: u64,
}

impl Policy for Knowing {
    fn name(&self) -> &'static str {
        "knowing"
    }
    fn offer(&mut self, id: usize, request: &Request, _now: Moment) -> Choice {
        let charged = provider::charged(&self.scenario, request, self.scenario.chance(id, request));
        if request.tokens() * 1_000 >= charged * self.part_permille { Choice::Fast } else { Choice::Spill }
    }
    fn head(&mut self, _id: usize, _now: Moment) {}
    fn settled(&mut self, _id: usize, _request: &Request, _now: Moment) {}
    fn refused(&mut self, _id: usize, _refusal: &Refusal, _now: Moment) -> Refused {
        Refused::Spill
    }
}

/// So no proof makes the bound much smaller where reservations are kept.
#[test]
fn whoever_knows_all_answers_comes_near_the_bound() {
    for seed in 1..=2 {
        let scenario = scenario(false, seed);
        let knowing = |part_permille| -> Box<dyn Policy> {
            Box::new(Knowing { scenario: scenario.clone(), part_permille })
        };
        let policies = [750, 760].map(knowing).into();
        let rows = Report::new(&scenario, &generate(recipe(seed)), policies).rows;
        let best = rows.iter().map(|row| row.share_permille).max().unwrap_or_default();
        assert!((900..=1_000).contains(&best), "{rows:?}");
    }
}

#[test]
fn a_provider_that_miscounts_and_slow_networks_draw_no_429() {
    let scenario = Scenario { miscount_percent: 2, jitter: 1_000_000, ..scenario(true, 4) };
    let recipe = Recipe { estimate_error_percent: 5, ..recipe(4) };
    let ours = &rows(&scenario, recipe)[3];
    assert_eq!(ours.drawn_429, 0, "{ours:?}");
    assert!(ours.share_permille >= 950, "{ours:?}");
}

#[test]
fn a_seed_decides_everything() {
    let short = |seed| Recipe { minutes: 20, ..recipe(seed) };
    let scenario = Scenario { closed: true, wait: 3_000_000, ..scenario(true, 1) };
    assert_eq!(rows(&scenario, short(1)), rows(&scenario, short(1)));
    assert_ne!(generate(short(1)), generate(short(2)));
}

#[test]
fn generated_agents_are_like_agents() {
    let trace = generate(recipe(1));
    let requests = trace.requests();
    assert!(requests.iter().all(|request| (9_000..=95_000).contains(&request.prompt_tokens)));
    assert!(
        requests.iter().all(|request| request.max_tokens.is_none_or(|max| request.completion_tokens <= max))
    );
    let some = |is: fn(&crate::replay::trace::Request) -> bool| requests.iter().filter(|it| is(it)).count();
    assert!(some(|request| request.max_tokens.is_none()) > requests.len() / 5);
    assert!(some(|request| request.session.contains("side")) > requests.len() / 10);
    assert!(some(|request| !request.stream) > 0 && some(|request| request.prompt_tokens > 60_000) > 100);
}

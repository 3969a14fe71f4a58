//! `replay`: what another plan, margin or wait would have done, in virtual time.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, Subcommand, ValueEnum, value_parser};

use super::generate::print;
use super::history;
use crate::config::{Limits, Preset};
use crate::replay::generate::{Recipe, generate};
use crate::replay::policy::{Counting, Original, Ours, Policy, Strict};
use crate::replay::{Report, Scenario, Trace, recorded};

/// No limit and no margin is larger.
const MOST: u64 = 1_000_000_000_000;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Replay {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: Run,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make up a trace of agents at work, as lines of JSON
    Generate(Made),
    /// Play a trace (the default)
    Run(Run),
}

#[derive(Debug, Args)]
struct Made {
    /// The same seed makes the same trace, and the same network
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Agents that work at the same time
    #[arg(long, default_value_t = 4, value_parser = value_parser!(u64).range(1..=1_000))]
    agents: u64,
    /// For how long
    #[arg(long, default_value_t = 2, value_parser = value_parser!(u64).range(1..=168))]
    hours: u64,
    /// Guesses of a prompt are off by so much at the most, in percent
    #[arg(long, default_value_t = 0, value_name = "PERCENT", value_parser = value_parser!(u64).range(0..=99))]
    estimate_error: u64,
}

#[derive(Debug, Args)]
struct Run {
    /// Trace to play, lines of JSON (docs/REPLAY.md); without it one is made up
    trace: Option<PathBuf>,
    /// Play what this proxy was really asked, as far as its history goes back
    #[arg(long, conflicts_with = "trace")]
    history: bool,
    /// Configuration file that says where the history is, as for `serve`
    #[arg(long, value_name = "FILE", requires = "history")]
    config: Option<PathBuf>,
    #[command(flatten)]
    made: Made,
    /// Whose ways and plans
    #[arg(long, default_value = "cerebras", value_name = "PRESET")]
    provider: String,
    /// The plan; for Cerebras code-pro-2025, else the preset's default
    #[arg(long)]
    plan: Option<String>,
    /// Other limits than the plan's, by the names of the settings: `tokens_per_minute=165000,requests_per_day=0`; 0 takes
    /// one away
    #[arg(long, value_delimiter = ',', value_name = "NAME=NUMBER")]
    limits: Vec<String>,
    /// Tokens that this proxy leaves at the edge of a limit, instead of a fiftieth of it and at most 3000
    #[arg(long, value_name = "TOKENS", value_parser = value_parser!(u64).range(0..=MOST))]
    margin: Option<u64>,
    /// How long a request may wait for the rationed provider
    #[arg(long, default_value_t = 0, value_name = "MS", value_parser = value_parser!(u64).range(0..=3_600_000))]
    wait: u64,
    /// What becomes of tokens that were set aside and not used, instead of what the preset says
    #[arg(long)]
    settlement: Option<Settlement>,
    /// The provider's guess of a prompt is off by so much at the most, in percent
    #[arg(long, default_value_t = 0, value_name = "PERCENT", value_parser = value_parser!(u64).range(0..=99))]
    miscount: u64,
    /// How long a message takes at the most
    #[arg(long, default_value_t = 50, value_name = "MS", value_parser = value_parser!(u64).range(0..=60_000))]
    jitter: u64,
    /// A session's next request comes after its turn is over, not when the trace says
    #[arg(long)]
    closed: bool,
    /// For people or for programs
    #[arg(long, default_value = "table")]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Settlement {
    /// They come back at the end
    Returned,
    /// They stay spent
    Kept,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Json,
}

pub(super) fn run(args: &Replay) -> anyhow::Result<ExitCode> {
    match &args.command {
        Some(Command::Generate(made)) => print(generate(made.recipe()).to_lines().as_bytes()),
        Some(Command::Run(run)) => play(run),
        None => play(&args.run),
    }
}

fn play(args: &Run) -> anyhow::Result<ExitCode> {
    let scenario = args.scenario()?;
    let trace = match &args.trace {
        None if args.history => match history::open(args.config.as_deref())? {
            Ok((connection, path)) => {
                recorded::trace(&connection).with_context(|| history::unreadable(&path))?
            }
            Err(code) => return Ok(code),
        },
        None => generate(args.made.recipe()),
        Some(file) => {
            let name = file.display();
            let text = std::fs::read_to_string(file).with_context(|| format!("can't read {name}"))?;
            Trace::read(&text).with_context(|| format!("{name} is no trace"))?
        }
    };
    let policies: Vec<Box<dyn Policy>> = vec![
        Box::new(Original::new(&scenario.limits, Counting::Flat)),
        Box::new(Original::new(&scenario.limits, Counting::True)),
        Box::new(Strict::new(&scenario)),
        Box::new(Ours::new(&scenario, args.margin)),
    ];
    let report = Report::new(&scenario, &trace, policies);
    let text = match args.format {
        Format::Table => report.to_string(),
        Format::Json => report.to_json() + "\n",
    };
    print(text.as_bytes())
}

impl Made {
    fn recipe(&self) -> Recipe {
        let Self { seed, agents, hours, estimate_error } = *self;
        Recipe { seed, agents, minutes: hours.saturating_mul(60), estimate_error_percent: estimate_error }
    }
}

impl Run {
    fn scenario(&self) -> anyhow::Result<Scenario> {
        let Some(preset) = Preset::builtin(&self.provider) else {
            let known: Vec<&str> = Preset::builtin_names().collect();
            bail!("{} is not known; write one of {}", self.provider, known.join(", "));
        };
        let mut limits = self.plan(&preset)?;
        for limit in &self.limits {
            change(&mut limits, limit)?;
        }
        Ok(Scenario {
            limits,
            completion_reserve: preset.completion_reserve,
            returns_unused: self
                .settlement
                .map_or(preset.returns_unused, |settlement| settlement == Settlement::Returned),
            miscount_percent: self.miscount,
            jitter: self.jitter.saturating_mul(1_000),
            wait: self.wait.saturating_mul(1_000),
            closed: self.closed,
            seed: self.made.seed,
        })
    }

    fn plan(&self, preset: &Preset) -> anyhow::Result<Limits> {
        let usual = if preset.name == "cerebras" { Some("code-pro-2025") } else { None };
        let Some(name) = self.plan.as_deref().or(usual).or(preset.default_plan.as_deref()) else {
            return Ok(Limits::default());
        };
        let Some(plan) = preset.plans.iter().find(|plan| plan.name == name) else {
            let known: Vec<&str> = preset.plans.iter().map(|plan| plan.name.as_str()).collect();
            bail!("{name} is no plan of {}; write one of {}", preset.label, known.join(", "));
        };
        Ok(plan.limits)
    }
}

/// Changes one limit, written as `name=number`.
fn change(limits: &mut Limits, written: &str) -> anyhow::Result<()> {
    let parts = written.split_once('=').map(|(name, number)| (name.trim(), number.trim().parse::<u64>()));
    let Some((name, Ok(number @ 0..=MOST))) = parts else {
        bail!("{written} is no limit; write a name and a number, as in tokens_per_minute=165000");
    };
    let Some(limit) = limits.by_name(name) else {
        let known = limits.named().map(|(name, _)| name);
        bail!("{name} is no limit; write one of {}", known.join(", "));
    };
    *limit = (number > 0).then_some(number);
    Ok(())
}

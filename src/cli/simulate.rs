//! `simulate`: simulated providers on fixed ports, for clients that are to meet rations and faults.
#![expect(clippy::print_stdout, reason = "the addresses are this command's output")]

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum};
use simulator::{Profile, Simulator};

/// Which providers to simulate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Which {
    /// Both.
    All,
    /// Cerebras alone.
    Cerebras,
    /// Chutes alone.
    Chutes,
}

#[derive(Debug, Args)]
pub(super) struct Simulate {
    /// Which providers
    #[arg(value_enum, default_value = "all")]
    which: Which,
    /// Port of the simulated Cerebras, or of the only provider (0: any)
    #[arg(long, default_value_t = 4001)]
    port: u16,
    /// Port of the simulated Chutes beside it (0: any)
    #[arg(long, default_value_t = 4002)]
    chutes_port: u16,
    /// Requests a minute that Cerebras allows
    #[arg(long, default_value_t = 15)]
    requests_per_minute: u64,
    /// Tokens a minute that Cerebras allows
    #[arg(long, default_value_t = 165_000)]
    tokens_per_minute: u64,
    /// How long a minute lasts, in milliseconds; give the proxy the same as `RATE_WINDOW_MS`
    #[arg(long, default_value_t = 60_000)]
    minute_ms: u64,
    /// By how many percent Cerebras's count of a prompt may be off, either way
    #[arg(long, default_value_t = 0)]
    miscount_percent: i64,
    /// How long a request may take to reach Cerebras's books, at random, in milliseconds
    #[arg(long, default_value_t = 0)]
    jitter_ms: u64,
    /// Seed of everything random
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

pub(super) async fn run(args: Simulate) -> anyhow::Result<ExitCode> {
    let mut cerebras = Profile::cerebras();
    cerebras.limits.requests_per_minute = Some(args.requests_per_minute);
    cerebras.limits.tokens_per_minute = Some(args.tokens_per_minute);
    cerebras.minute = Duration::from_millis(args.minute_ms);
    cerebras.miscount_percent = args.miscount_percent;
    cerebras.arrival_jitter = Duration::from_millis(args.jitter_ms);
    cerebras.seed = args.seed;
    let mut chutes = Profile::chutes();
    chutes.minute = cerebras.minute;
    chutes.seed = args.seed;
    let chutes_port = if args.which == Which::Chutes { args.port } else { args.chutes_port };
    let mut running = Vec::new();
    if args.which != Which::Chutes {
        running.push(start("Cerebras", "CEREBRAS", cerebras, args.port).await?);
    }
    if args.which != Which::Cerebras {
        running.push(start("Chutes", "CHUTES", chutes, chutes_port).await?);
    }
    println!("Faults: curl URL/_sim/faults lists them; set one with");
    println!(
        r#"  curl URL/_sim/fault -H 'Content-Type: application/json' -d '{{"fault":"server_error","times":1}}'"#
    );
    crate::server::stopped().await;
    Ok(ExitCode::SUCCESS)
}

async fn start(name: &str, prefix: &str, profile: Profile, port: u16) -> anyhow::Result<Simulator> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let simulator =
        Simulator::bind(profile, address).await.with_context(|| format!("can't listen on {address}"))?;
    println!("{name} (simulated): {prefix}_BASE_URL={}", simulator.base_url());
    Ok(simulator)
}

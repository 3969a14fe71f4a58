//! `demo`: the whole thing without a key. Both providers simulated, a short workload, and then it stays up.
#![expect(clippy::print_stdout, reason = "the account is this command's output")]

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use simulator::{Fault, Profile, Simulator, Times};
use tokio::sync::oneshot;

use crate::api::{App, Live};
use crate::clock::Clock;
use crate::config::{Config, Overrides};
use crate::{log, server};

mod agent;

use agent::{Agent, Tally};

/// A minute of the demo: long enough to watch a budget run out, short enough to watch it come back.
const MINUTE: Duration = Duration::from_secs(12);

/// What the command takes.
#[derive(Debug, Args)]
pub struct Demo {
    /// Port to listen on; any free one if it is in use
    #[arg(long, default_value_t = 3000)]
    port: u16,
    /// End after the workload instead of staying up
    #[arg(long)]
    exit: bool,
}

/// Runs the demo. Fails if a client saw an error or one of the providers was never used.
///
/// # Errors
///
/// No port, or another reason why it could not start.
pub async fn run(args: Demo) -> anyhow::Result<ExitCode> {
    let (cerebras, chutes) = providers().await.context("the simulated providers could not start")?;
    let config = config(&cerebras, &chutes)?;
    let _log = log::start(config.log_level)?;
    let app = App::new(&config, Clock::start())?;
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let listener = match server::bind(SocketAddr::new(any.ip(), args.port)).await {
        Ok(listener) => listener,
        Err(_) => server::bind(any).await?,
    };
    let address = listener.local_addr()?;
    let (stop, stopped) = oneshot::channel();
    let stopping = async {
        let _ = stopped.await;
    };
    let serving = server::serve(listener, Live::new(Arc::clone(&app)), config.timeouts, stopping);
    let play = async {
        let tally = workload(&app, address, &cerebras).await;
        let good = summary(&tally, &cerebras, &chutes);
        if !args.exit {
            stay(address, &cerebras).await;
        }
        let _ = stop.send(());
        good
    };
    let (good, _) = tokio::join!(play, serving);
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn providers() -> std::io::Result<(Simulator, Simulator)> {
    let mut cerebras = Profile { minute: MINUTE, ..Profile::cerebras() };
    cerebras.limits.requests_per_minute = Some(12);
    cerebras.limits.tokens_per_minute = Some(132_000);
    let chutes = Profile { minute: MINUTE, ..Profile::chutes() };
    Ok((Simulator::start(cerebras).await?, Simulator::start(chutes).await?))
}

/// The settings a person would have, but for the addresses and the length of a minute.
fn config(cerebras: &Simulator, chutes: &Simulator) -> anyhow::Result<Config> {
    let vars = [
        ("CEREBRAS_API_KEY", "demo".to_owned()),
        ("CHUTES_API_KEY", "demo".to_owned()),
        ("CEREBRAS_BASE_URL", cerebras.base_url()),
        ("CHUTES_BASE_URL", chutes.base_url()),
        ("RATE_WINDOW_MS", MINUTE.as_millis().to_string()),
        ("LOG_LEVEL", "ERROR".to_owned()),
    ];
    let vars = vars.into_iter().map(|(name, value)| (name.to_owned(), value));
    Config::from_vars(vars, &Overrides::default()).map_err(Into::into)
}

async fn workload(app: &Arc<App>, address: SocketAddr, cerebras: &Simulator) -> Tally {
    let mut agent = Agent::new(Arc::clone(app), address);
    println!(
        "A simulated Cerebras allows 12 requests and 132,000 tokens a minute, a minute being {} s here;",
        MINUTE.as_secs()
    );
    println!("a simulated Chutes stands behind it. The proxy listens on http://{address}/v1.\n");
    println!("One agent works, turn by turn:");
    for task in [
        "Read the failing test",
        "Explain the failure",
        "Find the function",
        "Write the fix",
        "Run the tests",
    ] {
        agent.turn(task).await;
    }
    println!("\nCerebras answers the next request with a 500; the agent does not notice:");
    cerebras.inject(Fault::ServerError, Times::Once);
    agent.turn("Review the change").await;
    println!("\nTen more agents start at the same moment; what exceeds the budget goes to Chutes at once:");
    agent.turns_at_once(10, "Summarise a file").await;
    println!("\nTwo seconds later the budget has refilled by two requests, and Cerebras is preferred again:");
    tokio::time::sleep(MINUTE / 6).await;
    for task in ["Write the changelog", "Commit"] {
        agent.turn(task).await;
    }
    agent.tally
}

/// Says how it went; returns whether it went well.
fn summary(tally: &Tally, cerebras: &Simulator, chutes: &Simulator) -> bool {
    let refused = cerebras.stats().refused_by_scope.total();
    println!("\nSummary");
    println!("  answers from Cerebras            {:>3}", tally.cerebras);
    println!("  answers from Chutes              {:>3}", tally.chutes);
    println!("  errors a client saw              {:>3}", tally.errors);
    println!("  requests Cerebras had to refuse  {refused:>3}");
    println!(
        "  tokens used                      {:>3}",
        cerebras.stats().tokens_used + chutes.stats().tokens_used
    );
    tally.errors == 0 && tally.cerebras > 0 && tally.chutes > 0 && refused == 0
}

async fn stay(address: SocketAddr, cerebras: &Simulator) {
    let control = cerebras.base_url().replace("/v1", "");
    println!("\nIt stays up. Point an agent at it (answers are made up):");
    println!("  base URL  http://{address}/v1");
    println!("  API key   anything");
    println!("  model     qwen-3-coder");
    println!("Break Cerebras and ask again, then mend it:");
    println!(
        r#"  curl {control}/_sim/fault -H 'Content-Type: application/json' -d '{{"fault":"rate_limit_minute","times":"always"}}'"#
    );
    println!("  curl -X POST {control}/_sim/heal");
    println!(
        "Ctrl-C ends it. With keys of your own: set CEREBRAS_API_KEY and CHUTES_API_KEY, run qwen-3-coder-proxy."
    );
    server::stopped().await;
}

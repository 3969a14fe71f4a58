//! The commands.
#![expect(clippy::print_stderr, reason = "a command speaks to the person at the terminal")]

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::api::{self, App};
use crate::clock::Clock;
use crate::config::{Config, Overrides};
use crate::{demo, log, server};

mod simulate;

/// The settings are wrong, or there are none.
const USAGE: u8 = 2;
/// It could not start.
const FAILED: u8 = 1;

/// One local OpenAI-compatible address for coding agents: Cerebras as far as its limits allow, Chutes behind it.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Serve,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve agents (the default). Settings come from the environment and from .env; see .env.example
    Serve(Serve),
    /// Show it at work, without keys: both providers simulated, a short workload, then it stays up
    Demo(demo::Demo),
    /// Run a simulated provider, to try a client against rations and faults
    Simulate(simulate::Simulate),
}

#[derive(Debug, Default, Args)]
struct Serve {
    /// Address to bind, instead of HOST
    #[arg(long)]
    host: Option<String>,
    /// Port to listen on, instead of PORT
    #[arg(long)]
    port: Option<u16>,
    /// Serve beyond this machine although `PROXY_API_KEYS` is not set
    #[arg(long)]
    allow_open: bool,
}

/// Parses the command line and runs the command.
pub async fn run() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command.unwrap_or(Command::Serve(cli.serve)) {
        Command::Serve(args) => serve(args).await,
        Command::Demo(args) => demo::run(args).await,
        Command::Simulate(args) => simulate::run(args).await,
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("{error:#}");
        ExitCode::from(FAILED)
    })
}

async fn serve(args: Serve) -> anyhow::Result<ExitCode> {
    let overrides = Overrides { host: args.host, port: args.port, allow_open: args.allow_open };
    let config = match Config::load(&overrides) {
        Ok(config) => config,
        Err(problems) => {
            eprintln!("{problems}");
            return Ok(ExitCode::from(USAGE));
        }
    };
    if config.providers.is_empty() {
        eprintln!("No provider key is set, so there is nobody to ask.");
        eprintln!(
            "Set CEREBRAS_API_KEY and CHUTES_API_KEY (one is enough), in the environment or in a file named .env."
        );
        eprintln!("To see it work without any key: qwen-3-coder-proxy demo");
        return Ok(ExitCode::from(USAGE));
    }
    let _log = log::start(config.log_level)?;
    config.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let address = SocketAddr::new(config.server.host, config.server.port);
    let listener = server::bind(address).await?;
    let app = App::new(&config, Clock::start())?;
    for target in &app.proxy.targets {
        let (provider, model, endpoint) =
            (target.name().as_str(), target.model(), target.provider.endpoint.to_string());
        tracing::info!(provider, model, endpoint, "provider");
    }
    tracing::info!(address = %listener.local_addr()?, model = config.model, "listening");
    let cut = server::serve(listener, api::router(app), config.timeouts, server::stopped()).await;
    if cut > 0 {
        tracing::warn!(connections = cut, "cut at the end of DRAIN_TIMEOUT");
    }
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

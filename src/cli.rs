//! The commands.
#![expect(clippy::print_stderr, reason = "a command speaks to the person at the terminal")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::api::{App, Live};
use crate::clock::Clock;
use crate::config::{Config, Overrides};
use crate::reload::Reload;
use crate::store::Store;
use crate::{demo, log, server};

mod check;
mod count;
mod generate;
mod history;
mod init;
mod replay;
mod rules;
mod simulate;
mod status;
mod usage;

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
    /// Serve agents (the default). Settings come from the environment, .env and a TOML file: see `init` and .env.example
    Serve(Serve),
    /// Say whether the settings are right, and what they come to; keys are not shown
    Check(check::Check),
    /// Ask a running proxy what is left of each limit, when it is full again, and who can serve now
    Status(status::Args),
    /// Write a configuration file that says what the environment says now
    Init(init::Init),
    /// Sum up the history: requests, tokens, times, and how much the first provider served
    Usage(usage::Usage),
    /// Show what of requests is changed for each provider and model, by a preset or by what it has taught; or forget that
    Rules(rules::Args),
    /// Show it at work, without keys: both providers simulated, a short workload, then it stays up
    Demo(demo::Demo),
    /// Run a simulated provider, to try a client against rations and faults
    Simulate(simulate::Simulate),
    /// Show what another plan, margin or wait would have done, by a trace of requests
    Replay(Box<replay::Replay>),
    /// Count the tokens of a text, or of a chat request as the model reads it: exactly, for Qwen3-Coder
    Count(count::Count),
    /// Print a script that completes this command line in a shell
    Completions(generate::Completions),
    /// Print the manual page
    Man,
}

#[derive(Debug, Default, Args)]
struct Serve {
    /// Address to bind, instead of HOST
    #[arg(long)]
    host: Option<String>,
    /// Port to listen on, instead of PORT
    #[arg(long)]
    port: Option<u16>,
    /// Configuration file, instead of `CONFIG_FILE` or qwen-3-coder-proxy.toml in the working directory
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Serve beyond this machine although `PROXY_API_KEYS` is not set
    #[arg(long)]
    allow_open: bool,
}

/// Parses the command line and runs the command.
pub async fn run() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command.unwrap_or(Command::Serve(cli.serve)) {
        Command::Serve(args) => serve(args).await,
        Command::Check(args) => check::run(args).await,
        Command::Status(args) => status::run(args).await,
        Command::Init(args) => init::run(&args),
        Command::Usage(args) => usage::run(&args),
        Command::Rules(args) => rules::run(&args),
        Command::Demo(args) => demo::run(args).await,
        Command::Simulate(args) => simulate::run(args).await,
        Command::Replay(args) => replay::run(&args),
        Command::Count(args) => count::run(&args),
        Command::Completions(args) => generate::completions(&args, Cli::command()),
        Command::Man => generate::man(Cli::command()),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("{error:#}");
        ExitCode::from(FAILED)
    })
}

impl Serve {
    fn overrides(&self) -> Overrides {
        let Self { host, port, allow_open, config } = self;
        Overrides { host: host.clone(), port: *port, allow_open: *allow_open, file: config.clone() }
    }

    /// The settings, if they are right; else everything that is wrong is said.
    fn config(&self) -> Result<Config, ExitCode> {
        let config = Config::load(&self.overrides()).map_err(|problems| {
            eprintln!("{problems}");
            ExitCode::from(USAGE)
        })?;
        if config.providers.is_empty() {
            eprintln!("No provider key is set, so there is nobody to ask.");
            eprintln!(
                "Set CEREBRAS_API_KEY and CHUTES_API_KEY (one is enough), in the environment or in a file named .env."
            );
            eprintln!("To see it work without any key: qwen-3-coder-proxy demo");
            return Err(ExitCode::from(USAGE));
        }
        Ok(config)
    }
}

async fn serve(args: Serve) -> anyhow::Result<ExitCode> {
    let config = match args.config() {
        Ok(config) => config,
        Err(code) => return Ok(code),
    };
    let _log = log::start(config.log_level)?;
    config.warnings.iter().for_each(|warning| tracing::warn!(warning, "settings"));
    let address = SocketAddr::new(config.server.host, config.server.port);
    let listener = server::bind(address).await?;
    let clock = Clock::start();
    let store = Store::open(&config.state_dir, config.history_days, clock);
    let app = App::with_store(&config, store.clone(), clock)?;
    for model in &app.proxy.models {
        for target in &model.targets {
            let endpoint = target.provider.endpoint.to_string();
            let (provider, upstream_model) = (target.name(), target.model());
            tracing::info!(provider, model = model.name, upstream_model, endpoint, "route");
        }
    }
    let models: Vec<&str> = app.proxy.models.iter().map(|model| model.name.as_str()).collect();
    tracing::info!(address = %listener.local_addr()?, models = models.join(","), "listening");
    let (live, timeouts) = (Live::new(app), config.timeouts);
    let telling = tokio::spawn(crate::status::follow(live.clone()));
    let following = tokio::spawn(Reload::new(args.overrides(), config, live.clone()).follow());
    let beating = tokio::spawn(live.clone().beat());
    let cut = server::serve(listener, live.clone(), timeouts, server::stopped()).await;
    following.abort();
    telling.abort();
    beating.abort();
    live.give_back().await;
    store.close().await;
    if cut > 0 {
        tracing::warn!(connections = cut, "cut at the end of DRAIN_TIMEOUT");
    }
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

//! Configuration, in two stages: as written (names and texts, from the process environment over `.env`)
//! and resolved ([`Config`]: typed, checked, with every default filled in).
//!
//! Everything that is wrong is reported at once ([`Problems`]), and each problem says what to write instead.
//! Values of variables that hold keys are never shown.
//!
//! # Layout
//!
//! - `names`: every variable of this program, and the one that a misspelled name was meant to be
//! - `env`: the variables as written, and getters that collect problems
//! - `dotenv`: reads `.env` without touching the process environment
//! - `number`: whole numbers, and what `30s` or `10MB` should have been
//! - `server`, `cors`, `provider`, `key`, `endpoint`, `paths`: one concern each, from variables
//!   to a resolved type
//! - `problem`: what is wrong

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

mod cors;
mod dotenv;
mod endpoint;
mod env;
mod key;
mod names;
mod number;
mod paths;
mod problem;
mod provider;
mod server;
#[cfg(test)]
mod tests;

pub use cors::CorsOrigins;
use env::Vars;
pub use problem::{Problem, Problems};
pub use provider::{Limits, Provider, ProviderName};
pub use server::{LogLevel, Server, Timeouts};

/// What the command line says about the configuration; it wins over every variable.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// Address to bind, instead of `HOST`.
    pub host: Option<String>,
    /// Port to listen on, instead of `PORT`.
    pub port: Option<u16>,
    /// Serve beyond loopback without client keys.
    pub allow_open: bool,
}

/// The whole configuration, resolved: what the rest of the program reads, and never changes.
#[derive(Debug, Clone)]
pub struct Config {
    /// The listening side.
    pub server: Server,
    /// The least severe level that is logged (`LOG_LEVEL`).
    pub log_level: LogLevel,
    /// The model that clients ask for and always see (`PROXY_MODEL_NAME`).
    pub model: String,
    /// The providers that have a key, in order of preference. Empty when no key is set.
    pub providers: Vec<Provider>,
    /// Deadlines.
    pub timeouts: Timeouts,
    /// Upper bound of any pause or open circuit (`COOLDOWN_PERIOD`).
    pub cooldown: Duration,
    /// Length of a provider's "minute"; all other windows scale with it (`RATE_WINDOW_MS`).
    pub rate_window: Duration,
    /// Directory of the database of books and history (`STATE_DIR`).
    pub state_dir: PathBuf,
    /// PEM file with certificate authorities to trust besides the usual ones (`EXTRA_CA_FILE`).
    pub extra_ca: Option<PathBuf>,
    /// What is worth a line in the log at start, but no reason not to start.
    pub warnings: Vec<String>,
}

impl Config {
    /// Reads the process environment over `.env` in the working directory. The environment is not changed.
    ///
    /// # Errors
    /// Everything that is wrong, at once, including lines of `.env` and an unreadable `EXTRA_CA_FILE`.
    pub fn load(args: &Overrides) -> Result<Self, Problems> {
        let mut vars = Vars::default();
        dotenv::read(Path::new(".env"), &mut vars);
        vars.add_process_environment();
        let mut config = Self::resolve(&mut vars, args);
        config.extra_ca = config.extra_ca.filter(|file| paths::check_extra_ca(&mut vars, file));
        vars.finish(config)
    }

    /// Resolves variables that were read elsewhere; pure: neither environment nor files are touched.
    /// A later pair wins over an earlier one of the same name, unless it is empty.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn from_vars(
        vars: impl IntoIterator<Item = (String, String)>,
        args: &Overrides,
    ) -> Result<Self, Problems> {
        let mut written = Vars::default();
        written.add(vars);
        let config = Self::resolve(&mut written, args);
        written.finish(config)
    }

    /// Falls back to the default wherever a problem is found, so that the rest is checked as well.
    fn resolve(vars: &mut Vars, args: &Overrides) -> Self {
        vars.warn_of_misspelled_names();
        Self {
            server: server::server(vars, args),
            log_level: server::log_level(vars),
            model: provider::proxy_model(vars),
            providers: provider::providers(vars),
            timeouts: server::timeouts(vars),
            cooldown: vars.millis("COOLDOWN_PERIOD", 300_000),
            rate_window: vars.millis("RATE_WINDOW_MS", 60_000),
            state_dir: paths::state_dir(vars, std::env::consts::OS),
            extra_ca: paths::extra_ca(vars),
            warnings: Vec::new(),
        }
    }
}

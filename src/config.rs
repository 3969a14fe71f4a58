//! Configuration, in two stages: as written (settings and their places, from the environment over `.env` over a
//! TOML file over presets) and resolved ([`Config`]: typed, checked, with every default filled in).
//!
//! Everything that is wrong is reported at once ([`Problems`]), and each problem says where it stands and what to
//! write instead. Values of settings that hold keys are never shown.
//!
//! # Layout
//!
//! - `schema`: every key of the file, the variable that stands for it, and what a misspelled one was meant to be
//! - `written`: the settings as written, and getters that collect problems
//! - `file`, `dotenv`: read TOML and `.env`; the process environment is not changed
//! - `number`: whole numbers, and what `30s` or `10MB` should have been
//! - `server`, `cors`, `key`, `endpoint`, `limits`, `paths`: one concern each, from settings to a resolved type
//! - `preset`, `provider`, `model`: what is known of a vendor, the vendor as configured, the models clients see
//! - `problem`: what is wrong
//! - `show`: the resolved configuration as a file, keys hidden
//! - `init`: a file to begin with, from the environment

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

mod cors;
mod dotenv;
mod endpoint;
mod file;
mod init;
mod key;
mod limits;
mod model;
mod number;
mod paths;
mod preset;
mod problem;
mod provider;
mod schema;
mod server;
mod show;
#[cfg(test)]
mod tests;
mod written;

pub use cors::CorsOrigins;
pub use limits::Limits;
pub use model::{Model, Route};
pub use preset::{Plan, Preset, PromptCache, UpstreamModel};
pub use problem::{Line, Problem, Problems};
pub use provider::{Key, KeySource, Provider, Settings};
pub use server::{LogLevel, Server, Timeouts};
use written::Written;

/// Read where it stands, if nothing else is named.
pub const FILE: &str = "qwen-3-coder-proxy.toml";

/// What the command line says about the configuration; it wins over every variable.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// Address to bind, instead of `HOST`.
    pub host: Option<String>,
    /// Port to listen on, instead of `PORT`.
    pub port: Option<u16>,
    /// Serve beyond loopback without client keys.
    pub allow_open: bool,
    /// The configuration file, instead of `CONFIG_FILE`.
    pub file: Option<PathBuf>,
}

/// The whole configuration, resolved: what the rest of the program reads, and never changes.
#[derive(Debug, Clone)]
pub struct Config {
    /// The listening side.
    pub server: Server,
    /// The least severe level that is logged (`LOG_LEVEL`).
    pub log_level: LogLevel,
    /// The models that clients ask for and always see; at least one.
    pub models: Vec<Model>,
    /// The providers that can be asked, in order of preference. Empty when no key is set.
    pub providers: Vec<Provider>,
    /// Deadlines.
    pub timeouts: Timeouts,
    /// Upper bound of any pause or open circuit (`COOLDOWN_PERIOD`).
    pub cooldown: Duration,
    /// Length of a provider's "minute"; all other windows scale with it (`RATE_WINDOW_MS`).
    pub rate_window: Duration,
    /// Directory of the database of books and history (`STATE_DIR`).
    pub state_dir: PathBuf,
    /// How long a request stays in the history, in days; 0: there is none (`HISTORY_DAYS`).
    pub history_days: u32,
    /// PEM file with certificate authorities to trust besides the usual ones (`EXTRA_CA_FILE`).
    pub extra_ca: Option<PathBuf>,
    /// What is worth a line in the log at start, but no reason not to start.
    pub warnings: Vec<String>,
    /// The configuration file, if there is one.
    pub file: Option<PathBuf>,
    /// Files that keys were read from.
    pub key_files: Vec<PathBuf>,
}

impl Config {
    /// Reads the process environment over `.env` in the working directory over the configuration file. The environment
    /// is not changed.
    ///
    /// # Errors
    /// Everything that is wrong, at once, including lines of `.env` and an unreadable `EXTRA_CA_FILE`.
    pub fn load(args: &Overrides) -> Result<Self, Problems> {
        let mut written = Written::default();
        dotenv::read(Path::new(".env"), &mut written);
        written.add_process_environment();
        let file = paths::config_file(&mut written, args);
        if let Some(path) = &file {
            match std::fs::read_to_string(path) {
                Ok(text) => file::parse(&path.display().to_string(), &text, &mut written),
                Err(error) => written.problem_without_value(
                    &path.display().to_string(),
                    &format!("cannot be read ({error}); make it a readable file in UTF-8"),
                ),
            }
        }
        let mut config = Self::resolve(&mut written, args);
        config.file = file;
        config.extra_ca = config.extra_ca.filter(|file| paths::check_extra_ca(&mut written, file));
        written.finish(config)
    }

    /// The text of a configuration file that says what the environment and `.env` say now.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn init() -> Result<String, Problems> {
        let mut written = Written::default();
        dotenv::read(Path::new(".env"), &mut written);
        written.add_process_environment();
        let text = init::text(&mut written);
        let config = Self::resolve(&mut written, &Overrides::default());
        written.finish(config).map(|_| text)
    }

    /// Resolves variables that were read elsewhere; neither environment nor files are touched.
    /// A later pair wins over an earlier one of the same name, unless it is empty.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn from_vars(
        vars: impl IntoIterator<Item = (String, String)>,
        args: &Overrides,
    ) -> Result<Self, Problems> {
        Self::from_text("", vars, args)
    }

    /// Resolves the text of a configuration file, and variables over it. Only files that keys are to be read from are
    /// touched.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn from_text(
        text: &str,
        vars: impl IntoIterator<Item = (String, String)>,
        args: &Overrides,
    ) -> Result<Self, Problems> {
        let mut written = Written::default();
        written.add_variables(vars);
        if !text.is_empty() {
            file::parse(FILE, text, &mut written);
        }
        let config = Self::resolve(&mut written, args);
        written.finish(config)
    }

    /// Falls back to the default wherever a problem is found, so that the rest is checked as well.
    fn resolve(written: &mut Written, args: &Overrides) -> Self {
        written.apply_variables();
        written.warn_of_misspelled_variables();
        let server = server::server(written, args);
        let log_level = server::log_level(written);
        let providers = provider::providers(written);
        Self {
            server,
            log_level,
            models: model::models(written, &providers),
            providers,
            timeouts: server::timeouts(written),
            cooldown: written.millis("cooldown_ms", 300_000),
            rate_window: written.millis("rate_window_ms", 60_000),
            state_dir: paths::state_dir(written, std::env::consts::OS),
            history_days: server::history_days(written),
            extra_ca: paths::extra_ca(written),
            warnings: Vec::new(),
            file: None,
            key_files: Vec::new(),
        }
    }
}

//! Settings that change while the program runs: on SIGHUP, and whenever the content of their files does.
//!
//! What is under way goes on as it began; budgets, breakers and connections go on in the new settings. Settings that are
//! wrong change nothing.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::api::{App, Live};
use crate::config::{self, Config, Overrides};
use crate::server::hangups;

/// How often the files are looked at. A change counts once it has stood still for as long.
const INTERVAL: Duration = Duration::from_secs(1);

/// The settings in use, and what they were read from.
#[derive(Debug)]
pub struct Reload {
    overrides: Overrides,
    config: Config,
    live: Live,
    /// The content that was read last, or tried.
    seen: u64,
}

impl Reload {
    /// Watches what `config` was read from.
    #[must_use]
    pub fn new(mut overrides: Overrides, config: Config, live: Live) -> Self {
        // A file that was there and is gone is a mistake, not a reason to go on with the defaults.
        overrides.file = overrides.file.or_else(|| config.file.clone());
        let seen = fingerprint(&config);
        Self { overrides, config, live, seen }
    }

    /// Follows the settings for ever.
    pub async fn follow(mut self) {
        let mut hangups = hangups();
        let mut looked = self.seen;
        loop {
            tokio::select! {
                () = hangups.next() => self.reload(),
                () = tokio::time::sleep(INTERVAL) => {
                    let now = fingerprint(&self.config);
                    // An editor may be in the middle of writing.
                    let settled = std::mem::replace(&mut looked, now) == now;
                    if settled && now != self.seen {
                        self.reload();
                    }
                }
            }
        }
    }

    fn reload(&mut self) {
        self.seen = fingerprint(&self.config);
        let config = match Config::load(&self.overrides) {
            Ok(config) if config.providers.is_empty() => {
                return tracing::error!(problem = "no provider key is set", "settings not reloaded");
            }
            Ok(config) => config,
            Err(problems) => {
                for problem in problems.0 {
                    tracing::error!(problem = problem.to_string(), "settings not reloaded");
                }
                return;
            }
        };
        let app = match App::renewed(&config, &self.live.load()) {
            Ok(app) => app,
            Err(error) => return tracing::error!(problem = error.to_string(), "settings not reloaded"),
        };
        config.warnings.iter().for_each(|warning| tracing::warn!(warning, "settings"));
        for setting in needs_restart(&self.config, &config) {
            tracing::warn!(setting, "takes effect with the next start");
        }
        self.live.store(app);
        self.config = config;
        // Its key files may be others.
        self.seen = fingerprint(&self.config);
        tracing::info!("settings reloaded");
    }
}

/// What a running program can't change.
fn needs_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let changed = [
        ("server.host", old.server.host != new.server.host),
        ("server.port", old.server.port != new.server.port),
        ("timeouts.header_ms", old.timeouts.header != new.timeouts.header),
        ("timeouts.write_ms", old.timeouts.write != new.timeouts.write),
        ("timeouts.drain_ms", old.timeouts.drain != new.timeouts.drain),
        ("log.level", old.log_level != new.log_level),
        ("state_dir", old.state_dir != new.state_dir),
        ("extra_ca_file", old.extra_ca != new.extra_ca),
    ];
    changed.into_iter().filter_map(|(setting, changed)| changed.then_some(setting)).collect()
}

/// What the files hold that the settings come from.
fn fingerprint(config: &Config) -> u64 {
    let file = config.file.clone().unwrap_or_else(|| PathBuf::from(config::FILE));
    let files =
        [file.as_path(), Path::new(".env")].into_iter().chain(config.key_files.iter().map(PathBuf::as_path));
    let mut hasher = DefaultHasher::new();
    for file in files {
        std::fs::read(file).ok().hash(&mut hasher);
    }
    hasher.finish()
}

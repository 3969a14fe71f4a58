//! Logging: for people on a terminal, JSON lines elsewhere, never on the thread of a request.

use std::io::IsTerminal;

use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::LogLevel;

mod json;
mod lines;

pub use lines::Guard;
use lines::Lines;

/// Starts logging to standard error. What is still to be written is written when the guard is dropped.
///
/// # Errors
///
/// Logging was started before, or there is no thread left for it.
pub fn start(level: LogLevel) -> anyhow::Result<Guard> {
    let terminal = std::io::stderr().is_terminal();
    let (writer, guard) = Lines::start(std::io::stderr())?;
    let layer = if terminal { people(writer) } else { machines(writer) };
    let ours =
        Targets::new().with_default(LevelFilter::WARN).with_target(env!("CARGO_CRATE_NAME"), filter(level));
    tracing_subscriber::registry().with(layer.with_filter(ours)).try_init()?;
    Ok(guard)
}

type BoxedLayer = Box<dyn tracing_subscriber::Layer<tracing_subscriber::Registry> + Send + Sync>;

fn people(writer: Lines) -> BoxedLayer {
    Box::new(tracing_subscriber::fmt::layer().with_writer(writer).with_target(false))
}

fn machines(writer: Lines) -> BoxedLayer {
    Box::new(tracing_subscriber::fmt::layer().event_format(json::Json::default()).with_writer(writer))
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    }
}

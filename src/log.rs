//! Logging: for people on a terminal, JSON lines elsewhere, never on the thread of a request.

use std::io::IsTerminal;

use tracing_appender::non_blocking::{NonBlocking, WorkerGuard};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::config::LogLevel;

/// Starts logging to standard error. What is still to be written is written when the guard is dropped.
///
/// # Errors
///
/// Logging was started before.
pub fn start(level: LogLevel) -> Result<WorkerGuard, TryInitError> {
    let terminal = std::io::stderr().is_terminal();
    // A reader that stalls must not stall the proxy: lines that find no room are dropped and counted.
    let (writer, guard) = tracing_appender::non_blocking(std::io::stderr());
    let layer = if terminal { people(writer) } else { machines(writer) };
    let ours =
        Targets::new().with_default(LevelFilter::WARN).with_target(env!("CARGO_CRATE_NAME"), filter(level));
    tracing_subscriber::registry().with(layer.with_filter(ours)).try_init()?;
    Ok(guard)
}

type BoxedLayer = Box<dyn tracing_subscriber::Layer<tracing_subscriber::Registry> + Send + Sync>;

fn people(writer: NonBlocking) -> BoxedLayer {
    Box::new(tracing_subscriber::fmt::layer().with_writer(writer).with_target(false))
}

fn machines(writer: NonBlocking) -> BoxedLayer {
    let layer = tracing_subscriber::fmt::layer().json().flatten_event(true).with_current_span(false);
    Box::new(layer.with_span_list(false).with_target(false).with_writer(writer))
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    }
}

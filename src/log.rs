//! Logging: for people on a terminal, JSON lines elsewhere, never on the thread of a request.

use std::io::{BufWriter, IsTerminal};

use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::config::LogLevel;

mod json;

/// Lines that may wait to be written; room for them is taken at the start, 32 bytes each.
const WAITING: usize = 16 * 1024;

/// Starts logging to standard error. What is still to be written is written when the guard is dropped.
///
/// # Errors
///
/// Logging was started before.
pub fn start(level: LogLevel) -> Result<WorkerGuard, TryInitError> {
    let terminal = std::io::stderr().is_terminal();
    // A reader that stalls must not stall the proxy: lines that find no room are dropped and counted.
    // The writer is flushed whenever none is waiting, so a burst of lines is written at once.
    let stderr = BufWriter::new(std::io::stderr());
    let (writer, guard) = NonBlockingBuilder::default().buffered_lines_limit(WAITING).finish(stderr);
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
    Box::new(tracing_subscriber::fmt::layer().event_format(json::Json).with_writer(writer))
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    }
}

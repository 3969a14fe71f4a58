//! A log line as a JSON object, written field by field: a serializer behind a formatter behind a writer took a quarter of all that
//! a request costs.

use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Most lines are shorter, in bytes.
const LINE: usize = 1024;

/// One object a line: `timestamp`, `level`, `message`, and the event's fields. Spans are left out: there are none.
pub(super) struct Json;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = String::with_capacity(LINE);
        line.push_str("{\"timestamp\":\"");
        SystemTime.format_time(&mut Writer::new(&mut line))?;
        line.push_str("\",\"level\":\"");
        line.push_str(event.metadata().level().as_str());
        line.push('"');
        event.record(&mut Members(&mut line));
        line.push_str("}\n");
        writer.write_str(&line)
    }
}

/// The fields of an event, each with the comma before it.
struct Members<'a>(&'a mut String);

impl Members<'_> {
    fn key(&mut self, field: &Field) {
        self.0.push_str(",\"");
        self.0.push_str(field.name());
        self.0.push_str("\":");
    }

    /// What is a number or a word in JSON too.
    fn plain(&mut self, field: &Field, value: impl fmt::Display) {
        self.key(field);
        // Nothing fails that writes to a string.
        let _ = write!(self.0, "{value}");
    }
}

impl Visit for Members<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.key(field);
        self.0.push('"');
        escape(self.0, value);
        self.0.push('"');
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.plain(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.plain(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no other numbers. `{:?}` keeps the point of a whole one.
        if value.is_finite() {
            self.plain(field, format_args!("{value:?}"));
        } else {
            self.record_debug(field, &value);
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.plain(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.key(field);
        self.0.push('"');
        let _ = write!(Escaped(self.0), "{value:?}");
        self.0.push('"');
    }
}

/// Escapes what is written to it.
struct Escaped<'a>(&'a mut String);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        escape(self.0, text);
        Ok(())
    }
}

/// Adds text as it stands inside a JSON string.
fn escape(line: &mut String, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
        line.push_str(&rest[..at]);
        match rest.as_bytes()[at] {
            b'\n' => line.push_str("\\n"),
            b'\r' => line.push_str("\\r"),
            b'\t' => line.push_str("\\t"),
            byte @ (b'"' | b'\\') => line.extend(['\\', char::from(byte)]),
            byte => {
                let _ = write!(line, "\\u{byte:04x}");
            }
        }
        rest = &rest[at + 1..];
    }
    line.push_str(rest);
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use parking_lot::Mutex;
    use serde_json::{Value, json};
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_an_object_whatever_is_in_it() {
        let written = Written::default();
        let writer = written.clone();
        let layer = tracing_subscriber::fmt::layer().event_format(Json).with_writer(move || writer.clone());
        let all: String = (0..0x250).filter_map(char::from_u32).collect();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let none: Option<&str> = None;
            tracing::warn!(text = all, number = u64::MAX, debt = -1, part = 1.5, whole = 2.0, odd = f64::NAN, no = false, none, shown = %all, "it's {}", all);
        });
        let written = String::from_utf8(written.0.lock().clone()).unwrap();
        assert_eq!(written.matches('\n').count(), 1, "{written}");
        let line: Value = serde_json::from_str(&written).unwrap();
        let time = line["timestamp"].clone();
        assert!(time.as_str().is_some_and(|time| time.ends_with('Z') && time.len() == 27), "{time}");
        assert_eq!(
            line,
            json!({
                "timestamp": time, "level": "WARN", "message": format!("it's {all}"), "text": all, "number": u64::MAX, "debt": -1,
                "part": 1.5, "whole": 2.0, "odd": "NaN", "no": false, "shown": all,
            })
        );
    }
}

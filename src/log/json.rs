//! A log line as a JSON object, written field by field: a serializer behind a formatter behind a writer took a quarter of all that
//! a request costs.

use std::fmt::{self, Write as _};
use std::time::Duration;

use parking_lot::Mutex;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::clock;

/// Most lines are shorter, in bytes.
const LINE: usize = 1024;

/// One object a line: `timestamp`, `level`, `message`, and the event's fields. Spans are left out: there are none.
#[derive(Debug, Default)]
pub(super) struct Json {
    second: Mutex<Second>,
}

/// The second of the line before, since 1970, and how it is written without what follows it: few lines are a second's first.
#[derive(Debug, Default)]
struct Second {
    number: u64,
    written: String,
}

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
        self.second.lock().time(&mut line, clock::since_1970());
        line.push_str("\",\"level\":\"");
        line.push_str(event.metadata().level().as_str());
        line.push('"');
        event.record(&mut Members(&mut line));
        line.push_str("}\n");
        writer.write_str(&line)
    }
}

impl Second {
    /// Writes a time in UTC as RFC 3339 does, to the microsecond.
    fn time(&mut self, line: &mut String, since_1970: Duration) {
        let number = since_1970.as_secs();
        if self.written.is_empty() || self.number != number {
            let written = clock::utc(since_1970);
            *self = Self { number, written: written.trim_end_matches('Z').to_owned() };
        }
        line.push_str(&self.written);
        line.push('.');
        // A one before them keeps the noughts, and goes.
        line.push_str(&itoa::Buffer::new().format(1_000_000 + since_1970.subsec_micros())[1..]);
        line.push('Z');
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
        self.key(field);
        self.0.push_str(itoa::Buffer::new().format(value));
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
    let needs_escape = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\';
    // Nearly all are like this, which is found out without a branch for each byte.
    if !text.bytes().fold(false, |any, byte| any | needs_escape(byte)) {
        line.push_str(text);
        return;
    }
    let mut rest = text;
    while let Some(at) = rest.bytes().position(needs_escape) {
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
    fn times_are_written_to_the_microsecond() {
        let mut second = Second::default();
        for (nanos, expected) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (1_999, "1970-01-01T00:00:00.000001Z"),
            (1_795_671_655_123_456_789, "2026-11-26T05:40:55.123456Z"),
            (1_795_671_655_999_999_999, "2026-11-26T05:40:55.999999Z"),
            (1_795_671_656_000_050_000, "2026-11-26T05:40:56.000050Z"),
            (1_795_671_655_100_000_000, "2026-11-26T05:40:55.100000Z"),
        ] {
            let mut line = String::new();
            second.time(&mut line, Duration::from_nanos(nanos));
            assert_eq!(line, expected);
        }
    }

    #[test]
    fn a_line_is_an_object_whatever_is_in_it() {
        let written = Written::default();
        let writer = written.clone();
        let layer = tracing_subscriber::fmt::layer()
            .event_format(Json::default())
            .with_writer(move || writer.clone());
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

//! A byte stream cut into server-sent events, however it was split.
//!
//! Frames keep their bytes: put together again they are the stream. The fields of an event are read on demand.

use std::borrow::Cow;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use memchr::memchr2;
use thiserror::Error;

/// No event of a chat stream is longer; more is a stream that never ends a line.
pub const MAX_FRAME: usize = 16 * 1024 * 1024;

/// An event beyond this is likely to have no end.
const LARGE: usize = 1024 * 1024;

/// Cuts a byte stream into frames.
#[derive(Debug, Default)]
pub struct Decoder {
    /// What came last where nothing is left of what came before: frames are then cut out of it without a copy.
    buffer: Bytes,
    /// How much of the buffer has been searched for line ends.
    scanned: usize,
    /// Where the line under search begins.
    line: usize,
    /// The last line ended with a CR, whose LF may be the next byte.
    after_cr: bool,
}

/// The buffer holds [`MAX_FRAME`] bytes without an end of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("an event of the stream is longer than {MAX_FRAME} bytes")]
pub struct TooLong;

impl Decoder {
    /// Takes in the next bytes.
    ///
    /// # Errors
    ///
    /// [`TooLong`] where an event does not end.
    pub fn feed(&mut self, bytes: Bytes) -> Result<(), TooLong> {
        if self.scanned.saturating_add(bytes.len()) > MAX_FRAME && self.buffer.len() + bytes.len() > MAX_FRAME
        {
            return Err(TooLong);
        }
        if self.buffer.is_empty() {
            self.buffer = bytes;
            return Ok(());
        }
        let begun = std::mem::take(&mut self.buffer);
        let mut joined = begun.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&*shared));
        // Room for the longest there is, at once: what is not used of it costs nothing, but each move would have it twice.
        if joined.len() >= LARGE && joined.capacity() < joined.len() + bytes.len() {
            joined.reserve(MAX_FRAME.saturating_sub(joined.len()));
        }
        joined.extend_from_slice(&bytes);
        self.buffer = joined.freeze();
        Ok(())
    }

    /// The next whole frame: its lines and the empty line behind them.
    #[expect(clippy::should_implement_trait, reason = "more may come after a None")]
    pub fn next(&mut self) -> Option<Frame> {
        if self.after_cr && self.buffer.get(self.scanned) == Some(&b'\n') {
            self.scanned += 1;
            self.line = self.scanned;
            self.after_cr = false;
        }
        while let Some(offset) = memchr2(b'\n', b'\r', self.buffer.get(self.scanned..)?) {
            let end = self.scanned + offset;
            // A lone CR ends a line too; the LF of a CRLF belongs to it, if it is here already.
            let cr = self.buffer[end] == b'\r';
            let crlf = cr && self.buffer.get(end + 1) == Some(&b'\n');
            let next = end + 1 + usize::from(crlf);
            let empty = end == self.line;
            self.after_cr = cr && !crlf && next == self.buffer.len();
            self.scanned = next;
            self.line = next;
            if empty {
                return Some(self.take(next));
            }
        }
        if self.scanned < self.buffer.len() {
            self.after_cr = false;
        }
        self.scanned = self.buffer.len();
        None
    }

    /// What is left when the stream has ended: an event without its empty line, or something that is none.
    #[must_use]
    pub fn finish(mut self) -> Option<Frame> {
        (!self.buffer.is_empty()).then(|| self.take(self.buffer.len()))
    }

    fn take(&mut self, length: usize) -> Frame {
        self.scanned = 0;
        self.line = 0;
        Frame(self.buffer.split_to(length))
    }
}

/// One event with all its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame(pub Bytes);

/// The fields of an event that matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields<'a> {
    /// The name of the event, where it has one.
    pub event: Option<&'a [u8]>,
    /// The data, its lines joined by line feeds; `None` for comments and the like.
    pub data: Option<Cow<'a, [u8]>>,
    /// Where the data stands, if it is one line, as it nearly always is.
    pub span: Option<Range<usize>>,
}

impl Frame {
    /// The fields, in one look.
    #[must_use]
    pub fn fields(&self) -> Fields<'_> {
        let mut fields = Fields::default();
        for line in self.lines() {
            if let Some(value) = field(&self.0, &line, b"data") {
                if let Some(data) = &mut fields.data {
                    let data = data.to_mut();
                    data.push(b'\n');
                    data.extend_from_slice(&self.0[value]);
                    fields.span = None;
                } else {
                    fields.data = Some(Cow::Borrowed(&self.0[value.clone()]));
                    fields.span = Some(value);
                }
            } else if fields.event.is_none() {
                fields.event = field(&self.0, &line, b"event").map(|name| &self.0[name]);
            }
        }
        fields
    }

    /// What begins like a JSON object, up to the end: no event at all, but how some gateways report a failure.
    #[must_use]
    pub fn bare_json(&self) -> Option<Range<usize>> {
        let line = self.lines().find(|line| self.0[line.clone()].trim_ascii_start().starts_with(b"{"))?;
        Some(line.start..self.0.len())
    }

    fn lines(&self) -> impl Iterator<Item = Range<usize>> {
        let bytes = &self.0;
        let mut at = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        std::iter::from_fn(move || {
            (at < bytes.len()).then(|| {
                let end = memchr2(b'\n', b'\r', &bytes[at..]).map_or(bytes.len(), |offset| at + offset);
                let line = at..end;
                at = end + 1;
                line
            })
        })
    }
}

/// The value of a line `name: value`.
fn field(bytes: &[u8], line: &Range<usize>, name: &[u8]) -> Option<Range<usize>> {
    let rest = bytes[line.clone()].strip_prefix(name)?;
    let value = match rest {
        [] => line.end,
        [b':', b' ', ..] => line.start + name.len() + 2,
        [b':', ..] => line.start + name.len() + 1,
        _ => return None,
    };
    Some(value..line.end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Vec<Frame> {
        let mut decoder = Decoder::default();
        let mut frames = Vec::new();
        for part in parts {
            decoder.feed(Bytes::copy_from_slice(part)).unwrap();
            frames.extend(std::iter::from_fn(|| decoder.next()));
        }
        frames.extend(decoder.finish());
        frames
    }

    fn events(frames: &[Frame]) -> Vec<(Option<String>, Vec<u8>)> {
        let event = |frame: &Frame| {
            let Fields { event, data, .. } = frame.fields();
            Some((event.map(|name| String::from_utf8_lossy(name).into_owned()), data?.into_owned()))
        };
        frames.iter().filter_map(event).collect()
    }

    const STREAM: &str = "\u{feff}: ping\n\ndata: {\"a\":\"Grüße 😀\"}\n\nevent: error\r\ndata:x\r\ndata: y\r\n\r\n\
                          id: 7\rdata: lone\r\rdata\n\n\n\ndata: [DONE]\n\n{\"error\":\"bare\"}";

    #[test]
    fn fields_are_read_as_the_standard_says() {
        let frames = decode([STREAM.as_bytes()]);
        let expected: [(Option<&str>, &str); 5] = [
            (None, "{\"a\":\"Grüße 😀\"}"),
            (Some("error"), "x\ny"),
            (None, "lone"),
            (None, ""),
            (None, "[DONE]"),
        ];
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(name, data)| (name.map(str::to_owned), data.as_bytes().to_vec()))
            .collect();
        assert_eq!(events(&frames), expected);
        assert!(frames.last().unwrap().bare_json().is_some());
    }

    /// Invariant 4, every single cut.
    #[test]
    fn the_same_events_wherever_it_is_cut() {
        let whole = events(&decode([STREAM.as_bytes()]));
        for cut in 0..=STREAM.len() {
            let (left, right) = STREAM.as_bytes().split_at(cut);
            let frames = decode([left, right]);
            assert_eq!(events(&frames), whole, "cut at {cut}");
            let bytes: Vec<u8> = frames.iter().flat_map(|frame| frame.0.to_vec()).collect();
            assert_eq!(bytes, STREAM.as_bytes());
        }
    }

    #[test]
    fn a_line_that_never_ends_is_refused() {
        let mut decoder = Decoder::default();
        let part = vec![b'x'; MAX_FRAME / 2];
        assert_eq!(decoder.feed(part.clone().into()), Ok(()));
        assert_eq!(decoder.next(), None);
        assert_eq!(decoder.feed(part.into()), Ok(()));
        assert_eq!(decoder.next(), None);
        assert_eq!(decoder.feed(Bytes::from_static(b"x")), Err(TooLong));
    }

    proptest! {
        /// Invariant 4: any stream, any number of cuts.
        #[test]
        fn any_split(stream in "(data: ?[a-zé😀]{0,4}|:|event: e|\\{|\r|\n|\r\n){0,40}", cuts in prop::collection::vec(0..300usize, 0..12)) {
            let bytes = stream.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).chain([0, bytes.len()]).collect();
            cuts.sort_unstable();
            let frames = decode(cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]));
            prop_assert_eq!(events(&frames), events(&decode([bytes])));
            let again: Vec<u8> = frames.iter().flat_map(|frame| frame.0.to_vec()).collect();
            prop_assert_eq!(again, bytes);
        }
    }
}

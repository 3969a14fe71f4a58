//! The content of a body, out of what is read of it.

use bytes::{BufMut, BytesMut};

use crate::{Incomplete, Malformed};

/// What may stand around the chunks of a body besides their sizes, in bytes.
const MAX_EXTRA: u16 = 16 * 1024;
/// As many as 64 bits have.
const MAX_DIGITS: u8 = 16;

/// What tells where a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// So many bytes.
    Length(u64),
    /// An empty chunk.
    Chunked,
    /// The end of the connection.
    UntilClose,
}

/// A body that is being read.
#[derive(Debug)]
pub struct Body {
    at: At,
    /// How much there has been besides sizes and content.
    extra: u16,
}

/// What comes next.
#[derive(Debug)]
enum At {
    Over,
    /// So many bytes of content, with nothing around them.
    Content(u64),
    UntilClose,
    Size {
        size: u64,
        digits: u8,
    },
    /// Blanks behind a size.
    SizeEnd {
        size: u64,
    },
    /// Whatever else stands in its line.
    Extension {
        size: u64,
    },
    SizeLf {
        size: u64,
    },
    /// So many bytes of a chunk.
    Chunk(u64),
    ChunkCr,
    ChunkLf,
    /// A header line behind the last chunk, passed over; an empty one is the end.
    Trailer(Part),
    TrailerLf,
    EndLf,
}

/// Of a header line.
#[derive(Clone, Copy, Debug)]
enum Part {
    Start,
    Name,
    Value,
}

const SIZE: At = At::Size { size: 0, digits: 0 };

impl Body {
    /// One that is framed so, from its start.
    #[must_use]
    pub fn new(framing: Framing) -> Self {
        let at = match framing {
            Framing::Length(0) => At::Over,
            Framing::Length(length) => At::Content(length),
            Framing::Chunked => SIZE,
            Framing::UntilClose => At::UntilClose,
        };
        Self { at, extra: 0 }
    }

    /// Whether nothing more belongs to it.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.at, At::Over)
    }

    /// How many bytes of content are still to come, where that is known.
    #[must_use]
    pub fn left(&self) -> Option<u64> {
        match self.at {
            At::Over => Some(0),
            At::Content(left) => Some(left),
            _ => None,
        }
    }

    /// Appends what is content of `read` to `content`. What is left of `read` is behind the end of the body.
    ///
    /// # Errors
    ///
    /// No chunk where one must be.
    pub fn take<'a>(&mut self, mut read: &'a [u8], content: &mut BytesMut) -> Result<&'a [u8], Malformed> {
        while !read.is_empty() {
            match &mut self.at {
                At::Over => break,
                At::UntilClose => {
                    content.put_slice(read);
                    return Ok(&[]);
                }
                At::Content(left) => {
                    read = part(read, left, content);
                    if *left == 0 {
                        self.at = At::Over;
                    }
                }
                At::Chunk(left) => {
                    read = part(read, left, content);
                    if *left == 0 {
                        self.at = At::ChunkCr;
                    }
                }
                line => {
                    *line = line.next(read[0])?;
                    if matches!(line, At::SizeEnd { .. } | At::Extension { .. } | At::Trailer(_)) {
                        self.extra += 1;
                        if self.extra > MAX_EXTRA {
                            return Err(Malformed::TooMuch);
                        }
                    }
                    read = &read[1..];
                }
            }
        }
        Ok(read)
    }

    /// The connection has ended, which may be how the body ends.
    ///
    /// # Errors
    ///
    /// It is not.
    pub fn close(&mut self) -> Result<(), Incomplete> {
        if matches!(self.at, At::Over | At::UntilClose) {
            self.at = At::Over;
            return Ok(());
        }
        Err(Incomplete)
    }
}

/// Takes no more than `left` bytes.
fn part<'a>(read: &'a [u8], left: &mut u64, content: &mut BytesMut) -> &'a [u8] {
    let length = usize::try_from(*left).map_or(read.len(), |left| left.min(read.len()));
    let (taken, rest) = read.split_at(length);
    content.put_slice(taken);
    *left -= length as u64;
    rest
}

impl At {
    /// What comes behind a byte of the lines around chunks.
    fn next(&self, byte: u8) -> Result<Self, Malformed> {
        Ok(match (self, byte) {
            (Self::Size { size, digits }, _) => match char::from(byte).to_digit(16) {
                Some(digit) if *digits < MAX_DIGITS => {
                    Self::Size { size: size << 4 | u64::from(digit), digits: digits + 1 }
                }
                None if *digits > 0 => Self::SizeEnd { size: *size }.next(byte)?,
                _ => return Err(Malformed::Chunk),
            },
            (Self::SizeEnd { size } | Self::Extension { size }, b'\r') => Self::SizeLf { size: *size },
            (Self::SizeEnd { size }, b' ' | b'\t') => Self::SizeEnd { size: *size },
            (Self::SizeEnd { size }, b';') => Self::Extension { size: *size },
            (Self::SizeLf { size: 0 } | Self::TrailerLf, b'\n') => Self::Trailer(Part::Start),
            (Self::SizeLf { size }, b'\n') => Self::Chunk(*size),
            (Self::ChunkCr, b'\r') => Self::ChunkLf,
            (Self::ChunkLf, b'\n') => SIZE,
            (Self::Trailer(Part::Start), b'\r') => Self::EndLf,
            (Self::Trailer(Part::Value), b'\r') => Self::TrailerLf,
            (Self::EndLf, b'\n') => Self::Over,
            // A line that ends without its CR is where two readers may part.
            (Self::Extension { size }, _) if byte != b'\n' => Self::Extension { size: *size },
            (Self::Trailer(part), _) => Self::Trailer(part.next(byte)?),
            _ => return Err(Malformed::Chunk),
        })
    }
}

impl Part {
    fn next(self, byte: u8) -> Result<Self, Malformed> {
        match self {
            Self::Name if byte == b':' => Ok(Self::Value),
            Self::Start | Self::Name if is_of_name(byte) => Ok(Self::Name),
            Self::Value if byte == b'\t' || !byte.is_ascii_control() => Ok(Self::Value),
            _ => Err(Malformed::Chunk),
        }
    }
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The content of a body that came in these parts, and what was behind it.
    fn read<'a>(
        framing: Framing,
        parts: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<(Vec<u8>, Vec<u8>, Body), Malformed> {
        let (mut body, mut content, mut behind) = (Body::new(framing), BytesMut::new(), Vec::new());
        for part in parts {
            behind.extend_from_slice(body.take(part, &mut content)?);
        }
        Ok((content.to_vec(), behind, body))
    }

    fn chunked(bytes: &[u8]) -> Result<(Vec<u8>, Vec<u8>, Body), Malformed> {
        read(Framing::Chunked, [bytes])
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_body_has_the_same_content_however_it_is_split(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..8),
            extension in "(;[a-z]{1,3}(=[a-z\"]{0,5})?)?",
            trailers in "([a-z]{1,5}: [a-z ]{0,9}\r\n){0,2}",
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let mut bytes = Vec::new();
            for chunk in &chunks {
                bytes.extend_from_slice(format!("{:X}{extension}\r\n", chunk.len()).as_bytes());
                bytes.extend_from_slice(chunk);
                bytes.extend_from_slice(b"\r\n");
            }
            bytes.extend_from_slice(format!("000{extension}\r\n{trailers}\r\n").as_bytes());
            let end = bytes.len();
            bytes.extend_from_slice(b"HTTP/1.1 200 OK");
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len())).chain([0, bytes.len()]).collect();
            cuts.sort_unstable();
            let parts = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]);
            let (content, behind, body) = read(Framing::Chunked, parts).expect("chunks");
            prop_assert_eq!((content, &*behind, body.is_over()), (chunks.concat(), &b"HTTP/1.1 200 OK"[..], true));
            // And nothing less is all of it.
            let (_, _, mut body) = chunked(&bytes[..end - 1]).expect("chunks");
            prop_assert_eq!(body.close(), Err(Incomplete));
        }

        #[test]
        fn a_length_is_counted_however_it_is_split(bytes in prop::collection::vec(any::<u8>(), 1..60), length in 0..50u8) {
            let (content, behind, mut body) = read(Framing::Length(length.into()), bytes.chunks(7)).expect("content");
            let end = bytes.len().min(length.into());
            prop_assert_eq!((&*content, &*behind), bytes.split_at(end));
            prop_assert_eq!(body.close().is_ok(), bytes.len() >= length.into());
        }
    }

    #[test]
    fn a_body_without_a_length_ends_with_its_connection() {
        let (content, behind, mut body) =
            read(Framing::UntilClose, [&b"all "[..], b"of it"]).expect("content");
        assert_eq!((&*content, behind.len(), body.is_over()), (&b"all of it"[..], 0, false));
        assert_eq!((body.close(), body.is_over()), (Ok(()), true));
    }

    #[test]
    fn what_two_readers_may_read_differently_is_refused() {
        for bytes in [
            "\r\n",
            "x\r\n",
            "-1\r\n",
            "+1\r\n",
            "0x1\r\n",
            " 1\r\n",
            "1\na\r\n",
            "1\r\rn",
            "1\r\nab\r\n",
            "1\r\na\n",
            "1;a\nb\r\n",
            "0\r\na: b\n\r\n",
            "0\r\n\ra",
            "1 \r a",
            "1 a\r\n",
            "00000000000000001\r\na",
            "0\r\na\r\n",
            "0\r\n: b\r\n",
            "0\r\n a: b\r\n",
            "0\r\na : b\r\n",
            "0\r\na: \0\r\n",
        ] {
            assert_eq!(chunked(bytes.as_bytes()).map(|_| ()), Err(Malformed::Chunk), "{bytes:?}");
        }
    }

    #[test]
    fn what_stands_around_chunks_is_bounded() {
        let much = "a".repeat(usize::from(MAX_EXTRA) + 1);
        for start in ["1;", "0\r\n", "0\r\nb: c\r\na:"] {
            assert_eq!(
                chunked(format!("{start}{much}").as_bytes()).map(|_| ()),
                Err(Malformed::TooMuch),
                "{start:?}"
            );
        }
        // In all of a body, however little it is for each.
        let chunks = "1;a\r\nx\r\n".repeat(usize::from(MAX_EXTRA));
        assert_eq!(chunked(chunks.as_bytes()).map(|_| ()), Err(Malformed::TooMuch));
        let chunks = "1\r\nx\r\n".repeat(usize::from(MAX_EXTRA));
        assert!(chunked(chunks.as_bytes()).is_ok());
    }
}

//! Bodies that came compressed, and what is in them: a little at a time, however much a little becomes.
//!
//! Agents and front ends may compress requests. Providers are asked not to compress, and some do all the same.

use std::fmt;
use std::io::{self, BufRead, Read};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use flate2::bufread::{MultiGzDecoder, ZlibDecoder};
use http::{HeaderMap, HeaderValue, header};
use http_body::{Body, Frame, SizeHint};
use thiserror::Error;

/// What is unpacked at a time, in bytes.
const PIECE: usize = 16 * 1024;
/// So many pieces in a row, and others go first: a little may become gigabytes without a wait for more of it.
const MOST_IN_A_ROW: u8 = 32;
/// A conversation shrinks to a tenth; only what is made to hurt becomes a hundred times as much.
const MOST_EXPANSION: u64 = 100;
/// What may be unpacked before that is asked, in bytes.
const UNSUSPICIOUS: u64 = 1024 * 1024;

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// Not at all.
    Identity,
    /// RFC 1952.
    Gzip,
    /// RFC 1950, which HTTP calls `deflate`.
    Deflate,
}

impl Coding {
    /// What `Content-Encoding` says.
    ///
    /// # Errors
    ///
    /// The header, where it says something that is not known here, or several things.
    pub fn of(headers: &HeaderMap) -> Result<Self, String> {
        let mut values = headers.get_all(header::CONTENT_ENCODING).iter().map(HeaderValue::as_bytes);
        let said = values.next().unwrap_or_default().trim_ascii();
        let is = |name: &str| said.eq_ignore_ascii_case(name.as_bytes());
        if values.next().is_some() {
            return Err("several encodings".to_owned());
        }
        match () {
            () if said.is_empty() || is("identity") => Ok(Self::Identity),
            () if is("gzip") || is("x-gzip") => Ok(Self::Gzip),
            () if is("deflate") => Ok(Self::Deflate),
            () => Err(String::from_utf8_lossy(said).chars().take(40).collect()),
        }
    }
}

/// The content of a body.
#[derive(Debug)]
pub struct Decoded<B> {
    body: B,
    /// `None`: it is what was sent.
    unpacking: Option<Box<Unpacking>>,
}

/// Why there is no more of a content.
#[derive(Debug, Error)]
pub enum Broken<E> {
    /// Its body broke.
    #[error(transparent)]
    Body(#[from] E),
    /// It is not compressed as it says.
    #[error("its content is not compressed as its Content-Encoding says: {0}")]
    Malformed(#[source] io::Error),
    /// It becomes far more than was sent.
    #[error("its content is more than {MOST_EXPANSION} times as large as what was sent")]
    Bomb,
}

struct Unpacking {
    decoder: Decoder,
    /// Where the next piece is made; what is given is as large as it must be, since it may be kept.
    piece: Box<[u8]>,
    /// Bytes that came, and bytes that became of them.
    taken: u64,
    given: u64,
    /// Whether it is held to [`MOST_EXPANSION`].
    suspicious: bool,
    /// Pieces since others went first.
    in_a_row: u8,
    over: bool,
}

enum Decoder {
    Gzip(MultiGzDecoder<Input>),
    Deflate(ZlibDecoder<Input>),
}

/// What came and is not unpacked yet.
#[derive(Debug, Default)]
struct Input {
    bytes: Bytes,
    ended: bool,
}

impl<B> Decoded<B> {
    /// The content of a body, whatever it becomes: whoever reads it sets a limit.
    pub fn new(body: B, coding: Coding) -> Self {
        let decoder = match coding {
            Coding::Identity => None,
            Coding::Gzip => Some(Decoder::Gzip(MultiGzDecoder::new(Input::default()))),
            Coding::Deflate => Some(Decoder::Deflate(ZlibDecoder::new(Input::default()))),
        };
        let unpacking = decoder.map(|decoder| {
            let piece = vec![0; PIECE].into_boxed_slice();
            Box::new(Unpacking {
                decoder,
                piece,
                taken: 0,
                given: 0,
                suspicious: false,
                in_a_row: 0,
                over: false,
            })
        });
        Self { body, unpacking }
    }

    /// Breaks off where a little becomes suspiciously much: for senders who may not have as much memory as they send.
    #[must_use]
    pub fn suspicious(mut self) -> Self {
        if let Some(unpacking) = &mut self.unpacking {
            unpacking.suspicious = true;
        }
        self
    }
}

impl Unpacking {
    fn input(&mut self) -> &mut Input {
        match &mut self.decoder {
            Decoder::Gzip(decoder) => decoder.get_mut(),
            Decoder::Deflate(decoder) => decoder.get_mut(),
        }
    }

    /// The next piece; empty at the end, `None` where more must come first.
    fn next<E>(&mut self) -> Result<Option<Bytes>, Broken<E>> {
        let read = match &mut self.decoder {
            Decoder::Gzip(decoder) => decoder.read(&mut self.piece),
            Decoder::Deflate(decoder) => decoder.read(&mut self.piece),
        };
        let length = match read {
            Ok(0) if !self.input().bytes.is_empty() => {
                let more = "something stands behind its end";
                return Err(Broken::Malformed(io::Error::new(io::ErrorKind::InvalidData, more)));
            }
            Ok(0) if !self.input().ended => return Ok(None),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(Broken::Malformed(error)),
        };
        self.given += length as u64;
        if self.suspicious && self.given > UNSUSPICIOUS && self.given / MOST_EXPANSION > self.taken {
            return Err(Broken::Bomb);
        }
        Ok(Some(Bytes::copy_from_slice(&self.piece[..length])))
    }
}

impl<B> Body for Decoded<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    type Data = Bytes;
    type Error = Broken<B::Error>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let Self { body, unpacking } = &mut *self;
        let mut body = Pin::new(body);
        let Some(unpacking) = unpacking else {
            return body.poll_frame(context).map_err(Broken::Body);
        };
        if unpacking.in_a_row == MOST_IN_A_ROW {
            unpacking.in_a_row = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        unpacking.in_a_row += 1;
        while !unpacking.over {
            match unpacking.next() {
                Ok(Some(piece)) if piece.is_empty() => break,
                Ok(Some(piece)) => return Poll::Ready(Some(Ok(Frame::data(piece)))),
                Ok(None) => {}
                Err(error) => {
                    unpacking.over = true;
                    return Poll::Ready(Some(Err(error)));
                }
            }
            match ready!(body.as_mut().poll_frame(context)).transpose() {
                Ok(Some(frame)) => {
                    let bytes = frame.into_data().unwrap_or_default();
                    unpacking.taken += bytes.len() as u64;
                    unpacking.input().bytes = bytes;
                }
                Ok(None) => unpacking.input().ended = true,
                Err(error) => {
                    unpacking.over = true;
                    return Poll::Ready(Some(Err(Broken::Body(error))));
                }
            }
        }
        unpacking.over = true;
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.unpacking.as_ref().map_or_else(|| self.body.is_end_stream(), |unpacking| unpacking.over)
    }

    fn size_hint(&self) -> SizeHint {
        match self.unpacking {
            None => self.body.size_hint(),
            Some(_) => SizeHint::default(),
        }
    }
}

impl Read for Input {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(into)?;
        self.consume(length);
        Ok(length)
    }
}

impl BufRead for Input {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.bytes.is_empty() && !self.ended {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(&self.bytes)
    }

    fn consume(&mut self, length: usize) {
        self.bytes.advance(length);
    }
}

impl fmt::Debug for Unpacking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unpacking")
            .field("taken", &self.taken)
            .field("given", &self.given)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

//! Bodies that are wanted whole.

use bytes::{Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt;
use thiserror::Error;

/// Nothing gets more room than this at first, whatever its `Content-Length` claims.
const FIRST: usize = 256 * 1024;

/// What has come of a body.
#[derive(Debug)]
pub(crate) struct Gathered {
    bytes: BytesMut,
    /// How much it says it is.
    announced: usize,
    /// What it may be at the most.
    most: usize,
}

/// There is more of it than there may be.
#[derive(Debug, Error)]
#[error("it is longer than {0} bytes")]
pub(crate) struct TooMuch(usize);

/// Why there is no whole answer.
#[derive(Debug, Error)]
pub(crate) enum Partly<E> {
    #[error("its answer broke off: {0}")]
    Broken(E),
    #[error("its answer is no use: {0}")]
    TooMuch(#[from] TooMuch),
}

impl Gathered {
    pub(crate) fn new(announced: usize, most: usize) -> Self {
        Self { bytes: BytesMut::new(), announced, most }
    }

    pub(crate) fn add(&mut self, more: &[u8]) -> Result<(), TooMuch> {
        let length = self.bytes.len() + more.len();
        if length > self.most {
            return Err(TooMuch(self.most));
        }
        if self.bytes.is_empty() {
            self.bytes.reserve(self.announced.min(self.most).min(FIRST));
        } else if self.bytes.capacity() < length && self.bytes.len() >= FIRST {
            // Room for all there may be, at once: what is not used of it costs nothing, but each move would have what is
            // there twice.
            self.bytes.reserve(self.most - self.bytes.len());
        }
        self.bytes.extend_from_slice(more);
        Ok(())
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        self.bytes.freeze()
    }
}

/// All of a body, at most so many bytes.
pub(crate) async fn gather<B>(mut body: B, most: usize) -> Result<Bytes, Partly<B::Error>>
where
    B: Body<Data = Bytes> + Unpin,
{
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    let mut gathered = Gathered::new(announced, most);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(Partly::Broken)?.into_data() else { continue };
        gathered.add(&data)?;
    }
    Ok(gathered.into_bytes())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream;
    use http_body::Frame;
    use http_body_util::StreamBody;

    use super::*;

    async fn of(pieces: &'static [&'static [u8]], most: usize) -> Option<Bytes> {
        let frames = pieces.iter().map(|piece| Ok::<_, Infallible>(Frame::data(Bytes::from_static(piece))));
        gather(StreamBody::new(stream::iter(frames)), most).await.ok()
    }

    #[tokio::test]
    async fn all_of_it_or_nothing() {
        assert_eq!(of(&[b"all ", b"of", b" it"], 9).await.as_deref(), Some(&b"all of it"[..]));
        assert_eq!(of(&[b"all ", b"of", b" it"], 8).await, None);
        assert_eq!(of(&[], 0).await.as_deref(), Some(&b""[..]));
    }

    #[test]
    fn what_gets_large_is_moved_once() {
        let piece = vec![0; FIRST];
        let mut gathered = Gathered::new(0, 64 * FIRST);
        let mut moves = 0;
        let mut place = gathered.bytes.as_ptr();
        for _ in 0..63 {
            gathered.add(&piece).expect("room");
            moves += usize::from(gathered.bytes.as_ptr() != place);
            place = gathered.bytes.as_ptr();
        }
        assert!(moves <= 2, "{moves} moves");
    }
}

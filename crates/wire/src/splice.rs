//! A body with some spans replaced; all other bytes are the original's.

use std::ops::Range;

use bytes::Bytes;

/// Replaces the bytes of `span` by `with`. An empty span inserts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Which bytes of the original.
    pub span: Range<usize>,
    /// What stands there instead.
    pub with: Bytes,
}

/// A body in pieces that share memory with the original; cheap to clone and to send again.
#[derive(Clone, Debug, Default)]
pub struct Spliced {
    pieces: Vec<Bytes>,
    length: usize,
}

impl Spliced {
    /// The original with these edits, which must not overlap; one that does, or leaves the original, is left out.
    #[must_use]
    pub fn new(original: &Bytes, edits: &[Edit]) -> Self {
        let mut edits: Vec<&Edit> = edits.iter().collect();
        edits.sort_by_key(|edit| edit.span.start);
        let mut spliced = Self { pieces: Vec::with_capacity(edits.len() * 2 + 1), length: 0 };
        let mut from = 0;
        for Edit { span, with } in edits {
            if span.start < from || span.end < span.start || span.end > original.len() {
                continue;
            }
            spliced.push(original.slice(from..span.start));
            spliced.push(with.clone());
            from = span.end;
        }
        spliced.push(original.slice(from..));
        spliced
    }

    /// Its bytes in order.
    #[must_use]
    pub fn pieces(&self) -> &[Bytes] {
        &self.pieces
    }

    /// Bytes in all.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Copied together.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        match self.pieces.as_slice() {
            [only] => only.clone(),
            pieces => pieces.concat().into(),
        }
    }

    fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.length += piece.len();
            self.pieces.push(piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn all_other_bytes_are_the_originals() {
        let original = Bytes::from_static(b"0123456789");
        let edits = [Edit { span: 8..10, with: "end".into() }, Edit { span: 0..0, with: "<".into() }];
        assert_eq!(Spliced::new(&original, &edits).to_bytes(), "<01234567end");
    }

    #[test]
    fn an_edit_that_overlaps_or_leaves_the_original_is_left_out() {
        let original = Bytes::from_static(b"0123");
        let edits = [1..3, 2..4, 3..9].map(|span| Edit { span, with: "x".into() });
        assert_eq!(Spliced::new(&original, &edits).to_bytes(), "0x3");
    }

    proptest! {
        #[test]
        fn a_splice_is_the_copy_with_one_span_replaced(text in ".{0,60}", with in ".{0,9}", a in 0..60usize, b in 0..60usize) {
            let (start, end) = (a.min(b).min(text.len()), a.max(b).min(text.len()));
            let original = Bytes::from(text);
            let spliced = Spliced::new(&original, &[Edit { span: start..end, with: Bytes::from(with.clone()) }]);
            let expected = [&original[..start], with.as_bytes(), &original[end..]].concat();
            prop_assert_eq!(spliced.len(), expected.len());
            prop_assert_eq!(spliced.to_bytes(), expected);
        }
    }
}

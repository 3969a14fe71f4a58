//! One look at a JSON text: whether it is well-formed, how deep it nests, and where the members of its objects stand.
//!
//! Accepts what `serde_json` accepts as an ignored value, byte for byte (a property test holds the two together), at the
//! speed of finding quotes: a chat request is mostly strings.

use std::ops::Range;

mod specials;

use specials::Specials;

/// Why a text is no JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// Something else stands, or is missing, at this byte.
    At(usize),
    /// It nests deeper than the limit.
    TooDeep,
}

/// A member of an object: where its key stands, quotes included, and where its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) key: Range<usize>,
    pub(crate) value: Range<usize>,
}

/// Reads along a text.
pub(crate) struct Scanner<'a> {
    text: &'a [u8],
    specials: Specials<'a>,
    at: usize,
    /// Brackets that may still be opened.
    deeper: usize,
}

impl<'a> Scanner<'a> {
    /// At the beginning of a text whose brackets may nest `depth` deep.
    pub(crate) fn new(text: &'a [u8], depth: usize) -> Self {
        Self { text, specials: Specials::new(text), at: 0, deeper: depth }
    }

    /// The only value of the text is an object: its members in their order. `element` is told of what stands in a
    /// list that is a member's value: the member's number, where its key stands, and where the element.
    pub(crate) fn document(
        self,
        mut element: impl FnMut(usize, Range<usize>, Range<usize>),
    ) -> Result<Vec<Member>, Wrong> {
        let mut members = Vec::with_capacity(16);
        self.whole(|scanner, key| {
            let start = scanner.at;
            if scanner.is_at(b'[') {
                scanner.list(|scanner| {
                    element(members.len(), key.clone(), scanner.value()?);
                    Ok(())
                })?;
            } else {
                scanner.skip()?;
            }
            members.push(Member { key, value: start..scanner.at });
            Ok(())
        })?;
        Ok(members)
    }

    /// The only value of the text is an object: `member` is told where each key stands, and reads the value.
    pub(crate) fn whole(
        mut self,
        member: impl FnMut(&mut Self, Range<usize>) -> Result<(), Wrong>,
    ) -> Result<(), Wrong> {
        self.blank();
        self.object(member)?;
        self.blank();
        if self.at == self.text.len() { Ok(()) } else { Err(Wrong::At(self.at)) }
    }

    /// The text is a list: where its elements stand.
    pub(crate) fn elements(mut self) -> Result<Vec<Range<usize>>, Wrong> {
        let mut elements = Vec::new();
        self.blank();
        self.list(|scanner| {
            elements.push(scanner.value()?);
            Ok(())
        })?;
        Ok(elements)
    }

    /// Whether the text is one value, of whatever kind.
    pub(crate) fn one_value(mut self) -> bool {
        self.blank();
        let value = self.skip().is_ok();
        self.blank();
        value && self.at == self.text.len()
    }

    /// Any value: where it stands.
    pub(crate) fn value(&mut self) -> Result<Range<usize>, Wrong> {
        let start = self.at;
        self.skip()?;
        Ok(start..self.at)
    }

    /// Any value.
    pub(crate) fn skip(&mut self) -> Result<(), Wrong> {
        match self.peek() {
            Some(b'"') => self.string(),
            Some(b'{') => self.object(|scanner, _| scanner.skip()),
            Some(b'[') => self.list(Self::skip),
            Some(b't') => self.word(b"true"),
            Some(b'f') => self.word(b"false"),
            Some(b'n') => self.word(b"null"),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(Wrong::At(self.at)),
        }
    }

    /// How far it has come.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Whether the next byte is this one.
    pub(crate) fn is_at(&self, byte: u8) -> bool {
        self.peek() == Some(byte)
    }

    /// An object: `member` is told where each key stands, and reads the value.
    pub(crate) fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, Range<usize>) -> Result<(), Wrong>,
    ) -> Result<(), Wrong> {
        self.open(b'{')?;
        if self.closes(b'}') {
            return Ok(());
        }
        loop {
            let key = self.key()?;
            member(self, key)?;
            if self.ends(b'}')? {
                return Ok(());
            }
        }
    }

    /// A list, whose elements `element` reads.
    pub(crate) fn list(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<(), Wrong>,
    ) -> Result<(), Wrong> {
        self.open(b'[')?;
        if self.closes(b']') {
            return Ok(());
        }
        loop {
            element(self)?;
            if self.ends(b']')? {
                return Ok(());
            }
        }
    }

    /// A key, its colon, and the blanks up to its value.
    fn key(&mut self) -> Result<Range<usize>, Wrong> {
        let start = self.at;
        self.string()?;
        let key = start..self.at;
        self.blank();
        self.byte(b':')?;
        self.blank();
        Ok(key)
    }

    fn open(&mut self, bracket: u8) -> Result<(), Wrong> {
        self.byte(bracket)?;
        self.deeper = self.deeper.checked_sub(1).ok_or(Wrong::TooDeep)?;
        self.blank();
        Ok(())
    }

    /// Whether an empty object or list ends here.
    fn closes(&mut self, bracket: u8) -> bool {
        let closes = self.peek() == Some(bracket);
        if closes {
            self.at += 1;
            self.deeper += 1;
        }
        closes
    }

    /// Behind a member or an element: whether it was the last.
    fn ends(&mut self, bracket: u8) -> Result<bool, Wrong> {
        self.blank();
        if self.closes(bracket) {
            return Ok(true);
        }
        self.byte(b',')?;
        self.blank();
        Ok(false)
    }

    fn string(&mut self) -> Result<(), Wrong> {
        self.byte(b'"')?;
        loop {
            self.at = self.specials.next(self.at);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                // A backslash stands before it: else it would be a control character.
                Some(b'/' | b'b' | b'f') => self.at += 1,
                Some(b'u') if self.text.get(self.at + 1..self.at + 5).is_some_and(is_hex) => self.at += 5,
                _ => return Err(Wrong::At(self.at)),
            }
        }
    }

    fn number(&mut self) -> Result<(), Wrong> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
            if self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
                return Err(Wrong::At(self.at));
            }
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    /// At least one.
    fn digits(&mut self) -> Result<(), Wrong> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start { Err(Wrong::At(self.at)) } else { Ok(()) }
    }

    fn word(&mut self, word: &[u8]) -> Result<(), Wrong> {
        if !self.text[self.at..].starts_with(word) {
            return Err(Wrong::At(self.at));
        }
        self.at += word.len();
        Ok(())
    }

    fn byte(&mut self, byte: u8) -> Result<(), Wrong> {
        if self.peek() != Some(byte) {
            return Err(Wrong::At(self.at));
        }
        self.at += 1;
        Ok(())
    }

    fn blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\t' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }
}

fn is_hex(digits: &[u8]) -> bool {
    digits.iter().all(u8::is_ascii_hexdigit)
}

#[cfg(test)]
mod tests;

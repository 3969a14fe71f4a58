//! Exact counts of chat requests.
//!
//! Special tokens delimit what a template makes of each message, so counts add up; and what an agent sends is its last request
//! and a turn more. So each message is counted once and remembered by its [key](Keyed): beside its keys, a request costs the
//! counting of what is new.

use parking_lot::Mutex;

use crate::keys::{self, Keyed, Keys, Place};
use crate::message::{Call, Message};
use crate::template::{self, Kind, Template};
use crate::vocabulary::Vocabulary;

mod memo;

use memo::Memo;

/// Of a request, so many bytes of messages not seen before are counted: some 10 ms of code or prose, 100 ms of what is made to be
/// slow. The rest is for the requests after it.
const MOST_NEW: usize = 1 << 18;

/// Counts what requests come to under one template. Shared between threads; no lock is held while it counts.
///
/// It keeps up to 57,344 messages' counts (about 2.5 MiB), those used last.
#[derive(Debug)]
pub struct Counter {
    template: Template,
    keys: Keys,
    memo: Mutex<Memo>,
    constants: std::sync::OnceLock<Constants>,
}

/// The prompt's tokens by what they are for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// The system message that the chat begins with, or the template's own where there are tools.
    pub system: u64,
    /// The tools, and how to call them.
    pub tools: u64,
    /// The other messages, and what stands before the answer.
    pub messages: u64,
}

impl Parts {
    /// The prompt.
    #[must_use]
    pub fn total(self) -> u64 {
        self.system + self.tools + self.messages
    }
}

/// A piece of a prompt that was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    /// `None`: the template can make no text of it.
    tokens: Option<u32>,
    kind: Kind,
}

/// More of a request is new than is to be counted at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TakesLong;

/// What stands between messages.
#[derive(Clone, Copy, Debug)]
struct Constants {
    own_system: u64,
    tool_turn: u64,
    turn_end: u64,
    generation: u64,
}

impl Counter {
    /// For requests that this template renders, known again by these keys. Counts nothing before the
    /// [vocabulary](Vocabulary::load) is there.
    #[must_use]
    pub fn new(template: Template, keys: Keys) -> Self {
        Self { template, keys, memo: Mutex::default(), constants: std::sync::OnceLock::new() }
    }

    /// The template it counts for.
    #[must_use]
    pub fn template(&self) -> Template {
        self.template
    }

    /// By what it knows pieces again. Counters that share them can be asked about the same [`Keyed`].
    #[must_use]
    pub fn keys(&self) -> Keys {
        self.keys
    }

    /// The tokens of a prompt that has its [keys](Self::keys).
    ///
    /// `None` if the vocabulary is not loaded, if more than 256 KiB of it are new (a later request will find that counted), or if the
    /// template can make no text of it: images, unknown parts, arguments that are no JSON, something that is no message at
    /// all.
    #[must_use]
    pub fn count(&self, request: &Keyed<'_>) -> Option<u64> {
        self.parts(request).map(Parts::total)
    }

    /// The same, by part.
    #[must_use]
    pub fn parts(&self, request: &Keyed<'_>) -> Option<Parts> {
        self.parts_of_little(request, usize::MAX).ok().flatten()
    }

    fn parts_of_little(&self, request: &Keyed<'_>, most: usize) -> Result<Option<Parts>, TakesLong> {
        debug_assert_eq!(request.keys, self.keys, "nothing would be known again");
        let remembered = self.remembered(&request.pieces);
        let new = remembered.iter().zip(&request.pieces).filter(|(piece, _)| piece.is_none());
        if new.map(|(_, piece)| piece.json.len()).sum::<usize>() > most {
            return Err(TakesLong);
        }
        let Some(vocabulary) = Vocabulary::get() else { return Ok(None) };
        let pieces = self.pieces(vocabulary, &request.pieces, remembered);
        Ok(pieces.and_then(|pieces| self.joined(vocabulary, pieces, request.has_tools)))
    }

    /// What the pieces come to.
    fn joined(&self, vocabulary: Vocabulary, pieces: Vec<Piece>, has_tools: bool) -> Option<Parts> {
        let mut pieces = pieces.into_iter();
        let mut parts = Parts::default();
        if has_tools {
            parts.tools = u64::from(pieces.next()?.tokens?);
        }
        let Constants { own_system, tool_turn, turn_end, generation } = *self.constants(vocabulary);
        let mut pieces = pieces.peekable();
        if has_tools && pieces.peek()?.kind != Kind::System {
            parts.system = own_system;
        }
        let mut before = None;
        while let Some(Piece { tokens, kind }) = pieces.next() {
            let tokens = u64::from(tokens?);
            match kind {
                Kind::System => parts.system += tokens,
                Kind::Turn => parts.messages += tokens,
                Kind::Tool => {
                    let opens = if Kind::opens_turn(before) { tool_turn } else { 0 };
                    let closes = Kind::closes_turn(pieces.peek().map(|after| after.kind));
                    parts.messages += opens + tokens + if closes { turn_end } else { 0 };
                }
            }
            before = Some(kind);
        }
        before?;
        parts.messages += generation;
        Some(parts)
    }

    /// The same as [`count`](Self::count), where no more than `most` bytes of it are new.
    ///
    /// # Errors
    ///
    /// More are, and nothing was counted.
    pub fn count_little(&self, request: &Keyed<'_>, most: usize) -> Result<Option<u64>, TakesLong> {
        self.parts_of_little(request, most).map(|parts| parts.map(Parts::total))
    }

    /// The tokens of an answer: its text, its calls of tools by name and arguments (JSON), and the end of the turn.
    ///
    /// `None` as for [`count`](Self::count).
    #[must_use]
    pub fn count_answer<'a>(
        &self,
        text: &str,
        calls: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Option<u64> {
        let vocabulary = Vocabulary::get()?;
        let call = |(name, arguments): (&'a str, &'a str)| Call::new(name, arguments);
        let calls: Vec<Call<'_>> = calls.into_iter().map(call).collect();
        if calls.is_empty() {
            return Some(vocabulary.count(text) + 1);
        }
        let mut out = String::new();
        self.template.answer(text, &calls, &mut out)?;
        // The line end before it belongs to the prompt.
        Some(vocabulary.count(out.strip_prefix('\n').unwrap_or(&out)) + 1)
    }

    /// Each piece where it is remembered.
    fn remembered(&self, asked: &[keys::Piece<'_>]) -> Vec<Option<Piece>> {
        let mut memo = self.memo.lock();
        asked.iter().map(|piece| memo.get(piece.key)).collect()
    }

    /// Each piece from memory, or counted; `None` if more is new than is counted at a time.
    fn pieces(
        &self,
        vocabulary: Vocabulary,
        asked: &[keys::Piece<'_>],
        mut remembered: Vec<Option<Piece>>,
    ) -> Option<Vec<Piece>> {
        let mut left = MOST_NEW;
        let mut new = Vec::new();
        for (piece, keys::Piece { key, json, place }) in remembered.iter_mut().zip(asked) {
            if piece.is_some() || json.len() > left {
                continue;
            }
            left -= json.len();
            let counted = self.piece(vocabulary, json, *place);
            *piece = Some(counted);
            new.push((*key, counted));
        }
        if !new.is_empty() {
            let mut memo = self.memo.lock();
            for (key, piece) in new {
                memo.put(key, piece);
            }
        }
        remembered.into_iter().collect()
    }

    fn piece(&self, vocabulary: Vocabulary, json: &[u8], place: Place) -> Piece {
        let (kind, text) = match place {
            Place::Tools => (Kind::Turn, self.template.tools(json).map(Option::unwrap_or_default)),
            _ => self.message(json, place),
        };
        let tokens = text.and_then(|text| u32::try_from(vocabulary.count(&text)).ok());
        Piece { tokens, kind }
    }

    fn message(&self, json: &[u8], place: Place) -> (Kind, Option<String>) {
        let Some(message) = Message::parse(json) else { return (Kind::Turn, None) };
        let mut out = String::with_capacity(json.len());
        let kind = Kind::of(&message, !matches!(place, Place::Later));
        let rendered = if kind == Kind::System {
            let tools = matches!(place, Place::FirstWithTools);
            template::open_system(Some(&message.text), tools, &mut out);
            Some(())
        } else {
            self.template.message(&message, &mut out)
        };
        (kind, rendered.map(|()| out))
    }

    fn constants(&self, vocabulary: Vocabulary) -> &Constants {
        self.constants.get_or_init(|| {
            let mut own_system = String::new();
            template::open_system(None, true, &mut own_system);
            Constants {
                own_system: vocabulary.count(&own_system),
                tool_turn: vocabulary.count(template::TOOL_TURN),
                turn_end: vocabulary.count(template::TURN_END),
                generation: vocabulary.count(template::GENERATION),
            }
        })
    }
}

#[cfg(test)]
mod tests;

//! The top-level fields of a request's body.

use std::borrow::Cow;
use std::ops::Range;

use super::{Invalid, invalid};
use crate::json::{self, Fields};
use crate::scan::{Member, Scanner, Wrong};

/// Spans of more messages are not kept: they would take more memory than the body.
const MAX_MESSAGES: usize = 16_384;

/// The fields of a body in their order, values as they are written.
pub(super) struct TopLevel<'a> {
    fields: Vec<(Cow<'a, str>, &'a str)>,
    /// Where there are messages: whether all are objects.
    messages: Option<bool>,
    /// Where each message stands; empty where there are too many.
    pub(super) each_message: Vec<Range<usize>>,
    /// The fields once more, where they stand.
    pub(super) members: Vec<Member>,
}

impl<'a> TopLevel<'a> {
    /// Reads a body: JSON, an object, not too deep, with no key twice.
    pub(super) fn parse(text: &'a str) -> Result<Self, Invalid> {
        // The members that are lists with something in them, and whether all of it are objects.
        let mut lists: Vec<(usize, bool)> = Vec::new();
        let mut each_message = Vec::new();
        let members = Scanner::new(text.as_bytes(), json::MAX_DEPTH).document(|member, key, element| {
            let is_object = text.as_bytes().get(element.start) == Some(&b'{');
            match lists.last_mut().filter(|(of, ..)| *of == member) {
                Some((_, objects)) => *objects &= is_object,
                None => lists.push((member, is_object)),
            }
            // One more than there may be says that there are too many.
            if each_message.len() <= MAX_MESSAGES && text.get(key) == Some("\"messages\"") {
                each_message.push(element);
            }
        });
        if each_message.len() > MAX_MESSAGES {
            each_message.clear();
        }
        let members = match members {
            Ok(members) if members.len() <= json::MAX_FIELDS => members,
            Err(Wrong::TooDeep) => {
                let message = format!("The body nests deeper than {} levels.", json::MAX_DEPTH);
                return Err(invalid(None, message));
            }
            _ => return Err(not_an_object(text)),
        };
        let mut fields = Vec::with_capacity(members.len());
        for member in &members {
            let key = json::unquoted(&text[member.key.clone()]).ok_or_else(|| not_an_object(text))?;
            fields.push((key, &text[member.value.clone()]));
        }
        let of = fields.iter().position(|(key, _)| key == "messages");
        let messages = lists.into_iter().find(|(member, _)| Some(*member) == of).map(|(_, objects)| objects);
        let found = Self { fields, messages, each_message, members };
        match found.duplicate() {
            Some(key) => {
                Err(invalid(None, format!("The key {} stands twice in the body.", json::quote(key))))
            }
            None => Ok(found),
        }
    }

    /// The value of a key as it is written; `null` counts as absent.
    pub(super) fn get(&self, key: &str) -> Option<&'a str> {
        self.get_or_null(key).filter(|value| *value != "null")
    }

    /// The value of a key, `null` too.
    pub(super) fn get_or_null(&self, key: &str) -> Option<&'a str> {
        self.fields.iter().find(|(name, _)| name == key).map(|(_, value)| *value)
    }

    /// The list of messages.
    pub(super) fn messages(&self) -> Result<&'a str, Invalid> {
        let value = self.get("messages").ok_or_else(|| invalid("messages", "The body has no messages."))?;
        match self.messages {
            Some(true) => Ok(value),
            None if value.starts_with('[') => {
                Err(invalid("messages", "`messages` is empty; it needs at least one message."))
            }
            _ => Err(invalid("messages", "`messages` must be an array of message objects.")),
        }
    }

    fn duplicate(&self) -> Option<&str> {
        let mut keys: Vec<&str> = self.fields.iter().map(|(key, _)| key.as_ref()).collect();
        keys.sort_unstable();
        keys.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
    }
}

/// The other reader says it in words, with line and column.
fn not_an_object(text: &str) -> Invalid {
    let why = Fields::parse(text).err().map_or_else(String::new, |error| format!(": {error}"));
    invalid(None, format!("The body is not a JSON object{why}."))
}

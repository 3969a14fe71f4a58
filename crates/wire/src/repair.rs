//! Known damage to the calls of an answer, and its repair.
//!
//! Engines that serve open models find calls in what the model writes, and get it wrong in known ways. Each way has a
//! repair of its own, which acts where the damage is certain and leaves every byte of a healthy answer alone.
//!
//! - `leak`: calls that were left in the text.
//! - `arguments`: arguments that were encoded once too often.
//! - `tools`: what the request says of its tools, which both go by.
//! - `fragments`: one event's parts of calls, and the edits that number and name them.
//! - `stream`, `plain`: the repairs at work, in a stream and in a plain answer.

mod arguments;
mod fragments;
mod leak;
mod plain;
mod stream;
mod tools;

#[cfg(test)]
mod tests;

pub(crate) use plain::mend;
pub(crate) use stream::{Mended, Mender};

/// One kind of damage that can be repaired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repair {
    /// Calls stand in the text, in the XML that Qwen3-Coder writes, with or without their opening `<tool_call>`.
    XmlToolCalls,
    /// Arguments are a JSON string that holds JSON, or arrays and objects within them are.
    DoubleEncodedArguments,
    /// Parallel calls share an index.
    ToolCallIndexes,
    /// Calls have no id or no type.
    ToolCallIds,
    /// An answer with calls ends with `stop`.
    FinishReasons,
    /// A whole stream ends without `[DONE]`.
    DoneMarker,
}

impl Repair {
    /// All of them, by name.
    pub const NAMED: &[(&str, Self)] = &[
        ("xml_tool_calls", Self::XmlToolCalls),
        ("double_encoded_arguments", Self::DoubleEncodedArguments),
        ("tool_call_indexes", Self::ToolCallIndexes),
        ("tool_call_ids", Self::ToolCallIds),
        ("finish_reasons", Self::FinishReasons),
        ("done_marker", Self::DoneMarker),
    ];

    /// As it is written in a preset.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMED.iter().find(|(_, repair)| *repair == self).map_or("", |(name, _)| name)
    }
}

/// What is to be repaired in an answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mending<'a> {
    /// In which ways.
    pub repairs: Repairs,
    /// The request's `tools`, as they are written; empty where it has none.
    pub tools: &'a [u8],
    /// What makes the ids of this answer's calls different from those of other answers.
    pub seed: u64,
}

/// A set of repairs: those that are wanted, or those that acted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repairs(u8);

impl Repairs {
    /// None.
    pub const NONE: Self = Self(0);
    /// All that there are.
    pub const ALL: Self = Self(0b11_1111);

    /// Whether this one is among them.
    #[must_use]
    pub fn has(self, repair: Repair) -> bool {
        self.0 & (1 << repair as u8) != 0
    }

    /// Adds one.
    pub fn add(&mut self, repair: Repair) {
        self.0 |= 1 << repair as u8;
    }

    /// These and those.
    #[must_use]
    pub fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether any of them is about calls.
    fn mend_calls(self) -> bool {
        self.iter().any(|repair| repair != Repair::DoneMarker)
    }

    /// Their names, with commas between.
    #[must_use]
    pub fn names(self) -> String {
        self.iter().map(Repair::name).collect::<Vec<_>>().join(", ")
    }

    /// One after the other.
    pub fn iter(self) -> impl Iterator<Item = Repair> {
        Repair::NAMED.iter().map(|(_, repair)| *repair).filter(move |repair| self.has(*repair))
    }
}

impl FromIterator<Repair> for Repairs {
    fn from_iter<I: IntoIterator<Item = Repair>>(repairs: I) -> Self {
        let mut set = Self::NONE;
        repairs.into_iter().for_each(|repair| set.add(repair));
        set
    }
}

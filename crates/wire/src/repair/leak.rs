//! Calls that stand in the text, in the XML that Qwen3-Coder writes:
//!
//! ```text
//! <tool_call>
//! <function=read>
//! <parameter=path>
//! src/main.rs
//! </parameter>
//! </function>
//! </tool_call>
//! ```
//!
//! An engine that does not find them leaves them in the text, more often where the model forgets the first line. A text
//! may also speak of this format. It is a call where it begins a line outside a code fence, names a function of the
//! request, is whole, and nothing but other calls comes behind it: a model that calls stops there.

use std::borrow::Cow;

use super::tools::{Tool, Tools};

mod lines;

use lines::Lines;

/// The longest name of a function or a parameter, in bytes.
const LONGEST_NAME: usize = 256;
/// No tool takes more parameters.
const MOST_PARAMETERS: usize = 256;
/// The most blanks between two tags.
const MOST_BLANKS: usize = 256;

const OPEN: &str = "<tool_call>";
const FUNCTION: &str = "<function=";
const PARAMETER: &str = "<parameter=";
const END_PARAMETER: &str = "</parameter>";
const END_FUNCTION: &str = "</function>";
const CLOSE: &str = "</tool_call>";

/// A call that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) name: String,
    /// An object.
    pub(crate) arguments: String,
}

/// Reads a text as it comes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Leak {
    lines: Lines,
    /// How much text has come.
    seen: usize,
    /// Where the last candidate began.
    start: usize,
    /// What may be calls up to the end of the text.
    candidate: Option<Candidate>,
}

/// Text that may be calls.
#[derive(Clone, Debug)]
struct Candidate {
    /// Where it begins in the whole text.
    start: usize,
    text: String,
    /// What has been read of it.
    parser: Parser,
}

impl Leak {
    /// Takes in what comes next of the text.
    pub(crate) fn feed(&mut self, text: &str, tools: &Tools) {
        let from = self.seen;
        self.seen += text.len();
        let (from, text, mut parser, mut at) = match self.candidate.take() {
            Some(Candidate { start, text: mut begun, parser }) => {
                begun.push_str(text);
                (start, Cow::Owned(begun), parser, 0)
            }
            None => match self.lines.candidate(text) {
                Some(at) => (from, Cow::Borrowed(text), Parser::default(), at),
                None => return,
            },
        };
        while !parser.read(&text[at..], tools) {
            // What was read is text, in which nothing else can begin; what comes behind it may.
            let behind = at + parser.at.max("<".len());
            self.lines.pass(&text[at..behind]);
            let Some(next) = self.lines.candidate(&text[behind..]) else { return };
            (at, parser) = (behind + next, Parser::default());
        }
        self.start = from + at;
        let text = if at == 0 { text.into_owned() } else { text[at..].to_owned() };
        self.candidate = Some(Candidate { start: self.start, text, parser });
    }

    /// Where that began which was found last.
    pub(crate) fn start(&self) -> usize {
        self.start
    }

    /// Where that begins in the whole text which may still be calls.
    pub(crate) fn candidate(&self) -> Option<usize> {
        self.candidate.as_ref().map(|candidate| candidate.start)
    }

    /// The text is over: the calls it ends with.
    pub(crate) fn finish(&mut self, tools: &Tools) -> Option<Vec<Found>> {
        let Candidate { text, parser, .. } = self.candidate.take()?;
        if parser.is_whole(&text) {
            return Some(parser.calls);
        }
        // An opening in a value which nothing closes, such as one that is spoken of, hides the end of the value.
        let mut flat = Parser { flat: true, ..Parser::default() };
        (flat.read(&text, tools) && flat.is_whole(&text)).then_some(flat.calls)
    }
}

/// Reads calls. It never looks at a byte twice but for a few, however the text is cut.
#[derive(Clone, Debug, Default)]
struct Parser {
    /// What has been read.
    at: usize,
    state: State,
    /// Openings of parameters within a value count for nothing.
    flat: bool,
    calls: Vec<Found>,
    tool: Tool,
    /// Name and JSON of each argument of the call under way.
    arguments: Vec<(String, String)>,
}

/// What comes next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum State {
    /// A call, with its opening or without.
    #[default]
    Call,
    /// A function.
    Function,
    /// A parameter, or the end of the function.
    Body,
    /// The end of a parameter's value.
    Value {
        name: String,
        from: usize,
        /// So many parameters have been opened within the value.
        depth: usize,
    },
    /// The end of the call, or what comes behind it.
    Closed,
    /// Another call, or the end of the text.
    Behind,
}

/// Whether a text begins like this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begins {
    Yes,
    /// It is too short to tell.
    Maybe,
    No,
}

fn begins(text: &str, with: &str) -> Begins {
    match (text.starts_with(with), with.starts_with(text)) {
        (true, _) => Begins::Yes,
        (false, true) => Begins::Maybe,
        (false, false) => Begins::No,
    }
}

impl Parser {
    /// Reads on as far as the text goes. Returns whether it may still be calls.
    fn read(&mut self, text: &str, tools: &Tools) -> bool {
        loop {
            match self.step(text, tools) {
                Begins::Yes => {}
                Begins::Maybe => return true,
                Begins::No => return false,
            }
        }
    }

    /// Whether the text is calls to its end.
    fn is_whole(&self, text: &str) -> bool {
        matches!(self.state, State::Closed | State::Behind) && text[self.at..].trim().is_empty()
    }

    /// Whether one of what may come next does, and if so, reads it.
    fn step(&mut self, text: &str, tools: &Tools) -> Begins {
        if let State::Value { name, from, depth } = &mut self.state {
            let Some(value) = end_of_value(text, &mut self.at, depth, self.flat) else {
                return Begins::Maybe;
            };
            let json = self.tool.types(name).json(unwrapped(&text[*from..value]));
            self.arguments.retain(|(known, _)| known != name);
            self.arguments.push((std::mem::take(name), json));
            self.state = State::Body;
            return if self.arguments.len() > MOST_PARAMETERS { Begins::No } else { Begins::Yes };
        }
        let rest = text[self.at..].trim_start();
        let blanks = text.len() - self.at - rest.len();
        if blanks > MOST_BLANKS {
            return Begins::No;
        }
        if rest.is_empty() {
            return Begins::Maybe;
        }
        let start = self.at + blanks;
        let choices: &[(&str, State)] = match self.state {
            State::Function => &[(FUNCTION, State::Body)],
            State::Closed => &[(CLOSE, State::Behind), (OPEN, State::Function), (FUNCTION, State::Body)],
            State::Call | State::Behind => &[(OPEN, State::Function), (FUNCTION, State::Body)],
            State::Body | State::Value { .. } => &[(PARAMETER, State::Body), (END_FUNCTION, State::Closed)],
        };
        let mut found = Begins::No;
        for (tag, next) in choices {
            match begins(rest, tag) {
                Begins::No => {}
                Begins::Maybe => found = Begins::Maybe,
                Begins::Yes => return self.tag(text, start, tag, next.clone(), tools),
            }
        }
        found
    }

    fn tag(&mut self, text: &str, start: usize, tag: &str, next: State, tools: &Tools) -> Begins {
        let behind = start + tag.len();
        match tag {
            FUNCTION => {
                let name = match name(text, behind) {
                    Ok(name) => name,
                    Err(begun) if tools.has_beginning(begun) => return Begins::Maybe,
                    Err(_) => return Begins::No,
                };
                let Some(tool) = tools.get(name) else { return Begins::No };
                self.tool = tool.clone();
                self.at = behind + name.len() + 1;
            }
            PARAMETER => {
                let name = match name(text, behind) {
                    Ok("") => return Begins::No,
                    Ok(name) => name,
                    Err(begun) if begun.len() < LONGEST_NAME && !begun.contains(['<', '\n']) => {
                        return Begins::Maybe;
                    }
                    Err(_) => return Begins::No,
                };
                let from = behind + name.len() + 1;
                (self.at, self.state) = (from, State::Value { name: name.to_owned(), from, depth: 0 });
                return Begins::Yes;
            }
            END_FUNCTION => {
                let pair = |(name, json): (String, String)| format!("{}:{json}", crate::json::quote(&name));
                let pairs: Vec<String> = self.arguments.drain(..).map(pair).collect();
                let arguments = format!("{{{}}}", pairs.join(","));
                self.calls.push(Found { name: std::mem::take(&mut self.tool.name), arguments });
                self.at = behind;
            }
            _ => self.at = behind,
        }
        self.state = next;
        Begins::Yes
    }
}

/// A name up to its `>`, or what there is of it.
fn name(text: &str, from: usize) -> Result<&str, &str> {
    let part = &text[from..text.floor_char_boundary(from + LONGEST_NAME)];
    part.split_once('>').map(|(name, _)| name).filter(|name| !name.contains(['<', '\n'])).ok_or(part)
}

/// Where a value ends: at an end of a parameter that is followed by another parameter or the end of the function. `at`
/// moves behind what is certainly part of the value, and then behind its end.
fn end_of_value(text: &str, at: &mut usize, depth: &mut usize, flat: bool) -> Option<usize> {
    loop {
        let Some(offset) = memchr::memchr(b'<', &text.as_bytes()[*at..]) else {
            *at = text.len();
            return None;
        };
        *at += offset;
        let rest = &text[*at..];
        let opens = if flat { Begins::No } else { begins(rest, PARAMETER) };
        match (begins(rest, END_PARAMETER), opens) {
            (Begins::Yes, _) if *depth > 0 => {
                *depth -= 1;
                *at += END_PARAMETER.len();
            }
            (Begins::Yes, _) => {
                let behind = &rest[END_PARAMETER.len()..];
                let next = behind.trim_start();
                let ends = match behind.len() - next.len() {
                    blanks if blanks > MOST_BLANKS => Begins::No,
                    _ => begins(next, PARAMETER).or(begins(next, END_FUNCTION)),
                };
                match ends {
                    Begins::Yes => {
                        let end = *at;
                        *at += END_PARAMETER.len();
                        return Some(end);
                    }
                    Begins::Maybe => return None,
                    Begins::No => *at += END_PARAMETER.len(),
                }
            }
            (_, Begins::Yes) => {
                *depth += 1;
                *at += PARAMETER.len();
            }
            (Begins::Maybe, _) | (_, Begins::Maybe) => return None,
            (Begins::No, Begins::No) => *at += 1,
        }
    }
}

impl Begins {
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Yes, _) | (_, Self::Yes) => Self::Yes,
            (Self::Maybe, _) | (_, Self::Maybe) => Self::Maybe,
            _ => Self::No,
        }
    }
}

/// A value without the line ends that the format puts around it.
fn unwrapped(value: &str) -> &str {
    let value = value.strip_prefix('\n').unwrap_or(value);
    value.strip_suffix('\n').unwrap_or(value)
}

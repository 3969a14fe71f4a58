//! Histories and tools that strict providers refuse, made whole: each amendment is a splice, and none where nothing is
//! wrong.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use bytes::Bytes;
use memchr::memmem;

use crate::error::ProviderError;
use crate::fields::{FieldEdit, members_at};
use crate::json::{MAX_DEPTH, quote, unquoted};
use crate::request::ChatRequest;
use crate::scan::{Scanner, Wrong};
use crate::splice::Edit;

/// What can be made whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amendment {
    /// Calls of tools that no message answers get an answer; answers to no call are left out.
    Calls,
    /// Arguments of earlier calls that are no JSON are wrapped in an object: `{"unparsed": "…"}`.
    Arguments,
    /// Where some tools are `strict` and some are not, none is.
    Strict,
}

/// What is answered to a call that nobody answered: an agent was interrupted, or has cut its history.
const NO_RESULT: &str = "No result: the call was interrupted.";

/// How the refusals begin or end that ask for an amendment, in lower case.
const COMPLAINTS: &[(&str, Amendment)] = &[
    // Cerebras: RooCodeInc/Roo-Code#10334, 2026.
    ("mixed values for 'strict'", Amendment::Strict),
    // Chutes' own source, 2026; then what Python's `json` says of the arguments, through vLLM: vllm-project/vllm#47761.
    // The body itself was JSON, or it would not have been sent.
    ("tool_calls.function.arguments value, expected json", Amendment::Arguments),
    ("unterminated string starting at", Amendment::Arguments),
    ("expecting value: line", Amendment::Arguments),
    ("expecting ',' delimiter: line", Amendment::Arguments),
    ("expecting ':' delimiter: line", Amendment::Arguments),
    ("expecting property name enclosed in double quotes", Amendment::Arguments),
    ("extra data: line", Amendment::Arguments),
    // Cerebras too, spelled like this: elizaOS/eliza#18179, 2026-08.
    ("must be a response to a prece", Amendment::Calls),
    // OpenAI; Alibaba with other quotes: QwenLM/qwen-code#315, 2025.
    ("must be followed by tool messages", Amendment::Calls),
    ("did not have response messages", Amendment::Calls),
    // Mistral.
    ("not the same number of function calls and responses", Amendment::Calls),
];

impl Amendment {
    /// All of them with their names in presets.
    pub const NAMED: &[(&str, Self)] =
        &[("calls", Self::Calls), ("arguments", Self::Arguments), ("strict", Self::Strict)];

    /// Its name in presets.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMED.iter().find(|(_, amendment)| *amendment == self).map_or("", |(name, _)| *name)
    }

    /// What it does, in words.
    #[must_use]
    pub fn what(self) -> &'static str {
        match self {
            Self::Calls => "calls without an answer get one, answers without a call are left out",
            Self::Arguments => "arguments of calls that are no JSON are wrapped in an object",
            Self::Strict => "where some tools are strict and some are not, none is",
        }
    }

    /// Those that a refusal asks for.
    pub(crate) fn asked_for(error: &ProviderError) -> impl Iterator<Item = Self> {
        let message = error.message.to_ascii_lowercase();
        let asked = move |amendment: &Self| {
            COMPLAINTS.iter().any(|(words, of)| of == amendment && message.contains(words))
        };
        [Self::Calls, Self::Arguments, Self::Strict].into_iter().filter(asked)
    }

    /// Whether it has something to do in a request.
    pub(crate) fn is_needed(self, request: &ChatRequest) -> bool {
        self.field(request).is_some() || !self.edits(request).is_empty()
    }

    /// The edits that make it whole in a request, but for fields; none where nothing is wrong.
    pub(crate) fn edits(self, request: &ChatRequest) -> Vec<Edit> {
        match self {
            Self::Calls => pair(request),
            Self::Arguments => parsable(request),
            // It goes by a field's path.
            Self::Strict => Vec::new(),
        }
    }

    /// The field that it takes out of a request, where that is all.
    pub(crate) fn field(self, request: &ChatRequest) -> Option<FieldEdit> {
        (self == Self::Strict && is_mixed(request)).then(|| FieldEdit::remove("tools.*.function.strict"))?
    }
}

/// Whether some tools are strict and some are not.
fn is_mixed(request: &ChatRequest) -> bool {
    let body = &*request.body;
    let tools = body.get(request.tools.clone()).unwrap_or_default();
    if memmem::find(tools, b"\"strict\"").is_none() {
        return false;
    }
    let mut values = Scanner::new(tools, MAX_DEPTH).elements().unwrap_or_default().into_iter().map(|tool| {
        let tool = tool.start + request.tools.start..tool.end + request.tools.start;
        let function = value_of(body, &tool, "function");
        function
            .and_then(|function| value_of(body, &function, "strict"))
            .is_some_and(|it| body[it] == *b"true")
    });
    let first = values.next();
    values.any(|other| Some(other) != first)
}

/// Answers what was not answered, and leaves out what answers nothing.
fn pair(request: &ChatRequest) -> Vec<Edit> {
    let (mut answers, mut orphans) = (Vec::new(), Vec::new());
    let mut open = Open::default();
    // Where the last message ends that stays.
    let mut last = None;
    for (at, span) in request.each_message.iter().enumerate() {
        // Most messages have nothing to do with tools.
        let said = Said::about(&request.body, span, b"\"tool_call").unwrap_or_default();
        let stays = if let Some(id) = said.answers {
            open.answer(&id)
        } else {
            answers.extend(open.close(last));
            open = Open::new(said.calls.into_iter().filter_map(|call| call.id).collect());
            true
        };
        if stays {
            last = Some(span.end);
        } else {
            orphans.push(at);
        }
    }
    answers.extend(open.close(last));
    // A request without messages would be none.
    if orphans.len() < request.each_message.len() {
        answers.extend(left_out(&request.each_message, &orphans));
    }
    answers
}

/// The calls of one message, in their order.
#[derive(Default)]
struct Open {
    order: Vec<String>,
    answered: HashMap<String, bool>,
}

impl Open {
    fn new(order: Vec<String>) -> Self {
        Self { answered: order.iter().map(|id| (id.clone(), false)).collect(), order }
    }

    /// Whether it answers one of them.
    fn answer(&mut self, id: &str) -> bool {
        self.answered.get_mut(id).map(|answered| *answered = true).is_some()
    }

    /// Answers what is still open, behind the message that ends here.
    fn close(&self, end: Option<usize>) -> Option<Edit> {
        let open = self.order.iter().filter(|id| self.answered.get(*id) == Some(&false));
        let answer = |id: &String| {
            format!(r#",{{"role":"tool","tool_call_id":{},"content":{}}}"#, quote(id), quote(NO_RESULT))
        };
        let answers: String = open.map(answer).collect();
        let end = end.filter(|_| !answers.is_empty())?;
        Some(Edit { span: end..end, with: answers.into() })
    }
}

/// What a message has to do with tools.
#[derive(Default)]
struct Said {
    /// The call that it answers.
    answers: Option<String>,
    /// The calls that it makes.
    calls: Vec<Call>,
}

#[derive(Default)]
struct Call {
    id: Option<String>,
    /// Where its arguments stand in the body.
    arguments: Option<Range<usize>>,
}

impl Said {
    /// Read in one look at a message, if these bytes stand anywhere in it.
    fn about(body: &[u8], message: &Range<usize>, word: &[u8]) -> Option<Self> {
        let text = &body[message.clone()];
        memmem::find(text, word)?;
        let (mut said, mut is_answer, mut answers) = (Self::default(), false, None);
        let read = Scanner::new(text, MAX_DEPTH).whole(|scanner, key| match &text[key] {
            b"\"tool_calls\"" if scanner.is_at(b'[') => scanner.list(|scanner| {
                let mut call = Call::read(scanner, text)?;
                if let Some(arguments) = &mut call.arguments {
                    *arguments = arguments.start + message.start..arguments.end + message.start;
                }
                said.calls.push(call);
                Ok(())
            }),
            b"\"role\"" => scanner.value().map(|role| is_answer = text[role] == *b"\"tool\""),
            b"\"tool_call_id\"" => scanner.value().map(|id| answers = unescaped(&text[id])),
            _ => scanner.skip(),
        });
        read.ok()?;
        said.answers = answers.filter(|_| is_answer);
        Some(said)
    }
}

impl Call {
    fn read(scanner: &mut Scanner<'_>, text: &[u8]) -> Result<Self, Wrong> {
        let mut call = Self::default();
        if !scanner.is_at(b'{') {
            scanner.skip()?;
            return Ok(call);
        }
        scanner.object(|scanner, key| match &text[key] {
            b"\"id\"" => scanner.value().map(|id| call.id = unescaped(&text[id])),
            b"\"function\"" if scanner.is_at(b'{') => scanner.object(|scanner, key| match &text[key] {
                b"\"arguments\"" => scanner.value().map(|span| call.arguments = Some(span)),
                _ => scanner.skip(),
            }),
            _ => scanner.skip(),
        })?;
        Ok(call)
    }
}

/// Elements of a list, each run of them with one comma.
fn left_out(each: &[Range<usize>], gone: &[usize]) -> Vec<Edit> {
    let runs = gone.chunk_by(|one, next| one + 1 == *next);
    let span = |run: &[usize]| {
        let (first, last) = (*run.first()?, *run.last()?);
        match (first.checked_sub(1).and_then(|before| each.get(before)), each.get(last + 1)) {
            (Some(before), _) => Some(before.end..each.get(last)?.end),
            (None, Some(behind)) => Some(each.get(first)?.start..behind.start),
            (None, None) => None,
        }
    };
    runs.filter_map(|run| Some(Edit { span: span(run)?, with: Bytes::new() })).collect()
}

/// Wraps arguments that are no JSON.
fn parsable(request: &ChatRequest) -> Vec<Edit> {
    let body = &*request.body;
    let said = request.each_message.iter().filter_map(|it| Said::about(body, it, b"\"arguments\""));
    let arguments = said.flat_map(|said| said.calls).filter_map(|call| call.arguments);
    arguments.filter_map(|arguments| wrapped(body, arguments)).collect()
}

/// A string that holds no JSON, as one that does; `None`: nothing is wrong with it.
fn wrapped(body: &[u8], arguments: Range<usize>) -> Option<Edit> {
    let quoted = std::str::from_utf8(&body[arguments.clone()]).ok()?;
    if !quoted.starts_with('"') {
        return None;
    }
    // One that escapes half a character can't be held by anything.
    let text = unquoted(quoted).unwrap_or_default();
    if Scanner::new(text.as_bytes(), MAX_DEPTH).one_value() {
        return None;
    }
    let object =
        if text.is_empty() { "{}".to_owned() } else { format!(r#"{{"unparsed":{}}}"#, quote(&text)) };
    Some(Edit { span: arguments, with: quote(&object).into() })
}

/// Where the value of a key stands in an object of the body.
fn value_of(body: &[u8], object: &Range<usize>, key: &str) -> Option<Range<usize>> {
    let members = members_at(body, object);
    members.into_iter().find(|member| body[member.key.clone()] == *quote(key).as_bytes()).map(|it| it.value)
}

fn unescaped(text: &[u8]) -> Option<String> {
    unquoted(std::str::from_utf8(text).ok()?).map(Cow::into_owned)
}

#[cfg(test)]
mod tests;

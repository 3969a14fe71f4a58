//! A client's chat request, checked, and the edits that fit it to a provider.
//!
//! Only what decides about routing and books is read, and only what no provider could accept is refused;
//! unknown fields are the provider's business.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use thiserror::Error;

use crate::amend::Amendment;
use crate::error::ProviderError;
use crate::fields::{self, FieldEdit, may_go};
use crate::json::{self, Fields};
use crate::rejected::{self, Path};
use crate::rule::Rule;
use crate::scan::Member;
use crate::splice::{Edit, Spliced};

mod top_level;

use top_level::TopLevel;

/// A chat request that is worth sending.
#[derive(Clone, Debug)]
pub struct ChatRequest {
    /// The body as it came.
    pub body: Bytes,
    /// The model the client asks for.
    pub model: String,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// The longest answer in tokens; `None`: absent, null, or -1.
    pub max_tokens: Option<u64>,
    /// Whether the client itself asks for the usage of a stream.
    pub wants_usage: bool,
    /// Where the messages stand in the body.
    pub messages: Range<usize>,
    /// Where the tools (or legacy functions) stand; empty where there are none.
    pub tools: Range<usize>,
    /// Where each message stands.
    pub(crate) each_message: Vec<Range<usize>>,
    model_span: Range<usize>,
    /// Where its top-level fields stand.
    members: Vec<Member>,
    /// What makes a stream report its usage.
    usage_edit: Option<Edit>,
}

/// Why a request is not worth sending: what is wrong, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct Invalid {
    /// For the client.
    pub message: String,
    /// The field in question.
    pub param: Option<&'static str>,
}

fn invalid(param: impl Into<Option<&'static str>>, message: impl Into<String>) -> Invalid {
    Invalid { message: message.into(), param: param.into() }
}

/// Fields whose type is the same everywhere; a provider would refuse another one.
const TYPES: &[(&str, Type)] = &[
    ("tools", Type::Array),
    ("functions", Type::Array),
    ("temperature", Type::Number),
    ("top_p", Type::Number),
    ("stream_options", Type::Object),
];

impl ChatRequest {
    /// Reads a body.
    ///
    /// # Errors
    ///
    /// [`Invalid`] for what no provider could accept.
    pub fn parse(body: Bytes) -> Result<Self, Invalid> {
        let text = simdutf8::compat::from_utf8(&body).map_err(|error| {
            invalid(None, format!("The body is not UTF-8: see byte {}.", error.valid_up_to()))
        })?;
        let fields = TopLevel::parse(text)?;
        for (field, kind) in TYPES {
            if let Some(value) = fields.get(field) {
                kind.check(field, value)?;
            }
        }
        let model_value = fields.get("model").ok_or_else(|| invalid("model", "The body names no model."))?;
        let model = json::unquoted(model_value)
            .filter(|model| !model.is_empty())
            .ok_or_else(|| invalid("model", "`model` must be a string that is not empty."))?
            .into_owned();
        let messages = fields.messages()?;
        let stream = flag(&fields, "stream")?;
        let usage_option = usage_option(text, &fields)?;
        let tools = fields.get("tools").or_else(|| fields.get("functions"));
        Ok(Self {
            model,
            stream,
            max_tokens: max_tokens(&fields)?,
            wants_usage: matches!(usage_option, UsageOption::Asked),
            messages: json::span(text, messages),
            tools: tools.map_or(0..0, |tools| json::span(text, tools)),
            model_span: json::span(text, model_value),
            usage_edit: usage_option.edit().filter(|_| stream),
            each_message: fields.each_message,
            members: fields.members,
            body,
        })
    }

    /// The JSON of each message, in their order; none where there are more than a count is worth.
    pub fn each_message(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.each_message.iter().map(|span| self.body.get(span.clone()).unwrap_or_default())
    }

    /// The body for a provider that knows the model as `model` and is to report the usage of streams, with these rules.
    /// Where two of them are about one field, the first holds.
    #[must_use]
    pub fn shape<'r>(&self, model: &str, rules: impl IntoIterator<Item = &'r Rule>) -> Spliced {
        let model = Edit { span: self.model_span.clone(), with: json::quote(model).into() };
        let (mut fields, mut amendments) = (Vec::new(), Vec::new());
        for rule in rules {
            match rule {
                Rule::Field(field) => fields.push(Cow::Borrowed(field)),
                Rule::Amendment(amendment) => {
                    amendments.extend(amendment.edits(self));
                    fields.extend(amendment.field(self).map(Cow::Owned));
                }
            }
        }
        // Ours first: where a removal begins at the same byte, an insertion stands before it.
        let usage = self.usage_edit.clone().filter(|_| !fields.iter().any(|field| asks_for_usage(field)));
        let fields = fields::edits(&self.body, &self.members, fields.iter().map(AsRef::as_ref));
        let usage = usage.map(|edit| without_comma(&self.body, edit, &fields));
        let mut edits: Vec<Edit> = std::iter::once(model).chain(usage).chain(amendments).collect();
        edits.extend(fields);
        Spliced::new(&self.body, &edits)
    }

    /// What a refusal says against this request as it was sent with the rules that are `known`.
    #[must_use]
    pub fn objections(&self, error: &ProviderError, known: &[&Rule]) -> Objections {
        let mut objections = Objections::default();
        let mut add = |rule: Rule| {
            if !known.contains(&&rule) && !objections.rules.contains(&rule) {
                objections.rules.push(rule);
            }
        };
        for amendment in Amendment::asked_for(error) {
            if amendment.is_needed(self) {
                add(Rule::Amendment(amendment));
            }
        }
        let mut names_a_field = false;
        for path in rejected::named(error) {
            let Some(field) = self.found(&path, known) else { continue };
            names_a_field = true;
            if may_go(field.keys()) {
                add(Rule::Field(field));
            }
        }
        objections.names_a_field = names_a_field;
        objections
    }

    /// The field that is meant by a path, where the request has it.
    fn found(&self, path: &Path, known: &[&Rule]) -> Option<FieldEdit> {
        // Some say behind an element of which kind it is: `messages.2.assistant.name`, `tools.0.custom.strict`.
        let is_kind = |at: &usize| *at > 0 && path[at - 1] == "*" && at + 1 < path.len();
        let kinds: Vec<usize> = (0..path.len()).filter(is_kind).collect();
        let without = |left_out: usize| -> Path {
            let gone = |at: usize| {
                kinds.iter().position(|kind| *kind == at).is_some_and(|bit| left_out >> bit & 1 == 1)
            };
            path.iter().enumerate().filter(|(at, _)| !gone(*at)).map(|(_, key)| key.clone()).collect()
        };
        let field = |path: Path| {
            // One that we have renamed is meant by its new name.
            let renamed = known.iter().filter_map(|rule| rule.field()).find(|field| field.leads_to(&path));
            let renamed = renamed.map(FieldEdit::removal).filter(|field| self.has(field));
            renamed.or_else(|| FieldEdit::remove(&path.join(".")).filter(|field| self.has(field)))
        };
        (0..1_usize << kinds.len()).find_map(|left_out| field(without(left_out)))
    }

    fn has(&self, field: &FieldEdit) -> bool {
        let ours = self.usage_edit.is_some() && asks_for_usage(field);
        ours || !fields::edits(&self.body, &self.members, [field]).is_empty()
    }
}

/// What a refusal says against a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Objections {
    /// Rules under which the provider may take it: for fields that it names, that stand in the request and may go, and
    /// for what can be made whole.
    pub rules: Vec<Rule>,
    /// Whether it names a field of the request, one that may go or not.
    pub names_a_field: bool,
}

/// Whether a stream would report its usage by this field.
fn asks_for_usage(field: &FieldEdit) -> bool {
    let path = field.keys();
    field.new_name().is_none()
        && path.first().is_some_and(|key| key == "stream_options")
        && path.get(1).is_none_or(|key| key == "include_usage")
}

/// An insertion at the beginning of an object. Where all members go that stand behind it, so does its comma.
fn without_comma(body: &[u8], insertion: Edit, gone: &[Edit]) -> Edit {
    let at = insertion.span.end;
    let is_all = |edit: &Edit| {
        let before = body.get(at..edit.span.start);
        before.is_some_and(|before| before.trim_ascii().is_empty())
            && body[edit.span.end..].trim_ascii_start().starts_with(b"}")
    };
    match insertion.with.strip_suffix(b",") {
        Some(with) if gone.iter().any(is_all) => Edit { with: insertion.with.slice_ref(with), ..insertion },
        _ => insertion,
    }
}

/// Where a stream asks for its usage, or could.
enum UsageOption {
    Asked,
    /// Replace or insert this.
    Edit(Range<usize>, &'static str),
}

impl UsageOption {
    fn edit(self) -> Option<Edit> {
        match self {
            Self::Asked => None,
            Self::Edit(span, with) => Some(Edit { span, with: Bytes::from_static(with.as_bytes()) }),
        }
    }
}

fn usage_option(text: &str, fields: &TopLevel<'_>) -> Result<UsageOption, Invalid> {
    let Some(options) = fields.get_or_null("stream_options") else {
        let open = text.find('{').map_or(0, |at| at + 1);
        return Ok(UsageOption::Edit(open..open, r#""stream_options":{"include_usage":true},"#));
    };
    let span = json::span(text, options);
    if options == "null" {
        return Ok(UsageOption::Edit(span, r#"{"include_usage":true}"#));
    }
    let inner = Fields::parse(options).map_err(|error| {
        invalid("stream_options", format!("`stream_options` must be an object: {error}."))
    })?;
    Ok(match inner.get_or_null("include_usage") {
        Some(value) if value.get() == "true" => UsageOption::Asked,
        Some(value) => UsageOption::Edit(json::span(text, value.get()), "true"),
        None if options[1..].trim_start().starts_with('}') => {
            UsageOption::Edit(span, r#"{"include_usage":true}"#)
        }
        None => UsageOption::Edit(span.start + 1..span.start + 1, r#""include_usage":true,"#),
    })
}

fn flag(fields: &TopLevel<'_>, name: &'static str) -> Result<bool, Invalid> {
    match fields.get(name) {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(invalid(name, format!("`{name}` must be true or false."))),
    }
}

/// The smaller of both names' values: a provider takes either.
fn max_tokens(fields: &TopLevel<'_>) -> Result<Option<u64>, Invalid> {
    let mut smallest = None;
    for name in ["max_completion_tokens", "max_tokens"] {
        let Some(value) = fields.get(name) else { continue };
        let wrong =
            || invalid(name, format!("`{name}` must be a whole number of at least 1 (or -1: no limit)."));
        let number: f64 = serde_json::from_str(value).map_err(|_| wrong())?;
        if number.to_bits() == (-1.0f64).to_bits() {
            continue;
        }
        if number < 1.0 || number.fract() != 0.0 {
            return Err(wrong());
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at least 1; saturates")]
        let number = number as u64;
        smallest = Some(smallest.map_or(number, |other: u64| other.min(number)));
    }
    Ok(smallest)
}

#[derive(Clone, Copy)]
enum Type {
    Array,
    Number,
    Object,
}

impl Type {
    fn check(self, field: &'static str, value: &str) -> Result<(), Invalid> {
        let first = value.bytes().next().unwrap_or_default();
        let (fits, name) = match self {
            Self::Array => (first == b'[', "an array"),
            Self::Number => (first == b'-' || first.is_ascii_digit(), "a number"),
            Self::Object => (first == b'{', "an object"),
        };
        if fits { Ok(()) } else { Err(invalid(field, format!("`{field}` must be {name}."))) }
    }
}

#[cfg(test)]
mod tests;

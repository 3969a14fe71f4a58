//! A plain answer, checked: whole JSON with an answer in it.

use bytes::Bytes;

use crate::error::ProviderError;
use crate::json;
use crate::repair::{self, Mending, Repairs};
use crate::scan::{Member, Scanner};
use crate::splice::{Edit, Spliced};
use crate::usage::Usage;

/// A plain answer that is one.
#[derive(Clone, Debug)]
pub struct Completion {
    /// For the client: its own name of the model, all else untouched.
    pub body: Bytes,
    /// What the provider reported.
    pub usage: Option<Usage>,
    /// About how many tokens the answer has.
    pub counted: u64,
    /// What was repaired.
    pub repaired: Repairs,
}

/// Why a 200 is no answer.
#[derive(Clone, Debug, PartialEq)]
pub enum NoCompletion {
    /// It reports an error.
    Error(ProviderError),
    /// It is something else; what, in a few words.
    Other(&'static str),
}

impl Completion {
    /// Checks a body and maps the model's name to `model`.
    ///
    /// # Errors
    ///
    /// [`NoCompletion`] says what it is instead.
    pub fn parse(body: &Bytes, model: &str) -> Result<Self, NoCompletion> {
        if body.trim_ascii().is_empty() {
            return Err(NoCompletion::Other("an empty body"));
        }
        let text =
            simdutf8::basic::from_utf8(body).map_err(|_| NoCompletion::Other("a body that is not UTF-8"))?;
        let fields = Fields::read(text).ok_or(NoCompletion::Other("a body that is no whole JSON object"))?;
        if !fields.answers || json::says_something(fields.get("error").unwrap_or("null")) {
            return Err(ProviderError::parse(body)
                .map_or(NoCompletion::Other("a JSON object without an answer"), NoCompletion::Error));
        }
        let usage = fields.get("usage").and_then(Usage::parse);
        let counted = fields.get("choices").map_or(0, |choices| choices.len() as u64 / 4).max(1);
        Ok(Self { body: fields.mapped(body, model), usage, counted, repaired: Repairs::NONE })
    }

    /// The same with its calls repaired.
    #[must_use]
    pub fn mended(mut self, mending: &Mending<'_>) -> Self {
        if let Some((body, repaired)) = repair::mend(&self.body, mending) {
            (self.body, self.repaired) = (body, repaired);
        }
        self
    }
}

/// The top-level fields of an answer.
struct Fields<'a> {
    text: &'a str,
    members: Vec<Member>,
    /// There are choices, and each has a message.
    answers: bool,
}

impl<'a> Fields<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let mut choices = Vec::new();
        let members = Scanner::new(text.as_bytes(), json::MAX_DEPTH)
            .document(|member, _, element| choices.push((member, element)))
            .ok()
            .filter(|members| members.len() <= json::MAX_FIELDS)?;
        let mut fields = Self { text, members, answers: false };
        let of = fields.position("choices");
        choices.retain(|(member, _)| Some(*member) == of);
        fields.answers = !choices.is_empty()
            && choices.into_iter().all(|(_, element)| is_answer(&text[element]).unwrap_or(false));
        Some(fields)
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.members.iter().position(|member| json::says(&self.text[member.key.clone()], name))
    }

    /// The value of a key as it is written; `null` counts as absent.
    fn get(&self, name: &str) -> Option<&'a str> {
        let member = self.members.get(self.position(name)?)?;
        Some(&self.text[member.value.clone()]).filter(|value| *value != "null")
    }

    fn mapped(&self, body: &Bytes, model: &str) -> Bytes {
        match self.get("model") {
            Some(value) if value.starts_with('"') => {
                let edit = Edit { span: json::span(self.text, value), with: json::quote(model).into() };
                Spliced::new(body, &[edit]).to_bytes()
            }
            _ => body.clone(),
        }
    }
}

/// Whether a choice has a message, and did not end with an error.
fn is_answer(choice: &str) -> Option<bool> {
    let (mut message, mut failed) = (None, false);
    Scanner::new(choice.as_bytes(), json::MAX_DEPTH)
        .whole(|scanner, key| {
            let key = json::unquoted(&choice[key]);
            let is_object = scanner.is_at(b'{');
            let value = scanner.value()?;
            match key.as_deref() {
                Some("message") => message = message.or(Some(is_object)),
                Some("finish_reason") => failed |= &choice[value] == "\"error\"",
                _ => {}
            }
            Ok(())
        })
        .ok()?;
    Some(message? && !failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &'static str) -> Result<Completion, NoCompletion> {
        Completion::parse(&Bytes::from_static(body.as_bytes()), "mine")
    }

    #[test]
    fn an_answer_keeps_every_byte_but_the_models_name() {
        let answer = parse("\n \n{\"model\": \"up\", \"choices\":[{\"message\":{\"content\":\"\\u00e9 1.0E0\"}}] ,\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}} ").unwrap();
        assert_eq!(
            answer.body,
            "\n \n{\"model\": \"mine\", \"choices\":[{\"message\":{\"content\":\"\\u00e9 1.0E0\"}}] ,\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}} "
        );
        assert_eq!(answer.usage.unwrap().total(), 3);
    }

    #[test]
    fn what_is_no_answer_is_told() {
        for (body, what) in [
            ("", "an empty body"),
            ("  ", "an empty body"),
            ("<html>", "a body that is no whole JSON object"),
            ("{\"choices\":[{\"message\":{\"content\":\"a", "a body that is no whole JSON object"),
            ("{\"object\":\"list\",\"data\":[]}", "a JSON object without an answer"),
            ("{\"choices\":[]}", "a JSON object without an answer"),
            ("{\"choices\":[{\"message\":null}]}", "a JSON object without an answer"),
        ] {
            assert_eq!(parse(body).unwrap_err(), NoCompletion::Other(what), "{body}");
        }
        assert_eq!(
            parse(r#"{"error":{"message":"boom"}}"#).unwrap_err(),
            NoCompletion::Error(ProviderError::new("boom"))
        );
        assert_eq!(
            parse(r#"{"error":"boom","choices":[]}"#).unwrap_err(),
            NoCompletion::Error(ProviderError::new("boom"))
        );
    }
}

//! A plain answer, checked: whole JSON with an answer in it.

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::error::ProviderError;
use crate::json::{self, Fields};
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
        let text = std::str::from_utf8(body).map_err(|_| NoCompletion::Other("a body that is not UTF-8"))?;
        let fields =
            Fields::parse(text).map_err(|_| NoCompletion::Other("a body that is no whole JSON object"))?;
        let choices = fields.get("choices").and_then(choices);
        match (fields.get("error").filter(|error| json::says_something(error)), choices) {
            (None, Some(counted)) => {
                let usage = fields.get("usage").and_then(|usage| Usage::parse(usage.get()));
                Ok(Self { body: mapped(body, text, &fields, model), usage, counted })
            }
            _ => Err(ProviderError::parse(body)
                .map_or(NoCompletion::Other("a JSON object without an answer"), NoCompletion::Error)),
        }
    }
}

/// About how many tokens the choices have; `None` if there is no answer in them.
fn choices(value: &RawValue) -> Option<u64> {
    let choices: Vec<&RawValue> = serde_json::from_str(value.get()).ok()?;
    let answers = choices.iter().all(|choice| {
        Fields::parse(choice.get()).is_ok_and(|choice| {
            choice.get("message").is_some_and(|message| message.get().starts_with('{'))
                && choice.get("finish_reason").is_none_or(|reason| reason.get() != "\"error\"")
        })
    });
    (answers && !choices.is_empty()).then(|| (value.get().len() as u64 / 4).max(1))
}

fn mapped(body: &Bytes, text: &str, fields: &Fields<'_>, model: &str) -> Bytes {
    match fields.get("model") {
        Some(value) if value.get().starts_with('"') => {
            let edit = Edit { span: json::span(text, value.get()), with: json::quote(model).into() };
            Spliced::new(body, &[edit]).to_bytes()
        }
        _ => body.clone(),
    }
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

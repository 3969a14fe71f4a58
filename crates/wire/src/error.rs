//! The errors of providers, read; our own, written.

use serde_json::{Value, json};

use crate::redact::Redactor;

/// What a provider says went wrong, from whatever shape it says it in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProviderError {
    /// In its words.
    pub message: String,
    /// Its `type`.
    pub kind: Option<String>,
    /// Its `param`.
    pub param: Option<String>,
    /// Its `code`, numbers as digits.
    pub code: Option<String>,
    /// What it quotes of its limits, names in lower case: `OpenRouter`'s `metadata.headers`, the
    /// `quota_reset_timestamp` of Chutes, and the `n_ctx` of llama.cpp.
    pub quoted: Vec<(String, String)>,
}

/// The most headers that an honest body quotes.
const MAX_QUOTED: usize = 16;

impl ProviderError {
    /// An error of which only the message is known.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::default() }
    }

    /// Reads an error body: nested `{"error":{…}}` or `{"error":"…"}` (OpenAI and most), flat
    /// `{"message":…}` (Cerebras), `{"detail":…}` (`FastAPI`: Chutes). `None`: it is none of these.
    #[must_use]
    pub fn parse(body: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(body).ok()?;
        let value = value.as_array().and_then(|list| list.first()).unwrap_or(&value);
        let inner =
            ["error", "detail"].iter().find_map(|key| value.get(key).filter(|inner| !inner.is_null()));
        match inner.unwrap_or(value) {
            Value::String(message) => Some(Self::new(message)),
            Value::Object(_) if inner.is_some() => Some(Self::read(inner?)),
            Value::Array(list) if inner.is_some() => Some(Self::new(Value::from(list.clone()).to_string())),
            Value::Object(flat) if flat.contains_key("message") => Some(Self::read(value)),
            _ => None,
        }
    }

    /// The same with keys taken out of every field.
    #[must_use]
    pub fn redacted(&self, redactor: &Redactor) -> Self {
        let clean = |text: &String| redactor.redact(text).into_owned();
        let Self { message, kind, param, code, quoted } = self;
        Self {
            message: clean(message),
            kind: kind.as_ref().map(clean),
            param: param.as_ref().map(clean),
            code: code.as_ref().map(clean),
            quoted: quoted.iter().map(|(name, value)| (clean(name), clean(value))).collect(),
        }
    }

    /// For the client, of this `type` where the provider named none.
    #[must_use]
    pub fn to_api(&self, kind: &str) -> ApiError {
        let Self { message, param, code, .. } = self.clone();
        ApiError { message, kind: self.kind.clone().unwrap_or_else(|| kind.to_owned()), param, code }
    }

    fn read(object: &Value) -> Self {
        let text = |key: &str| object.get(key).and_then(as_text);
        let message = text("message").unwrap_or_else(|| object.to_string());
        let headers = object.get("metadata").and_then(|metadata| metadata.get("headers"));
        let headers = headers.and_then(Value::as_object).into_iter().flatten();
        let own = |name: &str| object.as_object().and_then(|object| object.get_key_value(name));
        let own = ["quota_reset_timestamp", "n_ctx"].into_iter().filter_map(own);
        let quoted = own.chain(headers).take(MAX_QUOTED);
        let quoted = quoted.filter_map(|(name, value)| Some((name.to_ascii_lowercase(), as_text(value)?)));
        let quoted = quoted.collect();
        Self { message, kind: text("type"), param: text("param"), code: text("code"), quoted }
    }
}

/// A string that is not empty, or a number.
fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// An error of ours, in the shape every client of the chat API reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// What is wrong and what to do about it.
    pub message: String,
    /// OpenAI's `type`, such as `invalid_request_error`.
    pub kind: String,
    /// The field in question.
    pub param: Option<String>,
    /// OpenAI's `code`, such as `rate_limit_exceeded`.
    pub code: Option<String>,
}

impl ApiError {
    /// `{"error":{"message":…,"type":…,"param":…,"code":…}}`
    #[must_use]
    pub fn to_json(&self) -> String {
        json!({"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}})
            .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_is_read() {
        let flat = ProviderError::parse(br#"{"message":"Wrong API Key","type":"invalid_request_error","param":"api_key","code":"wrong_api_key"}"#).unwrap();
        assert_eq!((flat.message.as_str(), flat.code.as_deref()), ("Wrong API Key", Some("wrong_api_key")));
        let nested = ProviderError::parse(br#"{"error":{"message":"m","code":429},"user_id":"u"}"#).unwrap();
        assert_eq!((nested.message.as_str(), nested.code.as_deref()), ("m", Some("429")));
        for (body, message) in [
            (r#"{"detail":"at maximum capacity"}"#, "at maximum capacity"),
            (
                r#"{"detail":{"message":"Quota exceeded","quota_reset_timestamp":"2026-01-01"}}"#,
                "Quota exceeded",
            ),
            (r#"{"detail":[{"loc":["body"]}]}"#, r#"[{"loc":["body"]}]"#),
            (r#"{"error":"Unhandled exception"}"#, "Unhandled exception"),
            (r#"[{"error":{"message":"listed"}}]"#, "listed"),
            (r#"{"object":"error","message":"engine"}"#, "engine"),
        ] {
            assert_eq!(ProviderError::parse(body.as_bytes()).unwrap().message, message);
        }
        for body in ["", "<html>", "{}", "7", r#"{"error":null}"#, r#"{"choices":[]}"#] {
            assert_eq!(ProviderError::parse(body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn ours_is_nested() {
        let error =
            ApiError { message: "a \"b\"".into(), kind: "t".into(), param: None, code: Some("c".into()) };
        assert_eq!(error.to_json(), r#"{"error":{"code":"c","message":"a \"b\"","param":null,"type":"t"}}"#);
    }
}

//! Scripted replies, for demos and tests that need an agent to do something definite.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::count::text_of;
use crate::request::Chat;

/// One scripted turn of the assistant: `{"text": "…"}` or `{"calls": [{"name": "…", "arguments": {…}}]}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// It says this.
    Text(String),
    /// It calls these tools: name and arguments of each.
    #[serde(with = "calls")]
    Calls(Vec<(String, Value)>),
}

/// The reply a request is due: the first after a user message, the next after each round of tool results.
///
/// It depends on the request alone, so a retried or repeated request gets the same one. After the last
/// reply, the last is repeated. A request without tools is not part of the scripted work.
pub(crate) fn due<'a>(script: &'a [Reply], chat: &Chat) -> Option<&'a Reply> {
    if chat.tools.is_empty() {
        return None;
    }
    let since_user = chat.last_user().map_or(chat.messages, |at| &chat.messages[at..]);
    let is_result = |message: &Value| message["role"] == "tool" || message["role"] == "function";
    // Calls made in parallel are answered by as many messages in a row: one round.
    let rounds = since_user.windows(2).filter(|pair| !is_result(&pair[0]) && is_result(&pair[1])).count();
    script.get(rounds).or(script.last())
}

/// The text of the last user message.
pub(crate) fn last_asked(chat: &Chat) -> String {
    chat.last_user().map(|at| text_of(&chat.messages[at])).unwrap_or_default()
}

mod calls {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_json::Value;

    #[derive(Serialize, Deserialize)]
    struct Call<'a> {
        name: std::borrow::Cow<'a, str>,
        #[serde(default)]
        arguments: std::borrow::Cow<'a, Value>,
    }

    pub(super) fn serialize<S: Serializer>(
        calls: &[(String, Value)],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        use std::borrow::Cow::Borrowed;
        let calls = calls.iter().map(|(name, args)| Call { name: Borrowed(name), arguments: Borrowed(args) });
        calls.collect::<Vec<_>>().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<(String, Value)>, D::Error> {
        let calls = Vec::<Call>::deserialize(from)?;
        Ok(calls.into_iter().map(|c| (c.name.into_owned(), c.arguments.into_owned())).collect())
    }
}

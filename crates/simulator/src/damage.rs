//! What is done to an answer's tool calls before any vendor writes them.

use serde_json::Value;

use crate::answer::Answer;
use crate::profile::Damage;
use crate::spaced;

/// The answer with all damage that does not depend on how it is written.
pub(crate) fn apply(mut answer: Answer, damage: &[Damage]) -> Answer {
    for kind in damage {
        match kind {
            Damage::DoubleEncoded => {
                for call in &mut answer.calls {
                    call.arguments = Value::from(call.arguments.as_str()).to_string();
                }
            }
            Damage::StringifiedValues => {
                for call in &mut answer.calls {
                    call.arguments = stringified(&call.arguments);
                }
            }
            Damage::BrokenArguments => {
                if let Some(call) = answer.calls.last_mut() {
                    let half = call.arguments.floor_char_boundary(call.arguments.len() / 2);
                    call.arguments.truncate(half);
                }
            }
            Damage::XmlLeak => answer = leaked(answer, "<tool_call>\n"),
            Damage::XmlLeakUnopened => answer = leaked(answer, ""),
            Damage::IndexZero if answer.finish == "tool_calls" => answer.finish = "stop",
            _ => {}
        }
    }
    answer
}

fn stringified(arguments: &str) -> String {
    let Ok(Value::Object(mut fields)) = serde_json::from_str(arguments) else {
        return arguments.to_owned();
    };
    for value in fields.values_mut().filter(|value| value.is_object() || value.is_array()) {
        *value = spaced::to_string(value).into();
    }
    spaced::to_string(&fields.into())
}

/// Calls as the model itself writes them, in the text where the engine should have found them.
fn leaked(mut answer: Answer, open: &str) -> Answer {
    if answer.calls.is_empty() {
        return answer;
    }
    for call in std::mem::take(&mut answer.calls) {
        let arguments: Value = serde_json::from_str(&call.arguments).unwrap_or_default();
        answer.text += if answer.text.is_empty() { "" } else { "\n\n" };
        answer.text.extend([open, "<function=", &call.name, ">\n"]);
        for (name, value) in arguments.as_object().into_iter().flatten() {
            let text = value.as_str().map_or_else(|| spaced::to_string(value), str::to_owned);
            answer.text.extend(["<parameter=", name, ">\n", &text, "\n</parameter>\n"]);
        }
        answer.text += "</function>\n</tool_call>";
    }
    answer.finish = "stop";
    answer
}

//! What happens to tool calls.

use serde_json::{Value, json};
use simulator::{Damage, Profile, Reply, Simulator, Vendor};

use crate::harness::{Exchange, ask, question, tool, with};

/// Two calls of `edit` at a vendor with nothing but this damage, streamed and plain.
async fn calls(vendor: Vendor, damage: &[Damage]) -> (Vec<Value>, Value) {
    let profile = Profile { damage: damage.to_vec(), ..Profile::of(vendor) };
    let simulator = Simulator::start(profile).await.unwrap();
    let arguments = json!({"path": "src/main.rs", "lines": [1, 2], "text": "some words of text"});
    let call = ("edit".to_owned(), arguments);
    simulator.script(vec![Reply::Calls(vec![call.clone(), call])]);
    let body = with(question(vendor, "Edit"), json!({"tools": [tool("edit")]}));
    let plain = ask(&simulator, &body).await.json()["choices"][0].clone();
    let streamed: Exchange = ask(&simulator, &with(body, json!({"stream": true}))).await;
    (streamed.chunks().into_iter().map(|chunk| chunk["choices"][0].clone()).collect(), plain)
}

/// Every fragment of a call, in order.
fn fragments(streamed: &[Value]) -> Vec<Value> {
    let lists = streamed.iter().filter_map(|choice| choice["delta"]["tool_calls"].as_array());
    lists.flatten().cloned().collect()
}

fn arguments(plain: &Value) -> Value {
    let text = plain["message"]["tool_calls"][0]["function"]["arguments"].as_str().unwrap();
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
async fn fragments_may_say_null_for_what_they_leave_out() {
    for vendor in [Vendor::Cerebras, Vendor::Chutes, Vendor::OpenAi] {
        let (whole, _) = calls(vendor, &[]).await;
        assert_eq!(fragments(&whole).len(), 2, "{vendor:?}");
        let (streamed, plain) = calls(vendor, &[Damage::Fragmented]).await;
        let later = fragments(&streamed)[1].clone();
        assert!(later.get("id").is_none() && later["function"].get("name").is_none(), "{later}");
        let joined: String = fragments(&streamed)
            .iter()
            .filter(|call| call["index"] == 1)
            .filter_map(|call| call["function"]["arguments"].as_str())
            .collect();
        assert_eq!(serde_json::from_str::<Value>(&joined).unwrap(), arguments(&plain));
        let (streamed, _) = calls(vendor, &[Damage::Fragmented, Damage::NullFilled]).await;
        let later = fragments(&streamed)[1].clone();
        assert_eq!(
            (later.get("id"), later["function"].get("name")),
            (Some(&Value::Null), Some(&Value::Null))
        );
    }
}

#[tokio::test]
async fn buffered_arguments_come_in_one_piece_after_the_name() {
    let (streamed, _) = calls(Vendor::Chutes, &[Damage::Buffered]).await;
    let all = fragments(&streamed);
    let lengths: Vec<_> =
        all.iter().map(|call| call["function"]["arguments"].as_str().unwrap().len()).collect();
    assert_eq!(lengths.len(), 4);
    assert!(lengths[0] == 0 && lengths[1] > 30 && lengths[2] == 0 && lengths[3] > 30, "{lengths:?}");
}

#[tokio::test]
async fn indices_can_all_be_zero_and_ids_missing() {
    let (streamed, plain) = calls(Vendor::OpenAi, &[Damage::IndexZero]).await;
    let indices: Vec<_> = fragments(&streamed).iter().map(|call| call["index"].clone()).collect();
    assert_eq!(indices, [0, 0]);
    assert_eq!(plain["finish_reason"], "stop");
    let (streamed, plain) = calls(Vendor::OpenAi, &[Damage::MissingIds]).await;
    assert!(fragments(&streamed).iter().all(|call| call.get("id").is_none()));
    assert!(plain["message"]["tool_calls"][0].get("id").is_none());
}

#[tokio::test]
async fn arguments_can_be_encoded_once_too_often() {
    let (_, plain) = calls(Vendor::Cerebras, &[Damage::DoubleEncoded]).await;
    let inner = arguments(&plain).as_str().unwrap().to_owned();
    assert_eq!(serde_json::from_str::<Value>(&inner).unwrap()["lines"], json!([1, 2]));
    let (_, plain) = calls(Vendor::Cerebras, &[Damage::StringifiedValues]).await;
    assert_eq!(arguments(&plain)["lines"], "[1, 2]");
    assert_eq!(arguments(&plain)["path"], "src/main.rs");
}

#[tokio::test]
async fn arguments_can_lack_their_end_in_an_answer_that_is_over() {
    let (streamed, plain) = calls(Vendor::Cerebras, &[Damage::BrokenArguments]).await;
    let calls = plain["message"]["tool_calls"].as_array().unwrap();
    let whole = |call: &Value| {
        let text = call["function"]["arguments"].as_str().unwrap();
        serde_json::from_str::<Value>(text).is_ok()
    };
    assert_eq!(calls.iter().map(whole).collect::<Vec<_>>(), [true, false]);
    assert_eq!(fragments(&streamed).iter().map(whole).collect::<Vec<_>>(), [true, false]);
    assert_eq!(plain["finish_reason"], "tool_calls");
}

#[tokio::test]
async fn a_stream_can_be_cut_after_any_event() {
    for events in 0..4 {
        let profile = Profile { cut_after: Some(events), ..Profile::chutes() };
        let simulator = Simulator::start(profile).await.unwrap();
        let body = with(question(Vendor::Chutes, "Edit"), json!({"tools": [tool("edit")], "stream": true}));
        let seen = ask(&simulator, &body).await;
        assert_eq!((seen.chunks().len(), seen.end), (events, crate::harness::End::Reset));
    }
}

#[tokio::test]
async fn calls_can_leak_into_the_text_with_and_without_their_opening() {
    for (damage, open) in [(Damage::XmlLeak, true), (Damage::XmlLeakUnopened, false)] {
        let (streamed, plain) = calls(Vendor::Chutes, &[damage]).await;
        assert!(fragments(&streamed).is_empty() && plain["message"]["tool_calls"].is_null());
        let text = plain["message"]["content"].as_str().unwrap();
        assert_eq!(text.contains("<tool_call>"), open, "{text}");
        assert!(text.contains("<parameter=path>\nsrc/main.rs\n</parameter>\n"), "{text}");
        assert!(text.ends_with("</function>\n</tool_call>"), "{text}");
        assert_eq!(plain["finish_reason"], "stop");
    }
}

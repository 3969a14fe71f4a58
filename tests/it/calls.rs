//! Tool calls are whole or not there: what fails amid a call is fetched elsewhere before the client has seen any of it,
//! and known damage is repaired.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::{Value, json};
use simulator::{Damage, Fault, Limits, Profile, Reply as Scripted, Times, Vendor};

use crate::client::Reply;
use crate::harness::House;

/// What is asked for, as the simulated model answers it: name and arguments of each call.
fn wanted() -> Vec<(String, Value)> {
    let edits = json!([{"line": 3, "text": "let a = \"<b>\";\n"}, {"line": 9, "text": "é"}]);
    vec![
        ("read".into(), json!({"path": "src/main.rs"})),
        ("edit".into(), json!({"path": "src/lib.rs", "edits": edits, "save": true, "limit": 12})),
    ]
}

fn question(stream: bool) -> Value {
    let text = json!({"type": "string"});
    let tool = |name: &str, properties: Value| json!({"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": properties}}});
    json!({
        "model": "qwen-3-coder",
        "stream": stream,
        "messages": [{"role": "user", "content": "Edit it."}],
        "tools": [
            tool("read", json!({"path": text})),
            tool("edit", json!({
                "path": text, "edits": {"type": "array"}, "save": {"type": "boolean"}, "limit": {"type": "integer"},
            })),
        ],
    })
}

/// A house whose providers both want to make these calls, Cerebras in this state.
async fn house(cerebras: Profile, said: &[Scripted]) -> House {
    let cerebras = Profile { limits: Limits::NONE, ..cerebras };
    let house = House::with(cerebras, Profile::chutes(), &[("STREAM_IDLE_TIMEOUT", "1500")]).await;
    house.cerebras.script(said.to_vec());
    house.chutes.script(said.to_vec());
    house
}

fn calling() -> [Scripted; 1] {
    [Scripted::Calls(wanted())]
}

/// The calls as a client puts them together: name and arguments of each.
fn calls(reply: &Reply) -> Vec<(String, Value)> {
    let chunks: Vec<Value> = if reply.is_stream() {
        reply.events().iter().filter_map(|event| serde_json::from_str(event).ok()).collect()
    } else {
        vec![reply.json()]
    };
    let mut calls: Vec<(String, String)> = Vec::new();
    for choice in chunks.iter().filter_map(|chunk| chunk["choices"].get(0)) {
        let said = if choice["delta"].is_object() { &choice["delta"] } else { &choice["message"] };
        for (place, call) in said["tool_calls"].as_array().into_iter().flatten().enumerate() {
            let index = call["index"].as_u64().map_or(place, |index| usize::try_from(index).expect("small"));
            while calls.len() <= index {
                calls.push(Default::default());
            }
            calls[index].0 += call["function"]["name"].as_str().unwrap_or_default();
            calls[index].1 += call["function"]["arguments"].as_str().unwrap_or_default();
        }
    }
    let parsed = |(name, text): (String, String)| (name, serde_json::from_str(&text).unwrap_or(Value::Null));
    calls.into_iter().map(parsed).collect()
}

fn finish(reply: &Reply) -> Option<String> {
    let mut reasons = reply.events().into_iter().filter_map(|event| {
        let event: Value = serde_json::from_str(&event).ok()?;
        event["choices"][0]["finish_reason"].as_str().map(str::to_owned)
    });
    reasons.next_back()
}

/// Cerebras streams its calls in fragments here: more places to break at.
fn fragmented(cut_after: Option<usize>, damage: &[Damage]) -> Profile {
    let damage = [&[Damage::Fragmented], damage].concat();
    Profile { cut_after, damage, ..Profile::cerebras() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_at_any_event_of_a_streamed_call_is_not_noticed() {
    let whole = house(fragmented(None, &[]), &calling()).await.send(&question(true)).await;
    assert_eq!((whole.provider().as_str(), calls(&whole)), ("cerebras", wanted()), "{}", whole.describe());
    let events = whole.events().len();
    assert!(events > 40, "{}", whole.describe());
    let turns = futures_util::stream::iter(0..events).map(|event| async move {
        let house = house(fragmented(Some(event), &[]), &calling()).await;
        let reply = house.send(&question(true)).await;
        assert!(reply.whole && reply.status == 200, "cut after {event}: {}", reply.describe());
        assert_eq!(calls(&reply), wanted(), "cut after {event}: {}", reply.describe());
        assert_eq!(finish(&reply).as_deref(), Some("tool_calls"), "cut after {event}");
        reply.provider() == "chutes"
    });
    let elsewhere: usize =
        turns.buffer_unordered(16).map(usize::from).fold(0, |a, b| async move { a + b }).await;
    println!("cut after each of {events} events: all whole and right, {elsewhere} from the other provider");
    // The finish reason is the last that matters: what comes behind it is only usage and the end marker.
    assert!((events - 2..=events).contains(&elsewhere), "{elsewhere} of {events} were answered elsewhere");
}

#[tokio::test]
async fn arguments_that_are_no_json_are_fetched_elsewhere_while_there_is_somebody() {
    for stream in [true, false] {
        let house = house(fragmented(None, &[Damage::BrokenArguments]), &calling()).await;
        let reply = house.send(&question(stream)).await;
        assert_eq!((reply.provider().as_str(), calls(&reply)), ("chutes", wanted()), "{}", reply.describe());
        // Where nobody is left, the client gets what there is.
        house.chutes.inject(Fault::PaymentRequired, Times::Always);
        house.send(&question(stream)).await.error(429);
        let reply = house.send(&question(stream)).await;
        let broken = (wanted()[1].0.clone(), Value::Null);
        assert!(reply.whole && reply.status == 200, "{}", reply.describe());
        assert_eq!(
            (reply.provider().as_str(), &calls(&reply)[1]),
            ("cerebras", &broken),
            "{}",
            reply.describe()
        );
    }
}

#[tokio::test]
async fn a_call_that_stalls_is_fetched_elsewhere_and_a_slow_one_outlives_the_first_deadline() {
    let stage = crate::scripted::Scripted::start().await;
    let house = house(fragmented(None, &[]), &calling()).await;
    let (scripted, chutes) = (stage.base_url(), house.chutes.base_url());
    let vars = [
        ("CEREBRAS_API_KEY", crate::harness::CEREBRAS_KEY),
        ("CHUTES_API_KEY", crate::harness::CHUTES_KEY),
        ("CEREBRAS_BASE_URL", scripted.as_str()),
        ("CHUTES_BASE_URL", chutes.as_str()),
        ("REQUEST_TIMEOUT", "60000"),
        ("STREAM_IDLE_TIMEOUT", "300"),
    ];
    let proxy = crate::harness::Running::start(&vars).await;
    let half = r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"read","arguments":"{\"pa"}}]}}]}"#;
    let event = format!("data: {half}\n\n");
    let head = "200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked";
    stage.answer_raw(head, &format!("{:x}\r\n{event}\r\n", event.len()));
    let reply = proxy.chat(question(true).to_string().as_bytes()).await;
    assert_eq!((reply.provider().as_str(), calls(&reply)), ("chutes", wanted()), "{}", reply.describe());

    // Each event comes in time, all of them together do not.
    let slow = Profile { token_delay: Duration::from_millis(30), ..fragmented(None, &[]) };
    let slow = Profile { limits: Limits::NONE, ..slow };
    let vars = [("REQUEST_TIMEOUT", "700"), ("STREAM_IDLE_TIMEOUT", "700")];
    let house = House::with(slow, Profile::chutes(), &vars).await;
    house.cerebras.script(calling().to_vec());
    let reply = house.send(&question(true)).await;
    assert_eq!((reply.provider().as_str(), calls(&reply)), ("cerebras", wanted()), "{}", reply.describe());
}

#[tokio::test]
async fn a_cut_in_a_call_behind_text_is_visible() {
    for fault in [Fault::CutRst, Fault::CutClean, Fault::Stall, Fault::ErrorMidStream] {
        let house = house(fragmented(None, &[]), &calling()).await;
        house.cerebras.inject(fault, Times::Always);
        let reply = house.send(&question(true)).await;
        assert_eq!((reply.status, reply.whole), (200, false), "{fault}: {}", reply.describe());
        assert!(
            finish(&reply).is_none() && !reply.text().contains("[DONE]"),
            "{fault}: {}",
            reply.describe()
        );
    }
}

/// A provider with this damage and all repairs, and nobody behind it: events pass as they come.
async fn alone(damage: &[Damage], repairs: &str) -> (simulator::Simulator, crate::harness::Running) {
    let damage = [&[Damage::Fragmented], damage].concat();
    let profile = Profile { damage, done_marker: false, ..Profile::of(Vendor::OpenAi) };
    let model = profile.models[0].clone();
    let simulator =
        simulator::Simulator::start(Profile { limits: Limits::NONE, ..profile }).await.expect("a port");
    simulator.script(calling().to_vec());
    let file = format!(
        "{repairs}\n[providers.mine]\nbase_url = \"{}\"\nmodels = [\"{model}\"]\n[models.qwen-3-coder]\nroutes = [\"mine\"]\n",
        simulator.base_url()
    );
    let proxy = crate::harness::Running::start_with(&file, &[]).await;
    (simulator, proxy)
}

#[tokio::test]
async fn known_damage_is_repaired_on_the_way() {
    for damage in [
        &[][..],
        &[Damage::XmlLeak],
        &[Damage::XmlLeakUnopened],
        &[Damage::DoubleEncoded],
        &[Damage::StringifiedValues],
        &[Damage::IndexZero],
        &[Damage::MissingIds],
        &[Damage::IndexZero, Damage::StringifiedValues],
    ] {
        for stream in [true, false] {
            let (_simulator, proxy) = alone(damage, "").await;
            let reply = proxy.chat(question(stream).to_string().as_bytes()).await;
            assert!(reply.whole && reply.status == 200, "{damage:?}: {}", reply.describe());
            assert_eq!(calls(&reply), wanted(), "{damage:?}: {}", reply.describe());
            assert!(!reply.text().contains("<function="), "{damage:?}: {}", reply.describe());
            assert!(reply.text().matches("\"call_").count() >= 2, "{damage:?}: {}", reply.describe());
            if stream {
                assert_eq!(finish(&reply).as_deref(), Some("tool_calls"), "{damage:?}: {}", reply.describe());
                assert!(reply.text().ends_with("data: [DONE]\n\n"), "{damage:?}: {}", reply.describe());
            }
        }
    }
}

#[tokio::test]
async fn what_the_user_switches_off_is_not_repaired() {
    let off = "presets.openai-compatible.repairs = [\"done_marker\"]\n";
    let (_simulator, proxy) = alone(&[Damage::XmlLeak], off).await;
    let reply = proxy.chat(question(true).to_string().as_bytes()).await;
    assert!(calls(&reply).is_empty() && reply.answer().0.contains("<function=read>"), "{}", reply.describe());
    assert_eq!(finish(&reply).as_deref(), Some("stop"));
    assert!(reply.text().ends_with("data: [DONE]\n\n"), "{}", reply.describe());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_in_text_or_in_a_call_behind_text_is_always_visible() {
    let text = [Scripted::Text("Nothing needs to be edited there, as far as I can see.".into())];
    let whole = house(fragmented(None, &[]), &text).await.send(&question(true)).await;
    let events = whole.events().len();
    let turns = futures_util::stream::iter(0..events).map(|event| {
        let text = &text;
        async move {
            let house = house(fragmented(Some(event), &[]), text).await;
            let reply = house.send(&question(true)).await;
            let elsewhere = reply.provider() == "chutes";
            let ends_well = reply.whole && finish(&reply).is_some();
            assert!(ends_well || !reply.whole, "cut after {event}: {}", reply.describe());
            (usize::from(elsewhere), usize::from(!reply.whole))
        }
    });
    let add = |a: (usize, usize), b: (usize, usize)| async move { (a.0 + b.0, a.1 + b.1) };
    let (elsewhere, broken) = turns.buffer_unordered(16).fold((0, 0), add).await;
    // Nothing, or only the role, had come.
    assert_eq!(elsewhere, 2);
    assert!((events - 5..events - 2).contains(&broken), "{broken} of {events} were visibly broken");
}

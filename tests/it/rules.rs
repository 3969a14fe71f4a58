//! What a provider does not take of a request is left out or made whole within the same request, remembered, and
//! nothing else ever is.

use qwen_3_coder_proxy::api::App;
use qwen_3_coder_proxy::config::{Config, Overrides};
use serde_json::{Value, json};
use simulator::{Fault, Limits, Profile, Simulator, Times};

use crate::harness::{CEREBRAS_KEY, House, Running, question};

/// Cerebras without anything that is known of what it takes.
const UNKNOWN: &str = "[presets.cerebras]\nrejects = []\nrenames = []\namends = []\n";

/// Both providers, and a proxy that knows nothing of what they take; Cerebras has two accounts.
struct Stage {
    cerebras: Simulator,
    chutes: Simulator,
    proxy: Running,
    file: String,
}

/// What the file's keys stand for.
const KEYS: [(&str, &str); 2] = [("KEY", CEREBRAS_KEY), ("KEY_2", "csk-two")];

impl Stage {
    async fn new(rejects: &[&str]) -> Self {
        let rejected_fields = rejects.iter().map(|field| (*field).to_owned()).collect();
        Self::with(Profile { rejected_fields, ..Profile::cerebras() }).await
    }

    async fn with(cerebras: Profile) -> Self {
        let cerebras = Simulator::start(Profile { limits: Limits::NONE, ..cerebras }).await.expect("a port");
        let chutes = Simulator::start(Profile::chutes()).await.expect("a port");
        let file = format!(
            "{UNKNOWN}[presets.chutes]\namends = []\n\
             [providers.cerebras]\nbase_url = \"{}\"\nkey = [{{ env = \"KEY\" }}, {{ env = \"KEY_2\" }}]\n\
             limits = {{ requests_per_minute = 100000, tokens_per_minute = 1000000000, tokens_per_day = 1000000000 }}\n\
             [providers.chutes]\nbase_url = \"{}\"\nkey = {{ env = \"KEY\" }}\n\
             [models.qwen-3-coder]\nroutes = [\"cerebras\", \"chutes\"]\n",
            cerebras.base_url(),
            chutes.base_url(),
        );
        Self { proxy: Running::start_with(&file, &KEYS).await, cerebras, chutes, file }
    }

    /// Who answered, and how many were asked.
    async fn send(&self, body: &Value) -> (String, String) {
        let reply = self.proxy.chat(body.to_string().as_bytes()).await.good();
        (reply.provider(), reply.header("x-proxy-attempts").unwrap_or_default())
    }

    /// What Cerebras was sent last, as if by the client.
    fn sent(&self) -> Value {
        let seen = self.cerebras.requests();
        let mut sent: Value = serde_json::from_slice(&seen.last().expect("a request").body).expect("JSON");
        sent["model"] = json!("qwen-3-coder");
        sent
    }

    /// The rules of both accounts, which are the same ones.
    fn learned(&self) -> Vec<String> {
        let targets = self.proxy.app.proxy.targets("qwen-3-coder").expect("routes");
        let names = |at: usize| -> Vec<String> {
            targets[at].rules.of(targets[at].model()).iter().map(wire::Rule::name).collect()
        };
        assert_eq!(names(0), names(1), "both accounts know it");
        names(0)
    }
}

fn by(provider: &str, attempts: &str) -> (String, String) {
    (provider.to_owned(), attempts.to_owned())
}

fn with(more: Value) -> Value {
    let (mut body, Value::Object(more)) = (question(false), more) else { unreachable!() };
    body.as_object_mut().expect("an object").extend(more);
    body
}

#[tokio::test]
async fn a_field_that_is_refused_is_left_out_within_the_request_and_from_then_on() {
    let (reasoned, index) = ("messages.*.reasoning_content", "messages.*.tool_calls.*.index");
    for stream in [false, true] {
        let stage = Stage::new(&["store", "top_k", reasoned, index, "tools.*.function.strict"]).await;
        let body = with(json!({
            "stream": stream,
            "stream_options": {"include_usage": true},
            "store": false,
            "top_k": 20,
            "metadata": {"store": 1},
            "tool_choice": "none",
            "tools": [{"type": "function", "function": {"name": "f", "strict": true, "parameters": {"type": "object", "properties": {"store": {"type": "string"}}}}}],
            "messages": [
                {"role": "user", "content": "store"},
                {"role": "assistant", "content": null, "reasoning_content": "hm", "tool_calls": [{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": "{\"store\":1}"}}]},
                {"role": "tool", "tool_call_id": "a", "content": "Tell me a 3 word story."},
                {"role": "user", "content": "Tell me a 3 word story."},
            ],
        }));
        assert_eq!(stage.send(&body).await, by("cerebras", "2"), "the same request, at the same provider");
        let mut expected = body.clone();
        for field in ["store", "top_k"] {
            expected.as_object_mut().expect("an object").remove(field);
        }
        expected["tools"][0]["function"].as_object_mut().expect("an object").remove("strict");
        expected["messages"][1].as_object_mut().expect("an object").remove("reasoning_content");
        expected["messages"][1]["tool_calls"][0].as_object_mut().expect("an object").remove("index");
        assert_eq!(stage.sent(), expected, "all else is the client's");
        let mut learned = stage.learned();
        learned.sort();
        assert_eq!(learned, [reasoned, index, "store", "tools.*.function.strict", "top_k"]);

        assert_eq!(stage.send(&body).await, by("cerebras", "1"), "it is known by now");
        assert_eq!(stage.sent(), expected);
        let (asked, others) = (stage.cerebras.stats(), stage.chutes.stats());
        assert_eq!((asked.received, asked.rejected, others.received), (3, 1, 0));
    }
}

#[tokio::test]
async fn what_is_said_later_is_learned_too_and_of_one_model_alone() {
    let stage = Stage::new(&["store", "top_k"]).await;
    for (body, attempts) in [
        (json!({"store": true}), "2"),
        (json!({"store": true, "top_k": 1}), "2"),
        (json!({"store": true, "top_k": 1, "min_p": 0.1}), "1"),
    ] {
        assert_eq!(stage.send(&with(body)).await, by("cerebras", attempts));
    }
    assert_eq!(stage.learned(), ["store", "top_k"]);
    assert_eq!(stage.sent(), with(json!({"min_p": 0.1})), "no other field is left out");
    let targets = stage.proxy.app.proxy.targets("qwen-3-coder").expect("routes");
    assert!(targets[0].rules.of("another").is_empty() && targets[2].rules.of(targets[2].model()).is_empty());
}

#[tokio::test]
async fn a_reload_forgets_nothing_of_a_provider_at_the_same_address() {
    let stage = Stage::new(&["store"]).await;
    assert_eq!(stage.send(&with(json!({"store": true}))).await, by("cerebras", "2"));
    let reloaded = |file: &str| {
        let vars = KEYS.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = Config::from_text(file, vars, &Overrides::default());
        let config = config.unwrap_or_else(|problems| panic!("{problems}"));
        let app = App::renewed(&config, &stage.proxy.app).expect("usable settings");
        let target = &app.proxy.targets("qwen-3-coder").expect("routes")[0];
        target.rules.of(target.model()).iter().map(wire::Rule::name).collect::<Vec<_>>()
    };
    assert_eq!(
        reloaded(&stage.file.replace("[{ env = \"KEY\" }, { env = \"KEY_2\" }]", "{ env = \"KEY_2\" }")),
        ["store"]
    );
    assert_eq!(reloaded(&stage.file.replace("127.0.0.1", "localhost")), [""; 0], "that is another one");
}

#[tokio::test]
async fn what_makes_the_request_or_its_answer_is_not_left_out_and_goes_to_the_next_provider() {
    for (field, body) in [
        ("response_format", json!({"response_format": {"type": "json_object"}})),
        ("logit_bias", json!({"logit_bias": {"1": 2}})),
        ("tool_choice", json!({"tool_choice": "auto"})),
        ("messages.*.content", json!({})),
        ("messages", json!({})),
        ("max_tokens", json!({})),
    ] {
        let stage = Stage::new(&[field]).await;
        for _ in 0..2 {
            // Both accounts of the first provider are asked once, as for any refusal.
            assert_eq!(stage.send(&with(body.clone())).await, by("chutes", "3"), "{field}");
        }
        assert_eq!((stage.cerebras.stats().received, stage.learned()), (4, vec![]), "{field}");
        assert_eq!(stage.sent(), with(body), "{field}");
    }
}

#[tokio::test]
async fn a_refusal_that_is_nonsense_changes_nothing_and_ends_soon() {
    // It names a field that the request has, and goes on naming it when it is gone; then one that it does not have.
    for (metadata, asked) in [(json!({"metadata": {"a": 1}}), 3), (json!({}), 2)] {
        let stage = Stage::new(&[]).await;
        stage.cerebras.inject(Fault::BadFormat, Times::Always);
        let body = with(metadata);
        for round in 1..=2 {
            assert_eq!(stage.send(&body).await.0, "chutes");
            assert_eq!(stage.cerebras.stats().received, round * asked, "no more calls than that");
        }
        assert_eq!(stage.learned(), Vec::<String>::new(), "leaving it out did not help");
        stage.cerebras.heal();
        assert_eq!(stage.send(&body).await, by("cerebras", "1"));
        assert_eq!(stage.sent(), body);
    }
}

#[tokio::test]
async fn a_provider_that_never_has_enough_is_asked_five_times_at_most() {
    let strict = Profile { strict_fields: true, ..Profile::cerebras() };
    let stage = Stage::with(strict).await;
    let fields =
        |count: usize| with((0..count).map(|field| (format!("field_{field:03}"), json!(1))).collect());
    // Sixteen fields are read of a refusal: the first account is asked five times, the second one once.
    assert_eq!(stage.send(&fields(100)).await, by("chutes", "7"));
    assert_eq!((stage.cerebras.stats().received, stage.learned().len()), (6, 0));
    assert_eq!(stage.send(&fields(40)).await, by("cerebras", "4"));
    assert_eq!(stage.learned().len(), 40);
    assert_eq!(stage.send(&fields(40)).await, by("cerebras", "1"));
}

#[tokio::test]
async fn a_history_that_does_not_fit_together_is_made_whole_where_a_provider_minds() {
    let call = |id: &str, arguments: &str| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": arguments}});
    let tool = |name: &str, strict: bool| json!({"type": "function", "function": {"name": name, "strict": strict, "parameters": {}}});
    let body = with(json!({
        "tools": [tool("f", true), tool("g", false)],
        "tool_choice": "none",
        "messages": [
            {"role": "tool", "tool_call_id": "gone", "content": "cut off"},
            {"role": "user", "content": "Do."},
            {"role": "assistant", "content": null, "tool_calls": [call("a", "{\"x\": \"half"), call("b", "{}")]},
            {"role": "tool", "tool_call_id": "a", "content": "done"},
            {"role": "user", "content": "Tell me a 3 word story."},
        ],
    }));
    let strict = Profile { strict_history: true, ..Profile::cerebras() };
    let stage = Stage::with(strict).await;
    assert_eq!(stage.send(&body).await, by("cerebras", "4"), "three things are wrong with it");
    let mut learned = stage.learned();
    learned.sort();
    assert_eq!(learned, ["(arguments)", "(calls)", "(strict)"]);
    let mut expected = body.clone();
    for tool in expected["tools"].as_array_mut().expect("tools") {
        tool["function"].as_object_mut().expect("an object").remove("strict");
    }
    let messages = expected["messages"].as_array_mut().expect("messages");
    messages[2]["tool_calls"][0]["function"]["arguments"] = json!("{\"unparsed\":\"{\\\"x\\\": \\\"half\"}");
    let answer =
        json!({"role": "tool", "tool_call_id": "b", "content": "No result: the call was interrupted."});
    messages.insert(4, answer);
    messages.remove(0);
    assert_eq!(stage.sent(), expected);
    assert_eq!(stage.send(&body).await, by("cerebras", "1"));

    // What is in order is not touched, and others get what the client wrote.
    let healthy = question(false);
    assert_eq!(stage.send(&healthy).await, by("cerebras", "1"));
    assert_eq!(stage.sent(), healthy);
    stage.cerebras.inject(Fault::ServerError, Times::Always);
    assert_eq!(
        stage.send(&body).await,
        by("chutes", "4"),
        "arguments again, for the next provider minds them too"
    );
    let mut seen: Value = serde_json::from_slice(&stage.chutes.requests()[1].body).expect("JSON");
    seen["model"] = json!("qwen-3-coder");
    let arguments = &mut expected["messages"][1]["tool_calls"][0]["function"]["arguments"];
    let mut as_sent = body;
    as_sent["messages"][2]["tool_calls"][0]["function"]["arguments"] = arguments.take();
    assert_eq!(seen, as_sent);
}

#[tokio::test]
async fn with_the_preset_as_it_is_nothing_has_to_be_learned() {
    let strict = Profile { limits: Limits::NONE, ..Profile::cerebras() };
    let house = House::with(strict, Profile::chutes(), &[]).await;
    let tool = |strict: bool| json!({"type": "function", "function": {"name": "f", "strict": strict, "parameters": {}}});
    let body = with(json!({
        "store": false,
        "tools": [tool(false), tool(true)],
        "tool_choice": "none",
        "messages": [
            {"role": "assistant", "content": "x", "reasoning_content": "y"},
            {"role": "user", "content": "Tell me a 3 word story."},
        ],
    }));
    for _ in 0..2 {
        assert_eq!(house.send(&body).await.good().header("x-proxy-attempts").as_deref(), Some("1"));
    }
    // Broken arguments are known of the other one.
    house.cerebras.inject(Fault::ServerError, Times::Always);
    let call = json!({"id": "a", "type": "function", "function": {"name": "f", "arguments": "{\"x"}});
    let body = with(json!({"messages": [
        {"role": "assistant", "content": null, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "a", "content": "Tell me a 3 word story."},
    ]}));
    let reply = house.send(&body).await.good();
    assert_eq!((reply.provider().as_str(), house.chutes.stats().received), ("chutes", 1));
}

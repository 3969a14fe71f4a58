//! A conversation that is too long for a model is not sent there, as far as that can be known; and where it fits nowhere, an
//! agent is told in the words by which it compacts.

use serde_json::{Value, json};
use simulator::{Limits, Profile, Simulator};

use crate::harness::{CEREBRAS_KEY, CHUTES_KEY, House, Running};
use crate::process::{Process, Scratch};

/// So many words are as many tokens and more, however they are counted.
fn of_words(words: usize, max_tokens: u64) -> Value {
    let text = format!("Tell me a 5 word story. {}", "word ".repeat(words));
    json!({"model": "qwen-3-coder", "messages": [{"role": "user", "content": text}], "max_tokens": max_tokens})
}

fn cerebras(context_limit: u64) -> Profile {
    Profile { limits: Limits::NONE, context_limit, ..Profile::cerebras() }
}

async fn provider(house: &House, body: &Value) -> String {
    house.send(body).await.good().provider()
}

#[tokio::test]
async fn a_context_that_a_refusal_names_is_not_run_into_again() {
    let house = House::with(cerebras(4_000), Profile::chutes(), &[]).await;
    let long = of_words(8_000, 100);
    for _ in 0..3 {
        assert_eq!(provider(&house, &long).await, "chutes");
    }
    assert_eq!(house.cerebras.stats().received, 1, "the first refusal taught it");
    assert_eq!(provider(&house, &of_words(100, 100)).await, "cerebras", "what fits goes there");
}

#[tokio::test]
async fn an_answer_too_long_to_fit_is_known_only_where_the_provider_has_refused_one() {
    let house = House::with(cerebras(4_000), Profile::chutes(), &[]).await;
    let greedy = of_words(100, 6_000);
    for _ in 0..3 {
        assert_eq!(provider(&house, &greedy).await, "chutes");
    }
    assert_eq!(house.cerebras.stats().received, 1, "the first refusal taught it");
    assert_eq!(provider(&house, &of_words(100, 1_000)).await, "cerebras");
}

#[tokio::test]
async fn a_conversation_that_fits_nowhere_is_refused_without_asking_anybody() {
    let profile = || Profile { limits: Limits::NONE, ..Profile::openai() };
    let [small, large] = [profile(), profile()].map(Simulator::start);
    let (small, large) = (small.await.expect("a port"), large.await.expect("a port"));
    let provider = |name: &str, at: &Simulator, context: u64| {
        let url = at.base_url();
        format!(
            "[providers.{name}]\npreset = \"openai-compatible\"\nbase_url = \"{url}\"\nmodels = [\"gpt-4.1-mini\"]\ncontext = {context}\n"
        )
    };
    let routes = "[models.qwen-3-coder]\nroutes = [\"small\", \"large\"]\n";
    let file =
        [provider("small", &small, 1_000), provider("large", &large, 3_000), routes.to_owned()].concat();
    let proxy = Running::start_with(&file, &[]).await;
    for stream in [false, true] {
        let mut long = of_words(20_000, 100);
        long["stream"] = stream.into();
        let error = proxy.chat(long.to_string().as_bytes()).await.error(400);
        assert_eq!(error["code"], "context_length_exceeded", "{error}");
        assert_eq!((&error["type"], &error["param"]), (&json!("invalid_request_error"), &json!("messages")));
        let message = error["message"].as_str().unwrap_or_default();
        let begin = "This model's maximum context length is 3000 tokens. However, your messages resulted in ";
        let rest = message.strip_prefix(begin).unwrap_or_else(|| panic!("{message}"));
        let (count, rest) = rest.split_once(' ').unwrap_or_default();
        assert!(count.parse::<u64>().is_ok_and(|count| count > 3_000), "{message}");
        assert_eq!(rest, "tokens. Please reduce the length of the messages.");
    }
    assert_eq!([&small, &large].map(|it| it.stats().received), [0, 0]);
    // What fits into the larger one alone goes there, and only there.
    let body = of_words(1_500, 100).to_string();
    assert_eq!(proxy.chat(body.as_bytes()).await.good().provider(), "large");
    assert_eq!([&small, &large].map(|it| it.stats().received), [0, 1]);
}

#[tokio::test]
async fn the_roomiest_providers_own_words_are_passed_on() {
    let chutes = Profile { context_limit: 6_000, ..Profile::chutes() };
    let house = House::with(cerebras(4_000), chutes, &[]).await;
    let long = of_words(20_000, 100);
    let first = house.send(&long).await.error(400);
    assert_eq!(first["code"], "context_length_exceeded");
    let message = first["message"].as_str().unwrap_or_default();
    assert!(
        message.starts_with("Requested token count exceeds the model's maximum context length of 6000"),
        "{message}"
    );
    // Both are known by now.
    let second = house.send(&long).await.error(400);
    let message = second["message"].as_str().unwrap_or_default();
    assert!(
        message.starts_with("This model's maximum context length is 6000 tokens. However, "),
        "{message}"
    );
    assert_eq!([&house.cerebras, &house.chutes].map(|it| it.stats().received), [1, 1]);
}

#[tokio::test]
async fn what_was_learned_of_a_context_outlives_the_process() {
    let profile = Profile { api_key: Some(CEREBRAS_KEY.into()), ..cerebras(4_000) };
    let small = Simulator::start(profile).await.expect("a port");
    let large = Profile { api_key: Some(CHUTES_KEY.into()), ..Profile::chutes() };
    let large = Simulator::start(large).await.expect("a port");
    let state = Scratch::new();
    let (fast, slow, directory) = (small.base_url(), large.base_url(), state.0.display().to_string());
    let vars = [
        ("CEREBRAS_API_KEY", CEREBRAS_KEY),
        ("CHUTES_API_KEY", CHUTES_KEY),
        ("CEREBRAS_BASE_URL", &*fast),
        ("CHUTES_BASE_URL", &*slow),
        ("STATE_DIR", &*directory),
    ];
    for life in 1..=2 {
        let mut process = Process::start(&vars).await;
        // One that waits for its budget, and so for what is remembered.
        assert_eq!(process.chat(&of_words(10, 100)).await.good().provider(), "cerebras");
        for _ in 0..2 {
            assert_eq!(process.chat(&of_words(8_000, 100)).await.good().provider(), "chutes");
        }
        process.signal("TERM");
        assert_eq!(process.exit_code().await, Some(0));
        assert_eq!(small.stats().received, 1 + life, "one long one in all");
        let lessons = process.log().into_iter().filter(|line| line["message"] == "learned");
        let told = lessons.filter(|line| line["lesson"] == "qwen-3-coder-480b has a context of 4000 tokens");
        assert_eq!(told.count(), usize::from(life == 1));
    }
}

//! Who is left alone after a failure, and for how long: an account, or one model of it; and how little a provider in trouble is
//! asked.

use std::time::Duration;

use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use qwen_3_coder_proxy::api::App;
use qwen_3_coder_proxy::config::{Config, Overrides};
use qwen_3_coder_proxy::status::Status;
use serde_json::Value;
use simulator::{Fault, Limits, Profile, Simulator, Times};

use crate::client::HANG;
use crate::harness::{House, Running, question};

const PAUSE: Duration = Duration::from_millis(5);

/// One account with the models `a` and `b`.
struct Pair {
    provider: Simulator,
    proxy: Running,
}

impl Pair {
    async fn new() -> Self {
        let models = vec!["a".to_owned(), "b".to_owned()];
        let provider = Profile { limits: Limits::NONE, models, ..Profile::openai() };
        let provider = Simulator::start(provider).await.expect("a port");
        let proxy = Running::start_with(&Self::file(&provider), &[]).await;
        Self { provider, proxy }
    }

    fn file(provider: &Simulator) -> String {
        format!(
            "[providers.local]\npreset = \"openai-compatible\"\nbase_url = \"{}\"\nmodels = [\"a\"]\n\
             [models.a]\nroutes = [{{ provider = \"local\", models = [\"a\"] }}]\n\
             [models.b]\nroutes = [{{ provider = \"local\", models = [\"b\"] }}]\n",
            provider.base_url()
        )
    }

    async fn ask(&self, model: &str) -> u16 {
        let mut body = question(true);
        body["model"] = model.into();
        self.proxy.chat(body.to_string().as_bytes()).await.status
    }

    /// Of the account, and of its two models.
    async fn circuits(&self) -> [Value; 3] {
        let account = self.proxy.get("/ready").await.json()["accounts"][0].clone();
        [&account, &account["models"][0], &account["models"][1]].map(|it| it["circuit"].clone())
    }
}

#[tokio::test]
async fn one_models_failures_leave_the_others_of_its_account_alone() {
    let pair = Pair::new().await;
    pair.provider.inject(Fault::ServerError, Times::Count(3));
    for _ in 0..3 {
        assert_eq!(pair.ask("a").await, 503);
    }
    assert_eq!(pair.circuits().await, ["closed", "open", "closed"].map(Value::from));
    let ready = pair.proxy.get("/ready").await.json();
    assert_eq!(ready["accounts"][0]["models"][0]["circuit_reason"], "server_error", "{ready}");
    assert_eq!(pair.ask("b").await, 200);
    assert_eq!(pair.provider.stats().received, 4, "nobody asked for the model in trouble");
}

#[tokio::test]
async fn what_concerns_the_key_concerns_all_its_models_and_outlives_a_reload() {
    let pair = Pair::new().await;
    pair.provider.inject(Fault::Unauthorized, Times::Once);
    assert_eq!([pair.ask("a").await, pair.ask("b").await], [502, 502]);
    assert_eq!(pair.circuits().await, ["open", "closed", "closed"].map(Value::from));
    assert_eq!(pair.provider.stats().received, 1);

    let config = Config::from_text(&Pair::file(&pair.provider), [], &Overrides::default()).expect("settings");
    let renewed = App::renewed(&config, &pair.proxy.app).expect("settings");
    assert_eq!(Status::of(&renewed.proxy, &renewed.store).accounts[0].circuit.state, "open");
}

#[tokio::test]
async fn names_that_are_all_gone_are_each_asked_for_once() {
    let provider = Profile { limits: Limits::NONE, models: vec!["c".to_owned()], ..Profile::openai() };
    let provider = Simulator::start(provider).await.expect("a port");
    let file = format!(
        "[providers.local]\npreset = \"openai-compatible\"\nbase_url = \"{}\"\nmodels = [\"a\", \"b\"]\n",
        provider.base_url()
    );
    let proxy = Running::start_with(&file, &[]).await;
    for _ in 0..3 {
        let reply = proxy.chat(question(true).to_string().as_bytes()).await;
        assert_eq!(reply.error(502)["code"], "provider_configuration");
    }
    assert_eq!(provider.stats().received, 2);
}

#[tokio::test]
async fn a_callers_own_mistakes_open_nothing() {
    let pair = Pair::new().await;
    for fault in [Fault::BadRequest, Fault::ContextTooLong, Fault::BadFormat] {
        pair.provider.inject(fault, Times::Always);
        for _ in 0..20 {
            assert!((400..500).contains(&pair.ask("a").await), "{fault}");
        }
    }
    assert_eq!(pair.circuits().await, ["closed"; 3].map(Value::from));
}

#[tokio::test]
async fn every_other_request_failing_opens_the_circuit() {
    let house = House::new(&[]).await;
    let circuit = async || {
        let ready = house.proxy.get("/ready").await.json();
        ready["accounts"][0]["models"][0]["circuit"].as_str().map(str::to_owned)
    };
    for asked in 0..11 {
        assert_eq!(circuit().await.as_deref(), Some("closed"), "after {asked}");
        if asked % 2 == 0 {
            house.cerebras.inject(Fault::ServerError, Times::Once);
        }
        house.ask(true).await.good();
    }
    assert_eq!(circuit().await.as_deref(), Some("open"), "six of eleven have failed");
}

#[tokio::test]
async fn an_answer_every_other_time_is_better_than_none_where_nobody_else_could_be_asked() {
    let pair = Pair::new().await;
    for _ in 0..8 {
        pair.provider.inject(Fault::CutClean, Times::Once);
        assert_eq!(pair.ask("a").await, 200);
        assert_eq!(pair.circuits().await, ["closed"; 3].map(Value::from));
        assert_eq!(pair.ask("a").await, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_providers_own_pause_one_probe_finds_out_and_then_all_go_back() {
    let minute = Duration::from_secs(1);
    let head_delay = Duration::from_millis(500);
    let cerebras = Profile { limits: Limits::NONE, minute, head_delay, ..Profile::cerebras() };
    let house = House::with(cerebras, Profile::chutes(), &[]).await;
    house.cerebras.inject(Fault::RateLimitMinute, Times::Once);
    let clock = house.proxy.app.proxy.clock;
    let started = clock.now();
    assert_eq!(house.ask(true).await.good().provider(), "chutes");
    let until = async |state: &str| {
        let account = async || house.proxy.get("/ready").await.json()["accounts"][0].clone();
        while account().await["circuit"] != state {
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::time::timeout(HANG, until("half-open")).await.expect("the pause ends");
    // It asked for a second; the rest is jitter, at most half of one.
    let paused = clock.since(started);
    println!("asked to stay away for {minute:?}, tried again after {paused:?}");
    assert!(paused >= minute);
    let replies = join_all((0..30).map(|_| house.ask(true))).await;
    let probes = replies.into_iter().filter(|reply| reply.clone().good().provider() == "cerebras").count();
    assert_eq!((probes, house.cerebras.stats().received), (1, 2));
    assert_eq!(house.ask(true).await.good().provider(), "cerebras");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_not_amplified_by_retries() {
    const REQUESTS: u64 = 500;
    let cerebras = Profile { limits: Limits::NONE, ..Profile::cerebras() };
    let provider = Simulator::start(cerebras).await.expect("a port");
    provider.inject(Fault::QueueExceeded, Times::Always);
    let url = provider.base_url();
    let vars = [
        ("CEREBRAS_API_KEY", "k"),
        ("CEREBRAS_BASE_URL", &*url),
        ("CEREBRAS_REQUESTS_PER_MINUTE", "100000"),
        ("CEREBRAS_TOKENS_PER_MINUTE", "1000000000"),
        ("CEREBRAS_TOKENS_PER_DAY", "1000000000000"),
    ];
    let proxy = Running::start(&vars).await;
    let clock = proxy.app.proxy.clock;
    let started = clock.now();
    let body = question(true).to_string();
    let asked = stream::iter(0..REQUESTS).map(|_| proxy.chat(body.as_bytes())).buffer_unordered(100);
    asked.for_each(|reply| async move { drop(reply.error(429)) }).await;
    // A fifth, a start of ten, and one for every ten seconds.
    let most = REQUESTS + REQUESTS / 5 + 10 + clock.since(started).as_secs() / 10;
    let calls = provider.stats().received;
    assert!((REQUESTS + 50..=most).contains(&calls), "{calls} calls, {most} at the most");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fallback_is_no_retry_and_a_provider_that_fails_is_hardly_asked() {
    let house = House::new(&[]).await;
    house.cerebras.inject(Fault::ServerError, Times::Always);
    let asked = stream::iter(0..500).map(|_| house.ask(true)).buffer_unordered(20);
    let elsewhere = asked.filter(|reply| std::future::ready(reply.clone().good().provider() == "chutes"));
    assert_eq!(elsewhere.count().await, 500);
    let calls = house.cerebras.stats().received;
    assert!(calls < 100, "{calls} of 500");
}

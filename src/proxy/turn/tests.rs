//! One request's way, with nobody at the other end.

use http::StatusCode;
use quota::Trip;
use quota::breaker::State;
use serde_json::json;

use super::*;
use crate::clock::Clock;
use crate::config::{Config, Overrides};
use crate::store::Store;

/// With a provider that has a model under the names `a` and `b`, and one behind it.
fn proxy() -> Proxy {
    proxy_with("[\"first\", \"second\"]")
}

fn proxy_with(routes: &str) -> Proxy {
    let file = format!(
        "[providers.first]\nbase_url = \"http://127.0.0.1:9/v1\"\nmodels = [\"a\", \"b\"]\n\
         [providers.second]\nbase_url = \"http://127.0.0.1:9/v1\"\nmodels = [\"c\"]\n\
         [models.m]\nroutes = {routes}\n"
    );
    let config = Config::from_text(&file, [], &Overrides::default()).expect("settings");
    Proxy::new(&config, None, Clock::start()).expect("usable settings")
}

fn request(words: usize) -> ChatRequest {
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "word ".repeat(words)}]});
    ChatRequest::parse(body.to_string().into()).expect("a request")
}

fn turn<'a>(proxy: &'a Proxy, request: &'a ChatRequest) -> Turn<'a> {
    let report = Report::new("id".to_owned(), request.model.clone(), request.stream, proxy.clock);
    Turn::new(proxy, request, report)
}

#[tokio::test]
async fn what_comes_of_an_attempt_is_about_the_model_that_was_asked_though_another_request_retires_it() {
    let request = request(8_000);
    let too_long = br#"{"error": {"message": "This model's maximum context length is 4000 tokens."}}"#;
    let gone = br#"{"error": {"message": "The model `a` does not exist.", "code": "model_not_found"}}"#;
    // The first is about its context, the second opens its circuit.
    for (status, body, is_learned, is_closed) in [(400, &too_long[..], true, true), (404, gone, false, false)]
    {
        let proxy = proxy();
        let mut turn = turn(&proxy, &request);
        let target = turn.next_target().await.expect("the first");
        let asked = turn.reserve(&target).await.expect("room");
        let retired = target.current().expect("a name").clone();
        assert_eq!(asked.model, retired.name);
        target.retire(&retired.name);
        let failure = Failure::from_answer(StatusCode::from_u16(status).expect("a status"), body, &[]);
        turn.failed(&target, asked, failure);

        let current = target.current().expect("another name").clone();
        assert_ne!(current.name, retired.name);
        let [of_retired, of_current] = [&retired, &current].map(|it| turn.sizes.at(&target.account, it));
        let is_too_long = |estimate| target.account.too_long(estimate, None).is_some();
        assert_eq!([of_retired, of_current].map(is_too_long), [is_learned, false], "{status}");
        let circuit = |of: Estimate| target.account.circuit(of.whose).state == State::Closed;
        assert_eq!([of_retired, of_current].map(circuit), [is_closed, true], "{status}");
        let step = turn.report.steps.last().expect("a step");
        assert_eq!((&step.model, step.estimate.whose), (&retired.name, of_retired.whose), "{status}");
    }
}

/// Opens a circuit of a target for no time at all: the next request is its probe.
fn break_at_once(turn: &Turn<'_>, target: &Target, kind: Kind) {
    let trip = Trip {
        threshold: 1,
        by_rate: false,
        hint: Some(Duration::ZERO),
        base: Duration::ZERO,
        ceiling: Duration::ZERO,
    };
    take(turn, target).failed(kind, trip);
}

fn take(turn: &Turn<'_>, target: &Target) -> Reservation {
    let estimate = turn.sizes.at(&target.account, target.current().expect("a name"));
    target.account.reserve(estimate, false).expect("room")
}

#[tokio::test]
async fn nobody_is_left_where_the_others_are_being_probed() {
    let (proxy, request) = (proxy(), request(10));
    let mut turn = turn(&proxy, &request);
    let second = Arc::clone(&turn.targets[1]);
    break_at_once(&turn, &second, Kind::ServerError);
    let first = turn.next_target().await.expect("the first");
    assert!(!turn.reserve(&first).await.expect("room").last, "the second's next request is its probe");
    let probe = take(&turn, &second);
    assert!(turn.reserve(&first).await.expect("room").last);
    drop(probe);
    assert!(!turn.reserve(&first).await.expect("room").last, "nothing was found out");
}

#[tokio::test]
async fn whoever_probes_an_account_can_go_on_with_another_name_there() {
    let (proxy, request) =
        (proxy_with("[\"first\", { provider = \"first\", models = [\"b\"] }]"), request(10));
    let mut turn = turn(&proxy, &request);
    let first = turn.next_target().await.expect("the first");
    break_at_once(&turn, &first, Kind::Unauthorized);
    assert!(!turn.reserve(&first).await.expect("a probe").last);
}

#[tokio::test]
async fn a_lease_is_waited_for_no_longer_than_there_is_time() {
    let directory = std::env::temp_dir().join(format!("qwen-3-coder-proxy-lease-{}", std::process::id()));
    let vars = [("CEREBRAS_API_KEY", "key"), ("CHUTES_API_KEY", "key"), ("TOTAL_TIMEOUT", "20")];
    let vars = vars.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let config = Config::from_text("", vars, &Overrides::default()).expect("settings");
    let proxy = Proxy::new(&config, None, Clock::start()).expect("usable settings");
    let store = Store::open(&directory, 0, proxy.clock);
    let (release, released) = std::sync::mpsc::channel::<()>();
    let busy = store.transaction(move |_| Ok(released.recv().is_err()));
    proxy.attach(&store);

    let mut request = request(10);
    request.model = proxy.models[0].name.clone();
    let mut turn = turn(&proxy, &request);
    let first = turn.next_target().await.expect("the first");
    assert!(turn.reserve(&first).await.is_none());
    let Verdict::Failed(failure) = &turn.report.steps[0].verdict else { panic!("{:?}", turn.report.steps) };
    assert_eq!(failure.to_string(), "out_of_time: took longer than 0.02 s in all");
    assert!(turn.next_target().await.is_none(), "the others have no more time");
    // It says nothing of the database: whoever has time still waits for it.
    assert!(matches!(first.account.reserve(Estimate::default(), false), Err(Skip::Unleased)));

    drop(release);
    assert!(busy.await.expect("a database"));
    store.close().await;
    std::fs::remove_dir_all(&directory).expect("it was made");
}

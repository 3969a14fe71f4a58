//! How a proxy says it stands: `/ready`, and the command that asks for it.

use std::process::Output;

use serde_json::{Value, json};
use simulator::{Fault, Limits, Profile, Simulator, Times};

use crate::client::{Reply, exchange, get, post};
use crate::harness::{CEREBRAS_KEY, CHUTES_KEY, House, question};
use crate::process::{Process, Scratch, command};

const CLIENT_KEY: &str = "first-key-123456";
/// Hours of real time for a simulated minute: nothing refills within a test.
const SLOW: (&str, &str) = ("RATE_WINDOW_MS", "36000000");

async fn ready(house: &House, headers: &[(&str, &str)]) -> Reply {
    exchange(house.proxy.address, &get("/ready", headers)).await
}

/// What `/ready` says of an account.
async fn account(house: &House, index: usize) -> Value {
    ready(house, &[]).await.json()["accounts"][index].clone()
}

fn assert_no_key(text: &str) {
    for key in [CEREBRAS_KEY, CHUTES_KEY, CLIENT_KEY] {
        assert!(!text.contains(key), "{text}");
    }
}

#[tokio::test]
async fn each_limit_of_each_account_with_what_is_left() {
    let vars = [("CEREBRAS_REQUESTS_PER_MINUTE", "10"), ("CEREBRAS_TOKENS_PER_DAY", "100000"), SLOW];
    let house = House::new(&vars).await;
    house.ask(false).await.good();
    let reply = ready(&house, &[]).await;
    assert_eq!((reply.status, reply.header("retry-after")), (200, None));
    assert_no_key(&reply.text());
    let status = reply.json();
    assert_eq!((&status["ready"], &status["ready_in_s"]), (&json!(true), &Value::Null));
    let cerebras = &status["accounts"][0];
    for (field, value) in [
        ("account", json!("Cerebras")),
        ("provider", json!("cerebras")),
        (
            "models",
            json!([{"model": "qwen-3-coder", "upstream_model": "qwen-3-coder-480b", "circuit": "closed"}]),
        ),
        ("ready", json!(true)),
        ("requests_in_flight", json!(0)),
        ("soft_limits", json!(false)),
        ("unused_tokens", json!("returned")),
        ("circuit", json!("closed")),
    ] {
        assert_eq!(cerebras[field], value, "{field} in {cerebras}");
    }
    let limits = cerebras["limits"].as_array().expect("limits");
    let name = |limit: &Value| format!("{} a {}", limit["dimension"], limit["window"]).replace('"', "");
    let names: Vec<String> = limits.iter().map(name).collect();
    assert_eq!(names, ["requests a minute", "tokens a minute", "tokens a day"]);
    let requests = &limits[0];
    assert_eq!((&requests["capacity"], &requests["available"]), (&json!(10), &json!(9)));
    assert_eq!((&requests["source"], &requests["refill"]), (&json!("operator"), &json!("continuous")));
    assert!(requests["full_in_s"].as_f64().is_some_and(|it| (3_500.0..=3_600.0).contains(&it)), "{requests}");
    assert!(requests["forecast"].is_null(), "{requests}");
    let day = &limits[2];
    let used = house.cerebras.stats().tokens_used;
    assert_eq!(day["available"].as_u64(), Some(100_000 - used), "{day}");
    assert!(day["per_hour"].as_u64() > Some(0) && day["forecast"] == "lasts", "{day}");
    assert_eq!(status["accounts"][1]["limits"], json!([]), "nothing is known of them");
}

#[tokio::test]
async fn what_is_in_flight_is_told_apart() {
    let house = House::new(&[("CEREBRAS_TOKENS_PER_DAY", "100000"), SLOW]).await;
    house.cerebras.inject(Fault::BlackHole, Times::Always);
    let asking = house.ask(false);
    let looking = async {
        loop {
            let cerebras = account(&house, 0).await;
            if cerebras["requests_in_flight"] == 1 {
                return cerebras["limits"][2].clone();
            }
        }
    };
    let day = tokio::select! {
        _ = asking => panic!("the black hole answered"),
        day = looking => day,
    };
    let (left, in_flight) = (day["available"].as_u64(), day["in_flight"].as_u64());
    assert!(in_flight >= Some(100), "{day}");
    assert_eq!(left.zip(in_flight).map(|(left, in_flight)| left + in_flight), Some(100_000), "{day}");
    assert_eq!(day["used_percent"], 0, "{day}");
}

#[tokio::test]
async fn a_day_with_room_for_small_requests_alone() {
    let vars = [("CEREBRAS_TOKENS_PER_DAY", "400"), SLOW];
    let house = House::new(&vars).await;
    while house.ask(false).await.good().provider() == "cerebras" {}
    let cerebras = account(&house, 0).await;
    let day = &cerebras["limits"][2];
    assert_eq!((&day["forecast"], &day["runs_out_in_s"]), (&json!("runs out"), &json!(0.0)), "{day}");
    assert!(day["exhausted_for_s"].as_f64() > Some(30.0), "{day}");
    assert!(day["usual_request"].as_u64() > Some(100), "{day}");
    assert_eq!(cerebras["ready"], true, "there is room for a small one: {day}");
}

#[tokio::test]
async fn one_is_used_up_and_the_other_does_not_know_us() {
    let house = House::new(&[("CEREBRAS_REQUESTS_PER_MINUTE", "1"), SLOW]).await;
    house.ask(false).await.good();
    house.chutes.inject(Fault::Unauthorized, Times::Always);
    house.ask(false).await.error(429);
    let reply = ready(&house, &[]).await;
    let status = reply.json();
    assert_eq!((reply.status, &status["ready"]), (503, &json!(false)));
    let [cerebras, chutes] = [&status["accounts"][0], &status["accounts"][1]];
    assert!(cerebras["ready_in_s"].as_f64() > Some(30.0), "{cerebras}");
    // Whoever is back first.
    let open_for = chutes["open_for_s"].as_f64().expect("an open circuit");
    // Half a minute, and up to a quarter of it by chance.
    assert!(open_for > 0.0 && open_for <= 37.5, "{chutes}");
    assert_eq!(status["ready_in_s"].as_f64(), Some(open_for));
    let retry_after: f64 = reply.header("retry-after").and_then(|it| it.parse().ok()).expect("seconds");
    assert!((open_for..open_for + 1.0).contains(&retry_after), "{retry_after} for {open_for}");
    for (field, value) in [
        ("circuit", json!("open")),
        ("circuit_reason", json!("unauthorized")),
        ("check_setting", json!("CHUTES_API_KEY")),
    ] {
        assert_eq!(chutes[field], value, "{field} in {chutes}");
    }
}

#[tokio::test]
async fn a_circuit_that_is_about_to_close_is_half_open_and_ready() {
    let house = House::new(&[("COOLDOWN_PERIOD", "300")]).await;
    house.cerebras.inject(Fault::RateLimitTokensDay, Times::Once);
    house.ask(false).await.good();
    let circuit = async || account(&house, 0).await["circuit"].as_str().map(str::to_owned);
    assert_eq!(circuit().await.as_deref(), Some("open"));
    while circuit().await.as_deref() == Some("open") {}
    let cerebras = account(&house, 0).await;
    assert_eq!((&cerebras["circuit"], &cerebras["ready"]), (&json!("half-open"), &json!(true)));
    assert_eq!(cerebras["circuit_reason"], "rate_limited");
    house.ask(false).await.good();
    assert_eq!(account(&house, 0).await["circuit"], "closed");
    assert!(account(&house, 0).await["circuit_reason"].is_null());
}

#[tokio::test]
async fn without_a_key_only_whether_it_is_ready() {
    let house = House::new(&[("PROXY_API_KEYS", CLIENT_KEY)]).await;
    let bearer = format!("Bearer {CLIENT_KEY}");
    for headers in [&[][..], &[("Authorization", "Bearer third-key-123456")], &[("x-api-key", "")]] {
        let reply = ready(&house, headers).await;
        assert_eq!((reply.status, reply.json()), (200, json!({"ready": true})));
    }
    for headers in [("Authorization", bearer.as_str()), ("x-api-key", CLIENT_KEY)] {
        let reply = ready(&house, &[headers]).await;
        assert_eq!(reply.json()["accounts"].as_array().map(Vec::len), Some(2));
        assert_no_key(&reply.text());
    }
    house.cerebras.inject(Fault::Unauthorized, Times::Always);
    house.chutes.inject(Fault::Unauthorized, Times::Always);
    let key = ("Authorization", bearer.as_str());
    let ask = post("/v1/chat/completions", &[key], question(false).to_string().as_bytes());
    exchange(house.proxy.address, &ask).await.error(502);
    let reply = ready(&house, &[]).await;
    assert_eq!((reply.status, reply.json()), (503, json!({"ready": false})));
    assert!(reply.header("retry-after").is_some());
}

/// Runs `status` as a person does.
fn run(vars: &[(&str, &str)], arguments: &[&str]) -> Output {
    command(&Scratch::new(), vars).arg("status").args(arguments).output().expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

async fn process(vars: &[(&str, &str)]) -> (Simulator, Process) {
    let cerebras = Profile { limits: Limits::NONE, ..Profile::cerebras() };
    let cerebras = Simulator::start(cerebras).await.expect("a port");
    let own = [("CEREBRAS_API_KEY", CEREBRAS_KEY), ("CEREBRAS_BASE_URL", &cerebras.base_url()), SLOW];
    let vars: Vec<(&str, &str)> = own.into_iter().chain(vars.iter().copied()).collect();
    let process = Process::start(&vars).await;
    (cerebras, process)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_asks_a_running_proxy() {
    let (cerebras, process) = process(&[("CEREBRAS_REQUESTS_PER_MINUTE", "2")]).await;
    let port = process.address.port().to_string();
    let by_settings = [("PORT", port.as_str()), ("HOST", "0.0.0.0")];
    let table = "\
READY: Cerebras  http://ADDRESS

Cerebras                                                       qwen-3-coder-480b
  ready
  requests a minute  ##########       2 of 2       full
  tokens a minute    ##########    132k of 132k    full
  tokens a day       ##########   19.2M of 19.2M   full
";
    let table = table.replace("ADDRESS", &process.address.to_string());
    let output = run(&by_settings, &[]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), table.clone()), "{output:?}");
    for url in [format!("http://{}", process.address), format!("{}/v1/", process.address)] {
        let output = run(&[("PORT", "x")], &["--url", &url]);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), table.clone()), "{output:?}");
    }
    let blocks = run(&[("PORT", &port), ("LANG", "C.UTF-8")], &[]);
    assert!(text(&blocks.stdout).contains("██████████       2 of 2"), "{blocks:?}");

    for _ in 0..2 {
        process.chat(&question(false)).await.good();
    }
    let output = run(&by_settings, &[]);
    let (code, seen) = (output.status.code(), text(&output.stdout));
    assert_eq!(code, Some(1), "{seen}");
    assert!(seen.starts_with("NOT READY: Cerebras in 5h00m  http://"), "{seen}");
    assert!(seen.contains("requests a minute  ..........       0 of 2       full in 10h"), "{seen}");
    assert!(seen.contains("room in 5h00m\n"), "{seen}");

    let json = run(&by_settings, &["--json"]);
    let status: Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!((json.status.code(), &status["ready"]), (Some(1), &json!(false)));
    assert_eq!(status["accounts"][0]["limits"][0]["available"], 0, "{status}");
    assert_eq!(cerebras.stats().received, 2, "looking costs nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_shows_the_key_that_the_settings_name() {
    let (_cerebras, process) = process(&[("PROXY_API_KEYS", CLIENT_KEY)]).await;
    let port = process.address.port().to_string();
    let seen = text(&run(&[("PORT", &port), ("PROXY_API_KEYS", CLIENT_KEY)], &[]).stdout);
    assert!(seen.contains("requests a minute"), "{seen}");
    let output = run(&[("PORT", &port)], &[]);
    let seen = text(&output.stdout);
    assert!(
        output.status.success() && seen.contains("set PROXY_API_KEYS") && !seen.contains("requests"),
        "{seen}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_listens_or_somebody_else_does() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = free.local_addr().expect("an address");
    drop(free);
    let output = run(&[("PORT", &address.port().to_string())], &[]);
    let problem = text(&output.stderr);
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(1), ""));
    assert!(problem.starts_with(&format!("Nobody listens at http://{address} (")), "{problem}");
    assert!(
        problem.ends_with("Is qwen-3-coder-proxy running?\n") && problem.lines().count() == 1,
        "{problem}"
    );

    let other = Simulator::start(Profile::chutes()).await.expect("a port");
    let output = run(&[], &["--url", &other.addr().to_string()]);
    let problem = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{problem}");
    assert!(problem.contains("but not as qwen-3-coder-proxy does"), "{problem}");

    for (vars, arguments, part) in [
        (&[("PORT", "0")][..], &[][..], "--url"),
        (&[("PORT", "x")], &[], "PORT"),
        (&[], &["--url", "http://a b"], "is no address"),
    ] {
        let output = run(vars, arguments);
        let problem = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{problem}");
        assert!(problem.contains(part), "{problem}");
    }
}

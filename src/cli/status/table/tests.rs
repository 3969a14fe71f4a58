use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const PLAIN: Style = Style { colours: false, bar: ['#', '+', '.'] };

fn status(json: &Value) -> Status {
    serde_json::from_value(json.clone()).unwrap()
}

fn limit(dimension: &str, window: &str, capacity: u64, available: i64) -> Value {
    json!({
        "dimension": dimension, "window": window, "capacity": capacity, "available": available, "in_flight": 0,
        "used_percent": 10, "usual_request": 1, "refill": "continuous", "source": "assumed", "full_in_s": 0.0,
        "full_at": "2026-11-25T18:40:15Z", "per_hour": 100,
    })
}

fn account(name: &str, models: &[&str], limits: &[Value]) -> Value {
    let models: Vec<Value> = models
        .iter()
        .map(|name| json!({"model": "m", "upstream_model": name, "circuit": "closed"}))
        .collect();
    json!({
        "account": name, "provider": "p", "models": models, "ready": true, "requests_in_flight": 0,
        "soft_limits": false, "unused_tokens": "returned", "circuit": "closed", "limits": limits,
    })
}

fn with(mut value: Value, fields: &Value) -> Value {
    for (name, field) in fields.as_object().unwrap() {
        value[name] = field.clone();
    }
    value
}

#[test]
fn a_night_in_which_the_day_is_used_up() {
    let requests = with(limit("requests", "minute", 12, 3), &json!({"in_flight": 2, "full_in_s": 44.6}));
    let tokens = with(limit("tokens", "minute", 132_000, 99_000), &json!({"full_in_s": 15.0}));
    let gone = json!({
        "full_in_s": 58_000.0, "exhausted_for_s": 12_000.0, "forecast": "runs out",
        "runs_out_in_s": 0.0,
    });
    let day = with(limit("tokens", "day", 19_200_000, -4_200), &gone);
    let cerebras = account("Cerebras", &["qwen-3-coder-480b"], &[requests, tokens, day]);
    let cerebras = with(cerebras, &json!({"ready": false, "ready_in_s": 12_000.0, "requests_in_flight": 2}));
    let chutes = account("Chutes", &["Qwen/Qwen3-Coder-480B-A35B-Instruct-FP8"; 2], &[]);
    let open = json!({
        "ready": false, "ready_in_s": 28.2, "circuit": "open", "open_for_s": 28.2, "circuit_reason": "unauthorized",
        "check_setting": "CHUTES_API_KEY",
    });
    let status = json!({"ready": false, "ready_in_s": 28.2, "accounts": [cerebras, with(chutes, &open)]});
    let expected = "\
NOT READY: Chutes in 29s  http://127.0.0.1:3000

Cerebras                                                       qwen-3-coder-480b
  used up, ready in 3h20m, 2 requests in flight
  requests a minute  ###++.....       3 of 12      full in 45s
  tokens a minute    ########..     99k of 132k    full in 15s
  tokens a day       ..........  -4,200 of 19.2M   full in 17h    room in 3h20m

Chutes                                   Qwen/Qwen3-Coder-480B-A35B-Instruct-FP8
  circuit open for 29s, after unauthorized: check CHUTES_API_KEY, no limit is known
";
    assert_eq!(table(&super::tests::status(&status), "http://127.0.0.1:3000", PLAIN), expected);
}

#[test]
fn a_good_day() {
    let lasting = with(limit("tokens", "day", 19_200_000, 15_000_000), &json!({"forecast": "lasts"}));
    let ending = with(
        limit("requests", "day", 2_400, 1_300),
        &json!({"forecast": "runs out", "runs_out_in_s": 4_000.0, "full_in_s": 33_000.0}),
    );
    let unused =
        with(limit("uncached_tokens", "day", 2_000, 2_000), &json!({"forecast": "lasts", "per_hour": 0}));
    let fields = json!({"concurrent_requests": 4, "requests_in_flight": 3, "unused_tokens": "kept", "soft_limits": true});
    let first = with(account("a #1", &["m"], &[lasting, ending, unused]), &fields);
    let probing = json!({"circuit": "half-open", "circuit_reason": "server_error"});
    let second = with(account("a #2", &["m"], &[]), &probing);
    let status = json!({"ready": true, "accounts": [first, second, account("b", &["m"], &[])]});
    let expected = "\
READY: a #1, then 2 others  http://[::1]:3000

a #1                                                                           m
  ready, 3 of 4 requests in flight, goes beyond its limits if it must, keeps unused tokens
  tokens a day    ########..   15.0M of 19.2M   full           lasts
  requests a day  ######....   1,300 of 2,400   full in 9h10m  gone in 67m
  uncached a day  ##########   2,000 of 2,000   full

a #2                                                                           m
  circuit half-open: the next request finds out whether it works, after server error, no limit is known

b                                                                              m
  ready, no limit is known
";
    assert_eq!(table(&super::tests::status(&status), "http://[::1]:3000", PLAIN), expected);
}

#[test]
fn one_model_in_trouble() {
    let open = json!({"circuit": "open", "open_for_s": 3.2, "circuit_reason": "model_gone", "check_setting": "MODELS"});
    let mut some = account("Cerebras", &["a", "b", "a"], &[]);
    some["models"][1] = with(some["models"][1].clone(), &open);
    let mut all = with(account("Chutes", &["c", "c"], &[]), &json!({"ready": false, "ready_in_s": 3.2}));
    for index in 0..2 {
        all["models"][index] = with(all["models"][index].clone(), &open);
    }
    let status = json!({"ready": true, "accounts": [some, all]});
    let expected = "\
READY: Cerebras  u

Cerebras                                                                 a, b, a
  ready, no limit is known
  b: circuit open for 4s, after model gone: check MODELS

Chutes                                                                         c
  no model works, ready in 4s, no limit is known
  c: circuit open for 4s, after model gone: check MODELS
";
    assert_eq!(table(&super::tests::status(&status), "u", PLAIN), expected);
}

#[test]
fn a_day_of_which_too_little_is_left() {
    let little = json!({"forecast": "runs out", "runs_out_in_s": 0.0, "exhausted_for_s": 1_000.0, "full_in_s": 80_000.0});
    let day = with(limit("tokens", "day", 19_200_000, 45_000), &little);
    let first = account("Cerebras", &["m"], std::slice::from_ref(&day));
    let second = with(account("Chutes", &["m"], &[day]), &json!({"soft_limits": true}));
    let expected = "\
READY: Chutes  u

Cerebras                                                                       m
  ready for small requests, for usual ones in 17m
  tokens a day  #.........     45k of 19.2M   full in 23h    room in 17m

Chutes                                                                         m
  ready, goes beyond its limits if it must
  tokens a day  #.........     45k of 19.2M   full in 23h    room in 17m
";
    assert_eq!(table(&status(&json!({"ready": true, "accounts": [first, second]})), "u", PLAIN), expected);
    let alone = table(&status(&json!({"ready": true, "accounts": [first]})), "u", PLAIN);
    assert!(alone.starts_with("READY for small requests alone  u\n"), "{alone}");
}

#[test]
fn who_shows_no_key_is_told_how_to() {
    let text = table(&status(&json!({"ready": true})), "u", PLAIN);
    assert_eq!(
        text,
        "READY  u\nIt asks for a client key before it says more: set PROXY_API_KEYS here, too.\n"
    );
    assert!(table(&status(&json!({"ready": false})), "u", PLAIN).starts_with("NOT READY  u\n"));
}

#[test]
fn a_database_that_cannot_be_used_is_worth_a_line() {
    let second_line = |state: &str| {
        let status = json!({"ready": true, "state": state, "accounts": [account("a", &["m"], &[])]});
        table(&super::tests::status(&status), "u", PLAIN).lines().nth(1).map(str::to_owned)
    };
    assert!(second_line("in memory").is_some_and(|line| line.contains("forgets") && line.len() <= WIDTH));
    assert_eq!(second_line("open").as_deref(), Some(""));
}

#[test]
fn colours_and_blocks_only_where_they_are_wanted() {
    let style = |terminal, variables: &[(&str, &str)]| {
        let find = |name: &str| variables.iter().find(|(known, _)| *known == name);
        Style::of(terminal, |name| find(name).map(|(_, value)| (*value).to_owned()))
    };
    assert!(style(true, &[]).colours && style(true, &[("NO_COLOR", "")]).colours);
    assert!(!style(false, &[]).colours);
    assert!(!style(true, &[("NO_COLOR", "1")]).colours && !style(true, &[("TERM", "dumb")]).colours);
    assert_eq!(style(true, &[]).bar, PLAIN.bar);
    assert_eq!(style(true, &[("LANG", "de_DE.UTF-8")]).bar[0], '█');
    assert_eq!(style(true, &[("LC_ALL", "C"), ("LANG", "de_DE.UTF-8")]).bar, PLAIN.bar);
}

fn strip(text: &str) -> String {
    let mut parts = text.split("\x1b[");
    let first = parts.next().unwrap().to_owned();
    parts.fold(first, |text, part| text + part.split_once('m').unwrap().1)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever there is to show, a limit's line fits, and colours change nothing but colours.
    #[test]
    fn a_line_fits_into_80_columns(
        dimension in prop::sample::select(vec!["requests", "tokens", "uncached_tokens"]),
        window in prop::sample::select(vec!["second", "minute", "hour", "day"]),
        capacity in 1..1_000_000_000_000u64,
        percent in -50..=100i64,
        in_flight in 0..10_000_000u64,
        used in 0..=100u8,
        seconds in (0.0..200_000.0f64, prop::option::of(0.0..200_000.0f64), prop::option::of(0.0..90_000.0f64)),
    ) {
        let available = i64::try_from(capacity).unwrap() / 100 * percent;
        let (full_in, exhausted_for, runs_out_in) = seconds;
        let fields = json!({
            "in_flight": in_flight, "used_percent": used, "full_in_s": full_in, "exhausted_for_s": exhausted_for,
            "forecast": "runs out", "runs_out_in_s": runs_out_in,
        });
        let limit = with(limit(dimension, window, capacity, available), &fields);
        let limit: Limit = serde_json::from_value(limit).unwrap();
        let blocks = Style { bar: ['█', '▒', '░'], ..PLAIN };
        let plain = line(&limit, 17, blocks);
        prop_assert!(plain.trim_end().chars().count() + 2 <= WIDTH, "{plain}");
        prop_assert_eq!(strip(&line(&limit, 17, Style { colours: true, ..blocks })), plain);
    }
}

//! Every fault at both vendors, streamed and plain: what a client sees on the wire.

use std::time::Duration;

use http::Method;
use serde_json::json;
use simulator::{Fault, Limits, Phase, Profile, Simulator, Times, Vendor};
use tokio::task::JoinSet;

use crate::harness::{End, Exchange, PATIENCE, ask, exchange, question, request, tool, with};

const KEY: &str = "csk-very-secret";

fn profile(vendor: Vendor) -> Profile {
    let profile = if vendor == Vendor::Cerebras { Profile::cerebras() } else { Profile::chutes() };
    Profile { limits: Limits::NONE, ..profile }
}

/// Falls silent and never ends.
fn falls_silent(fault: Fault) -> bool {
    use Fault::{BlackHole, RoleThenSilence, SilenceAfterHead, Stall};
    matches!(fault, BlackHole | SilenceAfterHead | RoleThenSilence | Stall)
}

fn expected_status(fault: Fault) -> Option<u16> {
    Some(match fault {
        Fault::Refuse | Fault::BlackHole => return None,
        Fault::RateLimitSecond
        | Fault::RateLimitMinute
        | Fault::RateLimitTokensMinute
        | Fault::RateLimitTokensDay
        | Fault::QueueExceeded
        | Fault::Capacity => 429,
        Fault::ServerError | Fault::ErrorLeaksKey => 500,
        Fault::BadGateway => 502,
        Fault::Unavailable => 503,
        Fault::PaymentRequired => 402,
        Fault::Unauthorized => 401,
        Fault::Forbidden => 403,
        Fault::RequestTimeout => 408,
        Fault::ModelRetired => 404,
        Fault::ContextTooLong | Fault::BadFormat | Fault::BadRequest => 400,
        Fault::MixedStrict => 422,
        _ => 200,
    })
}

fn expected_end(fault: Fault) -> End {
    match fault {
        _ if falls_silent(fault) => End::Silence,
        Fault::Refuse | Fault::CutRst | Fault::CutBeforePayload => End::Reset,
        Fault::CutFin => End::Closed,
        _ => End::Clean,
    }
}

fn check(vendor: Vendor, stream: bool, fault: Fault, seen: &Exchange, whole: usize) {
    let case = format!("{fault} at {vendor:?}, stream: {stream}\n{seen:?}");
    assert_eq!(seen.status.map(|status| status.as_u16()), expected_status(fault), "{case}");
    assert_eq!(seen.end, expected_end(fault), "{case}");
    if stream {
        match fault.when() {
            Phase::BeforePayload => assert_eq!(seen.payload(), 0, "{case}"),
            Phase::AfterPayload => {
                assert!((1..whole).contains(&seen.payload()), "{case}");
                assert_eq!(seen.finish(), None, "{case}");
                assert!(!seen.text().contains("[DONE]"), "{case}");
            }
            Phase::Healthy => {
                assert_eq!((seen.payload(), seen.finish()), (whole, Some("stop".into())), "{case}");
            }
        }
    } else {
        let usable = seen.json()["choices"].is_array();
        assert_eq!(usable, fault.when() == Phase::Healthy, "{case}");
    }
    let leaks = matches!(fault, Fault::ErrorLeaksKey | Fault::ErrorMidStreamLeaksKey);
    assert_eq!(seen.text().contains(KEY), leaks, "{case}");
}

#[tokio::test]
async fn every_fault_looks_as_announced() {
    let mut cases = JoinSet::new();
    for vendor in [Vendor::Cerebras, Vendor::Chutes] {
        for stream in [true, false] {
            for &fault in Fault::ALL {
                cases.spawn(one_case(vendor, stream, fault));
            }
        }
    }
    while let Some(case) = cases.join_next().await {
        case.unwrap();
    }
}

async fn one_case(vendor: Vendor, stream: bool, fault: Fault) {
    let simulator = Simulator::start(profile(vendor)).await.unwrap();
    let body = with(question(vendor, "Tell me a 4 word story."), json!({"stream": stream}));
    let whole = ask(&simulator, &body).await;
    assert_eq!(whole.end, End::Clean);

    simulator.inject(fault, Times::Once);
    let patience = if falls_silent(fault) { Duration::from_millis(1_500) } else { PATIENCE };
    let asked = request(Method::POST, "/v1/chat/completions", Some(KEY), body.to_string());
    let seen = exchange(&simulator, asked, patience).await;
    check(vendor, stream, fault, &seen, whole.payload());

    // Once is once, and what was hit is counted and leaves nothing behind.
    assert_eq!(ask(&simulator, &body).await.text().len(), whole.text().len());
    crate::harness::eventually("all is settled", || simulator.stats().in_flight == 0).await;
    let stats = simulator.stats();
    assert_eq!((stats.received, stats.faulted), (3, 1), "{fault}");
    assert_eq!(stats.served, 2 + u64::from(fault == Fault::SlowTokens), "{fault}: {stats:?}");
    let admitted_and_silent = falls_silent(fault) && fault != Fault::BlackHole;
    assert_eq!(stats.aborted, u64::from(admitted_and_silent), "{fault}: {stats:?}");
}

#[tokio::test]
async fn calls_too_are_interrupted_in_their_middle() {
    for vendor in [Vendor::Cerebras, Vendor::Chutes] {
        let simulator = Simulator::start(profile(vendor)).await.unwrap();
        simulator.inject(Fault::CutClean, Times::Always);
        let body = question(vendor, "What is the weather?");
        let body = with(body, json!({"stream": true, "tools": [tool("weather")]}));
        let seen = ask(&simulator, &body).await;
        assert!(seen.payload() > 0, "{seen:?}");
        assert_eq!((seen.end, seen.finish()), (End::Clean, None));
    }
}

#[tokio::test]
async fn a_fault_lasts_as_often_as_it_was_injected() {
    let simulator = Simulator::start(profile(Vendor::Chutes)).await.unwrap();
    let body = question(Vendor::Chutes, "Tell me a 2 word story.");
    let status = async || ask(&simulator, &body).await.status.unwrap().as_u16();
    simulator.inject(Fault::ServerError, Times::Count(2));
    assert_eq!([status().await, status().await, status().await], [500, 500, 200]);
    simulator.inject(Fault::ServerError, Times::Always);
    simulator.inject(Fault::Unavailable, Times::Always);
    assert_eq!([status().await, status().await], [503, 503]);
    simulator.heal();
    assert_eq!(status().await, 200);
}

#[tokio::test]
async fn bodies_and_hints_are_the_vendors() {
    let simulator = Simulator::start(profile(Vendor::Cerebras)).await.unwrap();
    let body = question(Vendor::Cerebras, "Hello");
    let cases = [
        (Fault::RateLimitSecond, "request_quota_exceeded", Some("1")),
        (Fault::RateLimitTokensMinute, "token_quota_exceeded", Some("60")),
        (Fault::RateLimitTokensDay, "token_quota_exceeded", Some("86400")),
        (Fault::QueueExceeded, "queue_exceeded", None),
        (Fault::ModelRetired, "model_archived", None),
        (Fault::ContextTooLong, "context_length_exceeded", None),
    ];
    for (fault, code, retry_after) in cases {
        simulator.inject(fault, Times::Once);
        let seen = ask(&simulator, &body).await;
        assert_eq!(seen.json()["code"], code, "{fault}");
        assert_eq!(seen.headers.get("retry-after").map(|v| v.to_str().unwrap()), retry_after, "{fault}");
    }
    simulator.inject(Fault::BareJsonFailure, Times::Once);
    let text = ask(&simulator, &with(body, json!({"stream": true}))).await.text();
    assert!(text.lines().last().unwrap().starts_with(r#"{"error":"Unhandled exception"#), "{text}");
}

#[test]
fn names_are_unique_and_parse_back() {
    for fault in Fault::ALL {
        assert_eq!(fault.name().parse::<Fault>().as_ref(), Ok(fault));
        assert_eq!(json!(fault), json!(fault.name()));
    }
    assert!("no_such_fault".parse::<Fault>().is_err());
}

//! Every fault of the simulator, plain and streamed, with a healthy second provider and without: a whole answer,
//! one well-formed error, or a stream that is visibly broken. Nothing hangs, nothing ends as if it were whole.

use std::fmt::{self, Write};

use futures_util::StreamExt;
use serde_json::json;
use simulator::{Fault, Times};

use crate::client::Reply;
use crate::harness::House;

/// How a request may end for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Answer,
    Error(u16),
    Broken,
}
use Outcome::{Answer, Broken, Error};

/// Outcomes of a plain answer and of a stream: Cerebras faulty and Chutes well; both faulty.
struct Row {
    second_well: [Outcome; 2],
    both_faulty: [Outcome; 2],
}

/// Another provider answers; without one, an error of this status.
const fn falls_back(status: u16) -> Row {
    Row { second_well: [Answer; 2], both_faulty: [Error(status); 2] }
}

/// A plain answer is read whole before the client sees any of it; a stream has begun.
const CUT: Row = Row { second_well: [Answer, Broken], both_faulty: [Error(503), Broken] };

/// A fault without a row does not compile.
const fn row(fault: Fault) -> Row {
    match fault {
        Fault::RateLimitSecond
        | Fault::RateLimitMinute
        | Fault::RateLimitTokensMinute
        | Fault::RateLimitTokensDay
        | Fault::QueueExceeded
        | Fault::Capacity
        | Fault::PaymentRequired => falls_back(429),
        Fault::ServerError
        | Fault::BadGateway
        | Fault::Unavailable
        | Fault::RequestTimeout
        | Fault::Refuse
        | Fault::BlackHole
        | Fault::SilenceAfterHead
        | Fault::RoleThenSilence
        | Fault::ErrorIn200
        | Fault::ErrorEventNamed
        | Fault::EmptyStream
        | Fault::NoCompletion
        | Fault::Html200
        | Fault::CutBeforePayload
        | Fault::ErrorLeaksKey => falls_back(503),
        Fault::Unauthorized | Fault::Forbidden | Fault::ModelRetired => falls_back(502),
        Fault::ContextTooLong | Fault::BadFormat => falls_back(400),
        Fault::MixedStrict => falls_back(422),
        Fault::BadRequest => Row { second_well: [Error(400); 2], both_faulty: [Error(400); 2] },
        Fault::CutFin
        | Fault::CutRst
        | Fault::CutClean
        | Fault::Stall
        | Fault::BareJsonFailure
        | Fault::ErrorMidStream
        | Fault::ErrorMidStreamLeaksKey => CUT,
        Fault::SlowTokens => Row { second_well: [Answer; 2], both_faulty: [Answer; 2] },
    }
}

const SETTINGS: &[(&str, &str)] = &[("REQUEST_TIMEOUT", "1500"), ("STREAM_IDLE_TIMEOUT", "1500")];

async fn outcome(fault: Fault, both: bool, stream: bool) -> (Outcome, Reply) {
    let house = House::new(SETTINGS).await;
    house.cerebras.inject(fault, Times::Always);
    if both {
        house.chutes.inject(fault, Times::Always);
    }
    let reply = house
        .send(&json!({
            "model": "qwen-3-coder",
            "messages": [{"role": "user", "content": "Tell me a 4 word story."}],
            "max_tokens": 60,
            "stream": stream,
        }))
        .await;
    let body = String::from_utf8_lossy(&reply.body).into_owned();
    for key in [crate::harness::CEREBRAS_KEY, crate::harness::CHUTES_KEY] {
        assert!(
            !body.contains(key) && !reply.head.contains(key),
            "{fault} shows a key: {}",
            reply.describe()
        );
    }
    let outcome = match reply.status {
        200 if reply.whole => {
            reply.clone().good();
            Answer
        }
        200 => {
            let (_, finished) = reply.answer();
            assert!(!finished && !body.contains("[DONE]"), "{fault}: {}", reply.describe());
            Broken
        }
        status => {
            reply.error(status);
            if matches!(status, 429 | 503) {
                let seconds: u64 =
                    reply.header("retry-after").and_then(|it| it.parse().ok()).unwrap_or_default();
                assert!((1..=59).contains(&seconds), "{fault}: {}", reply.describe());
            }
            Error(status)
        }
    };
    (outcome, reply)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_ends_as_the_table_says() {
    let cases = Fault::ALL.iter().flat_map(|fault| {
        let ways = [(false, false), (false, true), (true, false), (true, true)];
        ways.map(|(both, stream)| (*fault, both, stream))
    });
    let results = futures_util::stream::iter(cases).map(|(fault, both, stream)| async move {
        let row = row(fault);
        let expected = if both { row.both_faulty } else { row.second_well }[usize::from(stream)];
        let (outcome, reply) = outcome(fault, both, stream).await;
        (outcome != expected).then(|| {
            format!("{fault}, both {both}, stream {stream}: {outcome}, not {expected}\n{}", reply.describe())
        })
    });
    let wrong: Vec<String> = results.buffer_unordered(24).filter_map(|wrong| async { wrong }).collect().await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// `docs/FAULTS.md` is this table; run with `UPDATE_DOCS=1` to write it.
#[test]
fn the_documented_table_is_the_tested_one() {
    let mut table = String::from(
        "# What becomes of each fault\n\n\
         Generated from the simulator's list of faults and tested case by case. *Answer*: a whole, correct answer. *Error*: one error in\n\
         OpenAI's shape with this status. *Broken*: the stream had begun; the client's connection is broken, without a finish reason or\n\
         `[DONE]`, so that no client takes half an answer for a whole one.\n\n\
         | fault of Cerebras | Chutes well: plain | stream | Chutes has it too: plain | stream |\n|---|---|---|---|---|\n",
    );
    for fault in Fault::ALL {
        let Row { second_well: [a, b], both_faulty: [c, d] } = row(*fault);
        writeln!(table, "| `{fault}` | {a} | {b} | {c} | {d} |").expect("a string takes anything");
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/FAULTS.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &table).expect("docs can be written");
    }
    assert_eq!(std::fs::read_to_string(path).unwrap_or_default(), table, "run again with UPDATE_DOCS=1");
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer => f.write_str("answer"),
            Error(status) => write!(f, "error {status}"),
            Broken => f.write_str("broken"),
        }
    }
}

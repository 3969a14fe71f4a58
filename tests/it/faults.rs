//! Every fault of the simulator, in each kind of answer, with a healthy second provider and without: a whole answer, one
//! well-formed error, or a stream that is visibly broken. Nothing hangs, nothing ends as if it were whole.

use std::fmt;

use futures_util::StreamExt;
use serde_json::{Value, json};
use simulator::{Fault, Phase, Times};

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

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A plain answer.
    Plain,
    /// A streamed text.
    Text,
    /// Some words and a call of a tool, streamed.
    Call,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Plain, Self::Text, Self::Call];

    fn question(self) -> Value {
        let mut question = json!({
            "model": "qwen-3-coder",
            "messages": [{"role": "user", "content": "Tell me a 4 word story."}],
            "max_tokens": 60,
            "stream": self != Self::Plain,
        });
        if self == Self::Call {
            let parameters = json!({"type": "object", "properties": {"path": {"type": "string"}}});
            question["tools"] =
                json!([{"type": "function", "function": {"name": "read", "parameters": parameters}}]);
        }
        question
    }
}

/// Outcomes of each kind of answer: Cerebras faulty and Chutes well; both faulty.
struct Row {
    second_well: [Outcome; 3],
    both_faulty: [Outcome; 3],
}

/// Another provider answers; without one, an error of this status.
const fn falls_back(status: u16) -> Row {
    Row { second_well: [Answer; 3], both_faulty: [Error(status); 3] }
}

/// A plain answer is read whole before the client sees any of it; a stream has begun.
const CUT: Row = Row { second_well: [Answer, Broken, Broken], both_faulty: [Error(503), Broken, Broken] };

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
        Fault::BadRequest => Row { second_well: [Error(400); 3], both_faulty: [Error(400); 3] },
        Fault::CutFin
        | Fault::CutRst
        | Fault::CutClean
        | Fault::Stall
        | Fault::BareJsonFailure
        | Fault::ErrorMidStream
        | Fault::ErrorMidStreamLeaksKey => CUT,
        Fault::SlowTokens => Row { second_well: [Answer; 3], both_faulty: [Answer; 3] },
    }
}

const SETTINGS: &[(&str, &str)] = &[("REQUEST_TIMEOUT", "1500"), ("STREAM_IDLE_TIMEOUT", "1500")];

async fn outcome(fault: Fault, both: bool, kind: Kind) -> (Outcome, Reply) {
    let house = House::new(SETTINGS).await;
    house.cerebras.inject(fault, Times::Always);
    if both {
        house.chutes.inject(fault, Times::Always);
    }
    let reply = house.send(&kind.question()).await;
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
            let (text, finished) = reply.answer();
            let calls = reply.text().contains("\"tool_calls\":[");
            assert!(finished && (calls || !text.is_empty()), "{fault}: {}", reply.describe());
            assert_eq!(calls, kind == Kind::Call, "{fault}: {}", reply.describe());
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
        let ways = [false, true].into_iter().flat_map(|both| Kind::ALL.map(|kind| (both, kind)));
        ways.map(|(both, kind)| (*fault, both, kind))
    });
    let results = futures_util::stream::iter(cases).map(|(fault, both, kind)| async move {
        let (outcome, reply) = outcome(fault, both, kind).await;
        (fault, both, kind, outcome, reply)
    });
    let mut seen: Vec<_> = results.buffered(24).collect().await;
    let mut wrong = Vec::new();
    for (fault, both, kind, outcome, reply) in &seen {
        let expected = if *both { row(*fault).both_faulty } else { row(*fault).second_well }[*kind as usize];
        if *outcome != expected {
            let reply = reply.describe();
            wrong.push(format!("{fault}, both {both}, {kind:?}: {outcome}, not {expected}\n{reply}"));
        }
    }
    let rows = Fault::ALL.iter().map(|fault| {
        let outcomes: Vec<Outcome> = seen.drain(..6).map(|(.., outcome, _)| outcome).collect();
        line(*fault, &outcomes)
    });
    println!("{HEAD}{}", rows.collect::<String>());
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

const HEAD: &str = "\
| fault of Cerebras | when | Chutes well: plain | text | call | Chutes has it too: plain | text | call |
|---|---|---|---|---|---|---|---|
";

fn line(fault: Fault, outcomes: &[Outcome]) -> String {
    let when = match fault.when() {
        Phase::BeforePayload => "before the first payload",
        Phase::AfterPayload => "within the answer",
        Phase::Healthy => "slow, but whole",
    };
    let outcomes: Vec<String> = outcomes.iter().map(Outcome::to_string).collect();
    format!("| `{fault}` | {when} | {} |\n", outcomes.join(" | "))
}

/// The table in `docs/RELIABILITY.md` is this one; run with `UPDATE_DOCS=1` to write it.
#[test]
fn the_documented_table_is_the_tested_one() {
    let rows = Fault::ALL.iter().map(|fault| {
        let Row { second_well, both_faulty } = row(*fault);
        line(*fault, &[second_well, both_faulty].concat())
    });
    let table = format!("{HEAD}{}", rows.collect::<String>());
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/RELIABILITY.md");
    let text = std::fs::read_to_string(path).expect("the document");
    let (before, rest) = text.split_once(BEGIN).expect("where the table begins");
    let (_, after) = rest.split_once(END).expect("where it ends");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, format!("{before}{BEGIN}{table}{END}{after}")).expect("docs can be written");
    } else {
        assert_eq!(rest, format!("{table}{END}{after}"), "run again with UPDATE_DOCS=1");
    }
}

const BEGIN: &str = "<!-- the tested table -->\n\n";
const END: &str = "\n<!-- its end -->";

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer => f.write_str("answer"),
            Error(status) => write!(f, "error {status}"),
            Broken => f.write_str("broken"),
        }
    }
}

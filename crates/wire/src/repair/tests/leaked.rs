//! Calls that leaked into the text come out as they went in.

use super::*;

const WORDS: [&str; 14] = [
    "let",
    " ",
    "\n",
    "x = \"1\";",
    "<div>",
    "</div>",
    "é😀",
    "\\n",
    "`code`",
    "a < b && c > d",
    "{}",
    "\t",
    "<function>",
    "</tool>",
];

fn text(rng: &mut Rng) -> String {
    let length = rng.usize(..12);
    std::iter::repeat_with(|| WORDS[rng.usize(..WORDS.len())]).take(length).collect()
}

/// What makes the end of a value hard to find; one kind for an answer.
fn trap(kind: u8) -> &'static str {
    match kind {
        0 => "\nEach ends with </parameter> and\n</parameter>\nso on",
        1 => {
            "<tool_call>\n<function=read>\n<parameter=path>\na\n</parameter>\n</function>\n</tool_call>\nand more"
        }
        2 => "\nIt begins with <parameter=path> and a value",
        3 => "</function>\n</tool_call>\n",
        _ => "",
    }
}

fn value(kind: &str, trap: &str, rng: &mut Rng) -> Value {
    let list =
        |rng: &mut Rng| json!([{"line": rng.u16(..), "text": text(rng)}, text(rng), rng.bool(), null, -1.5]);
    match kind {
        "text" => (text(rng) + if rng.bool() { trap } else { "" } + &text(rng)).into(),
        "like" => ["true", "12", "null", "[1]", "", "\n", " a ", "{}"][rng.usize(..8)].into(),
        "list" => list(rng),
        "object" => json!({"a": list(rng), "<b>": {"c": text(rng)}}),
        "boolean" => rng.bool().into(),
        "integer" => rng.i32(..).into(),
        _ => [json!(null), json!(0.25), json!(-3)][rng.usize(..3)].clone(),
    }
}

fn call(trap: &str, rng: &mut Rng) -> (String, Value) {
    let parameters: &[(&str, &str)] = match rng.u8(..3) {
        0 => return ("list".into(), json!({})),
        1 => &[("path", "like")],
        _ => &[
            ("path", "text"),
            ("edits", "list"),
            ("options", "object"),
            ("save", "boolean"),
            ("limit", "integer"),
            ("ratio", "number"),
        ],
    };
    let name = if parameters.len() == 1 { "read" } else { "edit" };
    let some: Vec<_> = parameters.iter().filter(|_| rng.u8(..4) > 0).collect();
    let arguments = some.into_iter().map(|(key, kind)| ((*key).to_owned(), value(kind, trap, rng))).collect();
    (name.into(), Value::Object(arguments))
}

/// As the model writes it.
fn written((name, arguments): &(String, Value), opened: bool, rng: &mut Rng) -> String {
    let mut xml = if opened { "<tool_call>\n".to_owned() } else { String::new() };
    xml.extend(["<function=", name, ">\n"]);
    for (key, value) in arguments.as_object().unwrap() {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Bool(true) if rng.bool() => "True".into(),
            Value::Null if rng.bool() => "None".into(),
            value if rng.bool() => serde_json::to_string_pretty(value).unwrap(),
            value => value.to_string(),
        };
        xml.extend(["<parameter=", key, ">\n", &text, "\n</parameter>\n"]);
    }
    xml + "</function>" + if rng.u8(..8) == 0 { "" } else { "\n</tool_call>" }
}

const BEFORE: [&str; 5] = [
    "",
    "Let me look at that first.\n\n",
    "It says `<tool_call>`, so:\n",
    "Like this:\n```xml\n<tool_call>\n<function=read>\n```\nNow:\n\n",
    "<b>Now</b>\n<tool_call> is how it begins.\n<function=other>\n\n",
];

#[test]
fn every_leaked_call_is_the_call_that_was_meant() {
    for seed in 0..CASES {
        let rng = &mut Rng::with_seed(seed);
        let trap = trap(rng.u8(..8));
        let calls: Vec<_> = (0..rng.usize(1..=3)).map(|_| call(trap, rng)).collect();
        let before = BEFORE[rng.usize(..BEFORE.len())];
        let xml: Vec<String> = calls.iter().map(|call| written(call, rng.bool(), rng)).collect();
        let text =
            format!("{before}{}{}", xml.join(["\n", "\n\n", ""][rng.usize(..3)]), ["", "\n"][rng.usize(..2)]);
        let stream = stream_of(&text, "stop", rng);
        let (out, repaired) = streamed(stream.as_bytes(), Repairs::ALL, rng);
        let answer = seen(&out);
        assert_eq!(answer.called(), calls, "seed {seed}\n{text}");
        assert_eq!(
            (answer.text.as_str(), answer.finish.as_deref()),
            (before, Some("tool_calls")),
            "seed {seed}"
        );
        assert!(repaired.has(Repair::XmlToolCalls) && out.ends_with(b"data: [DONE]\n\n"));
        let mut ids: Vec<_> = answer.calls.iter().map(|(id, ..)| id.clone()).collect();
        ids.dedup();
        assert!(ids.len() == calls.len() && ids.iter().all(|id| id.starts_with("call_")), "{ids:?}");
        // However the bytes are cut, and however the text is.
        assert_eq!(streamed(stream.as_bytes(), Repairs::ALL, rng).0, out, "seed {seed}");
        let otherwise = streamed(stream_of(&text, "stop", rng).as_bytes(), Repairs::ALL, rng).0;
        assert_eq!(seen(&otherwise), answer, "seed {seed}");

        let (answer, completion) =
            plain(&json!({"role": "assistant", "content": text, "tool_calls": null}), "stop", Repairs::ALL);
        assert_eq!(answer.called(), calls, "seed {seed}\n{text}");
        assert_eq!(
            (answer.text.as_str(), answer.finish.as_deref()),
            (before, Some("tool_calls")),
            "seed {seed}"
        );
        assert!(completion.repaired.has(Repair::XmlToolCalls));
    }
}

#[test]
fn only_what_is_asked_for_is_repaired() {
    let text = "<tool_call>\n<function=list>\n</function>\n</tool_call>";
    let rng = &mut Rng::with_seed(1);
    let stream = stream_of(text, "stop", rng);
    let others: Repairs = Repairs::ALL.iter().filter(|repair| *repair != Repair::XmlToolCalls).collect();
    assert_eq!(streamed(stream.as_bytes(), others, rng), (stream.clone().into_bytes(), Repairs::NONE));
    // An answer that was cut short has no whole call at its end, even if it looks so.
    let cut = stream_of(text, "length", rng);
    assert_eq!(streamed(cut.as_bytes(), Repairs::ALL, rng), (cut.clone().into_bytes(), Repairs::NONE));
}

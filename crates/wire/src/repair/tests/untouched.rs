//! Texts that only speak of calls, or look like them, pass byte for byte.

use super::*;

const PIECES: [&str; 34] = [
    "The format is `<tool_call>`, then `<function=read>`.\n",
    "```xml\n<tool_call>\n<function=read>\n<parameter=path>\na\n</parameter>\n</function>\n</tool_call>\n```\n",
    "~~~\n<function=read>\n</function>\n~~~\n",
    "    <tool_call>\n    <function=list>\n    </function>\n    </tool_call>\n",
    "> <tool_call>\n> <function=list>\n> </function>\n> </tool_call>\n",
    "- <function=list>\n</function>\n",
    "<tool_call>\n<function=unknown>\n<parameter=path>\na\n</parameter>\n</function>\n</tool_call>\n",
    "<tool_call>\n<function=rea>\n</function>\n</tool_call>\n",
    "<tool_call>\n<function=read >\n</function>\n</tool_call>\n",
    "<tool_call>\n{\"name\": \"read\", \"arguments\": {}}\n</tool_call>\n",
    "<tool_call>\n</tool_call>\n",
    "<tool_call>",
    "<tool_cal",
    "<function=",
    "<function=read",
    "<function=read>\n",
    "<parameter=path>\na\n</parameter>\n",
    "</function>\n</tool_call>\n",
    "Call <function=list>\n</function>\n",
    "<function=read>\n<parameter=path>\na\n</parameter>\n",
    "<function=read>\n<parameter=path>\nunfinished",
    "<function=list>\nwith words in it\n</function>\n",
    "<html>\n<body class=\"a\">\n<p>Text</p>\n</body>\n</html>\n",
    "<?xml version=\"1.0\"?>\n<tools>\n<tool name=\"read\"/>\n</tools>\n",
    "<!-- <tool_call> -->\n",
    "if a < b && c > d {\n    x << 1;\n}\n",
    "<\n",
    "<<<<<<< HEAD\n=======\n>>>>>>> branch\n",
    "<think>\nHm.\n</think>\n",
    "Words, words. ",
    "é😀\n",
    "\n\n",
    "| a | b |\n|---|---|\n",
    "<tool_response>\nok\n</tool_response>\n",
];

/// Nothing that looks like a call can be the end of it.
const ENDS: [&str; 8] = [
    "That is all.",
    "`</tool_call>`",
    "```xml\n<tool_call>\n<function=list>\n</function>\n</tool_call>",
    "</tools>",
    "<tool_call>\n<function=read>\n<parameter=path>\na",
    "<tool_call>\n<function=unknown>\n</function>\n</tool_call>",
    "<tool_call>\n<function=list>\n</function>\n</tool_call>\n\nDo you see?",
    "<function=list>\n</function>\n</tool_call> as shown",
];

#[test]
fn no_text_about_calls_is_touched() {
    for seed in 0..CASES {
        let rng = &mut Rng::with_seed(seed);
        let mut text: String =
            (0..rng.usize(..8)).map(|_| PIECES[rng.usize(..PIECES.len())]).collect::<Vec<_>>().concat();
        text = text + "\n" + ENDS[rng.usize(..ENDS.len())];
        let stream = stream_of(&text, "stop", rng);
        let (out, repaired) = streamed(stream.as_bytes(), Repairs::ALL, rng);
        assert_eq!(repaired, Repairs::NONE, "seed {seed}\n{text}");
        assert!(out == stream.as_bytes(), "seed {seed}\n{text}\n\n{}", String::from_utf8_lossy(&out));
        let (_, completion) = plain(&json!({"role": "assistant", "content": text}), "stop", Repairs::ALL);
        assert!(completion.repaired.is_empty(), "seed {seed}\n{text}");
    }
}

#[test]
fn text_is_held_back_only_while_it_may_be_a_call() {
    let mut chat = ChatStream::new("mine", true);
    let tools = tools().to_string();
    chat = chat.mending(&Mending { repairs: Repairs::ALL, tools: tools.as_bytes(), seed: 7 });
    for (text, passes) in [
        ("Now:\n", true),
        ("<", false),
        ("b>", true),
        ("\n<tool_", false),
        ("call> is", true),
        ("\n<function=re", false),
        ("al>", true),
        ("\n<function=read>", false),
        ("\n<parameter=path>\nx", false),
        ("\n</parameter>\n</function>", false),
        ("\n\nSo much for that.", true),
    ] {
        let event = event(&json!({"content": text}), None);
        let Step::Pass { bytes, .. } = chat.step(&crate::sse::Frame(event.into())) else { panic!("{text}") };
        assert_eq!(!bytes.is_empty(), passes, "{text:?}");
    }
}

#[test]
fn comments_behind_what_may_be_a_call_are_bounded_too() {
    let tools = tools().to_string();
    let mending = Mending { repairs: Repairs::ALL, tools: tools.as_bytes(), seed: 7 };
    let mut chat = ChatStream::new("mine", true).mending(&mending);
    let mut step = |event: String| match chat.step(&crate::sse::Frame(event.into())) {
        Step::Pass { bytes, .. } => bytes.len(),
        step => panic!("{step:?}"),
    };
    assert_eq!(step(event(&json!({"content": "<function=read>"}), None)), 0);
    let comment = format!(": {}\n\n", "x".repeat(1000));
    let passed = (0..2000).map(|_| step(comment.clone())).find(|passed| *passed > 0).unwrap();
    assert!((1_000_000..1_200_000).contains(&passed), "{passed}");
}

#[test]
fn a_call_that_never_ends_is_passed_on_in_the_end() {
    let mut chat = ChatStream::new("mine", true);
    let tools = tools().to_string();
    chat = chat.mending(&Mending { repairs: Repairs::ALL, tools: tools.as_bytes(), seed: 7 });
    let (mut sent, mut got) = (Vec::new(), Vec::new());
    let mut step = |text: &str| {
        let event = event(&json!({"content": text}), None);
        sent.extend_from_slice(event.as_bytes());
        let Step::Pass { bytes, .. } = chat.step(&crate::sse::Frame(event.into())) else { panic!() };
        got.extend_from_slice(&bytes);
        (sent.len(), got == sent)
    };
    step("<function=read>\n<parameter=path>\n");
    let line = "all work and no play\n".repeat(200);
    let (most, _) = std::iter::repeat_with(|| step(&line)).find(|(_, all)| *all).unwrap();
    assert!((1_000_000..1_200_000).contains(&most), "{most}");
}

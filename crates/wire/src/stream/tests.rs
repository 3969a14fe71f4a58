use super::*;
use crate::sse::Decoder;

fn chunk(delta: &str, rest: &str) -> String {
    format!("data: {{\"model\" : \"up\",\"choices\":[{{\"index\":0,\"delta\":{delta}{rest}}}]}}\n\n")
}

fn run(stream: &mut ChatStream, text: &str) -> Vec<Step> {
    let mut decoder = Decoder::default();
    decoder.feed(Bytes::copy_from_slice(text.as_bytes())).unwrap();
    let mut steps: Vec<Step> =
        std::iter::from_fn(|| decoder.next()).map(|frame| stream.step(&frame)).collect();
    steps.extend(decoder.finish().map(|frame| stream.step(&frame)));
    steps
}

fn passed(steps: &[Step]) -> String {
    let bytes = |step: &Step| match step {
        Step::Pass { bytes, .. } => bytes.to_vec(),
        _ => Vec::new(),
    };
    String::from_utf8(steps.iter().flat_map(bytes).collect()).unwrap()
}

const USAGE: &str =
    "data: {\"model\":\"up\",\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}\n\n";

#[test]
fn only_the_models_name_changes() {
    let text = [
        ": ping\n\n",
        &chunk("{\"role\":\"assistant\"}", ""),
        &chunk("{\"content\": \"é  \" }", ""),
        &chunk("{}", ",\"finish_reason\":\"stop\""),
        USAGE,
        "data: [DONE]\n\n",
    ]
    .concat();
    let mut stream = ChatStream::new("mine\"", true);
    let steps = run(&mut stream, &text);
    assert_eq!(passed(&steps), text.replace("\"up\"", "\"mine\\\"\""));
    assert!(stream.is_whole() && stream.is_done());
    assert_eq!(stream.usage().unwrap().total(), 7);
    assert_eq!(stream.counted(), 1);
}

#[test]
fn only_the_model_is_heard_in_chunks_of_its_own() {
    let ping = "event: ping\ndata: {\"type\":\"ping\"}\n\n";
    for (text, chunks) in [
        (": keep-alive\n\n", 0),
        ("data:\n\n", 0),
        (ping, 0),
        ("data: {\"type\":\"ping\"}\n\n", 0),
        ("data: {\"choices\":[]}\n\n", 0),
        (USAGE, 0),
        (&chunk("{}", ""), 1),
        (&chunk("{\"content\":\"\"}", ""), 1),
        (&chunk("{\"content\":\"a\"}", ""), 1),
    ] {
        let mut stream = ChatStream::new("m", true);
        run(&mut stream, text);
        assert_eq!(stream.chunks(), chunks, "{text}");
    }
}

#[test]
fn a_usage_chunk_nobody_asked_for_is_withheld() {
    let mut stream = ChatStream::new("up", false);
    let steps = run(&mut stream, &[&chunk("{\"content\":\"a\"}", ""), USAGE].concat());
    assert_eq!(steps[1], Step::Withhold);
    assert_eq!(stream.usage().unwrap().prompt_tokens, 5);
}

#[test]
fn usage_on_the_finish_chunk_stays() {
    let finish = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\",\"index\":0}],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}\n\n";
    let mut stream = ChatStream::new("m", false);
    assert_eq!(passed(&run(&mut stream, finish)), finish);
}

#[test]
fn the_last_usage_counts_wherever_it_stands() {
    let usage = |tokens: u64| format!(",\"usage\":{{\"prompt_tokens\":5,\"completion_tokens\":{tokens}}}");
    let text =
        |usage: &str| format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"a\"}}}}]{usage}}}\n\n");
    let finish = chunk("{}", ",\"finish_reason\":\"stop\"");
    let none = ",\"usage\":null";
    for (events, tokens) in [
        // With each chunk, growing; and an empty one at the end.
        ([text(&usage(1)), text(&usage(2)), finish.clone(), String::new()], 2),
        ([text(&usage(1)), text(none), finish.clone(), text(",\"usage\":{}")], 1),
        // On the finish chunk, behind it, and behind the end marker.
        ([text(none), finish.replace("}]}", &format!("}}]{}}}", usage(3))), String::new(), String::new()], 3),
        ([text(&usage(1)), finish.clone(), text(&usage(4)), "data: [DONE]\n\n".into()], 4),
        ([text(none), finish, "data: [DONE]\n\n".into(), USAGE.into()], 2),
    ] {
        let mut stream = ChatStream::new("m", false);
        run(&mut stream, &events.concat());
        assert_eq!(stream.usage().map(|usage| usage.completion_tokens), Some(tokens), "{events:?}");
    }
}

#[test]
fn a_choice_without_a_finish_reason_is_not_whole() {
    let mut stream = ChatStream::new("m", false);
    run(&mut stream, &chunk("{\"content\":\"a\"}", ""));
    assert!(!stream.is_whole());
    run(
        &mut stream,
        "data: {\"choices\":[{\"index\":1,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n",
    );
    assert!(!stream.is_whole() && stream.is_done());
}

#[test]
fn failures_in_band_are_told() {
    for text in [
        "data: {\"error\":{\"message\":\"boom\"}}\n\n",
        "event: error\ndata: {\"message\":\"boom\"}\n\n",
        "{\"error\":\"boom\"}\n",
        "{\"error\":\"boom\"}",
        "{\n  \"error\": \"boom\"\n}\n",
        "event: error\ndata: boom\n\n",
    ] {
        let mut stream = ChatStream::new("m", false);
        let steps = run(&mut stream, text);
        assert!(matches!(&steps[..], [Step::Failed(_)]), "{text}: {steps:?}");
    }
}

#[test]
fn data_over_several_lines_is_mapped_too() {
    let mut stream = ChatStream::new("m", false);
    let steps = run(
        &mut stream,
        "data: {\"model\":\"up\",\ndata: \"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n",
    );
    assert_eq!(
        passed(&steps),
        "data: {\"model\":\"m\",\ndata: \"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n"
    );
}

//! What providers send.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http1::Body;
use http1::head::Reader;
use wire::completion::Completion;
use wire::rate::{self, Dialect};
use wire::sse::{Decoder, Frame};
use wire::{ChatStream, Mending, ProviderError, Repairs, Step};

use crate::judged;

/// No time that is read from a header or a text is further away.
const FURTHEST: Duration = Duration::from_hours(400 * 24);

/// The first byte says into how many parts the rest is cut: the same frames come out, no byte is lost, and a whole stream stays
/// one only with a finish reason.
pub fn events(data: &[u8]) {
    let [parts, stream @ ..] = data else { return };
    let size = stream.len().div_ceil(usize::from(*parts).max(1)).max(1);
    let whole = frames(std::iter::once(stream));
    let cut = frames(stream.chunks(size));
    let joined: Vec<u8> = cut.iter().flat_map(|frame| frame.0.to_vec()).collect();
    assert_eq!(joined, stream, "a byte was lost");
    let fields = |frames: &[Frame]| -> Vec<_> {
        let fields = frames.iter().map(Frame::fields);
        fields.filter_map(|it| Some((it.event.map(<[u8]>::to_vec), it.data?.into_owned()))).collect()
    };
    assert_eq!(fields(&cut), fields(&whole), "a cut changed an event");
    let mut watched = ChatStream::new("mine", false);
    let steps: Vec<Step> = cut.iter().map(|frame| watched.step(frame)).collect();
    let finishes = |frame: &Frame| frame.fields().data.is_some_and(|data| contains(&data, b"finish"));
    // A key may be written with escapes.
    let may_finish = cut.iter().any(finishes) || contains(stream, b"\\u");
    assert!(!watched.is_whole() || may_finish, "whole without a finish reason: {steps:?}");
}

/// A connection that is read in parts as for [`events`]: the same head and content come out as at once, or none either way, and
/// there is no more content than was read.
pub fn http(data: &[u8]) {
    let [parts, read @ ..] = data else { return };
    let size = read.len().div_ceil(usize::from(*parts).max(1)).max(1);
    let (whole, cut) = (received(std::iter::once(read)), received(read.chunks(size)));
    assert_eq!(whole, cut, "a cut changed an answer");
    assert!(whole.is_none_or(|(_, content, _)| content.len() <= read.len()), "content out of nothing");
}

/// The head, the content, and whether that is all of it; `None` where it is no answer.
fn received<'a>(parts: impl Iterator<Item = &'a [u8]>) -> Option<(String, Vec<u8>, bool)> {
    let (mut reader, mut begun, mut content) = (Reader::default(), None, BytesMut::new());
    for part in parts {
        if let Some((_, body)) = &mut begun {
            Body::take(body, part, &mut content).ok()?;
        } else if let Some((head, rest)) = reader.feed(part).ok()? {
            let mut body = Body::new(head.framing);
            body.take(&rest, &mut content).ok()?;
            begun = Some((format!("{head:?}"), body));
        }
    }
    let (head, mut body) = begun?;
    Some((head, content.to_vec(), body.close().is_ok()))
}

fn frames<'a>(parts: impl Iterator<Item = &'a [u8]>) -> Vec<Frame> {
    let mut decoder = Decoder::default();
    let mut frames = Vec::new();
    for part in parts {
        decoder.feed(Bytes::copy_from_slice(part)).expect("no seed is that long");
        frames.extend(std::iter::from_fn(|| decoder.next()));
    }
    frames.extend(decoder.finish());
    frames
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// What the tools in the seeds look like.
const TOOLS: &[u8] = br#"[{"type":"function","function":{"name":"ls","parameters":{"type":"object","properties":{"path":{"type":"string"},"deep":{"type":"array"}}}}}]"#;

/// A stream with all repairs at work, cut as for [`events`]: the client gets the same bytes, and those that came where no
/// repair acted; what was whole stays whole.
pub fn repair(data: &[u8]) {
    let [parts, stream @ ..] = data else { return };
    let size = stream.len().div_ceil(usize::from(*parts).max(1)).max(1);
    let (whole, plain) = (mended(&frames(std::iter::once(stream))), passed(&frames(std::iter::once(stream))));
    let cut = mended(&frames(stream.chunks(size)));
    assert_eq!(cut, whole, "a cut changed what was repaired");
    let (bytes, repairs) = whole;
    if repairs.is_empty() {
        assert_eq!(bytes.escape_ascii().to_string(), plain.escape_ascii().to_string(), "nothing to repair");
    }
}

fn passed(frames: &[Frame]) -> Vec<u8> {
    shown(&mut ChatStream::new("mine", true), frames)
}

fn mended(frames: &[Frame]) -> (Vec<u8>, Repairs) {
    let mending = Mending { repairs: Repairs::ALL, tools: TOOLS, seed: 7 };
    let mut stream = ChatStream::new("mine", true).mending(&mending);
    let mut bytes = shown(&mut stream, frames);
    bytes.extend(stream.give_up().unwrap_or_default());
    bytes.extend(stream.missing_done().unwrap_or_default());
    (bytes, stream.repaired())
}

/// What a client sees up to a failure in band.
fn shown(stream: &mut ChatStream, frames: &[Frame]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for frame in frames {
        match stream.step(frame) {
            Step::Pass { bytes: passed, .. } => bytes.extend_from_slice(&passed),
            Step::Withhold => {}
            Step::Failed(_) => break,
        }
    }
    bytes
}

/// A plain answer that is taken for one is JSON with choices, and only the name of its model changes.
pub fn answer(data: &[u8]) {
    let body = Bytes::copy_from_slice(data);
    let Ok(answer) = Completion::parse(&body, "mine") else { return };
    let Some(before) = judged(data) else { return };
    let mut after = judged(&answer.body).expect("it stays JSON");
    assert!(before["choices"].as_array().is_some_and(|choices| !choices.is_empty()));
    if before["model"].is_string() {
        assert_eq!(after["model"], "mine");
        after["model"] = before["model"].clone();
    }
    assert_eq!(before, after, "more than the model changed");
}

/// Lines of `name: value`, as headers of a refusal; what follows an empty line is its body.
pub fn headers(data: &[u8]) {
    let (head, body) = match data.windows(2).position(|pair| pair == b"\n\n") {
        Some(at) => (&data[..at], &data[at + 2..]),
        None => (data, &b""[..]),
    };
    let lines = || {
        head.split(|byte| *byte == b'\n').filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            Some((std::str::from_utf8(&line[..colon]).ok()?, line[colon + 1..].trim_ascii()))
        })
    };
    let error = ProviderError::parse(body).unwrap_or_default();
    for (_, dialect) in Dialect::ALL {
        let evidence = rate::evidence(*dialect, lines(), &error, Duration::from_secs(1_800_000_007));
        assert!(evidence.retry_after.is_none_or(|time| time <= FURTHEST), "{evidence:?}");
        for reading in evidence.readings {
            assert!(reading.reset.is_none_or(|time| time <= FURTHEST), "{reading:?}");
            assert!(reading.limit.is_some() || reading.remaining.is_some(), "{reading:?}");
        }
    }
}

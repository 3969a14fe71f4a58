//! hyper as the judge: what both read must be the same answer.

#![expect(clippy::expect_used, reason = "a test that can't go on fails")]

use bytes::{Bytes, BytesMut};
use http::header::TRANSFER_ENCODING;
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use http1::head::Reader;
use http1::{Body, Malformed};
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use tokio::io::AsyncWriteExt;
use tokio::runtime::{Builder, Runtime};

/// An answer that was read to its end.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    content: Vec<u8>,
}

/// Our reading of a connection on which nothing else comes; `None`: no whole answer.
fn ours(bytes: &[u8], cuts: &[usize]) -> Option<Answer> {
    read(bytes, cuts).ok().flatten()
}

fn read(bytes: &[u8], cuts: &[usize]) -> Result<Option<Answer>, Malformed> {
    let (mut reader, mut begun) = (Reader::default(), None);
    let mut content = BytesMut::new();
    for cut in cuts.windows(2) {
        let part = &bytes[cut[0]..cut[1]];
        match &mut begun {
            None => {
                let Some((head, rest)) = reader.feed(part)? else { continue };
                let mut body = Body::new(head.framing);
                body.take(&rest, &mut content)?;
                begun = Some((head, body));
            }
            Some((_, body)) => {
                body.take(part, &mut content)?;
            }
        }
    }
    Ok(begun.and_then(|(head, mut body)| {
        body.close().ok()?;
        Some(Answer { status: head.status, headers: head.headers, content: content.to_vec() })
    }))
}

/// hyper's reading of the same.
fn theirs(runtime: &Runtime, bytes: &[u8]) -> Option<Answer> {
    runtime.block_on(async {
        let (near, mut far) = tokio::io::duplex(64 * 1024);
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(near)).await.expect("a connection");
        let driver = tokio::spawn(connection);
        let asked = sender.send_request(Request::new(Empty::<Bytes>::new()));
        // What comes before it was asked for is refused.
        let answer = tokio::spawn(asked);
        tokio::task::yield_now().await;
        far.write_all(bytes).await.expect("room");
        far.shutdown().await.expect("an end");
        let answer = answer.await.expect("no panic");
        let read = match answer {
            Ok(answer) => {
                let (head, body) = answer.into_parts();
                let content = body.collect().await.ok();
                content.map(|content| Answer {
                    status: head.status,
                    headers: head.headers,
                    content: content.to_bytes().to_vec(),
                })
            }
            Err(_) => None,
        };
        driver.abort();
        read
    })
}

fn runtime() -> Runtime {
    Builder::new_current_thread().build().expect("a runtime")
}

/// Where it is split; both ends are among it.
fn places(cuts: &[prop::sample::Index], length: usize) -> Vec<usize> {
    let mut places: Vec<_> = cuts.iter().map(|cut| cut.index(length + 1)).chain([0, length]).collect();
    places.sort_unstable();
    places
}

/// What a server may send, and what it must not.
fn answers() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        4 => Just("content-length: 5".to_owned()),
        2 => "content-length: [0-9]{1,2}",
        4 => Just("transfer-encoding: chunked".to_owned()),
        1 => Just("Transfer-Encoding: gzip, chunked".to_owned()),
        1 => Just("transfer-encoding: identity".to_owned()),
        1 => Just("connection: close".to_owned()),
        1 => Just("connection: keep-alive".to_owned()),
        3 => "x-[a-z]{1,3}: ?[ -~]{0,12}",
        1 => "[ -~]{0,9}",
    ];
    let start = prop_oneof![
        8 => Just("HTTP/1.1 200 OK"),
        1 => Just("HTTP/1.0 200 OK"),
        1 => Just("HTTP/1.1 204 No Content"),
        1 => Just("HTTP/1.1 304 Not Modified"),
        1 => Just("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK"),
        1 => Just("\r\nHTTP/1.1 429 "),
        1 => Just("HTTP/1.1 500"),
        1 => Just("HTTP/2 200 OK"),
    ];
    let body = prop_oneof![
        2 => Just("hello".to_owned()),
        2 => "5\r\nhello\r\n0\r\n\r\n",
        2 => "[0-9a-fA-F]{1,2}[ \t]{0,2}(;[a-z]{0,3})?\r\n[a-z]{0,9}(\r\n)?0\r\n(a: b\r\n)?\r\n",
        1 => "[ -~\r\n]{0,20}",
    ];
    let end = prop_oneof![6 => Just("\r\n"), 1 => Just("\n"), 1 => Just(" \r\n")];
    (start, prop::collection::vec(line, 0..4), body, end).prop_map(|(start, lines, body, end)| {
        let lines = lines.iter().flat_map(|line| [line, end]);
        let text = [start, "\r\n"].into_iter().chain(lines).chain(["\r\n", &body]);
        text.collect::<String>().into_bytes()
    })
}

/// Differences that are meant: what only hyper reads.
fn is_ours_the_stricter(answer: &Answer) -> bool {
    // Letters that no coding has make it no list of codings.
    let is_odd = |value: &HeaderValue| value.to_str().is_err();
    answer.headers.get_all(TRANSFER_ENCODING).iter().any(is_odd)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whoever_reads_an_answer_reads_the_same(
        bytes in answers(),
        damage in prop::option::weighted(0.3, (any::<prop::sample::Index>(), any::<u8>())),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let mut bytes = bytes;
        if let Some((place, byte)) = damage {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let (ours, theirs) = (ours(&bytes, &places(&cuts, bytes.len())), theirs(&runtime(), &bytes));
        let is_meant = ours.is_none() && theirs.as_ref().is_some_and(is_ours_the_stricter);
        prop_assert!(ours == theirs || is_meant, "{}\nours: {ours:?}\nhyper's: {theirs:?}", bytes.escape_ascii());
    }
}

/// Else they would agree on nothing.
#[test]
fn many_of_these_answers_are_whole() {
    let mut runner = TestRunner::deterministic();
    let whole = (0..500).filter(|_| {
        let bytes = answers().new_tree(&mut runner).expect("an answer").current();
        ours(&bytes, &[0, bytes.len()]).is_some()
    });
    let whole = whole.count();
    assert!((100..450).contains(&whole), "{whole}");
}

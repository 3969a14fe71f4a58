use std::convert::Infallible;
use std::io::Write;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, StreamBody};

use super::*;

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn deflate(content: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn text() -> Vec<u8> {
    (0..5_000).flat_map(|number| format!("{number} bottles; ").into_bytes()).collect()
}

/// A body in parts of this size.
fn parts(bytes: &[u8], size: usize) -> impl Body<Data = Bytes, Error = Infallible> + Unpin + use<> {
    let parts: Vec<Bytes> = bytes.chunks(size).map(Bytes::copy_from_slice).collect();
    StreamBody::new(stream::iter(parts).map(|part| Ok(Frame::data(part))))
}

async fn unpacked(sent: &[u8], coding: Coding, size: usize) -> Result<Vec<u8>, Broken<Infallible>> {
    let body = Decoded::new(parts(sent, size), coding).suspicious();
    body.collect().await.map(|it| it.to_bytes().to_vec())
}

#[tokio::test]
async fn however_it_is_cut_the_content_is_the_same() {
    let text = text();
    let twice = [gzip(&text[..7]), gzip(&text[7..])].concat();
    let sent = [
        (text.clone(), Coding::Identity),
        (gzip(&text), Coding::Gzip),
        (twice, Coding::Gzip),
        (deflate(&text), Coding::Deflate),
    ];
    for (sent, coding) in &sent {
        for size in [1, 2, 3, 17, 4096, usize::MAX] {
            assert!(unpacked(sent, *coding, size).await.unwrap() == text, "{coding:?} by {size}");
        }
    }
}

#[tokio::test]
async fn what_is_flushed_is_there_at_once() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(b"data: one\n\n").unwrap();
    encoder.flush().unwrap();
    let mut body = Decoded::new(parts(encoder.get_ref(), usize::MAX), Coding::Gzip);
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "data: one\n\n");
}

#[tokio::test]
async fn what_is_cut_short_or_spoilt_is_no_content() {
    let text = text();
    for (whole, coding) in [(gzip(&text), Coding::Gzip), (deflate(&text), Coding::Deflate)] {
        let spoilt = [
            Vec::new(),
            whole[..5].to_vec(),
            whole[..whole.len() / 2].to_vec(),
            whole[..whole.len() - 1].to_vec(),
            [&whole[..], b"more"].concat(),
            [&whole[..whole.len() - 3], b"xyz"].concat(),
            text.clone(),
        ];
        for (number, sent) in spoilt.iter().enumerate() {
            for size in [1, usize::MAX] {
                let result = unpacked(sent, coding, size).await;
                assert!(matches!(result, Err(Broken::Malformed(_))), "{coding:?} {number} by {size}");
            }
        }
    }
}

#[tokio::test]
async fn a_bomb_is_given_up_early() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    (0..100).for_each(|_| encoder.write_all(&vec![b' '; 1 << 20]).unwrap());
    let mut body = Decoded::new(parts(&encoder.finish().unwrap(), 4096), Coding::Gzip).suspicious();
    let mut given = 0;
    let error = loop {
        match body.frame().await.unwrap() {
            Ok(frame) => given += frame.into_data().unwrap().len() as u64,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Broken::Bomb), "{error}");
    assert!(given <= UNSUSPICIOUS + 2 * PIECE as u64, "{given}");
    assert!(body.frame().await.is_none());
}

#[test]
fn what_the_header_says() {
    let of = |values: &[&'static str]| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::CONTENT_ENCODING, HeaderValue::from_static(value));
        }
        Coding::of(&headers)
    };
    for (said, coding) in [
        ("", Coding::Identity),
        ("Identity", Coding::Identity),
        ("GZIP", Coding::Gzip),
        (" x-gzip ", Coding::Gzip),
        ("deflate", Coding::Deflate),
    ] {
        assert_eq!(of(&[said]), Ok(coding));
    }
    assert_eq!(of(&[]), Ok(Coding::Identity));
    for said in ["br", "zstd", "gzip, gzip", "identity, gzip", "compress"] {
        assert_eq!(of(&[said]), Err(said.to_owned()));
    }
    assert!(of(&["gzip", "gzip"]).is_err());
}

#[test]
fn others_are_let_go_first() {
    let mut body = Decoded::new(parts(&gzip(&vec![b' '; 8 << 20]), usize::MAX), Coding::Gzip);
    let mut context = Context::from_waker(std::task::Waker::noop());
    let (mut given, mut waits) = (0, 0);
    loop {
        match Pin::new(&mut body).poll_frame(&mut context) {
            Poll::Ready(Some(frame)) => given += frame.unwrap().into_data().unwrap().len(),
            Poll::Ready(None) => break,
            Poll::Pending => waits += 1,
        }
    }
    assert_eq!((given, waits), (8 << 20, (8 << 20) / PIECE / usize::from(MOST_IN_A_ROW)));
}

//! The head of an answer, and how its body is framed.

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use httparse::{Error, Status};
use memchr::memchr;

use crate::{Framing, Malformed};

/// The longest head, in bytes.
pub const MAX_HEAD: usize = 64 * 1024;
/// The most header lines.
const MAX_HEADERS: usize = 100;

/// The head of an answer.
#[derive(Debug)]
pub struct Head {
    /// Never one that announces another head.
    pub status: StatusCode,
    /// Slices of what was read.
    pub headers: HeaderMap,
    /// Of the body.
    pub framing: Framing,
    /// Another request may be sent when the body is over.
    pub keeps_alive: bool,
}

/// What has been read of a head.
#[derive(Debug, Default)]
pub struct Reader {
    read: BytesMut,
}

impl Reader {
    /// Takes in what was read next; the head and what was read behind it, once it is whole. Heads that only announce it
    /// (100 to 199) are passed over.
    ///
    /// # Errors
    ///
    /// What can't be the head of an answer.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Option<(Head, Bytes)>, Malformed> {
        self.read.extend_from_slice(bytes);
        // Empty lines before it, which `parse` would pass over each time anew.
        while let Some(blank) = [&b"\n"[..], b"\r\n"].into_iter().find(|blank| self.read.starts_with(blank)) {
            self.read.advance(blank.len());
        }
        // A head ends with a line; one that comes byte by byte is not parsed for each.
        if memchr(b'\n', bytes).is_some() {
            let mut read = std::mem::take(&mut self.read).freeze();
            while let Some((head, length)) = parse(&read)? {
                read.advance(length);
                if !head.status.is_informational() {
                    return Ok(Some((head, read)));
                }
            }
            self.read = read.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&*shared));
        }
        if self.read.len() > MAX_HEAD { Err(Malformed::LongHead) } else { Ok(None) }
    }
}

/// The head at the start of `read`, and its length; `None` where it is not whole.
fn parse(read: &Bytes) -> Result<Option<(Head, usize)>, Malformed> {
    let mut lines = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Response::new(&mut lines);
    let Status::Complete(length) = parsed.parse(read)? else { return Ok(None) };
    let status = parsed.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or(Error::Status)?;
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Malformed::Switched);
    }
    let mut headers = HeaderMap::with_capacity(parsed.headers.len());
    for line in &*parsed.headers {
        let name = HeaderName::from_bytes(line.name.as_bytes()).map_err(|_| Error::HeaderName)?;
        let value = HeaderValue::from_maybe_shared(read.slice_ref(line.value));
        headers.append(name, value.map_err(|_| Error::HeaderValue)?);
    }
    let is_1_1 = parsed.version == Some(1);
    let framing = framing(status, is_1_1, &headers)?;
    let keeps_alive = is_1_1
        && framing != Framing::UntilClose
        && !tokens(&headers, header::CONNECTION).any(|token| token.eq_ignore_ascii_case(b"close"))
        && !is_ambiguous(framing, &headers);
    Ok(Some((Head { status, headers, framing, keeps_alive }, length)))
}

/// Where a body may be framed in two ways, somebody else may have believed in the other one.
fn is_ambiguous(framing: Framing, headers: &HeaderMap) -> bool {
    let is_chunked = headers.contains_key(header::TRANSFER_ENCODING);
    let mut lengths = tokens(headers, header::CONTENT_LENGTH).map(length);
    match framing {
        Framing::Length(said) => is_chunked || lengths.any(|length| length != Some(said)),
        Framing::Chunked | Framing::UntilClose => lengths.next().is_some(),
    }
}

/// RFC 9112, section 6.3.
fn framing(status: StatusCode, is_1_1: bool, headers: &HeaderMap) -> Result<Framing, Malformed> {
    if status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        return Ok(Framing::Length(0));
    }
    if let Some(last) = tokens(headers, header::TRANSFER_ENCODING).last() {
        if !is_1_1 || !headers.get_all(header::TRANSFER_ENCODING).iter().all(|value| value.to_str().is_ok()) {
            return Err(Malformed::Encoding);
        }
        let is_chunked = last.eq_ignore_ascii_case(b"chunked");
        return Ok(if is_chunked { Framing::Chunked } else { Framing::UntilClose });
    }
    let mut lengths = tokens(headers, header::CONTENT_LENGTH).map(length);
    let Some(first) = lengths.next() else { return Ok(Framing::UntilClose) };
    if lengths.any(|other| other != first) {
        return Err(Malformed::Length);
    }
    first.map(Framing::Length).ok_or(Malformed::Length)
}

/// What stands between the commas of all lines of a header.
fn tokens(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &[u8]> {
    headers
        .get_all(name)
        .into_iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
}

fn length(token: &[u8]) -> Option<u64> {
    // `parse` would take a sign.
    let digits =
        std::str::from_utf8(token).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    digits?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<(Head, Bytes)>, Malformed> {
        Reader::default().feed(text.as_bytes())
    }

    fn head(text: &str) -> Head {
        read(text).expect("a head").expect("whole").0
    }

    #[test]
    fn what_follows_a_head_is_the_bodys() {
        let (head, rest) = read("HTTP/1.1 200 OK\r\nA: b\r\n\r\nrest").expect("a head").expect("whole");
        assert_eq!(
            (head.status, &head.headers["a"], &*rest),
            (StatusCode::OK, &HeaderValue::from_static("b"), &b"rest"[..])
        );
    }

    #[test]
    fn a_head_may_come_byte_by_byte() {
        let mut reader = Reader::default();
        let text =
            "\r\n\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
        let mut found = Vec::new();
        for byte in text.bytes() {
            found.extend(reader.feed(&[byte]).expect("no error"));
        }
        let [(head, rest)] = &*found else { panic!("{found:?}") };
        assert_eq!((head.status, head.framing, rest.len()), (StatusCode::OK, Framing::Length(5), 0));
    }

    #[test]
    fn framings_are_told_apart_as_the_standard_says() {
        let framing = |lines: &str| head(&format!("HTTP/1.1 200 OK\r\n{lines}\r\n")).framing;
        assert_eq!(framing(""), Framing::UntilClose);
        assert_eq!(framing("content-length: 7\r\n"), Framing::Length(7));
        assert_eq!(framing("content-length: 7, 7\r\ncontent-length: 7\r\n"), Framing::Length(7));
        assert_eq!(framing("transfer-encoding: gzip, Chunked\r\n"), Framing::Chunked);
        assert_eq!(framing("transfer-encoding: chunked, gzip\r\n"), Framing::UntilClose);
        assert_eq!(framing("transfer-encoding: chunked\r\ncontent-length: 7\r\n"), Framing::Chunked);
        assert_eq!(head("HTTP/1.1 204 No Content\r\ncontent-length: 7\r\n\r\n").framing, Framing::Length(0));
    }

    #[test]
    fn lengths_that_are_no_number_or_several_are_refused() {
        for lengths in
            ["+7", "-1", "7 7", "0x7", "", "18446744073709551616", "7, 8", "7\r\ncontent-length: 8"]
        {
            let text = format!("HTTP/1.1 200 OK\r\ncontent-length: {lengths}\r\n\r\n");
            assert_eq!(read(&text).map(|_| ()), Err(Malformed::Length), "{lengths}");
        }
    }

    #[test]
    fn a_connection_is_kept_only_where_both_sides_know_where_its_answer_ends() {
        let keeps =
            |version: &str, lines: &str| head(&format!("{version} 200 OK\r\n{lines}\r\n")).keeps_alive;
        assert!(keeps("HTTP/1.1", "content-length: 7\r\n"));
        assert!(keeps("HTTP/1.1", "transfer-encoding: chunked\r\n"));
        assert!(!keeps("HTTP/1.0", "content-length: 7\r\n"));
        assert!(!keeps("HTTP/1.1", ""));
        assert!(!keeps("HTTP/1.1", "content-length: 7\r\nconnection: x, Close\r\n"));
        assert!(!keeps("HTTP/1.1", "content-length: 7\r\ntransfer-encoding: chunked\r\n"));
        let keeps = |lines: &str| head(&format!("HTTP/1.1 204 No Content\r\n{lines}\r\n")).keeps_alive;
        assert!(keeps("") && keeps("content-length: 0\r\n"));
        assert!(!keeps("content-length: 7\r\n") && !keeps("transfer-encoding: chunked\r\n"));
    }

    #[test]
    fn what_is_no_head_is_refused() {
        assert_eq!(read("SSH-2.0-OpenSSH\r\n").map(|_| ()), Err(Malformed::Head(Error::Version)));
        assert_eq!(read("HTTP/1.1 101 Switching\r\n\r\n").map(|_| ()), Err(Malformed::Switched));
        for (version, encoding) in [("1.0", "chunked"), ("1.1", "\u{e9}, chunked")] {
            let text = format!("HTTP/{version} 200 OK\r\ntransfer-encoding: {encoding}\r\n\r\n");
            assert_eq!(read(&text).map(|_| ()), Err(Malformed::Encoding), "{text}");
        }
        let mut reader = Reader::default();
        let start = reader.feed(b"HTTP/1.1 200 OK\r\na: ").map(|_| ());
        let long = reader.feed(&vec![b'a'; MAX_HEAD]).map(|_| ());
        assert_eq!((start, long), (Ok(()), Err(Malformed::LongHead)));
    }
}

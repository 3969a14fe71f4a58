//! Connections over pipes, in virtual time.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::sleep;

use super::*;
use crate::gather::gather;
use crate::socket::Socket;
use crate::socket::piped;

/// Of this machine, so that no proxy of the environment's is asked for it.
const HOST: &str = "127.0.0.1:1";
const WHOLE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

const PATIENCE: Patience = Patience { connect: Duration::from_secs(3), tls: Duration::from_secs(5) };
const AT_ONCE: Option<Duration> = Some(Duration::ZERO);

/// A host that answers every request on a connection in the same way.
struct Host {
    dialled: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
    upstream: Upstream,
}

impl Host {
    /// It closes a connection so long after its first answer; `None`: never.
    fn new(answer: &'static str, stays: Option<Duration>) -> Self {
        let (dialled, open) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let counts = (Arc::clone(&dialled), Arc::clone(&open));
        piped::host(HOST, move || {
            let (near, mut far) = Socket::pipe();
            let open = Arc::clone(&counts.1);
            counts.0.fetch_add(1, Relaxed);
            open.fetch_add(1, Relaxed);
            tokio::spawn(async move {
                // Heads are short and come in one piece.
                let mut head = [0; 1024];
                while far.read(&mut head).await.is_ok_and(|length| length > 0) {
                    if far.write_all(answer.as_bytes()).await.is_err() {
                        break;
                    }
                    if let Some(stays) = stays {
                        sleep(stays).await;
                        break;
                    }
                }
                drop(far);
                open.fetch_sub(1, Relaxed);
            });
            async { Ok(near) }
        });
        Self { dialled, open, upstream: Upstream::new(None, PATIENCE).expect("certificates") }
    }

    async fn asked(&self, body: Option<Spliced>) -> Result<(StatusCode, Bytes), Failure> {
        let to = format!("http://{HOST}/").parse().expect("a URI");
        let sent = Arc::default();
        let answer = self.upstream.ask(&Method::POST, &to, Vec::new(), body, sent).await?;
        let (head, body) = answer.into_parts();
        let body = gather(body, 1024).await;
        let body = body.map_err(|error| Failure::new(Kind::Connection, error.to_string()))?;
        // What the other side does of itself.
        sleep(Duration::from_millis(1)).await;
        Ok((head.status, body))
    }

    async fn is_asked(&self) -> String {
        match self.asked(None).await {
            Ok((_, body)) => String::from_utf8(body.to_vec()).expect("text"),
            Err(failure) => failure.error.message,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_used_again_once_its_answer_is_over() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    let none = "HTTP/1.1 204 No Content\r\n\r\n";
    for (answer, content) in [(WHOLE, "ok"), (chunked, "ok"), (none, "")] {
        let host = Host::new(answer, None);
        assert_eq!([host.is_asked().await, host.is_asked().await], [content, content]);
        assert_eq!(host.dialled.load(Relaxed), 1, "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_not_used_again_where_something_may_still_come() {
    for (answer, closes) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok", false),
        ("HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", false),
        ("HTTP/1.1 200 OK\r\n\r\nok", true),
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n", false),
        ("HTTP/1.1 204 No Content\r\n\r\nok", false),
        (WHOLE, true),
    ] {
        let host = Host::new(answer, closes.then_some(Duration::ZERO));
        assert_eq!(host.is_asked().await, host.is_asked().await);
        assert_eq!((host.dialled.load(Relaxed), host.open.load(Relaxed)), (2, 0), "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn half_an_answer_is_none() {
    for half in [
        "HTTP/1.1 200 OK\r\ncontent-le",
        "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n",
    ] {
        let said = Host::new(half, AT_ONCE).is_asked().await;
        assert!(said.ends_with("the connection was closed before the answer was complete"), "{half}: {said}");
    }
    let said = Host::new("220 smtp.example ESMTP\r\n", None).is_asked().await;
    assert_eq!(said, "its head is malformed: invalid HTTP version");
}

#[tokio::test(start_paused = true)]
async fn an_answer_may_come_before_all_of_its_request_is_sent() {
    let refusal = "HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno";
    let body = Spliced::new(&Bytes::from(vec![b'x'; 1024 * 1024]), &[]);
    let host = Host::new(refusal, AT_ONCE);
    let answered = host.asked(Some(body.clone())).await.expect("an answer");
    assert_eq!(answered, (StatusCode::PAYLOAD_TOO_LARGE, Bytes::from_static(b"no")));
    // Here it goes on reading, and answers each part of what it reads.
    let host = Host::new(refusal, None);
    let answered = host.asked(Some(body)).await.expect("an answer");
    assert_eq!(answered, (StatusCode::PAYLOAD_TOO_LARGE, Bytes::from_static(b"no")));
    assert_eq!((host.dialled.load(Relaxed), host.open.load(Relaxed)), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_connection_waits_for_less_than_a_minute() {
    let host = Host::new(WHOLE, None);
    host.is_asked().await;
    sleep(Duration::from_secs(40)).await;
    assert_eq!(host.open.load(Relaxed), 1);
    sleep(Duration::from_secs(20)).await;
    assert_eq!(host.open.load(Relaxed), 0);
    // And somebody looks after the next one.
    host.is_asked().await;
    sleep(Duration::from_mins(1)).await;
    assert_eq!((host.dialled.load(Relaxed), host.open.load(Relaxed)), (2, 0));
}

/// More of them than a task may read of in one go. Over TCP: what is written to a closed pipe fails at once.
#[tokio::test]
async fn connections_that_were_closed_while_they_waited_are_passed_over() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let to: Uri = format!("http://{}/", listener.local_addr().expect("its address")).parse().expect("a URI");
    let (close, closing) = watch::channel(false);
    let dialled = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&dialled);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            counted.fetch_add(1, Relaxed);
            let mut closing = closing.clone();
            tokio::spawn(async move {
                let mut head = [0; 1024];
                let _ = socket.read(&mut head).await;
                let _ = socket.write_all(WHOLE.as_bytes()).await;
                let _ = closing.wait_for(|is_closing| *is_closing).await;
            });
        }
    });
    let upstream = Upstream::new(None, PATIENCE).expect("certificates");
    let ask = async || upstream.get(to.clone(), None).await.map(|(_, body)| body).expect("an answer");
    join_all((0..300).map(|_| ask())).await;
    assert_eq!(dialled.load(Relaxed), 300);
    close.send_replace(true);
    // The runtime hears of all of them.
    sleep(Duration::from_millis(50)).await;
    assert_eq!(ask().await, "ok");
    assert_eq!(dialled.load(Relaxed), 301);
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_takes_the_connection_along() {
    let host = Host::new("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no", None);
    let to = format!("http://{HOST}/").parse().expect("a URI");
    let answer =
        host.upstream.ask(&Method::GET, &to, Vec::new(), None, Arc::default()).await.expect("a head");
    assert_eq!(host.open.load(Relaxed), 1);
    drop(answer);
    sleep(Duration::from_millis(1)).await;
    assert_eq!(host.open.load(Relaxed), 0);
}

#[test]
fn a_request_on_its_way_shows_no_key() {
    let request = Outgoing::new(Bytes::from_static(b"authorization: csk-secret"), &[], Arc::default());
    assert!(!format!("{request:?}").contains("secret"));
}

//! A panic, which nothing here is known to cause, stays in its request.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use qwen_3_coder_proxy::api;
use qwen_3_coder_proxy::config::Timeouts;
use qwen_3_coder_proxy::server::{self, Handler, RequestBody};
use serde_json::Value;
use simulator::{Fault, Times};

use crate::client::{self, HANG, get};
use crate::harness::{House, question};

/// A body of so many parts, behind which it panics with these words, if there are some.
type Parts = StreamBody<BoxStream<'static, Result<Frame<Bytes>, Infallible>>>;

fn parts(part: &'static str, count: usize, panic: Option<&'static str>) -> Parts {
    let parts = (0..count).map(move |_| Ok(Frame::data(part.into())));
    let end = panic.into_iter().map(|words| panic!("{words}"));
    StreamBody::new(stream::iter(parts.chain(end)).boxed())
}

fn chat<B>(body: B) -> Request<B> {
    let request = Request::post("/v1/chat/completions").header("host", "x");
    request.header("content-type", "application/json").body(body).expect("a request")
}

#[tokio::test]
async fn it_becomes_an_error_that_says_nothing_of_it() {
    let house = House::new(&[]).await;
    let body = parts("{", 1, Some("csk-it-0123456789abcdef in a message"));
    let answer = api::handle(Arc::clone(&house.proxy.app), chat(body)).await;
    assert_eq!(answer.status(), 500);
    assert!(answer.headers().contains_key("x-request-id"));
    let body = answer.into_body().collect().await.expect("a body").to_bytes();
    let error: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(
        (&error["error"]["type"], &error["error"]["code"]),
        (&"server_error".into(), &"internal_error".into())
    );
    assert!(!String::from_utf8_lossy(&body).contains("csk"), "{error}");
    house.ask(true).await.good();
    house.ask(false).await.good();
}

/// Whatever panics while a request is under way, what it has set aside comes back, and its provider is left.
#[tokio::test]
async fn what_was_set_aside_comes_back() {
    let house = House::new(&[]).await;
    let account = &house.proxy.app.proxy.models[0].targets[0].account;
    for fault in [Fault::SilenceAfterHead, Fault::RoleThenSilence, Fault::SlowTokens] {
        house.cerebras.inject(fault, Times::Once);
        let (admitted, aborted) = (house.cerebras.stats().admitted, house.cerebras.stats().aborted);
        let body = http_body_util::Full::from(question(false).to_string());
        let mut answering = Box::pin(api::handle(Arc::clone(&house.proxy.app), chat(body)));
        let started = async {
            while house.cerebras.stats().admitted == admitted {
                assert!(answering.as_mut().now_or_never().is_none(), "it is under way");
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(HANG, started).await.expect("it is sent");
        assert_eq!(account.status().in_flight, 1);
        let unwound = catch_unwind(AssertUnwindSafe(move || {
            let _dropped_on_the_way = answering;
            panic!("while a request is under way");
        }));
        assert!(unwound.is_err());
        assert_eq!(account.status().in_flight, 0, "{fault}");
        let left = async {
            while house.cerebras.stats().aborted == aborted {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(HANG, left).await.expect("the provider is left");
        house.ask(true).await.good();
    }
}

/// Panics where it is told to: in its handler, or within its answer.
#[derive(Clone, Default)]
struct Mine(Arc<AtomicUsize>);

impl Handler for Mine {
    type Body = Parts;

    fn handle(
        &self,
        request: Request<RequestBody>,
    ) -> impl Future<Output = Response<Parts>> + Send + 'static {
        self.0.fetch_add(1, Ordering::Relaxed);
        async move {
            match request.uri().path() {
                "/handler" => panic!("in a handler"),
                "/answer" => Response::new(parts("a part", 2, Some("within an answer"))),
                _ => Response::new(parts("well", 1, None)),
            }
        }
    }
}

#[tokio::test]
async fn a_connection_that_panics_takes_no_other_with_it() {
    let listener = server::bind(([127, 0, 0, 1], 0).into()).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (mine, timeouts) = (
        Mine::default(),
        Timeouts {
            connect: HANG,
            tls: HANG,
            head: HANG,
            request: HANG,
            stream_idle: HANG,
            total: None,
            header: HANG,
            body: HANG,
            write: HANG,
            drain: HANG,
        },
    );
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = server::serve(listener, mine.clone(), timeouts, async {
        let _ = stopped.await;
    });
    let asking = async {
        let mut other = tokio::net::TcpStream::connect(address).await.expect("it listens");
        for path in ["/handler", "/answer"] {
            let reply = client::exchange(address, &get(path, &[])).await;
            assert!(!reply.whole, "{}", reply.describe());
            tokio::io::AsyncWriteExt::write_all(&mut other, &get("/", &[])).await.expect("it reads");
            assert_eq!(client::read(&mut other).await.text(), "well", "on a connection from before");
        }
        assert_eq!(mine.0.load(Ordering::Relaxed), 4);
        drop(stop);
    };
    // It also drains: what has panicked is not waited for.
    let (cut, ()) = tokio::time::timeout(HANG, Box::pin(async { tokio::join!(serving, asking) }))
        .await
        .expect("it stops");
    assert_eq!(cut, 0);
}

//! What takes long is counted beside the thread that serves.

use std::sync::mpsc;

use futures_util::FutureExt;
use serde_json::json;

use super::*;

const TEMPLATE: Template = Template::Qwen3CoderLaunch;

/// A request of so many letters in one word.
fn request(letters: usize) -> ChatRequest {
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "ab".repeat(letters / 2)}]});
    ChatRequest::parse(body.to_string().into()).expect("a request")
}

fn sizes<'a>(request: &'a ChatRequest, counters: &'a Arc<Counters>) -> Sizes<'a> {
    Sizes::new(request, counters, None)
}

/// On one thread that serves and one for what blocks, and that one is busy: whoever waited for a count would wait for ever.
#[test]
fn nobody_waits_for_the_count_of_a_long_request() {
    let _ = Vocabulary::load();
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.max_blocking_threads(1).build().expect("a runtime");
    let (release, released) = mpsc::channel::<()>();
    let busy = runtime.spawn_blocking(move || released.recv());
    runtime.block_on(async {
        let counters = Arc::new(Counters::default());
        let (long, longer, short) = (request(100_000), request(120_000), request(2_000));
        let (mut first, mut second, mut third) =
            (sizes(&long, &counters), sizes(&longer, &counters), sizes(&short, &counters));
        {
            let mut counting = std::pin::pin!(first.prepare([TEMPLATE].into_iter()));
            assert!(counting.as_mut().now_or_never().is_none());
            // A short one is counted meanwhile, and another long one is guessed.
            third.prepare([TEMPLATE].into_iter()).now_or_never().expect("at once");
            assert!(third.counted(TEMPLATE).is_some());
            second.prepare([TEMPLATE].into_iter()).now_or_never().expect("at once");
            assert_eq!(second.counted(TEMPLATE), None);
            assert!(counting.as_mut().now_or_never().is_none());
            release.send(()).expect("it waits");
            counting.await;
        }
        let alone = Counter::new(TEMPLATE, counters.keys).count(sizes(&long, &counters).keyed());
        assert_eq!(first.counted(TEMPLATE), alone);
        assert!(alone.is_some());
        // What is remembered needs no other thread.
        let mut again = sizes(&long, &counters);
        again.prepare([TEMPLATE].into_iter()).now_or_never().expect("at once");
        assert_eq!(again.counted(TEMPLATE), alone);
    });
    runtime.block_on(busy).expect("it ends").expect("released");
}

/// Clients that leave again and again must not have all their requests counted at once.
#[test]
fn a_count_whose_client_has_left_is_still_the_only_one() {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.max_blocking_threads(1).build().expect("a runtime");
    let (release, released) = mpsc::channel::<()>();
    let busy = runtime.spawn_blocking(move || released.recv());
    runtime.block_on(async {
        let (counters, long) = (Arc::new(Counters::default()), request(100_000));
        let gone = counters.count_beside(0, &long).now_or_never();
        assert_eq!((gone, counters.beside.available_permits()), (None, 0));
        release.send(()).expect("it waits");
        let _ = counters.beside.acquire().await.expect("it ends");
    });
    runtime.block_on(busy).expect("it ends").expect("released");
}

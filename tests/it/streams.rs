//! Answers that real providers give, or could, and that are easily misread.

use std::time::Duration;

use crate::client::Reply;
use crate::harness::{CHUTES_KEY, House, Running, question};
use crate::scripted::Scripted;

const SSE: &str = "200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked";

fn event(data: &str) -> String {
    format!("data: {data}\n\n")
}

fn content(text: &str) -> String {
    event(&format!(r#"{{"model":"up","choices":[{{"index":0,"delta":{{"content":"{text}"}}}}]}}"#))
}

fn finish() -> String {
    event(r#"{"model":"up","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#)
}

/// A scripted provider alone, or in Cerebras's place before a Chutes that works.
struct Stage {
    upstream: Scripted,
    house: House,
    proxy: Running,
}

impl Stage {
    async fn alone(vars: &[(&str, &str)]) -> Self {
        let upstream = Scripted::start().await;
        let url = upstream.base_url();
        let own = [("CEREBRAS_API_KEY", "csk-secret/with+odd=signs"), ("CEREBRAS_BASE_URL", &url)];
        let vars: Vec<_> = own.into_iter().chain(vars.iter().copied()).collect();
        let (house, proxy) = (House::new(&[]).await, Running::start(&vars).await);
        Self { upstream, house, proxy }
    }

    async fn before_chutes(vars: &[(&str, &str)]) -> Self {
        let mut stage = Self::alone(vars).await;
        let (url, chutes) = (stage.upstream.base_url(), stage.house.chutes.base_url());
        let own = [
            ("CEREBRAS_API_KEY", "csk-secret/with+odd=signs"),
            ("CEREBRAS_BASE_URL", url.as_str()),
            ("CHUTES_API_KEY", CHUTES_KEY),
            ("CHUTES_BASE_URL", chutes.as_str()),
        ];
        let vars: Vec<_> = own.into_iter().chain(vars.iter().copied()).collect();
        stage.proxy = Running::start(&vars).await;
        stage
    }

    async fn stream(&self, parts: &[&str]) -> Reply {
        self.upstream.answer(parts.iter().map(|part| part.as_bytes().to_vec()).collect());
        self.ask(true).await
    }

    async fn ask(&self, stream: bool) -> Reply {
        self.proxy.chat(question(stream).to_string().as_bytes()).await
    }
}

#[tokio::test]
async fn an_error_inside_a_200_is_believed_where_it_asks_for_compaction() {
    let stage = Stage::alone(&[]).await;
    let error = event(r#"{"error":{"message":"longer than the context","code":"context_length_exceeded"}}"#);
    for _ in 0..4 {
        // Four times: it speaks against the request, not against the provider.
        assert_eq!(stage.stream(&[&error]).await.error(400)["code"], "context_length_exceeded");
    }
    let error = event(r#"{"error":{"message":"Tokens per minute limit","code":"token_quota_exceeded"}}"#);
    stage.stream(&[&error]).await.error(429);
}

#[tokio::test]
async fn what_breaks_off_within_the_same_read_is_fetched_elsewhere() {
    let stage = Stage::before_chutes(&[]).await;
    let both = [content("half"), event(r#"{"error":{"message":"boom"}}"#)].concat();
    assert_eq!(stage.stream(&[&both]).await.good().provider(), "chutes");
    assert_eq!(stage.stream(&[&content("half")]).await.status, 200);
}

#[tokio::test]
async fn an_empty_finish_reason_finishes_nothing() {
    let stage = Stage::alone(&[]).await;
    let half = event(r#"{"choices":[{"index":0,"delta":{"content":"half"},"finish_reason":""}]}"#);
    let reply = stage.stream(&[&half]).await;
    assert!(!reply.whole, "{}", reply.describe());
    stage.stream(&[&half, &finish()]).await.good();
}

#[tokio::test]
async fn an_answer_is_over_at_done_though_the_connection_stays_open() {
    let stage = Stage::alone(&[("STREAM_IDLE_TIMEOUT", "30000")]).await;
    let body = [content("all"), finish(), event("[DONE]")].concat();
    stage.upstream.answer_raw(SSE, &format!("{:x}\r\n{body}\r\n", body.len()));
    let clock = stage.proxy.app.proxy.clock;
    let started = clock.now();
    stage.ask(true).await.good();
    assert!(clock.since(started) < Duration::from_secs(10), "it waited for the connection");
}

#[tokio::test]
async fn what_fails_behind_the_end_of_an_answer_is_not_the_clients_concern() {
    let stage = Stage::alone(&[]).await;
    let reply = stage.stream(&[&content("all"), &finish(), &event(r#"{"error":"too late"}"#)]).await.good();
    assert!(!reply.text().contains("too late"), "{}", reply.describe());
}

#[tokio::test]
async fn a_success_that_is_no_answer_goes_to_the_next() {
    let stage = Stage::before_chutes(&[]).await;
    for head in ["204 No Content", "202 Accepted\r\ncontent-length: 0", "409 Conflict\r\ncontent-length: 0"] {
        stage.upstream.answer_raw(head, "");
        assert_eq!(stage.ask(false).await.good().provider(), "chutes", "{head}");
    }
}

#[tokio::test]
async fn the_body_of_an_error_is_not_waited_for() {
    let stage = Stage::before_chutes(&[("REQUEST_TIMEOUT", "30000")]).await;
    stage.upstream.answer_raw("429 Too Many Requests\r\ncontent-length: 100", "{");
    let clock = stage.proxy.app.proxy.clock;
    let started = clock.now();
    assert_eq!(stage.ask(true).await.good().provider(), "chutes");
    assert!(clock.since(started) < Duration::from_secs(20), "it waited for the body");
}

#[tokio::test]
async fn no_field_of_an_error_shows_a_key_however_it_is_written() {
    let stage = Stage::alone(&[]).await;
    let error = r#"{"message":"no","type":"t csk-secret/with+odd=signs","param":"Bearer csk-secret/with+odd=signs","code":"csk-secret\/with+odd=signs"}"#;
    let head = format!("400 Bad Request\r\ncontent-length: {}", error.len());
    stage.upstream.answer_raw(&head, error);
    let plain = stage.ask(false).await;
    plain.error(400);
    let event = event(&format!(r#"{{"error":{error}}}"#));
    let cut = stage.stream(&[&content("half"), &event]).await;
    assert!(!cut.whole && cut.text().contains("[redacted]"), "{}", cut.describe());
    for reply in [plain, cut] {
        let text = reply.text().replace("\\/", "/");
        assert!(!text.contains("csk-secret"), "{}", reply.describe());
    }
}

#[tokio::test]
async fn half_an_event_is_not_passed_on() {
    let stage = Stage::alone(&[]).await;
    let whole = [content("all"), finish()].concat();
    let reply = stage.stream(&[&whole, "data: [DON"]).await.good();
    assert!(reply.text().ends_with("}]}\n\ndata: [DONE]\n\n"), "{}", reply.describe());
    let reply = stage.stream(&[whole.trim_end()]).await.good();
    assert!(reply.text().ends_with("}]}\n\ndata: [DONE]\n\n"), "{}", reply.describe());
    let reply = stage.stream(&[&whole, "data: [DONE]"]).await.good();
    assert!(reply.text().ends_with("data: [DONE]"), "{}", reply.describe());
    let reply = stage.stream(&[&content("half"), "data: {\"choices\":[{\"del"]).await;
    assert!(!reply.whole && reply.text().ends_with("}]}\n\n"), "{}", reply.describe());
}

#[tokio::test]
async fn a_usage_chunk_of_zeros_is_withheld_too() {
    let stage = Stage::alone(&[]).await;
    let usage = event(r#"{"choices":[],"usage":{"prompt_tokens":0,"completion_tokens":0}}"#);
    let reply = stage.stream(&[&content("a"), &finish(), &usage, &event("[DONE]")]).await.good();
    assert!(!reply.text().contains("usage"), "{}", reply.describe());
}

#[tokio::test]
async fn a_report_beyond_reason_does_not_lock_the_account() {
    let stage = Stage::alone(&[]).await;
    let usage =
        event(r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":18446744073709551615}}"#);
    stage.stream(&[&content("a"), &finish(), &usage]).await.good();
    let levels = stage.proxy.app.proxy.models[0].targets[0].account.levels();
    assert!(levels.iter().all(|level| level.available > 0), "{levels:?}");
    // One without the prompt is not believed either.
    let before = levels.last().expect("a daily limit").available;
    let usage = event(r#"{"choices":[],"usage":{"completion_tokens":1}}"#);
    stage.stream(&[&content("a"), &finish(), &usage]).await.good();
    let after =
        stage.proxy.app.proxy.models[0].targets[0].account.levels().last().expect("a daily limit").available;
    assert!(before - after > 20, "{before} to {after}");
}

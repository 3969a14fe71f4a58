//! An agent that asks over HTTP, as a real one would, and says what became of each turn.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use quota::Dimension;
use serde_json::json;
use tokio::task::JoinSet;

use crate::api::App;
use crate::estimate::Estimate;
use crate::target::Target;

/// How many turns ended how.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) cerebras: usize,
    pub(super) chutes: usize,
    pub(super) errors: usize,
}

/// One or several agents at work.
pub(super) struct Agent {
    app: Arc<App>,
    url: String,
    client: Client<HttpConnector, Full<Bytes>>,
    turns: usize,
    pub(super) tally: Tally,
}

/// What became of one turn.
struct Outcome {
    task: String,
    stream: bool,
    provider: String,
    attempts: String,
    time: Duration,
    error: Option<String>,
}

impl Agent {
    pub(super) fn new(app: Arc<App>, address: SocketAddr) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let url = format!("http://{address}/v1/chat/completions");
        Self { app, url, client, turns: 0, tally: Tally::default() }
    }

    pub(super) async fn turn(&mut self, task: &str) {
        let outcome = self.ask(task.to_owned()).await;
        self.tell(&outcome);
    }

    pub(super) async fn turns_at_once(&mut self, count: usize, task: &str) {
        let mut asking = JoinSet::new();
        for number in 1..=count {
            asking.spawn(self.ask(format!("{task} ({number})")));
        }
        while let Some(outcome) = asking.join_next().await {
            if let Ok(outcome) = outcome {
                self.tell(&outcome);
            }
        }
    }

    /// Every other turn is a stream.
    fn ask(&mut self, task: String) -> impl Future<Output = Outcome> + use<> {
        self.turns += 1;
        let stream = self.turns.is_multiple_of(2);
        let body = json!({
            "model": self.app.proxy.models.first().map(|model| &model.name),
            "messages": [{"role": "user", "content": format!("{task}. Tell me in a 40 word story.")}],
            "max_tokens": 2_000,
            "stream": stream,
        });
        let (client, url, clock) = (self.client.clone(), self.url.clone(), self.app.proxy.clock);
        async move {
            let started = clock.now();
            let answer = request(client, url, body.to_string()).await;
            let (provider, attempts, error) = match answer {
                Ok((provider, attempts)) => (provider, attempts, None),
                Err(error) => (String::new(), String::new(), Some(format!("{error:#}"))),
            };
            Outcome { task, stream, provider, attempts, time: clock.since(started), error }
        }
    }

    #[expect(clippy::print_stdout, reason = "the account is this command's output")]
    fn tell(&mut self, outcome: &Outcome) {
        let Outcome { task, stream, provider, attempts, time, error } = outcome;
        let kind = if *stream { "stream" } else { "plain" };
        if let Some(error) = error {
            self.tally.errors += 1;
            println!("  {task:<24} {kind:<7} ERROR {error}");
            return;
        }
        let why = match (provider.as_str(), attempts.as_str()) {
            ("cerebras", _) => self.budget(),
            (_, "1") => self.shortage(),
            _ => format!("Cerebras failed; {attempts} attempts"),
        };
        match provider.as_str() {
            "cerebras" => self.tally.cerebras += 1,
            _ => self.tally.chutes += 1,
        }
        println!("  {task:<24} {kind:<7} {provider:<9} {:>4} ms   {why}", time.as_millis());
    }

    fn preferred(&self) -> Option<&Target> {
        self.app.proxy.models.first()?.targets.first().map(|target| &**target)
    }

    /// What Cerebras has left.
    fn budget(&self) -> String {
        let levels = self.preferred().map(|target| target.account.levels()).unwrap_or_default();
        let requests = levels.iter().find(|level| level.limit.dimension == Dimension::Requests);
        requests
            .map_or_else(String::new, |level| format!("{} of {} left", level.available.max(0), level.limit))
    }

    /// What Cerebras lacks.
    fn shortage(&self) -> String {
        let usual = Estimate { prompt: 30, max_tokens: Some(2_000), ..Estimate::default() };
        let now = self.app.proxy.clock.now();
        let skip = self.preferred().and_then(|target| target.account.would_skip(usual));
        skip.map_or_else(
            || "Cerebras had no room a moment ago".to_owned(),
            |skip| format!("Cerebras: {}", skip.describe(now)),
        )
    }
}

/// Provider and attempts of a whole answer.
async fn request(
    client: Client<HttpConnector, Full<Bytes>>,
    url: String,
    body: String,
) -> anyhow::Result<(String, String)> {
    let request =
        Request::post(url).header(header::CONTENT_TYPE, "application/json").body(Full::from(body))?;
    let (head, body) = client.request(request).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    anyhow::ensure!(head.status == StatusCode::OK, "{}: {}", head.status, String::from_utf8_lossy(&body));
    let text =
        |name| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    Ok((text("x-proxy-provider"), text("x-proxy-attempts")))
}

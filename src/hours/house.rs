//! A proxy between two providers, all of them in memory, and agents that take turns at it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use quota::Moment;
use tokens::Vocabulary;

use super::provider::Provider;
use super::reply::Reply;
use super::words::Question;
use crate::api::{App, Live};
use crate::clock::Clock;
use crate::config::{Config, Overrides};
use crate::estimate::Estimate;
use crate::server;
use crate::socket::Socket;

/// Of this machine, so that no proxy of the environment's is asked for them.
const CEREBRAS: &str = "127.0.0.1:1";
const CHUTES: &str = "127.0.0.1:2";

/// No answer takes longer in any test: whatever does is a hang.
const HANG: Duration = Duration::from_hours(12);

pub(super) struct House {
    pub(super) clock: Clock,
    pub(super) cerebras: Arc<Provider>,
    pub(super) chutes: Arc<Provider>,
    app: Arc<App>,
    live: Live,
    limits: (Duration, Duration),
    /// Never told to stop.
    running: GracefulShutdown,
}

impl House {
    /// With these settings besides. All chance there is comes from `seed`.
    pub(super) fn new(seed: u64, vars: &[(&str, &str)]) -> Self {
        fastrand::seed(seed);
        // Else a thread would load it, and be done at any moment.
        let _ = Vocabulary::load();
        let own = [
            ("CEREBRAS_API_KEY", "csk-hours"),
            ("CHUTES_API_KEY", "cpk_hours"),
            ("CEREBRAS_BASE_URL", &*format!("http://{CEREBRAS}/v1")),
            ("CHUTES_BASE_URL", &*format!("http://{CHUTES}/v1")),
            ("CEREBRAS_REQUESTS_PER_MINUTE", "600"),
            ("CEREBRAS_TOKENS_PER_MINUTE", "10000000"),
            ("CEREBRAS_TOKENS_PER_DAY", "1000000000"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let vars = vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let config = Config::from_vars(own.into_iter().chain(vars), &Overrides::default());
        let config = config.unwrap_or_else(|problems| panic!("{problems}"));
        let clock = Clock::start();
        let app = App::new(&config, clock).expect("usable settings");
        Self {
            clock,
            cerebras: Provider::new("cerebras", CEREBRAS, clock, seed ^ 1),
            chutes: Provider::new("chutes", CHUTES, clock, seed ^ 2),
            live: Live::new(Arc::clone(&app)),
            app,
            limits: (config.timeouts.header, config.timeouts.write),
            running: GracefulShutdown::new(),
        }
    }

    pub(super) fn providers(&self) -> [&Arc<Provider>; 2] {
        [&self.cerebras, &self.chutes]
    }

    /// One turn.
    pub(super) async fn ask(&self, question: Question) -> Reply {
        tokio::time::timeout(HANG, self.exchange(question)).await.expect("an end before the hang")
    }

    /// Over a connection of its own.
    async fn exchange(&self, question: Question) -> Reply {
        let began = self.clock.now();
        let (near, far) = Socket::pipe();
        let watcher = self.running.watcher();
        tokio::spawn(server::connection(far, None, self.live.clone(), self.limits, watcher));
        let (mut sender, connection) = http1::handshake(TokioIo::new(near)).await.expect("a connection");
        tokio::spawn(connection);
        let body = Full::new(Bytes::from(question.body().to_string()));
        let request = Request::post("/v1/chat/completions")
            .header(header::HOST, "localhost")
            .header(header::CONTENT_TYPE, "application/json")
            .body(body)
            .expect("a request");
        let answer = sender.send_request(request).await.expect("a head");
        let (head, mut body) = answer.into_parts();
        let mut reply = Reply::begun(question, began, head);
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else {
                reply.broken = true;
                break;
            };
            reply.take(&frame.into_data().unwrap_or_default(), self.clock.now());
        }
        reply.ended = self.clock.now();
        reply
    }

    /// Hours after everything is over nothing is set aside, everything has come back, and every account would be asked.
    pub(super) async fn is_as_new(&self) {
        tokio::time::sleep(Duration::from_hours(25)).await;
        assert_eq!(self.providers().map(|provider| provider.busy()), [0, 0], "left on a provider's hands");
        let now = self.clock.now();
        for known in self.app.proxy.accounts() {
            let status = known.account.status();
            assert_eq!(status.in_flight, 0, "{status:?}");
            assert!(status.limits.iter().all(|limit| limit.in_flight == 0), "{status:?}");
            assert!(status.limits.iter().all(|limit| limit.full_at <= now), "{status:?}");
            assert_eq!(status.available_at, Some(now), "{status:?}");
        }
        for target in self.app.proxy.targets("qwen-3-coder").expect("a model") {
            let estimate = Estimate { prompt: 40, max_tokens: Some(4000), ..Estimate::default() };
            assert_eq!(target.account.would_skip(estimate), None, "{}", target.label);
        }
    }

    /// How long it is since then.
    pub(super) fn since(&self, moment: Moment) -> Duration {
        self.clock.since(moment)
    }
}

//! A proxy between simulated providers, and what is asked of it.

use std::net::SocketAddr;
use std::sync::Arc;

use qwen_3_coder_proxy::api::{App, Live};
use qwen_3_coder_proxy::clock::Clock;
use qwen_3_coder_proxy::config::{Config, Overrides};
use qwen_3_coder_proxy::server;
use serde_json::{Value, json};
use simulator::{Limits, Profile, Simulator};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::client::{self, Reply};

pub(crate) const CEREBRAS_KEY: &str = "csk-it-0123456789abcdef";
pub(crate) const CHUTES_KEY: &str = "cpk_it.0123456789abcdef.secret";

/// A running proxy with both providers behind it.
pub(crate) struct House {
    pub(crate) cerebras: Simulator,
    pub(crate) chutes: Simulator,
    pub(crate) proxy: Running,
}

/// A running proxy.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) app: Arc<App>,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<usize>,
}

impl House {
    /// With providers that ration nothing and these settings.
    pub(crate) async fn new(vars: &[(&str, &str)]) -> Self {
        let cerebras = Profile { limits: Limits::NONE, ..Profile::cerebras() };
        Self::with(cerebras, Profile::chutes(), vars).await
    }

    /// With these providers and settings.
    pub(crate) async fn with(cerebras: Profile, chutes: Profile, vars: &[(&str, &str)]) -> Self {
        let cerebras = Simulator::start(Profile { api_key: Some(CEREBRAS_KEY.into()), ..cerebras })
            .await
            .expect("a port");
        let chutes =
            Simulator::start(Profile { api_key: Some(CHUTES_KEY.into()), ..chutes }).await.expect("a port");
        let urls = [cerebras.base_url(), chutes.base_url()];
        let proxy = Running::between(&urls, vars).await;
        Self { cerebras, chutes, proxy }
    }

    pub(crate) async fn send(&self, body: &Value) -> Reply {
        self.proxy.chat(body.to_string().as_bytes()).await
    }

    /// Asks for a short text.
    pub(crate) async fn ask(&self, stream: bool) -> Reply {
        self.send(&question(stream)).await
    }
}

impl Running {
    pub(crate) async fn start(vars: &[(&str, &str)]) -> Self {
        Self::start_with("", vars).await
    }

    /// With Cerebras and Chutes at these addresses, no limits worth the name, and these settings.
    pub(crate) async fn between(urls: &[String; 2], vars: &[(&str, &str)]) -> Self {
        let own: [(&str, &str); 7] = [
            ("CEREBRAS_API_KEY", CEREBRAS_KEY),
            ("CHUTES_API_KEY", CHUTES_KEY),
            ("CEREBRAS_BASE_URL", &urls[0]),
            ("CHUTES_BASE_URL", &urls[1]),
            ("CEREBRAS_REQUESTS_PER_MINUTE", "100000"),
            ("CEREBRAS_TOKENS_PER_MINUTE", "1000000000"),
            ("CEREBRAS_TOKENS_PER_DAY", "1000000000000"),
        ];
        let vars: Vec<(&str, &str)> = own.into_iter().chain(vars.iter().copied()).collect();
        Self::start(&vars).await
    }

    /// With the text of a configuration file.
    pub(crate) async fn start_with(file: &str, vars: &[(&str, &str)]) -> Self {
        let vars = vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let config = Config::from_text(file, vars, &Overrides { port: Some(0), ..Overrides::default() });
        let config = config.unwrap_or_else(|problems| panic!("{problems}"));
        let app = App::new(&config, Clock::start()).expect("usable settings");
        let listener = server::bind(SocketAddr::new(config.server.host, 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel();
        let live = Live::new(Arc::clone(&app));
        let serving = server::serve(listener, live.clone(), config.timeouts, async {
            let _ = stopped.await;
        });
        Self { address, app, stop: Some(stop), served: tokio::spawn(serving) }
    }

    pub(crate) async fn chat(&self, body: &[u8]) -> Reply {
        client::exchange(self.address, &client::post("/v1/chat/completions", &[], body)).await
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        client::exchange(self.address, &client::get(path, &[])).await
    }

    /// Asks it to stop, as SIGTERM does.
    pub(crate) fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    /// Waits until it has stopped; returns how many connections were cut.
    pub(crate) async fn stopped(&mut self) -> usize {
        tokio::time::timeout(client::HANG, &mut self.served)
            .await
            .expect("it stops")
            .expect("it does not panic")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.served.abort();
    }
}

pub(crate) fn question(stream: bool) -> Value {
    json!({
        "model": "qwen-3-coder",
        "messages": [{"role": "user", "content": "Tell me a 6 word story."}],
        "max_tokens": 100,
        "stream": stream,
    })
}

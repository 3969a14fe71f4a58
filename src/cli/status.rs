//! `status`: what a running proxy says of itself.
#![expect(clippy::print_stdout, reason = "the account is this command's output")]
#![expect(clippy::print_stderr, reason = "a command speaks to the person at the terminal")]

use std::io::{IsTerminal, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use http::{HeaderValue, Uri};
use secrecy::ExposeSecret;

use super::{FAILED, USAGE};
use crate::config::{Config, Overrides, Server};
use crate::server;
use crate::status::Status;
use crate::upstream::{Patience, Upstream};

mod table;
mod words;

use table::Style;

/// How long the proxy may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two looks.
const INTERVAL: Duration = Duration::from_secs(2);
/// Goes to the upper left corner; what is left of the screen before is cleared after it has been written over.
const HOME: &str = "\x1b[H";
const CLEAR_LINE: &str = "\x1b[K\n";
const CLEAR_REST: &str = "\x1b[J";

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where the proxy listens, instead of what HOST and PORT come to
    #[arg(long)]
    url: Option<String>,
    /// Print what /ready answers
    #[arg(long)]
    json: bool,
    /// Look again every two seconds, until Ctrl-C
    #[arg(long)]
    watch: bool,
    /// Configuration file, instead of `CONFIG_FILE` or qwen-3-coder-proxy.toml in the working directory
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// A running proxy, as far as it can be asked.
struct Proxy {
    upstream: Upstream,
    /// For people.
    url: String,
    ready: Uri,
    authorization: Option<HeaderValue>,
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let proxy = match Proxy::new(&args) {
        Ok(proxy) => proxy?,
        Err(problem) => {
            eprintln!("{problem}");
            return Ok(ExitCode::from(USAGE));
        }
    };
    let mut stopped = std::pin::pin!(server::stopped());
    loop {
        let asked = proxy.ask().await;
        let ready = asked.as_ref().is_ok_and(|(status, _)| status.ready);
        show(&args, &proxy.url, asked);
        let code = if ready { ExitCode::SUCCESS } else { ExitCode::from(FAILED) };
        if !args.watch {
            return Ok(code);
        }
        tokio::select! {
            () = &mut stopped => return Ok(code),
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
}

fn show(args: &Args, url: &str, asked: Result<(Status, String), String>) {
    let terminal = std::io::stdout().is_terminal();
    let style = Style::of(terminal, |name| std::env::var(name).ok());
    let screen = args.watch && terminal && !args.json;
    let text = match asked {
        Err(problem) if !screen => return eprintln!("{problem}"),
        Err(problem) => format!("{problem}\n"),
        Ok((_, json)) if args.json => format!("{json}\n"),
        Ok((status, _)) => table::table(&status, url, style),
    };
    if screen {
        print!("{HOME}{}{CLEAR_REST}", text.replace('\n', CLEAR_LINE));
    } else {
        print!("{text}");
    }
    let _ = std::io::stdout().flush();
}

impl Proxy {
    /// The one that the command line or the settings name; an address given by hand does without settings.
    fn new(args: &Args) -> Result<anyhow::Result<Self>, String> {
        let overrides = Overrides { file: args.config.clone(), allow_open: true, ..Overrides::default() };
        let config = Config::load(&overrides);
        let url = match (&args.url, &config) {
            (Some(url), _) => url.clone(),
            (None, Ok(config)) => address(&config.server)?,
            (None, Err(problems)) => return Err(problems.to_string()),
        };
        let url = origin(&url);
        let ready = format!("{url}/ready");
        let ready: Uri =
            ready.parse().map_err(|_| format!("{url} is no address; write --url http://127.0.0.1:3000."))?;
        let config = config.ok();
        let key = config.as_ref().and_then(|config| config.server.client_keys.first());
        let bearer = key.map(|key| HeaderValue::try_from(format!("Bearer {}", key.expose_secret())));
        let authorization = bearer.and_then(Result::ok).map(|mut bearer| {
            bearer.set_sensitive(true);
            bearer
        });
        let patience = Patience { connect: PATIENCE, tls: PATIENCE };
        let extra_ca = config.as_ref().and_then(|config| config.extra_ca.as_deref());
        let upstream = Upstream::new(extra_ca, patience);
        Ok(upstream.map_err(Into::into).map(|upstream| Self { upstream, url, ready, authorization }))
    }

    /// What it says, and the same word for word.
    async fn ask(&self) -> Result<(Status, String), String> {
        let url = &self.url;
        let asked = self.upstream.get(self.ready.clone(), self.authorization.clone());
        let (head, body) = match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(failure)) => {
                let why = &failure.error.message;
                return Err(format!("Nobody listens at {url} ({why}). Is qwen-3-coder-proxy running?"));
            }
            Err(_) => {
                return Err(format!("{url} does not answer within {} s. Is it stuck?", PATIENCE.as_secs()));
            }
        };
        match serde_json::from_slice(&body) {
            Ok(status) => Ok((status, String::from_utf8_lossy(&body).into_owned())),
            Err(_) => Err(format!("{url} answers {}, but not as qwen-3-coder-proxy does.", head.status)),
        }
    }
}

/// Where a proxy with these settings is to be reached from this machine.
fn address(server: &Server) -> Result<String, String> {
    if server.port == 0 {
        return Err("PORT is 0, so the address is in the proxy's log alone; pass it with --url.".to_owned());
    }
    let host = match server.host {
        IpAddr::V4(host) if host.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(host) if host.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        host => host,
    };
    Ok(SocketAddr::new(host, server.port).to_string())
}

/// The proxy's address, however a person wrote it.
fn origin(url: &str) -> String {
    let url = url.trim().trim_end_matches('/');
    let url = url.strip_suffix("/v1").unwrap_or(url);
    if url.contains("://") { url.to_owned() } else { format!("http://{url}") }
}

//! The listening side: address, who may call, deadlines, what is logged and remembered.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use secrecy::SecretString;

use super::{CorsOrigins, Overrides, cors, key, number::Unit, written::Written};

const GIBIBYTE: u64 = 1 << 30;
/// Longest history that can be meant: a century, in days.
const MOST_DAYS: u64 = 36_500;

/// The listening side.
#[derive(Debug, Clone)]
pub struct Server {
    /// Address to bind (`HOST`). Beyond loopback only with client keys, or where that was asked for.
    pub host: IpAddr,
    /// Port to listen on (`PORT`); 0 lets the system choose.
    pub port: u16,
    /// Longest request body, in bytes (`MAX_BODY_BYTES`).
    pub max_body_bytes: usize,
    /// Keys of which a client must present one (`PROXY_API_KEYS`); when empty, any or no key is accepted.
    pub client_keys: Vec<SecretString>,
    /// Browsers' pages that may call (`CORS_ORIGINS`).
    pub cors: CorsOrigins,
}

/// Deadlines. All are at least 1 ms and at most 7 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until the first payload of an answer; of a plain one, until it is whole (`REQUEST_TIMEOUT`).
    pub request: Duration,
    /// Until a provider has accepted a connection, its name looked up (`PROVIDER_CONNECT_TIMEOUT`).
    pub connect: Duration,
    /// Until the TLS handshake on it is over (`PROVIDER_TLS_TIMEOUT`).
    pub tls: Duration,
    /// Until the head of its response is there (`PROVIDER_HEAD_TIMEOUT`); as long as `request` where nothing is set.
    pub head: Duration,
    /// Longest silence inside a stream that flows (`STREAM_IDLE_TIMEOUT`).
    pub stream_idle: Duration,
    /// Until an answer is over, from the request's arrival on; `None`: however long it takes (`TOTAL_TIMEOUT`).
    pub total: Option<Duration>,
    /// A client must have sent its request head by then (`HEADER_TIMEOUT`).
    pub header: Duration,
    /// Longest silence while a client sends its body (`BODY_TIMEOUT`).
    pub body: Duration,
    /// Longest time in which a client takes nothing of an answer that waits for it (`WRITE_TIMEOUT`).
    pub write: Duration,
    /// After a request to stop, streams may run on so long (`DRAIN_TIMEOUT`).
    pub drain: Duration,
}

/// How much is logged: this level and everything more severe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// What failed for good.
    Error,
    /// What went wrong and was made good.
    Warn,
    /// What happened.
    Info,
    /// Why it happened.
    Debug,
}

impl LogLevel {
    /// As it is written in `LOG_LEVEL`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Warn => "WARN",
            Self::Info => "INFO",
            Self::Debug => "DEBUG",
        }
    }
}

/// Resolves the listening side, and refuses to open the provider keys to a network by accident.
pub(super) fn server(written: &mut Written, args: &Overrides) -> Server {
    let port = written.number("server.port", Unit::Port, &(0..=65_535), 3000).unwrap_or(3000);
    let max_body = written
        .number("server.max_body_bytes", Unit::Bytes, &(1..=GIBIBYTE), 33_554_432)
        .unwrap_or(33_554_432);
    let client_keys = client_keys(written);
    Server {
        host: host(written, args, !client_keys.is_empty()),
        port: args.port.or(u16::try_from(port).ok()).unwrap_or(3000),
        max_body_bytes: usize::try_from(max_body).unwrap_or(usize::MAX),
        client_keys,
        cors: cors::origins(written),
    }
}

/// Resolves the deadlines.
pub(super) fn timeouts(written: &mut Written) -> Timeouts {
    let request = written.millis("timeouts.request_ms", 30_000);
    let whole = u64::try_from(request.as_millis()).unwrap_or(u64::MAX);
    let total = written.millis_or_off("timeouts.total_ms");
    for part in ["timeouts.provider_connect_ms", "timeouts.provider_tls_ms", "timeouts.provider_head_ms"] {
        written.warn_of_longer(part, "timeouts.request_ms", request);
    }
    if let Some(total) = total {
        written.warn_of_longer("timeouts.request_ms", "timeouts.total_ms", total);
    }
    Timeouts {
        request,
        // A lost SYN is sent again after a second, and its answer then has two.
        connect: written.millis("timeouts.provider_connect_ms", 3_000),
        tls: written.millis("timeouts.provider_tls_ms", 5_000),
        head: written.millis("timeouts.provider_head_ms", whole),
        stream_idle: written.millis("timeouts.stream_idle_ms", 60_000),
        total,
        header: written.millis("timeouts.header_ms", 10_000),
        body: written.millis("timeouts.body_ms", 30_000),
        write: written.millis("timeouts.write_ms", 60_000),
        drain: written.millis("timeouts.drain_ms", 30_000),
    }
}

/// Resolves `LOG_LEVEL`.
pub(super) fn log_level(written: &mut Written) -> LogLevel {
    match written.get("log.level").map(|level| level.to_ascii_lowercase()).as_deref() {
        Some("error") => LogLevel::Error,
        Some("warn" | "warning") => LogLevel::Warn,
        None | Some("info") => LogLevel::Info,
        Some("debug") => LogLevel::Debug,
        Some(_) => {
            written.problem("log.level", "not a level; write ERROR, WARN, INFO or DEBUG");
            LogLevel::Info
        }
    }
}

/// Resolves `HISTORY_DAYS`.
pub(super) fn history_days(written: &mut Written) -> u32 {
    let days = written.number("history_days", Unit::Count, &(0..=MOST_DAYS), 30).unwrap_or(30);
    u32::try_from(days).unwrap_or(u32::MAX)
}

fn host(written: &mut Written, args: &Overrides, has_client_keys: bool) -> IpAddr {
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let (key, text) = match (&args.host, written.get("server.host")) {
        (Some(host), _) => ("--host", host.trim().to_owned()),
        (None, Some(host)) => ("server.host", host),
        (None, None) => return loopback,
    };
    let host = match parse_host(&text) {
        Ok(host) => host,
        Err(message) => {
            written.problem_with(key, &text, &message);
            return loopback;
        }
    };
    if !host.to_canonical().is_loopback() && !has_client_keys {
        if args.allow_open {
            let name = written.subject(key);
            written.warn(format!(
                "{name}={text}: whoever reaches this address can spend your provider keys; \
                 set PROXY_API_KEYS to ask for client keys"
            ));
        } else {
            let message = "would open your provider keys to the network without client keys; \
                           set PROXY_API_KEYS, or pass --allow-open if you mean it";
            written.problem_with(key, &text, message);
        }
    }
    host
}

fn parse_host(text: &str) -> Result<IpAddr, String> {
    if text.eq_ignore_ascii_case("localhost") {
        return Ok(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    if let Ok(host) = bare.parse() {
        return Ok(host);
    }
    Err(match text.rsplit_once(':') {
        Some((host, port)) if parse_host(host).is_ok() && port.parse::<u16>().is_ok() => {
            format!("not an IP address; write {host}, and {port} as the PORT")
        }
        _ => "not an IP address; write 127.0.0.1 for this machine alone, or 0.0.0.0 for every network"
            .to_owned(),
    })
}

/// In a variable they stand between commas; a file of keys may also have one on each line.
fn client_keys(written: &mut Written) -> Vec<SecretString> {
    let setting = "server.client_keys";
    let mut texts = Vec::new();
    if let Some(text) = written.get(setting) {
        texts.push((text, setting.to_owned()));
    }
    for index in 0..written.items(setting) {
        let text = key::text(written, setting, &format!("{setting}.{index}"));
        texts.extend(text.map(|(text, source)| (text, source.to_string())));
    }
    let mut keys: Vec<String> = Vec::new();
    for (text, source) in texts {
        for entry in text.split([',', '\n']).map(str::trim).filter(|entry| !entry.is_empty()) {
            key::check(written, &source, entry);
            if !keys.iter().any(|known| known == entry) {
                keys.push(entry.to_owned());
            }
        }
    }
    keys.into_iter().map(SecretString::from).collect()
}

//! A provider at the other end of pipes, with weather.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use quota::Moment;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::fate::{Fate, PACE};
use super::words::Question;
use crate::clock::Clock;
use crate::socket::{Socket, piped};

/// Between two comments.
const PING: Duration = Duration::from_secs(1);
const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

/// How a provider does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Weather {
    /// Everything works.
    Well,
    /// Of a hundred requests so many meet any fate.
    Stormy(u8),
    /// All meet this one.
    All(Fate),
    /// Connections are refused; those that there are break.
    Refusing,
    /// Connections are neither accepted nor refused; those that there are break.
    BlackHole,
}

/// A request that a provider has read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) at: Moment,
    pub(super) turn: u64,
    pub(super) fate: Fate,
}

pub(super) struct Provider {
    pub(super) name: &'static str,
    clock: Clock,
    weather: Mutex<Weather>,
    rng: Mutex<fastrand::Rng>,
    dials: Mutex<Vec<Moment>>,
    seen: Mutex<Vec<Seen>>,
    /// Requests that it has to do with.
    busy: AtomicUsize,
}

impl Provider {
    /// Listens at this address of the network.
    pub(super) fn new(name: &'static str, authority: &str, clock: Clock, seed: u64) -> Arc<Self> {
        let provider = Arc::new(Self {
            name,
            clock,
            weather: Mutex::new(Weather::Well),
            rng: Mutex::new(fastrand::Rng::with_seed(seed)),
            dials: Mutex::default(),
            seen: Mutex::default(),
            busy: AtomicUsize::new(0),
        });
        let host = Arc::clone(&provider);
        piped::host(authority, move || Arc::clone(&host).dialled());
        provider
    }

    /// From now on.
    pub(super) fn set(&self, weather: Weather) {
        *self.weather.lock() = weather;
    }

    /// When connections were asked for.
    pub(super) fn dials(&self) -> Vec<Moment> {
        self.dials.lock().clone()
    }

    /// The requests that it has read.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().clone()
    }

    /// What it did with a turn that began then.
    pub(super) fn fates(&self, turn: u64, began: Moment) -> Vec<Seen> {
        let seen = self.seen.lock();
        let since = seen.iter().rev().take_while(|seen| seen.at >= began);
        since.filter(|seen| seen.turn == turn).copied().collect()
    }

    /// Requests that it has to do with now.
    pub(super) fn busy(&self) -> usize {
        self.busy.load(Ordering::Relaxed)
    }

    async fn dialled(self: Arc<Self>) -> io::Result<Socket> {
        self.dials.lock().push(self.clock.now());
        let (weather, chance) = (*self.weather.lock(), self.rng.lock().u8(0..100));
        match weather {
            Weather::Refusing => return Err(io::ErrorKind::ConnectionRefused.into()),
            Weather::Stormy(_) if chance < 3 => return Err(io::ErrorKind::ConnectionRefused.into()),
            Weather::Stormy(_) if chance >= 97 => {}
            Weather::BlackHole => {}
            _ => {
                let (near, far) = Socket::pipe();
                tokio::spawn(self.serve(far));
                return Ok(near);
            }
        }
        pending().await
    }

    async fn serve(self: Arc<Self>, mut socket: Socket) {
        while let Some(question) = read(&mut socket).await {
            let fate = self.fate();
            self.seen.lock().push(Seen { at: self.clock.now(), turn: question.turn, fate });
            self.busy.fetch_add(1, Ordering::Relaxed);
            let goes_on = self.answer(&mut socket, question, fate).await;
            self.busy.fetch_sub(1, Ordering::Relaxed);
            if goes_on.is_none() || self.rng.lock().u8(0..4) == 0 {
                return;
            }
        }
    }

    fn fate(&self) -> Fate {
        let mut rng = self.rng.lock();
        match *self.weather.lock() {
            Weather::All(fate) => fate,
            Weather::Stormy(percent) if rng.u8(0..100) < percent => Fate::random(&mut rng),
            Weather::Well | Weather::Stormy(_) => Fate::Well,
            Weather::Refusing | Weather::BlackHole => Fate::Reset,
        }
    }

    /// `None`: the connection is over.
    async fn answer(&self, socket: &mut Socket, question: Question, fate: Fate) -> Option<()> {
        match fate {
            Fate::Reset => return reset(socket),
            Fate::NoHead => return silence(socket, Duration::MAX).await,
            Fate::Refuse(status, hint) => return refuse(socket, status, hint).await,
            _ if question.stream => {}
            _ => return self.plain(socket, question, fate).await,
        }
        write(socket, HEAD.as_bytes()).await?;
        let events = question.events(self.name);
        let (role, said) = (1, events.len() - 2);
        match fate {
            Fate::SilentHead => return silence(socket, Duration::MAX).await,
            Fate::PingsAtFirst => {
                chunks(socket, &events[..role], Duration::ZERO).await?;
                return pings(socket).await;
            }
            Fate::ErrorAtFirst => {
                chunk(socket, &error()).await?;
                return write(socket, b"0\r\n\r\n").await;
            }
            _ => {}
        }
        let pace = if let Fate::Drip(between) = fate { between } else { PACE };
        // Behind the first token, and before the end.
        let (begun, half) = (role + 1, (said / 2).max(role + 1));
        chunks(socket, &events[..begun], PACE).await?;
        chunks(socket, &events[begun..half], pace).await?;
        match fate {
            Fate::Pause(time) => silence(socket, time).await?,
            Fate::CutClean => return write(socket, b"0\r\n\r\n").await,
            Fate::CutHard => return reset(socket),
            Fate::PingsAmid => return pings(socket).await,
            Fate::ErrorAmid => {
                chunk(socket, &error()).await?;
                return write(socket, b"0\r\n\r\n").await;
            }
            _ => {}
        }
        chunks(socket, &events[half..said], pace).await?;
        chunks(socket, &events[said..], Duration::ZERO).await?;
        if fate == Fate::NoDone {
            return None;
        }
        chunk(socket, "[DONE]").await?;
        write(socket, b"0\r\n\r\n").await
    }

    async fn plain(&self, socket: &mut Socket, question: Question, fate: Fate) -> Option<()> {
        let body = match fate {
            Fate::ErrorAtFirst | Fate::ErrorAmid => error(),
            _ => question.plain(self.name).to_string(),
        };
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length:";
        write(socket, format!("{head} {}\r\n\r\n", body.len()).as_bytes()).await?;
        let (begin, rest) = body.as_bytes().split_at(body.len() / 2);
        match fate {
            Fate::SilentHead | Fate::PingsAtFirst => return silence(socket, Duration::MAX).await,
            Fate::Drip(between) => silence(socket, between * question.length()).await?,
            _ => silence(socket, PACE * question.length()).await?,
        }
        write(socket, begin).await?;
        match fate {
            Fate::Pause(time) => silence(socket, time).await?,
            Fate::CutClean => return None,
            Fate::CutHard => return reset(socket),
            Fate::PingsAmid => return silence(socket, Duration::MAX).await,
            _ => {}
        }
        write(socket, rest).await
    }
}

fn error() -> String {
    serde_json::json!({"error": {"message": "it broke", "type": "server_error", "code": "500"}}).to_string()
}

fn reset(socket: &Socket) -> Option<()> {
    let _ = socket.set_zero_linger();
    None
}

async fn refuse(socket: &mut Socket, status: u16, hint: Option<u64>) -> Option<()> {
    let body = serde_json::json!({"error": {"message": "not now", "type": "t", "code": "c"}}).to_string();
    let hint = hint.map(|seconds| format!("retry-after: {seconds}\r\n")).unwrap_or_default();
    let length = body.len();
    let head = "content-type: application/json\r\n";
    let answer = format!("HTTP/1.1 {status} No\r\n{head}{hint}content-length: {length}\r\n\r\n{body}");
    write(socket, answer.as_bytes()).await
}

/// Each after so long.
async fn chunks(socket: &mut Socket, events: &[serde_json::Value], pace: Duration) -> Option<()> {
    for event in events {
        silence(socket, pace).await?;
        chunk(socket, &event.to_string()).await?;
    }
    Some(())
}

async fn pings(socket: &mut Socket) -> Option<()> {
    loop {
        silence(socket, PING).await?;
        write(socket, b"8\r\n: ping\n\n\r\n").await?;
    }
}

async fn chunk(socket: &mut Socket, data: &str) -> Option<()> {
    let event = format!("data: {data}\n\n");
    write(socket, format!("{:x}\r\n{event}\r\n", event.len()).as_bytes()).await
}

/// So long, unless the proxy leaves.
async fn silence(socket: &mut Socket, time: Duration) -> Option<()> {
    if time.is_zero() {
        return Some(());
    }
    timeout(time, socket.read_u8()).await.is_err().then_some(())
}

async fn write(socket: &mut Socket, bytes: &[u8]) -> Option<()> {
    socket.write_all(bytes).await.ok()
}

/// Reads a request; `None`: the proxy has left.
async fn read(socket: &mut Socket) -> Option<Question> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = memchr::memmem::find(&bytes, b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:"))?;
            let length: usize = length.trim().parse().ok()?;
            if bytes.len() >= end + 4 + length {
                return Question::read(&bytes[end + 4..]);
            }
        }
        let read = socket.read_buf(&mut bytes).await.ok()?;
        (read > 0).then_some(())?;
    }
}

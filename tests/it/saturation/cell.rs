//! One cell of the table: agents that go on at once, for so many of the provider's minutes.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use futures_util::future::{join, join_all};
use parking_lot::Mutex;
use quota::Settlement;
use qwen_3_coder_proxy::clock::Clock;
use simulator::{Limits, Profile, RateHeaderSet, Scope};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::agent::{Agent, Habits};
use super::original::{FLAT, Original};
use crate::client::{self, Reply};
use crate::harness::{CEREBRAS_KEY, CHUTES_KEY, House};

/// Code Pro.
pub(super) const TOKENS_PER_MINUTE: u64 = 165_000;
const REQUESTS_PER_MINUTE: u64 = 15;
/// How long the provider's minute lasts here. All else that takes time is as much shorter, but for the machine itself.
pub(super) const MINUTE: Duration = Duration::from_millis(3_500);

/// What Cerebras is like.
#[derive(Clone, Copy, Debug)]
pub(super) struct World {
    pub(super) settlement: Settlement,
    pub(super) headers: Option<RateHeaderSet>,
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settlement = match self.settlement {
            Settlement::Returned => "returned",
            Settlement::Kept => "kept",
        };
        let headers = match self.headers {
            Some(RateHeaderSet::Six) => "six",
            Some(RateHeaderSet::Twelve) => "twelve",
            None => "none",
        };
        write!(f, "{settlement:<8}  {headers:<7}")
    }
}

/// The providers, and whoever stands before them.
pub(super) struct Lane {
    pub(super) house: House,
    /// Asked instead of our proxy.
    original: Option<Original>,
    pub(super) clock: Clock,
    /// Answers, and those of them that came from Cerebras.
    pub(super) answers: AtomicU64,
    pub(super) fast: AtomicU64,
    pub(super) over: AtomicBool,
    pub(super) errors: Mutex<Vec<String>>,
}

/// What is real at a sixtieth of a minute and more, at this scale.
fn scaled(real: Duration) -> Duration {
    real.mul_f64(MINUTE.as_secs_f64() / 60.0)
}

impl Lane {
    pub(super) async fn ours(world: World) -> Self {
        Self::with(world, REQUESTS_PER_MINUTE).await
    }

    /// On a plan with so many requests a minute.
    pub(super) async fn with(world: World, requests_per_minute: u64) -> Self {
        let cerebras = Profile {
            limits: Limits {
                requests_per_minute: Some(requests_per_minute),
                tokens_per_minute: Some(TOKENS_PER_MINUTE),
                tokens_per_day: Some(24_000_000),
                ..Limits::NONE
            },
            minute: MINUTE,
            returns_unused: world.settlement == Settlement::Returned,
            rate_headers: world.headers.is_some(),
            rate_header_set: world.headers.unwrap_or(RateHeaderSet::Six),
            miscount_percent: 3,
            arrival_jitter: scaled(Duration::from_millis(500)),
            head_delay: scaled(Duration::from_millis(300)),
            token_delay: scaled(Duration::from_secs(1)) / 1_700,
            ..Profile::cerebras()
        };
        let chutes = Profile {
            head_delay: scaled(Duration::from_secs(1)),
            token_delay: scaled(Duration::from_secs(1)) / 70,
            ..Profile::chutes()
        };
        let minute = MINUTE.as_millis().to_string();
        let vars = [
            ("CEREBRAS_REQUESTS_PER_MINUTE", requests_per_minute.to_string()),
            ("CEREBRAS_TOKENS_PER_MINUTE", TOKENS_PER_MINUTE.to_string()),
            ("CEREBRAS_TOKENS_PER_DAY", "24000000".to_owned()),
            ("RATE_WINDOW_MS", minute),
        ];
        let vars: Vec<(&str, &str)> = vars.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let house = House::with(cerebras, chutes, &vars).await;
        Self {
            clock: house.proxy.app.proxy.clock,
            house,
            original: None,
            answers: AtomicU64::new(0),
            fast: AtomicU64::new(0),
            over: AtomicBool::new(false),
            errors: Mutex::default(),
        }
    }

    pub(super) async fn originals(world: World) -> Self {
        let lane = Self::ours(world).await;
        Self { original: Some(Original::new(lane.clock, MINUTE)), ..lane }
    }

    /// What our books believe of Cerebras.
    pub(super) fn belief(&self) -> Settlement {
        self.house.proxy.app.proxy.models[0].targets[0].account.status().settlement
    }

    /// Lets the agent go on until it is over.
    pub(super) async fn work(&self, mut agent: Agent) {
        while !self.over.load(Relaxed) {
            let reply = match &self.original {
                None => send(self.house.proxy.address, "any", &agent.next_turn("qwen-3-coder")).await,
                Some(original) => self.send_as(original, &mut agent).await,
            };
            let text = String::from_utf8_lossy(&reply.body);
            if reply.status == 200 && reply.whole && text.contains(r#""finish_reason":""#) {
                self.answers.fetch_add(1, Relaxed);
                self.fast.fetch_add(u64::from(reply.provider() == "cerebras"), Relaxed);
            } else {
                self.errors.lock().push(reply.describe());
            }
        }
    }

    async fn send_as(&self, original: &Original, agent: &mut Agent) -> Reply {
        let fast = original.prefers_cerebras();
        let (address, key, model) = if fast {
            (self.house.cerebras.addr(), CEREBRAS_KEY, "qwen-3-coder-480b")
        } else {
            (self.house.chutes.addr(), CHUTES_KEY, "Qwen/Qwen3-Coder-480B-A35B-Instruct-FP8")
        };
        let mut reply = send(address, key, &agent.next_turn(model)).await;
        if fast && reply.status == 429 {
            original.refused();
        } else if fast {
            let flat = if agent.streams() { FLAT } else { agent.max_completion_tokens().unwrap_or(FLAT) };
            original.answered(flat);
            reply.head.push_str("\r\nx-proxy-provider: cerebras");
        }
        reply
    }

    /// Lets agents work for so many minutes.
    pub(super) async fn play(&self, habits: &[Habits], minutes: u32) -> Played {
        let cerebras = &self.house.cerebras;
        let (started, before) = (self.clock.now(), cerebras.stats());
        let left = cerebras.left(Scope::TokensMinute).unwrap_or_default();
        self.over.store(false, Relaxed);
        let agents = (1..).zip(habits).map(|(seed, habits)| self.work(Agent::new(habits.clone(), seed)));
        let watch = async {
            let (believed, mut changed) = (self.belief(), None);
            while self.clock.since(started) < MINUTE * minutes {
                if self.belief() != believed {
                    changed = changed.or_else(|| Some(cerebras.stats().refused_by_scope.total()));
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            self.over.store(true, Relaxed);
            (self.clock.since(started), changed, cerebras.left(Scope::TokensMinute).unwrap_or_default())
        };
        let ((elapsed, changed, left_over), _) = join(watch, join_all(agents)).await;
        let stats = cerebras.stats();
        Played {
            minutes: elapsed.as_secs_f64() / MINUTE.as_secs_f64(),
            left,
            left_over,
            charged: stats.tokens_charged - before.tokens_charged,
            asked: stats.received - before.received,
            refused: stats.refused_by_scope.total() - before.refused_by_scope.total(),
            refused_before_known: changed.map(|refused| refused - before.refused_by_scope.total()),
            belief: self.belief(),
            answers: self.answers.swap(0, Relaxed),
            fast: self.fast.swap(0, Relaxed),
            errors: std::mem::take(&mut self.errors.lock()),
        }
    }
}

/// What became of a cell.
#[derive(Debug)]
pub(super) struct Played {
    pub(super) minutes: f64,
    /// What the provider's bucket held at the start.
    pub(super) left: i128,
    /// And at the end.
    pub(super) left_over: i128,
    /// What it charged for the requests that were sent in that time.
    pub(super) charged: u64,
    pub(super) asked: u64,
    pub(super) refused: u64,
    /// Those of them that came before the books changed their mind about the settlement, if they did.
    pub(super) refused_before_known: Option<u64>,
    pub(super) belief: Settlement,
    pub(super) answers: u64,
    pub(super) fast: u64,
    pub(super) errors: Vec<String>,
}

impl Played {
    /// What was charged, as a part of what the provider's bucket held at the start and what came back to it meanwhile. Tokens
    /// bind: of 15 requests a minute these agents get a third.
    #[expect(clippy::cast_precision_loss, reason = "token counts are far below 2^52")]
    pub(super) fn used(&self) -> f64 {
        self.charged as f64 / self.allowed()
    }

    /// The part that the bucket still held at the end, so that it is not lost.
    #[expect(clippy::cast_precision_loss, reason = "token counts are far below 2^52")]
    pub(super) fn left_over(&self) -> f64 {
        self.left_over as f64 / self.allowed()
    }

    #[expect(clippy::cast_precision_loss, reason = "token counts are far below 2^52")]
    fn allowed(&self) -> f64 {
        self.left as f64 + TOKENS_PER_MINUTE as f64 * self.minutes
    }
}

impl fmt::Display for Played {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (used, left_over) = (self.used() * 100.0, self.left_over() * 100.0);
        let before = self.refused_before_known.map_or_else(|| "-".to_owned(), |refused| refused.to_string());
        let Self { asked, refused, answers, fast, .. } = self;
        let errors = self.errors.len();
        write!(
            f,
            "{used:>5.1} %  {left_over:>7.1} %  {asked:>5}  {refused:>7} ({before:<1})  {errors:>27}  {fast} of {answers}"
        )
    }
}

/// Sends one request and reads the answer to its end.
pub(super) async fn send(address: SocketAddr, key: &str, body: &str) -> Reply {
    let authorization = format!("Bearer {key}");
    let headers = [("Authorization", authorization.as_str()), ("Connection", "close")];
    let request = client::post("/v1/chat/completions", &headers, body.as_bytes());
    let mut socket = TcpStream::connect(address).await.expect("it listens");
    socket.write_all(&request).await.expect("it reads");
    let mut answer = Vec::new();
    let read = tokio::time::timeout(client::HANG, socket.read_to_end(&mut answer)).await;
    read.expect("an answer before the hang").expect("the end of the connection");
    client::read_on(&mut socket, answer).await
}

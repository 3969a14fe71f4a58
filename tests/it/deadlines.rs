//! Every wait for a provider has a limit of its own, which the failure names; what passes it goes elsewhere, and the
//! connection is closed.

use std::time::Duration;

use serde_json::json;
use simulator::{Fault, Profile, Simulator, Times};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;

use crate::client::HANG;
use crate::harness::{CEREBRAS_KEY, CHUTES_KEY, House, Running, question};
use crate::process::Process;
use crate::scripted::read_request;

/// Longer than any test takes.
const NEVER: &str = "60000";

/// A host whose queue of connections is full: a SYN to it is dropped, as by a firewall.
struct Full {
    listener: TcpListener,
    _queued: Vec<TcpStream>,
}

impl Full {
    async fn new() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
        let listener = socket.listen(1).expect("a listener");
        let address = listener.local_addr().expect("an address");
        let mut queued = Vec::new();
        // The kernel decides how many fit; the first that is not let in says that it is full.
        while let Ok(stream) =
            tokio::time::timeout(Duration::from_millis(100), TcpStream::connect(address)).await
        {
            queued.push(stream.expect("a connection"));
        }
        Self { listener, _queued: queued }
    }

    fn base_url(&self) -> String {
        format!("http://{}/v1", self.listener.local_addr().expect("an address"))
    }
}

/// What the client is told of a lone Cerebras at this address.
async fn refusal(base_url: &str, vars: &[(&str, &str)], stream: bool) -> String {
    let own = [("CEREBRAS_API_KEY", CEREBRAS_KEY), ("CEREBRAS_BASE_URL", base_url)];
    let vars: Vec<_> = own.into_iter().chain(vars.iter().copied()).collect();
    let proxy = Running::start(&vars).await;
    let reply = proxy.chat(question(stream).to_string().as_bytes()).await;
    reply.error(503)["message"].as_str().unwrap_or_default().to_owned()
}

async fn faulty(fault: Fault) -> Simulator {
    let profile = Profile { api_key: Some(CEREBRAS_KEY.into()), ..Profile::cerebras() };
    let provider = Simulator::start(profile).await.expect("a port");
    provider.inject(fault, Times::Always);
    provider
}

#[tokio::test]
async fn each_deadline_is_named_to_the_client() {
    let full = Full::new().await;
    let connect = refusal(&full.base_url(), &[("PROVIDER_CONNECT_TIMEOUT", "200")], true).await;
    assert!(connect.contains("unreachable: did not accept a connection within 0.2 s"), "{connect}");

    // The kernel accepts, and nobody speaks.
    let mute = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("https://{}/v1", mute.local_addr().expect("an address"));
    let tls = refusal(&url, &[("PROVIDER_TLS_TIMEOUT", "200")], true).await;
    assert!(tls.contains("unreachable: did not finish the TLS handshake within 0.2 s"), "{tls}");

    // Alone, it has four times as long.
    for (fault, stream, variable, said) in [
        (Fault::BlackHole, true, "PROVIDER_HEAD_TIMEOUT", "sent no response head within 0.8 s"),
        (Fault::BlackHole, false, "REQUEST_TIMEOUT", "sent no response head within 0.8 s"),
        (Fault::SilenceAfterHead, true, "REQUEST_TIMEOUT", "sent a head but no payload within 0.8 s"),
        (Fault::RoleThenSilence, true, "REQUEST_TIMEOUT", "sent a head but no payload within 0.8 s"),
        (Fault::SilenceAfterHead, false, "REQUEST_TIMEOUT", "sent a head but no whole answer within 0.8 s"),
        (Fault::Stall, false, "REQUEST_TIMEOUT", "sent a head but no whole answer within 0.8 s"),
    ] {
        let provider = faulty(fault).await;
        let message = refusal(&provider.base_url(), &[(variable, "200")], stream).await;
        assert!(message.contains(&format!("timeout: {said}")), "{fault}: {message}");
    }
}

#[tokio::test]
async fn a_dead_provider_costs_no_more_than_its_own_limit() {
    let full = Full::new().await;
    let closed = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
    let (hole, silent) = (faulty(Fault::BlackHole).await, faulty(Fault::SilenceAfterHead).await);
    let limit = Duration::from_millis(300);
    for (dead, base_url, variable, least) in [
        ("refused", format!("http://{closed}/v1"), "PROVIDER_CONNECT_TIMEOUT", Duration::ZERO),
        ("accepts nothing", full.base_url(), "PROVIDER_CONNECT_TIMEOUT", limit),
        ("no head", hole.base_url(), "PROVIDER_HEAD_TIMEOUT", limit),
        ("no payload", silent.base_url(), "REQUEST_TIMEOUT", limit),
    ] {
        let vars = [("CEREBRAS_BASE_URL", base_url.as_str()), (variable, "300")];
        let house = House::new(&vars).await;
        let clock = house.proxy.app.proxy.clock;
        let started = clock.now();
        assert_eq!(house.ask(true).await.good().provider(), "chutes", "{dead}");
        let took = clock.since(started);
        println!(
            "{dead}: answered by the other provider after {took:?}, {:?} beyond the limit",
            took.saturating_sub(least)
        );
        // The rest is what Chutes takes, and a machine under load.
        assert!(took >= least && took < least + Duration::from_secs(10), "{dead}: {took:?}");
    }
}

#[tokio::test]
async fn a_silence_in_the_middle_of_an_answer_closes_the_providers_connection() {
    let provider = faulty(Fault::Stall).await;
    let url = provider.base_url();
    let own =
        [("CEREBRAS_API_KEY", CEREBRAS_KEY), ("CEREBRAS_BASE_URL", &*url), ("STREAM_IDLE_TIMEOUT", "300")];
    let process = Process::start(&own).await;
    let reply = process.chat(&question(true)).await;
    assert!(reply.status == 200 && !reply.whole, "{}", reply.describe());
    let line = process.line("request").await;
    assert_eq!(line["why"], "nothing came for 0.3 s in the middle of the answer");
    let closed = async {
        while provider.stats().aborted == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(HANG, closed).await.expect("the provider sees its connection closed");
}

const TEXT: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n";
const CALL: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}}]}\n\n";

/// A provider that begins to answer like this, then sends the same thing every 50 ms, so many times; tells when its connection is
/// closed.
async fn repeating(begun: &'static str, sign: &'static str, times: usize) -> (String, oneshot::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base_url = format!("http://{}/v1", listener.local_addr().expect("an address"));
    let (closed, is_closed) = oneshot::channel();
    let finish =
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.expect("the proxy");
        read_request(&mut socket).await;
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
        let _ = socket.write_all((head.to_owned() + &chunk(begun)).as_bytes()).await;
        for _ in 0..times {
            tokio::time::sleep(Duration::from_millis(50)).await;
            if socket.write_all(chunk(sign).as_bytes()).await.is_err() {
                let _ = closed.send(());
                return;
            }
        }
        let _ = socket.write_all((chunk(finish) + "0\r\n\r\n").as_bytes()).await;
    });
    (base_url, is_closed)
}

#[tokio::test]
async fn pings_break_no_silence_and_the_model_does() {
    let vars = |url: &str| {
        let own =
            [("CEREBRAS_API_KEY", CEREBRAS_KEY), ("CEREBRAS_BASE_URL", url), ("STREAM_IDLE_TIMEOUT", "400")];
        own.map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    for sign in [": ping\n\n", "event: ping\ndata: {\"type\":\"ping\"}\n\n", "data: {\"choices\":[]}\n\n"] {
        let (url, is_closed) = repeating(TEXT, sign, usize::MAX).await;
        let vars = vars(&url);
        let vars: Vec<(&str, &str)> = vars.iter().map(|(name, value)| (&**name, &**value)).collect();
        let proxy = Running::start(&vars).await;
        let reply = proxy.chat(question(true).to_string().as_bytes()).await;
        assert!(reply.status == 200 && !reply.whole, "{sign:?}: {}", reply.describe());
        tokio::time::timeout(HANG, is_closed).await.expect("in time").expect("the connection is closed");
    }
    // One that thinks without showing it: a second of empty deltas. A call is held back meanwhile where another provider is left.
    for begun in [TEXT, CALL] {
        let (url, _is_closed) =
            repeating(begun, "data: {\"choices\":[{\"index\":0,\"delta\":{}}]}\n\n", 20).await;
        let vars = vars(&url);
        let other = [("CHUTES_API_KEY", CHUTES_KEY), ("CHUTES_BASE_URL", "http://127.0.0.1:9/v1")];
        let vars = vars.iter().map(|(name, value)| (&**name, &**value));
        let vars: Vec<(&str, &str)> = vars.chain(other).collect();
        let proxy = Running::start(&vars).await;
        let reply = proxy.chat(question(true).to_string().as_bytes()).await;
        assert!(reply.whole && reply.provider() == "cerebras", "{}", reply.describe());
    }
}

#[tokio::test]
async fn an_answer_that_takes_too_long_in_all_is_broken_off() {
    let provider = faulty(Fault::SlowTokens).await;
    let url = provider.base_url();
    let own = [("CEREBRAS_API_KEY", CEREBRAS_KEY), ("CEREBRAS_BASE_URL", &*url), ("TOTAL_TIMEOUT", "900")];
    let process = Process::start(&own).await;
    // The provider is as well as before.
    for _ in 0..4 {
        let reply = process.chat(&question(true)).await;
        assert!(reply.status == 200 && !reply.whole, "{}", reply.describe());
    }
    assert_eq!(process.line("request").await["why"], "took longer than 0.9 s in all");
}

#[tokio::test]
async fn a_request_that_has_no_time_left_asks_nobody_else_and_blames_nobody() {
    let vars = [("TOTAL_TIMEOUT", "300"), ("REQUEST_TIMEOUT", NEVER), ("CHUTES_API_KEY", CHUTES_KEY)];
    let house = House::new(&vars).await;
    house.cerebras.inject(Fault::BlackHole, Times::Always);
    for _ in 0..4 {
        let message = house.ask(true).await.error(503)["message"].to_string();
        assert!(message.contains("Cerebras: out_of_time: took longer than 0.3 s in all"), "{message}");
    }
    assert_eq!((house.cerebras.stats().received, house.chutes.stats().received), (4, 0));
    let ready = house.proxy.get("/ready").await.json();
    assert_eq!(ready["accounts"][0]["circuit"], json!("closed"), "{ready}");
}

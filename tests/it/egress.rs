//! The way to the providers: through the operator's HTTP proxy, to a host whose authority only a file knows.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::harness::{CEREBRAS_KEY, CHUTES_KEY, House, Running, question};
use crate::process::{Process, Scratch};
use crate::scripted::Scripted;

const ANSWER: &str = r#"{"id":"x","model":"up","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}]}"#;

/// An HTTP proxy that ends every tunnel in a provider of its own, and an authority's certificate as a file.
struct Tunnel {
    address: SocketAddr,
    targets: Arc<Mutex<Vec<String>>>,
    authority: std::path::PathBuf,
    _directory: Scratch,
    serving: JoinHandle<()>,
}

impl Tunnel {
    async fn to(host: &str) -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer =
            CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
        let key = KeyPair::generate().expect("a key");
        let leaf = CertificateParams::new(vec![host.to_owned()]).expect("parameters");
        let leaf = leaf.signed_by(&key, &issuer).expect("a certificate");
        let directory = Scratch::new();
        let authority = directory.0.join("authority.pem");
        std::fs::write(&authority, issuer.pem()).expect("a file");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
            .expect("a certificate");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let targets: Arc<Mutex<Vec<String>>> = Arc::default();
        let (seen, acceptor) = (Arc::clone(&targets), TlsAcceptor::from(Arc::new(config)));
        let serving = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(tunnel(socket, Arc::clone(&seen), acceptor.clone()));
            }
        });
        Self { address, targets, authority, _directory: directory, serving }
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn tunnel(mut socket: TcpStream, targets: Arc<Mutex<Vec<String>>>, acceptor: TlsAcceptor) {
    let Some(connect) = head(&mut socket).await else { return };
    targets.lock().push(connect.lines().next().unwrap_or_default().to_owned());
    if socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.is_err() {
        return;
    }
    let Ok(mut socket) = acceptor.accept(socket).await else { return };
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{ANSWER}",
        ANSWER.len()
    );
    while let Some(asked) = request(&mut socket).await {
        if asked.contains("cut me") {
            // Neither side of TLS says goodbye.
            let _ = socket.write_all(&answer.as_bytes()[..answer.len() / 2]).await;
            let _ = socket.flush().await;
            return;
        }
        if socket.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// A whole request.
async fn request(socket: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut text = head(socket).await?;
    let length =
        text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok())?;
    let start = text.find("\r\n\r\n")? + 4;
    let mut rest = vec![0; (start + length).checked_sub(text.len())?];
    socket.read_exact(&mut rest).await.ok()?;
    text.push_str(std::str::from_utf8(&rest).ok()?);
    Some(text)
}

async fn head(socket: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut bytes = Vec::new();
    while !bytes.windows(4).any(|window| window == b"\r\n\r\n") {
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    String::from_utf8(bytes).ok()
}

#[tokio::test]
async fn https_proxy_and_an_extra_authority_are_honoured() {
    let tunnel = Tunnel::to("cerebras.test").await;
    let (proxy, authority) = (format!("http://{}", tunnel.address), tunnel.authority.display().to_string());
    let settings = [
        ("CEREBRAS_API_KEY", "csk-x"),
        ("CEREBRAS_BASE_URL", "https://cerebras.test/v1"),
        ("HTTPS_PROXY", &proxy),
    ];
    let with = |more: &[(&'static str, &'static str)]| {
        settings.into_iter().chain(more.iter().copied()).collect::<Vec<_>>()
    };

    let trusting = [with(&[]), vec![("EXTRA_CA_FILE", authority.as_str())]].concat();
    let reply = Process::start(&trusting).await.chat(&question(false)).await.good();
    assert_eq!(reply.answer().0, "hello");
    assert_eq!(*tunnel.targets.lock(), ["CONNECT cerebras.test:443 HTTP/1.1"]);

    // Without the file the certificate is not trusted, and the error says what it was.
    let message =
        Process::start(&with(&[])).await.chat(&question(false)).await.error(503)["message"].to_string();
    assert!(message.contains("certificate"), "{message}");

    // NO_PROXY goes straight, where nobody has this name.
    let asked = tunnel.targets.lock().len();
    Process::start(&with(&[("NO_PROXY", "cerebras.test")])).await.chat(&question(false)).await.error(503);
    assert_eq!(tunnel.targets.lock().len(), asked);
}

#[tokio::test]
async fn behind_tls_a_connection_is_used_again_and_a_cut_is_seen() {
    let tunnel = Tunnel::to("cerebras.test").await;
    let (proxy, authority) = (format!("http://{}", tunnel.address), tunnel.authority.display().to_string());
    let process = Process::start(&[
        ("CEREBRAS_API_KEY", "csk-x"),
        ("CEREBRAS_BASE_URL", "https://cerebras.test/v1"),
        ("HTTPS_PROXY", &proxy),
        ("EXTRA_CA_FILE", &authority),
    ])
    .await;
    let asking = |text: &str| {
        let mut body = question(false);
        body["messages"][0]["content"] = text.into();
        body
    };
    // Many records of TLS, which the socket does not take at once.
    for text in ["hi", &"word ".repeat(40_000), "hi"] {
        assert_eq!(process.chat(&asking(text)).await.good().answer().0, "hello");
    }
    assert_eq!(tunnel.targets.lock().len(), 1, "one connection does");
    let error = process.chat(&asking("cut me")).await.error(503);
    assert!(error["message"].to_string().contains("broke off"), "{error}");
}

#[tokio::test]
async fn nobody_is_asked_whom_a_provider_or_a_client_names() {
    let (upstream, elsewhere, house) =
        (Scripted::start().await, Scripted::start().await, House::new(&[]).await);
    let vars = [
        ("CEREBRAS_API_KEY", CEREBRAS_KEY),
        ("CEREBRAS_BASE_URL", &upstream.base_url()),
        ("CHUTES_API_KEY", CHUTES_KEY),
        ("CHUTES_BASE_URL", &house.chutes.base_url()),
    ];
    for status in
        ["301 Moved", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"]
    {
        for stream in [false, true] {
            let proxy = Running::start(&vars).await;
            let to = format!(
                "{status}\r\nlocation: {}/chat/completions\r\ncontent-length: 0",
                elsewhere.base_url()
            );
            upstream.answer_raw(&to, "");
            let reply = proxy.chat(question(stream).to_string().as_bytes()).await.good();
            assert_eq!(reply.provider(), "chutes", "{status} is a failure");
        }
    }
    let mut body = question(false);
    for field in ["api_base", "base_url", "endpoint", "provider"] {
        body[field] = elsewhere.base_url().into();
    }
    let there = format!("http://{}/v1/chat/completions", elsewhere.address);
    let host = elsewhere.address.to_string();
    let headers = [("X-Forwarded-Host", &*host), ("X-Upstream", &there), ("Forwarded", "host=elsewhere")];
    let proxy = Running::start(&vars).await;
    let request = crate::client::post(&there, &headers, body.to_string().as_bytes());
    crate::client::exchange(proxy.address, &request).await.good();
    assert_eq!(elsewhere.asked(), 0);
}

//! Who may ask, from where, and what of the providers they get to see.

use serde_json::{Value, json};
use simulator::{Fault, Limits, Profile, Times};

use crate::client::{Reply, exchange, get, post};
use crate::harness::{CEREBRAS_KEY, CHUTES_KEY, House, question};

const OPEN: [&str; 4] = ["/", "/health", "/ready", "/v1/tcp_warming"];
const CHAT: &str = "/v1/chat/completions";

impl House {
    async fn look(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        exchange(self.proxy.address, &get(path, headers)).await
    }

    async fn ask_with(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        exchange(self.proxy.address, &post(path, headers, question(false).to_string().as_bytes())).await
    }

    /// What a browser asks before a page of this origin may.
    async fn preflight(&self, origin: &str) -> Reply {
        let head = format!(
            "OPTIONS {CHAT} HTTP/1.1\r\nHost: localhost\r\nOrigin: {origin}\r\nAccess-Control-Request-Method: POST\r\n\
             Access-Control-Request-Headers: authorization,content-type,x-stainless-os\r\n\r\n"
        );
        exchange(self.proxy.address, head.as_bytes()).await
    }

    fn asked_nobody(&self) -> bool {
        self.cerebras.requests().is_empty() && self.chutes.requests().is_empty()
    }
}

fn allowed_origin(reply: &Reply) -> Option<String> {
    reply.header("access-control-allow-origin")
}

#[tokio::test]
async fn without_keys_any_key_will_do() {
    let house = House::new(&[]).await;
    for headers in
        [&[][..], &[("Authorization", "Bearer sk-anything")], &[("x-api-key", "")], &[("Authorization", "")]]
    {
        house.ask_with(CHAT, headers).await.good();
        assert_eq!(house.look("/v1/models", headers).await.status, 200);
    }
    let sent = &house.cerebras.requests()[1].headers;
    assert_eq!(
        sent["authorization"],
        format!("Bearer {CEREBRAS_KEY}"),
        "the client's own key is not passed on"
    );
}

#[tokio::test]
async fn with_keys_only_they_will_do() {
    let house = House::new(&[("PROXY_API_KEYS", "first-key-123456, second-key-123456")]).await;
    for path in OPEN {
        assert_eq!(house.look(path, &[]).await.status, 200, "{path}");
    }
    let wrong = [
        &[][..],
        &[("Authorization", "Bearer third-key-123456")],
        &[("Authorization", "Bearer first-key-12345")],
        &[("Authorization", "Bearer first-key-1234567")],
        &[("Authorization", "Bearer ")],
        &[("Authorization", "first-key-123456")],
        &[("Authorization", "Basic first-key-123456")],
        &[("x-api-key", "first")],
        &[("x-api-key", "first-key-123456, second-key-123456")],
        &[("Cookie", "key=first-key-123456")],
    ];
    for headers in wrong {
        for path in [CHAT, "/chat/completions", "/v1/completions", "/completions"] {
            refused_for_its_key(&house.ask_with(path, headers).await);
        }
        for path in ["/v1/models", "/models", "/v1/models/qwen-3-coder", "/models/x"] {
            refused_for_its_key(&house.look(path, headers).await);
        }
    }
    assert!(house.asked_nobody());
    for key in ["first-key-123456", "second-key-123456"] {
        let bearer = format!("Bearer {key}");
        house.ask_with(CHAT, &[("Authorization", &bearer)]).await.good();
        house.ask_with(CHAT, &[("X-API-Key", key)]).await.good();
        assert_eq!(house.look("/v1/models", &[("authorization", &bearer)]).await.status, 200);
    }
}

fn refused_for_its_key(reply: &Reply) {
    let error = reply.error(401);
    assert_eq!(error["type"], "authentication_error", "{error}");
    assert_eq!(error["code"], "invalid_api_key", "{error}");
    assert!(!reply.text().contains("key-123456"), "{error}");
}

#[tokio::test]
async fn pages_of_this_machine_may_call_and_others_not() {
    let house = House::new(&[]).await;
    let local = "http://localhost:5173";
    let preflight = house.preflight(local).await;
    assert_eq!((preflight.status, allowed_origin(&preflight).as_deref()), (200, Some(local)));
    assert_eq!(preflight.header("access-control-allow-methods").as_deref(), Some("GET,POST"));
    let headers = preflight.header("access-control-allow-headers").unwrap_or_default();
    // `*` would leave the key out.
    assert_eq!(headers, "authorization,content-type,x-stainless-os");
    let reply = house.ask_with(CHAT, &[("Origin", local)]).await.good();
    assert_eq!(allowed_origin(&reply).as_deref(), Some(local));
    let exposed = reply.header("access-control-expose-headers").unwrap_or_default();
    assert!(exposed.contains("x-request-id") && exposed.contains("retry-after"), "{exposed}");

    house.cerebras.reset();
    for evil in [
        "https://evil.example",
        "http://localhost.evil.example",
        "null",
        "",
        "file://",
        "http://127.0.0.1.evil.example",
    ] {
        assert_eq!(allowed_origin(&house.preflight(evil).await), None, "{evil}");
        let reply = house.ask_with(CHAT, &[("Origin", evil)]).await;
        assert_eq!(reply.error(403)["code"], "origin_not_allowed", "{evil}");
        assert_eq!(allowed_origin(&reply), None, "{evil}");
        house.look("/v1/models", &[("Origin", evil)]).await.error(403);
    }
    assert!(house.asked_nobody());
}

#[tokio::test]
async fn all_pages_may_call_or_those_that_are_named() {
    let house = House::new(&[("CORS_ORIGINS", "*")]).await;
    for origin in ["https://evil.example", "null", "http://localhost:5173"] {
        let preflight = house.preflight(origin).await;
        assert!(allowed_origin(&preflight).is_some_and(|it| it == "*" || it == origin), "{origin}");
        house.ask_with(CHAT, &[("Origin", origin)]).await.good();
    }
    let house = House::new(&[("CORS_ORIGINS", "https://app.example, vscode-webview://abc")]).await;
    for (origin, allowed) in [
        ("https://app.example", true),
        ("vscode-webview://abc", true),
        ("http://app.example", false),
        ("https://app.example:8443", false),
        ("http://localhost:5173", false),
    ] {
        assert_eq!(allowed_origin(&house.preflight(origin).await).is_some(), allowed, "{origin}");
        assert_eq!(house.ask_with(CHAT, &[("Origin", origin)]).await.status == 200, allowed, "{origin}");
    }
}

#[tokio::test]
async fn every_endpoint_with_and_without_v1() {
    let house = House::new(&[]).await;
    for prefix in ["", "/v1"] {
        let at = |path: &str| format!("{prefix}{path}");
        let models = house.look(&at("/models"), &[]).await.json();
        assert_eq!(models["object"], "list");
        let model = &models["data"][0];
        assert_eq!(models["data"].as_array().map(Vec::len), Some(1));
        assert_eq!((&model["id"], &model["object"]), (&json!("qwen-3-coder"), &json!("model")));
        assert_eq!(model["owned_by"], "qwen-3-coder-proxy");
        assert!(model["created"].is_u64(), "{model}");
        assert_eq!(&house.look(&at("/models/qwen-3-coder"), &[]).await.json(), model);
        for other in ["gpt-4", "Qwen/Qwen3-Coder", "qwen-3-coder/x"] {
            let error = house.look(&at(&format!("/models/{other}")), &[]).await.error(404);
            assert_eq!((&error["code"], &error["param"]), (&json!("model_not_found"), &json!("model")));
        }
        house.ask_with(&at("/chat/completions"), &[]).await.good();
        let error = house.ask_with(&at("/completions"), &[]).await.error(400);
        assert_eq!(error["code"], "unsupported_endpoint");
        assert_eq!(house.look(&at("/tcp_warming"), &[]).await.json(), json!({"status": "ok"}));
    }
    assert!(house.look("/", &[]).await.json()["message"].is_string());
}

#[tokio::test]
async fn a_name_of_our_own_is_the_only_one_listed() {
    let house = House::new(&[("PROXY_MODEL_NAME", "team/coder")]).await;
    assert_eq!(house.look("/v1/models", &[]).await.json()["data"][0]["id"], "team/coder");
    assert_eq!(house.look("/v1/models/team/coder", &[]).await.status, 200);
    house.look("/v1/models/qwen-3-coder", &[]).await.error(404);
}

#[tokio::test]
async fn ready_as_long_as_somebody_is() {
    let house = House::new(&[]).await;
    let ready = async || {
        let reply = house.look("/ready", &[]).await;
        let status = reply.json();
        (reply.status, status["ready"].clone(), status["providers"].clone())
    };
    let is = |status: u16, cerebras: bool, chutes: bool| {
        (status, json!(status == 200), json!({"cerebras": cerebras, "chutes": chutes}))
    };
    assert_eq!(ready().await, is(200, true, true));
    house.cerebras.inject(Fault::Unauthorized, Times::Always);
    house.ask(false).await.good();
    assert_eq!(ready().await, is(200, false, true));
    house.chutes.inject(Fault::Unauthorized, Times::Always);
    house.ask(false).await.error(502);
    assert_eq!(ready().await, is(503, false, false));
    assert_eq!(house.look("/health", &[]).await.status, 200, "the process itself is well");
}

#[tokio::test]
async fn every_answer_has_its_own_id() {
    let house = House::new(&[("PROXY_API_KEYS", "first-key-123456")]).await;
    let key = ("x-api-key", "first-key-123456");
    let mut ids = std::collections::HashSet::new();
    let mut replies = vec![
        house.ask_with(CHAT, &[key]).await.good(),
        house.ask_with(CHAT, &[]).await,
        house.ask_with(CHAT, &[key, ("Origin", "https://evil.example")]).await,
        house.ask_with(CHAT, &[key, ("Content-Encoding", "br")]).await,
        house.look(CHAT, &[key]).await,
        house.look("/nope", &[]).await,
        house.look("/", &[]).await,
        house.preflight("http://localhost").await,
        exchange(house.proxy.address, b"nonsense\r\n\r\n").await,
        exchange(house.proxy.address, &get("/", &[("X", &"x".repeat(100_000))])).await,
        exchange(house.proxy.address, &post(CHAT, &[key], b"{")).await,
        // Not for the client to choose: it stands in our log.
        house.look("/health", &[("X-Request-Id", "mine")]).await,
    ];
    house.cerebras.inject(Fault::BadRequest, Times::Once);
    replies.push(house.ask_with(CHAT, &[key]).await);
    let statuses: Vec<u16> = replies.iter().map(|reply| reply.status).collect();
    assert_eq!(statuses, [200, 401, 403, 415, 405, 404, 200, 200, 400, 431, 400, 200, 400]);
    for reply in replies {
        let id = reply.header("x-request-id").unwrap_or_else(|| panic!("no id: {}", reply.describe()));
        assert!(id.starts_with("req_") && ids.insert(id), "{}", reply.describe());
    }
}

#[tokio::test]
async fn of_the_providers_headers_few_are_passed_on() {
    let limits = Limits { tokens_per_minute: Some(10_000_000), ..Limits::NONE };
    let cerebras = Profile { rate_headers: true, limits, ..Profile::cerebras() };
    let house = House::with(cerebras, Profile { rate_headers: true, ..Profile::chutes() }, &[]).await;
    for stream in [false, true] {
        let reply = house.ask(stream).await.good();
        assert_eq!(reply.provider(), "cerebras");
        assert!(!reply.head.to_ascii_lowercase().contains("ratelimit"), "{}", reply.head);
        house.cerebras.inject(Fault::ServerError, Times::Once);
        let reply = house.ask(stream).await.good();
        assert_eq!(reply.provider(), "chutes");
        assert!(reply.header("x-chutes-invocationid").is_some(), "{}", reply.head);
        let known = [
            "content-type",
            "content-length",
            "transfer-encoding",
            "date",
            "vary",
            "cache-control",
            "x-accel-buffering",
            "access-control-expose-headers",
            "x-request-id",
            "x-proxy-provider",
            "x-proxy-model",
            "x-proxy-attempts",
            "x-chutes-invocationid",
        ];
        for line in reply.head.lines().skip(1) {
            let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
            assert!(known.contains(&name.as_str()), "{name}");
        }
    }
}

#[tokio::test]
async fn no_key_in_any_answer() {
    let own = "first-key-123456";
    let house = House::new(&[("PROXY_API_KEYS", own)]).await;
    let key = ("x-api-key", own);
    let mut seen = String::new();
    for path in OPEN.into_iter().chain(["/v1/models", "/v1/models/x", "/nope"]) {
        seen.push_str(&house.look(path, &[key]).await.describe());
    }
    for fault in Fault::ALL {
        if matches!(fault, Fault::BlackHole | Fault::SilenceAfterHead | Fault::RoleThenSilence | Fault::Stall)
        {
            continue;
        }
        house.cerebras.inject(*fault, Times::Once);
        house.chutes.inject(*fault, Times::Once);
        seen.push_str(&house.ask_with(CHAT, &[key]).await.describe());
    }
    // What a client sends is its own: it may come back, our keys may not.
    let unknown = json!({"model": CHUTES_KEY, "messages": [Value::Null]}).to_string();
    exchange(house.proxy.address, &post(CHAT, &[key], unknown.as_bytes())).await.error(400);
    for secret in [CEREBRAS_KEY, CHUTES_KEY, own] {
        assert!(!seen.contains(secret), "{secret} in:\n{seen}");
    }
}

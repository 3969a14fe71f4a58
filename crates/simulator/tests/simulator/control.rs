//! The control plane, the catalogue, and the end of a simulator.

use serde_json::json;
use simulator::{Fault, Profile, Simulator, Vendor};

use crate::harness::{End, ask, eventually, get, post, question, tool, with};

#[tokio::test]
async fn everything_can_be_done_over_http() {
    let simulator = Simulator::start(Profile::cerebras()).await.unwrap();
    let body = with(question(Vendor::Cerebras, "Hi"), json!({"tools": [tool("weather")]}));
    let status = async || ask(&simulator, &body).await.status.map(|status| status.as_u16());

    post(&simulator, "/_sim/fault", &json!({"fault": "bad_gateway"})).await;
    assert_eq!([status().await, status().await], [Some(502), Some(200)]);
    post(&simulator, "/_sim/fault", &json!({"fault": "refuse", "times": "always"})).await;
    assert_eq!([status().await, status().await], [None, None]);
    post(&simulator, "/_sim/heal", &json!({})).await;

    let replies = json!([{"calls": [{"name": "weather", "arguments": {"b": 1}}]}, {"text": "Sunny."}]);
    post(&simulator, "/_sim/script", &json!({"replies": replies})).await;
    let call = &ask(&simulator, &body).await.json()["choices"][0]["message"]["tool_calls"][0]["function"];
    assert_eq!(call, &json!({"name": "weather", "arguments": "{\"b\": 1}"}));

    assert_eq!(
        get(&simulator, "/_sim/faults", None).await.json().as_array().unwrap().len(),
        Fault::ALL.len()
    );
    assert_eq!(get(&simulator, "/_sim/stats", None).await.json()["faulted"], 3);
    let requests = get(&simulator, "/_sim/requests", None).await.json();
    assert_eq!(requests.as_array().unwrap().len(), 5);
    assert!(requests[0]["body"].as_str().unwrap().contains("weather"));

    let unknown = post(&simulator, "/_sim/fault", &json!({"fault": "sunshine"})).await;
    assert_eq!(unknown.status.unwrap(), 400);
    post(&simulator, "/_sim/reset", &json!({})).await;
    assert_eq!(get(&simulator, "/_sim/stats", None).await.json()["received"], 0);
    assert!(simulator.requests().is_empty());
}

#[tokio::test]
async fn models_are_listed_and_found_by_name() {
    let simulator = Simulator::start(Profile::chutes()).await.unwrap();
    let listed = get(&simulator, "/v1/models", None).await.json()["data"][0]["id"].clone();
    let path = format!("/v1/models/{}", listed.as_str().unwrap());
    assert_eq!(get(&simulator, &path, None).await.json()["id"], listed);
    assert_eq!(get(&simulator, "/v1/models/none", None).await.status.unwrap(), 404);
    assert_eq!(get(&simulator, "/v1/tcp_warming", None).await.status.unwrap(), 200);
    assert!(get(&simulator, "/", None).await.text().contains("simulated"));
}

#[tokio::test]
async fn requests_are_remembered_as_they_arrived() {
    let simulator = Simulator::start(Profile::cerebras()).await.unwrap();
    let body = question(Vendor::Cerebras, "Hi");
    ask(&simulator, &body).await;
    let seen = simulator.requests();
    assert_eq!((seen[0].method.as_str(), seen[0].path.as_str()), ("POST", "/v1/chat/completions"));
    assert_eq!(seen[0].headers["authorization"], "Bearer csk-test-key");
    assert_eq!(seen[0].body, body.to_string());
}

#[tokio::test]
async fn a_dropped_simulator_closes_its_port_and_connections() {
    let simulator = Simulator::start(Profile::cerebras()).await.unwrap();
    let addr = simulator.addr();
    simulator.inject(Fault::Stall, simulator::Times::Always);
    let body = with(question(Vendor::Cerebras, "Hi"), json!({"stream": true}));
    let mut answer = crate::harness::open(&simulator, &body).await;
    drop(simulator);
    let refused = || std::net::TcpStream::connect(addr).is_err();
    eventually("the port is closed", refused).await;
    let rest = http_body_util::BodyExt::collect(&mut answer.body).await;
    assert!(rest.is_err(), "{:?}", End::Closed);
}

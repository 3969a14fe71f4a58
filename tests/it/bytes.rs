//! Bytes survive, both ways.

use crate::harness::{House, Running};
use crate::scripted::Scripted;

#[tokio::test]
async fn a_body_arrives_upstream_identical_but_for_the_named_edits() {
    let house = House::new(&[]).await;
    let body = "{ \"x_unknown\" : {\"b\":1, \"a\":[ ]} ,\r\n \"model\" :  \"qwen-3-coder\",\t\"temperature\":0.70E+0, \"seed\": 1e2,\"messages\":[ {\"role\":\"user\",\"content\":\"Tell me a 3 word story. \\u00e9 \\ud83d\\ude00 😀 é  \\/ \"} ] , \"max_tokens\": 1.00e2 , \"user\":\"\" } ";
    house.proxy.chat(body.as_bytes()).await.good();
    let seen = house.cerebras.requests();
    let expected = body.replace("\"qwen-3-coder\"", "\"qwen-3-coder-480b\"");
    assert_eq!(String::from_utf8_lossy(&seen[0].body), expected);
    assert_eq!(seen[0].headers["content-length"], expected.len().to_string().as_str());

    let stream = body.replacen('{', "{\"stream\":true,", 1);
    house.proxy.chat(stream.as_bytes()).await.good();
    let seen = house.cerebras.requests();
    let expected = stream.replace("\"qwen-3-coder\"", "\"qwen-3-coder-480b\"").replacen(
        '{',
        "{\"stream_options\":{\"include_usage\":true},",
        1,
    );
    assert_eq!(String::from_utf8_lossy(&seen[1].body), expected);
}

#[tokio::test]
async fn a_plain_answer_keeps_every_byte_but_the_models_name() {
    let house = House::new(&[]).await;
    let direct = house.ask(false).await.good().text();
    assert!(direct.contains("\"model\":\"qwen-3-coder\""), "{direct}");
    assert!(!direct.contains("480b"), "{direct}");
}

#[tokio::test]
async fn a_stream_cut_at_every_byte_reaches_the_client_identical() {
    let stream = ": comment é\r\n\r\ndata: {\"model\":\"up\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\"}}]}\n\n\
        data: {\"id\":\"x\",\"model\" : \"up\", \"choices\":[{\"index\":0,\"delta\":{\"content\":\"Grüße 😀 \\u00e9 1.0E0\"}}]}\r\n\r\n\
        data:{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"model\":\"up\"}\n\n\
        data: {\"choices\":[],\"model\":\"up\",\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}\n\n\
        data: [DONE]\n\n";
    let expected = stream.replace("\"up\"", "\"qwen-3-coder\"");
    let upstream = Scripted::start().await;
    let proxy =
        Running::start(&[("CHUTES_API_KEY", "cpk_it"), ("CHUTES_BASE_URL", &upstream.base_url())]).await;
    let ask = br#"{"model":"qwen-3-coder","messages":[{"role":"user","content":"x"}],"stream":true,"stream_options":{"include_usage":true}}"#;
    for cut in 0..=stream.len() {
        let (left, right) = stream.as_bytes().split_at(cut);
        upstream.answer(vec![left.to_vec(), right.to_vec()]);
        let reply = proxy.chat(ask).await;
        assert!(reply.whole, "cut at {cut}");
        assert_eq!(reply.text(), expected, "cut at {cut}");
    }
    upstream.answer(stream.bytes().map(|byte| vec![byte]).collect());
    assert_eq!(proxy.chat(ask).await.text(), expected, "every byte on its own");
}

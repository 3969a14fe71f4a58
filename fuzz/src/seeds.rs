//! What the bytes begin as, and the words that mutations put into them.

/// For [`events`](crate::events).
pub const EVENTS: &[&str] = &[
    "\u{3}: ping\n\ndata: {\"model\":\"up\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\"}}]}\n\n\
     data: {\"model\":\"up\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Grüße 😀\"}}]}\r\n\r\n\
     data: {\"model\":\"up\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}\n\n\
     data: [DONE]\n\n",
    "\u{7}data: {\"choices\":[{\"index\":1,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":null,\"type\":\"function\",\"function\":{\"name\":\"ls\",\"arguments\":\"{\\\"a\\\":\"}}]}}]}\r\r\
     event: error\ndata: {\"error\":{\"message\":\"boom\",\"code\":500}}\n\n{\"error\":\"bare\"}",
    "\u{1}id: 7\rdata: lone\r\rdata\n\n\n\ndata:x\r\ndata: y\r\n\r\n",
];

/// For [`http`](crate::http).
pub const HTTP: &[&str] = &[
    "\u{9}HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n7;a=b\r\ndata: x\r\n2\r\n\n\n\r\n0\r\na: b\r\n\r\n",
    "\u{5}HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 429 Too Many Requests\r\nretry-after: 60\r\nContent-Length: 2\r\nconnection: close\r\n\r\n{}",
    "\u{2}HTTP/1.0 200 \r\nserver: x\n\n{\"data\":[]}",
];

/// For [`repair`](crate::repair).
pub const REPAIRS: &[&str] = &[
    "\u{5}data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"So.\\n<tool_call>\\n<function=ls>\\n\"}}]}\n\n\
     data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"<parameter=path>\\n/a\\n</parameter>\\n</function>\\n</tool_call>\"}}]}\n\n\
     data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
    "\u{9}data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"<function=ls>\\n<parameter=deep>\\n[1]\\n</parameter>\\n</function>\"}}]}\n\n\
     data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n",
    "\u{4}data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"ls\",\"arguments\":\"\\\"{\\\\\\\"path\\\\\\\":1}\\\"\"}}]}}]}\n\n\
     data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"b\",\"function\":{\"name\":\"ls\",\"arguments\":\"{\\\"deep\\\":\\\"[1]\\\"}\"}}]}}]}\n\n\
     data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}],\"usage\":{\"prompt_tokens\":5}}\n\n",
];

/// For [`answer`](crate::answer).
pub const ANSWERS: &[&str] = &[
    "{\"model\": \"up\", \"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"\\u00e9 1.0E0\"},\"finish_reason\":\"stop\"}] ,\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}",
    "{\"choices\":[{\"message\":{\"content\":null,\"tool_calls\":[{\"id\":\"1\",\"type\":\"function\",\"function\":{\"name\":\"ls\",\"arguments\":\"{}\"}}]}}],\"error\":null}",
    "{\"error\":{\"message\":\"boom\",\"code\":500}}",
];

/// For [`headers`](crate::headers).
pub const HEADERS: &[&str] = &[
    "x-ratelimit-limit-requests-minute: 15\nx-ratelimit-remaining-requests-minute: 3\nx-ratelimit-reset-requests-minute: 12.5\n\
     x-ratelimit-limit-tokens-day: 24000000\nx-ratelimit-remaining-tokens-day: 1\nretry-after: 60\n\n\
     {\"message\":\"Tokens per minute limit exceeded - too many tokens processed.\",\"type\":\"too_many_requests_error\",\"code\":\"token_quota_exceeded\"}",
    "x-ratelimit-limit-tokens: 6000\nx-ratelimit-remaining-tokens: 5000\nx-ratelimit-reset-tokens: 1m2.3s\nretry-after: Wed, 21 Oct 2026 07:28:00 GMT\n\n\
     {\"error\":{\"message\":\"Rate limit reached: Limit 6000, Used 5000, Requested 2000. Please try again in 7.66s.\"}}",
    "ratelimit: \"default\";r=50;t=30\nratelimit-policy: \"default\";q=100;w=60\nretry-after-ms: 1500\n\n\
     {\"error\":{\"metadata\":{\"headers\":{\"X-RateLimit-Reset\":\"1800000060000\",\"X-RateLimit-Limit\":\"20\",\"X-RateLimit-Remaining\":\"0\"}}}}",
];

/// For [`request`](crate::request).
pub const REQUESTS: &[&str] = &[
    "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"h\u{e9}\\u00e9\"}],\"stream\":true,\"store\":false,\"max_tokens\":1.0e3}",
    "{ \"store\" : 1 , \"messages\" : [ {\"role\":\"assistant\",\"reasoning_content\":\"x\",\"content\":null} , {\"reasoning_content\":[]} ] , \"model\":\"m\", \"stream\":true, \"stream_options\":{\"include_usage\":false}}",
    "{\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"a\",\"parameters\":{\"model\":\"z\"}}}],\"messages\":[{}],\"model\":\"m\",\"temperature\":0}",
];

/// For [`settings`](crate::settings).
pub const SETTINGS: &[&str] = &[
    "cooldown_ms = 60000\n\n[server]\nport = 4000\nhost = \"127.0.0.1\"\n\n[timeouts]\nrequest_ms = 30000\n\n\
     [providers.local]\npreset = \"llama-cpp\"\nbase_url = \"http://127.0.0.1:8080/v1\"\nmodels = [\"qwen\", { name = \"other\", context = 32768 }]\n\n\
     [providers.cerebras]\nkey = { env = \"CEREBRAS_API_KEY\" }\nplan = \"developer-2026\"\n\n[providers.cerebras.limits]\nrequests_per_minute = 15\n\n\
     [models.\"qwen-3-coder\"]\nroutes = [{ provider = \"cerebras\" }, { provider = \"local\", models = [\"qwen\"] }]\n",
    "[providers.chutes]\nkey = [{ env = \"CHUTES_API_KEY\" }]\nplan = \"plus\"\n[presets.chutes]\nrejects = [\"store\", \"messages.*.name\"]\n\
     [[presets.chutes.errors]]\nstatus = 429\nsays = \"x\"\nkind = \"busy\"\n",
];

/// What no honest byte would be: put where it hurts.
pub const WORDS: &[&str] = &[
    "\"",
    "\\",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\n",
    "\n\n",
    "\r",
    "\r\n",
    "\0",
    " ",
    "null",
    "true",
    "-1",
    "1e999",
    "18446744073709551616",
    "0.0000001",
    "\\ud800",
    "\\u0000",
    "\u{feff}",
    "é",
    "😀",
    "data: ",
    "data: [DONE]\n\n",
    "event: error\n",
    "\"choices\":",
    "\"delta\":{}",
    "\"finish_reason\":\"stop\"",
    "\"error\":",
    "\"model\":\"x\"",
    "\"messages\":[{}]",
    "\"usage\":{}",
    "[[[[[[[[",
    "{\"a\":{\"a\":{\"a\":",
    "NaN",
    "µs",
    "1h",
    "=",
    "#",
    "'''",
    "<tool_call>",
    "<function=ls>",
    "</function>",
    "<parameter=path>",
    "</parameter>",
    "\"tool_calls\":[{\"index\":0}]",
    "[providers.x]\n",
    "key = ",
];

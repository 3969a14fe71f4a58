//! The choices within a profile that are no number.

/// Whose wire shapes and error bodies are spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Vendor {
    /// Very fast, tightly rationed, flat error bodies.
    Cerebras,
    /// Slower, roomier, `{"detail": …}` error bodies, `SGLang`'s stream shapes.
    Chutes,
    /// Requests a day, tokens a minute, resets as `2m59.56s`; 413 for what never fits.
    Groq,
    /// Keep-alive comments, white space before JSON, errors within a stream as a finish reason.
    OpenRouter,
    /// A server of one's own: no key, no limits, a while until the model is loaded.
    LlamaCpp,
    /// What all others were modelled on.
    OpenAi,
}

/// The generations of Cerebras' rate headers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RateHeaderSet {
    /// Until early 2026: limit, remaining and reset of requests per day and tokens per minute.
    #[default]
    Six,
    /// Since then: limit and remaining of requests and tokens per minute, hour and day, and no reset. What
    /// remains of the hour's tokens is counted with cached ones, the limit beside it without.
    Twelve,
}

/// What `/v1/completions`, the raw continuation of a prompt, does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Completions {
    /// It goes on exactly where the prompt ends.
    #[default]
    Served,
    /// It is not there: 404.
    Missing,
    /// It ends at once: no text, finish reason `stop`.
    Empty,
    /// It puts a space between the prompt and its continuation.
    Space,
}

/// Something that is done to the tool calls of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// Streamed: arguments come in fragments although the vendor sends them whole.
    Fragmented,
    /// Streamed: later deltas of a call say `"id": null` and `"name": null`.
    NullFilled,
    /// Streamed: a call's arguments come in one delta, after the silence that writing them takes.
    Buffered,
    /// All calls have the index 0, and the answer ends with `stop`, as Ollama's do.
    IndexZero,
    /// Calls have no id.
    MissingIds,
    /// Arguments are a JSON string that holds JSON.
    DoubleEncoded,
    /// Arrays and objects within the arguments are JSON strings that hold JSON.
    StringifiedValues,
    /// The arguments of the last call lack their end, and the answer ends as if it were whole.
    BrokenArguments,
    /// The calls are the model's own XML within the text, and the answer ends with `stop`.
    XmlLeak,
    /// The same without the opening `<tool_call>`.
    XmlLeakUnopened,
}

/// What a Chutes account has paid for, beside the daily quota, which is
/// [`Limits::requests_per_day`](crate::Limits::requests_per_day).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subscription {
    /// Most micro-dollars' worth of answers in a fixed window of four hours, counted from 1970.
    pub four_hour_cap: Option<u64>,
    /// Most micro-dollars' worth of answers in a fixed window of thirty days, counted from 1970.
    pub monthly_cap: Option<u64>,
    /// Micro-dollars per million prompt tokens.
    pub prompt_price: u64,
    /// Micro-dollars per million completion tokens.
    pub completion_price: u64,
    /// Whether a balance pays for what is beyond quota and caps.
    pub balance: bool,
}

impl Subscription {
    /// No caps and no balance, at the prices of Qwen3.8-27B in August 2026.
    pub const PLAIN: Self = Self {
        four_hour_cap: None,
        monthly_cap: None,
        prompt_price: 400_000,
        completion_price: 3_000_000,
        balance: false,
    };
}

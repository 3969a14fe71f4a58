//! The names of all variables. `.env.example` lists the same ones; a test holds the two together.

/// Every variable of this program.
pub(super) const NAMES: &[&str] = &[
    "CEREBRAS_API_KEY",
    "CHUTES_API_KEY",
    "CEREBRAS_MODEL_NAME",
    "CHUTES_MODEL_NAME",
    "PROXY_MODEL_NAME",
    "CEREBRAS_ENDPOINT",
    "CHUTES_ENDPOINT",
    "CEREBRAS_BASE_URL",
    "CHUTES_BASE_URL",
    "CEREBRAS_REQUESTS_PER_MINUTE",
    "CEREBRAS_TOKENS_PER_MINUTE",
    "CEREBRAS_TOKENS_PER_DAY",
    "COOLDOWN_PERIOD",
    "RATE_WINDOW_MS",
    "HOST",
    "PORT",
    "PROXY_API_KEYS",
    "CORS_ORIGINS",
    "MAX_BODY_BYTES",
    "REQUEST_TIMEOUT",
    "STREAM_IDLE_TIMEOUT",
    "HEADER_TIMEOUT",
    "BODY_TIMEOUT",
    "DRAIN_TIMEOUT",
    "LOG_LEVEL",
    "STATE_DIR",
    "EXTRA_CA_FILE",
];

/// Variables of others that we read as well, when ours say nothing.
pub(super) const BORROWED: &[&str] = &["NODE_EXTRA_CA_CERTS", "XDG_STATE_HOME", "HOME", "LOCALAPPDATA"];

/// Names shorter than this are too common to guess at.
const SHORTEST_GUESS: usize = 8;

/// Whether values of this variable must never be shown.
pub(super) fn is_secret(name: &str) -> bool {
    name.contains("API_KEY")
}

/// The variable that `name` was probably meant to be. Strict, so that ordinary environments stay quiet:
/// the beginning must agree, and at most two letters (one in a short name) may differ.
pub(super) fn meant(name: &str) -> Option<&'static str> {
    if name.len() < SHORTEST_GUESS || NAMES.contains(&name) || !name.is_ascii() {
        return None;
    }
    let name = name.to_ascii_uppercase();
    let near = |ours: &&&str| ours.len() >= SHORTEST_GUESS && ours.as_bytes()[..3] == name.as_bytes()[..3];
    NAMES
        .iter()
        .filter(near)
        .map(|ours| (distance(&name, ours), *ours))
        .filter(|(distance, ours)| *distance <= if ours.len() < 12 { 1 } else { 2 })
        .min()
        .map(|(_, ours)| ours)
}

/// How many letters must be inserted, removed or replaced to get from one name to the other.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

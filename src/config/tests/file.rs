//! The configuration file: what it can say, what it comes to, and what is said of its mistakes.

use secrecy::ExposeSecret;

use super::{names, owned};
use crate::config::{Config, Overrides, Problems, init, preset, schema, written::Written};

fn read(text: &str, vars: &[(&str, &str)]) -> Result<Config, Problems> {
    Config::from_text(text, owned(vars), &Overrides::default())
}

fn problems(text: &str, vars: &[(&str, &str)]) -> Vec<String> {
    read(text, vars).unwrap_err().0.iter().map(ToString::to_string).collect()
}

const TWO: &str = r#"
cooldown_ms = 60_000

[server]
port = 0
client_keys = { env = "TEAM" }

[providers.fast]
preset = "cerebras"
key = [{ env = "FIRST" }, { env = "SECOND" }]
plan = "code-pro-2025"
limits.requests_per_minute = 14

[providers.local]
preset = "llama-cpp"
base_url = "http://127.0.0.1:8081/v1"
models = ["qwen3-coder"]
context = 32768

[models.coder]
routes = ["fast", "local"]

[models."qwen/small model"]
routes = [{ provider = "local", models = ["small", "smaller"] }]
"#;

const KEYS: [(&str, &str); 3] = [("FIRST", "csk-first"), ("SECOND", "csk-second"), ("TEAM", "a,b")];

#[test]
fn providers_models_and_routes() {
    let config = read(TWO, &KEYS).unwrap();
    assert_eq!(config.warnings, Vec::<String>::new());
    assert_eq!((config.server.port, config.cooldown.as_millis()), (0, 60_000));
    assert_eq!(config.server.client_keys.len(), 2);
    let [fast, local] = &config.providers[..] else { panic!("two providers") };
    assert_eq!((fast.name.as_str(), fast.label.as_str()), ("fast", "fast"));
    let keys: Vec<&str> = fast.keys.iter().map(|key| key.secret.expose_secret()).collect();
    assert_eq!(keys, ["csk-first", "csk-second"]);
    assert_eq!(fast.plan.as_deref(), Some("code-pro-2025"));
    let limits = fast.limits;
    assert_eq!((limits.requests_per_minute, limits.tokens_per_minute), (Some(14), Some(165_000)));
    assert_eq!(fast.endpoint, "https://api.cerebras.ai/v1/chat/completions");
    assert!(local.keys.is_empty(), "a local engine asks for no key");
    assert_eq!(local.endpoint, "http://127.0.0.1:8081/v1/chat/completions");
    assert_eq!(local.models[0].context, Some(32_768));
    assert_eq!(local.settings.models, "providers.local.models in qwen-3-coder-proxy.toml");
    let [coder, small] = &config.models[..] else { panic!("two models") };
    assert_eq!(coder.name, "coder");
    assert_eq!(coder.routes.iter().map(|route| route.provider).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(small.name, "qwen/small model");
    assert_eq!(names(&small.routes[0].models), ["small", "smaller"]);
    assert_eq!(small.routes[0].models[0].context, Some(32_768));
}

#[test]
fn variables_win_over_the_file() {
    let text = "[server]\nport = 1\nhost = \"127.0.0.2\"\n[providers.cerebras]\nmodels = [\"a\", \"b\"]\n";
    let vars =
        [("PORT", "2"), ("CEREBRAS_API_KEY", "k"), ("CEREBRAS_MODEL_NAME", "c"), ("CHUTES_MODEL_NAME", "d")];
    let config = read(text, &vars).unwrap();
    assert_eq!((config.server.port, config.server.host.to_string()), (2, "127.0.0.2".to_owned()));
    assert_eq!(names(&config.providers[0].models), ["c"]);
    assert_eq!(config.providers.len(), 1, "the file names its own providers");
    let warning =
        "CHUTES_MODEL_NAME has no effect: qwen-3-coder-proxy.toml names its own providers, and no chutes";
    assert_eq!(config.warnings, [warning]);
}

#[test]
fn a_file_without_providers_leaves_them_to_the_environment() {
    let config = read("[log]\nlevel = \"debug\"\n", &super::BOTH_KEYS).unwrap();
    assert_eq!(config.providers.len(), 2);
    assert_eq!(config.models[0].routes.len(), 2);
}

/// Planted mistakes: what stands in the file, the line that is named, and the hint.
const MISTAKES: &[(&str, usize, &str)] = &[
    ("[server]\nport = \"abc\"", 2, "server.port: not a port number; write a number such as 3000"),
    ("[server]\nhots = \"::1\"", 2, "server.hots: no such setting; did you mean host?"),
    ("[sevrer]\nport = 1", 1, "sevrer: no such setting; did you mean server?"),
    ("[server]\n\nhost = \"0.0.0.0\"", 3, "set PROXY_API_KEYS, or pass --allow-open if you mean it"),
    ("[timeouts]\nrequest_ms = \"30s\"", 2, "not a whole number of milliseconds; write 30000"),
    ("[timeouts]\nrequest = 30000", 2, "timeouts.request: no such setting; did you mean request_ms?"),
    ("[log]\nlevel = \"verbose\"", 2, "not a level; write ERROR, WARN, INFO or DEBUG"),
    ("[providers.cerebras]\npreset = \"cerebas\"", 2, "not known; did you mean cerebras?"),
    ("[providers.cerebras]\nplan = \"code-por-2025\"", 2, "not known; did you mean code-pro-2025?"),
    (
        "[providers.cerebras]\nkey = \"csk-hidden\"",
        2,
        "write { env = \"VARIABLE\" } or { file = \"/path/to/it\" }",
    ),
    (
        "[providers.cerebras]\nkey = \"plain-hidden\"",
        2,
        "write { env = \"VARIABLE\" } or { file = \"/path/to/it\" }",
    ),
    ("[providers.cerebras]\nkey = [\n  \"plain-hidden\",\n]", 3, "a key itself does not belong into a file"),
    ("[providers.cerebras]\napi_key = \"plain-hidden\"", 2, "no such setting; did you mean key?"),
    ("[providers.cerebras]\nkey = { env = \"NO_SUCH\" }", 2, "NO_SUCH is not set; set it to the key"),
    ("[providers.cerebras]\nkey = { file = \"/nowhere/key\" }", 2, "name a readable file"),
    (
        "[providers.groq]\nmodels = [\"a\"]",
        1,
        "GROQ_API_KEY is not set; set it, or write key = { env = \"VARIABLE\" } here",
    ),
    ("[providers.cerebras.limits]\nrpm = 5", 2, "no such setting; did you mean requests_per_minute?"),
    ("[providers.cerebras]\nlimits.tokens_per_minute = \"150k\"", 2, "not a whole number; write 150000"),
    (
        "[providers.cerebras]\nlimits.requests_per_minute = 0",
        2,
        "out of range; write a whole number from 1 to",
    ),
    ("[providers.mine]\nmodels = [\"a\"]", 1, "no address; write base_url = \"http://127.0.0.1:8080/v1\""),
    ("[providers.mine]\nbase_url = \"http://127.0.0.1:1/v1\"", 1, "no model is known there; write models = "),
    (
        "[providers.mine]\nmodels = [\"a\"]\nbase_url = \"localhost:8080/v1\"",
        3,
        "not a URL; write http://localhost:8080/v1",
    ),
    (
        "[providers.cerebras]\nbase_url = \"https://h/v1/chat/completions\"",
        2,
        "not its base; write https://h/v1",
    ),
    ("[models.m]\nroutes = [\"cerebas\"]", 2, "no such provider; did you mean cerebras?"),
    (
        "[models.m]\nroutes = [\n  \"cerebras\",\n  { provider = \"nobody\" },\n]",
        4,
        "no such provider; write one of cerebras",
    ),
    ("[models.m]", 1, "no routes; write routes = [\"provider\", …]"),
    ("[presets.mine]\nheaders = \"cerberas\"", 2, "not known; did you mean cerebras?"),
    ("[presets.mine]\nrejects = [\"*.a\"]", 2, "not a field's path"),
    ("[presets.mine]\namends = [\"argument\"]", 2, "did you mean arguments?"),
    (
        "[presets.mine]\nprompt_cache = { block = 128 }",
        2,
        "of no use without presets.mine.prompt_cache.minutes",
    ),
    ("[presets.mine]\nprompt_cache = { block = 128, minutes = 0 }", 2, "out of range"),
    ("[presets.mine]\nrepairs = [\"xml_tool_call\"]", 2, "not known; did you mean xml_tool_calls?"),
    (
        "[[presets.mine.models]]\nname = \"m\"\ntemplate = \"qwen3-coder-vlm\"",
        3,
        "not known; did you mean qwen3-coder-vllm?",
    ),
    ("[[presets.mine.errors]]\nstatus = 429\nkind = \"bussy\"", 3, "not known; did you mean busy?"),
    ("state_dir = \"~/x\"", 1, "~ is not expanded here; write /home/you/x"),
    ("[server\nport = 1", 1, "not TOML"),
    ("[server]\nport = = 1", 2, "not TOML"),
    ("[server]\nport = 1\nport = 2", 3, "not TOML"),
    ("server = 3", 1, "not a table; write [server] and its settings below"),
];

#[test]
fn each_mistake_gets_its_line_and_a_hint() {
    for (text, line, hint) in MISTAKES {
        let cerebras = if text.contains("[providers") { "" } else { "[providers.cerebras]\n" };
        let text = format!("{text}\n{cerebras}");
        let key = if text.contains("\nkey =") { ("UNUSED", "k") } else { ("CEREBRAS_API_KEY", "csk-x") };
        let found = problems(&text, &[key]);
        let place = format!("qwen-3-coder-proxy.toml:{line}: ");
        assert!(found[0].starts_with(&place) && found[0].contains(hint), "{text}\n{found:#?}");
        assert!(found.iter().all(|problem| !problem.contains("hidden")), "{found:#?}");
        let shows_the_line = found.iter().any(|problem| problem.contains('\n'));
        assert!(shows_the_line || text.contains("hidden"), "{found:#?}");
    }
}

#[test]
fn all_mistakes_are_told_at_once_from_top_to_bottom() {
    let text = "[log]\nlevel = \"loud\"\n[server]\nport = -1\nhots = 1\n[timeouts]\nbody_ms = \"x\"\n";
    let found = problems(text, &[("REQUEST_TIMEOUT", "30s")]);
    let places: Vec<&str> = found.iter().filter_map(|problem| problem.split(": ").next()).collect();
    let file = |line: usize| format!("qwen-3-coder-proxy.toml:{line}");
    assert_eq!(places, ["REQUEST_TIMEOUT=30s", &file(2), &file(4), &file(5), &file(7)]);
    assert!(found[2].ends_with("\n    4 | port = -1"), "{found:#?}");
}

#[test]
fn keys_are_read_from_files() {
    let path = std::env::temp_dir().join(format!("qwen-3-coder-proxy-key-{}", std::process::id()));
    std::fs::write(&path, "csk-from-a-file\n").unwrap();
    let text = format!("[providers.cerebras]\nkey = {{ file = {:?} }}\n", path.display().to_string());
    let config = read(&text, &[]).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(config.providers[0].keys[0].secret.expose_secret(), "csk-from-a-file");
    assert_eq!(config.key_files, [path]);
    assert!(!config.to_string().contains("from-a-file"));
}

#[test]
fn what_is_shown_resolves_to_the_same() {
    for (text, vars) in [("", &super::BOTH_KEYS[..]), (TWO, &KEYS)] {
        let config = read(text, vars).unwrap();
        let shown = config.to_string();
        assert!(!shown.contains("csk-") && !shown.contains("cpk_"), "{shown}");
        let again = read(&shown, vars).unwrap_or_else(|problems| panic!("{problems}\n{shown}"));
        let keys = |text: &str| {
            text.lines().filter(|line| !line.contains("client_keys")).collect::<Vec<_>>().join("\n")
        };
        assert_eq!(keys(&again.to_string()), keys(&shown));
    }
}

#[test]
fn the_first_file_says_what_the_environment_says() {
    assert!(init::covers_every_variable());
    let keys = &super::BOTH_KEYS[..];
    let more = [
        ("PORT", "4000"),
        ("HOST", "::1"),
        ("REQUEST_TIMEOUT", "1000"),
        ("CORS_ORIGINS", "https://a.test,https://b.test"),
        ("CEREBRAS_MODEL_NAME", "a,b"),
        ("CEREBRAS_TOKENS_PER_DAY", "5000"),
        ("CHUTES_BASE_URL", "https://c.test/v1"),
        ("PROXY_MODEL_NAME", "my model"),
        ("LOG_LEVEL", "warn"),
        ("STATE_DIR", "/var/lib/proxy"),
    ];
    for vars in [keys.to_vec(), [keys, &more].concat(), keys[..1].to_vec()] {
        let mut written = Written::default();
        written.add_variables(owned(&vars));
        let text = init::text(&mut written);
        let only_keys: Vec<_> = vars.iter().copied().filter(|(name, _)| name.ends_with("API_KEY")).collect();
        let from_file = read(&text, &only_keys).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
        let from_environment = read("", &vars).unwrap();
        assert_eq!(from_file.to_string(), from_environment.to_string(), "{text}");
    }
}

#[test]
fn every_preset_is_in_order() {
    for (name, text) in preset::BUILTIN {
        let mut written = Written::default();
        let preset = preset::preset(&mut written, name).unwrap();
        let config = super::config(&[]);
        written.finish(config).unwrap_or_else(|problems| panic!("{name}: {problems}"));
        assert!(!preset.label.is_empty() && preset.label != *name, "{name} has a label");
        let facts = text.lines().filter(|line| line.contains(" = ")).count();
        let comments = text.matches('#').count();
        assert!(comments * 4 >= facts, "{name}: {facts} lines of facts and {comments} comments");
    }
}

#[test]
fn a_preset_is_overridden_key_by_key_and_list_by_list() {
    let text = "[providers.cerebras]\n[presets.cerebras]\ncompletion_reserve = 100\n[presets.cerebras.plans.conservative]\nrequests_per_minute = 3\n";
    let keys = [("CEREBRAS_API_KEY", "k")];
    let config = read(text, &keys).unwrap();
    let (mine, theirs) = (&config.providers[0], &read("", &keys).unwrap().providers[0]);
    assert_eq!(mine.preset.completion_reserve, Some(100));
    assert_eq!(mine.limits.requests_per_minute, Some(3));
    assert_eq!(mine.limits.tokens_per_minute, theirs.limits.tokens_per_minute);
    assert_eq!(mine.preset.errors, theirs.preset.errors);
    assert_eq!(mine.preset.models, theirs.preset.models);

    let text = format!("{text}[[presets.cerebras.errors]]\nstatus = 418\nkind = \"busy\"\n");
    let config = read(&text, &keys).unwrap();
    assert_eq!(config.providers[0].preset.errors.len(), 1);

    assert_eq!(theirs.preset.rules.len(), 7);
    let empty =
        "[providers.cerebras]\n[presets.cerebras]\nrejects = []\nrenames = []\namends = []\nerrors = []\n";
    let config = read(empty, &keys).unwrap();
    let mine = &config.providers[0].preset;
    assert_eq!((mine.rules.as_slice(), mine.errors.as_slice()), (&[][..], &[][..]));
}

#[test]
fn a_preset_may_be_the_users_own() {
    let text = r#"
[presets.mine]
base_url = "http://127.0.0.1:9/v1"
models = ["a", { name = "b", context = 1000 }]
default_plan = "only"
plans.only = { requests_per_hour = 7, context = 500 }
[providers.mine]
"#;
    let config = read(text, &[]).unwrap();
    let mine = &config.providers[0];
    assert_eq!(mine.limits.requests_per_hour, Some(7));
    assert_eq!(mine.models.iter().map(|model| model.context).collect::<Vec<_>>(), [Some(500), Some(500)]);
}

#[test]
fn the_schema_names_every_variables_key() {
    let known = |key: &str| {
        let mut table = schema::FILE;
        let mut parts = key.split('.').peekable();
        while let Some(part) = parts.next() {
            let Some((_, node)) = table.iter().find(|(name, _)| *name == part) else { return false };
            table = match node {
                schema::Node::Table(inner) => inner,
                schema::Node::Named(schema::Node::Table(inner)) => {
                    parts.next();
                    inner
                }
                _ => return parts.peek().is_none(),
            };
        }
        false
    };
    assert!(schema::VARIABLES.iter().all(|(_, key)| known(key)));
}

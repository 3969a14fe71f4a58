//! The resolved configuration as a file: what every setting comes to, keys hidden. It resolves to the same again.

use std::fmt::{self, Display, Write as _};
use std::time::Duration;

use wire::json::quote;

use super::{Config, CorsOrigins, Key, KeySource, Model, Provider, UpstreamModel};

impl Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "state_dir = {}", quote(&self.state_dir.display().to_string()))?;
        writeln!(f, "history_days = {}", self.history_days)?;
        if let Some(file) = &self.extra_ca {
            writeln!(f, "extra_ca_file = {}", quote(&file.display().to_string()))?;
        }
        writeln!(f, "cooldown_ms = {}", self.cooldown.as_millis())?;
        writeln!(f, "rate_window_ms = {}", self.rate_window.as_millis())?;

        let server = &self.server;
        writeln!(f, "\n[server]\nhost = \"{}\"\nport = {}", server.host, server.port)?;
        writeln!(f, "max_body_bytes = {}", server.max_body_bytes)?;
        match server.client_keys.len() {
            0 => writeln!(f, "# client_keys: none; any key is accepted")?,
            count => writeln!(f, "# client_keys: {count}, not shown")?,
        }
        match &server.cors {
            CorsOrigins::Local => writeln!(f, "# cors_origins: pages from this machine")?,
            CorsOrigins::Any => writeln!(f, "cors_origins = [\"*\"]")?,
            CorsOrigins::List(origins) => {
                writeln!(f, "cors_origins = {}", list(origins.iter().map(String::as_str)))?;
            }
        }

        let times = &self.timeouts;
        writeln!(f, "\n[timeouts]")?;
        for (name, time) in [
            ("request_ms", times.request),
            ("provider_connect_ms", times.connect),
            ("provider_tls_ms", times.tls),
            ("provider_head_ms", times.head),
            ("stream_idle_ms", times.stream_idle),
            ("total_ms", times.total.unwrap_or_default()),
            ("header_ms", times.header),
            ("body_ms", times.body),
            ("write_ms", times.write),
            ("drain_ms", times.drain),
        ] {
            writeln!(f, "{name} = {}", Duration::as_millis(&time))?;
        }
        writeln!(f, "\n[log]\nlevel = \"{}\"", self.log_level.as_str())?;
        self.providers.iter().try_for_each(|provider| show_provider(f, provider))?;
        self.models.iter().try_for_each(|model| self.show_model(f, model))
    }
}

impl Config {
    fn show_model(&self, f: &mut fmt::Formatter<'_>, model: &Model) -> fmt::Result {
        if model.routes.is_empty() {
            return Ok(());
        }
        writeln!(f, "\n[models.{}]\nroutes = [", quote(&model.name))?;
        for route in &model.routes {
            let Some(provider) = self.providers.get(route.provider) else { continue };
            writeln!(f, "    {{ provider = \"{}\", models = {} }},", provider.name, names(&route.models))?;
        }
        writeln!(f, "]")
    }
}

fn show_provider(f: &mut fmt::Formatter<'_>, provider: &Provider) -> fmt::Result {
    writeln!(f, "\n[providers.{}]\npreset = {}", provider.name, quote(&provider.preset.name))?;
    writeln!(f, "endpoint = {}", quote(&provider.endpoint.to_string()))?;
    match &provider.keys[..] {
        [] => writeln!(f, "# key: none")?,
        [key] => writeln!(f, "key = {}    # found, not shown", reference(key))?,
        keys => {
            let references: Vec<String> = keys.iter().map(reference).collect();
            writeln!(f, "key = [{}]    # found, not shown", references.join(", "))?;
        }
    }
    writeln!(f, "models = {}", names(&provider.models))?;
    if let Some(context) = provider.contexts.user {
        writeln!(f, "context = {context}")?;
    } else {
        let known = provider.models.iter().filter_map(|model| Some((&model.name, model.context?)));
        for (name, context) in known {
            writeln!(f, "# {name}: a context of {context} tokens")?;
        }
    }
    for model in &provider.models {
        let Some(template) = model.template else { continue };
        writeln!(f, "# {}: prompts are counted by the template {}", model.name, template.name())?;
    }
    if !provider.preset.repairs.is_empty() {
        writeln!(f, "# repaired in its answers: {}", provider.preset.repairs.names())?;
    }
    if let Some(plan) = &provider.plan {
        writeln!(f, "plan = {}", quote(plan))?;
    }
    let mut limits = provider.limits.named().into_iter().filter_map(|(name, limit)| Some((name, limit?)));
    let mut text = String::new();
    limits.try_for_each(|(name, limit)| writeln!(text, "{name} = {limit}"))?;
    if text.is_empty() {
        return writeln!(f, "# limits: none; every request may be sent");
    }
    write!(f, "[providers.{}.limits]\n{text}", provider.name)
}

fn reference(key: &Key) -> String {
    match &key.source {
        KeySource::Variable(name) => format!("{{ env = {} }}", quote(name)),
        KeySource::File(path) => format!("{{ file = {} }}", quote(path)),
    }
}

fn names(models: &[UpstreamModel]) -> String {
    list(models.iter().map(|model| model.name.as_str()))
}

fn list<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    format!("[{}]", texts.map(quote).collect::<Vec<_>>().join(", "))
}

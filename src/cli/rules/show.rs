//! Rules as a table for people, and as JSON for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};
use wire::Rule;

use crate::config::Config;
use crate::rules::Written;

/// What stands where there is nothing to say.
const NONE: &str = "-";

/// One rule of one provider.
#[derive(Debug)]
pub(super) struct Line<'a> {
    provider: &'a str,
    /// `None`: all of them.
    model: Option<&'a str>,
    rule: &'a Rule,
    /// `None`: the preset says so.
    learned: Option<&'a Written>,
}

impl<'a> Line<'a> {
    /// Those of the presets in the order of the providers, each followed by what the provider has taught; then what others
    /// have taught which are no longer asked.
    pub(super) fn all(config: &'a Config, learned: &'a [Written]) -> Vec<Self> {
        let taught = |written: &'a Written| Self {
            provider: &written.provider,
            model: Some(&written.model),
            rule: &written.rule,
            learned: Some(written),
        };
        let mut lines = Vec::new();
        for provider in &config.providers {
            let preset = |rule| Self { provider: &provider.name, model: None, rule, learned: None };
            lines.extend(provider.preset.rules.iter().map(preset));
            lines.extend(learned.iter().filter(|known| known.provider == provider.name).map(taught));
        }
        let is_asked = |known: &Written| config.providers.iter().any(|it| it.name == known.provider);
        lines.extend(learned.iter().filter(|known| !is_asked(known)).map(taught));
        lines
    }

    fn source(&self) -> &'static str {
        if self.learned.is_some() { "learned" } else { "preset" }
    }
}

/// What people call a rule.
pub(super) fn name(rule: &Rule) -> String {
    rule.name().trim_matches(['(', ')']).to_owned()
}

/// What becomes of it.
fn effect(rule: &Rule) -> String {
    match rule {
        Rule::Field(field) => {
            field.new_name().map_or_else(|| "left out".to_owned(), |name| format!("sent as {name}"))
        }
        Rule::Amendment(_) => "amended".to_owned(),
    }
}

pub(super) fn table(lines: &[Line<'_>]) -> String {
    let mut rows = vec![["provider", "model", "rule", "effect", "from", "since"].map(str::to_owned)];
    rows.extend(lines.iter().map(|line| {
        let since = line.learned.map_or(NONE, |known| &known.row.updated).to_owned();
        let model = line.model.unwrap_or("all").to_owned();
        [line.provider.to_owned(), model, name(line.rule), effect(line.rule), line.source().to_owned(), since]
    }));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 6] = std::array::from_fn(width);
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            let _ = write!(line, "{cell:width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A list of objects, one a line.
pub(super) fn json(lines: &[Line<'_>]) -> String {
    let object = |line: &Line<'_>| {
        let fields: [(&str, Value); 6] = [
            ("provider", json!(line.provider)),
            ("model", json!(line.model)),
            ("rule", json!(name(line.rule))),
            ("effect", json!(effect(line.rule))),
            ("from", json!(line.source())),
            ("since_ms", json!(line.learned.map(|known| known.row.updated_ms))),
        ];
        let fields = fields.map(|(key, value)| format!("\"{key}\":{value}")).join(",");
        format!("{{{fields}}}")
    };
    format!("[{}]\n", lines.iter().map(object).collect::<Vec<_>>().join(",\n "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Overrides;
    use crate::store::ledger::Learned;

    #[test]
    fn presets_and_what_was_learned_stand_together() {
        let file = "[presets.mine]\nrejects = [\"a\"]\nrenames = [{ from = \"b\", to = \"c\" }]\namends = [\"calls\"]\n\
                    [providers.mine]\nbase_url = \"http://h/v1\"\nmodels = [\"m\"]\n[models.x]\nroutes = [\"mine\"]";
        let config = Config::from_text(file, [], &Overrides::default()).unwrap();
        let written = |account: &str, key: &str| {
            let (account, key) = (format!("{account} http://h/v1"), key.to_owned());
            let updated = "2026-11-25 20:31:00".to_owned();
            Written::read(Learned { account, key, updated_ms: 7, updated }).unwrap()
        };
        let learned = [written("gone", "rule m (strict)"), written("mine", "rule m messages.*.name")];
        let lines = Line::all(&config, &learned);
        let expected = "\
provider  model  rule             effect     from     since
mine      all    a                left out   preset   -
mine      all    b                sent as c  preset   -
mine      all    calls            amended    preset   -
mine      m      messages.*.name  left out   learned  2026-11-25 20:31:00
gone      m      strict           amended    learned  2026-11-25 20:31:00
";
        assert_eq!(table(&lines), expected);
        let text = json(&lines);
        let list: Vec<Value> = serde_json::from_str(&text).unwrap();
        assert_eq!((list.len(), &list[0]["since_ms"], &list[3]["since_ms"]), (5, &Value::Null, &json!(7)));
        let first = r#"[{"provider":"mine","model":null,"rule":"a","effect":"left out","from":"preset","since_ms":null},"#;
        assert_eq!(text.lines().next(), Some(first));
        assert_eq!(json(&[]), "[]\n");
    }
}

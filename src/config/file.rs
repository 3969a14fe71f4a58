//! The configuration file: TOML in, settings with their places out. Every key that nobody reads is a problem.

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    schema::{self, Node},
    written::{Place, Written},
};

/// Adds the settings of a file's text.
pub(super) fn parse(name: &str, text: &str, written: &mut Written) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    written.set_file(name, text.to_owned());
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let place = Place::File(error.span().unwrap_or(0..0));
        let message = format!("not TOML: {}", error.message().trim_end_matches('\n').replace('\n', "; "));
        written.problem_hidden(&place, "syntax", &message);
    }
    let mut walk = Walk { written, place: Place::File };
    walk.table("", table.get_ref(), schema::FILE);
}

/// Adds the settings of one of this program's presets, under `presets.NAME`.
pub(super) fn parse_preset(name: &str, text: &str, written: &mut Written) {
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        written.problem_without_value(&format!("presets.{name}"), error.message());
    }
    let mut walk = Walk { written, place: |_| Place::Preset };
    walk.table(&format!("presets.{name}"), table.get_ref(), schema::PRESET);
}

type Span = std::ops::Range<usize>;

struct Walk<'a, P> {
    written: &'a mut Written,
    place: P,
}

impl<P: Fn(Span) -> Place> Walk<'_, P> {
    fn table(&mut self, path: &str, table: &DeTable<'_>, known: &'static [(&'static str, Node)]) {
        for (key, value) in in_order(table) {
            let name = key.get_ref().as_ref();
            let path = join(path, name);
            match known.iter().find(|(known, _)| *known == name) {
                Some((_, node)) => self.node(&path, value, *node),
                None => self.unknown(&path, name, key.span(), known),
            }
        }
    }

    fn node(&mut self, path: &str, value: &Spanned<DeValue<'_>>, node: Node) {
        let place = (self.place)(value.span());
        // The user's own words stand, lists as a whole.
        if place == Place::Preset && self.written.is_set(path) {
            return;
        }
        match (node, value.get_ref()) {
            (Node::Table(known), DeValue::Table(table)) => {
                self.written.add_table(path.to_owned(), place);
                self.table(path, table, known);
            }
            (Node::Secret, DeValue::Table(table)) => {
                self.written.clear(path);
                self.table(&format!("{path}.0"), table, schema::SECRET);
            }
            (Node::Secret, DeValue::Array(items)) => {
                self.written.clear(path);
                for (index, item) in items.iter().enumerate() {
                    match item.get_ref() {
                        DeValue::Table(table) => {
                            self.table(&format!("{path}.{index}"), table, schema::SECRET);
                        }
                        _ => self.literal_key(path, item.span()),
                    }
                }
            }
            (Node::Secret, _) => self.literal_key(path, value.span()),
            (Node::Named(inner), DeValue::Table(table)) => {
                for (key, value) in in_order(table) {
                    self.node(&join(path, key.get_ref()), value, *inner);
                }
            }
            (Node::Items(known), DeValue::Array(items)) => {
                self.written.clear(path);
                if items.is_empty() && path.starts_with("presets.") {
                    // None at all: not the preset's own either.
                    self.written.set(path, Vec::new(), place);
                }
                for (index, item) in items.iter().enumerate() {
                    self.item(&format!("{path}.{index}"), item, known);
                }
            }
            (Node::Value, DeValue::Array(items)) => {
                let texts: Option<Vec<String>> = items.iter().map(|item| text(item.get_ref())).collect();
                match texts {
                    Some(texts) => self.written.set(path, texts, place),
                    None => {
                        self.written.problem_hidden(
                            &place,
                            path,
                            "not a list of texts; write [\"a\", \"b\"]",
                        );
                    }
                }
            }
            (Node::Value, value) => match text(value) {
                Some(text) => self.written.set(path, vec![text], place),
                None => self.written.problem_hidden(&place, path, "a table; write a single value"),
            },
            (Node::Table(_) | Node::Named(_), _) => {
                let message = format!("not a table; write [{path}] and its settings below");
                self.written.problem_hidden(&place, path, &message);
            }
            (Node::Items(_), _) => {
                let message = "not a list; write [ … ]";
                self.written.problem_hidden(&place, path, message);
            }
        }
    }

    fn item(&mut self, path: &str, item: &Spanned<DeValue<'_>>, known: &'static [(&'static str, Node)]) {
        let place = (self.place)(item.span());
        match item.get_ref() {
            DeValue::Table(table) => self.table(path, table, known),
            value => match text(value) {
                Some(text) => self.written.set(path, vec![text], place),
                None => self.written.problem_hidden(&place, path, "neither a text nor a table"),
            },
        }
    }

    fn literal_key(&mut self, path: &str, span: Span) {
        let message = "a key itself does not belong into a file that is shown and shared; \
                       write { env = \"VARIABLE\" } or { file = \"/path/to/it\" }";
        let place = (self.place)(span);
        self.written.problem_hidden(&place, path, message);
        // It is there, if not as it should be.
        self.written.set(path, Vec::new(), place);
    }

    fn unknown(&mut self, path: &str, name: &str, span: Span, known: &'static [(&'static str, Node)]) {
        let names = known.iter().map(|(known, _)| *known);
        let message = match schema::meant(name, names.clone()) {
            Some(meant) => format!("no such setting; did you mean {meant}?"),
            None => format!("no such setting; here stand {}", names.collect::<Vec<_>>().join(", ")),
        };
        self.written.problem_hidden(&(self.place)(span), path, &message);
    }
}

/// The entries of a table in the order of the file.
fn in_order<'a, 'i>(
    table: &'a DeTable<'i>,
) -> Vec<(&'a Spanned<std::borrow::Cow<'i, str>>, &'a Spanned<DeValue<'i>>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

/// A key below another, quoted where TOML asks for it.
fn join(path: &str, name: &str) -> String {
    let bare = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    let name = if bare { name.to_owned() } else { format!("\"{name}\"") };
    if path.is_empty() { name } else { format!("{path}.{name}") }
}

/// A single value as text; `None` for lists and tables.
fn text(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.trim().to_owned()),
        DeValue::Integer(integer) => Some(integer.to_string()),
        DeValue::Float(float) => Some(float.to_string()),
        DeValue::Boolean(boolean) => Some(boolean.to_string()),
        DeValue::Datetime(datetime) => Some(datetime.to_string()),
        DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

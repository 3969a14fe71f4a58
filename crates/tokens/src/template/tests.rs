use serde::Deserialize;
use serde_json::value::RawValue;

use super::*;
use crate::{Counter, Keys, Vocabulary};

/// Chats, and what Jinja and the reference tokenizer make of them; `tests/tokens/check.py` writes the file anew.
const CHATS: &str = include_str!("chats.jsonl");

#[derive(Deserialize)]
struct Chat<'a> {
    #[serde(borrow)]
    request: Request<'a>,
    rendered: std::collections::BTreeMap<String, Option<Rendered>>,
}

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    messages: Vec<&'a RawValue>,
    tools: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Rendered {
    prompt: String,
    tokens: u64,
}

impl Request<'_> {
    fn messages(&self) -> impl Iterator<Item = &[u8]> {
        self.messages.iter().map(|message| message.get().as_bytes())
    }

    fn tools(&self) -> &[u8] {
        self.tools.map_or(b"", |tools| tools.get().as_bytes())
    }
}

#[test]
fn chats_are_rendered_as_jinja_does_and_counted_as_the_reference_does() {
    let _ = Vocabulary::load();
    let (mut good, mut refused) = (0, 0);
    for line in CHATS.lines() {
        let Chat { request, rendered } = serde_json::from_str(line).unwrap();
        for (name, template) in Template::NAMED {
            let (prompt, tokens) = rendered[*name].as_ref().map(|it| (it.prompt.clone(), it.tokens)).unzip();
            *(if prompt.is_some() { &mut good } else { &mut refused }) += 1;
            assert_eq!(template.render(request.messages(), request.tools()), prompt, "{name}: {line}");
            let counter = Counter::new(*template, Keys::default());
            let keyed = counter.keys().of(request.messages(), request.tools());
            assert_eq!(counter.count(&keyed), tokens, "{name}: {line}");
        }
    }
    assert_eq!((good, refused), (23, 7));
}

#[test]
fn templates_go_by_their_names() {
    for (name, template) in Template::NAMED {
        assert_eq!(template.name(), *name);
    }
}

//! The repairs at work in a plain answer.

use bytes::Bytes;

use super::arguments;
use super::fragments::{Calls, Fragment, MOST_CALLS};
use super::leak::{Found, Leak};
use super::tools::Tools;
use super::{Mending, Repair, Repairs};
use crate::json::{self, Fields};
use crate::scan::Scanner;
use crate::splice::{Edit, Spliced};

/// An answer with its calls repaired, and what was repaired; `None`: nothing.
pub(crate) fn mend(body: &Bytes, mending: &Mending<'_>) -> Option<(Bytes, Repairs)> {
    let Mending { repairs, tools, seed } = *mending;
    if !repairs.mend_calls() || tools.is_empty() {
        return None;
    }
    let text = std::str::from_utf8(body).ok()?;
    let choices = Fields::parse(text).ok()?.get("choices")?.get();
    let elements = Scanner::new(choices.as_bytes(), json::MAX_DEPTH).elements().ok()?;
    // Of several choices an agent takes the first; nobody asks for them.
    let [only] = &elements[..] else { return None };
    let choice = Fields::parse(&choices[only.clone()]).ok()?;
    let message = choice.get("message")?.get();
    let mut answer = Answer {
        text,
        message,
        fields: Fields::parse(message).ok()?,
        finish_reason: choice.get("finish_reason").map(serde_json::value::RawValue::get),
        repairs,
        tools: Tools::new(tools),
        calls: Calls::new(repairs, seed, true),
        edits: Vec::new(),
        acted: Repairs::NONE,
    };
    answer.mend_calls()?;
    answer.find_calls();
    answer.mend_finish_reason();
    let acted = answer.acted.and(answer.calls.acted);
    (!acted.is_empty()).then(|| (Spliced::new(body, &answer.edits).to_bytes(), acted))
}

struct Answer<'a> {
    text: &'a str,
    message: &'a str,
    fields: Fields<'a>,
    finish_reason: Option<&'a str>,
    repairs: Repairs,
    tools: Tools,
    calls: Calls,
    edits: Vec<Edit>,
    acted: Repairs,
}

impl<'a> Answer<'a> {
    /// Mends the calls that are where they belong; `None`: there are too many.
    fn mend_calls(&mut self) -> Option<()> {
        let all = self.fields.get("tool_calls").map(|list| Fragment::all(list.get())).unwrap_or_default();
        if all.len() > MOST_CALLS {
            return None;
        }
        for fragment in all {
            let edits = self.calls.add(self.text, &fragment, &self.tools);
            self.edits.extend(edits);
            let Some(call) = self.calls.all().last().filter(|call| call.suspect) else { continue };
            let (tool, said) = (self.tools.get(&call.name), fragment.arguments());
            let (Some(tool), Some((said, written))) = (tool, said) else { continue };
            if let Some(meant) = arguments::repaired(&said, tool) {
                self.put(written, &json::quote(&meant), Repair::DoubleEncodedArguments);
            }
        }
        Some(())
    }

    /// Puts calls that stand in the text where they belong.
    fn find_calls(&mut self) {
        let stops = matches!(self.finish_reason, Some("\"stop\"" | "\"tool_calls\""));
        let Some(content) = self.fields.get("content").map(serde_json::value::RawValue::get) else { return };
        if !self.repairs.has(Repair::XmlToolCalls) || !stops {
            return;
        }
        let Some(text) = json::unquoted(content) else { return };
        let mut leak = Leak::default();
        leak.feed(&text, &self.tools);
        let Some(found) = leak.finish(&self.tools).filter(|found| !found.is_empty()) else { return };
        let kept = &text[..leak.start()];
        let kept = if kept.trim().is_empty() { "null".to_owned() } else { json::quote(kept) };
        self.put(content, &kept, Repair::XmlToolCalls);
        self.add_calls(&found);
        if let Some(reason) = self.finish_reason.take() {
            self.put(reason, "\"tool_calls\"", Repair::XmlToolCalls);
        }
    }

    fn add_calls(&mut self, found: &[Found]) {
        let list = self.calls.list(found);
        match self.fields.get_or_null("tool_calls").map(serde_json::value::RawValue::get) {
            Some(written) if self.calls.all().is_empty() => self.put(written, &list, Repair::XmlToolCalls),
            Some(written) => {
                let end = json::span(self.text, written).end - 1;
                let with = format!(",{}", list.trim_start_matches('['));
                self.edits.push(Edit { span: end..end + 1, with: with.into() });
            }
            None => {
                let at = json::span(self.text, self.message).start + 1;
                let with = format!("\"tool_calls\":{list},");
                self.edits.push(Edit { span: at..at, with: with.into() });
            }
        }
    }

    fn mend_finish_reason(&mut self) {
        let calls = !self.calls.all().is_empty() && self.repairs.has(Repair::FinishReasons);
        if let Some(reason) = self.finish_reason.filter(|reason| calls && *reason == "\"stop\"") {
            self.put(reason, "\"tool_calls\"", Repair::FinishReasons);
        }
    }

    fn put(&mut self, written: &'a str, with: &str, repair: Repair) {
        let with = Bytes::copy_from_slice(with.as_bytes());
        self.edits.push(Edit { span: json::span(self.text, written), with });
        self.acted.add(repair);
    }
}

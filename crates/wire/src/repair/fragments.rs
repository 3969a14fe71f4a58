//! Parts of calls: which call each belongs to, and the edits that number and name them.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::arguments::Watch;
use super::leak::Found;
use super::tools::Tools;
use super::{Repair, Repairs};
use crate::json::{self, Fields};
use crate::scan::Scanner;
use crate::splice::Edit;

/// No agent makes more calls at once; an answer that does is left as it is.
pub(crate) const MOST_CALLS: usize = 128;
/// So much of a call's arguments is followed, in bytes.
const MOST_ARGUMENTS: usize = 1024 * 1024;

/// The calls of an answer as far as they have come.
#[derive(Clone, Debug)]
pub(crate) struct Calls {
    repairs: Repairs,
    /// What makes the ids of this answer different from those of others.
    seed: u64,
    whole: bool,
    all: Vec<Call>,
    /// Which repairs had something to do.
    pub(crate) acted: Repairs,
}

/// One call.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// The index that the provider gives it.
    said: Option<u64>,
    /// The one that the client sees.
    pub(crate) index: u64,
    id: Option<String>,
    pub(crate) name: String,
    /// As they came.
    pub(crate) arguments: String,
    /// Follows them, unless they are too long.
    watch: Option<Watch>,
    /// They may have been encoded once too often.
    pub(crate) suspect: bool,
}

/// A part of a call.
#[derive(Debug)]
pub(crate) struct Fragment<'a> {
    /// All of it.
    object: &'a str,
    fields: Fields<'a>,
    function: Option<Fields<'a>>,
}

impl<'a> Fragment<'a> {
    /// The parts in a list of them.
    pub(crate) fn all(list: &'a str) -> Vec<Self> {
        let elements = Scanner::new(list.as_bytes(), json::MAX_DEPTH).elements().unwrap_or_default();
        let fragment = |object: &'a str| {
            let fields = Fields::parse(object).ok()?;
            let function = fields.get("function").and_then(|function| Fields::parse(function.get()).ok());
            let is_empty = fields.iter().next().is_none();
            (!is_empty).then_some(Self { object, fields, function })
        };
        elements.into_iter().filter_map(|element| fragment(&list[element])).collect()
    }

    pub(crate) fn index(&self) -> Option<u64> {
        self.fields.get("index")?.get().parse().ok()
    }

    /// The arguments, and where they are written.
    pub(crate) fn arguments(&self) -> Option<(String, &'a str)> {
        let written = self.function.as_ref()?.get("arguments")?.get();
        Some((json::unquoted(written)?.into_owned(), written))
    }

    fn text(fields: &Fields<'_>, key: &str) -> Option<String> {
        let text = json::unquoted(fields.get(key)?.get())?.into_owned();
        Some(text).filter(|text| !text.is_empty())
    }

    /// Gives a field this value.
    fn put(&self, data: &str, key: &str, value: &str) -> Edit {
        if let Some(written) = self.fields.get_or_null(key).map(RawValue::get) {
            let with = Bytes::copy_from_slice(value.as_bytes());
            return Edit { span: json::span(data, written), with };
        }
        let at = json::span(data, self.object).start + 1;
        Edit { span: at..at, with: format!("\"{key}\":{value},").into() }
    }
}

impl Calls {
    /// Of a stream, or of an answer where each part is a `whole` call.
    pub(crate) fn new(repairs: Repairs, seed: u64, whole: bool) -> Self {
        Self { repairs, seed, whole, all: Vec::new(), acted: Repairs::NONE }
    }

    pub(crate) fn all(&self) -> &[Call] {
        &self.all
    }

    /// An id for the call of this index.
    pub(crate) fn id(&self, index: u64) -> String {
        format!("call_{:016x}{index:08x}", self.seed)
    }

    /// These calls as the list that a delta or a message holds.
    pub(crate) fn list(&self, found: &[Found]) -> String {
        let next = self.next_index();
        let call = |(at, call): (usize, &Found)| {
            let index = next.saturating_add(at as u64);
            let (id, name, arguments) =
                (json::quote(&self.id(index)), json::quote(&call.name), json::quote(&call.arguments));
            format!(
                r#"{{"index":{index},"id":{id},"type":"function","function":{{"name":{name},"arguments":{arguments}}}}}"#
            )
        };
        format!("[{}]", found.iter().enumerate().map(call).collect::<Vec<_>>().join(","))
    }

    /// The next index that is free.
    pub(crate) fn next_index(&self) -> u64 {
        self.all.iter().map(|call| call.index.saturating_add(1)).max().unwrap_or(0)
    }

    /// Takes in a part of a call, which stands in `data`. Returns the edits that mend its frame.
    pub(crate) fn add(&mut self, data: &str, fragment: &Fragment<'_>, tools: &Tools) -> Vec<Edit> {
        let mut edits = Vec::new();
        let said = fragment.index();
        let id = Fragment::text(&fragment.fields, "id");
        let name = fragment.function.as_ref().and_then(|function| Fragment::text(function, "name"));
        let place = self.find(said, id.as_deref(), name.as_deref()).unwrap_or_else(|| {
            let taken = |index| self.all.iter().any(|call| call.index == index);
            let mends = self.repairs.has(Repair::ToolCallIndexes);
            let index = said.filter(|said| !(mends && taken(*said))).unwrap_or_else(|| self.next_index());
            if self.repairs.has(Repair::ToolCallIds) {
                let fields = [("id", id.is_none(), json::quote(&self.id(index)))];
                let type_is_missing = fragment.fields.get("type").is_none();
                let fields = fields.into_iter().chain([("type", type_is_missing, "\"function\"".to_owned())]);
                for (key, _, value) in fields.filter(|(_, is_missing, _)| *is_missing) {
                    edits.push(fragment.put(data, key, &value));
                    self.acted.add(Repair::ToolCallIds);
                }
            }
            let name = name.clone().unwrap_or_default();
            let (arguments, watch) = (String::new(), Some(Watch::default()));
            self.all.push(Call { said, index, id: id.clone(), name, arguments, watch, suspect: false });
            self.all.len() - 1
        });
        let call = &mut self.all[place];
        let is_numbered = said == Some(call.index) || (self.whole && said.is_none());
        if self.repairs.has(Repair::ToolCallIndexes) && !is_numbered {
            edits.push(fragment.put(data, "index", &call.index.to_string()));
            self.acted.add(Repair::ToolCallIndexes);
        }
        let (arguments, _) = fragment.arguments().unwrap_or_default();
        if call.arguments.len() + arguments.len() > MOST_ARGUMENTS {
            (call.watch, call.suspect) = (None, false);
        }
        if let Some(watch) = &mut call.watch {
            let suspicious = watch.feed(&arguments, tools.get(&call.name));
            call.suspect |= suspicious && self.repairs.has(Repair::DoubleEncodedArguments);
            call.arguments.push_str(&arguments);
        }
        edits
    }

    /// The call that a part belongs to; `None`: it begins another.
    fn find(&self, said: Option<u64>, id: Option<&str>, name: Option<&str>) -> Option<usize> {
        if self.whole {
            return None;
        }
        let place = self.all.iter().rposition(|call| call.said == said)?;
        if !self.repairs.has(Repair::ToolCallIndexes) {
            return Some(place);
        }
        let call = &self.all[place];
        let another = match (call.id.as_deref(), id) {
            (Some(known), Some(id)) => known != id,
            _ => name.is_some() && call.watch.as_ref().is_some_and(Watch::is_whole),
        };
        (!another).then_some(place)
    }
}

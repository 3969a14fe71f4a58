//! Fields that a provider refuses: where they stand, and the edits that take them out or rename them.

use std::ops::Range;

use bytes::Bytes;
use memchr::memmem;

use crate::json::{MAX_DEPTH, quote};
use crate::scan::{Member, Scanner};
use crate::splice::Edit;

mod essential;

pub(crate) use essential::may_go;

/// One field to remove or to rename, wherever its path leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldEdit {
    /// Keys from the top; `*` is every element of a list.
    path: Vec<String>,
    /// Its new name; `None`: it is removed.
    to: Option<String>,
}

impl FieldEdit {
    /// Removes the field at a path such as `top_k` or `messages.*.reasoning_content`; `None`: it is no such path.
    #[must_use]
    pub fn remove(path: &str) -> Option<Self> {
        let path: Vec<String> = path.split('.').map(str::to_owned).collect();
        let keys =
            path.first().is_some_and(|first| first != "*") && path.last().is_some_and(|last| last != "*");
        (keys && path.iter().all(|key| !key.is_empty())).then_some(Self { path, to: None })
    }

    /// Gives the field at a path another name.
    #[must_use]
    pub fn rename(path: &str, to: &str) -> Option<Self> {
        Some(Self { to: (!to.is_empty()).then(|| to.to_owned()), ..Self::remove(path)? })
            .filter(|edit| edit.to.is_some())
    }

    /// The path as it was written.
    #[must_use]
    pub fn path(&self) -> String {
        self.path.join(".")
    }

    /// Its new name, where it is not removed.
    #[must_use]
    pub fn new_name(&self) -> Option<&str> {
        self.to.as_deref()
    }

    /// Where the field stands that this makes of another one.
    pub(crate) fn leads_to(&self, path: &[String]) -> bool {
        let same_place = || path.split_last().zip(self.path.split_last());
        self.to.is_some()
            && same_place()
                .is_some_and(|((last, place), (_, own))| self.to.as_ref() == Some(last) && place == own)
    }

    /// Removes the field that stands there now.
    pub(crate) fn removal(&self) -> Self {
        Self { path: self.path.clone(), to: None }
    }

    /// The keys of the path.
    pub(crate) fn keys(&self) -> &[String] {
        &self.path
    }
}

/// The edits that do all of this to the object whose members these are.
pub(crate) fn edits<'a>(
    body: &[u8],
    members: &[Member],
    fields: impl IntoIterator<Item = &'a FieldEdit>,
) -> Vec<Edit> {
    let rules: Vec<Rest<'_>> =
        fields.into_iter().map(|field| Rest { path: &field.path, to: field.to.as_deref() }).collect();
    let mut edits = Vec::new();
    if !rules.is_empty() {
        in_object(body, members, &rules, &mut edits);
    }
    edits
}

/// What is left of a path, and what is to be done at its end.
#[derive(Clone, Copy)]
struct Rest<'a> {
    path: &'a [String],
    to: Option<&'a str>,
}

impl Rest<'_> {
    /// Behind its first key.
    fn behind(self) -> Self {
        Self { path: &self.path[1..], ..self }
    }
}

enum Act<'a> {
    Keep,
    Rename(&'a str),
    Remove,
}

/// All rules at once: those that meet in one object share its commas.
fn in_object(body: &[u8], members: &[Member], rules: &[Rest<'_>], edits: &mut Vec<Edit>) {
    let is = |member: &Member, key: &str| {
        let name = &body[member.key.clone()];
        name.len() == key.len() + 2 && name[1..].starts_with(key.as_bytes())
    };
    let act = |member: &Member| match rules.iter().find(|rule| matches!(rule.path, [key] if is(member, key)))
    {
        None => Act::Keep,
        // Both names at once would be one too many.
        Some(Rest { to: Some(to), .. }) if !members.iter().any(|other| is(other, to)) => Act::Rename(to),
        Some(_) => Act::Remove,
    };
    let mut at = 0;
    while let Some(member) = members.get(at) {
        match act(member) {
            Act::Keep => {
                let deeper = rules.iter().filter(|rule| rule.path.len() > 1 && is(member, &rule.path[0]));
                below(body, &member.value, deeper.map(|rule| rule.behind()).collect(), edits);
            }
            Act::Rename(to) => edits.push(Edit { span: member.key.clone(), with: quote(to).into() }),
            Act::Remove => {
                let first = at;
                while members.get(at + 1).is_some_and(|next| matches!(act(next), Act::Remove)) {
                    at += 1;
                }
                edits.push(Edit { span: removed(members, first, at), with: Bytes::new() });
            }
        }
        at += 1;
    }
}

/// Members with the comma that goes with them: the one before, or behind where nothing is before.
fn removed(members: &[Member], first: usize, last: usize) -> Range<usize> {
    let end = members[last].value.end;
    match (first.checked_sub(1).and_then(|before| members.get(before)), members.get(last + 1)) {
        (Some(before), _) => before.value.end..end,
        (None, Some(behind)) => members[first].key.start..behind.key.start,
        (None, None) => members[first].key.start..end,
    }
}

/// The rests of these paths lead into a member's value.
fn below(body: &[u8], value: &Range<usize>, mut rules: Vec<Rest<'_>>, edits: &mut Vec<Edit>) {
    let text = &body[value.clone()];
    // Most requests have no such field anywhere.
    rules.retain(|rule| rule.path.last().is_some_and(|key| stands_in(text, key)));
    let (each, rules): (Vec<_>, Vec<_>) = rules.into_iter().partition(|rule| rule.path[0] == "*");
    if !each.is_empty() {
        let each: Vec<_> = each.into_iter().map(Rest::behind).collect();
        for element in Scanner::new(text, MAX_DEPTH).elements().unwrap_or_default() {
            inside(body, &(element.start + value.start..element.end + value.start), &each, edits);
        }
    }
    inside(body, value, &rules, edits);
}

/// Whether a key, or a text like it, stands anywhere in a value.
fn stands_in(text: &[u8], key: &str) -> bool {
    memmem::find(text, quote(key).as_bytes()).is_some()
}

fn inside(body: &[u8], value: &Range<usize>, rules: &[Rest<'_>], edits: &mut Vec<Edit>) {
    let text = &body[value.clone()];
    if rules.iter().any(|rule| rule.path.last().is_some_and(|key| stands_in(text, key))) {
        in_object(body, &members_at(body, value), rules, edits);
    }
}

/// The members of an object that stands here in a body; none where it is no object.
pub(crate) fn members_at(body: &[u8], value: &Range<usize>) -> Vec<Member> {
    let scanner = Scanner::new(&body[value.clone()], MAX_DEPTH);
    let mut members = scanner.document(|_, _, _| ()).unwrap_or_default();
    for Member { key, value: of } in &mut members {
        *key = key.start + value.start..key.end + value.start;
        *of = of.start + value.start..of.end + value.start;
    }
    members
}

#[cfg(test)]
mod tests;

//! Fields that a provider refuses: where they stand, and the edits that take them out or rename them.

use std::ops::Range;

use bytes::Bytes;
use memchr::memmem;

use crate::json::{MAX_DEPTH, quote};
use crate::scan::{Member, Scanner};
use crate::splice::Edit;

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
}

/// The edits that do all of this to the object whose members these are.
pub(crate) fn edits(body: &[u8], members: &[Member], fields: &[FieldEdit]) -> Vec<Edit> {
    let rules: Vec<Rule<'_>> =
        fields.iter().map(|field| Rule { path: &field.path, to: field.to.as_deref() }).collect();
    let mut edits = Vec::new();
    in_object(body, members, &rules, &mut edits);
    edits
}

/// What is left of a path, and what is to be done at its end.
#[derive(Clone, Copy)]
struct Rule<'a> {
    path: &'a [String],
    to: Option<&'a str>,
}

enum Act<'a> {
    Keep,
    Rename(&'a str),
    Remove,
}

fn in_object(body: &[u8], members: &[Member], rules: &[Rule<'_>], edits: &mut Vec<Edit>) {
    let is = |member: &Member, key: &str| {
        let name = &body[member.key.clone()];
        name.len() == key.len() + 2 && name[1..].starts_with(key.as_bytes())
    };
    let act = |member: &Member| match rules.iter().find(|rule| matches!(rule.path, [key] if is(member, key)))
    {
        None => Act::Keep,
        // Both names at once would be one too many.
        Some(Rule { to: Some(to), .. }) if !members.iter().any(|other| is(other, to)) => Act::Rename(to),
        Some(_) => Act::Remove,
    };
    let mut at = 0;
    while let Some(member) = members.get(at) {
        match act(member) {
            Act::Keep => {
                for rule in rules.iter().filter(|rule| rule.path.len() > 1 && is(member, &rule.path[0])) {
                    below(body, &member.value, Rule { path: &rule.path[1..], ..*rule }, edits);
                }
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

/// The rest of a path leads into a member's value.
fn below(body: &[u8], value: &Range<usize>, rule: Rule<'_>, edits: &mut Vec<Edit>) {
    let text = &body[value.clone()];
    let here = rule.path.last().map(|key| quote(key)).unwrap_or_default();
    // Most requests have no such field anywhere.
    if memmem::find(text, here.as_bytes()).is_none() {
        return;
    }
    let moved = |span: Range<usize>| span.start + value.start..span.end + value.start;
    let scanner = Scanner::new(text, MAX_DEPTH);
    if rule.path[0] == "*" {
        let elements = scanner.elements().unwrap_or_default();
        let rule = Rule { path: &rule.path[1..], ..rule };
        for element in elements {
            inside(body, &moved(element), rule, edits);
        }
    } else {
        inside(body, value, rule, edits);
    }
}

fn inside(body: &[u8], value: &Range<usize>, rule: Rule<'_>, edits: &mut Vec<Edit>) {
    let scanner = Scanner::new(&body[value.clone()], MAX_DEPTH);
    let mut members = scanner.document(|_, _, _| ()).unwrap_or_default();
    for Member { key, value: of } in &mut members {
        *key = key.start + value.start..key.end + value.start;
        *of = of.start + value.start..of.end + value.start;
    }
    in_object(body, &members, &[rule], edits);
}

#[cfg(test)]
mod tests;

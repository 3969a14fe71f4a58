//! What is done to every request for a provider so that it takes it.

use std::fmt;

use crate::amend::Amendment;
use crate::fields::{FieldEdit, may_go};

/// One thing that is done to requests before they are sent, where they need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// A field is left out or renamed.
    Field(FieldEdit),
    /// Something broken in the history or the tools is made whole.
    Amendment(Amendment),
}

impl Rule {
    /// Without blanks: the field's path, or the amendment in brackets.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Field(field) => field.path(),
            Self::Amendment(amendment) => format!("({})", amendment.name()),
        }
    }

    /// The rule that a provider has taught, by its name: an amendment, or a field to leave out that may be left out.
    #[must_use]
    pub fn learned(name: &str) -> Option<Self> {
        if let Some(name) = name.strip_prefix('(') {
            let named = Amendment::NAMED.iter().find(|(known, _)| name.strip_suffix(')') == Some(known));
            return named.map(|(_, amendment)| Self::Amendment(*amendment));
        }
        FieldEdit::remove(name).filter(|field| may_go(field.keys())).map(Self::Field)
    }

    /// The edit of a field, where it is one.
    pub(crate) fn field(&self) -> Option<&FieldEdit> {
        match self {
            Self::Field(field) => Some(field),
            Self::Amendment(_) => None,
        }
    }
}

/// What it does, in words.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(field) => match field.new_name() {
                Some(name) => write!(f, "{} is sent as {name}", field.path()),
                None => write!(f, "{} is left out", field.path()),
            },
            Self::Amendment(amendment) => f.write_str(amendment.what()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_known_again_by_its_name() {
        let field = FieldEdit::remove("messages.*.reasoning_content").map(Rule::Field);
        let rules = Amendment::NAMED.iter().map(|(_, amendment)| Rule::Amendment(*amendment)).chain(field);
        for rule in rules {
            assert_eq!(Rule::learned(&rule.name()), Some(rule));
        }
        for name in ["", "(", "(else)", "messages", "tools.*.function.name", "*"] {
            assert_eq!(Rule::learned(name), None, "{name}");
        }
    }
}

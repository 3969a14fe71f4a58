//! Keys: checked before they meet a header, and never shown.

use super::env::Vars;

/// Notes a problem with a provider's key.
pub(super) fn check_own(vars: &mut Vars, variable: &str, key: &str) {
    if is_placeholder(key) {
        let message = "still holds the example's placeholder; paste your key, or leave it empty";
        vars.problem(variable, message);
    } else {
        check(vars, variable, key);
    }
}

/// Notes a problem, without showing the key, if it cannot stand in a header.
pub(super) fn check(vars: &mut Vars, variable: &str, key: &str) {
    if is_quoted(key) {
        vars.problem(variable, "in quotes; paste the key without them");
    } else if !key.bytes().all(|b| b.is_ascii_graphic()) {
        let message =
            "holds a blank or a character that cannot be part of a key; paste the key alone, on one line";
        vars.problem(variable, message);
    }
}

/// Whether quotes were left around a text, as `docker --env-file` does.
pub(super) fn is_quoted(text: &str) -> bool {
    text.starts_with(['"', '\'']) || text.ends_with(['"', '\''])
}

/// Whether nobody has put a key there yet.
fn is_placeholder(key: &str) -> bool {
    let key = key.to_lowercase();
    key.starts_with(['<', '[', '{'])
        || ["your_", "your-", "your ", "api_key", "api-key", "changeme", "change_me"]
            .iter()
            .any(|s| key.contains(s))
        || key.chars().all(|c| matches!(c, 'x' | '.' | '*' | '…'))
}

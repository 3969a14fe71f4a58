use proptest::prelude::*;
use serde_json::value::RawValue;

use super::*;
use crate::json::{self, Fields};

const DEPTH: usize = 40;

fn members(text: &str) -> Result<Vec<Member>, Wrong> {
    Scanner::new(text.as_bytes(), DEPTH).document(|_, _, _| ())
}

/// Whether it is JSON by the other reader, an object, and its keys text.
fn expected(text: &str) -> Option<Vec<(String, Range<usize>)>> {
    let fields = Fields::parse(text).ok()?;
    Some(fields.iter().map(|(key, value)| (key.to_owned(), json::span(text, value.get()))).collect())
}

fn found(text: &str) -> Option<Vec<(String, Range<usize>)>> {
    let members = members(text).ok()?;
    let key = |member: &Member| serde_json::from_str(&text[member.key.clone()]).ok();
    members.iter().map(|member| Some((key(member)?, member.value.clone()))).collect()
}

#[test]
fn what_is_json_and_what_is_not() {
    for text in [
        "{}",
        " { } ",
        r#"{"a":[1,-0.5e+7,true,null,{"b":""}],"c":"\u00e9\\\"😀"}"#,
        r#"{"a":0}"#,
        r#"{"a":"\ud800"}"#,
        "{\"a\":\"\u{7f}\"}",
        "[]",
        "7",
        "",
        "{",
        "{}x",
        "{}{}",
        r#"{"a"}"#,
        r#"{"a":}"#,
        r#"{"a":1,}"#,
        r#"{,"a":1}"#,
        "{a:1}",
        r#"{"a":01}"#,
        r#"{"a":1.}"#,
        r#"{"a":.5}"#,
        r#"{"a":-}"#,
        r#"{"a":1e}"#,
        r#"{"a":+1}"#,
        r#"{"a":tru}"#,
        r#"{"a":[1,]}"#,
        r#"{"a":[1 2]}"#,
        r#"{"a":"b}"#,
        r#"{"a":"\x"}"#,
        r#"{"a":"\u12"}"#,
        "{\"a\":\"\n\"}",
        "{\"a\":\"0123456789abcdef\u{1}\"}",
        r#"{"\ud800":1}"#,
    ] {
        assert_eq!(found(text), expected(text), "{text}");
    }
}

/// Bytes are looked at 64 at a time, and 1,024 together: runs of backslashes around the seams, whatever stands before and
/// behind them.
#[test]
fn backslashes_at_any_place() {
    for (places, most) in [(50..70, 70), (1_000..1_030, 20)] {
        for (before, run) in places.flat_map(|before| (0..most).map(move |run| (before, run))) {
            for behind in
                ["", "n", "u0041", "u004", "/", "x", "\n", r"\", r"\\", r#"","b":"\n"#, r#"\"","b":"\u00e9"#]
            {
                let text = format!("{{\"a\":\"{}{}{behind}\"}}", "-".repeat(before), "\\".repeat(run));
                assert_eq!(found(&text), expected(&text), "{text}");
            }
        }
    }
}

/// What stands between strings is not looked at, however much it is.
#[test]
fn gaps_of_any_length() {
    for before in (0..130).chain(1_000..1_030) {
        for gap in [0, 1, 63, 64, 65, 960, 1_023, 1_024, 1_025, 2_048, 5_000] {
            for gap in [" ".repeat(gap), "\n".repeat(gap), format!("1{},", "7".repeat(gap))] {
                let text = format!(r#"{{"a":["{}\\",{gap}"\"\u00e9"]}}"#, "-".repeat(before));
                assert_eq!(found(&text), expected(&text), "{text}");
            }
        }
    }
}

/// Whole, and cut off anywhere near the end.
#[test]
fn texts_of_any_length() {
    for length in (55..70).chain(120..135).chain(1_015..1_030).chain(2_040..2_055) {
        for end in ["", r"\\", r"\n", r"\u00e9", r"\"] {
            let text = format!(r#"{{"a":"{}{end}"}}"#, "-".repeat(length));
            for kept in text.len() - 8..=text.len() {
                assert_eq!(found(&text[..kept]), expected(&text[..kept]), "{}", &text[..kept]);
            }
        }
    }
}

#[test]
fn elements_of_lists_are_told() {
    let text = r#"{"x":1,"l":[{"a":1}, "b" ,[2]],"m":[],"n":{"o":[3]}}"#;
    let mut elements = Vec::new();
    let scanned =
        Scanner::new(text.as_bytes(), 3).document(|member, _, at| elements.push((member, &text[at])));
    assert_eq!(scanned.unwrap().len(), 4);
    assert_eq!(elements, [(1, r#"{"a":1}"#), (1, "\"b\""), (1, "[2]")]);
}

#[test]
fn depth_is_limited() {
    let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    assert!(members(&nested(DEPTH - 1)).is_ok());
    assert_eq!(members(&nested(DEPTH)), Err(Wrong::TooDeep));
    assert_eq!(members(&"[{".repeat(1_000)), Err(Wrong::At(0)));
    let siblings = format!("{{\"a\":[{}[]]}}", "[[]],".repeat(1_000));
    assert!(members(&siblings).is_ok(), "what is closed counts no more");
}

/// Any JSON value, three levels deep.
fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just(" false ".to_owned()),
        "-?(0|[1-9][0-9]{0,4})(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,2})?",
        "\"([ -!#-\\[\\]-~é😀]|\\\\[\"\\\\/bfnrt]|\\\\u[0-9a-fA-F]{4}){0,40}\"",
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let key = "\"[a-d]{0,3}\"";
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|list| format!("[{}]", list.join(" , "))),
            prop::collection::vec((key, inner), 0..4).prop_map(|members| {
                let members: Vec<String> =
                    members.into_iter().map(|(key, value)| format!("{key}:{value}")).collect();
                format!("{{{}}}", members.join(",\n"))
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// The same texts are JSON, and the members stand at the same places, as with the other reader.
    #[test]
    fn the_same_as_the_other_reader(members in prop::collection::vec(("[a-z]{0,3}", value()), 0..5)) {
        let members: Vec<String> = members.iter().map(|(key, value)| format!("\"{key}\" : {value}")).collect();
        let text = format!("{{{}}}", members.join(","));
        prop_assert_eq!(found(&text), expected(&text));
    }

    /// With a byte changed, added or removed, too.
    #[test]
    fn broken_texts_are_refused_alike(
        value in value(),
        at in any::<prop::sample::Index>(),
        with in "[\\x00-\\x7f]?",
        removed in 0..2usize,
    ) {
        let mut text = format!("{{\"key\":{value}}}");
        let mut at = at.index(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        let mut end = at + removed;
        while !text.is_char_boundary(end) {
            end += 1;
        }
        text.replace_range(at..end, &with);
        let ours = members(&text).map(|_| ()).ok();
        let theirs = serde_json::from_str::<&RawValue>(&text).ok().filter(|value| value.get().starts_with('{'));
        prop_assert_eq!(ours.is_some(), theirs.is_some(), "{}", text);
    }
}

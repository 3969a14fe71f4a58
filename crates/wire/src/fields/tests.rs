use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::splice::Spliced;

fn edited(body: &str, fields: &[FieldEdit]) -> String {
    let members = Scanner::new(body.as_bytes(), MAX_DEPTH).document(|_, _, _| ()).unwrap();
    let spliced =
        Spliced::new(&Bytes::copy_from_slice(body.as_bytes()), &edits(body.as_bytes(), &members, fields));
    String::from_utf8(spliced.to_bytes().to_vec()).unwrap()
}

fn remove(path: &str) -> FieldEdit {
    FieldEdit::remove(path).unwrap()
}

#[test]
fn paths() {
    for path in ["", "*", "a.*", "*.a", "a..b", ".a"] {
        assert_eq!(FieldEdit::remove(path), None, "{path}");
    }
    assert_eq!(remove("messages.*.name").path(), "messages.*.name");
    assert_eq!(FieldEdit::rename("a", ""), None);
}

#[test]
fn fields_go_with_one_comma() {
    let fields = [remove("a"), remove("b")];
    for (body, expected) in [
        (r#"{"a":1}"#, "{}"),
        (r#"{ "a" : [1, 2] , "c":1e0 }"#, r#"{ "c":1e0 }"#),
        (r#"{"c":1, "a":2}"#, r#"{"c":1}"#),
        (r#"{"c":1, "a":{"a":1} ,"b":3,"d":4}"#, r#"{"c":1,"d":4}"#),
        (r#"{"a":1,"b":2,"c":3}"#, r#"{"c":3}"#),
        (r#"{"a":1,"b":2}"#, "{}"),
        (r#"{"c":{"a":1},"aa":1}"#, r#"{"c":{"a":1},"aa":1}"#),
    ] {
        assert_eq!(edited(body, &fields), expected);
    }
}

#[test]
fn fields_of_messages_are_renamed_where_the_name_is_free() {
    let fields =
        [FieldEdit::rename("messages.*.reasoning_content", "reasoning").unwrap(), remove("messages.*.name")];
    let body = r#"{"messages":[{"role":"user","name":"x"}, {"reasoning_content":"é","content":"reasoning_content"},
 {"reasoning":"b","reasoning_content":"b"}, "reasoning_content"],"reasoning_content":1}"#;
    let expected = r#"{"messages":[{"role":"user"}, {"reasoning":"é","content":"reasoning_content"},
 {"reasoning":"b"}, "reasoning_content"],"reasoning_content":1}"#;
    assert_eq!(edited(body, &fields), expected);
}

proptest! {
    /// Rules that meet in one object of a list share its commas: the same as in a tree.
    #[test]
    fn the_same_as_in_a_tree_of_lists(
        keys in prop::sample::subsequence(vec!["a", "b", "c", "d", "e"], 1..=5).prop_shuffle(),
        gone in prop::sample::subsequence(vec!["a", "b", "c", "d", "e"], 0..=5).prop_shuffle(),
        below in prop::sample::subsequence(vec!["a", "b", "c"], 0..=3),
    ) {
        let members: Vec<String> = keys.iter().map(|key| format!("\"{key}\":[{{\"a\":1,\"b\" : 2,\"c\":3}} , 4]")).collect();
        let body = format!("{{\"m\":[ {{{0}}}, {{}} ,\"a\", {{{0}}}]}}", members.join(", "));
        let paths = gone.iter().map(|key| format!("m.*.{key}"));
        let paths = paths.chain(below.iter().map(|key| format!("m.*.e.*.{key}")));
        let fields: Vec<FieldEdit> = paths.map(|path| remove(&path)).collect();
        let mut tree: Value = serde_json::from_str(&body).unwrap();
        for element in [0, 3] {
            let Value::Object(object) = &mut tree["m"][element] else { unreachable!() };
            object.retain(|key, _| !gone.contains(&key.as_str()));
            if let Some(Value::Object(inner)) = object.get_mut("e").map(|list| &mut list[0]) {
                inner.retain(|key, _| !below.contains(&key.as_str()));
            }
        }
        prop_assert_eq!(serde_json::from_str::<Value>(&edited(&body, &fields)).unwrap(), tree);
    }

    /// The same as taking them out of a tree, for any set of members.
    #[test]
    fn the_same_as_in_a_tree(keys in prop::sample::subsequence(vec!["a", "b", "c", "d", "e"], 0..=5), gone in prop::sample::subsequence(vec!["a", "b", "c", "d", "e"], 0..=5)) {
        let members: Vec<String> = keys.iter().map(|key| format!("\"{key}\" : [1,{{\"{key}\":2}}]")).collect();
        let body = format!("{{ {} }}", members.join(" , "));
        let fields: Vec<FieldEdit> = gone.iter().map(|key| remove(key)).collect();
        let mut tree: serde_json::Map<String, Value> = serde_json::from_str(&body).unwrap();
        tree.retain(|key, _| !gone.contains(&key.as_str()));
        prop_assert_eq!(serde_json::from_str::<Value>(&edited(&body, &fields)).unwrap(), Value::Object(tree));
    }
}

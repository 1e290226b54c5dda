//! A change as an update statement: `$set` and `$unset` by path. If a path cannot be addressed that way, the document
//! is replaced.

use std::collections::BTreeMap;

use mongodb::bson::RawDocumentBuf;
use mongodb::bson::raw::{CStr, RawArrayBuf, cstr};
use runstate_core::id::Revision;
use runstate_core::schema::Key;
use runstate_store::StoreError;
use runstate_value::{Difference, Document, FieldPath, Segment};

use super::codec::{CollectionCodec, REV};

/// The statement that changes the document selected by `selector` into `after`, with the revision `next`.
pub(super) fn change_statement(
    codec: &CollectionCodec,
    key: &Key,
    selector: RawDocumentBuf,
    next: &Revision,
    difference: &Difference,
    after: &Document,
) -> Result<RawDocumentBuf, StoreError> {
    let mut statement = RawDocumentBuf::new();
    statement.append(cstr!("q"), selector);
    match path_update(codec, next, difference) {
        Some(update) => statement.append(cstr!("u"), update),
        None => statement.append(cstr!("u"), replacement_pipeline(codec, key, next, after)?),
    }
    Ok(statement)
}

/// The update by `$set` and `$unset`. `None` if a path cannot be addressed that way.
fn path_update(codec: &CollectionCodec, next: &Revision, difference: &Difference) -> Option<RawDocumentBuf> {
    let set: Vec<Vec<String>> = difference.set.iter().map(|(path, _)| path_steps(path)).collect::<Option<_>>()?;
    let unset: Vec<Vec<String>> = difference.unset.iter().map(path_steps).collect::<Option<_>>()?;
    let own_id = |steps: &&Vec<String>| codec.implied_id && steps.first().is_some_and(|first| first == "id");
    if !gives_order(difference)
        || overlap(set.iter().chain(&unset).collect())
        || set.iter().chain(&unset).any(|steps| own_id(&steps))
    {
        return None;
    }
    let mut values = RawDocumentBuf::new();
    values.append(REV, next.to_string());
    for (steps, (path, value)) in set.iter().zip(&difference.set) {
        let value = codec.encode_at(declared_steps(path), value)?;
        values.append(<&CStr>::try_from(steps.join(".").as_str()).ok()?, value);
    }
    let mut update = RawDocumentBuf::new();
    update.append(cstr!("$set"), values);
    if !unset.is_empty() {
        let mut removed = RawDocumentBuf::new();
        for steps in &unset {
            removed.append(<&CStr>::try_from(steps.join(".").as_str()).ok()?, "");
        }
        update.append(cstr!("$unset"), removed);
    }
    Some(update)
}

/// Whether the server gives the document the order of keys that the difference gives it: it adds the new members of an
/// object in the order of their names, and numbers come first.
fn gives_order(difference: &Difference) -> bool {
    let mut names = difference.set.iter().filter_map(|(path, _)| match path.0.split_last()? {
        (Segment::Key(name), parent) => Some((parent, name)),
        // Elements of a list are added by their indices.
        (Segment::Index(_), _) => None,
    });
    let is_number = |name: &str| name.bytes().all(|byte| byte.is_ascii_digit());
    let mut last: BTreeMap<&[Segment], &str> = BTreeMap::new();
    names.all(|(parent, name)| match last.insert(parent, name) {
        Some(before) => before < name.as_str() && !is_number(before) && !is_number(name),
        None => true,
    })
}

/// The steps of a path in the server's notation. `None` if the server cannot address a key.
fn path_steps(path: &FieldPath) -> Option<Vec<String>> {
    let step = |segment: &Segment| match segment {
        Segment::Index(index) => Some(index.to_string()),
        Segment::Key(key) if key.is_empty() || key.contains('.') || key.starts_with('$') => None,
        Segment::Key(key) => Some(key.clone()),
    };
    path.0.iter().map(step).collect()
}

/// The steps of a path as declarations name them. Fields within lists are not declared, so an index becomes an empty
/// step.
fn declared_steps(path: &FieldPath) -> impl Iterator<Item = &str> {
    path.0.iter().map(|segment| match segment {
        Segment::Key(key) => key.as_str(),
        Segment::Index(_) => "",
    })
}

/// Whether a path equals another or leads through it. The server refuses both in one update.
fn overlap(mut paths: Vec<&Vec<String>>) -> bool {
    paths.sort_unstable();
    paths.windows(2).any(|pair| pair[1].starts_with(pair[0]))
}

/// Replaces the whole document except for its schema version, which only the server knows.
fn replacement_pipeline(
    codec: &CollectionCodec,
    key: &Key,
    next: &Revision,
    after: &Document,
) -> Result<RawArrayBuf, StoreError> {
    let mut literal = RawDocumentBuf::new();
    literal.append(cstr!("$literal"), codec.encode_document(key, next, None, after)?);
    let mut version = RawDocumentBuf::new();
    version.append(cstr!("_v"), "$_v");
    let mut parts = RawArrayBuf::new();
    parts.push(literal);
    parts.push(version);
    let mut merge = RawDocumentBuf::new();
    merge.append(cstr!("$mergeObjects"), parts);
    let mut replace = RawDocumentBuf::new();
    replace.append(cstr!("$replaceWith"), merge);
    let mut pipeline = RawArrayBuf::new();
    pipeline.push(replace);
    Ok(pipeline)
}

#[cfg(test)]
mod tests {
    use mongodb::bson::{Bson, Document as Update, doc};
    use runstate_core::id::CommandId;
    use runstate_core::schema::{Collection, Field};
    use runstate_value::difference;
    use serde_json::json;

    use super::*;

    const C: Collection = Collection::new("t.c", 1).fields(&[Field::id("id"), Field::timestamp("state.at").optional()]);

    /// The update from one document to another.
    fn update_of(before: serde_json::Value, after: serde_json::Value) -> Bson {
        let (before, after) = (before.as_object().unwrap(), after.as_object().unwrap());
        let revision = Revision::first(&CommandId::new("c").unwrap(), C.name, "a");
        let key = Key::new(&C, "a");
        let difference = difference(before, after);
        let statement =
            change_statement(&CollectionCodec::new(&C), &key, RawDocumentBuf::new(), &revision, &difference, after)
                .unwrap();
        let mut statement = Update::try_from(&*statement).unwrap();
        statement.remove("u").unwrap()
    }

    #[test]
    fn paths_are_set_and_unset_in_declared_types() {
        let before = json!({"state": {"at": 1, "s": "x"}, "list": [1, 2, 3, 4], "gone": 1});
        let after = json!({"state": {"at": 2, "s": "x"}, "list": [1, 2, 3, 4, 5], "n": 2});
        let Bson::Document(mut update) = update_of(before, after) else { panic!("the document was replaced") };
        let set = update.get_document_mut("$set").unwrap();
        assert!(set.remove("_rev").is_some());
        let at = mongodb::bson::DateTime::from_millis(2);
        assert_eq!(*set, doc! {"state.at": at, "list.4": 5, "n": 2});
        assert_eq!(update.get_document("$unset").unwrap(), &doc! {"gone": ""});
    }

    #[test]
    fn unaddressable_path_replaces_the_whole_document() {
        let replaced = |key: &str| {
            let Bson::Array(pipeline) = update_of(json!({"o": {"k": 1, key: 1}}), json!({"o": {"k": 1, key: 2}}))
            else {
                panic!("{key:?} was addressed")
            };
            let text = format!("{pipeline:?}");
            assert!(text.contains("$literal") && text.contains("$_v"), "{text}");
        };
        ["", "$x", "a.b"].into_iter().for_each(replaced);
        assert!(matches!(update_of(json!({"id": "a"}), json!({"id": "b"})), Bson::Array(_)));
    }

    #[test]
    fn members_in_another_order_than_the_servers_replace_the_document() {
        let is_replaced = |before: &str, after: &str| {
            let parse = |text: &str| serde_json::from_str(text).unwrap();
            matches!(update_of(parse(before), parse(after)), Bson::Array(_))
        };
        let before = r#"{"b":1,"o":{"y":1}}"#;
        for after in
            [r#"{"o":{"y":1},"b":1}"#, r#"{"b":1,"o":{"y":1},"d":1,"c":1}"#, r#"{"b":1,"o":{"y":1,"x":1,"2":1}}"#]
        {
            assert!(is_replaced(before, after), "{after}");
        }
        for after in [r#"{"b":1,"o":{"x":1,"y":1}}"#, r#"{"b":1,"o":{"y":2,"z":1},"c":1,"d":1}"#] {
            assert!(!is_replaced(before, after), "{after}");
        }
    }

    #[test]
    fn overlapping_paths_are_detected() {
        let path = |text: &str| text.split('.').map(str::to_owned).collect::<Vec<_>>();
        let overlaps = |paths: &[&str]| {
            let paths: Vec<_> = paths.iter().map(|text| path(text)).collect();
            overlap(paths.iter().collect())
        };
        assert!(overlaps(&["a.b", "x", "a"]) && overlaps(&["a", "a"]) && overlaps(&["a", "a-b", "a.b"]));
        assert!(!overlaps(&["a.b", "a.c", "ab"]));
    }
}

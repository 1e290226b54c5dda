//! Filters in the server's query language, in a form that indexes can serve: the comparisons, containments and words by
//! which declared queries select. Any other part of a filter selects every document. The reference implementation
//! (`store::eval`) checks each returned document.
//!
//! The server splits a text at other characters than the reference implementation, and folds more letters. So its text
//! index finds too few documents, such as none with `foo_bar` for the word `bar`. It is used for fields that hold words
//! only ([`Field::words`]): these are split at their spaces, and further splits and folds are the same for the word in
//! the document and the word that is searched.
//!
//! [`Field::words`]: runstate_core::schema::Field::words

use mongodb::bson::{Bson, Document as Doc, Regex, doc};
use runstate_core::schema::{Filter, Index, Kind};
use runstate_value::{Json, words};

use super::codec::CollectionCodec;
use super::condition::{ServerFilter, ServerPath, comparison_value};

/// Deeper filters are not translated, since the server limits the depth of a command.
const MAX_DEPTH: usize = 30;

/// How many characters of a word the server searches for.
const WORD_CHARS: usize = 64;

/// A filter that selects at least the matching documents.
pub(super) fn translate(codec: &CollectionCodec, filter: &Filter) -> ServerFilter {
    translate_part(codec, filter, MAX_DEPTH)
}

fn translate_part(codec: &CollectionCodec, filter: &Filter, levels: usize) -> ServerFilter {
    let Some(levels) = levels.checked_sub(1) else { return ServerFilter::scan() };
    let part = |inner| translate_part(codec, inner, levels);
    let compare = |path: &str, operator, operand| at_path(codec, path, |field| compare_field(field, operator, operand));
    match filter {
        Filter::All => ServerFilter::every(),
        Filter::And(all) => ServerFilter::all(all.iter().map(part)),
        Filter::Or(any) => ServerFilter::any(any.iter().map(part)),
        Filter::Not(_) => ServerFilter::scan(),
        Filter::Eq(path, operand) => compare(path, "$eq", operand),
        Filter::Ne(path, operand) => compare(path, "$ne", operand),
        Filter::Lt(path, operand) => compare(path, "$lt", operand),
        Filter::Lte(path, operand) => compare(path, "$lte", operand),
        Filter::Gt(path, operand) => compare(path, "$gt", operand),
        Filter::Gte(path, operand) => compare(path, "$gte", operand),
        Filter::In(path, operands) => at_path(codec, path, |field| equals_one_of(field, operands)),
        Filter::Exists(path, expected) => at_path(codec, path, |field| exists(field, *expected)),
        Filter::Contains(path, wanted) => contains(codec, path, wanted, levels),
        Filter::Text(path, text) => at_path(codec, path, |field| has_words(field, text)),
    }
}

/// Builds the filter on a field. For a document's own id that covers both `id` and `_id`, since `id` may be left out.
fn at_path(codec: &CollectionCodec, path: &str, build: impl Fn(&ServerPath) -> ServerFilter) -> ServerFilter {
    let Some(field) = ServerPath::resolve(codec, path) else { return ServerFilter::scan() };
    if !field.implied_id {
        return build(&field);
    }
    let id_field = ServerPath { path: "_id".to_owned(), ..field.clone() };
    let is_written = |written: bool| ServerFilter::exact(doc! {"id": {"$exists": written}});
    ServerFilter::any([
        ServerFilter::all([is_written(false), build(&id_field)]),
        ServerFilter::all([is_written(true), build(&field)]),
    ])
}

/// The server, too, compares only values of one kind (type bracketing), and takes a missing field for null.
fn compare_field(field: &ServerPath, operator: &str, operand: &Json) -> ServerFilter {
    let differs = match operator {
        "$eq" => is_hidden_null(field, operand),
        // It matches fewer documents if the field is a list that holds the operand.
        "$ne" => !field.is_comparable(),
        _ => operand.is_null(),
    };
    match comparison_value(field.kind, operand) {
        Some(operand) if !differs => {
            ServerFilter { filter: doc! {&field.path: {operator: operand}}, exact: field.is_comparable() }
        }
        _ => ServerFilter::scan(),
    }
}

/// If `a` is a list, the server may not match `a.b` as null.
fn is_hidden_null(field: &ServerPath, operand: &Json) -> bool {
    operand.is_null() && !field.through_objects
}

fn equals_one_of(field: &ServerPath, operands: &[Json]) -> ServerFilter {
    let encoded: Option<Vec<Bson>> = operands.iter().map(|operand| comparison_value(field.kind, operand)).collect();
    match encoded {
        Some(encoded) if !operands.iter().any(|operand| is_hidden_null(field, operand)) => {
            ServerFilter { filter: doc! {&field.path: {"$in": encoded}}, exact: field.is_comparable() }
        }
        _ => ServerFilter::scan(),
    }
}

fn exists(field: &ServerPath, expected: bool) -> ServerFilter {
    match (expected, field.through_objects) {
        (true, exact) => ServerFilter { filter: doc! {&field.path: {"$exists": true}}, exact },
        // The condition on null adds nothing, but partial indexes can be declared with it.
        (false, true) => ServerFilter::exact(doc! {&field.path: {"$eq": Bson::Null, "$exists": false}}),
        (false, false) => ServerFilter::scan(),
    }
}

/// Selects by the scalars in `wanted`. The server finds them in lists too.
fn contains(codec: &CollectionCodec, path: &str, wanted: &Json, levels: usize) -> ServerFilter {
    let (Some(field), Some(levels)) = (ServerPath::resolve(codec, path), levels.checked_sub(1)) else {
        return ServerFilter::scan();
    };
    // Values within lists do not have declared types.
    let may_be_untyped = matches!(field.kind, Kind::Timestamp | Kind::Decimal) && !field.through_objects;
    let filter = match wanted {
        Json::Object(members) => {
            // A dot in a key would address a field below it, and a number an element of a list.
            let is_member = |key: &str| !key.contains('.') && !key.bytes().all(|byte| byte.is_ascii_digit());
            let addressable = members.iter().filter(|(key, _)| is_member(key));
            ServerFilter::all(
                addressable.map(|(key, wanted)| contains(codec, &format!("{path}.{key}"), wanted, levels)),
            )
        }
        wanted if wanted.is_null() || may_be_untyped => ServerFilter::scan(),
        wanted => at_path(codec, path, |field| compare_field(field, "$eq", wanted)),
    };
    ServerFilter { exact: false, ..filter }
}

/// Adds the search of one required word in the text index, if there is one, to the translation of a whole filter. The
/// server accepts one search in a query, and none within alternatives. Every match is among the documents that it
/// finds.
pub(super) fn add_text_search(codec: &CollectionCodec, filter: &Filter, translation: &mut Doc) -> bool {
    let word = codec.collection.words_index().and_then(|index| {
        let texts = required_texts(filter, index);
        // A long word is probably a rare one.
        texts.iter().flat_map(|text| words(text)).filter(|word| is_token(word)).max_by_key(String::len)
    });
    let found = word.is_some();
    translation.extend(word.map(|word| (TEXT_SEARCH.to_owned(), doc! {"$search": word}.into())));
    found
}

/// The operator of a search in the text index.
pub(super) const TEXT_SEARCH: &str = "$text";

/// The texts whose words all matching documents have in fields of the index.
fn required_texts<'a>(filter: &'a Filter, index: &Index) -> Vec<&'a str> {
    match filter {
        Filter::And(all) => all.iter().flat_map(|part| required_texts(part, index)).collect(),
        Filter::Text(path, text) if index.fields.iter().any(|(field, _)| field == path) => vec![text],
        _ => Vec::new(),
    }
}

/// Whether the server has an entry for the word. Of all letters and digits, only this one separates words there.
fn is_token(word: &str) -> bool {
    word.contains(|letter| letter != '\u{2e2f}')
}

/// A regular expression finds texts that contain the letters.
fn has_words(field: &ServerPath, text: &str) -> ServerFilter {
    // The stored value of a decimal is not the document's text.
    let patterns = words(text).filter(|_| field.kind != Kind::Decimal).filter_map(|word| word_pattern(&word));
    let filters = patterns.map(|pattern| ServerFilter { filter: doc! {&field.path: pattern}, exact: false });
    ServerFilter { exact: false, ..ServerFilter::all(filters) }
}

/// A word in any case. Any text matches for a word that is not ASCII: its letters may have more cases than the server
/// knows.
fn word_pattern(word: &str) -> Option<Regex> {
    let letters = if word.is_ascii() { word.get(..WORD_CHARS).unwrap_or(word) } else { "" };
    Some(Regex { pattern: letters.try_into().ok()?, options: "i".try_into().ok()? })
}

#[cfg(test)]
mod tests {
    use mongodb::bson::DateTime;
    use proptest::prelude::*;
    use runstate_core::schema::Direction::Ascending;
    use runstate_core::schema::{Collection, Field};
    use serde_json::json;

    use super::*;

    const C: Collection = Collection::new("t.c", 1).fields(&[
        Field::id("id"),
        Field::text("name").optional(),
        Field::int("n").optional(),
        Field::timestamp("at").optional(),
        Field::decimal("cost").optional(),
        Field::json("any").optional(),
        Field::list("tags").optional(),
        Field::object("meta").optional(),
        Field::timestamp("meta.at").optional(),
        Field::int("loose.n").optional(),
    ]);

    fn translated(filter: Filter) -> (Doc, bool) {
        let ServerFilter { filter, exact } = translate(&CollectionCodec::new(&C), &filter);
        (filter, exact)
    }

    fn p(path: &str) -> String {
        path.to_owned()
    }

    fn scan() -> (Doc, bool) {
        (doc! {}, false)
    }

    #[test]
    fn values_are_compared_in_their_stored_types() {
        let at = |millis| Bson::from(DateTime::from_millis(millis));
        assert_eq!(translated(Filter::Gte(p("at"), json!(5))), (doc! {"at": {"$gte": at(5)}}, true));
        assert_eq!(translated(Filter::Gte(p("at"), json!(i64::MIN))), (doc! {"at": {"$gte": at(i64::MIN)}}, true));
        assert_eq!(translated(Filter::In(p("at"), vec![])), (doc! {"at": {"$in": []}}, true));
        assert_eq!(
            translated(Filter::In(p("meta.at"), vec![Json::Null, json!(1)])),
            (doc! {"meta.at": {"$in": [Bson::Null, at(1)]}}, true)
        );
        // Beyond the safe integers numbers are compared as doubles.
        assert_eq!(translated(Filter::Eq(p("n"), json!(i64::MAX))), (doc! {"n": {"$eq": i64::MAX as f64}}, true));
        // An operand of another kind is left to the reference implementation.
        for (path, operand) in [("at", json!(5.5)), ("cost", json!(5)), ("cost", json!("1e3"))] {
            assert_eq!(translated(Filter::Eq(p(path), operand)), scan());
        }
        // A text in place of a time is found by the query for documents that cannot be read.
        assert_eq!(
            translated(Filter::In(p("at"), vec![json!(1), json!("x")])),
            (doc! {"at": {"$in": [at(1), Bson::from("x")]}}, true)
        );
        assert_eq!(translated(Filter::Lt(p("n"), Json::Null)), scan());
    }

    #[test]
    fn inexact_filter_selects_a_superset() {
        assert_eq!(translated(Filter::Ne(p("n"), json!(1))), (doc! {"n": {"$ne": 1i64}}, true));
        // The field may be a list that holds the value. The server matches it too.
        assert_eq!(translated(Filter::Eq(p("any"), json!(1))), (doc! {"any": {"$eq": 1i64}}, false));
        assert_eq!(translated(Filter::Contains(p("tags"), json!(1))), (doc! {"tags": {"$eq": 1i64}}, false));
        assert_eq!(translated(Filter::Ne(p("any"), json!(1))), scan());
        // `loose` may be a list, and the server's paths lead into lists.
        assert_eq!(translated(Filter::Eq(p("loose.n"), json!(1))), (doc! {"loose.n": {"$eq": 1i64}}, false));
        for filter in [Filter::Eq(p("loose.n"), Json::Null), Filter::Exists(p("loose.n"), false)] {
            assert_eq!(translated(filter), scan());
        }
        let members = json!({"k": "v", "list": [1], "a.b": 1, "0": 1, "deep": {"n": 2}});
        let narrowed = doc! {"$and": [{"meta.k": {"$eq": "v"}}, {"meta.deep.n": {"$eq": 2i64}}]};
        assert_eq!(translated(Filter::Contains(p("meta"), members)), (narrowed, false));
        for path in ["_rev", "_id.x", "", "a..b", "any.$x", "a\u{0}"] {
            assert_eq!(translated(Filter::Eq(p(path), json!(1))), scan(), "{path:?}");
        }
        let word = |letters: &str| Bson::from(Regex { pattern: c_text(letters), options: c_text("i") });
        let words = doc! {"$and": [{"name": word("")}, {"name": word("k7")}]};
        assert_eq!(translated(Filter::Text(p("name"), p("é k7"))), (words, false));
        let negated = Filter::Not(Box::new(Filter::Eq(p("n"), json!(1))));
        let narrowed = (doc! {"name": {"$eq": "x"}}, false);
        assert_eq!(translated(Filter::And(vec![negated, Filter::Eq(p("name"), json!("x"))])), narrowed);
    }

    fn c_text(text: &str) -> mongodb::bson::raw::CString {
        text.try_into().unwrap()
    }

    #[test]
    fn one_required_word_is_searched_in_the_text_index() {
        const WORDS: Collection = Collection::new("t.c", 1)
            .fields(&[Field::text("words").words(), Field::text("name")])
            .indexes(&[Index::text(&[("words", Ascending)]), Index::text(&[("name", Ascending)])]);
        let searched = |collection: &'static Collection, filter: Filter| {
            let mut translation = Doc::new();
            add_text_search(&CollectionCodec::new(collection), &filter, &mut translation);
            translation.get_document("$text").ok().map(|search| search.get_str("$search").unwrap().to_owned())
        };
        let text = |path: &str, words: &str| Filter::Text(p(path), words.to_owned());
        let both = Filter::And(vec![text("name", "alphabet"), Filter::And(vec![text("words", "a Beta")])]);
        assert_eq!(searched(&WORDS, both), Some("beta".to_owned()));
        for filter in [
            text("name", "a"),
            text("words", " - "),
            text("words", "\u{2e2f}"),
            Filter::Or(vec![text("words", "a"), text("words", "b")]),
            Filter::Not(Box::new(text("words", "a"))),
        ] {
            assert_eq!(searched(&WORDS, filter), None);
        }
        assert_eq!(searched(&C, text("name", "a")), None);
    }

    #[test]
    fn missing_field_filter_can_use_a_partial_index() {
        let missing = (doc! {"n": {"$eq": Bson::Null, "$exists": false}}, true);
        assert_eq!(translated(Filter::Exists(p("n"), false)), missing);
    }

    #[test]
    fn alternatives_select_all_or_none_without_a_condition() {
        let none = doc! {"_id": {"$in": []}};
        assert_eq!(translated(Filter::Or(vec![])), (none, true));
        assert_eq!(translated(Filter::Or(vec![Filter::Eq(p("n"), json!(1)), Filter::All])), (doc! {}, true));
    }

    #[test]
    fn own_id_is_matched_in_both_id_fields() {
        let left_out = doc! {"$and": [{"id": {"$exists": false}}, {"_id": {"$gt": "a"}}]};
        let written = doc! {"$and": [{"id": {"$exists": true}}, {"id": {"$gt": "a"}}]};
        assert_eq!(translated(Filter::Gt(p("id"), json!("a"))), (doc! {"$or": [left_out, written]}, true));
    }

    #[test]
    fn deeply_nested_filter_is_not_translated() {
        let deep = (0..1_000).fold(Filter::Eq(p("n"), json!(1)), |inner, _| Filter::Or(vec![inner]));
        assert_eq!(translated(deep), scan());
    }

    proptest! {
        #[test]
        fn any_path_and_text_can_be_translated(path in "\\PC{0,4}(\\.\\PC{0,3}){0,2}\u{0}?", text in "\\PC{0,12}\u{0}?") {
            for filter in [
                Filter::Eq(path.clone(), json!(text)),
                Filter::Exists(path.clone(), false),
                Filter::Contains(path.clone(), json!({&text: [{&text: 1}]})),
                Filter::Text(path.clone(), text.clone()),
                Filter::Text(p("name"), text.clone()),
            ] {
                let (filter, _) = translated(filter);
                prop_assert!(mongodb::bson::RawDocumentBuf::try_from(&filter).is_ok());
            }
        }
    }
}

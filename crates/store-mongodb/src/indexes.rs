//! Declared indexes as the server knows them, under its own default names.

use mongodb::bson::{Bson, Document as Spec, doc};
use runstate_core::limits::LONGEST_LEDGER_DAYS;
use runstate_core::schema::{Collection, Direction, Index, IndexKind, Kind, Literal, Predicate, Ttl};
use runstate_store::StoreError;
use runstate_value::time::Millis;

use super::codec::{CollectionCodec, encode_value};
use super::condition::possible_list_paths;

/// The specification of an index.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct IndexSpec {
    /// Its name on the server.
    pub(super) name: String,
    /// Its fields.
    pub(super) key: Spec,
    /// The options that define it.
    pub(super) options: Spec,
}

/// The options that define an index: with other values it is a different index.
const SIGNIFICANT_OPTIONS: [&str; 5] =
    ["unique", "partialFilterExpression", "expireAfterSeconds", "default_language", "language_override"];

/// The options that distinguish indexes with the same fields, so that both may exist.
const DISTINGUISHING_OPTIONS: [&str; 2] = ["unique", "partialFilterExpression"];

/// The indexes that a collection needs.
pub(super) fn required_indexes(codec: &CollectionCodec) -> Result<Vec<IndexSpec>, StoreError> {
    let mut candidates = Vec::new();
    for index in codec.collection.indexes {
        let spec = IndexSpec::from_declaration(codec, index)?;
        candidates.extend(spec.map(|spec| (spec.key.len() < index.fields.len(), spec)));
    }
    // A shortened index may equal another one.
    let is_redundant = |position: usize, name: &str| {
        let mut others = candidates.iter().enumerate();
        others.any(|(other, (shortened, spec))| spec.name == name && (!shortened || other < position))
    };
    let needed =
        candidates.iter().enumerate().filter(|(n, (shortened, spec))| !shortened || !is_redundant(*n, &spec.name));
    let mut wanted: Vec<IndexSpec> = needed.map(|(_, (_, spec))| spec.clone()).collect();
    // A time series expires by an option of its collection.
    if let (Some(ttl), None) = (&codec.collection.ttl, codec.collection.detached) {
        add_ttl_index(codec, ttl, &mut wanted);
    }
    Ok(wanted)
}

impl IndexSpec {
    /// `None` if the server needs no such index: it always has one on `_id`. Words in a text of any other kind are
    /// searched with regular expressions, since the server splits and folds such texts differently.
    fn from_declaration(codec: &CollectionCodec, index: &Index) -> Result<Option<Self>, StoreError> {
        if index.kind == IndexKind::Text {
            let is_native = codec.collection.words_index().is_some_and(|native| native.name() == index.name());
            return Ok(is_native.then(|| Self::over_words(index)));
        }
        let partial = match &index.partial {
            None => None,
            Some(predicate) => match partial_filter(codec, predicate) {
                None if index.unique => return Err(unsupported_partial_index(codec, index)),
                // An index that is not unique only makes queries faster, so it may cover more documents.
                None => partial_filter_superset(predicate),
                filter => filter,
            },
        };
        let mut key = Spec::new();
        let field_count =
            if index.unique { index.fields.len() } else { fields_before_second_list(codec.collection, index) };
        for (path, direction) in index.fields.iter().take(field_count) {
            let path = if codec.implied_id && *path == "id" { "_id" } else { *path };
            key.insert(path, if *direction == Direction::Ascending { 1 } else { -1 });
        }
        if key.len() == 1 && key.contains_key("_id") {
            return Ok(None);
        }
        let mut options = Spec::new();
        if index.unique {
            options.insert("unique", true);
        }
        if let Some(partial) = partial {
            options.insert("partialFilterExpression", partial);
        }
        Ok(Some(Self { name: default_name(&key), key, options }))
    }

    /// The text index. It has no stop words and no stems, and no document has the field that would name a language.
    fn over_words(index: &Index) -> Self {
        let key: Spec = index.fields.iter().map(|(path, _)| ((*path).to_owned(), TEXT.into())).collect();
        Self {
            name: default_name(&key),
            key,
            options: doc! {"default_language": "none", "language_override": "_language"},
        }
    }

    /// The specification for `createIndexes`.
    pub(super) fn spec(&self) -> Spec {
        let mut spec = doc! {"name": &self.name, "key": self.key.clone()};
        spec.extend(self.options.clone());
        spec
    }

    /// The entry in the collection's meta document.
    pub(super) fn record(&self) -> Spec {
        doc! {"name": &self.name, "key": self.key.clone(), "options": self.options.clone()}
    }

    /// Whether an index of the server, under any name, is this one.
    pub(super) fn matches(&self, found: &Spec) -> bool {
        self.same_key(found)
            && SIGNIFICANT_OPTIONS.iter().all(|option| is_same_option(self.options.get(option), found.get(option)))
    }

    /// Whether an index of the server differs from this one, but cannot exist beside it.
    pub(super) fn conflicts_with(&self, found: &Spec) -> bool {
        // A collection has one text index.
        let are_texts = is_text(&self.key) && found.get_document("key").is_ok_and(is_text);
        are_texts
            || self.same_key(found)
                && DISTINGUISHING_OPTIONS
                    .iter()
                    .all(|option| is_same_option(self.options.get(option), found.get(option)))
    }

    /// The same index under another name.
    pub(super) fn with_name(&self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self.clone() }
    }

    /// The same index under its own name, or under a similar one if that is taken.
    pub(super) fn with_free_name(&self, is_taken: impl Fn(&str) -> bool) -> Self {
        let (mut index, mut number) = (self.clone(), 1);
        while is_taken(&index.name) {
            number += 1;
            index.name = format!("{}_{number}", self.name);
        }
        index
    }

    fn same_key(&self, found: &Spec) -> bool {
        let Ok(key) = found.get_document("key") else { return false };
        if is_text(key) {
            // The server has the fields of a text index in the order of their names, elsewhere.
            let Ok(weights) = found.get_document("weights") else { return false };
            let mut own: Vec<&String> = self.key.keys().collect();
            own.sort();
            return is_text(&self.key) && own.into_iter().eq(weights.keys());
        }
        let directions =
            |key: &Spec| key.iter().map(|(path, value)| (path.clone(), to_number(value))).collect::<Vec<_>>();
        directions(key) == directions(&self.key)
    }
}

/// Adds the TTL index, if the server can express which documents expire. Otherwise adds a plain index for
/// [`Store::sweep`](runstate_store::Store::sweep), so that the server deletes no document that should stay.
fn add_ttl_index(codec: &CollectionCodec, ttl: &Ttl, wanted: &mut Vec<IndexSpec>) {
    let key = doc! {codec.expiry_field(ttl): 1};
    let partial = ttl.partial.as_ref().map(|predicate| partial_filter(codec, predicate));
    let mut options = Spec::new();
    if partial != Some(None) {
        // Sweeps delete the rows of the ledger as soon as its owner has chosen, which the server does not know.
        let after = if codec.is_ledger() { Millis::days(LONGEST_LEDGER_DAYS) } else { ttl.after };
        options.insert("expireAfterSeconds", to_seconds(after));
    }
    if let Some(Some(partial)) = partial {
        options.insert("partialFilterExpression", partial);
    }
    let mut name = default_name(&key);
    if let Some(same_field) = wanted.iter_mut().find(|wanted| wanted.name == name) {
        if same_field.options.is_empty() && !options.contains_key("partialFilterExpression") {
            // One index serves both.
            same_field.options = options;
            return;
        }
        name += "_ttl";
    }
    wanted.push(IndexSpec { name, key, options });
}

/// A time to live in seconds. Rounded up: no document expires earlier than declared.
pub(super) fn to_seconds(after: Millis) -> i32 {
    let seconds = after.0.max(0).saturating_add(999) / 1_000;
    i32::try_from(seconds).unwrap_or(i32::MAX)
}

/// How many fields of an index the server accepts. It refuses documents in which two fields of one index are lists. The
/// shortened index serves the same queries, but slower.
fn fields_before_second_list(collection: &Collection, index: &Index) -> usize {
    let mut lists: Vec<&str> = Vec::new();
    for (n, (path, _)) in index.fields.iter().enumerate() {
        let list_paths: Vec<&str> = possible_list_paths(collection, path).collect();
        let are_separate = |one: &str, other: &str| !leads_to(one, other) && !leads_to(other, one);
        if list_paths.iter().any(|path| lists.iter().any(|list| are_separate(list, path))) {
            return n;
        }
        lists.extend(list_paths);
    }
    index.fields.len()
}

/// Whether `path` equals `part` or leads through it.
fn leads_to(part: &str, path: &str) -> bool {
    path.strip_prefix(part).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The value that the key of a text index has in place of a direction.
const TEXT: &str = "text";

/// Whether the key is that of a text index.
fn is_text(key: &Spec) -> bool {
    key.values().any(|direction| direction.as_str() == Some(TEXT))
}

/// The server's default name for an index with this key.
fn default_name(key: &Spec) -> String {
    let parts = key.iter().map(|(path, direction)| match direction.as_str() {
        Some(kind) => format!("{path}_{kind}"),
        None => format!("{path}_{direction}"),
    });
    parts.collect::<Vec<_>>().join("_")
}

/// The condition of a partial index. `None` if the server cannot express it.
fn partial_filter(codec: &CollectionCodec, predicate: &Predicate) -> Option<Spec> {
    match predicate {
        Predicate::Exists(path) => Some(doc! {*path: {"$exists": true}}),
        Predicate::Missing(_) => None,
        Predicate::Eq(path, constant) => Some(doc! {*path: constant_value(codec, path, constant)?}),
        Predicate::In(path, constants) => {
            let values =
                constants.iter().map(|constant| constant_value(codec, path, constant)).collect::<Option<Vec<_>>>()?;
            Some(doc! {*path: {"$in": values}})
        }
        Predicate::All(all) => Some(doc! {"$and": partial_filters(codec, all)?}),
        Predicate::Any(any) => Some(doc! {"$or": partial_filters(codec, any)?}),
    }
}

/// A condition that covers more documents. A missing field is also null, and that can be expressed. Filters for missing
/// fields state both, so they can use the index.
fn partial_filter_superset(predicate: &Predicate) -> Option<Spec> {
    match predicate {
        Predicate::Missing(path) => Some(doc! {*path: Bson::Null}),
        _ => None,
    }
}

fn partial_filters(codec: &CollectionCodec, predicates: &[Predicate]) -> Option<Vec<Spec>> {
    predicates.iter().map(|predicate| partial_filter(codec, predicate)).collect()
}

/// A constant that scalar values are compared with. In lists and objects the server would find more than declared.
fn constant_value(codec: &CollectionCodec, path: &str, constant: &Literal) -> Option<Bson> {
    let kind = codec.collection.kind_of(path);
    let is_scalar = !matches!(kind, Kind::Json | Kind::List | Kind::Object);
    let is_comparable = !matches!(constant, Literal::EmptyList | Literal::EmptyObject);
    if is_scalar && is_comparable { encode_value(kind, &constant.to_json()) } else { None }
}

/// Compares options: the server may return numbers and booleans with another type.
fn is_same_option(one: Option<&Bson>, other: Option<&Bson>) -> bool {
    match (one, other) {
        (None, Some(Bson::Boolean(false))) | (Some(Bson::Boolean(false)), None) => true,
        (Some(one), Some(other)) => one == other || to_number(one).is_some() && to_number(one) == to_number(other),
        (one, other) => one == other,
    }
}

fn to_number(value: &Bson) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "directions and seconds are small")]
    let float = || value.as_f64().map(|number| number as i64);
    super::open::to_integer(value).or_else(float)
}

fn unsupported_partial_index(codec: &CollectionCodec, index: &Index) -> StoreError {
    let what = format!("the partial condition of the unique index {} of {}", index.name(), codec.collection.name);
    StoreError::Unsupported { what, by: "the store on MongoDB".to_owned() }
}

#[cfg(test)]
mod tests {
    use runstate_core::schema::Direction::{Ascending, Descending};
    use runstate_core::schema::Field;
    use runstate_value::time::Millis;

    use super::*;

    const C: Collection = Collection::new("t.c", 1)
        .fields(&[
            Field::id("id"),
            Field::text("s").optional(),
            Field::text("state.status").optional(),
            Field::timestamp("at").optional(),
            Field::list("tags").optional(),
            Field::text("words").words().optional(),
            Field::text("more").words().optional(),
        ])
        .indexes(&[
            Index::ordered(&[("id", Ascending)]).unique(),
            Index::ordered(&[("s", Ascending), ("at", Descending)]).unique().partial(Predicate::All(&[
                Predicate::Exists("at"),
                Predicate::In("state.status", &[Literal::Text("a"), Literal::Text("b")]),
            ])),
            Index::ordered(&[("s", Ascending)]).partial(Predicate::Missing("at")),
            Index::each(&[("tags", Ascending)]),
            Index::text(&[("s", Ascending)]),
            Index::text(&[("words", Ascending), ("more", Ascending)]),
            Index::ordered(&[("at", Ascending)]),
        ])
        .ttl(Ttl { field: "at", after: Millis(1_500), partial: None });

    #[test]
    fn indexes_have_the_default_names_of_the_server() {
        let found = required_indexes(&CollectionCodec::new(&C)).unwrap();
        let specs: Vec<Spec> = found.iter().map(IndexSpec::spec).collect();
        let partial = doc! {"$and": [{"at": {"$exists": true}}, {"state.status": {"$in": ["a", "b"]}}]};
        assert_eq!(
            specs,
            [
                doc! {"name": "id_1", "key": {"id": 1}, "unique": true},
                doc! {"name": "s_1_at_-1", "key": {"s": 1, "at": -1}, "unique": true, "partialFilterExpression": partial},
                doc! {"name": "s_1", "key": {"s": 1}, "partialFilterExpression": {"at": Bson::Null}},
                doc! {"name": "tags_1", "key": {"tags": 1}},
                doc! {
                    "name": "words_text_more_text", "key": {"words": "text", "more": "text"},
                    "default_language": "none", "language_override": "_language"
                },
                doc! {"name": "at_1", "key": {"at": 1}, "expireAfterSeconds": 2},
            ]
        );
    }

    #[test]
    fn index_has_at_most_one_list_field() {
        const LISTS: Collection = Collection::new("t.l", 1)
            .fields(&[
                Field::json("any").optional(),
                Field::list("tags").optional(),
                Field::text("s").optional(),
                Field::text("a.b").optional(),
                Field::text("a.c").optional(),
                Field::text("o.b"),
            ])
            .indexes(&[
                Index::ordered(&[
                    ("s", Ascending),
                    ("any", Ascending),
                    ("o.b", Ascending),
                    ("tags", Ascending),
                    ("s", Ascending),
                ]),
                Index::ordered(&[("a.b", Ascending), ("a.c", Ascending), ("s", Ascending)]),
                Index::ordered(&[("any", Ascending), ("a.b", Ascending)]),
                Index::ordered(&[("any", Descending), ("tags", Ascending)]),
                Index::ordered(&[("any", Ascending), ("tags", Ascending)]),
                Index::ordered(&[("any", Descending)]),
            ]);
        let found = required_indexes(&CollectionCodec::new(&LISTS)).unwrap();
        let names: Vec<&str> = found.iter().map(|index| index.name.as_str()).collect();
        assert_eq!(names, ["s_1_any_1_o.b_1", "a.b_1_a.c_1_s_1", "any_1", "any_-1"]);
    }

    #[test]
    fn ttl_option_is_omitted_for_an_inexpressible_partial() {
        const PINNED: Collection = Collection::new("t.p", 1).fields(&[Field::timestamp("at")]).ttl(Ttl {
            field: "at",
            after: Millis(1),
            partial: Some(Predicate::Missing("pinned")),
        });
        let found = required_indexes(&CollectionCodec::new(&PINNED)).unwrap();
        assert_eq!(found.iter().map(IndexSpec::spec).collect::<Vec<_>>(), [doc! {"name": "at_1", "key": {"at": 1}}]);
    }

    #[test]
    fn index_is_matched_by_definition_not_by_name() {
        let found = &required_indexes(&CollectionCodec::new(&C)).unwrap()[5];
        let other = |seconds: Bson| doc! {"v": 2, "key": {"at": 1.0}, "name": "mine", "expireAfterSeconds": seconds};
        assert!(found.matches(&other(Bson::Int64(2))) && found.matches(&other(Bson::Double(2.0))));
        assert!(!found.matches(&other(Bson::Int32(3))) && !found.matches(&doc! {"key": {"at": 1}, "name": "at_1"}));
    }

    #[test]
    fn text_index_is_matched_by_its_fields_and_languages() {
        let index = &required_indexes(&CollectionCodec::new(&C)).unwrap()[4];
        let listed = |weights: Spec, language: &str| {
            doc! {
                "v": 2, "key": {"_fts": "text", "_ftsx": 1}, "name": "mine", "weights": weights,
                "default_language": language, "language_override": "_language", "textIndexVersion": 3
            }
        };
        let own = listed(doc! {"more": 1, "words": 1}, "none");
        assert!(index.matches(&own) && index.conflicts_with(&own));
        for other in [listed(doc! {"words": 1}, "none"), listed(doc! {"more": 1, "words": 1}, "english")] {
            assert!(!index.matches(&other) && index.conflicts_with(&other), "{other}");
        }
        let hashed = doc! {"key": {"words": "hashed"}, "name": "words_hashed"};
        assert!(!index.matches(&hashed) && !index.conflicts_with(&hashed));
    }
}

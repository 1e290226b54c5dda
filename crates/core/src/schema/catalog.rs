//! The collections that an engine works with, checked once.

use runstate_value::{SortedMap, SortedSet};

use super::{Collection, Format, Index, IndexKind, Kind, Presence, ShardKey, TimeSeries, sealed, view};

/// A declaration that is not valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("collection {collection}: {problem}")]
pub struct CatalogError {
    /// The collection with the invalid declaration.
    pub collection: String,
    /// The problem.
    pub problem: String,
}

/// Collections by name.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    collections: SortedMap<&'static str, &'static Collection>,
}

impl Catalog {
    /// Checks the declarations and creates the catalog.
    pub fn new(collections: &[&'static Collection]) -> Result<Self, CatalogError> {
        Self::default().with(collections)
    }

    /// The catalog with these collections too. They replace those of the same names.
    pub fn with(&self, collections: &[&'static Collection]) -> Result<Self, CatalogError> {
        let (mut catalog, mut names) = (self.clone(), SortedSet::default());
        for &collection in collections {
            let error = |problem: String| CatalogError { collection: collection.name.to_owned(), problem };
            verify(collection).map_err(error)?;
            if names.insert(collection.name, ()).is_some() {
                return Err(error("is declared twice".to_owned()));
            }
            catalog.collections.insert(collection.name, collection);
        }
        // The collections that were here before refer to names that remain.
        for collection in collections {
            for reference in collection.references() {
                if catalog.get(reference.collection).is_none() {
                    let problem =
                        format!("`{}` refers to `{}`, which is not declared", reference.field, reference.collection);
                    return Err(CatalogError { collection: collection.name.to_owned(), problem });
                }
            }
        }
        view::verify(&catalog).map_err(|(collection, problem)| CatalogError { collection, problem })?;
        Ok(catalog)
    }

    /// Whether documents that belong to those of `collection` have parts of their own. An export of one document leaves
    /// those of such a collection out.
    pub fn has_nested_children(&self, collection: &Collection) -> bool {
        let mut parts = self.iter().filter(|part| part.owner_reference(collection.name).is_some());
        parts.any(|part| self.iter().any(|inner| inner.owner_reference(part.name).is_some()))
    }

    /// The collection of that name.
    pub fn get(&self, name: &str) -> Option<&'static Collection> {
        self.collections.get(name).copied()
    }

    /// All collections, by name.
    pub fn iter(&self) -> impl Iterator<Item = &'static Collection> + '_ {
        self.collections.values().copied()
    }
}

fn verify(collection: &Collection) -> Result<(), String> {
    let name_ok = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    if collection.name.split('.').count() != 2 || !collection.name.split('.').all(name_ok) {
        return Err("its name is not `domain.collection` in lower case".to_owned());
    }
    if collection.version == 0 {
        return Err("versions begin at 1".to_owned());
    }
    let mut fields = SortedSet::default();
    for field in collection.fields {
        if field.name.starts_with('_') || field.name.split('.').any(str::is_empty) {
            return Err(format!("`{}` is not a valid field name (names that begin with _ are reserved)", field.name));
        }
        if fields.insert(field.name, ()).is_some() {
            return Err(format!("field `{}` is declared twice", field.name));
        }
        if field.is_words && field.kind != Kind::Text {
            return Err(format!("`{}` holds words, but is not a text", field.name));
        }
        if let Some(format) = field.format
            && !format.suits(field.kind)
        {
            return Err(format!("the format {format} of `{}` is not one of its kind", field.name));
        }
        if !field.range.suits(field.kind) {
            return Err(format!("the range of `{}` is not one of its kind", field.name));
        }
        if let (Presence::Default(value), false) = (field.presence, field.values.is_empty())
            && !field.values.iter().any(|v| value.to_json() == *v)
        {
            return Err(format!("the default of `{}` is none of its values", field.name));
        }
    }
    let mut names = SortedSet::default();
    for index in collection.indexes {
        if names.insert(index.name(), ()).is_some() {
            return Err(format!("index `{}` is declared twice", index.name()));
        }
        if index.fields.is_empty() || (index.kind == IndexKind::Each && index.fields.len() != 1) {
            return Err(format!("index `{}` has the wrong number of fields", index.name()));
        }
        let partial = index.partial.iter().flat_map(|p| p.paths());
        if let Some(path) =
            index.fields.iter().map(|(path, _)| *path).chain(partial).find(|path| !fields.contains_key(path))
        {
            return Err(format!("index `{}` reads `{path}`, which is not a declared field", index.name()));
        }
        verify_unique(collection, index)?;
    }
    if collection.indexes.iter().filter(|index| collection.is_over_words(index)).count() > 1 {
        return Err("two text indexes are over words; MongoDB has one in a collection, so declare one over all fields"
            .to_owned());
    }
    sealed::verify(collection)?;
    if let Some(ttl) = &collection.ttl
        && collection.kind_of(ttl.field) != Kind::Timestamp
    {
        return Err(format!("it expires by `{}`, which is not a timestamp", ttl.field));
    }
    verify_detached(collection)?;
    verify_partition(collection)?;
    verify_shard_key(collection)
}

/// The rules of time-series collections on MongoDB, and of rows that are never deleted.
fn verify_detached(collection: &Collection) -> Result<(), String> {
    let Some(TimeSeries { time, meta }) = collection.detached else { return Ok(()) };
    let declared = |path: &str| collection.fields.iter().find(|field| field.name == path);
    let is_required = |path: &str| declared(path).is_some_and(|field| field.presence == Presence::Required);
    let is_single = !matches!(collection.kind_of(meta), Kind::Json | Kind::List | Kind::Object);
    let is_plain = |index: &Index| index.kind == IndexKind::Ordered && !index.unique && index.partial.is_none();
    if !is_required(time) || collection.kind_of(time) != Kind::Timestamp {
        return Err(format!("not every row has a timestamp `{time}`"));
    }
    if !is_required(meta) || !is_single || meta == "id" {
        return Err(format!("not every row has a source `{meta}` that is a single value and not its id"));
    }
    if let Some(index) = collection.indexes.iter().find(|index| !is_plain(index)) {
        return Err(format!("its index `{}` is not a plain ordered one, but its rows are a time series", index.name()));
    }
    match &collection.ttl {
        Some(ttl) if ttl.field != time || ttl.partial.is_some() => {
            Err(format!("its rows are a time series, so they expire by `{time}` alone"))
        }
        _ if !collection.insert_only => Err("its rows are a time series, so they are insert-only".to_owned()),
        _ => Ok(()),
    }
}

/// The rules of PostgreSQL: a partition is selected by a value that every row has, and an index is unique within a
/// partition only.
fn verify_partition(collection: &Collection) -> Result<(), String> {
    let Some(day) = collection.partition_day else { return Ok(()) };
    let is_day = |field: &super::Field| field.format == Some(Format::Date) && field.presence == Presence::Required;
    if !collection.fields.iter().any(|field| field.name == day && !day.contains('.') && is_day(field)) {
        return Err(format!("not every document has a day `{day}` that selects its partition"));
    }
    if !collection.insert_only {
        return Err(format!("its documents change, so `{day}` cannot select their partition"));
    }
    match collection.indexes.iter().find(|index| index.unique) {
        Some(index) => Err(format!("its unique index `{}` would hold within one partition only", index.name())),
        None => Ok(()),
    }
}

/// The rules of MongoDB, and of writes: a document is changed under its `_id`, so a write names no other field.
fn verify_shard_key(collection: &Collection) -> Result<(), String> {
    let Some(key) = collection.shard else { return Ok(()) };
    let begins_with = |index: &Index, field: &str| index.fields.first().is_some_and(|(first, _)| *first == field);
    let is_key = |index: &Index| matches!(key, ShardKey::Ranged(field) if begins_with(index, field));
    if let Some(index) = collection.indexes.iter().find(|index| index.unique && !is_key(index)) {
        return Err(format!("its unique index `{}` does not begin with the shard key", index.name()));
    }
    let ShardKey::Ranged(field) = key else { return Ok(()) };
    if !collection.insert_only {
        return Err(format!("its shard key is `{field}`, but its documents are changed by `_id`"));
    }
    if !collection.fields.iter().any(|one| one.name == field && one.presence == Presence::Required) {
        return Err(format!("not every document has the shard key `{field}`"));
    }
    match collection.indexes.iter().any(is_key) {
        true => Ok(()),
        false => Err(format!("no index begins with the shard key `{field}`")),
    }
}

/// Backends enforce uniqueness themselves, so every backend must be able to express the index.
fn verify_unique(collection: &Collection, index: &Index) -> Result<(), String> {
    if !index.unique {
        return Ok(());
    }
    let compared = |path: &str| !matches!(collection.kind_of(path), Kind::Json | Kind::List | Kind::Object);
    if let Some((path, _)) = index.fields.iter().find(|(path, _)| !compared(path)) {
        // Backends disagree about equality here: by the order of keys, or for `1` and `1.0` inside a value.
        return Err(format!("unique index `{}` reads `{path}`, which does not hold a single value", index.name()));
    }
    if index.partial.is_some_and(|predicate| predicate.uses_missing()) {
        return Err(format!(
            "unique index `{}` is partial by a missing field; not every store can express that",
            index.name()
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use runstate_value::time::Millis;

    use super::super::{Direction::Ascending, Field, Index, Literal, Predicate, Ttl};
    use super::*;

    const TWICE: Collection = Collection::new("a.b", 1).fields(&[Field::text("x"), Field::int("x")]);
    const UNDECLARED: Collection = Collection::new("a.b", 1).indexes(&[Index::ordered(&[("y", Ascending)])]);
    const NAME: Collection = Collection::new("nodomain", 1);
    const LOOSE: Collection =
        Collection::new("a.b", 1).fields(&[Field::json("x")]).indexes(&[Index::ordered(&[("x", Ascending)]).unique()]);
    const LISTS: Collection =
        Collection::new("a.b", 1).fields(&[Field::list("x")]).indexes(&[Index::each(&[("x", Ascending)]).unique()]);
    const OPEN: Collection = Collection::new("a.b", 1)
        .fields(&[Field::text("x"), Field::text("end").optional()])
        .indexes(&[Index::ordered(&[("x", Ascending)]).unique().partial(Predicate::All(&[
            Predicate::Eq("x", Literal::Text("y")),
            Predicate::Any(&[Predicate::Missing("end")]),
        ]))]);
    const VALID: Collection = Collection::new("a.b", 1);
    const NUMBERS: Collection = Collection::new("a.b", 1).fields(&[Field::int("x").words()]);
    const SEARCHED: Collection = Collection::new("a.b", 1)
        .fields(&[Field::text("x").words(), Field::text("y").words()])
        .indexes(&[Index::text(&[("x", Ascending)]), Index::text(&[("y", Ascending)])]);

    const ROWS: Collection = Collection::new("a.b", 1)
        .fields(&[Field::text("x"), Field::text("y").optional()])
        .indexes(&[Index::ordered(&[("x", Ascending)]).unique(), Index::ordered(&[("y", Ascending)])])
        .insert_only();
    const HASHED: Collection = Collection { shard: Some(ShardKey::HashedId), ..ROWS };
    const CHANGED: Collection = Collection { insert_only: false, shard: Some(ShardKey::Ranged("x")), ..ROWS };
    const INCOMPLETE: Collection = Collection { indexes: &[], shard: Some(ShardKey::Ranged("y")), ..ROWS };
    const UNINDEXED: Collection = Collection { indexes: &[], shard: Some(ShardKey::Ranged("x")), ..ROWS };
    const SHARDED: Collection = Collection { shard: Some(ShardKey::Ranged("x")), ..ROWS };

    const PART: Collection = Collection::new("a.c", 1).fields(&[Field::id("b").references("a.b")]);
    const LOST: Collection = Collection::new("a.d", 1).fields(&[Field::id("b").references("a.absent")]);

    #[test]
    fn added_collections_refer_to_those_before_and_replace_their_names() {
        let one = Catalog::new(&[&VALID]).unwrap();
        let two = one.with(&[&PART]).unwrap();
        assert_eq!(two.iter().map(|collection| collection.name).collect::<Vec<_>>(), ["a.b", "a.c"]);
        assert_eq!(two.with(&[&SHARDED]).unwrap().get("a.b").unwrap().shard, SHARDED.shard);
        let problem = |added: &'static Collection| two.with(&[added]).unwrap_err().problem;
        assert_eq!(problem(&LOST), "`b` refers to `a.absent`, which is not declared");
        assert_eq!(problem(&TWICE), "field `x` is declared twice");
        assert_eq!(two.with(&[&ROWS, &SHARDED]).unwrap_err().problem, "is declared twice");
        assert!(one.get("a.c").is_none());
    }

    #[test]
    fn shard_keys_follow_the_rules_of_unique_indexes_and_writes() {
        let problem = |c: &'static Collection| Catalog::new(&[c]).unwrap_err().problem;
        assert_eq!(problem(&HASHED), "its unique index `x` does not begin with the shard key");
        assert_eq!(problem(&CHANGED), "its shard key is `x`, but its documents are changed by `_id`");
        assert_eq!(problem(&INCOMPLETE), "not every document has the shard key `y`");
        assert_eq!(problem(&UNINDEXED), "no index begins with the shard key `x`");
        assert!(Catalog::new(&[&SHARDED]).is_ok());
    }

    const SERIES: Collection = Collection::new("a.b", 1)
        .fields(&[Field::timestamp("at"), Field::text("by"), Field::json("any"), Field::timestamp("end").optional()])
        .indexes(&[Index::ordered(&[("by", Ascending), ("at", Ascending)])])
        .ttl(Ttl { field: "at", after: Millis(1), partial: None })
        .detached(TimeSeries { time: "at", meta: "by" });
    const UNTIMED: Collection = SERIES.detached(TimeSeries { time: "end", meta: "by" });
    const UNSOURCED: Collection = SERIES.detached(TimeSeries { time: "at", meta: "any" });
    const UNIQUE: Collection = SERIES.indexes(&[Index::ordered(&[("by", Ascending)]).unique()]);
    const PINNED: Collection =
        SERIES.ttl(Ttl { field: "at", after: Millis(1), partial: Some(Predicate::Exists("by")) });
    const UPDATED: Collection = Collection { insert_only: false, ..SERIES };

    const DIVIDED: Collection = Collection::new("a.b", 1)
        .fields(&[Field::text("day").format(Format::Date), Field::text("x")])
        .partition_by_month("day")
        .insert_only();
    const TEXTS: Collection = DIVIDED.partition_by_month("x");
    const MOVING: Collection = Collection { insert_only: false, ..DIVIDED };
    const NATURAL: Collection = DIVIDED.indexes(&[Index::ordered(&[("x", Ascending)]).unique()]);

    #[test]
    fn partitions_follow_the_rules_of_the_server() {
        let problem = |c: &'static Collection| Catalog::new(&[c]).unwrap_err().problem;
        assert_eq!(problem(&TEXTS), "not every document has a day `x` that selects its partition");
        assert_eq!(problem(&MOVING), "its documents change, so `day` cannot select their partition");
        assert_eq!(problem(&NATURAL), "its unique index `x` would hold within one partition only");
        assert!(Catalog::new(&[&DIVIDED]).is_ok());
    }

    #[test]
    fn time_series_follow_the_rules_of_every_store() {
        let problem = |c: &'static Collection| Catalog::new(&[c]).unwrap_err().problem;
        assert_eq!(problem(&UNTIMED), "not every row has a timestamp `end`");
        assert_eq!(problem(&UNSOURCED), "not every row has a source `any` that is a single value and not its id");
        assert_eq!(problem(&UNIQUE), "its index `by` is not a plain ordered one, but its rows are a time series");
        assert_eq!(problem(&PINNED), "its rows are a time series, so they expire by `at` alone");
        assert_eq!(problem(&UPDATED), "its rows are a time series, so they are insert-only");
        assert!(Catalog::new(&[&SERIES]).is_ok());
    }

    #[test]
    fn invalid_declarations_report_the_problem() {
        let problem = |c: &'static Collection| Catalog::new(&[c]).unwrap_err().to_string();
        assert_eq!(problem(&TWICE), "collection a.b: field `x` is declared twice");
        assert_eq!(problem(&UNDECLARED), "collection a.b: index `y` reads `y`, which is not a declared field");
        assert_eq!(problem(&NAME), "collection nodomain: its name is not `domain.collection` in lower case");
        assert_eq!(problem(&LOOSE), "collection a.b: unique index `x` reads `x`, which does not hold a single value");
        assert_eq!(problem(&LISTS), "collection a.b: unique index `x` reads `x`, which does not hold a single value");
        let absence =
            "collection a.b: unique index `x` is partial by a missing field; not every store can express that";
        assert_eq!(problem(&OPEN), absence);
        assert_eq!(problem(&NUMBERS), "collection a.b: `x` holds words, but is not a text");
        let two = "collection a.b: two text indexes are over words; MongoDB has one in a collection, so declare one over all fields";
        assert_eq!(problem(&SEARCHED), two);
        assert_eq!(Catalog::new(&[&VALID, &VALID]).unwrap_err().problem, "is declared twice");
    }
}

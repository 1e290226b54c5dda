//! Collections, declared once as data and interpreted by every store: fields, indexes, retention, references. Nothing
//! here depends on the meaning of a document or on where it is stored.

mod catalog;
mod check;
#[doc(hidden)]
pub mod declaration;
pub mod entity;
mod format;
pub mod keys;
mod query;
mod range;
pub mod sealed;
mod view;
#[doc(hidden)]
pub mod wire;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// ```
/// use runstate::schema::Wire;
///
/// #[derive(Wire)]
/// struct Parcel {
///     #[entity(id)]
///     parcel_id: String,
///     sent_at: Option<u64>,
///     #[entity(flatten)]
///     state: ParcelState,
/// }
///
/// #[derive(Wire)]
/// #[state(tag = "parcel_status")]
/// enum ParcelState {
///     OnItsWay { lorry_number: u32 },
/// }
///
/// let state = ParcelState::OnItsWay { lorry_number: 7 };
/// let parcel = Parcel { parcel_id: "p1".to_owned(), sent_at: None, state };
/// let expected = r#"{"id":"p1","sentAt":null,"parcelStatus":"on_its_way","lorryNumber":7}"#;
/// assert_eq!(serde_json::to_string(&parcel)?, expected);
/// # Ok::<(), serde_json::Error>(())
/// ```
pub use runstate_derive::Wire;
pub use runstate_derive::{Entity, FieldType, Fields, State};
use runstate_value::time::{Millis, Timestamp};
use runstate_value::{Document, Json, get};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use catalog::{Catalog, CatalogError};
pub use check::check_value;
pub use check::{RESERVED, Violation, check};
pub use entity::{Entity, FieldType, Fields, StatefulEntity};
pub use format::Format;
pub use keys::parse_decimal;
pub use query::page_rows;
pub use query::{
    Accumulator, Aggregate, DamageCode, DamagedDocument, Filter, Freshness, Group, Literal, Page, Predicate, Query,
    Sort,
};
pub use range::NumberRange;
pub use view::MaterializedView;

/// A collection: the fields of its documents and the indexes that find them.
///
/// ```
/// use runstate::schema::{Collection, Direction::Ascending, Field, Index};
/// const NOTES: Collection = Collection::new("demo.notes", 1)
///     .fields(&[Field::text("title").max(200), Field::list("tags").optional()])
///     .indexes(&[Index::ordered(&[("title", Ascending)]).unique(), Index::each(&[("tags", Ascending)])]);
/// assert!(runstate::schema::Catalog::new(&[&NOTES]).is_ok());
/// ```
#[derive(Debug)]
pub struct Collection {
    /// `domain.collection`.
    pub name: &'static str,
    /// Schema version. Documents store it as `_v`.
    pub version: u32,
    /// Declared fields. Documents may have others, which are not checked.
    pub fields: &'static [Field],
    /// Declared indexes.
    pub indexes: &'static [Index],
    /// The rule by which documents expire.
    pub ttl: Option<Ttl>,
    /// The field with a day by whose months PostgreSQL divides a new table; other stores ignore it. Every document has
    /// the day, is insert-only, and is in no unique index.
    pub partition_day: Option<&'static str>,
    /// Materialized views that read the documents; see [`MaterializedView`].
    pub views: &'static [&'static MaterializedView],
    /// The field by which a sharded MongoDB distributes the documents; `None`: the collection is small, and not
    /// distributed.
    pub shard: Option<ShardKey>,
    /// Documents are inserted and deleted, never updated.
    pub insert_only: bool,
    /// Documents are rows of a time series, written outside of commits with other documents.
    pub detached: Option<TimeSeries>,
    /// The fields whose values, joined by `:`, are the id of a document. Empty: documents need not have their id.
    pub id_fields: &'static [&'static str],
    /// The order of the keys of a document is a part of its value, as callers wrote it. Otherwise the declaration
    /// determines the members of the document, and their order has no meaning.
    pub keeps_order: bool,
}

/// A declared field. A dotted name is a field inside an object field.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Dotted path.
    pub name: &'static str,
    /// The kind of its values.
    pub kind: Kind,
    /// The format of its values, as a column type of SQL has it.
    pub format: Option<Format>,
    /// The least and the greatest of its values.
    pub range: NumberRange,
    /// Whether documents must have it.
    pub presence: Presence,
    /// The allowed values; empty: any value of its kind.
    pub values: &'static [&'static str],
    /// Largest size in bytes (texts, ids: UTF-8; lists, objects, JSON: of their JSON); 0: only the limit of the
    /// document.
    pub max_bytes: usize,
    /// Whether it holds a secret: a store with keys encrypts its values.
    pub secret: bool,
    /// Whether its text is words: runs of letters and digits in lower case, with one space between two. A text index
    /// over such fields is a native one on MongoDB, which splits and folds other texts differently.
    pub is_words: bool,
    /// Whether a secret can be found by its exact value: a store with keys keeps a keyed hash beside it.
    pub searchable: bool,
    /// The collection of which it holds an id.
    pub references: Option<&'static str>,
    /// Whether the document is a part of the one that it references.
    pub is_part: bool,
}

/// The kind of a field's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// UTF-8 text.
    Text,
    /// An integer within ±(2^53 - 1).
    Int,
    /// A finite double.
    Float,
    /// A boolean.
    Bool,
    /// An exact decimal number, stored as text.
    Decimal,
    /// Milliseconds since the epoch, UTC.
    Timestamp,
    /// An id: text of 1 to 200 bytes, without control characters.
    Id,
    /// Any plain value.
    Json,
    /// A list.
    List,
    /// An object.
    Object,
}

/// Whether documents must have a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Presence {
    /// Every document has the field.
    Required,
    /// The field may be missing or null; these are different states.
    Optional,
    /// The field may be missing, and the decoded entity then has this value. Queries and indexes use the stored
    /// document, without the value.
    Default(Literal),
}

/// Ascending or descending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Smallest first.
    Ascending,
    /// Largest first.
    Descending,
}

/// How an index reads its fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema, runstate_derive::Parameter)]
#[serde(rename_all = "snake_case")]
pub enum IndexKind {
    /// One entry per document: the values of its fields in order. A missing field counts as null.
    #[default]
    Ordered,
    /// One entry for every element of a list field.
    Each,
    /// One entry for every word of the fields.
    Text,
    /// JSON containment on a field.
    Contains,
}

/// A declared index.
#[derive(Debug)]
pub struct Index {
    /// Paths, each with its direction.
    pub fields: &'static [(&'static str, Direction)],
    /// How the fields are read.
    pub kind: IndexKind,
    /// No two documents have the same entry. Null counts as a value here, so two nulls conflict. Only over fields that
    /// hold single values (not JSON, lists or objects), and not partial by [`Predicate::Missing`]: every backend must
    /// be able to express it.
    pub unique: bool,
    /// Only documents for which it holds are in the index.
    pub partial: Option<Predicate>,
}

/// Documents expire when `after` has passed since the time in `field`, that instant included, if `partial` holds.
#[derive(Debug)]
pub struct Ttl {
    /// A timestamp field; documents without it never expire.
    pub field: &'static str,
    /// The time to live after that instant.
    pub after: Millis,
    /// Only documents for which it holds expire.
    pub partial: Option<Predicate>,
}

impl Ttl {
    /// The time from which a document is expired, that time included.
    pub fn expires_at(&self, document: &Document) -> Option<Timestamp> {
        let expires = self.partial.as_ref().is_none_or(|partial| partial.holds(document));
        let at = get(document, self.field)?.as_i64()?;
        expires.then(|| Timestamp::from_millis(at) + self.after)
    }
}

/// `field` holds an id of `collection`; see [`Collection::references`].
#[derive(Clone, Copy, Debug)]
pub struct Reference {
    /// Dotted path.
    pub field: &'static str,
    /// The collection of that id.
    pub collection: &'static str,
    /// Whether the document is a part of that one: a change of it counts as a change of that one.
    pub part: bool,
}

/// How a sharded MongoDB distributes the documents of a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShardKey {
    /// By a hash of the id.
    HashedId,
    /// By ranges of this field. Documents with the same value are on one shard.
    Ranged(&'static str),
}

/// A time series, such as metrics. Its rows are inserted and expire; they are never changed or deleted. A commit with
/// such rows has no other documents and no checks, so a store may write them where no transaction reaches: a
/// time-series collection of MongoDB.
///
/// The id of a row begins with its time, as a UUIDv7 does ([`time_of`](crate::id::time_of)): rows in the order of their
/// ids are in the order of their times, and a row is found by its id without an index on ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeSeries {
    /// The timestamp field with the time of a row.
    pub time: &'static str,
    /// The field with the source of a row. Rows with one source and close times are stored together.
    pub meta: &'static str,
}

impl Collection {
    /// The name of a stored field in results of operations, as [`Wire`](macro@Wire) gives it.
    pub fn member_name(&self, field: &str) -> String {
        if self.id_fields == [field] && field != "name" {
            return "id".to_owned();
        }
        let mut words = field.split('_');
        let first = words.next().unwrap_or_default().to_owned();
        words.fold(first, |name, word| {
            let (initial, rest) = word.split_at(word.len().min(1));
            name + &initial.to_ascii_uppercase() + rest
        })
    }

    /// Creates a collection without fields, indexes or retention.
    pub const fn new(name: &'static str, version: u32) -> Self {
        Self {
            name,
            version,
            fields: &[],
            indexes: &[],
            ttl: None,
            partition_day: None,
            views: &[],
            shard: None,
            insert_only: false,
            detached: None,
            id_fields: &[],
            keeps_order: false,
        }
    }

    setters! {
        fields: &'static [Field],
        indexes: &'static [Index],
        views: &'static [&'static MaterializedView],
        id_fields: &'static [&'static str];
        some ttl: Ttl,
        some shard: ShardKey;
        yes insert_only,
        yes keeps_order
    }

    /// Sets the field by whose months PostgreSQL divides the table.
    pub const fn partition_by_month(mut self, day: &'static str) -> Self {
        self.partition_day = Some(day);
        self
    }

    /// Declares that documents are rows of a time series.
    pub const fn detached(mut self, detached: TimeSeries) -> Self {
        self.detached = Some(detached);
        self.insert_only()
    }

    /// Whether the order of keys of the object at this path has no meaning, because the declaration determines its
    /// members; the empty path is the document. All other objects are values, which keep their order.
    pub fn is_structure<'a>(&self, path: impl Iterator<Item = &'a str> + Clone) -> bool {
        // The rest of a field's path after the object's, or the rest of the object's path after the field's.
        let rest = |field: &'static str| {
            let (mut names, mut path) = (field.split('.'), path.clone());
            loop {
                match (names.next(), path.next()) {
                    (Some(name), Some(key)) if name == key => {}
                    (name, key) => return (name, key),
                }
            }
        };
        let declares = |field: &Field| matches!(rest(field.name), (Some(_), None));
        let is_value = |field: &Field| field.kind == Kind::Json && rest(field.name).0.is_none();
        !self.keeps_order
            && (path.clone().next().is_none() || self.fields.iter().any(declares))
            && !self.fields.iter().any(is_value)
    }

    /// Sorts the keys of all objects of a document of which the order has no meaning, so that the same document is the
    /// same text, whatever the store.
    pub fn sort_structure(&self, document: &mut Document) {
        if !self.keeps_order {
            self.sort_object(document, &mut Vec::new());
        }
    }

    fn sort_object(&self, object: &mut Document, path: &mut Vec<String>) {
        object.sort_keys();
        for (name, value) in object {
            if let Json::Object(inner) = value {
                path.push(name.clone());
                if self.is_structure(path.iter().map(String::as_str)) {
                    self.sort_object(inner, path);
                }
                path.pop();
            }
        }
    }

    /// The fields that hold ids of other documents.
    pub fn references(&self) -> impl Iterator<Item = Reference> + use<> {
        self.fields.iter().filter_map(|field| {
            Some(Reference { field: field.name, collection: field.references?, part: field.is_part })
        })
    }

    /// The reference by which its documents belong to those of another collection. Belonging requires it: its field is
    /// required.
    pub fn owner_reference(&self, to: &str) -> Option<Reference> {
        let required = |path: &str| self.fields.iter().any(|f| f.name == path && f.presence == Presence::Required);
        self.references().find(|reference| reference.collection == to && required(reference.field))
    }

    /// The text index over words, if there is one. At most one is declared: MongoDB has one text index in a collection.
    pub fn words_index(&self) -> Option<&'static Index> {
        self.indexes.iter().find(|index| self.is_over_words(index))
    }

    /// Whether it is an index of all documents over fields that hold words.
    fn is_over_words(&self, index: &Index) -> bool {
        let holds_words = |path: &str| self.fields.iter().any(|field| field.name == path && field.is_words);
        index.kind == IndexKind::Text
            && index.partial.is_none()
            && index.fields.iter().all(|(path, _)| holds_words(path))
    }

    /// The kind of the field at `path`. Undeclared fields are JSON.
    pub fn kind_of(&self, path: &str) -> Kind {
        self.fields.iter().find(|f| f.name == path).map_or(Kind::Json, |f| f.kind)
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $kind:ident),+ $(,)?) => {
        impl Field {
            $($(#[$doc])* pub const fn $name(name: &'static str) -> Self { Self::new(name, Kind::$kind) })+
        }
    };
}

kinds! {
    /// A required text.
    text = Text,
    /// A required integer.
    int = Int,
    /// A required double.
    float = Float,
    /// A required boolean.
    bool = Bool,
    /// A required decimal.
    decimal = Decimal,
    /// A required timestamp.
    timestamp = Timestamp,
    /// A required id.
    id = Id,
    /// A required plain value.
    json = Json,
    /// A required list.
    list = List,
    /// A required object.
    object = Object,
}

impl Field {
    const fn new(name: &'static str, kind: Kind) -> Self {
        Self {
            name,
            kind,
            format: None,
            range: NumberRange::ANY,
            presence: Presence::Required,
            values: &[],
            max_bytes: 0,
            secret: false,
            is_words: false,
            searchable: false,
            references: None,
            is_part: false,
        }
    }

    /// A field with the declaration of the type `T`.
    pub const fn of<T: FieldType>(name: &'static str) -> Self {
        let mut field = Self::new(name, T::KIND).one_of(T::VALUES);
        field.format = T::FORMAT;
        field.range = T::RANGE;
        if T::OPTIONAL { field.optional() } else { field }
    }

    setters! { kind: Kind, range: NumberRange; some format: Format; yes secret, yes searchable }

    /// Declares that the field holds an id of this collection.
    pub const fn references(mut self, collection: &'static str) -> Self {
        self.references = Some(collection);
        self
    }

    /// Declares that the field holds the id of the document, of this collection, that this document is a part of.
    pub const fn part_of(mut self, collection: &'static str) -> Self {
        self.is_part = true;
        self.references(collection)
    }

    /// Declares that the text is words in lower case, with one space between two.
    pub const fn words(mut self) -> Self {
        self.is_words = true;
        self
    }

    /// Makes the field optional.
    pub const fn optional(mut self) -> Self {
        self.presence = Presence::Optional;
        self
    }

    /// Sets the value that a missing field counts as.
    pub const fn default(mut self, value: Literal) -> Self {
        self.presence = Presence::Default(value);
        self
    }

    /// Sets the allowed values.
    pub const fn one_of(mut self, values: &'static [&'static str]) -> Self {
        self.values = values;
        self
    }

    /// Sets the largest size in bytes.
    pub const fn max(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }
}

impl IndexKind {
    /// Whether it is over ordered values.
    pub fn is_ordered(&self) -> bool {
        *self == Self::Ordered
    }
}

impl Index {
    /// Creates an ordered index over these `(path, direction)` pairs.
    pub const fn ordered(fields: &'static [(&'static str, Direction)]) -> Self {
        Self { fields, kind: IndexKind::Ordered, unique: false, partial: None }
    }

    /// Creates an index with one entry for every element of the list in this field.
    pub const fn each(fields: &'static [(&'static str, Direction)]) -> Self {
        Self { fields, kind: IndexKind::Each, unique: false, partial: None }
    }

    /// Creates a text index over the words of these fields.
    pub const fn text(fields: &'static [(&'static str, Direction)]) -> Self {
        Self { fields, kind: IndexKind::Text, unique: false, partial: None }
    }

    /// Creates a containment index on the JSON in this field.
    pub const fn contains(field: &'static [(&'static str, Direction)]) -> Self {
        Self { fields: field, kind: IndexKind::Contains, unique: false, partial: None }
    }

    /// Forbids two documents with the same entry.
    pub const fn unique(mut self) -> Self {
        self.unique = true;
        self
    }

    /// Restricts the index to documents for which `predicate` holds.
    pub const fn partial(mut self, predicate: Predicate) -> Self {
        self.partial = Some(predicate);
        self
    }

    /// The name in errors and backends: `programName_started-`.
    pub fn name(&self) -> String {
        let parts: Vec<String> = self
            .fields
            .iter()
            .map(|(path, direction)| match direction {
                Direction::Ascending => (*path).to_owned(),
                Direction::Descending => format!("{path}-"),
            })
            .collect();
        parts.join("_")
    }
}

/// The key of a document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// Name of the collection.
    #[serde(rename = "c")]
    pub collection: Cow<'static, str>,
    /// Id of the document.
    pub id: Arc<str>,
}

impl Key {
    /// The document `id` of `collection`.
    pub fn new(collection: &Collection, id: &str) -> Self {
        Self { collection: Cow::Borrowed(collection.name), id: id.into() }
    }

    /// The total length of its two parts in bytes.
    pub fn bytes(&self) -> usize {
        self.collection.len() + self.id.len()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.collection, self.id)
    }
}

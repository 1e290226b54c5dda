//! What a collection is, declared once as data and interpreted by every store: fields, indexes, retention, references.
//! Nothing here knows what a document means, nor where it is kept.

mod catalog;
mod check;
mod decimal;
pub mod keys;
mod predicate;
mod query;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::time::Millis;

pub use catalog::{Catalog, CatalogError};
pub use check::{RESERVED, Violation, check};
pub use decimal::parse_decimal;
pub use predicate::{Constant, Predicate};
pub use query::{Accumulator, Aggregate, Filter, Group, Query, Sort};

/// A collection: what its documents hold and how they are found.
///
/// ```
/// use runstate::schema::{Collection, Direction::Ascending, Field, Index};
/// const NOTES: Collection = Collection::new("demo.notes", 1)
///     .fields(&[Field::text("title").max(200), Field::list("tags").optional()])
///     .indexes(&[Index::by(&[("title", Ascending)]).unique(), Index::each(&[("tags", Ascending)])]);
/// assert!(runstate::schema::Catalog::new(&[&NOTES]).is_ok());
/// ```
#[derive(Debug)]
pub struct Collection {
    /// `domain.collection`.
    pub name: &'static str,
    /// Schema version; documents carry it as `_v`.
    pub version: u32,
    /// Declared fields. Documents may hold others; those are not checked.
    pub fields: &'static [Field],
    /// Declared indexes.
    pub indexes: &'static [Index],
    /// When documents expire by themselves.
    pub ttl: Option<Ttl>,
    /// Fields that hold ids of other collections.
    pub references: &'static [Reference],
    /// Documents are inserted and deleted, never changed.
    pub insert_only: bool,
    /// Many commits at once check the same document, and few change one: a hint for stores where checking is writing.
    pub much_checked: bool,
}

/// A declared field. A dotted name is a field inside an object field.
#[derive(Debug)]
pub struct Field {
    /// Dotted path.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether it must be there.
    pub presence: Presence,
    /// The values it may have; empty: any of its kind.
    pub values: &'static [&'static str],
    /// Largest size in bytes (texts, ids: UTF-8; lists, objects, JSON: of their JSON); 0: only the document's bound.
    pub max_bytes: usize,
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
    /// An exact decimal number, in documents as its text.
    Decimal,
    /// Milliseconds since the epoch, UTC.
    Timestamp,
    /// An id: text under the rule of [`crate::id::check`].
    Id,
    /// Any plain value.
    Json,
    /// A list.
    List,
    /// An object.
    Object,
}

/// Whether a field must be there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Presence {
    /// Every document has it.
    Required,
    /// It may be missing or null; the two are told apart.
    Optional,
    /// It may be missing, and whoever reads the entity then takes this. Queries and indexes see what is stored: nothing.
    Default(Constant),
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexKind {
    /// One entry a document: the values of its fields in order. A missing field counts as null.
    Ordered,
    /// One entry for every element of a list field.
    Each,
    /// The words of the fields.
    Text,
    /// JSON containment on a field.
    Contains,
}

/// A declared index.
#[derive(Debug)]
pub struct Index {
    /// Paths with a direction each.
    pub fields: &'static [(&'static str, Direction)],
    /// How the fields are read.
    pub kind: IndexKind,
    /// No two documents have the same entry; null is a value here, two nulls clash. Only over fields that hold single values
    /// (not JSON, lists or objects), and not partial by [`Predicate::Missing`]: every backend must be able to state it.
    pub unique: bool,
    /// Only documents for which this holds are in the index.
    pub partial: Option<Predicate>,
}

/// Documents expire `after` the time in `field`, that moment included, where `partial` holds.
#[derive(Debug)]
pub struct Ttl {
    /// A timestamp field; documents without it never expire.
    pub field: &'static str,
    /// How long after it.
    pub after: Millis,
    /// Only documents for which this holds expire.
    pub partial: Option<Predicate>,
}

/// `field` holds an id of `collection`.
#[derive(Debug)]
pub struct Reference {
    /// Dotted path.
    pub field: &'static str,
    /// The collection it points into.
    pub collection: &'static str,
}

impl Collection {
    /// A collection without fields, indexes or retention yet.
    pub const fn new(name: &'static str, version: u32) -> Self {
        Self {
            name,
            version,
            fields: &[],
            indexes: &[],
            ttl: None,
            references: &[],
            insert_only: false,
            much_checked: false,
        }
    }

    /// With these fields.
    pub const fn fields(mut self, fields: &'static [Field]) -> Self {
        self.fields = fields;
        self
    }

    /// With these indexes.
    pub const fn indexes(mut self, indexes: &'static [Index]) -> Self {
        self.indexes = indexes;
        self
    }

    /// With this retention.
    pub const fn ttl(mut self, ttl: Ttl) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// With these references.
    pub const fn references(mut self, references: &'static [Reference]) -> Self {
        self.references = references;
        self
    }

    /// Its documents never change.
    pub const fn insert_only(mut self) -> Self {
        self.insert_only = true;
        self
    }

    /// Many rest on each of its documents, and few change one.
    pub const fn much_checked(mut self) -> Self {
        self.much_checked = true;
        self
    }

    /// What the field at `path` holds; undeclared fields are JSON.
    pub fn kind_of(&self, path: &str) -> Kind {
        self.fields.iter().find(|f| f.name == path).map_or(Kind::Json, |f| f.kind)
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $kind:ident),+ $(,)?) => {
        impl Field {
            $($(#[$doc])* pub const fn $name(name: &'static str) -> Self { Self::of(name, Kind::$kind) })+
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
    const fn of(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, presence: Presence::Required, values: &[], max_bytes: 0 }
    }

    /// It may be missing.
    pub const fn optional(mut self) -> Self {
        self.presence = Presence::Optional;
        self
    }

    /// Where it is missing it counts as `value`.
    pub const fn default(mut self, value: Constant) -> Self {
        self.presence = Presence::Default(value);
        self
    }

    /// It has one of these values.
    pub const fn one_of(mut self, values: &'static [&'static str]) -> Self {
        self.values = values;
        self
    }

    /// It has at most so many bytes.
    pub const fn max(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }
}

impl Index {
    /// Ordered by these `(path, direction)` pairs.
    pub const fn by(fields: &'static [(&'static str, Direction)]) -> Self {
        Self { fields, kind: IndexKind::Ordered, unique: false, partial: None }
    }

    /// One entry for every element of the list at `field`.
    pub const fn each(fields: &'static [(&'static str, Direction)]) -> Self {
        Self { fields, kind: IndexKind::Each, unique: false, partial: None }
    }

    /// The words of these text fields.
    pub const fn text(fields: &'static [(&'static str, Direction)]) -> Self {
        Self { fields, kind: IndexKind::Text, unique: false, partial: None }
    }

    /// Containment in the JSON at `field`.
    pub const fn contains(field: &'static [(&'static str, Direction)]) -> Self {
        Self { fields: field, kind: IndexKind::Contains, unique: false, partial: None }
    }

    /// No two documents have the same entry.
    pub const fn unique(mut self) -> Self {
        self.unique = true;
        self
    }

    /// Only of documents for which `predicate` holds.
    pub const fn partial(mut self, predicate: Predicate) -> Self {
        self.partial = Some(predicate);
        self
    }

    /// The name by which errors and backends call it: `programName_started-`.
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

/// Names one document.
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

    /// How many bytes its two parts have.
    pub fn bytes(&self) -> usize {
        self.collection.len() + self.id.len()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.collection, self.id)
    }
}

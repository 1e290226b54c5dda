//! Entities: structs that are stored as documents. Their declaration and their conversion are derived from the struct.
//!
//! A document that does not match its type was changed from outside, or a newer version wrote it. Reading it reports
//! the field.

use std::collections::BTreeMap;
use std::fmt::Display;

use runstate_value::time::{Date, Millis, Timestamp};
use runstate_value::{self as value, Document, Json};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{Collection, Field, Format, Kind, Literal, NumberRange, Violation, parse_decimal};

/// A struct that is stored as a document of its own collection.
///
/// ```
/// use runstate::schema::{Entity, FieldType, State};
/// use runstate::time::Timestamp;
///
/// /// A parcel on its way.
/// #[derive(Entity, Clone, Debug, PartialEq)]
/// #[entity(collection = "demo.parcels", version = 1)]
/// #[index(receiver, status)]
/// #[ttl(delivered_at, days = 30, when = "status in ['delivered', 'lost']")]
/// struct Parcel {
///     #[entity(id)]
///     parcel_id: String,
///     #[entity(max = 200)]
///     receiver: String,
///     #[entity(omit_default)]
///     tags: Vec<String>,
///     #[entity(state)]
///     state: ParcelState,
/// }
///
/// /// A variant owns its fields, so a status and its time cannot disagree.
/// #[derive(State, Clone, Debug, PartialEq)]
/// enum ParcelState {
///     Sent,
///     Delivered { delivered_at: Timestamp },
///     Lost { reason: Reason },
/// }
///
/// /// A text with these values.
/// #[derive(FieldType, Clone, Copy, Debug, PartialEq)]
/// enum Reason {
///     Theft,
///     WrongAddress,
/// }
///
/// let parcel =
///     Parcel { parcel_id: "p1".into(), receiver: "Ada".into(), tags: vec![], state: ParcelState::Lost { reason: Reason::WrongAddress } };
/// let document = parcel.to_document()?;
/// assert_eq!(document["status"], "lost");
/// assert_eq!(document["reason"], "wrong_address");
/// assert_eq!(Parcel::from_document(&document)?, parcel);
/// assert!(runstate::schema::Catalog::new(&[&Parcel::COLLECTION]).is_ok());
/// # Ok::<(), runstate::schema::Violation>(())
/// ```
///
/// # Attributes of the struct
///
/// | attribute | meaning |
/// |---|---|
/// | `#[entity(collection = "domain.name", version = 1)]` | name and schema version |
/// | `#[entity(insert_only)]` | see [`Collection`] |
/// | `#[entity(detached(time = at, meta = source))]` | a time series, whose rows are insert-only; see [`TimeSeries`](super::TimeSeries) |
/// | `#[entity(noun = "parcel", filters(status, to = "depot.city"))]` | the queries `domain.parcel.show` and `domain.parcel.list`, with these filters; see [`EntityQueries`](crate::operation::EntityQueries) |
/// | `#[entity(when = "missing(removed)")]` | a document for which it does not hold is missing for these queries |
/// | `#[entity(list(row = ParcelRow, sort = "sent desc"))]` | what the list returns of a document, and its order by default; `show` has `row` too; both may have another `name` and `cli` |
/// | `#[entity(partition_by_month = day)]` | PostgreSQL divides the table by the months of this day; see [`Collection`] |
/// | `#[entity(views(SUMMARY))]` | PostgreSQL keeps this [`MaterializedView`](super::MaterializedView) |
/// | `#[entity(rename_all = "camelCase")]` | stored names in that case; without it as in Rust |
/// | `#[entity(inside = "state")]` | the fields are stored in that object |
/// | `#[entity(upgrade = function)]` | corrects a value read from a document of an older version: `fn(Self) -> Self` |
/// | `#[index(a, b desc, unique, when = "…")]` | an ordered index; unique; partial |
/// | `#[index(each(a))]`, `text(…)`, `contains(…)` | the other kinds of [`Index`](super::Index) |
/// | `#[ttl(a, days = 30, when = "…")]` | retention, also in `seconds`, or `after` a [`Millis`] |
///
/// A name in an index is that of a field of the struct or of its state, or a stored path in quotes
/// (`"request.timestamp"`). A condition is `exists(field)`, `missing(field)`, `field = value` or `field in [value, …]`,
/// joined by `and` and `or`.
///
/// # Attributes of a field
///
/// | attribute | meaning |
/// |---|---|
/// | `id` | the id of the document; with `default` a document may lack it |
/// | `composed_of(a, b)` | the id is the values of these fields, joined by `:`; for an id with `default` |
/// | `references = "domain.name"` | holds an id of that collection; also in a state or an object, but not in the elements of a list or map |
/// | `part_of = "domain.name"` | holds the id of the document that this one is a part of; see [`Reference`](super::Reference) |
/// | `format = varchar(50)` | the [`Format`]: `uuid`, `date`, `varchar(characters)`, `decimal(precision, scale)` or `integer` |
/// | `kind = id` | the declared kind, if it differs from that of the type |
/// | `rename = "name"`, `path = "state.pc"` | the stored name; the stored path in an object |
/// | `max = 200`, `values = LIST` | largest size in bytes; allowed values |
/// | `default` | a document that lacks it gives the type's default |
/// | `default = 0` | the same with this [`Literal`], which the declaration holds |
/// | `omit_default` | as `default`, and the default is not stored |
/// | `optional` | declared optional, although this type requires it: other rows of the collection lack it |
/// | `declared("a", "b" = optional)` | only these fields of the object are declared |
/// | `undeclared` | stored and read, but not declared |
/// | `secret` | holds a secret, which a store with keys encrypts |
/// | `hidden` | no result of an operation shows it; see [`Wire`](macro@super::Wire) |
/// | `searchable` | a secret that can be found by its exact value |
/// | `words` | a text of words in lower case, for a text index; see [`Field`] |
/// | `updated` | the time of the last change; see [`Decision::save`](crate::decision::Decision::save) |
/// | `shard` | a sharded MongoDB distributes the documents by this field; by the id: by its hash; see [`ShardKey`](super::ShardKey) |
/// | `state` | an enum with [`State`](macro@super::State): its tag and the fields of its variant are stored at this level |
/// | `flatten` | a struct with [`Fields`](macro@super::Fields), whose fields are stored at this level |
///
/// # Attributes for special collections
///
/// No answer depends on them: each store reads, queries and refuses the same documents. A backend may use them natively.
/// The conformance suite has a case for each.
///
/// | attribute | for | used natively by | on other stores |
/// |---|---|---|---|
/// | `detached` | many small rows that are kept for a short time | MongoDB: a time-series collection | documents as others |
/// | `partition_by_month` | a history that is read and removed by its day | PostgreSQL: a partition for each month | nothing |
/// | `views` | numbers for programs that read with SQL | PostgreSQL: a materialized view | nothing; an operation computes them |
/// | `words` | a text that is searched | MongoDB: a text index, with `#[index(text(…))]` | an index over its words |
/// | `secret`, `searchable` | a credential | a store with keys, on any backend: encryption | a value as others |
/// | `composed_of` | documents of other programs, which have other ids | the import of such documents | nothing |
/// | [`FieldType::RANGE`] | the least and the greatest number | PostgreSQL: a check | a check of each write |
///
/// Partitions and views need regular work: a [`DueRule`](crate::operation::DueRule) with `maintains`.
///
/// ```
/// use runstate::schema::{
///     Catalog, Entity, FieldType, Kind, MaterializedView, NumberRange, Violation, check,
/// };
/// use runstate::time::{Date, Timestamp};
/// use runstate::value::Json;
///
/// #[derive(Entity, Clone)]
/// #[entity(collection = "demo.readings", version = 1, detached(time = at, meta = meter))]
/// #[ttl(at, days = 30)]
/// struct Reading {
///     #[entity(id)]
///     id: String,
///     at: Timestamp,
///     meter: String,
///     level: f64,
/// }
///
/// #[derive(Entity, Clone)]
/// #[entity(collection = "demo.bills", version = 1, insert_only, partition_by_month = day, views(BY_METER))]
/// struct Bill {
///     #[entity(id, default, composed_of(meter, day))]
///     id: String,
///     meter: String,
///     day: Date,
///     share: Percent,
/// }
///
/// const BY_METER: MaterializedView = MaterializedView {
///     name: "demo.bills_by_meter",
///     query: "SELECT meter, avg(share) AS share FROM demo.bills GROUP BY meter",
///     reads: &[("demo.bills", &["meter", "share"])],
///     index: "bills_by_meter_key",
///     key: &["meter"],
/// };
///
/// #[derive(Entity, Clone)]
/// #[entity(collection = "demo.meters", version = 1)]
/// #[index(text(words))]
/// struct Meter {
///     #[entity(id)]
///     id: String,
///     #[entity(words)]
///     words: String,
///     #[entity(secret)]
///     token: String,
/// }
///
/// #[derive(Clone)]
/// struct Percent(u8);
///
/// impl FieldType for Percent {
///     const KIND: Kind = Kind::Int;
///     const RANGE: NumberRange = NumberRange { min: Some(0), max: Some(100) };
///
///     fn to_json(&self) -> Result<Json, Violation> {
///         Ok(self.0.into())
///     }
///
///     fn from_json(value: &Json) -> Result<Self, Violation> {
///         u8::from_json(value).map(Self)
///     }
/// }
///
/// assert!(Catalog::new(&[&Reading::COLLECTION, &Bill::COLLECTION, &Meter::COLLECTION]).is_ok());
/// let day = Date::parse("2024-08-01").unwrap();
/// let bill = Bill { id: "m1:2024-08-01".into(), meter: "m1".into(), day, share: Percent(101) };
/// let refused = check(&Bill::COLLECTION, &bill.to_document()?).unwrap_err();
/// assert_eq!(refused.to_string(), "share: is not a number from 0 to 100");
/// # Ok::<(), Violation>(())
/// ```
///
/// # Attributes of a state
///
/// `#[state(tag = "state.status")]` on the enum names the field that holds the variant's name; without it `status`.
/// `#[state(name = "…")]` on a variant is its stored name; without it the name in snake case. `#[state(marker =
/// "deleting")]` is for a variant that documents name by a field that is true; its fields may include the tag.
///
/// `#[state(status = ParcelStatus)]` on the enum declares that enum, which has the same variants without data and their
/// documentation. The state then has `status()`, and is a state of a [`Lifecycle`](crate::decision::Lifecycle). The
/// fields of its variants have defaults.
pub trait Entity: Fields + Clone + 'static {
    /// The collection, as stores interpret it.
    const COLLECTION: Collection;

    /// What errors call it: `session`.
    const NOUN: &'static str = Self::COLLECTION.name;

    /// The operation that lists the documents, if there is one.
    const LISTED_BY: Option<&'static str> = None;

    /// The id of the document.
    fn id(&self) -> &str;

    /// Sets the field with `#[entity(updated)]`, if there is one.
    fn set_updated(&mut self, now: Timestamp) {
        _ = now;
    }

    /// Converts to a document.
    fn to_document(&self) -> Result<Document, Violation> {
        let mut document = Document::new();
        self.write_fields(&mut document)?;
        Ok(document)
    }

    /// Converts from a document.
    fn from_document(document: &Document) -> Result<Self, Violation> {
        Self::read_fields(document)
    }
}

/// An entity with a state. `#[derive(Entity)]` implements it for a struct with a field `#[entity(state)]`.
pub trait StatefulEntity: Entity {
    /// The type of the state.
    type State;

    /// The state.
    fn state(&self) -> &Self::State;

    /// The state, to change it.
    fn state_mut(&mut self) -> &mut Self::State;
}

/// A type that is stored as fields of an object: an entity, a struct inside it, or a state.
pub trait Fields: Sized {
    /// Its declared fields. Paths begin at the object.
    const FIELDS: &'static [Field];

    /// Writes its fields to an object.
    fn write_fields(&self, document: &mut Document) -> Result<(), Violation>;

    /// Reads its fields from an object.
    fn read_fields(document: &Document) -> Result<Self, Violation>;

    /// Sets the id of an entity whose document does not repeat it: its field has `#[entity(id, default)]`.
    fn set_missing_id(&mut self, id: &str) {
        _ = id;
    }
}

/// A type of a stored field.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a type of a stored field",
    note = "a struct derives `Fields`, an enum without data derives `FieldType`, a type with serde's traits uses `serialized_field_type!`",
    note = "a field with an enum that derives `State` needs `#[entity(state)]`"
)]
pub trait FieldType: Sized {
    /// The kind of its values.
    const KIND: Kind;
    /// The format of its values.
    const FORMAT: Option<Format> = None;
    /// The range of its values.
    const RANGE: NumberRange = NumberRange::ANY;
    /// Whether documents may lack it.
    const OPTIONAL: bool = false;
    /// Whether null is one of its values.
    const HOLDS_NULL: bool = false;
    /// The allowed values; empty: any value of its kind.
    const VALUES: &'static [&'static str] = &[];
    /// The declared fields of an object.
    const FIELDS: &'static [Field] = &[];

    /// Converts to the stored value.
    fn to_json(&self) -> Result<Json, Violation>;

    /// Converts from the stored value.
    fn from_json(value: &Json) -> Result<Self, Violation>;

    /// As [`FieldType::to_json`]; `None`: the field is missing.
    fn to_member(&self) -> Result<Option<Json>, Violation> {
        self.to_json().map(Some)
    }

    /// As [`FieldType::from_json`]; `None`: the field is missing.
    fn from_member(value: Option<&Json>) -> Result<Self, Violation> {
        value.map_or_else(|| Err(violation(&"is missing")), Self::from_json)
    }
}

/// A violation of the value itself. Its field is added by the struct that has the value.
#[cold]
#[inline(never)]
fn violation(reason: &dyn Display) -> Violation {
    Violation::new(String::new(), reason.to_string())
}

/// A field of any type, to write it.
pub trait AnyField {
    /// [`FieldType::to_member`].
    fn member(&self) -> Result<Option<Json>, Violation>;
}

impl<T: FieldType> AnyField for T {
    fn member(&self) -> Result<Option<Json>, Violation> {
        self.to_member()
    }
}

/// Writes a field. The objects on its path are added if they are missing.
pub fn write_field(document: &mut Document, path: &str, value: &dyn AnyField) -> Result<(), Violation> {
    if let Some(json) = value.member().map_err(|violation| violation.inside(path))? {
        insert(document, path, json);
    }
    Ok(())
}

/// Reads a field.
pub fn read_field<T: FieldType>(document: &Document, path: &str) -> Result<T, Violation> {
    T::from_member(value::get(document, path)).map_err(|violation| violation.inside(path))
}

/// Reads a field; the default of the type if it is missing or null.
pub fn read_field_or_default<T: FieldType + Default>(document: &Document, path: &str) -> Result<T, Violation> {
    Ok(read_field::<Option<T>>(document, path)?.unwrap_or_default())
}

/// Reads a field; the default of its declaration if it is missing.
pub fn read_field_or_literal<T: FieldType>(document: &Document, path: &str, default: Literal) -> Result<T, Violation> {
    match value::get(document, path) {
        Some(value) => T::from_json(value),
        None => T::from_json(&default.to_json()),
    }
    .map_err(|violation| violation.inside(path))
}

/// The text that names a variant.
pub fn read_tag<'a>(document: &'a Document, path: &str) -> Result<&'a str, Violation> {
    let tag = value::get(document, path).ok_or_else(|| violation(&"is missing").inside(path))?;
    tag.as_str().ok_or_else(|| violation(&"is not a text").inside(path))
}

/// The violation for a text that is not one of `allowed`.
#[cold]
pub fn unknown_tag(path: &str, allowed: &[&str]) -> Violation {
    violation(&format_args!("is not one of {}", allowed.join(", "))).inside(path)
}

/// Inserts a value at a dotted path.
pub fn insert(document: &mut Document, path: &str, value: Json) {
    let Some((object, rest)) = path.split_once('.') else {
        document.insert(path.to_owned(), value);
        return;
    };
    if let Some(Json::Object(inner)) = document.get_mut(object) {
        return insert(inner, rest, value);
    }
    let mut inner = Document::new();
    insert(&mut inner, rest, value);
    document.insert(object.to_owned(), Json::Object(inner));
}

/// Converts a value with serde's traits.
pub fn serialize<T: Serialize>(value: &T) -> Result<Json, Violation> {
    serde_json::to_value(value).map_err(|error| violation(&error))
}

/// Converts to a type with serde's traits.
pub fn deserialize<'de, T: Deserialize<'de>>(value: &'de Json) -> Result<T, Violation> {
    value::from_value(value).map_err(|error| violation(&error))
}

/// Implements [`FieldType`] for types with serde's traits: `serialized_field_type!(LogLevel: Text)`.
#[macro_export]
macro_rules! serialized_field_type {
    ($($type:ty: $kind:ident),+ $(,)?) => {$(
        impl $crate::schema::FieldType for $type {
            const KIND: $crate::schema::Kind = $crate::schema::Kind::$kind;

            fn to_json(&self) -> Result<$crate::value::Json, $crate::schema::Violation> {
                $crate::schema::entity::serialize(self)
            }

            fn from_json(value: &$crate::value::Json) -> Result<Self, $crate::schema::Violation> {
                $crate::schema::entity::deserialize(value)
            }
        }
    )+};
}

serialized_field_type!(
    String: Text, bool: Bool, u8: Int, u16: Int, u32: Int, u64: Int, i32: Int, i64: Int, f64: Float, Timestamp: Timestamp, Millis: Int,
    Document: Object
);

impl FieldType for Json {
    const KIND: Kind = Kind::Json;
    const HOLDS_NULL: bool = true;

    fn to_json(&self) -> Result<Json, Violation> {
        Ok(self.clone())
    }

    fn from_json(value: &Json) -> Result<Self, Violation> {
        Ok(value.clone())
    }
}

impl FieldType for Date {
    const KIND: Kind = Kind::Text;
    const FORMAT: Option<Format> = Some(Format::Date);

    fn to_json(&self) -> Result<Json, Violation> {
        Ok(self.to_string().into())
    }

    fn from_json(value: &Json) -> Result<Self, Violation> {
        value.as_str().and_then(Self::parse).ok_or_else(|| violation(&"is not a day `YYYY-MM-DD`"))
    }
}

impl FieldType for Decimal {
    const KIND: Kind = Kind::Decimal;

    fn to_json(&self) -> Result<Json, Violation> {
        Ok(self.to_string().into())
    }

    fn from_json(value: &Json) -> Result<Self, Violation> {
        value.as_str().and_then(parse_decimal).ok_or_else(|| violation(&"is not a decimal number in text"))
    }
}

impl<T: FieldType> FieldType for Option<T> {
    const KIND: Kind = T::KIND;
    const FORMAT: Option<Format> = T::FORMAT;
    const RANGE: NumberRange = T::RANGE;
    const OPTIONAL: bool = true;
    const HOLDS_NULL: bool = true;
    const VALUES: &'static [&'static str] = T::VALUES;
    const FIELDS: &'static [Field] = T::FIELDS;

    fn to_json(&self) -> Result<Json, Violation> {
        self.as_ref().map_or(Ok(Json::Null), T::to_json)
    }

    fn from_json(value: &Json) -> Result<Self, Violation> {
        match value {
            Json::Null if !T::HOLDS_NULL => Ok(None),
            value => T::from_json(value).map(Some),
        }
    }

    fn to_member(&self) -> Result<Option<Json>, Violation> {
        self.as_ref().map(T::to_json).transpose()
    }

    fn from_member(value: Option<&Json>) -> Result<Self, Violation> {
        value.map_or(Ok(None), Self::from_json)
    }
}

impl<T: FieldType> FieldType for Vec<T> {
    const KIND: Kind = Kind::List;

    fn to_json(&self) -> Result<Json, Violation> {
        let items = self.iter().enumerate();
        items.map(|(index, item)| item.to_json().map_err(|violation| violation.inside(&index.to_string()))).collect()
    }

    fn from_json(value: &Json) -> Result<Self, Violation> {
        let items = value.as_array().ok_or_else(|| violation(&"is not a list"))?.iter().enumerate();
        items
            .map(|(index, item)| T::from_json(item).map_err(|violation| violation.inside(&index.to_string())))
            .collect()
    }
}

impl<T: FieldType> FieldType for BTreeMap<String, T> {
    const KIND: Kind = Kind::Object;

    fn to_json(&self) -> Result<Json, Violation> {
        let mut object = Document::new();
        for (name, item) in self {
            object.insert(name.clone(), item.to_json().map_err(|violation| violation.inside(name))?);
        }
        Ok(Json::Object(object))
    }

    fn from_json(value: &Json) -> Result<Self, Violation> {
        let mut read = Self::new();
        for (name, item) in value.as_object().ok_or_else(|| violation(&"is not an object"))? {
            read.insert(name.clone(), T::from_json(item).map_err(|violation| violation.inside(name))?);
        }
        Ok(read)
    }
}

impl<T: Fields> FieldType for T {
    const KIND: Kind = Kind::Object;
    const FIELDS: &'static [Field] = <T as Fields>::FIELDS;

    fn to_json(&self) -> Result<Json, Violation> {
        let mut object = Document::new();
        self.write_fields(&mut object)?;
        Ok(Json::Object(object))
    }

    fn from_json(value: &Json) -> Result<Self, Violation> {
        Self::read_fields(value.as_object().ok_or_else(|| violation(&"is not an object"))?)
    }
}

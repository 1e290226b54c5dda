//! Declarations of collections at run time: their JSON form, their limits, and the collection that each declares.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use runstate_core::decision::Rejection;
use runstate_core::error_code::ErrorCode;
use runstate_core::limits::{
    COLLECTION_NAME_BYTES, DECLARATION_BYTES, DECLARATIONS_BYTES, DECLARED_FIELDS, DECLARED_INDEXES, FIELD_NAME_BYTES,
    INDEXED_FIELDS,
};
use runstate_core::operation::Parameters;
use runstate_core::schema::{
    Catalog, Collection, Direction, Field, Filter, Index, IndexKind, Kind, Literal, NumberRange, Predicate, Presence,
    Ttl,
};
use runstate_value::time::Millis;
use runstate_value::{Document, Json, canonical_json};
use schemars::JsonSchema;
use serde::Serialize;

use super::PREFIX;
use crate::Error;

/// A collection that is declared at run time.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema, Parameters)]
#[serde(rename_all = "camelCase")]
pub struct CollectionDeclaration {
    /// Its name: a lower-case letter, then lower-case letters, digits and `_`.
    #[operation(subject)]
    pub collection: String,
    /// Its version; by default 1, and one more for each change. A declaration without a version never changes one that
    /// has a version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// Its fields. Documents may have others, which are not checked.
    #[operation(default = Vec::new())]
    #[serde(default)]
    pub fields: Vec<FieldDeclaration>,
    /// Its indexes.
    #[operation(default = Vec::new())]
    #[serde(default)]
    pub indexes: Vec<IndexDeclaration>,
    /// When its documents expire; by default never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<TtlDeclaration>,
    /// Whether documents are inserted and deleted, but never changed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub insert_only: bool,
}

/// The origin of the version of a declaration that the store or an export keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionChoice {
    /// The program that declared the collection.
    Explicit,
    /// The engine. Rows and exports of earlier programs have no mark and count as this, so every program that declares
    /// without a version continues to work. The next program that declares the version marks the row.
    Automatic,
}

impl VersionChoice {
    /// The member of a kept declaration whose version was chosen by a program. It is absent otherwise.
    const MEMBER: &'static str = "explicitVersion";

    pub(super) fn from_declaration(declaration: &CollectionDeclaration) -> Self {
        if declaration.version.is_some() { Self::Explicit } else { Self::Automatic }
    }

    pub(super) fn write(self, document: &mut Document) {
        if self == Self::Explicit {
            document.insert(Self::MEMBER.to_owned(), Json::Bool(true));
        }
    }

    /// Reads the mark and removes it, because it is not a part of the declaration.
    fn take(document: &mut Document) -> Self {
        match document.shift_remove(Self::MEMBER) {
            Some(Json::Bool(true)) => Self::Explicit,
            _ => Self::Automatic,
        }
    }
}

/// A field of a collection.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema, Parameters)]
#[serde(rename_all = "camelCase")]
pub struct FieldDeclaration {
    /// Its name; a dotted name is a field inside an object.
    pub name: String,
    /// The kind of its values.
    pub kind: Kind,
    /// Whether every document must have it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// The allowed values, for texts and ids; by default any.
    #[operation(default = Vec::new())]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// The largest size of a value in bytes; by default only the limit of the document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<u32>,
    /// Whether it holds a secret, which a store with keys encrypts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub secret: bool,
    /// Whether a secret can be found by its exact value.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub searchable: bool,
}

/// An index of a collection.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema, Parameters)]
#[serde(rename_all = "camelCase")]
pub struct IndexDeclaration {
    /// Its fields in order. A `-` before a name means descending.
    pub fields: Vec<String>,
    /// How the fields are read; by default `ordered`.
    #[operation(default = IndexKind::Ordered)]
    #[serde(default, skip_serializing_if = "IndexKind::is_ordered")]
    pub kind: IndexKind,
    /// Whether no two documents may have the same entry.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unique: bool,
    /// Only documents that match are in the index. Operators: `eq`, `in`, `exists`, `and`, `or`.
    #[operation(name = "where")]
    #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
}

/// The rule by which documents expire.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema, Parameters)]
#[serde(rename_all = "camelCase")]
pub struct TtlDeclaration {
    /// A timestamp field. Documents without it never expire.
    pub field: String,
    /// How long documents live after that time, in milliseconds; by default 0.
    #[operation(name = "afterMs", default = Millis(0))]
    #[serde(rename = "afterMs", default, skip_serializing_if = "is_zero")]
    pub after: Millis,
    /// Only documents that match expire. Operators: `eq`, `in`, `exists`, `and`, `or`.
    #[operation(name = "where")]
    #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
}

fn is_zero(after: &Millis) -> bool {
    *after == Millis(0)
}

/// The outcomes of all declarations that this process has met, by their canonical text. Collections are `&'static`
/// everywhere, so each distinct declaration is leaked once, and [`DECLARATIONS_BYTES`] bounds all of them.
static COLLECTIONS: Mutex<BTreeMap<String, Result<&'static Collection, String>>> = Mutex::new(BTreeMap::new());

impl CollectionDeclaration {
    /// The declaration of a collection without fields and indexes.
    pub fn new(collection: impl Into<String>) -> Self {
        Self {
            collection: collection.into(),
            version: None,
            fields: Vec::new(),
            indexes: Vec::new(),
            ttl: None,
            insert_only: false,
        }
    }

    /// The declaration in this document, as the store and exports keep it.
    pub fn from_document(mut document: Document) -> Result<(Self, VersionChoice), Rejection> {
        document.shift_remove("id");
        let choice = VersionChoice::take(&mut document);
        Ok((Self::read_all("documents.declare", document)?, choice))
    }

    /// The document that stores the declaration.
    pub fn to_document(&self) -> Result<Document, Error> {
        match serde_json::to_value(self) {
            Ok(Json::Object(mut document)) => {
                document.insert("id".to_owned(), self.collection.as_str().into());
                Ok(document)
            }
            _ => Err(Error::internal("a declaration is not an object")),
        }
    }

    /// The declarations of those collections of `catalog` that were declared at run time.
    pub(super) fn all_of(catalog: &Catalog) -> impl Iterator<Item = Result<Self, Error>> {
        catalog.iter().filter(|collection| collection.name.starts_with(PREFIX)).map(Self::try_from)
    }

    /// The collection that it declares.
    ///
    /// Errors: `invalid` (it is not a valid declaration), `limit`.
    pub fn collection(&self) -> Result<&'static Collection, Error> {
        let invalid = |problem| self.invalid(problem);
        self.check().map_err(invalid)?;
        let text = canonical_json(&Json::Object(self.to_document()?));
        if text.len() > DECLARATION_BYTES {
            return Err(limit(
                format!("the declaration of `{}` has {} bytes", self.collection, text.len()),
                DECLARATION_BYTES,
            ));
        }
        let mut known = COLLECTIONS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(outcome) = known.get(&text) {
            return outcome.clone().map_err(invalid);
        }
        let bytes: usize = known.keys().map(String::len).sum();
        if bytes + text.len() > DECLARATIONS_BYTES {
            return Err(limit("the declarations that this process has met".to_owned(), DECLARATIONS_BYTES));
        }
        let outcome = self.leak();
        known.insert(text, outcome.clone());
        outcome.map_err(invalid)
    }

    fn invalid(&self, problem: String) -> Error {
        Error::new(ErrorCode::INVALID, format!("documents.declare: the collection `{}`: {problem}", self.collection))
    }

    /// Checks that no index has a field twice, and that no two have the same entries. An index is read in both
    /// directions.
    pub(super) fn check_redundant_indexes(&self) -> Result<(), Error> {
        for (at, index) in self.indexes.iter().enumerate() {
            let name = index.fields.join(", ");
            let is_repeated = |(at, field): (usize, &String)| {
                index.fields.iter().take(at).any(|earlier| path(earlier) == path(field))
            };
            if index.fields.iter().enumerate().any(is_repeated) {
                return Err(self.invalid(format!("the index on {name} has a field twice")));
            }
            if let Some(other) = self.indexes.iter().take(at).find(|other| other.has_entries_of(index)) {
                let other = other.fields.join(", ");
                let problem =
                    format!("the indexes on {other} and on {name} have the same entries; declare one of them");
                return Err(self.invalid(problem));
            }
        }
        Ok(())
    }

    /// Checks names, limits and what [`Catalog`] does not check.
    fn check(&self) -> Result<(), String> {
        let is_name = self.collection.starts_with(|first: char| first.is_ascii_lowercase())
            && self.collection.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if !is_name || self.collection.len() > COLLECTION_NAME_BYTES {
            return Err(format!(
                "its name must be a lower-case letter, then lower-case letters, digits and `_`, at most {COLLECTION_NAME_BYTES} in all"
            ));
        }
        if self.version == Some(0) {
            return Err("versions begin at 1".to_owned());
        }
        at_most("fields", self.fields.len(), DECLARED_FIELDS)?;
        at_most("indexes", self.indexes.len(), DECLARED_INDEXES)?;
        self.fields.iter().try_for_each(|field| self.check_field(field))?;
        for index in &self.indexes {
            at_most("fields in one index", index.fields.len(), INDEXED_FIELDS)?;
        }
        Ok(())
    }

    fn check_field(&self, field: &FieldDeclaration) -> Result<(), String> {
        let name = &field.name;
        let is_part =
            |part: &str| !part.is_empty() && !part.starts_with(['$', '_']) && !part.contains(char::is_control);
        if name.len() > FIELD_NAME_BYTES || !name.split('.').all(is_part) {
            return Err(format!(
                "`{name}` is not a valid name of a field: its parts are not empty and begin with neither `_` nor `$`, and it has at most \
                 {FIELD_NAME_BYTES} bytes"
            ));
        }
        if field.max_bytes == Some(0) {
            return Err(format!("`maxBytes` of `{name}` must be 1 or more"));
        }
        if !field.values.is_empty() && !matches!(field.kind, Kind::Text | Kind::Id) {
            return Err(format!("`{name}` has values, but only a text or an id can have them"));
        }
        let parent = self.fields.iter().find(|parent| {
            let inner = name.strip_prefix(parent.name.as_str()).is_some_and(|rest| rest.starts_with('.'));
            inner && !matches!(parent.kind, Kind::Object | Kind::Json)
        });
        match parent {
            Some(parent) => Err(format!("`{name}` is inside `{}`, which is not an object", parent.name)),
            None => Ok(()),
        }
    }

    /// Makes the collection, which lives as long as the process, and checks it.
    fn leak(&self) -> Result<&'static Collection, String> {
        let name = leak_text(&format!("{PREFIX}{}", self.collection));
        let fields: Vec<Field> = self.fields.iter().map(FieldDeclaration::leak).collect();
        let indexes = self.indexes.iter().map(IndexDeclaration::leak).collect::<Result<Vec<Index>, String>>()?;
        let mut collection = Collection::new(name, self.version.unwrap_or(1))
            .fields(fields.leak())
            .indexes(indexes.leak())
            .keeps_order();
        if let Some(ttl) = &self.ttl {
            let partial = ttl.filter.as_ref().map(predicate).transpose()?;
            let undeclared = |path: &&str| !self.fields.iter().any(|field| field.name == **path);
            if let Some(path) = partial.iter().flat_map(Predicate::paths).find(undeclared) {
                return Err(format!("its ttl reads `{path}`, which is not a declared field"));
            }
            collection = collection.ttl(Ttl { field: leak_text(&ttl.field), after: ttl.after, partial });
        }
        if self.insert_only {
            collection = collection.insert_only();
        }
        let collection: &'static Collection = Box::leak(Box::new(collection));
        Catalog::new(&[collection]).map_err(|error| error.problem)?;
        Ok(collection)
    }
}

impl FieldDeclaration {
    /// An optional field.
    pub fn new(name: impl Into<String>, kind: Kind) -> Self {
        Self {
            name: name.into(),
            kind,
            required: false,
            values: Vec::new(),
            max_bytes: None,
            secret: false,
            searchable: false,
        }
    }

    fn leak(&self) -> Field {
        let values: Vec<&'static str> = self.values.iter().map(|value| leak_text(value)).collect();
        Field {
            name: leak_text(&self.name),
            kind: self.kind,
            format: None,
            range: NumberRange::ANY,
            presence: if self.required { Presence::Required } else { Presence::Optional },
            values: values.leak(),
            max_bytes: self.max_bytes.map_or(0, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX)),
            secret: self.secret,
            searchable: self.searchable,
            is_words: false,
            references: None,
            is_part: false,
        }
    }
}

impl IndexDeclaration {
    /// An ordered index.
    pub fn new(fields: &[&str]) -> Self {
        let fields = fields.iter().map(|field| (*field).to_owned()).collect();
        Self { fields, kind: IndexKind::Ordered, unique: false, filter: None }
    }

    /// Whether both have the same entries, in the same order or in reverse.
    fn has_entries_of(&self, other: &Self) -> bool {
        let descends = |index: &Self| index.fields.iter().map(|field| field.starts_with('-')).collect::<Vec<_>>();
        let is_reversed = descends(self).first() != descends(other).first();
        let has_same_order =
            descends(self).iter().zip(descends(other)).all(|(one, other)| (*one != other) == is_reversed);
        let has_same_fields =
            self.fields.iter().map(|field| path(field)).eq(other.fields.iter().map(|field| path(field)));
        has_same_fields && has_same_order && self.kind == other.kind && self.filter == other.filter
    }

    fn leak(&self) -> Result<Index, String> {
        let field = |field: &String| match field.strip_prefix('-') {
            Some(path) => (leak_text(path), Direction::Descending),
            None => (leak_text(field), Direction::Ascending),
        };
        let fields: Vec<(&'static str, Direction)> = self.fields.iter().map(field).collect();
        let partial = self.filter.as_ref().map(predicate).transpose()?;
        Ok(Index { fields: fields.leak(), kind: self.kind, unique: self.unique, partial })
    }
}

/// The declaration of a collection of a program, named `documents.…`.
///
/// Errors: `unsupported` (its name, or what only the collections of domains have).
impl TryFrom<&'static Collection> for CollectionDeclaration {
    type Error = Error;

    fn try_from(collection: &'static Collection) -> Result<Self, Error> {
        let unsupported =
            |why: &str| Error::new(ErrorCode::UNSUPPORTED, format!("the collection `{}`: {why}", collection.name));
        let name = collection.name.strip_prefix(PREFIX);
        let name = name.ok_or_else(|| unsupported("the name of a collection of documents begins with `documents.`"))?;
        if collection.references().next().is_some() {
            return Err(unsupported("a collection of documents has no references; declare it in a domain"));
        }
        let condition = |predicate: &Option<Predicate>| predicate.as_ref().map(Predicate::filter);
        let field = |field: &Field| FieldDeclaration {
            name: field.name.to_owned(),
            kind: field.kind,
            required: field.presence == Presence::Required,
            values: field.values.iter().map(|value| (*value).to_owned()).collect(),
            max_bytes: u32::try_from(field.max_bytes).ok().filter(|bytes| *bytes > 0),
            secret: field.secret,
            searchable: field.searchable,
        };
        let path = |(path, direction): &(&str, Direction)| match direction {
            Direction::Ascending => (*path).to_owned(),
            Direction::Descending => format!("-{path}"),
        };
        let index = |index: &Index| IndexDeclaration {
            fields: index.fields.iter().map(path).collect(),
            kind: index.kind,
            unique: index.unique,
            filter: condition(&index.partial),
        };
        Ok(Self {
            collection: name.to_owned(),
            version: Some(collection.version),
            fields: collection.fields.iter().map(field).collect(),
            indexes: collection.indexes.iter().map(index).collect(),
            ttl: collection.ttl.as_ref().map(|ttl| TtlDeclaration {
                field: ttl.field.to_owned(),
                after: ttl.after,
                filter: condition(&ttl.partial),
            }),
            insert_only: collection.insert_only,
        })
    }
}

/// The field of an index, without its direction.
fn path(field: &str) -> &str {
    field.strip_prefix('-').unwrap_or(field)
}

fn at_most(what: &str, count: usize, limit: usize) -> Result<(), String> {
    if count <= limit { Ok(()) } else { Err(format!("it has {count} {what}; at most {limit} are allowed")) }
}

pub(super) fn limit(what: String, limit: usize) -> Error {
    Error::new(ErrorCode::LIMIT, format!("{what}: at most {limit} are allowed"))
}

fn leak_text(text: &str) -> &'static str {
    Box::leak(text.to_owned().into_boxed_str())
}

/// The condition of an index or of an expiry rule: constants only, which every store can express.
fn predicate(filter: &Filter) -> Result<Predicate, String> {
    let all = |filters: &[Filter]| -> Result<&'static [Predicate], String> {
        if filters.is_empty() {
            return Err("a condition of an index or ttl combines no conditions".to_owned());
        }
        let predicates: Vec<Predicate> = filters.iter().map(predicate).collect::<Result<_, _>>()?;
        Ok(predicates.leak())
    };
    Ok(match filter {
        Filter::Exists(path, true) => Predicate::Exists(leak_text(path)),
        Filter::Exists(path, false) => Predicate::Missing(leak_text(path)),
        Filter::Eq(path, value) => Predicate::Eq(leak_text(path), literal(value)?),
        Filter::In(path, values) => {
            let literals: Vec<Literal> = values.iter().map(literal).collect::<Result<_, _>>()?;
            Predicate::In(leak_text(path), literals.leak())
        }
        Filter::And(filters) => Predicate::All(all(filters)?),
        Filter::Or(filters) => Predicate::Any(all(filters)?),
        _ => return Err("a condition of an index or ttl has the operators eq, in, exists, and, or".to_owned()),
    })
}

fn literal(value: &Json) -> Result<Literal, String> {
    Ok(match value {
        Json::Null => Literal::Null,
        Json::Bool(value) => Literal::Bool(*value),
        Json::Number(number) if number.is_i64() => Literal::Int(number.as_i64().unwrap_or_default()),
        Json::String(text) => Literal::Text(leak_text(text)),
        Json::Array(list) if list.is_empty() => Literal::EmptyList,
        Json::Object(object) if object.is_empty() => Literal::EmptyObject,
        _ => {
            return Err(
                "a condition of an index or ttl compares with null, a boolean, an integer or a string".to_owned()
            );
        }
    })
}

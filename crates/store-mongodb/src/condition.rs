//! Filters, paths and values of the server. Its paths lead into lists and the store's do not, so a filter is exact only
//! if no list can be on the path.

use mongodb::bson::{Bson, DateTime, Document as Doc, doc};
use runstate_core::limits::{DOCUMENT_DEPTH, SAFE_INTEGER};
use runstate_core::schema::{Collection, Kind, Presence, RESERVED};
use runstate_value::Json;

use super::codec::{CollectionCodec, encode_value, parse_decimal128};
use super::sweep::LEDGER_TIME;

/// A filter of the server that selects at least the documents that a filter of the store matches.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ServerFilter {
    /// The filter in the server's language. The empty filter selects every document.
    pub(super) filter: Doc,
    /// Whether it selects no other documents. Only then may the server count its matches, or end a page.
    pub(super) exact: bool,
}

impl ServerFilter {
    /// For a filter that the server cannot narrow: every document.
    pub(super) fn scan() -> Self {
        Self { filter: Doc::new(), exact: false }
    }

    /// Exactly every document.
    pub(super) fn every() -> Self {
        Self::exact(Doc::new())
    }

    pub(super) fn exact(filter: Doc) -> Self {
        Self { filter, exact: true }
    }

    /// Documents that satisfy every part.
    pub(super) fn all(parts: impl IntoIterator<Item = ServerFilter>) -> Self {
        Self::join("$and", parts.into_iter().collect()).unwrap_or_else(Self::every)
    }

    /// Documents that satisfy at least one part.
    pub(super) fn any(parts: impl IntoIterator<Item = ServerFilter>) -> Self {
        let parts: Vec<ServerFilter> = parts.into_iter().collect();
        match parts.iter().find(|part| part.filter.is_empty()) {
            Some(every) => every.clone(),
            // The planner knows that an empty `$in` matches nothing, and reads nothing.
            None => Self::join("$or", parts).unwrap_or_else(|| Self::exact(doc! {"_id": {"$in": []}})),
        }
    }

    fn join(operator: &str, parts: Vec<ServerFilter>) -> Option<Self> {
        let exact = parts.iter().all(|part| part.exact);
        let mut filters: Vec<Doc> =
            parts.into_iter().map(|part| part.filter).filter(|filter| !filter.is_empty()).collect();
        let last = filters.pop();
        let filter = match last {
            Some(last) if !filters.is_empty() => {
                filters.push(last);
                doc! {operator: filters}
            }
            last if exact => last?,
            last => last.unwrap_or_default(),
        };
        Some(Self { filter, exact })
    }
}

/// The path of a field on the server.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ServerPath {
    /// The dotted path.
    pub(super) path: String,
    /// The declared kind; undeclared fields are JSON.
    pub(super) kind: Kind,
    /// Whether every field that the path leads through is an object or missing.
    pub(super) through_objects: bool,
    /// Whether documents may leave the field out, because it equals `_id`.
    pub(super) implied_id: bool,
}

impl ServerPath {
    /// `None` if the server would read the path differently (a reserved field, an empty step, a `$`), or cannot read
    /// it.
    pub(super) fn resolve(codec: &CollectionCodec, path: &str) -> Option<Self> {
        let collection = codec.collection;
        let steps = path.split('.').count();
        let is_reserved = |top: &str| RESERVED.contains(&top) || codec.is_ledger() && top == LEDGER_TIME;
        let reserved = path.split('.').next().is_none_or(is_reserved);
        let is_addressable = |step: &str| !step.is_empty() && !step.starts_with('$') && !step.contains('\0');
        if reserved || steps > DOCUMENT_DEPTH || !path.split('.').all(is_addressable) {
            return None;
        }
        Some(Self {
            path: path.to_owned(),
            kind: collection.kind_of(path),
            through_objects: parents(path).all(|parent| is_object(collection, parent)),
            implied_id: codec.implied_id && path == "id",
        })
    }

    /// Whether the server compares values of this field as the reference implementation does: it holds a value of one
    /// scalar kind, null, or nothing.
    pub(super) fn is_comparable(&self) -> bool {
        !matches!(self.kind, Kind::Json | Kind::List | Kind::Object) && self.through_objects
    }
}

/// The paths of the fields that a path leads through.
fn parents(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('.').map(|(dot, _)| &path[..dot])
}

/// The paths at which a list may be: those that `path` leads through, and `path` itself.
pub(super) fn possible_list_paths<'a>(collection: &'a Collection, path: &'a str) -> impl Iterator<Item = &'a str> {
    let itself = matches!(collection.kind_of(path), Kind::Json | Kind::List).then_some(path);
    parents(path).filter(|parent| !is_object(collection, parent)).chain(itself)
}

/// Whether only an object can be at `path`: it is declared as one, or a field within it is required. Validation rejects
/// any other value then.
fn is_object(collection: &Collection, path: &str) -> bool {
    let requires = |name: &str, presence| {
        presence == Presence::Required && name.rsplit_once('.').is_some_and(|(parent, _)| parent == path)
    };
    collection.kind_of(path) == Kind::Object
        || collection.fields.iter().any(|field| requires(field.name, field.presence))
}

/// Encodes an operand for comparisons with fields of `kind`. `None` if the server would compare it differently.
pub(super) fn comparison_value(kind: Kind, operand: &Json) -> Option<Bson> {
    match (kind, operand) {
        (_, Json::Null) => Some(Bson::Null),
        (_, Json::Array(_) | Json::Object(_)) => None,
        // A document that holds a text there cannot be read. A query for such documents finds them by it.
        (Kind::Timestamp, Json::String(_)) => encode_value(Kind::Json, operand),
        (Kind::Timestamp, operand) => Some(DateTime::from_millis(operand.as_i64()?).into()),
        (Kind::Decimal, operand) => parse_decimal128(operand.as_str()?).map(Bson::from),
        // The server would compare larger integers more exactly than the reference implementation.
        (_, Json::Number(number)) => {
            match number.as_i64().filter(|integer| integer.abs_diff(0) <= SAFE_INTEGER.abs_diff(0)) {
                Some(integer) => Some(integer.into()),
                None => number.as_f64().map(Bson::from),
            }
        }
        (_, operand) => encode_value(Kind::Json, operand),
    }
}

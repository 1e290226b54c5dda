//! Queries and aggregates as the store below evaluates them: a searchable field is compared by its hash, and nothing
//! else reads a secret.

use runstate_core::schema::sealed::{HASH, KEY};
use runstate_core::schema::{Accumulator, Aggregate, Collection, Field, Filter, Group, Query};
use runstate_store::StoreError;
use runstate_value::Json;

use super::batch::secret_around;
use super::sealed_collection::member;
use super::{Cipher, cipher};

/// The query of the store below.
pub(super) fn sealed_query(
    collection: &'static Collection,
    query: &Query,
    cipher: Option<&Cipher<'_>>,
) -> Result<Query, StoreError> {
    query.sort.iter().try_for_each(|sort| check_public(collection, &sort.field, "ordered by"))?;
    Ok(Query { filter: sealed_filter(collection, &query.filter, cipher)?, ..query.clone() })
}

/// The aggregate of the store below.
pub(super) fn sealed_aggregate(
    collection: &'static Collection,
    aggregate: &Aggregate,
    cipher: Option<&Cipher<'_>>,
) -> Result<Aggregate, StoreError> {
    let mut sealed = aggregate.clone();
    sealed.filter = sealed_filter(collection, &sealed.filter, cipher)?;
    for group in &sealed.group_by {
        let (Group::Field(path) | Group::Bucket(path, _)) = group;
        check_public(collection, path, "grouped by")?;
    }
    for (_, accumulator) in &mut sealed.accumulators {
        match accumulator {
            Accumulator::Count => {}
            Accumulator::CountIf(filter) => *filter = sealed_filter(collection, filter, cipher)?,
            Accumulator::Sum(path)
            | Accumulator::Avg(path)
            | Accumulator::Min(path)
            | Accumulator::Max(path)
            | Accumulator::Percentile(path, _) => check_public(collection, path, "aggregated over")?,
        }
    }
    Ok(sealed)
}

/// The condition of the store below.
fn sealed_filter(
    collection: &'static Collection,
    filter: &Filter,
    cipher: Option<&Cipher<'_>>,
) -> Result<Filter, StoreError> {
    let all =
        |filters: &[Filter]| filters.iter().map(|one| sealed_filter(collection, one, cipher)).collect::<Result<_, _>>();
    let hash = |field: &Field, value: &Json| match cipher {
        Some(cipher) => Ok(Json::from(cipher.hash(collection.name, field, value)?)),
        None => Err(cipher::missing_hash_key(collection.name, field)),
    };
    match filter {
        Filter::And(filters) => Ok(Filter::And(all(filters)?)),
        Filter::Or(filters) => Ok(Filter::Or(all(filters)?)),
        Filter::Not(inner) => Ok(Filter::Not(Box::new(sealed_filter(collection, inner, cipher)?))),
        // An index over the hashes may be one of documents that have the field.
        Filter::Eq(path, value) if let Some(field) = searchable(collection, path) => {
            let hash = Filter::Eq(member(field, HASH), hash(field, value)?);
            Ok(Filter::And(vec![Filter::Exists(path.clone(), true), hash]))
        }
        Filter::Ne(path, value) if let Some(field) = searchable(collection, path) => {
            Ok(Filter::Ne(member(field, HASH), hash(field, value)?))
        }
        Filter::In(path, values) if let Some(field) = searchable(collection, path) => {
            let hashes = values.iter().map(|value| hash(field, value)).collect::<Result<_, _>>()?;
            Ok(Filter::And(vec![Filter::Exists(path.clone(), true), Filter::In(member(field, HASH), hashes)]))
        }
        // A sealed value exists where the value does. Inside of it are other members.
        Filter::Exists(path, _)
            if secret_around(collection, path).is_none_or(|field| path.len() <= field.name.len()) =>
        {
            Ok(filter.clone())
        }
        other => {
            other.fields().into_iter().try_for_each(|path| check_public(collection, path, "compared with"))?;
            Ok(other.clone())
        }
    }
}

fn searchable(collection: &'static Collection, path: &str) -> Option<&'static Field> {
    secret_around(collection, path).filter(|field| field.searchable && field.name == path)
}

/// Refuses a path that reads a secret.
fn check_public(collection: &'static Collection, path: &str, operation: &str) -> Result<(), StoreError> {
    let Some(field) = secret_around(collection, path) else { return Ok(()) };
    let remedy = match field.searchable {
        true => "it can only be compared for equality: eq, ne, in",
        false => "declare it as searchable to compare it for equality",
    };
    let reason = format!("`{}` is secret, so documents cannot be {operation} `{path}`; {remedy}", field.name);
    Err(StoreError::InvalidQuery { collection: collection.name.to_owned(), reason })
}

/// Documents that have an encrypted value in the field, at most one.
pub(super) fn any_sealed(collection: &Collection, field: &Field) -> Query {
    let sealed = Filter::Gte(member(field, KEY), "".into());
    Query::of(collection).filter(Filter::Exists(field.name.to_owned(), true)).filter(sealed).limit(1)
}

/// Documents whose value in the field is under this key; `None`: that have it in plain text.
pub(super) fn under_key(collection: &Collection, field: &Field, id: Option<&str>) -> Query {
    let exists = Filter::Exists(field.name.to_owned(), true);
    let key = Filter::Eq(member(field, KEY), id.map_or(Json::Null, Json::from));
    Query::of(collection).filter(exists).filter(key)
}

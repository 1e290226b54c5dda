//! The collections as the store below has them: sealed values in place of secrets, and indexes over their members.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use runstate_core::schema::sealed::{HASH, KEY, is_inside, secrets};
use runstate_core::schema::{Catalog, Collection, Direction, Field, Index, Kind, NumberRange, Predicate, Ttl};
use runstate_store::StoreError;

/// The collections that this process has met, by their address. Collections live as long as the process, so these do
/// too.
static COLLECTIONS: Mutex<BTreeMap<usize, &'static Collection>> = Mutex::new(BTreeMap::new());

/// The catalog of the store below.
pub(super) fn sealed_catalog(catalog: &Catalog) -> Result<Catalog, StoreError> {
    let sealed: Vec<&'static Collection> = catalog.iter().map(sealed_collection).collect();
    Catalog::new(&sealed)
        .map_err(|error| StoreError::InvalidQuery { collection: error.collection, reason: error.problem })
}

/// The collection as the store below has it; the same one if it has no secrets.
///
/// Each secret field has an index over the ids of keys, by which rotation finds documents. An index over a searchable
/// field is one over its hashes. Documents that are never updated are encrypted again too, so the store below may
/// update them.
pub fn sealed_collection(collection: &'static Collection) -> &'static Collection {
    if secrets(collection).next().is_none() {
        return collection;
    }
    let mut known = COLLECTIONS.lock().unwrap_or_else(PoisonError::into_inner);
    known.entry(std::ptr::from_ref(collection).addr()).or_insert_with(|| leak_sealed(collection))
}

fn leak_sealed(collection: &'static Collection) -> &'static Collection {
    let secret = |path: &str| secrets(collection).find(|field| is_inside(path, field.name));
    let public = collection.fields.iter().filter(|field| secret(field.name).is_none());
    let sealed = secrets(collection).flat_map(|field| {
        let value = Field {
            kind: Kind::Json,
            format: None,
            range: NumberRange::ANY,
            values: &[],
            max_bytes: 0,
            secret: false,
            searchable: false,
            ..*field
        };
        let text = |name| Field::text(member(field, name).leak()).optional();
        [value, text(KEY), text(HASH)]
    });
    let fields: Vec<Field> = public.copied().chain(sealed).collect();
    let entry = |&(path, direction): &(&'static str, Direction)| match secret(path) {
        Some(field) => (&*member(field, HASH).leak(), direction),
        None => (path, direction),
    };
    let index = |index: &Index| Index { fields: index.fields.iter().map(entry).collect::<Vec<_>>().leak(), ..*index };
    let keys = secrets(collection).map(|field| {
        let path: &'static str = member(field, KEY).leak();
        let fields: &'static [(&str, Direction)] = vec![(path, Direction::Ascending)].leak();
        Index::ordered(fields).partial(Predicate::Exists(field.name))
    });
    let indexes: Vec<Index> = collection.indexes.iter().map(index).chain(keys).collect();
    Box::leak(Box::new(Collection {
        fields: fields.leak(),
        indexes: indexes.leak(),
        insert_only: false,
        partition_day: None,
        views: &[],
        ttl: collection.ttl.as_ref().map(|ttl| Ttl { ..*ttl }),
        ..*collection
    }))
}

/// The path of a member of a sealed value.
pub(super) fn member(field: &Field, member: &str) -> String {
    format!("{}.{member}", field.name)
}

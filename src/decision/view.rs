//! The view of a decision: the documents and query results that it asked for.

use std::collections::HashMap;
use std::sync::Arc;

use super::CachedValue;
use crate::id::Revision;
use crate::schema::{Key, Query};
use crate::value::{Document, SortedMap};

/// The documents and queries that a command asks to read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReadSet {
    /// Documents.
    pub keys: Vec<Key>,
    /// Bounded queries, each with the name under which the view returns its result.
    pub queries: Vec<(&'static str, Query)>,
}

impl ReadSet {
    /// Reads nothing.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Reads one document.
    pub fn key(key: Key) -> Self {
        Self { keys: vec![key], queries: Vec::new() }
    }

    /// Adds a document.
    pub fn with_key(mut self, key: Key) -> Self {
        self.keys.push(key);
        self
    }

    /// Adds a query.
    pub fn query(mut self, name: &'static str, query: Query) -> Self {
        self.queries.push((name, query));
        self
    }
}

/// A document as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadedDocument {
    /// Its revision.
    pub revision: Revision,
    /// Its fields.
    pub document: Arc<Document>,
}

/// The documents and query results that were read for a decision.
#[derive(Clone, Default)]
pub struct View {
    documents: HashMap<Key, Option<LoadedDocument>>,
    query_results: SortedMap<&'static str, QueryResult>,
    cached: HashMap<Key, CachedValue>,
}

impl View {
    /// The document under `key`; `None` if it does not exist or was not read.
    pub fn get(&self, key: &Key) -> Option<&LoadedDocument> {
        self.documents.get(key)?.as_ref()
    }

    /// Whether `key` was read, whether or not a document exists.
    pub fn has_read(&self, key: &Key) -> bool {
        self.documents.contains_key(key)
    }

    /// The result of the query `name`; `None` before it was run.
    pub fn rows(&self, name: &str) -> Option<&[(Key, LoadedDocument)]> {
        self.query_results.get(name).map(|answer| answer.rows.as_slice())
    }

    /// Whether any query was run.
    pub fn has_query_results(&self) -> bool {
        !self.query_results.is_empty()
    }

    /// The decoded form of the document under `key`, if one is cached for the revision that was read.
    pub fn cached<T: 'static>(&self, key: &Key) -> Option<&T> {
        self.cached.get(key)?.get()
    }

    /// Adds the document read under `key`. A decoded form of an earlier revision is dropped.
    pub fn put(&mut self, key: Key, found: Option<LoadedDocument>, cached: Option<CachedValue>) {
        match (cached, &found) {
            (Some(warm), Some(_)) => self.cached.insert(key.clone(), warm),
            _ => self.cached.remove(&key),
        };
        self.documents.insert(key, found);
    }

    /// Adds the result of the query `name`.
    pub fn put_rows(&mut self, name: &'static str, query: Query, rows: Vec<(Key, LoadedDocument)>) {
        self.query_results.insert(name, QueryResult { query, rows });
    }

    /// The part of `reads` that was not read yet.
    pub fn missing(&self, reads: ReadSet) -> ReadSet {
        let new = |name: &str, query: &Query| self.query_results.get(name).is_none_or(|answer| answer.query != *query);
        ReadSet {
            keys: reads.keys.into_iter().filter(|key| !self.has_read(key)).collect(),
            queries: reads.queries.into_iter().filter(|(name, query)| new(name, query)).collect(),
        }
    }

    /// The keys that were read.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.documents.keys()
    }
}

#[derive(Clone)]
struct QueryResult {
    query: Query,
    rows: Vec<(Key, LoadedDocument)>,
}

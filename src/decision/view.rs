//! What a decision may see: the documents and query results it asked for.

use std::collections::HashMap;
use std::sync::Arc;

use super::CachedValue;
use crate::id::Revision;
use crate::schema::{Key, Query};
use crate::value::{Document, Few};

/// What a command asks to read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReadSet {
    /// Documents.
    pub keys: Vec<Key>,
    /// Bounded queries, each under the name by which the view answers it.
    pub queries: Vec<(&'static str, Query)>,
}

impl ReadSet {
    /// Nothing.
    pub fn none() -> Self {
        Self::default()
    }

    /// One document.
    pub fn key(key: Key) -> Self {
        Self { keys: vec![key], queries: Vec::new() }
    }

    /// One more document.
    pub fn and(mut self, key: Key) -> Self {
        self.keys.push(key);
        self
    }

    /// One more query.
    pub fn query(mut self, name: &'static str, query: Query) -> Self {
        self.queries.push((name, query));
        self
    }
}

/// A document as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// Its revision.
    pub revision: Revision,
    /// Its fields.
    pub document: Arc<Document>,
}

/// What was read for a decision.
#[derive(Clone, Default)]
pub struct View {
    documents: HashMap<Key, Option<Loaded>>,
    answers: Few<&'static str, Answer>,
    warm: HashMap<Key, CachedValue>,
}

impl View {
    /// The document under `key`; `None` where nothing stands there or it was not asked for.
    pub fn get(&self, key: &Key) -> Option<&Loaded> {
        self.documents.get(key)?.as_ref()
    }

    /// Whether `key` was read, found or not.
    pub fn has_read(&self, key: &Key) -> bool {
        self.documents.contains_key(key)
    }

    /// What the query of that name found; `None` before it was asked.
    pub fn rows(&self, name: &str) -> Option<&[(Key, Loaded)]> {
        self.answers.get(name).map(|answer| answer.rows.as_slice())
    }

    /// Whether any query was asked.
    pub fn has_asked(&self) -> bool {
        !self.answers.is_empty()
    }

    /// The live form of the document under `key`, where one is held for the revision that was read.
    pub fn warm<T: 'static>(&self, key: &Key) -> Option<&T> {
        self.warm.get(key)?.get()
    }

    /// Puts what was read under `key`. A live form of an earlier revision is dropped.
    pub fn put(&mut self, key: Key, found: Option<Loaded>, warm: Option<CachedValue>) {
        match (warm, &found) {
            (Some(warm), Some(_)) => self.warm.insert(key.clone(), warm),
            _ => self.warm.remove(&key),
        };
        self.documents.insert(key, found);
    }

    /// Puts what the query of that name found.
    pub fn put_rows(&mut self, name: &'static str, query: Query, rows: Vec<(Key, Loaded)>) {
        self.answers.insert(name, Answer { query, rows });
    }

    /// What of `asked` was not read yet.
    pub fn missing(&self, asked: ReadSet) -> ReadSet {
        let new = |name: &str, query: &Query| self.answers.get(name).is_none_or(|answer| answer.query != *query);
        ReadSet {
            keys: asked.keys.into_iter().filter(|key| !self.has_read(key)).collect(),
            queries: asked.queries.into_iter().filter(|(name, query)| new(name, query)).collect(),
        }
    }

    /// The keys that were read.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.documents.keys()
    }
}

#[derive(Clone)]
struct Answer {
    query: Query,
    rows: Vec<(Key, Loaded)>,
}

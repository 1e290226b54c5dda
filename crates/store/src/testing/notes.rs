//! The smallest use of a store: notes that are only added, one commit each. Tests of several processes on one directory
//! use them.

use std::sync::Arc;

use runstate_core::id::CommandId;
use runstate_core::schema::Direction::Ascending;
use runstate_core::schema::{Catalog, Collection, Field, Index, Query};
use serde_json::json;

use crate::testing::{BatchExt as _, batch};
use crate::{Freshness, Store, StoreError};

const NOTES: Collection = Collection::new("testing.notes", 1)
    .fields(&[Field::text("title")])
    .indexes(&[Index::ordered(&[("title", Ascending)]).unique()]);

/// Notes in a store.
///
/// ```
/// # runstate::testing::block_on(async {
/// use std::sync::Arc;
/// use runstate::{store::Memory, testing::Notes};
/// let notes = Notes::open(Arc::new(Memory::new())).await.unwrap();
/// notes.add("b").await.unwrap();
/// notes.add("a").await.unwrap();
/// notes.add("a").await.unwrap();
/// assert_eq!(notes.ids().await.unwrap(), ["a", "b"]);
/// # })
/// ```
pub struct Notes {
    store: Arc<dyn Store>,
}

impl Notes {
    /// Declares the collection of notes in `store`.
    pub async fn open(store: Arc<dyn Store>) -> Result<Self, StoreError> {
        let catalog = Catalog::new(&[&NOTES])
            .map_err(|e| StoreError::Unsupported { what: e.to_string(), by: "the collection of notes".to_owned() })?;
        store.migrate(&catalog).await?;
        Ok(Self { store })
    }

    /// The store.
    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// Adds a note in its own commit, by a command of the same id: repeating an id adds nothing.
    pub async fn add(&self, id: &str) -> Result<(), StoreError> {
        let command = CommandId::new(id)
            .map_err(|e| StoreError::Unsupported { what: e.to_string(), by: "the ids of commands".to_owned() })?;
        self.store.commit(batch(command).insert(&NOTES, id, json!({"title": id}))).await.map(drop)
    }

    /// The ids of all notes, in order.
    pub async fn ids(&self) -> Result<Vec<String>, StoreError> {
        let mut ids = Vec::new();
        let mut query = Query::of(&NOTES).sort("title", Ascending);
        loop {
            let page = self.store.query(&query, Freshness::Linearizable).await?;
            ids.extend(page.items.iter().map(|row| row.id.to_string()));
            match page.next {
                Some(_) => query.cursor = page.next,
                None => return Ok(ids),
            }
        }
    }
}

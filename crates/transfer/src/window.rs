//! Windows of the change feed that end where a store was in the state that is read.

use std::collections::{BTreeMap, BTreeSet};

use runstate_core::error_code::ErrorCode;
use runstate_core::id::Revision;
use runstate_core::schema::Key;
use runstate_engine::{DECLARATIONS, Engine, Error, IMPORTED, MIRROR};
use runstate_store::{ChangeEvent, Freshness, Position, StoredDocument};
use runstate_value::time::Millis;

/// Number of changes that are read at once, and of documents that are compared at once.
pub(super) const WINDOW: usize = 256;

/// Number of documents that a window may have so that it ends where no document of it has a later change.
const LARGEST_WINDOW: usize = 4 * WINDOW;

/// Changes that belong together.
pub(super) struct ChangeWindow {
    /// The documents that have changed, without rows of time series.
    pub keys: Vec<Key>,
    /// The documents as they are now.
    pub found: Vec<Option<StoredDocument>>,
    pub commands: Vec<String>,
    /// The collections of all changes, those of declarations included.
    pub collections: BTreeSet<String>,
    /// All changes up to it are in the window.
    pub next: Position,
    pub events: u64,
    /// Whether no document has a change after the window: the store was in this state.
    pub is_consistent: bool,
    /// Whether the feed had no further changes.
    pub is_last: bool,
}

/// Reads changes up to a point at which none of their documents has a later change, if there is one nearby. Waits up to
/// `wait` if there is none.
pub(super) async fn read_window(engine: &Engine, from: &str, wait: Millis) -> Result<ChangeWindow, Error> {
    let mut changes = engine.store().changes(Some(Position(from.to_owned())), WINDOW, wait).await?;
    let mut read = changes.events.len();
    loop {
        let collections: BTreeSet<String> =
            changes.events.iter().map(|event| event.key.collection.to_string()).collect();
        if collections.iter().any(|name| *name == DECLARATIONS.name || engine.catalog().get(name).is_none()) {
            reload_declarations(engine).await?;
        }
        let catalog = engine.catalog();
        let is_copied = |event: &&ChangeEvent| {
            let collection = catalog.get(&event.key.collection);
            ![DECLARATIONS.name, IMPORTED.name].contains(&&*event.key.collection)
                && collection.is_some_and(|one| one.detached.is_none())
        };
        let mut latest: BTreeMap<Key, Option<Revision>> = BTreeMap::new();
        for event in changes.events.iter().filter(is_copied) {
            latest.insert(event.key.clone(), event.revision.clone());
        }
        let keys: Vec<Key> = latest.keys().cloned().collect();
        let found = engine.store().get(&keys, Freshness::Linearizable).await?;
        let is_later = |(found, latest): (&Option<StoredDocument>, &Option<Revision>)| {
            found.as_ref().map(|found| &found.revision) != latest.as_ref()
        };
        let is_consistent = !found.iter().zip(latest.values()).any(is_later);
        let mut is_complete = is_consistent || keys.len() >= LARGEST_WINDOW;
        if !is_complete {
            let more = engine.store().changes(Some(changes.next.clone()), WINDOW, Millis(0)).await?;
            read = more.events.len();
            is_complete = more.events.is_empty();
            changes.events.extend(more.events);
            changes.next = more.next;
        }
        if is_complete {
            let commands: BTreeSet<String> =
                changes.events.iter().map(|event| event.command.as_str().to_owned()).collect();
            return Ok(ChangeWindow {
                keys,
                found,
                commands: commands.into_iter().collect(),
                collections,
                next: changes.next,
                events: changes.events.len() as u64,
                is_consistent,
                is_last: read < WINDOW,
            });
        }
    }
}

/// Takes the collections that were declared at run time into the catalog. Fails if the store has documents of others,
/// which a copy would lack.
pub(super) async fn reload_declarations(engine: &Engine) -> Result<(), Error> {
    let undeclared = engine.undeclared_collections().await?;
    engine.reload_collections().await?;
    if let Some(collection) = undeclared.into_iter().find(|name| name != MIRROR) {
        let message = format!(
            "the store has documents of collection `{collection}`, which this program does not know, and a copy would be without them. Use a \
             program that has their domain"
        );
        return Err(Error { collection: Some(collection), ..Error::new(ErrorCode::UNSUPPORTED, message) });
    }
    Ok(())
}

//! Replaces [`encryption`](super) in builds without it: documents at rest are as they are read.

use std::sync::Arc;

use super::{DueReport, Engine, Error};
use crate::schema::Collection;
use crate::store::{Store, StoredDocument};
use crate::value::Document;

/// The fingerprint of rotations in the ledger.
pub(crate) const ROTATION_FINGERPRINT: &str = "runstate.rotation";

/// No keys.
#[derive(Clone, Debug, Default)]
pub struct NoKeys(());
pub use NoKeys as StoreKeys;

/// Stores without encryption.
pub(super) fn encrypt(store: Arc<dyn Store>, _: StoreKeys) -> Arc<dyn Store> {
    store
}

/// Whether a store has keys, so that it encrypts secrets.
pub fn encrypts(_: &dyn Store) -> bool {
    false
}

impl Engine {
    pub(crate) fn at_rest(&self) -> Self {
        self.clone()
    }

    pub(super) fn ledger_fingerprint(&self, fingerprint: String) -> String {
        fingerprint
    }

    pub(super) fn is_rotating(&self) -> bool {
        false
    }

    pub(super) async fn run_rotation(&self, _: u32, _: &mut DueReport) -> Result<(), Error> {
        Ok(())
    }
}

pub(super) fn sealed_problem(_: &'static Collection, _: &StoredDocument) -> Option<String> {
    None
}

/// Whether a document has an encrypted value.
pub(crate) fn has_sealed(_: &'static Collection, _: &Document) -> bool {
    false
}

/// The collection as the store below has it.
pub(super) fn sealed_collection(collection: &'static Collection) -> &'static Collection {
    collection
}

//! Encryption of secret fields, as far as the engine concerns it: rotation as due work, documents as they are at rest,
//! fingerprints.

use runstate_core::decision::{Decision, Rejection, View};
use runstate_core::schema::sealed::find_sealed;
use runstate_core::schema::{Collection, Key};
use runstate_store::{Encryption, Freshness, RotationReport, Store, StoreError, StoredDocument};
use runstate_value::Document;

use super::{DueReport, Engine, Error};

/// Whether a store has keys, so that it encrypts secrets.
pub fn encrypts(store: &dyn Store) -> bool {
    store.encryption().is_some_and(Encryption::has_keys)
}

impl Engine {
    /// Returns an engine over the documents as they are at rest, with encrypted secrets. Exports use it.
    #[doc(hidden)]
    pub fn at_rest(&self) -> Self {
        match self.store().encryption() {
            Some(encryption) => self.with_store(encryption.at_rest()),
            None => self.clone(),
        }
    }

    /// Refuses a store that was opened before with another key under an id that is given.
    pub(super) async fn check_keys(&self) -> Result<(), Error> {
        match self.store().encryption() {
            Some(encryption) => Ok(encryption.check_keys(self.now(), self.shared.collections.only_reads).await?),
            None => Ok(()),
        }
    }

    /// Reads documents for a decision. A value that cannot be decrypted stays encrypted, so that only what needs that
    /// document is rejected ([`Rejection::unreadable`]).
    pub(super) async fn get_readable(
        &self,
        keys: &[Key],
        freshness: Freshness,
    ) -> Result<Vec<Option<StoredDocument>>, StoreError> {
        match (self.store().get(keys, freshness).await, self.store().encryption()) {
            (Err(StoreError::KeyMissing { .. } | StoreError::Corrupt { .. }), Some(encryption)) => {
                encryption.get_readable(keys, freshness).await
            }
            (found, _) => found,
        }
    }

    /// Rejects a decision that writes or deletes a document with values that stayed encrypted.
    pub(super) fn check_decrypted(&self, decision: Decision<()>, view: &View) -> Result<Decision<()>, Rejection> {
        if self.store().encryption().is_some() {
            view.check_decrypted(&decision.changes, &self.catalog())?;
        }
        Ok(decision)
    }

    /// The collection as the store below has it.
    #[cfg(feature = "verify")]
    pub(super) fn collection_at_rest(&self, collection: &'static Collection) -> &'static Collection {
        self.store().encryption().map_or(collection, |encryption| encryption.collection_at_rest(collection))
    }

    /// The fingerprint of a command, as the ledger has it.
    pub(super) fn ledger_fingerprint(&self, fingerprint: String) -> String {
        match self.store().encryption() {
            Some(encryption) => encryption.fingerprint(fingerprint),
            None => fingerprint,
        }
    }

    /// Encrypts up to `limit` documents again whose secrets are not under the current key. [`Engine::run_due`] does it
    /// too.
    pub async fn rotate(&self, limit: u32) -> Result<RotationReport, Error> {
        match self.store().encryption() {
            Some(encryption) if self.store().read_only_reason().is_none() => {
                Ok(encryption.rotate(self.now(), limit as usize).await?)
            }
            _ => Ok(RotationReport::default()),
        }
    }

    /// Whether the last run of a rotation has left documents for the next one.
    pub(super) fn is_rotating(&self) -> bool {
        self.store().encryption().is_some_and(Encryption::is_rotating)
    }

    /// Runs a part of the rotation, and adds its result to `report`.
    pub(super) async fn run_rotation(&self, limit: u32, report: &mut DueReport) -> Result<(), Error> {
        let RotationReport { encrypted, more, failed } = self.rotate(limit).await?;
        report.encrypted += encrypted;
        report.more |= more;
        failed.into_iter().for_each(|(key, error)| report.add_failure(&key.to_string(), error.into()));
        Ok(())
    }
}

/// The reason why a document that was read still has an encrypted value; `None`: it has none.
#[cfg(feature = "verify")]
pub(super) fn sealed_problem(collection: &'static Collection, stored: &StoredDocument) -> Option<String> {
    let (field, id) = find_sealed(collection, &stored.document)?;
    Some(format!("its `{field}` is encrypted under the key `{id}`, which was not given"))
}

/// Whether a document has an encrypted value.
#[doc(hidden)]
pub fn has_sealed(collection: &'static Collection, document: &Document) -> bool {
    find_sealed(collection, document).is_some()
}

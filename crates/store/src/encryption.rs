//! The port of a store that encrypts secret fields. The crate `runstate-encryption` implements it.

use std::sync::Arc;

use runstate_core::marker::MaybeSync;
use runstate_core::schema::{Collection, Key};
use runstate_value::time::Timestamp;

use crate::{Freshness, Store, StoreError, StoreFuture, StoredDocument};

/// The fingerprint of rotations in the ledger. No caller repeats them, and these rows have no meaning in another store.
pub const ROTATION_FINGERPRINT: &str = "runstate.rotation";

/// The collection with the check values of keys. It belongs to one store, so exports and copies are without it.
pub const KEY_CHECKS: &str = "runstate.keys";

/// The encryption of the secret fields of a store, as far as an engine concerns it.
pub trait Encryption: MaybeSync {
    /// Returns the store below, whose documents hold encrypted values. Exports and imports use it.
    fn at_rest(&self) -> Arc<dyn Store>;

    /// As [`Store::get`], but a value whose key is not given stays encrypted, as in the result of a query. One that
    /// cannot be decrypted with its key becomes [`undecryptable`](runstate_core::schema::sealed::undecryptable).
    fn get_readable<'a>(
        &'a self,
        keys: &'a [Key],
        freshness: Freshness,
    ) -> StoreFuture<'a, Vec<Option<StoredDocument>>>;

    /// Returns the collection as the store below has it; the same one if it has no secrets.
    fn collection_at_rest(&self, collection: &'static Collection) -> &'static Collection;

    /// Whether keys were given, so that secrets are encrypted.
    fn has_keys(&self) -> bool;

    /// Compares the keys with those that the store was opened with before, by their check values. It stores the missing
    /// ones, unless `read_only`. [`StoreError::KeyMissing`]: another key was given under a known id.
    fn check_keys(&self, now: Timestamp, read_only: bool) -> StoreFuture<'_, ()>;

    /// Returns the fingerprint of a command under the key of hashes, or as it is if there is none.
    fn fingerprint(&self, fingerprint: String) -> String;

    /// Whether the last run of the rotation has left documents for the next one.
    fn is_rotating(&self) -> bool;

    /// Encrypts up to `limit` documents again whose secrets are not under the current key. Values under a key that is
    /// not given stay as they are.
    fn rotate(&self, now: Timestamp, limit: usize) -> StoreFuture<'_, RotationReport>;
}

/// The result of one run of a rotation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RotationReport {
    /// Documents that were encrypted again.
    pub encrypted: u64,
    /// Whether there may be more than the limit allowed.
    pub more: bool,
    /// Documents that cannot be encrypted again now, with the reason. They stay as they are.
    pub failed: Vec<(Key, StoreError)>,
}

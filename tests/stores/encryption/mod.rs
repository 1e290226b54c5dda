//! Encryption of secret fields: at rest, by queries, in transfer, and rotation.

mod at_rest;
mod mirror;
mod missing_keys;
mod rotation;
mod scene;
mod search;
mod transfer;

/// The conformance suite over an encrypting store: collections without secrets pass through it unchanged.
mod conformance {
    use std::sync::Arc;

    use runstate::encryption::EncryptedStore;
    use runstate::store::Memory;
    use runstate::testing::conformance::Subject;

    async fn fresh() -> Subject {
        Subject::new(EncryptedStore::new(Arc::new(Memory::new()), Some(super::scene::keys("k1"))))
    }

    runstate::conformance!(fresh);
}

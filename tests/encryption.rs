//! Encryption of secret fields: at rest, by queries, in transfer, and rotation.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "encryption/at_rest.rs"]
mod at_rest;
#[path = "encryption/mirror.rs"]
mod mirror;
#[path = "encryption/missing_keys.rs"]
mod missing_keys;
#[path = "encryption/rotation.rs"]
mod rotation;
#[path = "encryption/scene.rs"]
mod scene;
#[path = "encryption/search.rs"]
mod search;
#[path = "encryption/transfer.rs"]
mod transfer;

/// The conformance suite over an encrypting store: collections without secrets pass through it unchanged.
mod conformance {
    use std::sync::Arc;

    use runstate::store::Memory;
    use runstate::store::encryption::EncryptedStore;
    use runstate::testing::conformance::Subject;

    async fn fresh() -> Subject {
        Subject::new(EncryptedStore::new(Arc::new(Memory::new()), Some(super::scene::keys("k1"))))
    }

    runstate::conformance!(fresh);
}

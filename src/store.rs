//! The persistence port, and the stores of this build.

#[doc(inline)]
pub use runstate_store::*;
#[cfg(feature = "file")]
#[doc(inline)]
pub use runstate_store_file as file;
#[cfg(all(feature = "indexeddb", target_family = "wasm"))]
#[doc(inline)]
pub use runstate_store_indexeddb as indexeddb;
#[cfg(all(feature = "mongodb", not(target_family = "wasm")))]
#[doc(inline)]
pub use runstate_store_mongodb as mongodb;
#[cfg(all(feature = "postgres", not(target_family = "wasm")))]
#[doc(inline)]
pub use runstate_store_postgres as postgres;

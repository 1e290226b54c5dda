//! A durable-execution engine that you link into a server or embed as WebAssembly. It runs long-lived executions:
//! programs that stop to ask a model, a tool or a person. It never loses an execution.
//!
//! A program makes a call, and its whole state is committed. The answer may come hours later or on another machine. It
//! resumes the program at exactly that point.
//!
//! ```
//! # #[cfg(not(feature = "compiler"))] fn main() {}
//! # #[cfg(feature = "compiler")]
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), runstate::engine::Error> {
//! let cvm = runstate::Cvm::new(&runstate::open("memory:").await?); // or "file:DIR": the same documents, safe from kill -9
//! cvm.load_source("greet", r#"const name = CC("Who is there?"); console.log(`Hello, ${name}!`);"#).await?;
//! let mut run = cvm.start("greet").await?;
//! run.answer("Ada").await?; // or from another process, on another day: cvm.run(&id).await?.answer(…)
//! assert_eq!(run.output().await?, ["Hello, Ada!"]);
//! # Ok(()) }
//! ```
//!
//! | you want to | look at |
//! |---|---|
//! | open a store | [`open()`], [`Builder`] |
//! | run programs that make calls | [`client::Cvm`], [`client::Run`], [`client::Answer`] |
//! | list executions and calls, follow changes | [`client::Cvm::list`], [`client::Cvm::calls`], [`client::Cvm::stats`], [`engine::Engine::changes`] |
//! | know the states of an execution | [`domain::cvm`], with its lifecycle |
//! | answer calls with your own code | [`work::Worker`] |
//! | run scripts of models that call your tools | `code::Code` |
//! | store the files that steps of apps produce | `blob::Artifacts` |
//! | store documents of your own beside | [`engine::Engine::documents`] |
//! | call any operation by name, with JSON | [`engine::Engine::call`] |
//! | define a domain of your own on the same stores | [`operation::Domain`], [`decision::Command`], [`schema::Entity`] |
//! | implement another store | [`store::Store`], and the suite in `testing` that checks its contract |
//! | compile programs | `lang::compile` |
//!
//! # Crates
//!
//! This crate re-exports the crates of the workspace, and its features select them. `runstate-core` and the domains are
//! pure; `runstate-store` is the port, with a crate for each backend; `runstate-engine` drives commands against a
//! store.
//!
//! # Errors
//!
//! | type | of |
//! |---|---|
//! | [`engine::Error`] | what callers get: a code, a message, the document, whether a retry may succeed; on every wire |
//! | [`decision::Rejection`] | a decision that refuses a command; becomes an [`engine::Error`] |
//! | [`store::StoreError`] | a store; becomes an [`engine::Error`] |
//! | [`schema::Violation`] | a value that breaks a declaration; becomes a rejection |
//! | [`operation::RegistryError`] | domains that do not fit together; a defect of the program that opens the engine |
//!
//! # Features
//!
//! | feature | adds | default |
//! |---|---|---|
//! | `apps` | the domain of apps; the small module of pages does not have it | yes |
//! | `encryption` | encryption of secret fields; the small module of pages does not have it | yes |
//! | `file` | the store on files; in native builds it needs a tokio runtime, and in WebAssembly a host with `node:fs` | yes |
//! | `fleet` | the domain of fleets; the small module of pages does not have it | yes |
//! | `orchestration` | the domain of sessions, tasks and machines; the small module of pages does not have it | yes |
//! | `compiler` | `lang`: a TypeScript subset to bytecode | |
//! | `indexeddb` | the store in a browser's IndexedDB, in WebAssembly | |
//! | `mongodb` | the store on a MongoDB replica set, in native builds, on a tokio runtime | |
//! | `postgres` | the store on PostgreSQL 15 or newer, in native builds, on a tokio runtime | |
//! | `object-store` | bytes of artifacts in directories and on S3, in native builds, on a tokio runtime | |
//! | `webhook` | signed webhooks over HTTP, in native builds, on a tokio runtime | |
//! | `verify` | the check of all that a store holds; the small module of pages does not have it | yes |
//! | `schema` | documentation and schemas of operations, for tools | |
//! | `testing` | the conformance suite for any store, fault injection, simulated time and entropy | |
//!
//! The store in memory is always available. Futures are `Send` in native builds, and not in a page.

// The derive macros name the library by its path.
extern crate self as runstate;

pub mod client;
#[cfg(all(feature = "compiler", not(target_family = "wasm")))]
pub mod code;
pub mod domain;
pub mod open;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;

#[cfg(feature = "apps")]
#[doc(inline)]
pub use runstate_blob as blob;
#[doc(hidden)]
pub use runstate_core::{HAS_SCHEMAS, described_list, described_parameters, description};
#[doc(inline)]
pub use runstate_core::{decision, error_code, id, lease, limits, marker, operation, schema};
pub use runstate_core::{error_codes, lease_names, serialized_field_type};
#[cfg(feature = "encryption")]
#[doc(inline)]
pub use runstate_encryption as encryption;
#[doc(inline)]
pub use runstate_engine as engine;
#[doc(inline)]
pub use runstate_engine::work;
#[cfg(feature = "compiler")]
#[doc(inline)]
pub use runstate_lang as lang;
#[cfg(not(target_family = "wasm"))]
#[doc(inline)]
pub use runstate_legacy as legacy;
#[cfg(all(feature = "object-store", not(target_family = "wasm")))]
#[doc(inline)]
pub use runstate_objects as objects;
#[cfg(feature = "testing")]
pub use runstate_store::conformance;
#[doc(inline)]
pub use runstate_transfer as transfer;
#[doc(inline)]
pub use runstate_value as value;
#[doc(inline)]
pub use runstate_value::time;
#[doc(inline)]
pub use runstate_vm as vm;
#[cfg(all(feature = "webhook", not(target_family = "wasm")))]
#[doc(inline)]
pub use runstate_webhook as webhook;

pub use client::{Builder, Cvm, open};

// Its code blocks are doc tests.
#[cfg(all(doctest, feature = "testing", feature = "compiler", not(target_family = "wasm")))]
#[doc = include_str!("../docs/store-authors.md")]
mod store_authors {}

#[cfg(all(doctest, feature = "compiler", not(target_family = "wasm")))]
#[doc = include_str!("../README.md")]
mod readme {}

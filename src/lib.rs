//! A state engine that you link into a server or embed as WebAssembly: it runs long-lived executions, programs that stop
//! to ask a model, a tool or a person, and never loses one.
//!
//! A program asks a question; its whole state is committed; hours or machines later the answer continues it exactly there.
//!
//! ```
//! use std::sync::Arc;
//! use runstate::domain::{self, cvm::{Load, Start, Status}};
//! use runstate::engine::{Engine, SystemHost, open};
//! use runstate::limits::Settings;
//!
//! # #[cfg(not(feature = "compiler"))] fn main() {}
//! # #[cfg(feature = "compiler")]
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = open::open("memory:").await?; // or "file:DIR": the same documents, safe from kill -9
//! let engine = Engine::new(store, Arc::new(SystemHost), domain::catalog()?, Settings::default()).await?;
//! let runs = engine.cvm();
//!
//! let source = r#"const name = CC("Who is there?"); console.log(`Hello, ${name}!`);"#;
//! let bytecode = runstate::lang::compile("greet.ts", source).map_err(|found| found[0].to_string())?.bytecode;
//! runs.load(&Load::new("greet", source, bytecode), None).await?;
//!
//! let run = runs.start(&Start::of("greet"), None).await?;
//! assert_eq!(run.status, Status::WaitingCc);
//! assert_eq!(runs.show(&run.id).await?.calls[0].prompt, "Who is there?");
//!
//! // From here on, or from another process on another day:
//! runs.answer(&run.id, None, "Ada".into(), None, None).await?;
//! assert_eq!(runs.output(&run.id).await?, ["Hello, Ada!"]);
//! # Ok(()) }
//! ```
//!
//! | you want to | look at |
//! |---|---|
//! | run programs that ask | [`engine::Cvm`] |
//! | see what is going on, and follow it | [`engine::Cvm::active`], [`engine::Cvm::stats`], [`engine::Cvm::calls`], [`engine::Cvm::changes`] |
//! | know what happens to an execution | [`domain::cvm`], with its lifecycle |
//! | have what they ask answered by code of yours | [`work::Worker`] |
//! | decide things of your own on the same stores | [`decision::Command`], [`engine::Engine::execute`] |
//! | keep documents elsewhere | [`store::Store`], and the suite in `testing` that holds it to its contract |
//! | compile programs | `lang::compile` |
//!
//! # Features
//!
//! | feature | what it adds | default |
//! |---|---|---|
//! | `file` | the store on files; natively it needs a tokio runtime | yes |
//! | `compiler` | `lang`: a TypeScript subset to bytecode | |
//! | `wasm` | the wasm-bindgen exports; with `file` its store on `node:fs`, where the host provides it | |
//! | `indexeddb` | the store in a browser's IndexedDB, in WebAssembly; turns on `wasm` | |
//! | `mongodb` | the store on a MongoDB replica set, natively, on a runtime of tokio | |
//! | `wasm-compiler` | the compiler's wasm-bindgen exports, for a WebAssembly of its own | |
//! | `tracing` | what the engine tells of itself (conflicts, unknown outcomes, damage) as events of `tracing` | |
//! | `typescript` | the types that cross to JavaScript, as TypeScript | |
//! | `simulation` | simulated time and entropy; in WebAssembly the worlds of `runstate/testing` | |
//! | `testing` | the conformance suite any store can run, faults; turns on `simulation` | |
//!
//! The store in memory is always there. Futures are `Send` natively, and are not in a page.

pub mod code;
pub mod decision;
pub mod domain;
pub mod engine;
pub mod id;
#[cfg(feature = "compiler")]
pub mod lang;
pub mod limits;
pub mod marker;
pub mod schema;
pub mod store;
#[cfg(feature = "simulation")]
pub mod testing;
pub mod time;
pub mod value;
pub mod vm;
#[cfg(any(feature = "wasm", feature = "wasm-compiler"))]
pub mod wasm;
pub mod work;

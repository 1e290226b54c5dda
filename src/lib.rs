//! A durable-execution engine that you link into a server or embed as WebAssembly. It runs long-lived executions: programs that stop to ask
//! a model, a tool or a person. It never loses an execution.
//!
//! A program makes a call, and its whole state is committed. The answer may come hours later or on another machine. It resumes the program
//! at exactly that point.
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
//! let run = runs.start(&Start::new("greet"), None).await?;
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
//! | run programs that make calls | [`engine::Cvm`] |
//! | list executions and calls, follow changes | [`engine::Cvm::active`], [`engine::Cvm::stats`], [`engine::Cvm::calls`], [`engine::Cvm::changes`] |
//! | know the states of an execution | [`domain::cvm`], with its lifecycle |
//! | answer calls with your own code | [`work::Worker`] |
//! | define your own commands on the same stores | [`decision::Command`], [`engine::Engine::execute`] |
//! | implement another store | [`store::Store`], and the suite in `testing` that checks its contract |
//! | compile programs | `lang::compile` |
//!
//! # Features
//!
//! | feature | adds | default |
//! |---|---|---|
//! | `file` | the store on files; in native builds it needs a tokio runtime | yes |
//! | `compiler` | `lang`: a TypeScript subset to bytecode | |
//! | `wasm` | the wasm-bindgen exports; with `file`, the file store on `node:fs` where the host provides it | |
//! | `indexeddb` | the store in a browser's IndexedDB, in WebAssembly; turns on `wasm` | |
//! | `mongodb` | the store on a MongoDB replica set, in native builds, on a tokio runtime | |
//! | `wasm-compiler` | the compiler's wasm-bindgen exports, for a WebAssembly module of its own | |
//! | `tracing` | events of the engine (conflicts, unknown outcomes, damage) as events of `tracing` | |
//! | `typescript` | the types that cross the boundary to JavaScript, as TypeScript | |
//! | `simulation` | simulated time and entropy; in WebAssembly, the simulated worlds of `runstate/testing` | |
//! | `testing` | the conformance suite for any store, and fault injection; turns on `simulation` | |
//!
//! The store in memory is always available. Futures are `Send` in native builds, and not in a page.

pub mod decision;
pub mod domain;
pub mod engine;
pub mod error_code;
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

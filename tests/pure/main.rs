//! Tests that need neither a store on files nor a server: the language, declarations and wire forms, and work in
//! simulated time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod entity;
mod fuzz;
mod language;
mod modules;
#[path = "../support/settings.rs"]
mod settings;
mod typescript;
mod wire;
mod work;

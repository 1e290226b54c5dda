//! The domain `fleet` from the outside: its operations by their names.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod budgets;
mod cases;
mod checkpoints;
mod contention;
#[cfg(feature = "compiler")]
mod costs;
#[cfg(feature = "compiler")]
mod costs_random;
mod hubs;
mod late_claims;
mod lifecycle;
mod machines;
mod projects;
mod random;
mod scene;
mod upkeep;
mod views;

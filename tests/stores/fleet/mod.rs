//! The domain `fleet` from the outside: its operations by their names.

mod asking;
mod budgets;
mod cases;
mod checkpoints;
mod contention;
mod costs;
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

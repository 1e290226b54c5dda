//! The domain `orchestration` from the outside: sessions, tasks and machines by the names of their operations.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cases;
mod concurrency;
mod due;
mod lifecycle;
mod older_data;
mod programs;
mod queries;
mod random;
mod recovery;
mod scene;
mod sessions;
mod tasks;

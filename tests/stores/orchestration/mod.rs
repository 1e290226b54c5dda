//! The domain `orchestration` from the outside: sessions, tasks and machines by the names of their operations.

mod cases;
mod concurrency;
mod due;
mod lifecycle;
mod older_data;
mod programs;
mod queries;
mod random;
mod recovery;
mod retention;
mod scene;
mod sessions;
mod tasks;

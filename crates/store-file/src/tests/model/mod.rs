//! A model of the protocol (`docs/decisions/0002`): an exhaustive search over every interleaving of a few processes
//! that run the production code. Each call of a process waits until the search grants it. A process that gets no
//! further grant is killed or paused. The power fails wherever that can make a difference, with every choice of
//! surviving unsynced changes. In every state:
//!
//! - a command that an acknowledgement or a reply has reported is committed, completely and once; a refused one is not;
//! - a new process opens the store without damage, writes, and opens it again;
//! - a reply includes everything that was reported to any process before the read began;
//! - every process ends its script without an error, whatever the other processes do.
//!
//! `process.rs`: the file system of a process, and its histories; `rules.rs`: how it leaves one rule out; `script.rs`:
//! the actions of processes and their observations; `world.rs`: states and steps; `search.rs`: the search;
//! `scenarios.rs`: its inputs, with all rules and without each one. [`world::ModelWorld::grant`] and
//! [`world::ModelWorld::is_worth_a_loss_of_power`] describe which calls are granted together, and why that hides no
//! violation.

mod process;
mod rules;
mod scenarios;
mod script;
mod search;
mod world;

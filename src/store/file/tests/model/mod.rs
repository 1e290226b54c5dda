//! The protocol's model: the production code, driven through every interleaving of a few processes. Every call of a process waits until
//! the search grants it; a process that is never granted another is one that was killed, or sleeps; and the power fails wherever that can make a
//! difference, leaving every choice of what was not synced. In every state:
//!
//! - what somebody was told is there (an acknowledgement, a reply) is there, whole and once; what was refused or deleted is not;
//! - who comes opens the store without damage, writes, and opens it again;
//! - a reply knows everything that anybody was told before it was asked for;
//! - every process ends its script, without an error, whatever the others do or do not.
//!
//! `calls.rs`: a process's file system; `script.rs`: what processes do and what that tells; `process.rs`: each history is run once;
//! `world.rs`: states and steps; `search.rs`: the search. Which calls are granted together, and why that loses nothing, is written at
//! [`world::World::grant`] and [`world::World::is_worth_a_loss_of_power`].

mod calls;
mod process;
mod rules;
mod scenarios;
mod script;
mod search;
mod world;

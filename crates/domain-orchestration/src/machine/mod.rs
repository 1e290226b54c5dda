//! Machines on which sessions run: entity and lifecycle. Their slots are in `slots.rs`.

mod commands;
mod slots;

use std::collections::BTreeMap;

use runstate_core::decision::Event;
use runstate_core::prelude::*;
use runstate_core::schema::State;

pub use commands::{
    AssignSession, ChangeSlots, DrainMachine, MachineHeartbeat, MachineSummary, MarkOffline, RegisterMachine,
    ReleaseSession, SetMaintenance,
};
pub use slots::SlotChoice;
pub(super) use slots::with_holders;

/// A machine on which sessions run.
// Documents of the older system lack the fields with a default.
#[derive(Entity, Wire, Clone, Debug, PartialEq)]
#[entity(collection = "orchestration.machines", version = 1, noun = "machine", filters(status))]
#[index(machine_id, unique)]
#[index(status)]
#[index(last_heartbeat)]
#[index(status, last_heartbeat)]
pub struct Machine {
    /// Its id.
    #[entity(id)]
    pub machine_id: String,
    /// Its name in the network.
    #[entity(max = 1_000)]
    pub hostname: String,
    /// Its status.
    #[entity(state)]
    pub state: MachineState,
    /// All its slots. Without slots it takes any number of sessions.
    #[entity(default)]
    pub docker_slots: Vec<u32>,
    /// The session in each slot that is taken.
    #[entity(default)]
    pub slots: BTreeMap<String, String>,
    /// The sessions on it that have not ended.
    #[entity(default)]
    pub active_sessions: Vec<String>,
    /// The last time at which it was alive.
    pub last_heartbeat: Timestamp,
    /// Its specification, to pick it by.
    #[entity(default)]
    pub metadata: Document,
    /// When the document was created.
    pub created_at: Timestamp,
    /// When the document was last changed.
    #[entity(updated)]
    pub updated_at: Timestamp,
}

/// Status of a machine.
#[derive(State, Wire, Clone, Debug, PartialEq)]
#[state(status = MachineStatus)]
pub enum MachineState {
    /// It takes sessions.
    Online,
    /// No heartbeat has arrived.
    Offline,
    /// It takes no new sessions.
    Maintenance,
}

/// An event of a machine.
#[derive(Event, Clone, Copy, Debug, PartialEq)]
pub enum MachineEvent {
    /// See [`MachineHeartbeat`].
    Heartbeat,
    /// See [`MarkOffline`].
    #[event(name = "sweep")]
    MarkOffline,
    /// See [`SetMaintenance`] and [`DrainMachine`].
    #[event(name = "maintenance")]
    BeginMaintenance,
    /// See [`SetMaintenance`].
    #[event(name = "maintenance --off")]
    EndMaintenance,
}

impl Lifecycle for Machine {
    type Event = MachineEvent;

    fn transition(state: MachineState, event: MachineEvent) -> Option<MachineState> {
        use MachineState::{Maintenance, Offline, Online};
        match (state, event) {
            (Online | Offline, MachineEvent::Heartbeat) | (Maintenance, MachineEvent::EndMaintenance) => Some(Online),
            (Maintenance, MachineEvent::Heartbeat) | (_, MachineEvent::BeginMaintenance) => Some(Maintenance),
            (Online, MachineEvent::MarkOffline) => Some(Offline),
            _ => None,
        }
    }
}

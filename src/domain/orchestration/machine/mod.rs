//! Machines on which sessions run: entity and lifecycle. Their slots are in `slots.rs`.

mod commands;
mod slots;

pub use commands::{
    AssignSession, ChangeSlots, DrainMachine, MachineHeartbeat, MachineSummary, MarkOffline, RegisterMachine,
    ReleaseSession, SetMaintenance,
};
pub use slots::SlotChoice;
pub(super) use slots::with_holders;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::decision::{Lifecycle, Rejection};
use crate::operation::Parameter;
use crate::schema::{Entity, FieldType, Key, State};
use crate::time::Timestamp;
use crate::value::Document;

/// A machine on which sessions run.
// Documents of the older system lack the fields with a default.
#[derive(Entity, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    #[serde(flatten)]
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
#[derive(State, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum MachineState {
    /// It takes sessions.
    Online,
    /// No heartbeat has arrived.
    Offline,
    /// It takes no new sessions.
    Maintenance,
}

/// Status of a machine, without its data.
#[derive(FieldType, Parameter, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MachineStatus {
    /// It takes sessions.
    Online,
    /// No heartbeat has arrived.
    Offline,
    /// It takes no new sessions.
    Maintenance,
}

/// An event of a machine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MachineEvent {
    /// See [`MachineHeartbeat`].
    Heartbeat,
    /// See [`MarkOffline`].
    MarkOffline,
    /// See [`SetMaintenance`] and [`DrainMachine`].
    BeginMaintenance,
    /// See [`SetMaintenance`].
    EndMaintenance,
}

impl Lifecycle for Machine {
    type State = MachineState;
    type Event = MachineEvent;

    fn transition(state: MachineState, event: MachineEvent) -> Result<MachineState, Rejection> {
        use MachineState::{Maintenance, Offline, Online};
        Ok(match (state, event) {
            (Online | Offline, MachineEvent::Heartbeat) | (Maintenance, MachineEvent::EndMaintenance) => Online,
            (Maintenance, MachineEvent::Heartbeat) | (_, MachineEvent::BeginMaintenance) => Maintenance,
            (Online, MachineEvent::MarkOffline) => Offline,
            (state, event) => {
                let (from, command) = (Self::status(&state), Self::command(&event));
                let key = Key::new(&Self::COLLECTION, "?");
                return Err(Rejection::IllegalTransition { key, from, command, remedy: None });
            }
        })
    }

    fn states() -> Vec<MachineState> {
        vec![MachineState::Online, MachineState::Offline, MachineState::Maintenance]
    }

    fn events() -> Vec<MachineEvent> {
        use MachineEvent::{BeginMaintenance, EndMaintenance, Heartbeat, MarkOffline};
        vec![Heartbeat, MarkOffline, BeginMaintenance, EndMaintenance]
    }

    fn status(state: &MachineState) -> &'static str {
        state.status().as_str()
    }

    fn command(event: &MachineEvent) -> &'static str {
        match event {
            MachineEvent::Heartbeat => "heartbeat",
            MachineEvent::MarkOffline => "sweep",
            MachineEvent::BeginMaintenance => "maintenance",
            MachineEvent::EndMaintenance => "maintenance --off",
        }
    }
}

impl MachineState {
    /// The status.
    pub fn status(&self) -> MachineStatus {
        match self {
            Self::Online => MachineStatus::Online,
            Self::Offline => MachineStatus::Offline,
            Self::Maintenance => MachineStatus::Maintenance,
        }
    }
}

impl Machine {
    /// Changes the state.
    fn apply(&mut self, event: MachineEvent) -> Result<(), Rejection> {
        let key = Key::new(&Self::COLLECTION, &self.machine_id);
        self.state = Self::transition(self.state.clone(), event).map_err(|rejection| rejection.with_key(key))?;
        Ok(())
    }
}

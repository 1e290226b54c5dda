//! Machines, and the slots in which sessions run on them. The machine's document decides which session holds a slot, so no slot has two
//! holders. The session's document repeats its slot in the same commit.

mod commands;

pub use commands::{
    AssignSession, ChangeSlots, DrainMachine, MachineHeartbeat, MachineSummary, MarkOffline, RegisterMachine,
    ReleaseSession, SetMaintenance,
};

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::codes;
use super::session::Session;
use crate::decision::{Lifecycle, Rejection};
use crate::operation::{Mismatch, Parameter};
use crate::schema::{Entity, FieldType, Key, State};
use crate::time::Timestamp;
use crate::value::{Document, Json};

/// A machine on which sessions run.
// Documents of the older system lack the fields with a default.
#[derive(Entity, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[entity(collection = "orchestration.machines", version = 1, noun = "machine", filters(status))]
#[index(machine_id, unique)]
#[index(status)]
#[index(last_heartbeat)]
#[index(due_at, when = "exists(due_at)")]
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
    Online {
        /// When it is offline without a heartbeat.
        #[entity(default)]
        due_at: Timestamp,
    },
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

/// An event of a machine. The time is that at which it is offline without a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MachineEvent {
    /// See [`MachineHeartbeat`].
    Heartbeat(Timestamp),
    /// See [`MarkOffline`].
    MarkOffline,
    /// See [`SetMaintenance`] and [`DrainMachine`].
    BeginMaintenance,
    /// See [`SetMaintenance`].
    EndMaintenance(Timestamp),
}

impl Lifecycle for Machine {
    type State = MachineState;
    type Event = MachineEvent;

    fn transition(state: MachineState, event: MachineEvent) -> Result<MachineState, Rejection> {
        use MachineState::{Maintenance, Offline, Online};
        Ok(match (state, event) {
            (Online { .. } | Offline, MachineEvent::Heartbeat(due_at))
            | (Maintenance, MachineEvent::EndMaintenance(due_at)) => Online { due_at },
            (Maintenance, MachineEvent::Heartbeat(_)) | (_, MachineEvent::BeginMaintenance) => Maintenance,
            (Online { .. }, MachineEvent::MarkOffline) => Offline,
            (state, event) => {
                let (from, command) = (Self::status(&state), Self::command(&event));
                let key = Key::new(&Self::COLLECTION, "?");
                return Err(Rejection::IllegalTransition { key, from, command, remedy: None });
            }
        })
    }

    fn states() -> Vec<MachineState> {
        vec![MachineState::Online { due_at: Timestamp::default() }, MachineState::Offline, MachineState::Maintenance]
    }

    fn events() -> Vec<MachineEvent> {
        let at = Timestamp::default();
        vec![
            MachineEvent::Heartbeat(at),
            MachineEvent::MarkOffline,
            MachineEvent::BeginMaintenance,
            MachineEvent::EndMaintenance(at),
        ]
    }

    fn status(state: &MachineState) -> &'static str {
        state.status().as_str()
    }

    fn command(event: &MachineEvent) -> &'static str {
        match event {
            MachineEvent::Heartbeat(_) => "heartbeat",
            MachineEvent::MarkOffline => "sweep",
            MachineEvent::BeginMaintenance => "maintenance",
            MachineEvent::EndMaintenance(_) => "maintenance --off",
        }
    }
}

impl MachineState {
    /// The status.
    pub fn status(&self) -> MachineStatus {
        match self {
            Self::Online { .. } => MachineStatus::Online,
            Self::Offline => MachineStatus::Offline,
            Self::Maintenance => MachineStatus::Maintenance,
        }
    }
}

/// The slot that a caller requests: its number, or `auto` for the lowest free one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SlotChoice {
    /// The lowest free one. On a machine without slots: none.
    Auto,
    /// This one.
    #[serde(untagged)]
    Number(u32),
}

impl Parameter for SlotChoice {
    fn expected() -> String {
        format!("{}, or `auto`", <u32 as Parameter>::expected())
    }

    fn from_json(value: Json) -> Result<Self, Mismatch> {
        match value {
            Json::String(word) if word == "auto" => Ok(Self::Auto),
            value => {
                let number = <u32 as Parameter>::from_json(value.clone()).map(Self::Number);
                number.map_err(|_| Mismatch::of_type(Self::expected(), value))
            }
        }
    }
}

impl JsonSchema for SlotChoice {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SlotChoice".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["integer", "string"], "description": "The number of a slot, or `auto` for the lowest free one." })
    }
}

impl Machine {
    /// Changes the state.
    fn apply(&mut self, event: MachineEvent) -> Result<(), Rejection> {
        let key = Key::new(&Self::COLLECTION, &self.machine_id);
        self.state = Self::transition(self.state.clone(), event).map_err(|rejection| rejection.with_key(key))?;
        Ok(())
    }

    /// The slots that no session holds, lowest first.
    pub(super) fn free_slots(&self) -> impl Iterator<Item = u32> {
        let mut free: Vec<u32> =
            self.docker_slots.iter().copied().filter(|slot| !self.slots.contains_key(&slot.to_string())).collect();
        free.sort_unstable();
        free.into_iter()
    }

    /// Puts a session on the machine, in a slot if the caller requests one. A session that is there already may get a slot.
    pub(super) fn assign(&mut self, session: &mut Session, slot: Option<SlotChoice>) -> Result<(), Rejection> {
        let status = self.state.status();
        if status != MachineStatus::Online {
            let remedy = (status == MachineStatus::Offline).then_some("heartbeat");
            let key = Key::new(&Self::COLLECTION, &self.machine_id);
            return Err(Rejection::IllegalTransition { key, from: status.as_str(), command: "assign", remedy });
        }
        let slot = match slot {
            Some(SlotChoice::Number(slot)) => Some(self.check_slot(slot, &session.session_id)?),
            // A session keeps the slot that it has.
            Some(SlotChoice::Auto) if session.docker_slot.is_some() => session.docker_slot,
            Some(SlotChoice::Auto) if !self.docker_slots.is_empty() => {
                let none_free = || format!("all slots of machine `{}` are taken; nothing was changed", self.machine_id);
                let free = self.free_slots().next();
                Some(free.ok_or_else(|| Rejection::domain(codes::NO_FREE_SLOT, none_free()))?)
            }
            _ => None,
        };
        if let Some(held) = session.docker_slot
            && Some(held) != slot
        {
            let message = format!("session `{}` is in slot {held}; release it first", session.session_id);
            return Err(Rejection::domain(codes::ALREADY_ASSIGNED, message));
        }
        session.machine_id.clone_from(&self.machine_id);
        session.docker_slot = slot;
        self.slots.extend(slot.map(|slot| (slot.to_string(), session.session_id.clone())));
        if !self.active_sessions.contains(&session.session_id) {
            self.active_sessions.push(session.session_id.clone());
        }
        Ok(())
    }

    fn check_slot(&self, slot: u32, session: &str) -> Result<u32, Rejection> {
        if !self.docker_slots.contains(&slot) {
            let reason = format!("machine `{}` has no slot {slot}", self.machine_id);
            return Err(Rejection::Invalid { field: "slot".to_owned(), reason });
        }
        match self.slots.get(&slot.to_string()) {
            Some(holder) if holder != session => Err(self.in_use(slot, holder)),
            _ => Ok(slot),
        }
    }

    fn in_use(&self, slot: u32, holder: &str) -> Rejection {
        let message = format!(
            "slot {slot} of machine `{}` is in use by session `{holder}`; nothing was changed",
            self.machine_id
        );
        Rejection::domain(codes::SLOT_IN_USE, message)
    }

    /// Takes a session off the machine, and frees its slot.
    pub(super) fn release(&mut self, session: &mut Session) {
        self.active_sessions.retain(|id| *id != session.session_id);
        self.slots.retain(|_, holder| *holder != session.session_id);
        if session.machine_id == self.machine_id {
            session.docker_slot = None;
        }
    }
}

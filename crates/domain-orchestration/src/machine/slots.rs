//! The slots in which sessions run on a machine. The machine's document decides which session holds a slot, so no slot
//! has two holders. The session's document repeats its slot in the same commit.
//!
//! In the older system only the sessions say which slot they hold. A machine that names no holders may be such a
//! machine, so commands that assign its slots read the holders too, and store them with the machine.

use runstate_core::operation::Mismatch;
use runstate_core::prelude::*;
use runstate_value::{collect_btree_map, sort_by};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{Machine, MachineStatus};
use crate::codes;
use crate::session::{Session, SessionStatus};

/// The name of the query for the sessions in slots.
const HOLDERS: &str = "holders";
/// Largest number of sessions in slots that are read.
const READ_HOLDERS: u32 = 10_000;

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

/// Adds the sessions in slots of those machines which name none. [`Machine::add_holders`] uses them.
pub fn with_holders<'a>(reads: ReadSet, machines: impl IntoIterator<Item = &'a Machine>) -> ReadSet {
    let unnamed = machines.into_iter().filter(|machine| machine.names_no_holders());
    let ids: Vec<Json> = unnamed.map(|machine| Json::from(&*machine.machine_id)).collect();
    if ids.is_empty() {
        return reads;
    }
    let open = [SessionStatus::Active, SessionStatus::Paused, SessionStatus::Stalled];
    let query = Query::of(&Session::COLLECTION)
        .filter(Filter::In("machine_id".to_owned(), ids))
        .filter(Filter::In("status".to_owned(), open.map(|status| status.as_str().into()).into()))
        .filter(Filter::Exists("docker_slot".to_owned(), true));
    reads.query(HOLDERS, query.limit(READ_HOLDERS))
}

impl Machine {
    /// Adds what assigning a slot of a machine needs: the machine, and the sessions in its slots if it names none.
    pub(crate) fn slot_reads(view: &View, machine_id: &str, reads: ReadSet) -> ReadSet {
        // The decision reports a machine that cannot be read.
        let machine = view.find_entity::<Self>(machine_id).ok().flatten();
        with_holders(reads.with_entity::<Self>(machine_id), machine.iter().map(|machine| &machine.entity))
    }

    /// Names the sessions in its slots, if it names none. If two sessions of the older system hold one slot, the first
    /// has it.
    pub(crate) fn add_holders(&mut self, view: &View) -> Result<()> {
        if !self.names_no_holders() {
            return Ok(());
        }
        for session in view.entities::<Session>(HOLDERS)? {
            let Some(slot) = session.docker_slot.filter(|_| session.machine_id == self.machine_id) else { continue };
            if !self.active_sessions.contains(&session.session_id) {
                self.active_sessions.push(session.session_id.clone());
            }
            self.slots.entry(slot.to_string()).or_insert(session.session_id);
        }
        Ok(())
    }

    fn names_no_holders(&self) -> bool {
        self.slots.is_empty() && !self.docker_slots.is_empty()
    }

    /// The slots that no session holds, lowest first.
    pub(crate) fn free_slots(&self) -> impl Iterator<Item = u32> {
        let mut free: Vec<u32> =
            self.docker_slots.iter().copied().filter(|slot| !self.slots.contains_key(&slot.to_string())).collect();
        sort_by(&mut free, Ord::cmp);
        free.into_iter()
    }

    /// Puts a session on the machine, in a slot if the caller requests one. A session that is there already may get a
    /// slot.
    pub(crate) fn assign(&mut self, session: &mut Session, slot: Option<SlotChoice>) -> Result<()> {
        let status = self.state.status();
        if status != MachineStatus::Online {
            let remedy = (status == MachineStatus::Offline).then_some("heartbeat");
            return Err(self.illegal("assign", remedy));
        }
        let slot = match slot {
            Some(SlotChoice::Number(slot)) => Some(self.check_slot(slot, &session.session_id)?),
            // A session keeps the slot that it has.
            Some(SlotChoice::Auto) if session.docker_slot.is_some_and(|slot| self.is_held(slot, session)) => {
                session.docker_slot
            }
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

    fn is_held(&self, slot: u32, session: &Session) -> bool {
        self.slots.get(&slot.to_string()) == Some(&session.session_id)
    }

    fn check_slot(&self, slot: u32, session: &str) -> Result<u32> {
        if !self.docker_slots.contains(&slot) {
            return Err(Rejection::invalid("slot", format!("machine `{}` has no slot {slot}", self.machine_id)));
        }
        match self.slots.get(&slot.to_string()) {
            Some(holder) if holder != session => Err(self.in_use(slot, holder)),
            _ => Ok(slot),
        }
    }

    pub(super) fn in_use(&self, slot: u32, holder: &str) -> Rejection {
        let message = format!(
            "slot {slot} of machine `{}` is in use by session `{holder}`; nothing was changed",
            self.machine_id
        );
        Rejection::domain(codes::SLOT_IN_USE, message)
    }

    /// Takes a session off the machine, and frees its slot.
    pub(crate) fn release(&mut self, session: &mut Session) {
        self.active_sessions.retain(|id| *id != session.session_id);
        let slots = std::mem::take(&mut self.slots).into_iter();
        self.slots = collect_btree_map(slots.filter(|(_, holder)| *holder != session.session_id));
        if session.machine_id == self.machine_id {
            session.docker_slot = None;
        }
    }
}

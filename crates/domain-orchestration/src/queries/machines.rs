//! Queries of machines: those with free slots, and the choice of one for a session.

use runstate_core::prelude::*;
use runstate_core::schema::Page;

use super::ROWS;
use crate::codes;
use crate::machine::{Machine, MachineStatus, with_holders};

/// Largest number of machines among which one is picked.
const PICKED_MACHINES: u32 = 10_000;

/// Lists online machines with a free slot, page by page. A page may have fewer rows than its limit, and not be the
/// last.
///
/// Errors: `invalid` (the cursor is not of this list).
#[derive(Clone, Debug, Default, Operation)]
#[operation(name = "orchestration.machine.free", query)]
pub struct FreeMachines {
    /// Maximum number of rows; by default 100, never more than 1,000.
    pub limit: Option<u32>,
    /// `next` of the page before; by default the first page.
    pub cursor: Option<String>,
}

impl DomainQuery for FreeMachines {
    type Output = Page<Machine>;

    fn reads(&self, view: &View) -> ReadSet {
        let online = Query::of(&Machine::COLLECTION).eq("status", MachineStatus::Online.as_str());
        machine_reads(view, online.page(self.limit, self.cursor.as_ref()))
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Page<Machine>> {
        let mut page: Page<Machine> = view.page(ROWS);
        page.items.iter_mut().try_for_each(|machine| machine.add_holders(view))?;
        page.items.retain(|machine| machine.free_slots().next().is_some());
        Ok(page)
    }
}

/// Returns the online machine with the most free slots that meets requirements. A machine without slots takes any
/// number of sessions, and is picked if no other one has a free slot. Only the first 10,000 such machines are
/// considered, in the order of their ids.
///
/// Errors: `no_free_slot` (no online machine meets them and has room).
#[derive(Clone, Debug, Default, Operation)]
#[operation(name = "orchestration.machine.pick", query)]
pub struct PickMachine {
    /// Members that the metadata of the machine must have, with their values.
    pub requirements: Option<Document>,
}

impl DomainQuery for PickMachine {
    type Output = Machine;

    fn reads(&self, view: &View) -> ReadSet {
        let query = Query::of(&Machine::COLLECTION)
            .eq("status", MachineStatus::Online.as_str())
            .limit(PICKED_MACHINES)
            .with_unreadable();
        let query = match &self.requirements {
            Some(members) => query.filter(Filter::Contains("metadata".to_owned(), members.clone().into())),
            None => query,
        };
        machine_reads(view, query)
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Machine> {
        // A machine that cannot be read is not picked.
        let mut machines: Vec<Machine> = view.page(ROWS).items;
        machines.iter_mut().try_for_each(|machine| machine.add_holders(view))?;
        let has_room = |machine: &Machine| machine.docker_slots.is_empty() || machine.free_slots().next().is_some();
        let with_room = machines.into_iter().filter(has_room);
        let none = || Rejection::domain(codes::NO_FREE_SLOT, "no online machine meets the requirements and has room");
        // Of equal machines, the one with the fewest sessions, then the first.
        let rank = |machine: &Machine| {
            (
                machine.free_slots().count(),
                std::cmp::Reverse((machine.active_sessions.len(), machine.machine_id.clone())),
            )
        };
        with_room.max_by_key(rank).ok_or_else(none)
    }
}

/// Reads machines, and the sessions in slots of those which may be of the older system.
fn machine_reads(view: &View, query: Query) -> ReadSet {
    let machines = view.page::<Machine>(ROWS).items;
    let busy = machines.iter().filter(|machine| !machine.active_sessions.is_empty());
    with_holders(ReadSet::empty().query(ROWS, query), busy)
}

//! The lifecycle of an execution: its events and transitions. The table in the docs is derived from it.

use runstate_core::decision::{Event, LifecycleState};
use runstate_core::prelude::*;

use super::{ExecutionHead, ExecutionState, ProgramError, ResumeState, Status, Waiting};

/// An event of an execution.
#[derive(Event, Clone, Debug, PartialEq)]
pub enum ExecutionEvent {
    /// A slice ended with more to run. The time is the end of the lease; calls of its tasks may be open.
    #[event(name = "run")]
    Yield(Timestamp, Option<Waiting>),
    /// A slice ended with open calls.
    #[event(name = "run")]
    Wait(Waiting),
    /// A slice ended with the program's value.
    #[event(name = "run")]
    Complete(Timestamp, Json),
    /// A slice ended with an error.
    #[event(name = "run")]
    Fail(ProgramError),
    /// A slice ended with the `CancelledError` of a graceful cancel.
    #[event(name = "run")]
    Stop(Timestamp),
    /// Open calls were closed, and the program gets their outcomes later. These are the calls that it waits for now.
    #[event(name = "answer")]
    CloseCall(Waiting),
    /// Open calls were closed, and the program gets their outcomes. The time is the end of the lease.
    #[event(name = "answer")]
    Wake(Timestamp),
    /// An early answer arrived.
    #[event(name = "answer")]
    AnswerEarly,
    /// See [`Approve`](crate::Approve) and [`Reject`](crate::Reject).
    Approve,
    /// See [`Pause`](super::Pause).
    Pause,
    /// See [`Unpause`](super::Unpause). The time is the end of the lease.
    Unpause(Timestamp),
    /// See [`Cancel`](super::Cancel).
    Cancel(Timestamp),
    /// See [`Cancel::graceful`](super::Cancel::graceful). The time is the end of the lease.
    #[event(name = "graceful cancel")]
    CancelGracefully(Timestamp),
    /// See [`Retry`](super::Retry). The time is the end of the lease.
    Retry(Timestamp),
    /// See [`Delete`](super::Delete). The time is the end of the lease of the process that deletes it.
    Delete(Timestamp),
}

impl Lifecycle for ExecutionHead {
    type Event = ExecutionEvent;

    fn transition(state: ExecutionState, event: ExecutionEvent) -> Option<ExecutionState> {
        use ExecutionEvent as E;
        use ExecutionState as S;
        Some(match (state, event) {
            (S::Running { .. }, E::Yield(lease_until, open)) => S::Running { lease_until, open },
            (S::Running { .. }, E::Wait(waiting)) => S::Waiting(waiting),
            (S::Running { .. }, E::Complete(at, result)) => S::Complete { at, result },
            (S::Running { .. }, E::Fail(error)) => S::Failed { at: error.timestamp, error },
            (S::Running { .. }, E::Stop(at)) => S::Cancelled { at },
            // A request to run a waiting or finished execution returns its status.
            (
                state @ (S::Waiting(_) | S::Complete { .. } | S::Failed { .. } | S::Cancelled { .. }),
                E::Yield(..) | E::Wait(_) | E::Complete(..) | E::Fail(_) | E::Stop(_),
            ) => state,

            (S::Waiting(_), E::CloseCall(waiting)) => S::Waiting(waiting),
            (S::Paused(ResumeState::Waiting(_)), E::CloseCall(waiting)) => S::Paused(ResumeState::Waiting(waiting)),
            (S::Paused(ResumeState::Running { .. }), E::CloseCall(waiting)) => {
                S::Paused(ResumeState::Running { open: Some(waiting) })
            }
            (S::Running { open, .. }, E::Wake(lease_until)) => S::Running { lease_until, open },
            (S::Waiting(_), E::Wake(lease_until)) => S::Running { lease_until, open: None },
            (state @ (S::Running { .. } | S::Waiting(_) | S::Paused(_)), E::AnswerEarly) => state,
            (state @ (S::Running { .. } | S::Waiting(_)), E::Approve) => state,

            (S::Running { open, .. }, E::Pause) => S::Paused(ResumeState::Running { open }),
            (S::Waiting(waiting), E::Pause) => S::Paused(ResumeState::Waiting(waiting)),
            (state @ S::Paused(_), E::Pause) => state,

            (S::Paused(ResumeState::Running { open }), E::Unpause(lease_until)) => S::Running { lease_until, open },
            (S::Paused(ResumeState::Waiting(waiting)), E::Unpause(lease_until)) if waiting.wakes() => {
                S::Running { lease_until, open: None }
            }
            (S::Paused(ResumeState::Waiting(waiting)), E::Unpause(_)) => S::Waiting(waiting),

            (S::Running { .. } | S::Waiting(_) | S::Paused(_), E::Cancel(at)) => S::Cancelled { at },
            (S::Running { open, .. }, E::CancelGracefully(lease_until)) => S::Running { lease_until, open },
            (S::Waiting(_), E::CancelGracefully(lease_until)) => S::Running { lease_until, open: None },
            (S::Failed { .. }, E::Retry(lease_until)) => S::Running { lease_until, open: None },

            (S::Complete { at, .. }, E::Delete(lease_until)) => {
                S::Deleted { final_status: Status::Complete, at, lease_until }
            }
            (S::Failed { at, .. }, E::Delete(lease_until)) => {
                S::Deleted { final_status: Status::Error, at, lease_until }
            }
            (S::Cancelled { at }, E::Delete(lease_until)) => {
                S::Deleted { final_status: Status::Cancelled, at, lease_until }
            }
            // The process that began the deletion is gone. The new lease keeps others away for a while.
            (S::Deleted { final_status, at, .. }, E::Delete(lease_until)) => {
                S::Deleted { final_status, at, lease_until }
            }

            (
                S::Running { .. }
                | S::Waiting(_)
                | S::Paused(_)
                | S::Complete { .. }
                | S::Failed { .. }
                | S::Cancelled { .. }
                | S::Deleted { .. },
                _,
            ) => return None,
        })
    }

    fn remedy(state: &ExecutionState, event: &ExecutionEvent) -> Option<&'static str> {
        match (state, event) {
            (
                ExecutionState::Running { .. } | ExecutionState::Waiting(_) | ExecutionState::Paused(_),
                ExecutionEvent::Delete(_),
            ) => Some("cancel"),
            (
                ExecutionState::Paused(_),
                ExecutionEvent::Yield(..)
                | ExecutionEvent::Wait(_)
                | ExecutionEvent::Complete(..)
                | ExecutionEvent::Fail(_)
                | ExecutionEvent::Stop(_)
                | ExecutionEvent::Wake(_)
                | ExecutionEvent::Approve
                | ExecutionEvent::CancelGracefully(_),
            ) => Some("unpause"),
            (
                ExecutionState::Failed { .. },
                ExecutionEvent::CloseCall(_)
                | ExecutionEvent::Wake(_)
                | ExecutionEvent::AnswerEarly
                | ExecutionEvent::Approve,
            ) => Some("retry"),
            _ => None,
        }
    }
}

impl LifecycleState for ExecutionState {
    fn name(&self) -> &'static str {
        match self {
            ExecutionState::Deleted { .. } => "deleted",
            other => other.status().as_str(),
        }
    }

    fn samples() -> Vec<ExecutionState> {
        let at = Timestamp::default();
        vec![
            ExecutionState::Running { lease_until: at, open: None },
            ExecutionState::Waiting(Waiting::default()),
            ExecutionState::Paused(ResumeState::Running { open: Some(Waiting::default()) }),
            ExecutionState::Paused(ResumeState::Waiting(Waiting::default())),
            ExecutionState::Paused(ResumeState::Waiting(Waiting { closed_calls: 1, ..Waiting::default() })),
            ExecutionState::Complete { at, result: Json::Null },
            ExecutionState::Failed { at, error: ProgramError::default() },
            ExecutionState::Cancelled { at },
            ExecutionState::Deleted { final_status: Status::Complete, at, lease_until: at },
        ]
    }
}

#[cfg(test)]
mod tests {
    use runstate_core::decision::LifecycleEvent as _;

    use super::*;

    #[test]
    fn a_remedy_is_legal_and_makes_the_rejected_event_legal() {
        let mut remedies = Vec::new();
        for state in ExecutionState::samples() {
            for event in ExecutionEvent::samples() {
                let Some(remedy) = ExecutionHead::remedy(&state, &event) else { continue };
                let (from, command) = (state.name(), event.command());
                assert!(ExecutionHead::transition(state.clone(), event.clone()).is_none(), "{from}: {command}");
                let first = ExecutionEvent::samples().into_iter().find(|event| event.command() == remedy).unwrap();
                let after = ExecutionHead::transition(state.clone(), first).unwrap();
                // A failed execution runs before it makes a call again.
                assert!(remedy == "retry" || ExecutionHead::transition(after, event).is_some(), "{from}: {command}");
                remedies.push((from, command, remedy));
            }
        }
        remedies.dedup();
        assert!(remedies.contains(&("waiting_cc", "delete", "cancel")), "{remedies:?}");
        assert!(remedies.contains(&("paused", "run", "unpause")), "{remedies:?}");
    }

    #[test]
    fn the_lifecycle_is_the_specified_one() {
        insta::assert_snapshot!(runstate_core::decision::transition_table::<ExecutionHead>());
    }

    /// The specification's table, cell by cell: where a command can lead, `–` where it is illegal.
    const SPECIFIED: [(&str, [&str; 9]); 6] = [
        // run, answer, approve, pause, unpause, cancel, graceful cancel, retry, delete
        (
            "running",
            [
                "cancelled · complete · error · running · waiting_cc",
                "running",
                "running",
                "paused",
                "–",
                "cancelled",
                "running",
                "–",
                "–",
            ],
        ),
        (
            "waiting_cc",
            ["waiting_cc", "running · waiting_cc", "waiting_cc", "paused", "–", "cancelled", "running", "–", "–"],
        ),
        ("paused", ["–", "paused", "–", "paused", "running · waiting_cc", "cancelled", "–", "–", "–"]),
        ("complete", ["complete", "–", "–", "–", "–", "–", "–", "–", "deleted"]),
        ("error", ["error", "–", "–", "–", "–", "–", "–", "running", "deleted"]),
        ("cancelled", ["cancelled", "–", "–", "–", "–", "–", "–", "–", "deleted"]),
    ];

    #[test]
    fn every_cell_of_the_table_is_the_specified_one() {
        let table = runstate_core::decision::transition_table::<ExecutionHead>();
        let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
        let derived: Vec<Vec<String>> = table.lines().map(cells).collect();
        let commands = ["run", "answer", "approve", "pause", "unpause", "cancel", "graceful cancel", "retry", "delete"];
        assert_eq!(derived[0][2..11], commands);
        for (status, specified) in SPECIFIED {
            let row = derived.iter().find(|row| row[1] == status).unwrap();
            assert_eq!(row[2..11], specified, "{status}");
        }
        // An execution that is being deleted accepts only that.
        assert_eq!(derived.last().unwrap()[1..11], ["deleted", "–", "–", "–", "–", "–", "–", "–", "–", "deleted"]);
    }
}

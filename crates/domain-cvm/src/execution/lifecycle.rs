//! The lifecycle of an execution: its events and transitions. The table in the docs is derived from it.

use runstate_core::decision::{Lifecycle, LifecycleEvent, LifecycleState};
use runstate_value::Json;
use runstate_value::time::Timestamp;

use super::{CcWaiting, ExecutionHead, ExecutionState, ProgramError, ResumeState, Status};

/// An event of an execution.
#[derive(Clone, Debug, PartialEq)]
pub enum ExecutionEvent {
    /// A slice ended.
    SliceEnded(SliceEnd),
    /// One or more of its open calls were closed. These are the calls that it waits for now; `open_calls` is 0 if there
    /// are none.
    CallsClosed(CcWaiting),
    /// An early answer arrived.
    AnswerEarly,
    /// See [`Pause`](super::Pause).
    Pause,
    /// See [`Unpause`](super::Unpause).
    Unpause,
    /// See [`Cancel`](super::Cancel).
    Cancel(Timestamp),
    /// See [`Retry`](super::Retry).
    Retry,
    /// See [`Delete`](super::Delete). The time is the end of the lease of the process that deletes it.
    Delete(Timestamp),
}

/// The end of a slice.
#[derive(Clone, Debug, PartialEq)]
pub enum SliceEnd {
    /// With more to run. The time is the end of the lease.
    Unfinished(Timestamp),
    /// With open calls.
    Waiting(CcWaiting),
    /// With the program's value.
    Complete(Timestamp, Json),
    /// With an error.
    Failed(ProgramError),
}

impl Lifecycle for ExecutionHead {
    type Event = ExecutionEvent;

    fn transition(state: ExecutionState, event: ExecutionEvent) -> Option<ExecutionState> {
        // An expired lease: the slice that runs the execution sets a new one.
        let running = ExecutionState::Running { lease_until: Timestamp::default() };
        Some(match (state, event) {
            (ExecutionState::Running { .. }, ExecutionEvent::SliceEnded(end)) => match end {
                SliceEnd::Unfinished(lease_until) => ExecutionState::Running { lease_until },
                SliceEnd::Waiting(call) => ExecutionState::Waiting(call),
                SliceEnd::Complete(at, result) => ExecutionState::Complete { at, result },
                SliceEnd::Failed(error) => ExecutionState::Failed { at: error.timestamp, error },
            },
            // A request to run a waiting or finished execution returns its status.
            (
                state @ (ExecutionState::Waiting(_)
                | ExecutionState::Complete { .. }
                | ExecutionState::Failed { .. }
                | ExecutionState::Cancelled { .. }),
                ExecutionEvent::SliceEnded(_),
            ) => state,

            (ExecutionState::Waiting(_), ExecutionEvent::CallsClosed(waiting)) if waiting.open_calls == 0 => running,
            (ExecutionState::Waiting(_), ExecutionEvent::CallsClosed(waiting)) => ExecutionState::Waiting(waiting),
            (ExecutionState::Paused(ResumeState::Waiting(_)), ExecutionEvent::CallsClosed(waiting)) => {
                ExecutionState::Paused(ResumeState::Waiting(CcWaiting { due: None, ..waiting }))
            }
            (
                state @ (ExecutionState::Running { .. } | ExecutionState::Waiting(_) | ExecutionState::Paused(_)),
                ExecutionEvent::AnswerEarly,
            ) => state,

            (ExecutionState::Running { .. }, ExecutionEvent::Pause) => ExecutionState::Paused(ResumeState::Running),
            (ExecutionState::Waiting(call), ExecutionEvent::Pause) => {
                ExecutionState::Paused(ResumeState::Waiting(CcWaiting { due: None, ..call }))
            }
            (state @ ExecutionState::Paused(_), ExecutionEvent::Pause) => state,

            (ExecutionState::Paused(ResumeState::Running), ExecutionEvent::Unpause) => running,
            (ExecutionState::Paused(ResumeState::Waiting(call)), ExecutionEvent::Unpause) if call.open_calls == 0 => {
                running
            }
            (ExecutionState::Paused(ResumeState::Waiting(call)), ExecutionEvent::Unpause) => {
                ExecutionState::Waiting(call)
            }

            (
                ExecutionState::Running { .. } | ExecutionState::Waiting(_) | ExecutionState::Paused(_),
                ExecutionEvent::Cancel(at),
            ) => ExecutionState::Cancelled { at },
            (ExecutionState::Failed { .. }, ExecutionEvent::Retry) => running,

            (ExecutionState::Complete { at, .. }, ExecutionEvent::Delete(lease_until)) => {
                ExecutionState::Deleted { final_status: Status::Complete, at, lease_until }
            }
            (ExecutionState::Failed { at, .. }, ExecutionEvent::Delete(lease_until)) => {
                ExecutionState::Deleted { final_status: Status::Error, at, lease_until }
            }
            (ExecutionState::Cancelled { at }, ExecutionEvent::Delete(lease_until)) => {
                ExecutionState::Deleted { final_status: Status::Cancelled, at, lease_until }
            }
            (state @ ExecutionState::Deleted { .. }, ExecutionEvent::Delete(_)) => state,

            (
                ExecutionState::Running { .. }
                | ExecutionState::Waiting(_)
                | ExecutionState::Paused(_)
                | ExecutionState::Complete { .. }
                | ExecutionState::Failed { .. }
                | ExecutionState::Cancelled { .. }
                | ExecutionState::Deleted { .. },
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
            (ExecutionState::Paused(_), ExecutionEvent::SliceEnded(_)) => Some("unpause"),
            (ExecutionState::Failed { .. }, ExecutionEvent::CallsClosed(_) | ExecutionEvent::AnswerEarly) => {
                Some("retry")
            }
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
            ExecutionState::Running { lease_until: at },
            ExecutionState::Waiting(CcWaiting::sample()),
            ExecutionState::Paused(ResumeState::Running),
            ExecutionState::Paused(ResumeState::Waiting(CcWaiting::sample())),
            ExecutionState::Paused(ResumeState::Waiting(CcWaiting { open_calls: 0, ..CcWaiting::sample() })),
            ExecutionState::Complete { at, result: Json::Null },
            ExecutionState::Failed { at, error: ProgramError::sample() },
            ExecutionState::Cancelled { at },
            ExecutionState::Deleted { final_status: Status::Complete, at, lease_until: at },
        ]
    }
}

impl LifecycleEvent for ExecutionEvent {
    fn samples() -> Vec<ExecutionEvent> {
        let at = Timestamp::default();
        vec![
            ExecutionEvent::SliceEnded(SliceEnd::Unfinished(at)),
            ExecutionEvent::SliceEnded(SliceEnd::Waiting(CcWaiting::sample())),
            ExecutionEvent::SliceEnded(SliceEnd::Complete(at, Json::Null)),
            ExecutionEvent::SliceEnded(SliceEnd::Failed(ProgramError::sample())),
            ExecutionEvent::CallsClosed(CcWaiting { open_calls: 0, ..CcWaiting::sample() }),
            ExecutionEvent::CallsClosed(CcWaiting::sample()),
            ExecutionEvent::AnswerEarly,
            ExecutionEvent::Pause,
            ExecutionEvent::Unpause,
            ExecutionEvent::Cancel(at),
            ExecutionEvent::Retry,
            ExecutionEvent::Delete(at),
        ]
    }

    fn command(&self) -> &'static str {
        match self {
            ExecutionEvent::SliceEnded(_) => "run",
            ExecutionEvent::CallsClosed(_) | ExecutionEvent::AnswerEarly => "answer",
            ExecutionEvent::Pause => "pause",
            ExecutionEvent::Unpause => "unpause",
            ExecutionEvent::Cancel(_) => "cancel",
            ExecutionEvent::Retry => "retry",
            ExecutionEvent::Delete(_) => "delete",
        }
    }
}

#[cfg(test)]
mod tests {
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
    const SPECIFIED: [(&str, [&str; 7]); 6] = [
        // run, answer, pause, unpause, cancel, retry, delete
        ("running", ["complete · error · running · waiting_cc", "running", "paused", "–", "cancelled", "–", "–"]),
        ("waiting_cc", ["waiting_cc", "running · waiting_cc", "paused", "–", "cancelled", "–", "–"]),
        ("paused", ["–", "paused", "paused", "running · waiting_cc", "cancelled", "–", "–"]),
        ("complete", ["complete", "–", "–", "–", "–", "–", "deleted"]),
        ("error", ["error", "–", "–", "–", "–", "running", "deleted"]),
        ("cancelled", ["cancelled", "–", "–", "–", "–", "–", "deleted"]),
    ];

    #[test]
    fn every_cell_of_the_table_is_the_specified_one() {
        let table = runstate_core::decision::transition_table::<ExecutionHead>();
        let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
        let derived: Vec<Vec<String>> = table.lines().map(cells).collect();
        assert_eq!(derived[0][2..9], ["run", "answer", "pause", "unpause", "cancel", "retry", "delete"]);
        for (status, specified) in SPECIFIED {
            let row = derived.iter().find(|row| row[1] == status).unwrap();
            assert_eq!(row[2..9], specified, "{status}");
        }
        // An execution that is being deleted accepts only that.
        assert_eq!(derived.last().unwrap()[1..9], ["deleted", "–", "–", "–", "–", "–", "–", "deleted"]);
    }
}

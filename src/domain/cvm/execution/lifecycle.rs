//! What moves an execution from state to state: its lifecycle, from which the table in the docs is derived.

use super::{CcWaiting, EXECUTIONS, Execution, ProgramError, Resting, State, Status};
use crate::decision::{Lifecycle, Rejection};
use crate::schema::Key;
use crate::time::Timestamp;
use crate::value::Json;

/// What happens to an execution.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A slice was run, and ended so.
    Ran(End),
    /// One or more of its open calls were closed; this is what it waits for now, with `open_calls` 0 for nothing.
    Answer(CcWaiting),
    /// An answer came whose question was not asked yet.
    AnswerEarly,
    /// See [`Pause`](super::Pause).
    Pause,
    /// See [`Unpause`](super::Unpause).
    Unpause,
    /// See [`Cancel`](super::Cancel).
    Cancel(Timestamp),
    /// See [`Retry`](super::Retry).
    Retry,
    /// See [`Delete`](super::Delete); with the end of the lease of who deletes.
    Delete(Timestamp),
}

/// How a slice ended.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// With more to run.
    Slice(Timestamp),
    /// With a question.
    Asked(CcWaiting),
    /// With the program's value.
    Complete(Timestamp, Json),
    /// With an error.
    Failed(ProgramError),
}

impl Lifecycle for Execution {
    type State = State;
    type Event = Event;

    fn transition(state: State, event: Event) -> Result<State, Rejection> {
        let refused = Rejection::IllegalTransition {
            key: Key::new(&EXECUTIONS, "?"),
            from: Self::status(&state),
            command: Self::command(&event),
            remedy: remedy(&state, &event),
        };
        // A lease of nothing: what goes back to running is given one by the slice that runs it.
        let running = State::Running { lease_until: Timestamp::default() };
        Ok(match (state, event) {
            (State::Running { .. }, Event::Ran(end)) => match end {
                End::Slice(lease_until) => State::Running { lease_until },
                End::Asked(call) => State::Waiting(call),
                End::Complete(at, result) => State::Complete { at, result },
                End::Failed(error) => State::Failed { at: error.timestamp, error },
            },
            // Whoever asks a resting or finished execution to run is told how it stands.
            (
                state @ (State::Waiting(_) | State::Complete { .. } | State::Failed { .. } | State::Cancelled { .. }),
                Event::Ran(_),
            ) => state,

            (State::Waiting(_), Event::Answer(left)) if left.open_calls == 0 => running,
            (State::Waiting(_), Event::Answer(left)) => State::Waiting(left),
            (State::Paused(Resting::Waiting(_)), Event::Answer(left)) => State::Paused(Resting::Waiting(left)),
            (state @ (State::Running { .. } | State::Waiting(_) | State::Paused(_)), Event::AnswerEarly) => state,

            (State::Running { .. }, Event::Pause) => State::Paused(Resting::Running),
            (State::Waiting(call), Event::Pause) => State::Paused(Resting::Waiting(call)),
            (state @ State::Paused(_), Event::Pause) => state,

            (State::Paused(Resting::Running), Event::Unpause) => running,
            (State::Paused(Resting::Waiting(call)), Event::Unpause) if call.open_calls == 0 => running,
            (State::Paused(Resting::Waiting(call)), Event::Unpause) => State::Waiting(call),

            (State::Running { .. } | State::Waiting(_) | State::Paused(_), Event::Cancel(at)) => {
                State::Cancelled { at }
            }
            (State::Failed { .. }, Event::Retry) => running,

            (State::Complete { at, .. }, Event::Delete(lease_until)) => {
                State::Deleted { was: Status::Complete, at, lease_until }
            }
            (State::Failed { at, .. }, Event::Delete(lease_until)) => {
                State::Deleted { was: Status::Error, at, lease_until }
            }
            (State::Cancelled { at }, Event::Delete(lease_until)) => {
                State::Deleted { was: Status::Cancelled, at, lease_until }
            }
            (state @ State::Deleted { .. }, Event::Delete(_)) => state,

            (
                State::Running { .. }
                | State::Waiting(_)
                | State::Paused(_)
                | State::Complete { .. }
                | State::Failed { .. }
                | State::Cancelled { .. }
                | State::Deleted { .. },
                _,
            ) => return Err(refused),
        })
    }

    fn states() -> Vec<State> {
        let at = Timestamp::default();
        vec![
            State::Running { lease_until: at },
            State::Waiting(CcWaiting::sample()),
            State::Paused(Resting::Running),
            State::Paused(Resting::Waiting(CcWaiting::sample())),
            State::Paused(Resting::Waiting(CcWaiting { open_calls: 0, ..CcWaiting::sample() })),
            State::Complete { at, result: Json::Null },
            State::Failed { at, error: ProgramError::sample() },
            State::Cancelled { at },
            State::Deleted { was: Status::Complete, at, lease_until: at },
        ]
    }

    fn events() -> Vec<Event> {
        let at = Timestamp::default();
        vec![
            Event::Ran(End::Slice(at)),
            Event::Ran(End::Asked(CcWaiting::sample())),
            Event::Ran(End::Complete(at, Json::Null)),
            Event::Ran(End::Failed(ProgramError::sample())),
            Event::Answer(CcWaiting { open_calls: 0, ..CcWaiting::sample() }),
            Event::Answer(CcWaiting::sample()),
            Event::AnswerEarly,
            Event::Pause,
            Event::Unpause,
            Event::Cancel(at),
            Event::Retry,
            Event::Delete(at),
        ]
    }

    fn status(state: &State) -> &'static str {
        match state {
            State::Deleted { .. } => "deleted",
            other => other.status().as_str(),
        }
    }

    fn command(event: &Event) -> &'static str {
        match event {
            Event::Ran(_) => "run",
            Event::Answer(_) | Event::AnswerEarly => "answer",
            Event::Pause => "pause",
            Event::Unpause => "unpause",
            Event::Cancel(_) => "cancel",
            Event::Retry => "retry",
            Event::Delete(_) => "delete",
        }
    }
}

/// The command after which a refused event is possible.
fn remedy(state: &State, event: &Event) -> Option<&'static str> {
    match (state, event) {
        (State::Running { .. } | State::Waiting(_) | State::Paused(_), Event::Delete(_)) => Some("cancel"),
        (State::Paused(_), Event::Ran(_)) => Some("unpause"),
        (State::Failed { .. }, Event::Answer(_) | Event::AnswerEarly) => Some("retry"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remedy_is_possible_and_leads_to_what_was_refused() {
        let mut remedies = Vec::new();
        for state in Execution::states() {
            for event in Execution::events() {
                let refused = Execution::transition(state.clone(), event.clone());
                let Err(Rejection::IllegalTransition { from, command, remedy: Some(remedy), .. }) = refused else {
                    continue;
                };
                let first = Execution::events().into_iter().find(|event| Execution::command(event) == remedy).unwrap();
                let after = Execution::transition(state.clone(), first).unwrap();
                // A failed execution runs before it asks again.
                assert!(remedy == "retry" || Execution::transition(after, event).is_ok(), "{from}: {command}");
                remedies.push((from, command, remedy));
            }
        }
        remedies.dedup();
        assert!(remedies.contains(&("waiting_cc", "delete", "cancel")), "{remedies:?}");
        assert!(remedies.contains(&("paused", "run", "unpause")), "{remedies:?}");
    }

    #[test]
    fn the_lifecycle_is_the_specified_one() {
        insta::assert_snapshot!(crate::decision::table::<Execution>());
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
        let table = crate::decision::table::<Execution>();
        let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
        let derived: Vec<Vec<String>> = table.lines().map(cells).collect();
        assert_eq!(derived[0][2..9], ["run", "answer", "pause", "unpause", "cancel", "retry", "delete"]);
        for (status, specified) in SPECIFIED {
            let row = derived.iter().find(|row| row[1] == status).unwrap();
            assert_eq!(row[2..9], specified, "{status}");
        }
        // What is being deleted takes nothing but that.
        assert_eq!(derived.last().unwrap()[1..9], ["deleted", "–", "–", "–", "–", "–", "–", "deleted"]);
    }
}

//! The lifecycle of a session. The table in the docs is derived from it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Session;
use crate::decision::{Lifecycle, Rejection};
use crate::operation::Parameter;
use crate::schema::{Entity, FieldType, Key, State};
use crate::time::Timestamp;

/// Status of a session. A terminal status owns its completion time, so the two cannot disagree.
#[derive(State, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum SessionState {
    /// Its owner is at work.
    Active,
    /// Its owner has paused it.
    Paused {
        /// Since when it has not been active; in documents of the older system, since its last heartbeat.
        #[entity(default)]
        inactive_since: Timestamp,
    },
    /// No heartbeat has arrived. It keeps its slot.
    Stalled {
        /// Since when it has not been active.
        #[entity(default)]
        inactive_since: Timestamp,
    },
    /// It has done its work.
    Completed {
        /// When it was completed. Documents of the older system may lack it, and then they do not expire.
        completed_at: Option<Timestamp>,
    },
    /// It has ended without doing its work. It may be recovered.
    Failed {
        /// When it failed. Documents of the older system may lack it, and then they do not expire.
        completed_at: Option<Timestamp>,
    },
}

/// Status of a session, without its data.
#[derive(
    FieldType, Parameter, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum SessionStatus {
    /// Its owner is at work.
    Active,
    /// Its owner has paused it.
    Paused,
    /// No heartbeat has arrived.
    Stalled,
    /// It has done its work.
    Completed,
    /// It has ended without doing its work.
    Failed,
}

/// An event of a session.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SessionEvent {
    /// See [`SessionHeartbeat`](super::SessionHeartbeat).
    Heartbeat,
    /// See [`PauseSession`](super::PauseSession).
    Pause(Timestamp),
    /// See [`ResumeSession`](super::ResumeSession).
    Resume,
    /// See [`StallSession`](super::StallSession).
    Stall(Timestamp),
    /// See [`CompleteSession`](super::CompleteSession).
    Complete(Timestamp),
    /// See [`FailSession`](super::FailSession).
    Fail(Timestamp),
    /// See [`RecoverSession`](super::RecoverSession).
    Recover,
}

impl SessionState {
    /// The status.
    pub fn status(&self) -> SessionStatus {
        match self {
            Self::Active => SessionStatus::Active,
            Self::Paused { .. } => SessionStatus::Paused,
            Self::Stalled { .. } => SessionStatus::Stalled,
            Self::Completed { .. } => SessionStatus::Completed,
            Self::Failed { .. } => SessionStatus::Failed,
        }
    }

    /// When the session ended, if it has and this is known.
    pub fn completed_at(&self) -> Option<Timestamp> {
        match self {
            Self::Completed { completed_at } | Self::Failed { completed_at } => *completed_at,
            Self::Active | Self::Paused { .. } | Self::Stalled { .. } => None,
        }
    }

    /// Whether the session has ended.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Completed { .. } | Self::Failed { .. })
    }
}

impl Lifecycle for Session {
    type State = SessionState;
    type Event = SessionEvent;

    fn transition(state: SessionState, event: SessionEvent) -> Result<SessionState, Rejection> {
        use SessionState::{Active, Completed, Failed, Paused, Stalled};
        Ok(match (state, event) {
            (state @ (Active | Paused { .. }), SessionEvent::Heartbeat) => state,
            (Stalled { .. }, SessionEvent::Heartbeat) | (Paused { .. }, SessionEvent::Resume) => Active,
            (Active, SessionEvent::Pause(at)) => Paused { inactive_since: at },
            (Active, SessionEvent::Stall(at)) => Stalled { inactive_since: at },
            // A session that was paused before is inactive for as long as both together.
            (Paused { inactive_since }, SessionEvent::Stall(_)) => Stalled { inactive_since },
            (Active | Paused { .. } | Stalled { .. }, SessionEvent::Fail(at)) => Failed { completed_at: Some(at) },
            (Active | Paused { .. }, SessionEvent::Complete(at)) => Completed { completed_at: Some(at) },
            (Stalled { .. } | Failed { .. }, SessionEvent::Recover) => Active,
            (state, event) => {
                let remedy = match (&state, event) {
                    (Stalled { .. }, SessionEvent::Complete(_) | SessionEvent::Pause(_)) => Some("recover"),
                    _ => None,
                };
                let (from, command) = (Self::status(&state), Self::command(&event));
                return Err(Rejection::IllegalTransition {
                    key: Key::new(&Self::COLLECTION, "?"),
                    from,
                    command,
                    remedy,
                });
            }
        })
    }

    fn states() -> Vec<SessionState> {
        let at = Timestamp::default();
        vec![
            SessionState::Active,
            SessionState::Paused { inactive_since: at },
            SessionState::Stalled { inactive_since: at },
            SessionState::Completed { completed_at: Some(at) },
            SessionState::Failed { completed_at: Some(at) },
        ]
    }

    fn events() -> Vec<SessionEvent> {
        let at = Timestamp::default();
        vec![
            SessionEvent::Heartbeat,
            SessionEvent::Pause(at),
            SessionEvent::Resume,
            SessionEvent::Stall(at),
            SessionEvent::Complete(at),
            SessionEvent::Fail(at),
            SessionEvent::Recover,
        ]
    }

    fn status(state: &SessionState) -> &'static str {
        state.status().as_str()
    }

    fn command(event: &SessionEvent) -> &'static str {
        match event {
            SessionEvent::Heartbeat => "heartbeat",
            SessionEvent::Pause(_) => "pause",
            SessionEvent::Resume => "resume",
            SessionEvent::Stall(_) => "stall",
            SessionEvent::Complete(_) => "complete",
            SessionEvent::Fail(_) => "fail",
            SessionEvent::Recover => "recover",
        }
    }
}

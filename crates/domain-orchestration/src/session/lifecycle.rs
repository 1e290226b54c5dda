//! The lifecycle of a session. The table in the docs is derived from it.

use runstate_core::decision::Event;
use runstate_core::prelude::*;
use runstate_core::schema::State;

use super::Session;

/// Status of a session. A terminal status owns its completion time, so the two cannot disagree.
#[derive(State, Wire, Clone, Debug, PartialEq)]
#[state(status = SessionStatus)]
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

/// An event of a session.
#[derive(Event, Clone, Copy, Debug, PartialEq)]
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
    type Event = SessionEvent;

    fn transition(state: SessionState, event: SessionEvent) -> Option<SessionState> {
        use SessionState::{Active, Completed, Failed, Paused, Stalled};
        Some(match (state, event) {
            (state @ (Active | Paused { .. }), SessionEvent::Heartbeat) => state,
            (Stalled { .. }, SessionEvent::Heartbeat) | (Paused { .. }, SessionEvent::Resume) => Active,
            (Active, SessionEvent::Pause(at)) => Paused { inactive_since: at },
            (Active, SessionEvent::Stall(at)) => Stalled { inactive_since: at },
            // A session that was paused before is inactive for as long as both together.
            (Paused { inactive_since }, SessionEvent::Stall(_)) => Stalled { inactive_since },
            (Active | Paused { .. } | Stalled { .. }, SessionEvent::Fail(at)) => Failed { completed_at: Some(at) },
            (Active | Paused { .. }, SessionEvent::Complete(at)) => Completed { completed_at: Some(at) },
            (Stalled { .. } | Failed { .. }, SessionEvent::Recover) => Active,
            _ => return None,
        })
    }

    fn remedy(state: &SessionState, event: &SessionEvent) -> Option<&'static str> {
        match (state, event) {
            (SessionState::Stalled { .. }, SessionEvent::Complete(_) | SessionEvent::Pause(_)) => Some("recover"),
            _ => None,
        }
    }
}

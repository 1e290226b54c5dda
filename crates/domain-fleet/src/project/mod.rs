//! Projects, which share resources by their greediness.
//!
//! | file | contents |
//! |---|---|
//! | `commands.rs` | create, change, and status |
//! | `greediness.rs` | shares, rebalancing, and the record of changes |

mod commands;
mod greediness;

use runstate_core::decision::Event;
use runstate_core::prelude::*;
use runstate_core::schema::State;

use super::numeric::Numeric;
pub use commands::{ChangeProject, CreateProject, ProjectSummary, SetProjectStatus};
pub use greediness::{GreedinessChange, ProjectShare, RebalanceProject, ShowShare};

/// The share of resources that a project asks for: 0 to 1.
pub type Greediness = Numeric<5, 4, 1>;

/// A project.
#[derive(Entity, Wire, Clone, Debug, PartialEq)]
#[entity(collection = "fleet.projects", version = 1, noun = "project", filters(status))]
#[index(greediness desc)]
#[index(status)]
#[index(contains(metadata))]
#[index(updated_at)]
pub struct Project {
    /// Its id.
    #[entity(id, format = uuid)]
    pub uuid: String,
    /// Its name.
    #[entity(max = 1_000)]
    pub name: String,
    /// The share of resources that it asks for, from 0 to 1.
    pub greediness: Greediness,
    /// Its status.
    #[entity(state)]
    pub state: ProjectState,
    /// Its description.
    #[entity(max = 65_536)]
    pub description: Option<String>,
    /// Its first checkpoint.
    #[entity(references = "fleet.checkpoints", format = uuid)]
    pub initial_checkpoint_uuid: Option<String>,
    /// The newest checkpoint that is verified; the first one until then.
    #[entity(references = "fleet.checkpoints", format = uuid)]
    pub current_checkpoint_uuid: Option<String>,
    /// Further information.
    #[entity(default)]
    pub metadata: Document,
    /// When the document was created.
    pub created_at: Timestamp,
    /// When the document was last changed.
    #[entity(updated)]
    pub updated_at: Timestamp,
}

/// Status of a project.
#[derive(State, Wire, Clone, Debug, PartialEq)]
#[state(status = ProjectStatus)]
pub enum ProjectState {
    /// Machines are spawned for it.
    Active,
    /// No machines are spawned for it.
    Paused,
    /// It is done.
    Completed,
    /// It is kept, and changes no more.
    Archived,
}

/// An event of a project.
#[derive(Event, Clone, Copy, Debug, PartialEq)]
pub enum ProjectEvent {
    /// It becomes active.
    Activate,
    /// It becomes paused.
    Pause,
    /// It becomes completed.
    Complete,
    /// It becomes archived.
    Archive,
}

impl Lifecycle for Project {
    type Event = ProjectEvent;

    fn transition(state: ProjectState, event: ProjectEvent) -> Option<ProjectState> {
        use ProjectState::{Active, Archived, Completed, Paused};
        match (state, event) {
            (Paused, ProjectEvent::Activate) => Some(Active),
            (Active, ProjectEvent::Pause) => Some(Paused),
            (Active | Paused, ProjectEvent::Complete) => Some(Completed),
            (Active | Paused | Completed, ProjectEvent::Archive) => Some(Archived),
            _ => None,
        }
    }
}

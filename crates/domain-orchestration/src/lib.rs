//! Sessions of agents, the tasks in them, and the machines with the slots in which they run. Field names, statuses and
//! indexes are those of the schema that this domain continues.
//!
//! | file | contents |
//! |---|---|
//! | `session/` | sessions: entity and lifecycle, commands, recovery, deletion |
//! | `task/` | tasks: entity and lifecycle, commands, dependencies |
//! | `machine/` | machines: entity and lifecycle, slots, commands |
//! | `metadata.rs` | bounded metadata |
//! | `removal.rs` | the audit log of removals |
//! | `cleanup.rs` | tasks whose session is missing |
//! | `queries/` | lists, health, progress, counts |
//! | `due.rs` | sessions and machines without a heartbeat, sessions and tasks whose retention has ended |

// The derive macros name the library by its path.
extern crate runstate_core as runstate;

mod cleanup;
pub mod codes;
mod due;
mod machine;
mod metadata;
mod queries;
mod removal;
mod session;
mod settings;
mod task;

use runstate_core::operation::{Domain, EntityQueries, LifecycleDeclaration, Operation, SettingsDeclaration};
use runstate_core::schema::Entity;

pub use cleanup::{CleanUpTasks, TaskCleanUp};
pub use machine::{
    AssignSession, ChangeSlots, DrainMachine, Machine, MachineEvent, MachineHeartbeat, MachineState, MachineStatus,
    MachineSummary, MarkOffline, RegisterMachine, ReleaseSession, SetMaintenance, SlotChoice,
};
pub use queries::{
    FailedSessions, FreeMachines, Health, PickMachine, ProjectCounts, RecoverableSessions, SessionHealth, ShowCounts,
    ShowHealth, ShowProgress, StaleSessions, TaskProgress,
};
pub use removal::RemovalRow;
pub use session::{
    CompleteSession, CreateSession, DeleteSession, FailSession, PauseSession, RecoverSession, Recovery, RecoveryRow,
    RemoveSession, ResumeSession, Session, SessionDeletion, SessionEvent, SessionHeartbeat, SessionState,
    SessionStatus, SessionSummary, StallSession, SweepSession, UpdateMetadata,
};
pub use settings::OrchestrationSettings;
pub use task::{
    AddTask, BlockTask, CompleteTask, FailTask, ReleaseTask, RemoveTask, RetryTask, StartTask, Task, TaskClaim,
    TaskEvent, TaskState, TaskStatus, TaskSummary,
};

/// The domain.
pub static DOMAIN: Domain = Domain::new("orchestration")
    .collections(&[&Session::COLLECTION, &Task::COLLECTION, &Machine::COLLECTION, &RemovalRow::COLLECTION])
    .operations(&[
        &CreateSession::OPERATION,
        &SessionHeartbeat::OPERATION,
        &PauseSession::OPERATION,
        &ResumeSession::OPERATION,
        &StallSession::OPERATION,
        &CompleteSession::OPERATION,
        &FailSession::OPERATION,
        &RecoverSession::OPERATION,
        &UpdateMetadata::OPERATION,
        &DeleteSession::OPERATION,
        &Session::SHOW,
        &Session::LIST,
        &StaleSessions::OPERATION,
        &RecoverableSessions::OPERATION,
        &FailedSessions::OPERATION,
        &ShowHealth::OPERATION,
        &ShowCounts::OPERATION,
        &AddTask::OPERATION,
        &StartTask::OPERATION,
        &CompleteTask::OPERATION,
        &FailTask::OPERATION,
        &BlockTask::OPERATION,
        &ReleaseTask::OPERATION,
        &RetryTask::OPERATION,
        &Task::SHOW,
        &Task::LIST,
        &ShowProgress::OPERATION,
        &RegisterMachine::OPERATION,
        &MachineHeartbeat::OPERATION,
        &AssignSession::OPERATION,
        &ReleaseSession::OPERATION,
        &ChangeSlots::OPERATION,
        &SetMaintenance::OPERATION,
        &DrainMachine::OPERATION,
        &Machine::SHOW,
        &Machine::LIST,
        &FreeMachines::OPERATION,
        &PickMachine::OPERATION,
        &RemovalRow::LIST,
        &CleanUpTasks::OPERATION,
    ])
    .due(due::RULES)
    .triggers(&[task::TRIGGER])
    .lifecycles(&[
        LifecycleDeclaration::new::<Session>("a session"),
        LifecycleDeclaration::new::<Task>("a task"),
        LifecycleDeclaration::new::<Machine>("a machine"),
    ])
    .codes(codes::CODES)
    .settings(&SettingsDeclaration::new::<OrchestrationSettings>());

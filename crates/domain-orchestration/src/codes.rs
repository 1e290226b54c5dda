//! The error codes of this domain.

runstate_core::error_codes! {
    /// The session was recovered by another owner since: this epoch is older than that of the session.
    STALE_OWNER = "stale_owner",
    /// All slots of the machine are taken.
    NO_FREE_SLOT = "no_free_slot",
    /// The slot is in use by a session.
    SLOT_IN_USE = "slot_in_use",
    /// The session is on another machine or in another slot; release it first.
    ALREADY_ASSIGNED = "already_assigned",
    /// The session runs another task; it runs one at a time.
    TASK_ALREADY_RUNNING = "task_already_running",
    /// The task runs a program. It ends when its execution ends.
    PROGRAM_RUNNING = "program_running",
    /// Tasks of the session are open. Finish them, or force its completion.
    OPEN_TASKS = "open_tasks",
    /// The task depends on tasks that are not completed.
    DEPENDENCIES_OPEN = "dependencies_open",
    /// The task would depend on itself.
    DEPENDENCY_CYCLE = "dependency_cycle",
    /// The session was recovered as often as the settings allow.
    RECOVERY_EXHAUSTED = "recovery_exhausted",
}

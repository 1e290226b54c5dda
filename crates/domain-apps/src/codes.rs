//! The error codes of this domain.

runstate_core::error_codes! {
    /// Steps of the configuration depend on each other in a cycle.
    STEP_CYCLE = "step_cycle",
    /// An execution uses this version of the configuration, so it does not change.
    VERSION_USED = "version_used",
    /// The version is the active one, so it is not removed.
    VERSION_ACTIVE = "version_active",
    /// No version of the configuration is active.
    NO_ACTIVE_VERSION = "no_active_version",
    /// The output of the step does not have the declared fields.
    INVALID_OUTPUT = "invalid_output",
    /// Steps of the execution were undone, so it does not continue.
    COMPENSATED = "compensated",
    /// The upload counts as abandoned, or has ended.
    STALE_UPLOAD = "stale_upload",
}

//! The error codes of this domain.

runstate_core::error_codes! {
    /// The call is closed already.
    ALREADY_ANSWERED = "already_answered",
    /// The answer is not one of the choices, or does not match the schema.
    INVALID_ANSWER = "invalid_answer",
    /// Several calls are open, and the caller must name one.
    AMBIGUOUS_CALL = "ambiguous_call",
    /// The call's deadline has passed: its default is used, or its program gets an error.
    DEADLINE_PASSED = "deadline_passed",
    /// The program was compiled for an older bytecode version.
    NEEDS_RECOMPILE = "needs_recompile",
    /// The execution cannot continue in another version of its program: the message names the difference.
    VERSION_MISMATCH = "version_mismatch",
    /// The bytecode does not pass verification.
    INVALID_BYTECODE = "invalid_bytecode",
    /// The call awaits an approval: until then no answer closes it.
    AWAITING_APPROVAL = "awaiting_approval",
    /// The call awaits no approval: it was approved, or needs none.
    ALREADY_APPROVED = "already_approved",
}

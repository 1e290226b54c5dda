//! How the process ends: exit codes, and the report of a command line that cannot be parsed.

use std::borrow::Cow;
use std::io::Write;

use clap::ColorChoice;
use clap::error::ErrorKind;
use runstate::domain::cvm::Status;
use runstate::engine::Error;
use runstate::error_code::{ErrorCategory as CodeKind, ErrorCode};

use crate::error::CliError;
use crate::printer::Printer;
use crate::redaction::redact;

/// Exit codes. Scripts rely on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CliExit {
    /// Done. For commands that run an execution: the execution is complete.
    Done,
    /// The program failed, or was cancelled.
    ProgramFailed,
    /// A usage error, or a source that does not compile.
    WrongUse,
    /// The execution waits for an answer, and the answer source has none.
    Waiting,
    Store,
    /// The command was rejected; nothing was changed.
    Rejected,
    /// Stopped by ctrl-c.
    Interrupted,
    /// The reader of standard output or standard error closed it.
    OutputClosed,
}

impl CliExit {
    pub const fn code(self) -> u8 {
        match self {
            CliExit::Done => 0,
            CliExit::ProgramFailed => 1,
            CliExit::WrongUse => 2,
            CliExit::Waiting => 3,
            CliExit::Store => 4,
            CliExit::Rejected => 5,
            // Shells report a death by signal as 128 + SIGINT, 128 + SIGPIPE.
            CliExit::Interrupted => 130,
            CliExit::OutputClosed => 141,
        }
    }

    /// Returns the more severe of two exits, for a command with several targets.
    pub fn most_severe(self, other: Self) -> Self {
        const BY_SEVERITY: [CliExit; 8] = [
            CliExit::Done,
            CliExit::Waiting,
            CliExit::ProgramFailed,
            CliExit::Rejected,
            CliExit::Store,
            CliExit::WrongUse,
            CliExit::Interrupted,
            CliExit::OutputClosed,
        ];
        let rank = |exit: CliExit| BY_SEVERITY.iter().position(|other| *other == exit);
        if rank(other) > rank(self) { other } else { self }
    }

    /// Returns the exit of a command that runs an execution which ends with `status`.
    pub const fn from_status(status: Status) -> Self {
        match status {
            Status::Complete => CliExit::Done,
            Status::Error | Status::Cancelled => CliExit::ProgramFailed,
            Status::WaitingCc | Status::Running | Status::Paused => CliExit::Waiting,
        }
    }
}

impl From<ErrorCode> for CliExit {
    fn from(code: ErrorCode) -> Self {
        match code.category() {
            CodeKind::Usage => CliExit::WrongUse,
            CodeKind::Rejected => CliExit::Rejected,
            CodeKind::Store => CliExit::Store,
        }
    }
}

/// Reports an error of the command line. Also prints help and version.
pub fn report_usage_error(error: &clap::Error) -> CliExit {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return if error.print().is_ok() { CliExit::Done } else { CliExit::OutputClosed };
    }
    // The command line was not parsed, so the flag is searched in its words.
    let json = std::env::args_os().take_while(|arg| arg != "--").any(|arg| arg == "--json");
    if json {
        let text = error.render().to_string();
        let text = text.split("\n\nUsage:").next().unwrap_or(&text);
        let text = text.split("\n\nFor more information").next().unwrap_or(text);
        let message = text.trim().trim_start_matches("error: ");
        return Printer::new(true, ColorChoice::Never)
            .report_error(&CliError::from(Error::new(ErrorCode::USAGE, message)));
    }
    let text = error.render().to_string();
    // If this write fails too, there is no other way to report the error.
    let _ = match redact(&text) {
        Cow::Borrowed(_) => error.print(),
        Cow::Owned(redacted) => write!(std::io::stderr(), "{redacted}"),
    };
    CliExit::WrongUse
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_code_has_its_exit_code() {
        let codes_of = |exit: CliExit| {
            let all = ErrorCode::CORE.iter().chain(crate::domains().iter().flat_map(|domain| domain.codes));
            let codes = all.map(|declared| declared.code).filter(|code| CliExit::from(*code) == exit);
            let codes = codes.map(ErrorCode::as_str);
            format!("{}: {}", exit.code(), codes.collect::<Vec<_>>().join(" "))
        };
        insta::assert_snapshot!([CliExit::WrongUse, CliExit::Store, CliExit::Rejected].map(codes_of).join("\n"), @"
        2: compile_error usage io invalid_url
        4: conflict unique_violation unknown_outcome unavailable not_authorized not_a_replica_set timeout full corrupt key_missing too_large read_only newer_version unsupported closed position_expired internal
        5: illegal_transition not_found already_exists in_use invalid limit stale stale_claim command_id_reused already_answered invalid_answer ambiguous_call deadline_passed needs_recompile version_mismatch invalid_bytecode awaiting_approval already_approved stale_owner no_free_slot slot_in_use already_assigned task_already_running program_running open_tasks dependencies_open dependency_cycle recovery_exhausted step_cycle version_used version_active no_active_version invalid_output compensated stale_upload budget_exceeded circuit_open unit_mismatch period_overlap no_exchange_rate not_verified primary_exists not_adoptable
        ");
    }

    #[test]
    fn the_most_severe_of_several_exits_wins() {
        let exits = [CliExit::Waiting, CliExit::Rejected, CliExit::ProgramFailed, CliExit::Done];
        assert_eq!(exits.into_iter().reduce(CliExit::most_severe), Some(CliExit::Rejected));
        assert_eq!(CliExit::Done.most_severe(CliExit::Waiting), CliExit::Waiting);
    }
}

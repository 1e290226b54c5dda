//! How the process ends: exit codes, and what is said of a command line that was not understood.

use std::borrow::Cow;
use std::io::Write;

use clap::error::ErrorKind;
use runstate::code::Code;
use runstate::domain::cvm::Status;
use runstate::engine::Error;

use crate::colour::When;
use crate::failure::Failure;
use crate::masked::masked;
use crate::print::Out;

/// Exit codes; each is a promise to scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done; of what drives an execution: it is complete.
    Done,
    /// The program failed, or was cancelled.
    ProgramFailed,
    /// Wrong use, or a source that does not compile.
    WrongUse,
    /// The execution waits for an answer, and there was nobody to ask.
    Waiting,
    /// The store failed.
    Store,
    /// The command was rejected; nothing was changed.
    Rejected,
    /// Stopped by ctrl-c.
    Interrupted,
    /// Whoever read our output has gone.
    OutputClosed,
}

impl Exit {
    /// The number.
    pub const fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::ProgramFailed => 1,
            Exit::WrongUse => 2,
            Exit::Waiting => 3,
            Exit::Store => 4,
            Exit::Rejected => 5,
            // As shells count a death by signal: 128 + SIGINT, 128 + SIGPIPE.
            Exit::Interrupted => 130,
            Exit::OutputClosed => 141,
        }
    }

    /// The graver of two ends, of several things that were done by one command.
    pub fn graver(self, other: Self) -> Self {
        const RISING: [Exit; 8] = [
            Exit::Done,
            Exit::Waiting,
            Exit::ProgramFailed,
            Exit::Rejected,
            Exit::Store,
            Exit::WrongUse,
            Exit::Interrupted,
            Exit::OutputClosed,
        ];
        let rank = |exit: Exit| RISING.iter().position(|of| *of == exit);
        if rank(other) > rank(self) { other } else { self }
    }

    /// Of what drives an execution, by where the execution stands in the end.
    pub const fn of(status: Status) -> Self {
        match status {
            Status::Complete => Exit::Done,
            Status::Error | Status::Cancelled => Exit::ProgramFailed,
            Status::WaitingCc | Status::Running | Status::Paused => Exit::Waiting,
        }
    }
}

impl From<Code> for Exit {
    fn from(code: Code) -> Self {
        match code {
            Code::CompileError | Code::Usage | Code::Io | Code::InvalidUrl => Exit::WrongUse,
            Code::IllegalTransition
            | Code::NotFound
            | Code::AlreadyExists
            | Code::InUse
            | Code::Invalid
            | Code::Limit
            | Code::Stale
            | Code::AlreadyAnswered
            | Code::DeadlinePassed
            | Code::StaleClaim
            | Code::InvalidAnswer
            | Code::AmbiguousCall
            | Code::NeedsRecompile
            | Code::InvalidBytecode
            | Code::CommandIdReused => Exit::Rejected,
            _ => Exit::Store,
        }
    }
}

/// Says what was wrong with the command line; help and version are said here too.
pub fn wrong_use(error: &clap::Error) -> Exit {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return if error.print().is_ok() { Exit::Done } else { Exit::OutputClosed };
    }
    // It was not parsed, so the flag is looked for by hand.
    let json = std::env::args_os().take_while(|arg| arg != "--").any(|arg| arg == "--json");
    if json {
        let text = error.render().to_string();
        let text = text.split("\n\nUsage:").next().unwrap_or(&text);
        let text = text.split("\n\nFor more information").next().unwrap_or(text);
        let message = text.trim().trim_start_matches("error: ");
        return Out::new(true, When::Never).failure(&Failure::from(Error::new(Code::Usage, message)));
    }
    let text = error.render().to_string();
    // Nothing can be done where even this cannot be said.
    let _ = match masked(&text) {
        Cow::Borrowed(_) => error.print(),
        Cow::Owned(masked) => write!(std::io::stderr(), "{masked}"),
    };
    Exit::WrongUse
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A code that is new ends as a failure of the store until it is put where it belongs.
    #[test]
    fn every_code_ends_the_process_as_scripts_expect() {
        let of = |exit: Exit| {
            let codes = Code::ALL.iter().filter(|code| Exit::from(**code) == exit).map(|code| code.as_str());
            format!("{}: {}", exit.code(), codes.collect::<Vec<_>>().join(" "))
        };
        insta::assert_snapshot!([Exit::WrongUse, Exit::Store, Exit::Rejected].map(of).join("\n"), @"
        2: compile_error usage io invalid_url
        4: conflict unique_violation unknown_outcome unavailable not_authorized not_a_replica_set timeout full corrupt too_large read_only newer_version unsupported closed position_expired internal
        5: illegal_transition not_found already_exists in_use invalid limit stale already_answered invalid_answer ambiguous_call deadline_passed stale_claim needs_recompile invalid_bytecode command_id_reused
        ");
    }

    #[test]
    fn of_several_ends_the_gravest_counts() {
        let ends = [Exit::Waiting, Exit::Rejected, Exit::ProgramFailed, Exit::Done];
        assert_eq!(ends.into_iter().reduce(Exit::graver), Some(Exit::Rejected));
        assert_eq!(Exit::Done.graver(Exit::Waiting), Exit::Waiting);
    }
}

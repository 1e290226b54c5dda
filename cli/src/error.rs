//! The errors of commands.

use std::fmt::Display;

use runstate::domain::cvm::codes;
use runstate::engine::Error;
use runstate::error_code::ErrorCode;
use runstate::id::InvalidId;
use runstate::lang::Diagnostic;

use crate::exit::CliExit;
use crate::operations::rename_operations;

/// Why a command failed.
#[derive(Debug)]
pub enum CliError {
    Error(Box<Error>),
    /// An error while an execution was driven. The execution keeps its last committed state.
    Driving {
        error: Box<Error>,
        execution: String,
        /// How to continue it.
        resume_hint: String,
    },
    /// A source that does not compile.
    Compile(Vec<Diagnostic>),
    /// The reader of standard output or standard error closed it.
    OutputClosed,
    /// Stopped by ctrl-c, with a note about the work that was done.
    Interrupted(&'static str),
}

impl CliError {
    pub fn exit(&self) -> CliExit {
        match self {
            CliError::Error(error) | CliError::Driving { error, .. } => error.code.into(),
            CliError::Compile(_) => CliExit::WrongUse,
            CliError::OutputClosed => CliExit::OutputClosed,
            CliError::Interrupted(_) => CliExit::Interrupted,
        }
    }

    /// Adds that `execution` was being driven; `resume_hint` says how to continue it.
    pub fn while_driving(self, execution: &str, resume_hint: String) -> Self {
        match self {
            CliError::Error(error) => CliError::Driving { error, execution: execution.to_owned(), resume_hint },
            other => other,
        }
    }

    /// Appends `hint` to the message of an error with this code.
    pub fn explain(mut self, code: ErrorCode, hint: impl FnOnce() -> String) -> Self {
        if let CliError::Error(error) = &mut self
            && error.code == code
        {
            error.message.push_str(&hint());
        }
        self
    }
}

impl From<Error> for CliError {
    /// A hint names the command of an operation, which is what the person can type.
    fn from(mut error: Error) -> Self {
        error.message = rename_operations(&error.message, |operation| operation.words.clone());
        CliError::Error(Box::new(error))
    }
}

impl From<InvalidId> for CliError {
    fn from(invalid: InvalidId) -> Self {
        Error::from(invalid).into()
    }
}

pub fn usage(message: impl Into<String>) -> CliError {
    Error::new(ErrorCode::USAGE, message).into()
}

pub fn invalid_answer(message: impl Into<String>) -> CliError {
    Error::new(codes::INVALID_ANSWER, message).into()
}

/// Returns an error about a file or stream that cannot be read or written.
pub fn io(failure: impl Display, error: &std::io::Error) -> CliError {
    Error::new(ErrorCode::IO, format!("{failure}: {error}")).into()
}

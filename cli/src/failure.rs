//! Why a command could not do its work.

use std::fmt::Display;

use runstate::code::Code;
use runstate::engine::Error;
use runstate::id::InvalidId;
use runstate::lang::Diagnostic;

use crate::exit::Exit;

/// A failure.
#[derive(Debug)]
pub enum Failure {
    /// An error with its code.
    Error(Box<Error>),
    /// An error while an execution was driven, which stands where it was.
    Driving {
        /// The error.
        error: Box<Error>,
        /// The execution.
        execution: String,
        /// How to go on with it.
        go_on: String,
    },
    /// A source that does not compile.
    Compile(Vec<Diagnostic>),
    /// Nobody reads standard output any more.
    OutputClosed,
    /// Stopped by ctrl-c; what that means for what was done.
    Interrupted(&'static str),
}

impl Failure {
    /// How the process ends by it.
    pub fn exit(&self) -> Exit {
        match self {
            Failure::Error(error) | Failure::Driving { error, .. } => error.code.into(),
            Failure::Compile(_) => Exit::WrongUse,
            Failure::OutputClosed => Exit::OutputClosed,
            Failure::Interrupted(_) => Exit::Interrupted,
        }
    }

    /// As it came while `execution` was driven; `go_on` says how to go on with that.
    pub fn driving(self, execution: &str, go_on: String) -> Self {
        match self {
            Failure::Error(error) => Failure::Driving { error, execution: execution.to_owned(), go_on },
            other => other,
        }
    }

    /// With more to read, where it is an error of that code.
    pub fn explain(mut self, code: Code, more: impl FnOnce() -> String) -> Self {
        if let Failure::Error(error) = &mut self
            && error.code == code
        {
            error.message.push_str(&more());
        }
        self
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Error(Box::new(error))
    }
}

impl From<InvalidId> for Failure {
    fn from(invalid: InvalidId) -> Self {
        Error::from(invalid).into()
    }
}

/// A command that was used wrongly.
pub fn usage(message: impl Into<String>) -> Failure {
    Error::new(Code::Usage, message).into()
}

/// An answer that cannot be one.
pub fn invalid_answer(message: impl Into<String>) -> Failure {
    Error::new(Code::InvalidAnswer, message).into()
}

/// A file or stream that cannot be read or written.
pub fn io(what: impl Display, error: &std::io::Error) -> Failure {
    Error::new(Code::Io, format!("{what}: {error}")).into()
}

//! What can go wrong in a developer command.

use std::fmt;
use std::io;
use std::process::ExitStatus;

#[derive(Debug)]
pub enum Error {
    /// The command line was not understood.
    Usage(String),
    /// A program could not be started.
    Start { call: String, source: io::Error },
    /// A program ended with something else than success.
    Failed { call: String, status: ExitStatus },
    /// A file or folder could not be read or written.
    File { path: String, source: io::Error },
    /// Something was read that does not have the expected form.
    Form { what: String, why: String },
    /// A rule about the workspace does not hold; each line names one place.
    Broken(Vec<String>),
    /// Something this machine does not have and the command could not get.
    Missing { what: String, why: String },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(message) => write!(f, "{message}; see cargo xtask --help"),
            Self::Start { call, source } => write!(f, "`{call}` could not be started: {source}"),
            Self::Failed { call, status } => write!(f, "`{call}` failed ({status})"),
            Self::File { path, source } => write!(f, "{path}: {source}"),
            Self::Form { what, why } => write!(f, "{what} could not be read: {why}"),
            Self::Broken(lines) => write!(f, "{}", lines.join("\n  ")),
            Self::Missing { what, why } => write!(f, "{what} is missing: {why}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Start { source, .. } | Self::File { source, .. } => Some(source),
            _ => None,
        }
    }
}

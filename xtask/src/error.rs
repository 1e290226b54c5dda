//! Errors of the developer commands.

use std::io;
use std::path::Path;
use std::process::ExitStatus;

#[derive(Debug, thiserror::Error)]
pub enum XtaskError {
    /// A program could not be started.
    #[error("`{call}` could not be started: {source}")]
    Start { call: String, source: io::Error },
    /// A program ended without success.
    #[error("`{call}` failed ({status})")]
    Failed { call: String, status: ExitStatus },
    /// A file or folder could not be read or written.
    #[error("{path}: {source}")]
    File { path: String, source: io::Error },
    /// Input does not have the expected form.
    #[error("{what} could not be read: {why}")]
    Parse { what: String, why: String },
    /// A rule of the workspace is violated. Each line names one place.
    #[error("{}", _0.join("\n  "))]
    RuleViolated(Vec<String>),
    /// The machine lacks something, and the command could not install it.
    #[error("{what} is missing: {why}")]
    Missing { what: String, why: String },
}

impl XtaskError {
    /// Converts the error of an operation on a file or folder.
    pub fn file(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.display().to_string();
        move |source| Self::File { path, source }
    }

    /// Converts the failure of an installation.
    pub fn missing(what: &str) -> impl FnOnce(Self) -> Self + use<> {
        let what = what.to_owned();
        move |error| Self::Missing { what, why: error.to_string() }
    }

    pub fn rule(line: impl Into<String>) -> Self {
        Self::RuleViolated(vec![line.into()])
    }

    /// Combines the results of independent attempts. A failure takes precedence over missing tools. All missing tools are named.
    pub fn combine(attempts: impl IntoIterator<Item = Result<(), Self>>) -> Result<(), Self> {
        let merge = |one, other| match (one, other) {
            (Self::Missing { what, why }, Self::Missing { what: also, why: because }) => {
                Self::Missing { what: format!("{what}, {also}"), why: format!("{why}; {because}") }
            }
            (Self::Missing { .. }, failed) => failed,
            (failed, _) => failed,
        };
        attempts.into_iter().filter_map(Result::err).reduce(merge).map_or(Ok(()), Err)
    }
}

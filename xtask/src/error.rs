//! Errors of the developer commands.

use std::fmt;
use std::io;
use std::process::ExitStatus;

#[derive(Debug)]
pub enum XtaskError {
    /// A program could not be started.
    Start { call: String, source: io::Error },
    /// A program ended without success.
    Failed { call: String, status: ExitStatus },
    /// A file or folder could not be read or written.
    File { path: String, source: io::Error },
    /// Input does not have the expected form.
    Parse { what: String, why: String },
    /// A rule of the workspace is violated. Each line names one place.
    RuleViolated(Vec<String>),
    /// The machine lacks something, and the command could not install it.
    Missing { what: String, why: String },
}

impl XtaskError {
    /// Combines the results of independent attempts. A failure takes precedence over missing tools. All missing tools are named.
    pub fn combine(attempts: impl IntoIterator<Item = Result<(), Self>>) -> Result<(), Self> {
        let errors = attempts.into_iter().filter_map(Result::err);
        errors.reduce(Self::merge).map_or(Ok(()), Err)
    }

    fn merge(self, other: Self) -> Self {
        match (self, other) {
            (Self::Missing { what, why }, Self::Missing { what: also, why: because }) => {
                Self::Missing { what: format!("{what}, {also}"), why: format!("{why}; {because}") }
            }
            (Self::Missing { .. }, failed) => failed,
            (failed, _) => failed,
        }
    }
}

impl fmt::Display for XtaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start { call, source } => write!(f, "`{call}` could not be started: {source}"),
            Self::Failed { call, status } => write!(f, "`{call}` failed ({status})"),
            Self::File { path, source } => write!(f, "{path}: {source}"),
            Self::Parse { what, why } => write!(f, "{what} could not be read: {why}"),
            Self::RuleViolated(lines) => write!(f, "{}", lines.join("\n  ")),
            Self::Missing { what, why } => write!(f, "{what} is missing: {why}"),
        }
    }
}

impl std::error::Error for XtaskError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Start { source, .. } | Self::File { source, .. } => Some(source),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::XtaskError;

    #[test]
    fn combined_errors_name_every_missing_tool_and_prefer_failures() {
        let missing = |what: &str| Err(XtaskError::Missing { what: what.into(), why: format!("no {what}") });
        let message =
            |attempts: Vec<Result<(), XtaskError>>| XtaskError::combine(attempts).map_err(|error| error.to_string());
        assert_eq!(message(vec![Ok(()), Ok(())]), Ok(()));
        assert_eq!(message(vec![missing("a"), Ok(()), missing("b")]), Err("a, b is missing: no a; no b".into()));
        let failed = || Err(XtaskError::RuleViolated(vec!["wrong".into()]));
        for attempts in [vec![missing("a"), failed()], vec![failed(), missing("a")]] {
            assert_eq!(message(attempts), Err("wrong".into()));
        }
    }
}

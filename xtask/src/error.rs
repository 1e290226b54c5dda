//! Errors of the developer commands.

use std::io;
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

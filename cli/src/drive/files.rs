//! Performs file calls in granted folders.

use runstate::domain::cvm::{Fail, OpenCall};
use runstate::engine::{Error, Work};
use runstate::error_code::ErrorCode;
use runstate::time::Millis;

use super::ExecutionDriver;
use crate::error::CliError;
use crate::sandbox::FileCallError;

/// The lease of a file call: other processes may claim the call after it.
const LEASE: Millis = Millis::minutes(1);

impl ExecutionDriver<'_> {
    /// Performs a call, unless another process has claimed it. A refusal completes the call with an error for the program.
    pub(super) async fn perform_file_call(&self, call: &OpenCall) -> Result<(), CliError> {
        let cvm = &self.session.cvm;
        let Some(work) = cvm.claim_call(&call.call_id, "files", LEASE).await? else { return Ok(()) };
        let done = match self.grants.perform(&call.kind, &call.args).await {
            Ok(value) => cvm.complete(&work.claimed, value, None, None).await.map(|_| ()),
            Err(refused) => cvm.fail(&failure_of(&work, refused), None).await.map(|_| ()),
        };
        match done {
            Err(error) if !is_closed_by_another(&error) => Err(error.into()),
            _ => Ok(()),
        }
    }
}

/// Returns the error for the program. The call is not retried, because a retry would fail in the same way.
fn failure_of(work: &Work, refused: FileCallError) -> Fail {
    Fail {
        execution: work.claimed.execution.clone(),
        call: work.claimed.call.clone(),
        token: work.claimed.token,
        message: refused.message,
        name: Some(refused.name.as_str().to_owned()),
        retry: None,
        by: None,
    }
}

fn is_closed_by_another(error: &Error) -> bool {
    matches!(error.code, ErrorCode::StaleClaim | ErrorCode::AlreadyAnswered | ErrorCode::DeadlinePassed)
}

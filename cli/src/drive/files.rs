//! Calls on files, carried out as far as they were granted.

use runstate::code::Code;
use runstate::domain::cvm::{Fail, OpenCall};
use runstate::engine::{Error, Work};
use runstate::time::Millis;

use super::Driver;
use crate::failure::Failure;
use crate::granted::Refused;

/// How long a file may take before others may take the call over.
const LEASE: Millis = Millis::minutes(1);

impl Driver<'_> {
    /// Carries a call out, unless another one has it already. The program is told what was refused.
    pub(super) async fn file(&self, call: &OpenCall) -> Result<(), Failure> {
        let cvm = &self.session.cvm;
        let Some(work) = cvm.claim_call(&call.call_id, "files", LEASE).await? else { return Ok(()) };
        let done = match self.grants.perform(&call.kind, &call.args).await {
            Ok(value) => cvm.complete(&work.claimed, value, None, None).await.map(|_| ()),
            Err(refused) => cvm.fail(&failed(&work, refused), None).await.map(|_| ()),
        };
        match done {
            Err(error) if !somebody_else_did_it(&error) => Err(error.into()),
            _ => Ok(()),
        }
    }
}

/// What the program is told; no other attempt would go better.
fn failed(work: &Work, refused: Refused) -> Fail {
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

fn somebody_else_did_it(error: &Error) -> bool {
    matches!(error.code, Code::StaleClaim | Code::AlreadyAnswered | Code::DeadlinePassed)
}

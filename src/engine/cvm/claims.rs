//! The operations of workers: claim calls, extend claims, complete calls or report their failure.

use serde::{Deserialize, Serialize};

use super::Cvm;
use crate::domain::cvm::{
    Answer, AnswerTarget, CC_HISTORY, CallDetails, CallError, Claim, ClaimResult, ClaimTarget, ClaimedCall,
    ExecutionStatus, Fail, FailedCall, Heartbeat, OpenCall, Release, ShowCall, before_deadline,
};
use crate::engine::{CommandResult, Error, Origin};
use crate::error_code::ErrorCode;
use crate::id::CommandId;
use crate::schema::Direction::Ascending;
use crate::schema::{Filter, Query};
use crate::store::{Freshness, Row};
use crate::time::{Millis, Timestamp};
use crate::value::{self, Json};

/// A call that a worker has claimed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Work {
    /// The call.
    pub call: OpenCall,
    /// The program that waits for it.
    pub program_name: String,
    /// The claim, with the fencing token that completing the call needs.
    pub claimed: ClaimedCall,
    /// The error of the last attempt, if there was one.
    #[cfg_attr(feature = "typescript", ts(optional))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<CallError>,
}

impl Cvm {
    /// Claims one open call of these kinds for `owner`. The claim lasts for `lease`, or longer with [`Cvm::heartbeat`]. `None`: no such
    /// call is open.
    pub async fn claim(&self, kinds: &[String], owner: &str, lease: Millis) -> Result<Option<Work>, Error> {
        self.claim_as(ClaimTarget::Kinds(kinds.to_vec()), owner, lease, None).await
    }

    /// Claims this call for `owner`. `None`: it is closed, or another worker has claimed it.
    pub async fn claim_call(&self, call: &str, owner: &str, lease: Millis) -> Result<Option<Work>, Error> {
        self.claim_as(ClaimTarget::Call(call.to_owned()), owner, lease, None).await
    }

    /// As [`Cvm::claim`], under a command id of the caller: a repeat returns the same claim.
    pub async fn claim_as(
        &self,
        target: ClaimTarget,
        owner: &str,
        lease: Millis,
        id: Option<&CommandId>,
    ) -> Result<Option<Work>, Error> {
        let contention = self.engine.claim_contention();
        let claim = Claim {
            of: target,
            owner: owner.to_owned(),
            lease,
            at: self.engine.now(),
            candidate_limit: contention.candidate_limit(),
        };
        let ClaimResult { claimed, details, conflicts } = self.execute(&claim, id).await?.output;
        let Some(claimed) = claimed else { return Ok(None) };
        let details = match details {
            Some(details) => {
                contention.record_conflicts(conflicts);
                *details
            }
            None => match self.engine.query(&ShowCall { id: claimed.call.clone() }).await {
                Ok(details) => details,
                // Cancelled and deleted meanwhile: there is nothing to do.
                Err(error) if error.code == ErrorCode::NotFound => return Ok(None),
                Err(error) => return Err(error),
            },
        };
        let CallDetails { call, program_name, error, .. } = details;
        Ok(Some(Work { call, program_name, claimed, error }))
    }

    /// The time from which an open call of these kinds may be claimed. A time in the past means now; `None`: no such call is open. A
    /// claimed call is open until it is answered, and may be claimed again when its lease ends.
    pub async fn next_available(&self, kinds: &[String]) -> Result<Option<Timestamp>, Error> {
        let now = self.engine.now();
        let mut next: Option<Timestamp> = None;
        for kind in kinds {
            let page = self.engine.store().query_with(&first_available(kind, now), Freshness::Session).await?;
            let at = |row: &Row| value::get(&row.stored.document, "availableAt").and_then(Json::as_i64);
            let found = page.items.first().and_then(at).map(Timestamp::from_millis);
            next = next.into_iter().chain(found).min();
        }
        Ok(next)
    }

    /// Reports that the worker still processes the call. Restarts its lease and returns the end of it. On [`ErrorCode::StaleClaim`] the
    /// worker must stop: another worker has claimed the call, or it is closed.
    pub async fn heartbeat(&self, claimed: &ClaimedCall, lease: Millis) -> Result<Timestamp, Error> {
        let heartbeat = Heartbeat { call: claimed.call.clone(), token: claimed.token, lease };
        Ok(self.execute(&heartbeat, None).await?.output)
    }

    /// Answers a claimed call and runs its execution to the next stop.
    pub async fn complete(
        &self,
        claimed: &ClaimedCall,
        answer: Json,
        by: Option<String>,
        id: Option<&CommandId>,
    ) -> Result<ExecutionStatus, Error> {
        let call = AnswerTarget::Claimed { call: claimed.call.clone(), token: claimed.token };
        self.submit_answer(Answer { execution: claimed.execution.clone(), call, answer, by }, id).await
    }

    /// Reports that a claimed call failed. Without a retry the call throws an error in the program, which runs to its next stop.
    pub async fn fail(&self, fail: &Fail, id: Option<&CommandId>) -> Result<FailedCall, Error> {
        let CommandResult { output, command, .. } = self.execute(fail, id).await?;
        let reached = match output.reached {
            Some(reached) => Some(self.drive(reached, &command, Origin::for_parts(id)).await?),
            None => None,
        };
        Ok(FailedCall { reached, ..output })
    }

    /// Gives up a claimed call, so that another worker may claim it at once. The attempt does not count.
    pub async fn release(&self, claimed: &ClaimedCall) -> Result<(), Error> {
        let release = Release { call: claimed.call.clone(), token: claimed.token };
        self.execute(&release, None).await?;
        Ok(())
    }
}

/// The open call of this kind that may be claimed first. A call past its deadline may not be claimed.
fn first_available(kind: &str, now: Timestamp) -> Query {
    Query::of(&CC_HISTORY)
        .eq("kind", kind)
        .filter(Filter::Exists("outcome".to_owned(), false))
        .filter(Filter::Gte("availableAt".to_owned(), i64::MIN.into()))
        .filter(before_deadline(now))
        .sort("availableAt", Ascending)
        .limit(1)
}

//! What workers do: claim calls, keep them, complete or fail them.

use serde::{Deserialize, Serialize};

use super::Cvm;
use crate::code::Code;
use crate::domain::cvm::{
    Answer, CC_HISTORY, CallError, Choice, Claim, Claimed, Claiming, Fail, FailedCall, Heartbeat, Of, OpenCall,
    Reached, Release, ShowCall, ShownCall, in_time,
};
use crate::engine::{Error, Executed, Origin};
use crate::id::CommandId;
use crate::schema::Direction::Ascending;
use crate::schema::{Filter, Query};
use crate::store::Row;
use crate::time::{Millis, Timestamp};
use crate::value::{self, Json};

/// A call in a worker's hands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Work {
    /// What is asked.
    pub call: OpenCall,
    /// The program that asks.
    pub program_name: String,
    /// The claim, with the token that completing it needs.
    pub claimed: Claimed,
    /// Why it was not answered the last time, where it was tried before.
    #[cfg_attr(feature = "typescript", ts(optional))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<CallError>,
}

impl Cvm {
    /// Hands one open call of these kinds to `owner`, for as long as `lease` or until the next [`Cvm::heartbeat`]; `None`: nothing is open.
    pub async fn claim(&self, kinds: &[String], owner: &str, lease: Millis) -> Result<Option<Work>, Error> {
        self.claim_as(Of::Kinds(kinds.to_vec()), owner, lease, None).await
    }

    /// Hands this call to `owner`; `None`: it is closed, or another one's.
    pub async fn claim_call(&self, call: &str, owner: &str, lease: Millis) -> Result<Option<Work>, Error> {
        self.claim_as(Of::Call(call.to_owned()), owner, lease, None).await
    }

    /// As [`Cvm::claim`], under a command id of the caller's: a repeat is told the same claim.
    pub async fn claim_as(
        &self,
        of: Of,
        owner: &str,
        lease: Millis,
        id: Option<&CommandId>,
    ) -> Result<Option<Work>, Error> {
        let among = self.engine.crowd();
        let claim = Claim { of, owner: owner.to_owned(), lease, at: self.engine.now(), among: among.size() };
        let Claiming { claimed, shown, lost } = self.execute(&claim, id).await?.output;
        let Some(claimed) = claimed else { return Ok(None) };
        let shown = match shown {
            Some(shown) => {
                among.met(lost);
                *shown
            }
            None => match self.engine.ask(&ShowCall { id: claimed.call.clone() }).await {
                Ok(shown) => shown,
                // Cancelled and deleted in between: nothing is left to do.
                Err(error) if error.code == Code::NotFound => return Ok(None),
                Err(error) => return Err(error),
            },
        };
        let ShownCall { call, program_name, error, .. } = shown;
        Ok(Some(Work { call, program_name, claimed, error }))
    }

    /// When an open call of these kinds may be taken next, a moment that has passed: now; `None`: none is open. One that another worker holds is
    /// open until it is answered, and may be taken when its lease ends.
    pub async fn next_available(&self, kinds: &[String]) -> Result<Option<Timestamp>, Error> {
        let now = self.engine.now();
        let mut next: Option<Timestamp> = None;
        for kind in kinds {
            let page = self.engine.store().query(&first_open(kind, now)).await?;
            let at = |row: &Row| value::get(&row.stored.document, "availableAt").and_then(Json::as_i64);
            let found = page.rows.first().and_then(at).map(Timestamp::from_millis);
            next = next.into_iter().chain(found).min();
        }
        Ok(next)
    }

    /// Tells that the call is still worked on; its lease begins anew. [`Code::StaleClaim`]: stop, somebody else has it or it is closed.
    pub async fn heartbeat(&self, claimed: &Claimed, lease: Millis) -> Result<Timestamp, Error> {
        let beat = Heartbeat { call: claimed.call.clone(), token: claimed.token, lease };
        Ok(self.execute(&beat, None).await?.output)
    }

    /// Gives a claimed call its answer and runs its execution on to the next stop.
    pub async fn complete(
        &self,
        claimed: &Claimed,
        answer: Json,
        by: Option<String>,
        id: Option<&CommandId>,
    ) -> Result<Reached, Error> {
        let call = Choice::Claimed { call: claimed.call.clone(), token: claimed.token };
        self.give(Answer { execution: claimed.execution.clone(), call, answer, by }, id).await
    }

    /// Tells that a claimed call could not be done. Where it is not to be tried again its program is thrown an error, and runs on.
    pub async fn fail(&self, fail: &Fail, id: Option<&CommandId>) -> Result<FailedCall, Error> {
        let Executed { output, command, .. } = self.execute(fail, id).await?;
        let reached = match output.reached {
            Some(reached) => Some(self.drive(reached, &command, Origin::of_parts(id)).await?),
            None => None,
        };
        Ok(FailedCall { reached, ..output })
    }

    /// Gives a claimed call back for others to take at once; it does not count as tried.
    pub async fn release(&self, claimed: &Claimed) -> Result<(), Error> {
        let release = Release { call: claimed.call.clone(), token: claimed.token };
        self.execute(&release, None).await?;
        Ok(())
    }
}

/// The open call of that kind that may be taken first. One whose deadline has passed is nobody's any more.
fn first_open(kind: &str, now: Timestamp) -> Query {
    Query::of(&CC_HISTORY)
        .eq("kind", kind)
        .filter(Filter::Exists("outcome".to_owned(), false))
        .filter(Filter::Gte("availableAt".to_owned(), i64::MIN.into()))
        .filter(in_time(now))
        .sort("availableAt", Ascending)
        .limit(1)
}

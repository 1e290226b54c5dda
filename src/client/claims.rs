//! Workers, and their operations: claim calls, extend claims, complete calls or report their failure.

use runstate_core::lease::{Claim, ClaimTarget, Heartbeat, Release};
use runstate_domain_cvm::{Call, ClaimedCall, CompleteCall, ExecutionStatus, Fail, FailedCall, Work};
use runstate_engine::Error;
use runstate_engine::work::Worker;
use runstate_value::time::{Millis, Timestamp};

use super::{Answer, Cvm};

/// A worker that serves the calls of executions.
pub type CallWorker = Worker<Work>;

impl Cvm {
    /// A worker that serves nothing yet; see [`Worker::new`].
    pub fn worker(&self, owner: impl Into<String>) -> CallWorker {
        Worker::new(&self.engine, owner)
    }

    /// Claims one open call of these kinds for `owner`. The claim lasts for `lease`, or longer with [`Cvm::heartbeat`].
    /// `None`: no such call is open. A repeat under the same command id returns the same claim.
    pub async fn claim(&self, kinds: &[String], owner: &str, lease: Millis) -> Result<Option<Work>, Error> {
        self.claim_target(ClaimTarget::Kinds(kinds.to_vec()), owner, lease).await
    }

    /// Claims this call for `owner`. `None`: it is closed, or another worker has claimed it.
    pub async fn claim_call(&self, call: &str, owner: &str, lease: Millis) -> Result<Option<Work>, Error> {
        self.claim_target(ClaimTarget::Item(call.to_owned()), owner, lease).await
    }

    /// Claims a call of this target; see [`Cvm::claim`] and [`Cvm::claim_call`].
    pub async fn claim_target(&self, of: ClaimTarget, owner: &str, lease: Millis) -> Result<Option<Work>, Error> {
        Ok(self.execute(&Claim::<Call>::new(of, owner, lease)).await?.work.map(|work| *work))
    }

    /// Reports that the worker still processes the call. Restarts its lease and returns the end of it. On `stale_claim`
    /// the worker must stop: another worker has claimed the call, or it is closed.
    pub async fn heartbeat(&self, claimed: &ClaimedCall, lease: Millis) -> Result<Timestamp, Error> {
        self.execute(&Heartbeat::<Call>::new(&claimed.call, claimed.token, lease)).await
    }

    /// Answers a claimed call and runs its execution to the next stop.
    pub async fn complete(&self, claimed: &ClaimedCall, answer: impl Into<Answer>) -> Result<ExecutionStatus, Error> {
        let Answer { value: answer, by, cost, .. } = answer.into();
        let ClaimedCall { call, execution, token, .. } = claimed.clone();
        self.execute(&CompleteCall { call, execution, token, answer, by, cost }).await
    }

    /// Reports that a claimed call failed. Without a retry the call throws an error in the program, which runs to its
    /// next stop.
    pub async fn fail(&self, fail: &Fail) -> Result<FailedCall, Error> {
        self.execute(fail).await
    }

    /// Gives up a claimed call, so that another worker may claim it at once. The attempt does not count.
    pub async fn release(&self, claimed: &ClaimedCall) -> Result<(), Error> {
        self.execute(&Release::<Call>::new(&claimed.call, claimed.token)).await
    }
}

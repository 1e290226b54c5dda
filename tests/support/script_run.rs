//! A script with thirty calls at once, of which people approve five, and its undoing, in processes that end at any
//! moment. Each process does all there is to do: it starts the run, runs tools, approves, and undoes. A journal outside
//! of the store has what was done to the world, and [`check`] compares it with the store.
//!
//! A process that ends between the claim of a call and the commit of its answer leaves the call to the others, which
//! run its tool again, under the id of the same call. What never happens: a call is lost, or answered twice; a tool
//! runs under a claim that is newer than the answer of its call; a call runs again without the end of a process, or the
//! loss of its claim; an approval is recorded twice; an answered call is undone twice.
#![allow(dead_code, reason = "no test uses all of it")]

use std::collections::BTreeSet;
use std::future::pending;
use std::sync::Arc;

use async_lock::OnceCell;
use runstate::client::Cvm;
use runstate::code::{Code, RunScript, RunState, Tool};
use runstate::domain::cvm::{CallOutcome, CallView, ListCalls, ListLogs, Status, WaitsFor, Work, codes};
use runstate::engine::{Engine, Error};
use runstate::error_code::ErrorCode;
use runstate::testing::SimIds;
use runstate::time::Millis;
use runstate::value::Json;
use runstate::work::{Backoff, Failure, Task, WorkerEvent};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Calls of a run.
const CALLS: u64 = 30;

/// Every fifth call is a refund. The rule of the tool lets the first one pass.
const SCRIPT: &str = r#"
    const work = async (n) => {
        const done = n % 5 === 0 ? await tools.pay.refund({ n }) : await tools.crm.find({ n });
        console.log(done);
        return done;
    };
    return Promise.all(Array.from({ length: 30 }, (_, n) => work(n)));"#;

/// Calls that wait for an approval, and those of them that a person approves.
const APPROVALS: (usize, usize) = (6, 5);

/// What was done outside of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Deed {
    /// A process has opened the store.
    Opened,
    /// The tool of a call begins to run.
    Ran,
    /// The commit of an answer was acknowledged.
    Answered,
    /// The result of a tool was discarded: its claim was lost.
    Lost,
    /// A call has failed.
    Failed,
    /// The commit of an approval was acknowledged.
    Approved,
}

/// An entry of the journal. It is written before a tool does its work, and after a commit is acknowledged.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// The process, or the person.
    pub by: String,
    pub deed: Deed,
    pub call: String,
    /// The fencing token of the claim; 0 for other entries.
    pub token: u64,
}

/// Writes an entry. It is there when the function returns, whatever happens to the process.
pub type Journal = Arc<dyn Fn(Entry) + Send + Sync>;

/// A process.
#[derive(Clone)]
pub struct Process {
    pub name: String,
    pub engine: Engine,
    pub journal: Journal,
    /// The source of its random choices.
    pub ids: SimIds,
    pub lease: Millis,
    /// The longest time that a tool takes.
    pub tool_time: Millis,
    /// The longest pause between two acts of a person.
    pub pause: Millis,
    /// How long it waits for a change of the run.
    pub wait: Millis,
}

impl Process {
    fn record(&self, deed: Deed, call: &str, token: u64) {
        (self.journal)(Entry { by: self.name.clone(), deed, call: call.to_owned(), token });
    }

    /// Waits for a random time.
    async fn wait_up_to(&self, longest: Millis) {
        let span = self.ids.below(usize::try_from(longest.0).unwrap_or(0) + 1);
        self.engine.host().sleep(Millis(span as i64)).await;
    }

    /// Does the work of a call. Its result depends on the call alone.
    async fn run_tool(&self, task: &Task<Work>) -> Json {
        self.record(Deed::Ran, &task.work.claimed.call, task.work.claimed.token);
        self.wait_up_to(self.tool_time).await;
        result_of(&task.work.call.kind, &task.work.call.args)
    }

    /// The tools of a process.
    pub fn code(&self) -> Code {
        let tool = || {
            let (runs, undoes) = (self.clone(), self.clone());
            let tool = Tool::new(move |task| {
                let process = runs.clone();
                async move { Ok(process.run_tool(&task).await) }
            });
            tool.revert(move |call, task| {
                let process = undoes.clone();
                async move {
                    let result = call.response.map(|response| response.result);
                    if result != Some(result_of(&call.kind, &call.args)) {
                        return Err(Failure::permanent(format!("{} is undone with the result {result:?}", call.id)));
                    }
                    Ok(process.run_tool(&task).await)
                }
            })
        };
        let refund = tool().approve_if(|args| args["n"] != 0);
        let code = Code::new(&self.engine).tool("crm.find", tool());
        code.and_then(|code| code.tool("pay.refund", refund)).unwrap()
    }

    /// Serves calls until `acts` has ended, which is what people do here, and the tools that run then. Fails at once as
    /// it does, or as the store does.
    pub async fn serve(&self, code: &Code, acts: impl Future<Output = Result<(), Error>> + Send) -> Result<(), Error> {
        let failed = OnceCell::new();
        let stop = async {
            if let Err(error) = acts.await {
                _ = failed.set(error).await;
                pending::<()>().await;
            }
        };
        let now = async { _ = failed.wait().await };
        let listener = self.clone();
        let worker = code.worker(&self.name).lease(self.lease).on_event(move |event| {
            let (deed, work) = match event {
                WorkerEvent::Answered { work, .. } => (Deed::Answered, work),
                WorkerEvent::Lost { work, .. } => (Deed::Lost, work),
                WorkerEvent::Failed { work, .. } => (Deed::Failed, work),
                _ => return,
            };
            listener.record(deed, &work.claimed.call, work.claimed.token);
        });
        // A call whose workers were killed repeatedly counts as one that kills them, and fails.
        let worker = worker.backoff(Backoff { attempts: u32::MAX, ..Backoff::default() });
        worker.run_until(stop, now).await?;
        failed.into_inner().map_or(Ok(()), Err)
    }

    /// Does what people do for a run, from its start until it is undone. Others may do the same.
    pub async fn act(&self, code: &Code, run: &str) -> Result<(), Error> {
        code.run(SCRIPT, RunScript { id: Some(run.to_owned()), ..RunScript::default() }).await?;
        while let RunState::Waiting { pending } = code.result(run, self.wait).await? {
            self.approve_one(code, &pending).await?;
            self.wait_up_to(self.pause).await;
        }
        let undo = code.revert(run).await?;
        while let RunState::Waiting { .. } = code.result(&undo.id, self.wait).await? {
            self.wait_up_to(self.pause).await;
        }
        Ok(())
    }

    pub async fn has_begun(&self, run: &str) -> Result<bool, Error> {
        match Cvm::new(&self.engine).status(run).await {
            Ok(_) => Ok(true),
            Err(error) if error.code == ErrorCode::NOT_FOUND => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Approves any call that waits for a person, under a name that is not used again.
    async fn approve_one(&self, code: &Code, pending: &[CallView]) -> Result<(), Error> {
        let awaits: Vec<_> = pending.iter().filter(|call| call.waits_for == Some(WaitsFor::Approval)).collect();
        let Some(call) = awaits.get(self.ids.below(awaits.len())) else { return Ok(()) };
        let by = format!("{} {}", self.name, self.ids.number());
        match code.approve(call, &by, None).await {
            Ok(()) => (self.journal)(Entry { by, deed: Deed::Approved, call: call.id.clone(), token: 0 }),
            // Another process was faster.
            Err(error) if [codes::ALREADY_APPROVED, codes::ALREADY_ANSWERED].contains(&error.code) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

fn result_of(kind: &str, args: &Json) -> Json {
    format!("{kind} {args}").into()
}

/// Checks a run that was undone. `killed`: the processes that have ended. Returns how often a tool ran again.
pub async fn check(cvm: &Cvm, run: &str, journal: &[Entry], killed: &BTreeSet<String>) -> usize {
    let undo = format!("{run}.revert");
    let (shown, undone) = (cvm.show(run).await.unwrap(), cvm.show(&undo).await.unwrap());
    // The end is that of a run without deaths, and no line ran twice.
    let results: Vec<Json> =
        (0..CALLS).map(|n| result_of(if n % 5 == 0 { "pay.refund" } else { "crm.find" }, &json!({ "n": n }))).collect();
    assert_eq!((shown.status, &shown.result), (Status::Complete, &json!(results)), "{run}: {:?}", shown.error);
    let sorted = |mut lines: Vec<String>| {
        lines.sort();
        lines
    };
    let lines = results.iter().map(|line| line.as_str().unwrap().to_owned()).collect();
    assert_eq!(sorted(shown.output), sorted(lines), "{run}");

    let mut calls = all_calls(cvm, run).await;
    assert_eq!(calls.len() as u64, CALLS, "{run}");
    calls.sort_by_key(|call| std::cmp::Reverse((call.response.as_ref().map(|response| response.timestamp), call.step)));
    check_approvals(cvm, run, &calls, journal).await;

    // All are undone, the latest first, by one run.
    let ids: Vec<&str> = calls.iter().map(|call| call.id.as_str()).collect();
    let expected = (Status::Complete, &json!({ "undone": ids, "failed": [] }));
    assert_eq!((undone.status, &undone.result), expected, "{run}: {:?}", undone.error);
    let undos = all_calls(cvm, &undo).await;
    assert_eq!(undos.len() as u64, CALLS, "{undo}");
    let again = cvm.status(&format!("{undo}.2")).await;
    assert_eq!(again.unwrap_err().code, ErrorCode::NOT_FOUND, "{run} was undone twice");
    calls.iter().chain(&undos).map(|call| check_call(call, journal, killed)).sum()
}

/// Checks what was done for a call. Returns how often its tool ran again.
fn check_call(call: &CallView, journal: &[Entry], killed: &BTreeSet<String>) -> usize {
    assert_eq!(call.outcome, Some(CallOutcome::Answered), "{call:?}");
    let entries: Vec<&Entry> = journal.iter().filter(|entry| entry.call == call.id).collect();
    let of = |deed: Deed| entries.iter().filter(move |entry| entry.deed == deed);
    assert_eq!(of(Deed::Failed).count(), 0, "{entries:?}");
    // No claim follows the answer, so the newest claim is that of the answer. No claim runs the tool twice.
    let token = call.claim.as_ref().unwrap().token;
    let ran: BTreeSet<u64> = of(Deed::Ran).map(|entry| entry.token).collect();
    assert_eq!((ran.last(), ran.len()), (Some(&token), of(Deed::Ran).count()), "{call:?}: {entries:?}");
    let answered: Vec<u64> = of(Deed::Answered).map(|entry| entry.token).collect();
    assert!(answered.is_empty() || answered == [token], "{call:?}: {entries:?}");
    // Each earlier run has a reason.
    for earlier in of(Deed::Ran).filter(|entry| entry.token != token) {
        let is_lost = of(Deed::Lost).any(|lost| lost.token == earlier.token);
        assert!(killed.contains(&earlier.by) || is_lost, "{earlier:?} was repeated: {entries:?}");
    }
    ran.len() - 1
}

/// Checks that each approval was recorded once: in the call, as one row of the log, and as the person knows it.
async fn check_approvals(cvm: &Cvm, run: &str, calls: &[CallView], journal: &[Entry]) {
    let approvals: Vec<_> = calls.iter().filter_map(|call| Some((call, call.approval.as_ref()?))).collect();
    let by_people = approvals.iter().filter(|(_, approval)| approval.by != "rule").count();
    assert_eq!((approvals.len(), by_people), APPROVALS, "{run}: {approvals:?}");
    let log = ListLogs { event: Some("approval".to_owned()), ..ListLogs::of_execution(run) };
    let rows: Vec<Json> = cvm.logs(&log).await.unwrap().items.into_iter().map(|row| row.details).collect();
    assert_eq!(rows.len(), approvals.len(), "{run}: {rows:?}");
    for (call, approval) in approvals {
        let expected = json!({ "callId": call.id, "approved": true, "by": approval.by, "note": approval.note });
        assert!(rows.contains(&expected), "{expected} is not among {rows:?}");
        let acknowledged = journal.iter().filter(|entry| entry.deed == Deed::Approved && entry.call == call.id);
        let by: Vec<&str> = acknowledged.map(|entry| entry.by.as_str()).collect();
        assert!(by.is_empty() || by == [approval.by.as_str()], "{by:?} approved {call:?}");
    }
}

async fn all_calls(cvm: &Cvm, run: &str) -> Vec<CallView> {
    let mut listing = ListCalls { execution: Some(run.to_owned()), ..ListCalls::default() };
    let mut calls = Vec::new();
    loop {
        let page = cvm.calls(&listing).await.unwrap();
        calls.extend(page.items);
        listing.cursor = page.next;
        if listing.cursor.is_none() {
            return calls;
        }
    }
}

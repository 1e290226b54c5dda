//! A worker serves the items of a domain other than `cvm`: one entity, two commands.

use std::sync::{Arc, Mutex};

use runstate::decision::{Command, Ctx, Decision, LoadedEntity, OperationName, ReadSet, Rejection, View};
use runstate::engine::{Engine, Error};
use runstate::lease::{Claim, ClaimResult, ItemKind, Lease, LeaseNames, Leased, NextAvailable, StoredLease, claimed};
use runstate::lease_names;
use runstate::operation::{Domain, WorkItem};
use runstate::schema::{Entity, Key};
use runstate::store::Memory;
use runstate::testing::TimedHost;
use runstate::time::{Millis, Timestamp};
use runstate::value::Json;
use runstate::work::{Backoff, Failure, Task, Worker, WorkerEvent};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

static HOUSE: Domain = Domain::new("house").collections(&[&Chore::COLLECTION]);

/// A chore that is not done.
#[derive(Entity, Clone, Debug)]
#[entity(collection = "house.chores", version = 1)]
#[index(kind, available_at)]
struct Chore {
    #[entity(id)]
    id: String,
    kind: String,
    #[entity(flatten)]
    lease: StoredLease,
}

/// A claimed chore.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
struct ClaimedChore {
    id: String,
    kind: String,
    token: u64,
    attempts: u32,
}

impl Leased for Chore {
    type Work = ClaimedChore;
    type Claimed = ClaimedChore;

    const NAMES: LeaseNames = lease_names!("house.chore");
    const KIND: Option<ItemKind> = Some(ItemKind { field: "kind", plural: "kinds of chores" });

    fn lease(&self) -> Option<Lease> {
        self.lease.get()
    }

    fn set_lease(&mut self, lease: Lease) {
        self.lease.set(lease);
    }

    fn claim(
        _: &View,
        ctx: &mut Ctx,
        mut row: LoadedEntity<Self>,
        claim: &Claim<Self>,
    ) -> Result<Decision<ClaimResult<Self>>, Rejection> {
        let Lease { token, attempts, .. } = claim.begin(&mut row.entity, ctx.now)?;
        let work = ClaimedChore { id: row.entity.id.clone(), kind: row.entity.kind.clone(), token, attempts };
        Decision::new(ClaimResult::new(work.clone(), work)).save(row, ctx.now)
    }

    fn work(_: &View, claimed: &ClaimedChore) -> Result<Option<ClaimedChore>, Rejection> {
        Ok(Some(claimed.clone()))
    }

    fn document(&self) -> Key {
        Key::new(&Self::COLLECTION, &self.id)
    }

    fn skip(&mut self, _: &View, ctx: &mut Ctx, _: &Rejection, is_orphan: bool) -> Result<bool, Rejection> {
        Ok(self.lease.skip(is_orphan, ctx.now))
    }
}

#[derive(Serialize, OperationName)]
#[operation(name = "house.chore.add")]
struct AddChore {
    id: String,
    kind: String,
}

impl Command for AddChore {
    type Output = ();

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::entity::<Chore>(&self.id)
    }

    fn decide(&self, _: &View, ctx: &mut Ctx) -> Result<Decision<()>, Rejection> {
        let (id, kind) = (self.id.clone(), self.kind.clone());
        Decision::new(()).and_insert(&Chore { id, kind, lease: StoredLease::available(ctx.now) })
    }
}

/// How an attempt has ended. The output is the time of the next one.
#[derive(Serialize, OperationName)]
#[operation(name = "house.chore.report")]
struct Report {
    claimed: ClaimedChore,
    retry: Option<Backoff>,
}

impl Command for Report {
    type Output = Option<Timestamp>;

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<Option<Timestamp>>, Rejection> {
        let mut row = claimed::<Chore>(view, &self.claimed.id, self.claimed.token)?;
        let Some(at) = self.retry.and_then(|backoff| backoff.next_attempt_at(self.claimed.attempts, ctx)) else {
            return Ok(Decision::new(None).change(row.delete()));
        };
        row.entity.make_available(at);
        Decision::new(Some(at)).save(row, ctx.now)
    }
}

impl WorkItem for ClaimedChore {
    type Row = Chore;
    type Status = Option<Timestamp>;

    fn id(&self) -> &str {
        &self.id
    }

    fn token(&self) -> u64 {
        self.token
    }

    fn kind(&self) -> &str {
        &self.kind
    }

    fn attempts(&self) -> u32 {
        self.attempts
    }

    fn complete(&self, _: &str, _: Json) -> impl Command<Output = Self::Status> {
        Report { claimed: self.clone(), retry: None }
    }

    fn fail(&self, _: &str, _: &Failure, retry: Option<Backoff>) -> impl Command<Output: Into<Option<Timestamp>>> {
        Report { claimed: self.clone(), retry }
    }
}

#[test]
fn a_worker_serves_the_items_of_the_domain() -> Result<(), Error> {
    let host = TimedHost::default();
    let engine = host.block_on(Engine::new(Arc::new(Memory::new()), Arc::new(host.clone()), &[&HOUSE]))?;
    for (id, kind) in [("a", "dishes"), ("b", "windows"), ("c", "taxes")] {
        host.block_on(engine.execute(&AddChore { id: id.to_owned(), kind: kind.to_owned() }))?;
    }
    let events: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = events.clone();
    let worker = Worker::new(&engine, "butler")
        .handle("dishes", 1, async |task: Task<ClaimedChore>| match task.attempt {
            1 => Err(Failure::new("the water is cold")),
            _ => Ok("clean".into()),
        })
        .handle("windows", 1, {
            let host = host.clone();
            move |_| {
                let host = host.clone();
                // Longer than the lease: only heartbeats keep the claim.
                async move {
                    runstate::engine::Host::sleep(&host, Millis::minutes(2)).await;
                    Ok("clear".into())
                }
            }
        })
        .on_event(move |event| {
            log.lock().unwrap().extend(match event {
                WorkerEvent::Answered { work, .. } => Some(format!("{} answered", work.id)),
                WorkerEvent::Failed { work, failure, .. } => Some(format!("{}: {}", work.id, failure.message)),
                WorkerEvent::Claimed(_) => None,
                other => Some(format!("{other:?}")),
            });
        });
    host.block_on(worker.drain())?;
    assert_eq!(*events.lock().unwrap(), ["a: the water is cold", "a answered", "b answered"]);
    let taxes =
        host.block_on(engine.query(&NextAvailable::<Chore>::new(&["taxes".to_owned(), "windows".to_owned()])))?;
    assert!(taxes.is_some(), "no handler serves this kind");
    Ok(())
}

//! A worker serves the items of a domain other than `cvm`: one entity, three commands, one query.

use std::sync::{Arc, Mutex};

use runstate::decision::{Change, Command, Ctx, Decision, DomainQuery, ReadSet, Rejection, View};
use runstate::engine::{Engine, Error};
use runstate::error_code::ErrorCode;
use runstate::operation::{Domain, WorkItem};
use runstate::schema::{Collection, Direction::Ascending, Entity, Filter, Query};
use runstate::store::Memory;
use runstate::testing::TimedHost;
use runstate::time::{Millis, Timestamp};
use runstate::value::Json;
use runstate::work::{Backoff, Failure, Task, Worker, WorkerEvent};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

static CHORES: Collection = Chore::COLLECTION;
static HOUSE: Domain = Domain::new("house").collections(&[&CHORES]).codes(CODES);

runstate::error_codes! {
    /// Another worker has claimed the chore, or it is done.
    NOT_YOURS = "not_yours",
}

/// A chore.
#[derive(Entity, Clone, Debug)]
#[entity(collection = "house.chores", version = 1)]
#[index(available_at)]
struct Chore {
    #[entity(id)]
    id: String,
    kind: String,
    /// When it may be claimed; missing when it is done.
    available_at: Option<Timestamp>,
    attempts: u32,
    result: Option<Json>,
}

/// A claimed chore. The number of its attempts is its fencing token.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
struct ClaimedChore {
    id: String,
    kind: String,
    attempts: u32,
}

#[derive(Serialize)]
struct AddChore {
    id: String,
    kind: String,
}

impl Command for AddChore {
    const NAME: &'static str = "house.add";
    type Output = ();

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::entity::<Chore>(&self.id)
    }

    fn decide(&self, _: &View, ctx: &mut Ctx) -> Result<Decision<()>, Rejection> {
        let (id, kind) = (self.id.clone(), self.kind.clone());
        let chore = Chore { id, kind, available_at: Some(ctx.now), attempts: 0, result: None };
        Ok(Decision::new(()).change(Change::insert(&chore)?))
    }
}

/// Finds the chore that may be claimed first, and claims it for the lease.
#[derive(Serialize)]
struct Find {
    kinds: Vec<String>,
    lease: Option<Millis>,
}

impl Find {
    fn first(&self, view: &View) -> Result<Option<Chore>, Rejection> {
        Ok(view.entities::<Chore>("open")?.into_iter().find(|chore| self.kinds.contains(&chore.kind)))
    }
}

impl Command for Find {
    const NAME: &'static str = "house.find";
    type Output = Option<ClaimedChore>;

    fn reads(&self, view: &View) -> ReadSet {
        let open = Filter::Lte("available_at".to_owned(), view.now().as_millis().into());
        let reads = ReadSet::empty().query("open", Query::of(&CHORES).filter(open).sort("available_at", Ascending));
        match self.first(view) {
            Ok(Some(chore)) => reads.with_key(runstate::schema::Key::new(&CHORES, &chore.id)),
            _ => reads,
        }
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<Option<ClaimedChore>>, Rejection> {
        let (Some(first), Some(lease)) = (self.first(view)?, self.lease) else { return Ok(Decision::new(None)) };
        let mut found = view.entity::<Chore>(&first.id)?;
        found.entity.attempts += 1;
        found.entity.available_at = Some(ctx.now + lease);
        let claimed = ClaimedChore { id: first.id, kind: first.kind, attempts: found.entity.attempts };
        Ok(Decision::new(Some(claimed)).change(found.update(ctx.now)?))
    }
}

/// When the next chore of these kinds may be claimed.
struct Next(Vec<String>);

impl DomainQuery for Next {
    const NAME: &'static str = "house.next";
    type Output = Option<Timestamp>;

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::empty().query("open", Query::of(&CHORES).filter(Filter::Exists("available_at".to_owned(), true)))
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Option<Timestamp>, Rejection> {
        let open = view.entities::<Chore>("open")?.into_iter().filter(|chore| self.0.contains(&chore.kind));
        Ok(open.filter_map(|chore| chore.available_at).min())
    }
}

/// The report of a worker on a claimed chore. The output is the time of the next attempt.
#[derive(Serialize)]
struct Report {
    claimed: ClaimedChore,
    end: End,
}

#[derive(Serialize)]
enum End {
    Completed(Json),
    Failed(Option<Backoff>),
    Released,
    Extended(Millis),
}

impl Command for Report {
    const NAME: &'static str = "house.report";
    type Output = Option<Timestamp>;

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::entity::<Chore>(&self.claimed.id)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<Option<Timestamp>>, Rejection> {
        let mut found = view.entity::<Chore>(&self.claimed.id)?;
        let (attempts, mut result) = (found.entity.attempts, None);
        if attempts != self.claimed.attempts || found.entity.available_at.is_none() {
            return Err(Rejection::domain(NOT_YOURS, "another worker has claimed the chore, or it is done"));
        }
        let available_at = match &self.end {
            End::Completed(answer) => {
                result = Some(answer.clone());
                None
            }
            End::Failed(backoff) => backoff.and_then(|backoff| backoff.next_attempt_at(attempts, ctx)),
            End::Released => Some(ctx.now),
            End::Extended(lease) => Some(ctx.now + *lease),
        };
        (found.entity.available_at, found.entity.result) = (available_at, result);
        Ok(Decision::new(available_at).change(found.update(ctx.now)?))
    }
}

impl ClaimedChore {
    fn report(&self, end: End) -> Report {
        Report { claimed: self.clone(), end }
    }
}

impl WorkItem for ClaimedChore {
    type Status = Option<Timestamp>;

    const COLLECTION: &'static Collection = &CHORES;
    const KINDS_PER_CLAIM: usize = 1;
    const INVALID_ANSWER: ErrorCode = ErrorCode::INVALID;
    const CLAIM_LOST: &'static [ErrorCode] = &[NOT_YOURS];

    fn claim(kinds: &[String], _: &str, lease: Millis) -> impl Command<Output: Into<Option<Self>>> {
        Find { kinds: kinds.to_vec(), lease: Some(lease) }
    }

    fn next_available(kinds: &[String]) -> impl DomainQuery<Output = Option<Timestamp>> {
        Next(kinds.to_vec())
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn kind(&self) -> &str {
        &self.kind
    }

    fn attempts(&self) -> u32 {
        self.attempts
    }

    fn heartbeat(&self, lease: Millis) -> impl Command {
        self.report(End::Extended(lease))
    }

    fn complete(&self, _: &str, answer: Json) -> impl Command<Output = Self::Status> {
        self.report(End::Completed(answer))
    }

    fn fail(&self, _: &str, _: &Failure, backoff: Option<Backoff>) -> impl Command<Output: Into<Option<Timestamp>>> {
        self.report(End::Failed(backoff))
    }

    fn release(&self) -> impl Command {
        self.report(End::Released)
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
    let taxes = host.block_on(engine.query(&Next(vec!["taxes".to_owned(), "windows".to_owned()])))?;
    assert!(taxes.is_some(), "no handler serves this kind");
    Ok(())
}

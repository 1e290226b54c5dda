//! Steps of apps: each is a claim and a completion, which are two commits. Beside them, two transactions of the driver
//! with the same rows, in collections with the same indexes. The raw transactions read nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mongodb::bson::{DateTime, Document, doc};
use mongodb::options::{TransactionOptions, WriteConcern};
use mongodb::{Client, ClientSession, Collection, Database};
use runstate::domain::apps::{CompleteStep, DOMAIN, QueuedStep};
use runstate::engine::{Engine, SystemHost};
use runstate::lease::{Claim, ClaimTarget, LEASE};
use runstate::store::mongodb::{Mongo, MongoOptions};
use runstate::value::Json;
use serde_json::json;
use tokio::task::JoinSet;

use super::BenchError;
use super::command_counter::{CommandCounter, CommandCounts};
use super::figures::{Figure, Figures, ms, quantile};

/// Executions of ten steps.
const EXECUTIONS: usize = 600;
const STEPS: usize = 10;
/// Steps whose latency is measured, after those of the warm-up.
const MEASURED: usize = 300;
const WARM_UP: usize = 50;
const COUNTED: usize = 100;
/// Claimers, each in a process of its own.
const CLAIMERS: usize = 8;
/// Duration of one measurement of throughput.
const MEASUREMENT: Duration = Duration::from_secs(3);

/// Steps of the driver, in all measurements.
const RAW_STEPS: usize = 12_000;
/// The revisions of raw documents.
const FIRST: &str = "1-0123456789ab";
const SECOND: &str = "2-0123456789ab";
const THIRD: &str = "3-0123456789ab";

/// The collections whose documents a step changes.
const COLLECTIONS: [&str; 4] = ["apps.executions", "apps.execution_steps", "apps.step_queue", "apps.search_entries"];

pub async fn bench(
    counter: &CommandCounter,
    url: &str,
    database: &str,
    figures: &mut Figures,
) -> Result<(), BenchError> {
    let with_database = |name: &str| super::with_database(url, name);
    let (own, by_hand) = (database.to_owned(), format!("{database}_raw"));
    let claimer = Claimer::open(&with_database(&own)?, "claimer").await?;
    claimer.start_executions().await?;
    // Creates its collections and their indexes.
    Claimer::open(&with_database(&by_hand)?, "raw").await?;
    let client = Client::with_uri_str(url).await?;
    let raw = Arc::new(RawSteps::prepare(&client, &own, &by_hand).await?);

    let (mut times, mut raw_times, mut session) = (Vec::new(), Vec::new(), client.start_session().await?);
    for n in 0..MEASURED + WARM_UP {
        let begun = Instant::now();
        claimer.step().await?;
        let between = Instant::now();
        raw.step(&mut session).await?;
        if n >= WARM_UP {
            times.push(between - begun);
            raw_times.push(between.elapsed());
        }
    }
    for (name, share) in [("claim and completion of a step, p50", 0.5), ("claim and completion of a step, p99", 0.99)] {
        let raw = ms(quantile(&mut raw_times, share));
        figures.add(Figure::ms(name, quantile(&mut times, share)).raw(raw).ratio_at_most(1.5))?;
    }
    let (mut claims, mut completions, mut raw_steps) = <(CommandCounts, CommandCounts, CommandCounts)>::default();
    for _ in 0..COUNTED {
        let claimed = counter.count(&mut claims, claimer.claim()).await?;
        counter.count(&mut completions, claimer.complete(claimed)).await?;
        counter.count(&mut raw_steps, raw.step(&mut session)).await?;
    }
    println!("{:<44} {}", "commands of a claim", claims.by_name());
    println!("{:<44} {}", "commands of a completion", completions.by_name());
    println!("{:<44} {}", "commands of a step by hand", raw_steps.by_name());
    let trips = claims.total() + completions.total();
    figures.add(Figure::new("round trips of a step of an app", "", trips).raw(raw_steps.total()))?;

    let (mut rates, mut raw_rates) = (Vec::new(), Vec::new());
    for claimers in [1, CLAIMERS] {
        let (rate, commands) = own_rate(counter, &with_database(&own)?, claimers).await?;
        println!("{:<44} {commands}", format!("commands of a step, {claimers} claimers"));
        let raw_rate = raw_rate(&raw, &client, claimers).await?;
        figures.add(Figure::new(format!("steps of {claimers} claimers"), "steps/s", rate).raw(raw_rate))?;
        rates.push(rate);
        raw_rates.push(raw_rate);
    }
    let gain = Figure::new(format!("{CLAIMERS} claimers, compared with one"), "×", rates[1] / rates[0]);
    figures.add(gain.raw(raw_rates[1] / raw_rates[0]).at_least_or_raw(5.0))?;
    for name in [own, by_hand] {
        client.database(&name).drop().await?;
    }
    Ok(())
}

/// Steps per second of claimers, each in a process of its own, and the commands of a step. They have claimed before, so
/// that they know how many others claim.
async fn own_rate(counter: &CommandCounter, url: &str, claimers: usize) -> Result<(f64, String), BenchError> {
    let mut processes = Vec::new();
    for n in 0..claimers {
        processes.push(Arc::new(Claimer::open(url, &format!("claimer {n}")).await?));
    }
    let run = |duration: Duration| {
        let (begun, mut running) = (Instant::now(), JoinSet::new());
        for claimer in &processes {
            let claimer = claimer.clone();
            running.spawn(async move {
                let mut steps = 0;
                while begun.elapsed() < duration {
                    claimer.step().await?;
                    steps += 1;
                }
                Ok::<_, BenchError>(steps)
            });
        }
        finish(running, begun)
    };
    run(MEASUREMENT / 2).await?;
    let begun = counter.server_counts().await?;
    let (steps, rate) = run(MEASUREMENT).await?;
    Ok((rate, counter.counts_since(&begun, u32::try_from(steps)?).await?.by_name()))
}

async fn raw_rate(raw: &Arc<RawSteps>, client: &Client, clients: usize) -> Result<f64, BenchError> {
    let mut running = JoinSet::new();
    let begun = Instant::now();
    for _ in 0..clients {
        let (raw, mut session) = (raw.clone(), client.start_session().await?);
        running.spawn(async move {
            let mut steps = 0;
            while begun.elapsed() < MEASUREMENT {
                raw.step(&mut session).await?;
                steps += 1;
            }
            Ok::<_, BenchError>(steps)
        });
    }
    Ok(finish(running, begun).await?.1)
}

async fn finish(mut running: JoinSet<Result<usize, BenchError>>, begun: Instant) -> Result<(usize, f64), BenchError> {
    let mut steps = 0;
    while let Some(ended) = running.join_next().await {
        steps += ended??;
    }
    Ok((steps, steps as f64 / begun.elapsed().as_secs_f64()))
}

/// A process that claims and completes steps.
struct Claimer {
    engine: Engine,
    name: String,
}

/// The id and the token of a claimed step.
type ClaimedStep = (String, u64);

impl Claimer {
    async fn open(url: &str, name: &str) -> Result<Self, BenchError> {
        let store = Arc::new(Mongo::open(url, MongoOptions::default()).await?);
        let engine = Engine::new(store, Arc::new(SystemHost), &[&DOMAIN]).await?;
        Ok(Self { engine, name: name.to_owned() })
    }

    async fn call(&self, name: &str, parameters: Json) -> Result<Json, BenchError> {
        let parameters = parameters.as_object().cloned().unwrap_or_default();
        Ok(self.engine.call(&format!("apps.{name}"), parameters).await?)
    }

    async fn start_executions(&self) -> Result<(), BenchError> {
        let step =
            |id: usize| json!({"id": id, "name": "work", "depends_on": if id > 1 { vec![id / 2] } else { vec![] }});
        let configuration = json!({"steps": (1..=STEPS).map(step).collect::<Vec<_>>()});
        let version =
            json!({"appId": 1, "appName": "a", "version": "1", "configuration": configuration, "activate": true});
        self.call("configuration.save", version).await?;
        for n in 0..EXECUTIONS {
            let parameters = json!({"appId": 1, "userId": "u", "input": {"text": "the input"}, "id": format!("e{n}")});
            self.call("execution.start", parameters).await?;
        }
        Ok(())
    }

    async fn claim(&self) -> Result<ClaimedStep, BenchError> {
        let claim = Claim::<QueuedStep>::new(ClaimTarget::Kinds(vec!["work".to_owned()]), &*self.name, LEASE);
        let work = self.engine.execute(&claim).await?.work.ok_or("no step may be claimed")?;
        Ok((work.claimed.id.clone(), work.claimed.token))
    }

    async fn complete(&self, (id, token): ClaimedStep) -> Result<(), BenchError> {
        let output = Some(json!({"text": "the output of a step"}));
        self.engine.execute(&CompleteStep { id, token, output, metadata: None }).await?;
        Ok(())
    }

    async fn step(&self) -> Result<(), BenchError> {
        let claimed = self.claim().await?;
        self.complete(claimed).await
    }
}

/// The same rows, written by hand.
struct RawSteps {
    database: Database,
    /// The number of the next step.
    next: AtomicUsize,
}

impl RawSteps {
    /// Copies a document of each collection, once for each step. A step has an execution of its own.
    async fn prepare(client: &Client, from: &str, to: &str) -> Result<Self, BenchError> {
        let database = client.database(to);
        for name in COLLECTIONS {
            let template = client.database(from).collection::<Document>(name).find_one(doc! {}).await?;
            let template = template.ok_or("a collection is empty")?;
            let copy = |n: usize| {
                let (mut copy, id) = (template.clone(), format!("raw-{n}"));
                copy.insert("_rev", FIRST);
                for field in ["_id", "id", "execution_id"] {
                    if copy.contains_key(field) {
                        copy.insert(field, &id);
                    }
                }
                copy
            };
            database.collection(name).insert_many((0..RAW_STEPS).map(copy)).await?;
        }
        Ok(Self { database, next: AtomicUsize::new(0) })
    }

    fn collection(&self, name: &str) -> Collection<Document> {
        self.database.collection(name)
    }

    async fn update(
        &self,
        session: &mut ClientSession,
        name: &str,
        id: &str,
        rev: &str,
        update: Document,
    ) -> Result<(), BenchError> {
        let collection = self.collection(name);
        let updated = collection.update_one(doc! {"_id": id, "_rev": rev}, update).session(&mut *session).await?;
        match updated.matched_count {
            1 => Ok(()),
            _ => Err("another client has changed the document".into()),
        }
    }

    /// Begins a transaction with the rows that every command writes: of the ledger and of the audit log.
    async fn begin(&self, session: &mut ClientSession, command: &str, id: &str) -> Result<(), BenchError> {
        let majority = TransactionOptions::builder().write_concern(WriteConcern::majority()).build();
        session.start_transaction().with_options(majority).await?;
        let now = DateTime::now();
        let ledger = doc! {
            "_id": command, "_rev": FIRST, "_v": 1, "at": now, "fingerprint": "0123456789abcdef",
            "result": r#"{"id":"raw-1","token":1705744800000}"#, "_kept": now,
        };
        self.collection("runstate.commands").insert_one(ledger).session(&mut *session).await?;
        let audit = doc! {
            "_id": command, "_rev": FIRST, "_v": 1, "id": command, "at": now, "actor": "bench", "command": "apps.step",
            "target": format!("apps.executions/{id}"), "step": id, "outcome": "ok", "cmd": command,
        };
        self.collection("apps.audit_log").insert_one(audit).session(&mut *session).await?;
        Ok(())
    }

    /// Claims and completes a step.
    async fn step(&self, session: &mut ClientSession) -> Result<(), BenchError> {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        let (id, now) = (format!("raw-{n}"), DateTime::now());
        self.begin(session, &format!("{id}-claim"), &id).await?;
        let claimed = doc! {
            "$set": {"_rev": SECOND, "owner": "raw", "due_at": now, "token": 1_705_744_800_000_i64, "attempts": 1},
            "$unset": {"available_at": ""},
        };
        self.update(session, "apps.step_queue", &id, FIRST, claimed).await?;
        let running = doc! {"_rev": SECOND, "status": "running", "started_at": now, "input": {"text": "the input"}};
        self.update(session, "apps.execution_steps", &id, FIRST, doc! {"$set": running}).await?;
        session.commit_transaction().await?;

        self.begin(session, &format!("{id}-complete"), &id).await?;
        let progress =
            doc! {"_rev": SECOND, "progress.1": "completed", "progress.2": "open", "completed": [1], "updated_at": now};
        self.update(session, "apps.executions", &id, FIRST, doc! {"$set": progress}).await?;
        let completed = doc! {
            "_rev": THIRD, "status": "completed", "completed_at": now, "duration_ms": 3, "output": {"text": "the output of a step"},
        };
        self.update(session, "apps.execution_steps", &id, SECOND, doc! {"$set": completed}).await?;
        let words = doc! {"_rev": SECOND, "words": "work the output of a step", "at": now, "expires_at": now};
        self.update(session, "apps.search_entries", &id, FIRST, doc! {"$set": words}).await?;
        let queue = self.collection("apps.step_queue");
        queue.delete_one(doc! {"_id": &id, "_rev": SECOND}).session(&mut *session).await?;
        let next = doc! {
            "_id": format!("{id}-next"), "_rev": FIRST, "_v": 1, "id": format!("{id}-next"), "execution_id": &id,
            "app_id": 1, "step_id": 2, "step_name": "work", "available_at": now, "token": 0_i64, "attempts": 0,
        };
        queue.insert_one(next).session(&mut *session).await?;
        session.commit_transaction().await?;
        Ok(())
    }
}

//! Several processes on one execution, interleaved at every call to the store, with lost replies to commits. The head
//! always agrees with the rows of its open calls, and every acknowledged answer is in exactly one row.

use std::sync::Arc;

use runstate::client::Answer;
use runstate::client::Cvm;
use runstate::domain::cvm::Settings;
use runstate::domain::cvm::{CC_HISTORY, Fail};
use runstate::engine::{Error, RunLimit};
use runstate::error_code::ErrorCode;
use runstate::id::CommandId;
use runstate::marker::BoxFuture;
use runstate::schema::Query;
use runstate::store::layer::{Fault, FaultStore, Method};
use runstate::store::{self, Freshness, Memory, Store};
use runstate::testing::{SimIds, block_on, join_all};
use runstate::time::Millis;
use runstate::value::Json;
use runstate::work::Backoff;
use serde_json::json;

use crate::cvm::scene::Scene;

const LEASE: Millis = Millis::seconds(30);

#[test]
fn heads_agree_with_call_rows_in_random_interleavings() {
    // 29: a cached row is combined with a newer head.
    for seed in 28..32 {
        let ids = SimIds::new(seed);
        let disk = Arc::new(FaultStore::new(Memory::new()));
        let mut scene = Scene::with_store(disk.clone(), Settings::default());
        scene.load(
            r#"for (let i = 0; i < 1000; i++) {
                 try {
                   const got = CC.all([
                     { prompt: "a" + i, timeoutMs: 3000, default: "A" }, { prompt: "b" + i, key: "k" }, "c" + i,
                     { prompt: "d" + i, timeoutMs: 3000, default: "D" }, { prompt: "e" + i, timeoutMs: 9000 }, { tool: "t", timeoutMs: 5000, key: "k" }]);
                   console.log(i, got);
                 } catch (e) { console.log(i, e.name); }
                 try { console.log(i, CC("single" + i, { timeoutMs: 4000, key: "s" })); } catch (e) { console.log(i, e.name); }
               }"#,
        );
        scene.start(Json::Null).unwrap();
        let engines: Vec<_> = (0..3).map(|_| Cvm::new(&scene.cold_engine())).collect();
        let mut acked: Vec<Json> = Vec::new();
        for round in 0..60 {
            for method in [Method::Get, Method::Query, Method::Commit, Method::Outcome] {
                for nth in 1..200 {
                    let delay = ids.below(4) as u32;
                    if method == Method::Commit && ids.below(25) == 0 {
                        let why = "lost".to_owned();
                        let command = CommandId::new("x").unwrap();
                        disk.plan(method, nth, Fault::FailAfter(store::StoreError::UnknownOutcome { command, why }));
                    } else if delay > 0 {
                        disk.plan(method, nth, Fault::Delay(delay));
                    }
                }
            }
            let calls: Vec<_> = {
                let mut rows: Vec<_> = call_rows(&disk);
                rows.retain(|row| row["outcome"].is_null() || ids.below(10) == 0);
                rows.into_iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
            };
            let mut futures: Vec<BoxFuture<'_, Result<Option<Json>, Error>>> = Vec::new();
            let mut serial = 0;
            for _ in 0..2 + ids.below(7) {
                let cvm = engines[ids.below(3)].clone();
                let call = if calls.is_empty() { "none".to_owned() } else { calls[ids.below(calls.len())].clone() };
                serial += 1;
                let answer = json!(format!("r{round}-{serial}"));
                let occurrence = 1 + ids.below(12) as u64;
                let retry = (ids.below(2) == 0).then(Backoff::default);
                futures.push(match ids.below(12) {
                    0..=3 => Box::pin(async move {
                        cvm.answer("run", Answer::to_call(&call).value(answer.clone())).await.map(|_| Some(answer))
                    }),
                    4 => Box::pin(async move { cvm.answer("run", answer.clone()).await.map(|_| Some(answer)) }),
                    5 => Box::pin(async move {
                        cvm.answer("run", Answer::to_key("k").occurrence(occurrence).value(answer.clone()))
                            .await
                            .map(|_| Some(answer))
                    }),
                    6 => Box::pin(async move {
                        cvm.answer("run", Answer::to_key("s").occurrence(occurrence).value(answer.clone()))
                            .await
                            .map(|_| Some(answer))
                    }),
                    7 => Box::pin(async move { cvm.pause("run").await.map(|_| None) }),
                    8 => Box::pin(async move { cvm.unpause("run").await.map(|_| None) }),
                    9 => Box::pin(async move {
                        if let Some(work) = cvm.claim(&["cc".into(), "t".into()], "w", LEASE).await? {
                            cvm.heartbeat(&work.claimed, LEASE).await?;
                            let fail = Fail {
                                execution: work.claimed.execution.clone(),
                                call: work.claimed.call.clone(),
                                token: work.claimed.token,
                                message: "no".into(),
                                name: None,
                                retry,
                                by: None,
                            };
                            cvm.fail(&fail).await?;
                        }
                        Ok(None)
                    }),
                    10 => Box::pin(async move {
                        if let Some(work) = cvm.claim(&["cc".into(), "t".into()], "w", Millis(500)).await? {
                            cvm.complete(&work.claimed, answer.clone()).await?;
                            return Ok(Some(answer));
                        }
                        Ok(None)
                    }),
                    _ => Box::pin(async move {
                        let due = cvm.engine().run_due(10, RunLimit::Stop).await?;
                        due.failed.into_iter().next().map_or(Ok(None), |still| Err(still.error))
                    }),
                });
            }
            for result in block_on(join_all(futures)) {
                match result {
                    Ok(answer) => acked.extend(answer),
                    Err(error) => assert!(
                        !matches!(error.code, ErrorCode::CORRUPT | ErrorCode::INTERNAL),
                        "seed {seed} round {round}: {error:?}"
                    ),
                }
            }
            scene.host.clock.advance(Millis(ids.below(1_500) as i64));
            let all =
                block_on(Store::query(disk.inner(), &Query::of(&CC_HISTORY), Freshness::Linearizable)).unwrap().items;
            for answer in &acked {
                let times = all
                    .iter()
                    .filter(|row| {
                        row.stored.document.get("response").is_some_and(|response| response["result"] == *answer)
                    })
                    .count();
                assert_eq!(times, 1, "seed {seed} round {round} {answer}");
            }
            // The head agrees with the rows.
            let open: Vec<Json> = {
                let mut rows = call_rows(&disk);
                rows.retain(|row| row["outcome"].is_null());
                rows.sort_by_key(|row| row["step"].as_u64());
                rows
            };
            let status = scene.head("state.status");
            let waiting = if status == "paused" { scene.head("pausedFrom.ccWaiting") } else { scene.head("ccWaiting") };
            assert_eq!(
                waiting["openCalls"].as_u64().unwrap_or(0),
                open.len() as u64,
                "seed {seed} round {round} {status} {waiting} {open:#?}"
            );
            if let Some(first) = open.first() {
                assert_eq!(waiting["callId"], first["id"], "seed {seed} round {round}");
            }
            if status == "waiting_cc" {
                let due = open.iter().filter_map(|row| row["request"]["deadline"].as_i64()).min();
                assert_eq!(scene.head("wakeAt").as_i64(), due, "seed {seed} round {round}");
            }
        }
    }
}

fn call_rows(disk: &Arc<FaultStore<Memory>>) -> Vec<Json> {
    let rows = block_on(disk.inner().query(&Query::of(&CC_HISTORY), Freshness::Linearizable)).unwrap().items;
    rows.into_iter()
        .map(|row| Json::Object(row.stored.document.as_ref().clone()))
        .filter(|row| row.get("request").is_some())
        .collect()
}

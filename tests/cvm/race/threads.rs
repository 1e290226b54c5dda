//! One of the races on threads, in the orders that the machine's scheduler chooses.

use std::sync::Arc;

use runstate::domain::cvm::{Start, Status};
use runstate::engine::{Cvm, Engine, SystemHost};
use runstate::limits::Settings;
use runstate::store::Memory;

use super::KEYED;
use crate::cluster::{is_full_run, program};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn early_answer_racing_with_its_call_on_threads_is_taken() {
    let store = Arc::new(Memory::new());
    let mut processes: Vec<Cvm> = Vec::new();
    for _ in 0..2 {
        let catalog = runstate::domain::catalog().unwrap();
        let engine = Engine::new(store.clone(), Arc::new(SystemHost), catalog, Settings::default()).await.unwrap();
        processes.push(engine.cvm());
    }
    let [asker, answerer] = [&processes[0], &processes[1]];
    asker.load(&program("program", KEYED), None).await.unwrap();
    for n in 0..if is_full_run() { 10_000 } else { 300 } {
        let id = format!("run-{n}");
        asker.start(&Start::new("program").id(&id), None).await.unwrap();
        let (asks, answers, of) = (asker.clone(), answerer.clone(), id.clone());
        let asking = tokio::spawn({
            let id = id.clone();
            async move { asks.answer(&id, None, "go".into(), None, None).await }
        });
        let answering = tokio::spawn(async move { answers.answer_key(&of, "k", 1, "early".into(), None, None).await });
        let (asked, answered) = (asking.await.unwrap(), answering.await.unwrap());
        assert!(asked.is_ok() && answered.is_ok(), "round {n}: {asked:?} {answered:?}");
        assert_eq!(asker.status(&id).await.unwrap().reached.status, Status::Complete, "round {n}");
        assert_eq!(answerer.output(&id).await.unwrap(), ["go early"], "round {n}");
    }
}

//! Changes in terms of the domain: filters, the execution of a change, and waiting.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use runstate::domain::cvm::HEAP_PAGES;
use runstate::engine::{ChangeFilter, ChangeSubject, Cvm, CvmChange, CvmChanges};
use runstate::error_code::ErrorCode;
use runstate::id::CommandId;
use runstate::limits::Settings;
use runstate::marker::BoxFuture;
use runstate::schema::{Aggregate, Catalog, Key, Query};
use runstate::store::{
    Batch, Capabilities, ChangeEvent, Changes, Memory, Outcome, Page, Position, Receipt, Store, StoreError,
    StoredDocument,
};
use runstate::testing::{SimClock, block_on};
use runstate::time::{Millis, Timestamp};
use runstate::value::Document;

use crate::queries::{answer, load, on_memory_and_files, start};
use crate::scene::{Scene, error_code};

const ASKS: &str = r#"console.log("begun"); CC("one?"); CC("two?")"#;

fn current_position(cvm: &Cvm) -> Position {
    block_on(cvm.changes(None, &ChangeFilter::default(), Millis(0))).unwrap().next
}

fn changes_after(cvm: &Cvm, from: &Position, of: &ChangeFilter) -> CvmChanges {
    block_on(cvm.changes(Some(from.clone()), of, Millis(0))).unwrap()
}

fn filter_execution(execution: &str) -> ChangeFilter {
    ChangeFilter { executions: Some(vec![execution.to_owned()]), ..ChangeFilter::default() }
}

fn joined_kinds(events: &[CvmChange]) -> String {
    let kinds: Vec<String> = events.iter().map(|event| format!("{:?}", event.thing).to_lowercase()).collect();
    let once: BTreeSet<String> = kinds.into_iter().collect();
    once.into_iter().collect::<Vec<_>>().join(" ")
}

#[test]
fn changes_name_their_kind_and_execution() {
    on_memory_and_files(|store| {
        let scene = Scene::with_store(store, Settings::default());
        let begin = current_position(&scene.cvm());
        load(&scene, "asks", ASKS);
        let loaded = changes_after(&scene.cvm(), &begin, &ChangeFilter::default());
        assert_eq!(joined_kinds(&loaded.events), "program version");
        start(&scene, "asks", "mine");
        let started = changes_after(&scene.cvm(), &loaded.next, &ChangeFilter::default());
        assert_eq!(joined_kinds(&started.events), "call execution log output");
        assert!(started.events.iter().all(|e| e.execution_id.as_deref() == Some("mine") && !e.deleted), "{started:?}");
        let head = started.events.iter().find(|event| event.thing == ChangeSubject::Execution).unwrap();
        assert_eq!(head.id, "mine");
        assert_eq!(changes_after(&scene.cvm(), &started.next, &ChangeFilter::default()).events, []);
    });
}

#[test]
fn change_filter_returns_matches_and_advances_past_the_rest() {
    on_memory_and_files(|store| {
        let scene = Scene::with_store(store, Settings::default());
        load(&scene, "asks", ASKS);
        let begin = current_position(&scene.cvm());
        start(&scene, "asks", "other");
        start(&scene, "asks", "mine");
        start(&scene, "asks", "third");
        load(&scene, "asks", "1");
        let end = current_position(&scene.cvm());
        // For any limit of a page.
        for limit in [None, Some(1), Some(3)] {
            let (mut from, mut seen) = (begin.clone(), Vec::new());
            loop {
                let page = changes_after(&scene.cvm(), &from, &ChangeFilter { limit, ..filter_execution("mine") });
                from = page.next;
                if page.events.is_empty() {
                    break;
                }
                seen.extend(page.events);
            }
            assert_eq!(joined_kinds(&seen), "call execution log output", "{limit:?}");
            assert!(seen.iter().all(|event| event.execution_id.as_deref() == Some("mine")));
            assert_eq!(
                changes_after(&scene.cvm(), &from, &ChangeFilter::default()).events,
                [],
                "{from:?} is before {end:?}"
            );
        }
        let calls =
            ChangeFilter { things: Some(vec![ChangeSubject::Call, ChangeSubject::Program]), ..ChangeFilter::default() };
        let events = changes_after(&scene.cvm(), &begin, &calls).events;
        assert_eq!((events.len(), joined_kinds(&events).as_str()), (4, "call program"));
    });
}

#[test]
fn changes_of_other_executions_do_not_end_a_filtered_wait() {
    on_memory_and_files(|store| {
        let scene = Scene::with_store(store, Settings::default());
        load(&scene, "asks", ASKS);
        start(&scene, "asks", "mine");
        start(&scene, "asks", "other");
        let from = current_position(&scene.cvm());
        let cvm = scene.cvm();
        let runtime = tokio::runtime::Handle::try_current().ok();
        let page = std::thread::scope(|threads| {
            let waiting = threads.spawn(|| {
                // Files are read on the threads of a runtime.
                let _entered = runtime.as_ref().map(|runtime| runtime.enter());
                block_on(cvm.changes(Some(from), &filter_execution("mine"), Millis::minutes(60))).unwrap()
            });
            answer(&scene, "other", 1_000);
            answer(&scene, "other", 1_000);
            answer(&scene, "mine", 1_000);
            waiting.join().unwrap()
        });
        assert!(!page.events.is_empty());
        assert!(page.events.iter().all(|event| event.execution_id.as_deref() == Some("mine")), "{page:?}");
    });
}

#[test]
fn wait_without_matching_changes_ends_with_the_next_position() {
    let scene = Scene::with_store(Arc::new(Memory::new()), Settings::default());
    load(&scene, "asks", ASKS);
    let from = current_position(&scene.cvm());
    start(&scene, "asks", "other");
    let page = block_on(scene.cvm().changes(Some(from), &filter_execution("mine"), Millis(20))).unwrap();
    assert_eq!((page.events, page.next), (vec![], current_position(&scene.cvm())));
    let negative = block_on(scene.cvm().changes(None, &filter_execution("mine"), Millis(-5))).unwrap();
    assert_eq!(negative.next, current_position(&scene.cvm()));
}

#[test]
fn deletion_is_reported_for_the_execution_but_not_for_its_rows() {
    on_memory_and_files(|store| {
        let scene = Scene::with_store(store, Settings::default());
        load(&scene, "asks", ASKS);
        start(&scene, "asks", "mine");
        answer(&scene, "mine", 1);
        answer(&scene, "mine", 1);
        let from = current_position(&scene.cvm());
        block_on(scene.cvm().delete("mine", None)).unwrap();
        let mine = changes_after(&scene.cvm(), &from, &filter_execution("mine")).events;
        assert_eq!(joined_kinds(&mine), "execution");
        assert!(mine.last().unwrap().deleted);
        let all = changes_after(&scene.cvm(), &from, &ChangeFilter::default()).events;
        assert_eq!(joined_kinds(&all), "call execution log output");
        let rows = all.iter().filter(|event| event.thing != ChangeSubject::Execution);
        assert!(rows.into_iter().all(|event| event.deleted && event.execution_id.is_none()), "{all:?}");
    });
}

#[test]
fn a_text_that_is_not_a_position_is_invalid() {
    on_memory_and_files(|store| {
        let scene = Scene::with_store(store, Settings::default());
        let foreign = Some(Position("elsewhere".to_owned()));
        assert_eq!(
            error_code(block_on(scene.cvm().changes(foreign, &filter_execution("mine"), Millis(0)))),
            ErrorCode::Invalid
        );
    });
}

/// A store with endless changes by others, one per second, each reported alone.
struct NoisyStore {
    inner: Memory,
    clock: SimClock,
    waits: Mutex<Vec<i64>>,
}

impl Store for NoisyStore {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn migrate<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), StoreError>> {
        self.inner.migrate(catalog)
    }

    fn get<'a>(&'a self, keys: &'a [Key]) -> BoxFuture<'a, Result<Vec<Option<StoredDocument>>, StoreError>> {
        self.inner.get(keys)
    }

    fn query<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Page, StoreError>> {
        self.inner.query(query)
    }

    fn aggregate<'a>(&'a self, aggregate: &'a Aggregate) -> BoxFuture<'a, Result<Vec<Document>, StoreError>> {
        self.inner.aggregate(aggregate)
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Receipt, StoreError>> {
        self.inner.commit(batch)
    }

    fn outcome<'a>(&'a self, command: &'a CommandId) -> BoxFuture<'a, Result<Outcome, StoreError>> {
        self.inner.outcome(command)
    }

    fn changes(&self, _: Option<Position>, _: usize, wait: Millis) -> BoxFuture<'_, Result<Changes, StoreError>> {
        self.clock.advance(Millis::seconds(1));
        let mut waits = self.waits.lock().unwrap();
        waits.push(wait.0);
        let next = Position(waits.len().to_string());
        let (command, key) = (CommandId::new("theirs").unwrap(), Key::new(&HEAP_PAGES, "page"));
        let events = vec![ChangeEvent { position: next.clone(), command, key, revision: None }];
        Box::pin(async { Ok(Changes { events, next }) })
    }

    fn sweep<'a>(&'a self, name: &'a str, now: Timestamp, limit: usize) -> BoxFuture<'a, Result<usize, StoreError>> {
        self.inner.sweep(name, now, limit)
    }

    fn close(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.inner.close()
    }
}

#[test]
fn endless_foreign_changes_do_not_block_a_wait_forever() {
    let clock = SimClock::default();
    let store = Arc::new(NoisyStore { inner: Memory::new(), clock: clock.clone(), waits: Mutex::default() });
    let mut scene = Scene::with_store(store.clone(), Settings::default());
    scene.host.clock = clock;
    let page = block_on(scene.cold().cvm().changes(None, &ChangeFilter::default(), Millis(2_500))).unwrap();
    assert_eq!((page.events, page.next), (vec![], Position("10000".to_owned())));
    let waits = store.waits.lock().unwrap();
    assert_eq!((&waits[..5], waits.len()), ([2_500, 1_500, 500, 0, 0].as_slice(), 10_000));
}

//! The change feed over the documents of the domain: filters, the execution that a document is a part of, and waiting.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use runstate::domain::cvm::{CC_HISTORY, EXECUTIONS, HEAP_PAGES, PROGRAMS, Settings};
use runstate::engine::{ChangeFilter, Engine, EngineChange, EngineChanges};
use runstate::error_code::ErrorCode;
use runstate::id::CommandId;
use runstate::marker::BoxFuture;
use runstate::schema::{Collection, Key};
use runstate::store::layer;
use runstate::store::{ChangeEvent, Changes, Memory, Position, StoreError};
use runstate::testing::{SimClock, block_on};
use runstate::time::Millis;

use crate::cvm::queries::{answer, load, on_memory_and_files, start};
use crate::cvm::scene::{Scene, error_code};

const ASKS: &str = r#"console.log("begun"); CC("one?"); CC("two?")"#;

fn current_position(engine: &Engine) -> Position {
    block_on(engine.changes(None, &ChangeFilter::default(), Millis(0))).unwrap().next
}

fn changes_after(engine: &Engine, from: &Position, of: &ChangeFilter) -> EngineChanges {
    block_on(engine.changes(Some(from.clone()), of, Millis(0))).unwrap()
}

fn filter_execution(execution: &str) -> ChangeFilter {
    ChangeFilter { subjects: Some(vec![execution.to_owned()]), ..ChangeFilter::default() }
}

fn filter_collections(collections: &[&Collection]) -> ChangeFilter {
    let names = collections.iter().map(|collection| collection.name.to_owned());
    ChangeFilter { collections: Some(names.collect()), ..ChangeFilter::default() }
}

/// The collections of the changes, each once.
fn joined_collections(events: &[EngineChange]) -> String {
    let once: BTreeSet<&str> = events.iter().map(|change| change.event.key.collection.as_ref()).collect();
    once.into_iter().map(|name| name.trim_start_matches("cvm.")).collect::<Vec<_>>().join(" ")
}

fn is_head(change: &EngineChange) -> bool {
    change.event.key.collection == EXECUTIONS.name
}

/// Whether the document is the execution, or was found to be a part of it.
fn belongs_to(change: &EngineChange, execution: &str) -> bool {
    if is_head(change) { *change.event.key.id == *execution } else { change.document.as_deref() == Some(execution) }
}

/// All documents of an execution that waits.
const PARTS: &str = "cc_history execution_logs executions outputs";

#[test]
fn changes_name_their_collection_and_execution() {
    on_memory_and_files(|store| {
        let scene = Scene::with_store(store, Settings::default());
        let begin = current_position(&scene.engine());
        load(&scene, "asks", ASKS);
        let loaded = changes_after(&scene.engine(), &begin, &ChangeFilter::default());
        assert_eq!(joined_collections(&loaded.events), "program_versions programs");
        start(&scene, "asks", "mine");
        let started = changes_after(&scene.engine(), &loaded.next, &ChangeFilter::default());
        assert_eq!(joined_collections(&started.events), PARTS);
        assert!(
            started.events.iter().all(|change| belongs_to(change, "mine") && change.event.revision.is_some()),
            "{started:?}"
        );
        assert!(started.events.iter().any(is_head), "{started:?}");
        assert_eq!(changes_after(&scene.engine(), &started.next, &ChangeFilter::default()).events, []);
    });
}

#[test]
fn change_filter_returns_matches_and_advances_past_the_rest() {
    on_memory_and_files(|store| {
        let scene = Scene::with_store(store, Settings::default());
        load(&scene, "asks", ASKS);
        let begin = current_position(&scene.engine());
        start(&scene, "asks", "other");
        start(&scene, "asks", "mine");
        start(&scene, "asks", "third");
        load(&scene, "asks", "1");
        let end = current_position(&scene.engine());
        // For any limit of a page.
        for limit in [None, Some(1), Some(3)] {
            let (mut from, mut seen) = (begin.clone(), Vec::new());
            loop {
                let page = changes_after(&scene.engine(), &from, &ChangeFilter { limit, ..filter_execution("mine") });
                from = page.next;
                if page.events.is_empty() {
                    break;
                }
                seen.extend(page.events);
            }
            assert_eq!(joined_collections(&seen), PARTS, "{limit:?}");
            assert!(seen.iter().all(|change| belongs_to(change, "mine")));
            assert_eq!(
                changes_after(&scene.engine(), &from, &ChangeFilter::default()).events,
                [],
                "{from:?} is before {end:?}"
            );
        }
        let calls = filter_collections(&[&CC_HISTORY, &PROGRAMS]);
        let events = changes_after(&scene.engine(), &begin, &calls).events;
        assert_eq!((events.len(), joined_collections(&events).as_str()), (4, "cc_history programs"));
    });
}

#[test]
fn changes_of_other_executions_do_not_end_a_filtered_wait() {
    on_memory_and_files(|store| {
        let scene = Scene::with_store(store, Settings::default());
        load(&scene, "asks", ASKS);
        start(&scene, "asks", "mine");
        start(&scene, "asks", "other");
        let from = current_position(&scene.engine());
        let engine = scene.engine();
        let runtime = tokio::runtime::Handle::try_current().ok();
        let page = std::thread::scope(|threads| {
            let waiting = threads.spawn(|| {
                // Files are read on the threads of a runtime.
                let _entered = runtime.as_ref().map(|runtime| runtime.enter());
                block_on(engine.changes(Some(from), &filter_execution("mine"), Millis::minutes(60))).unwrap()
            });
            answer(&scene, "other", 1_000);
            answer(&scene, "other", 1_000);
            answer(&scene, "mine", 1_000);
            waiting.join().unwrap()
        });
        assert!(!page.events.is_empty());
        assert!(page.events.iter().all(|change| belongs_to(change, "mine")), "{page:?}");
    });
}

#[test]
fn wait_without_matching_changes_ends_with_the_next_position() {
    let scene = Scene::with_store(Arc::new(Memory::new()), Settings::default());
    load(&scene, "asks", ASKS);
    let from = current_position(&scene.engine());
    start(&scene, "asks", "other");
    let page = block_on(scene.engine().changes(Some(from), &filter_execution("mine"), Millis(20))).unwrap();
    assert_eq!((page.events, page.next), (vec![], current_position(&scene.engine())));
    let negative = block_on(scene.engine().changes(None, &filter_execution("mine"), Millis(-5))).unwrap();
    assert_eq!(negative.next, current_position(&scene.engine()));
}

#[test]
fn deletion_is_reported_for_the_execution_but_not_for_its_rows() {
    on_memory_and_files(|store| {
        let scene = Scene::with_store(store, Settings::default());
        load(&scene, "asks", ASKS);
        start(&scene, "asks", "mine");
        answer(&scene, "mine", 1);
        answer(&scene, "mine", 1);
        let from = current_position(&scene.engine());
        block_on(scene.cvm().delete("mine")).unwrap();
        let mine = changes_after(&scene.engine(), &from, &filter_execution("mine")).events;
        assert_eq!(joined_collections(&mine), "executions");
        assert_eq!(mine.last().unwrap().event.revision, None);
        let all = changes_after(&scene.engine(), &from, &ChangeFilter::default()).events;
        assert_eq!(joined_collections(&all), PARTS);
        let mut rows = all.iter().filter(|change| !is_head(change));
        assert!(rows.all(|change| change.event.revision.is_none() && change.document.is_none()), "{all:?}");
    });
}

#[test]
fn a_text_that_is_not_a_position_is_invalid() {
    on_memory_and_files(|store| {
        let scene = Scene::with_store(store, Settings::default());
        let foreign = Some(Position("elsewhere".to_owned()));
        assert_eq!(
            error_code(block_on(scene.engine().changes(foreign, &filter_execution("mine"), Millis(0)))),
            ErrorCode::INVALID
        );
    });
}

/// A store with endless changes by others, one per second, each reported alone.
struct NoisyStore {
    inner: Memory,
    clock: SimClock,
    waits: Mutex<Vec<i64>>,
}

impl layer::StoreLayer for NoisyStore {
    type Inner = Memory;

    fn inner(&self) -> &Self::Inner {
        &self.inner
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
}

#[test]
fn endless_foreign_changes_do_not_block_a_wait_forever() {
    let clock = SimClock::default();
    let store = Arc::new(NoisyStore { inner: Memory::new(), clock: clock.clone(), waits: Mutex::default() });
    let mut scene = Scene::with_store(store.clone(), Settings::default());
    scene.host.clock = clock;
    let page = block_on(scene.cold().cvm().engine().changes(None, &filter_collections(&[&EXECUTIONS]), Millis(2_500)))
        .unwrap();
    assert_eq!((page.events, page.next), (vec![], Position("10000".to_owned())));
    let waits = store.waits.lock().unwrap();
    assert_eq!((&waits[..5], waits.len()), ([2_500, 1_500, 500, 0, 0].as_slice(), 10_000));
}

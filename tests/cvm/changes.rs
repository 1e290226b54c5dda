//! What changed, told in the words of the domain: filtered, with whose it was, and waited for.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use runstate::code::Code;
use runstate::domain::cvm::HEAP_PAGES;
use runstate::engine::{ChangesOf, Cvm, CvmChange, CvmChanges, Thing};
use runstate::id::CommandId;
use runstate::limits::Settings;
use runstate::marker::BoxFuture;
use runstate::schema::{Aggregate, Catalog, Key, Query};
use runstate::store::{
    Batch, Capabilities, ChangeEvent, Changes, Error, Memory, Outcome, Page, Position, Receipt, Store, Stored,
};
use runstate::testing::{SimClock, block_on};
use runstate::time::{Millis, Timestamp};
use runstate::value::Document;

use crate::queries::{answer, load, on_both, start};
use crate::scene::{Scene, code};

const ASKS: &str = r#"console.log("begun"); CC("one?"); CC("two?")"#;

fn now(cvm: &Cvm) -> Position {
    block_on(cvm.changes(None, &ChangesOf::default(), Millis(0))).unwrap().next
}

fn after(cvm: &Cvm, from: &Position, of: &ChangesOf) -> CvmChanges {
    block_on(cvm.changes(Some(from.clone()), of, Millis(0))).unwrap()
}

fn of(execution: &str) -> ChangesOf {
    ChangesOf { executions: Some(vec![execution.to_owned()]), ..ChangesOf::default() }
}

fn things(events: &[CvmChange]) -> String {
    let things: Vec<String> = events.iter().map(|event| format!("{:?}", event.thing).to_lowercase()).collect();
    let once: BTreeSet<String> = things.into_iter().collect();
    once.into_iter().collect::<Vec<_>>().join(" ")
}

#[test]
fn what_changed_is_told_as_what_it_is_and_whose() {
    on_both(|store| {
        let scene = Scene::on(store, Settings::default());
        let begin = now(&scene.cvm());
        load(&scene, "asks", ASKS);
        let loaded = after(&scene.cvm(), &begin, &ChangesOf::default());
        assert_eq!(things(&loaded.events), "program version");
        start(&scene, "asks", "mine");
        let started = after(&scene.cvm(), &loaded.next, &ChangesOf::default());
        assert_eq!(things(&started.events), "call execution log output");
        assert!(started.events.iter().all(|e| e.execution_id.as_deref() == Some("mine") && !e.deleted), "{started:?}");
        let head = started.events.iter().find(|event| event.thing == Thing::Execution).unwrap();
        assert_eq!(head.id, "mine");
        assert_eq!(after(&scene.cvm(), &started.next, &ChangesOf::default()).events, []);
    });
}

#[test]
fn only_what_is_asked_for_is_told_and_the_rest_is_passed_over() {
    on_both(|store| {
        let scene = Scene::on(store, Settings::default());
        load(&scene, "asks", ASKS);
        let begin = now(&scene.cvm());
        start(&scene, "asks", "other");
        start(&scene, "asks", "mine");
        start(&scene, "asks", "third");
        load(&scene, "asks", "1");
        let end = now(&scene.cvm());
        // However few are looked at at once.
        for limit in [None, Some(1), Some(3)] {
            let (mut from, mut seen) = (begin.clone(), Vec::new());
            loop {
                let told = after(&scene.cvm(), &from, &ChangesOf { limit, ..of("mine") });
                from = told.next;
                if told.events.is_empty() {
                    break;
                }
                seen.extend(told.events);
            }
            assert_eq!(things(&seen), "call execution log output", "{limit:?}");
            assert!(seen.iter().all(|event| event.execution_id.as_deref() == Some("mine")));
            assert_eq!(after(&scene.cvm(), &from, &ChangesOf::default()).events, [], "{from:?} is before {end:?}");
        }
        let calls = ChangesOf { things: Some(vec![Thing::Call, Thing::Program]), ..ChangesOf::default() };
        let told = after(&scene.cvm(), &begin, &calls).events;
        assert_eq!((told.len(), things(&told).as_str()), (4, "call program"));
    });
}

#[test]
fn what_others_write_does_not_end_the_wait() {
    on_both(|store| {
        let scene = Scene::on(store, Settings::default());
        load(&scene, "asks", ASKS);
        start(&scene, "asks", "mine");
        start(&scene, "asks", "other");
        let from = now(&scene.cvm());
        let cvm = scene.cvm();
        let runtime = tokio::runtime::Handle::try_current().ok();
        let told = std::thread::scope(|threads| {
            let waiting = threads.spawn(|| {
                // Files are read on the threads of a runtime.
                let _entered = runtime.as_ref().map(|runtime| runtime.enter());
                block_on(cvm.changes(Some(from), &of("mine"), Millis::minutes(60))).unwrap()
            });
            answer(&scene, "other", 1_000);
            answer(&scene, "other", 1_000);
            answer(&scene, "mine", 1_000);
            waiting.join().unwrap()
        });
        assert!(!told.events.is_empty());
        assert!(told.events.iter().all(|event| event.execution_id.as_deref() == Some("mine")), "{told:?}");
    });
}

#[test]
fn a_wait_for_what_does_not_come_ends_and_tells_where_to_go_on() {
    let scene = Scene::on(Arc::new(Memory::new()), Settings::default());
    load(&scene, "asks", ASKS);
    let from = now(&scene.cvm());
    start(&scene, "asks", "other");
    let told = block_on(scene.cvm().changes(Some(from), &of("mine"), Millis(20))).unwrap();
    assert_eq!((told.events, told.next), (vec![], now(&scene.cvm())));
    let negative = block_on(scene.cvm().changes(None, &of("mine"), Millis(-5))).unwrap();
    assert_eq!(negative.next, now(&scene.cvm()));
}

#[test]
fn a_deleted_execution_is_told_though_its_rows_say_no_more_whose_they_were() {
    on_both(|store| {
        let scene = Scene::on(store, Settings::default());
        load(&scene, "asks", ASKS);
        start(&scene, "asks", "mine");
        answer(&scene, "mine", 1);
        answer(&scene, "mine", 1);
        let from = now(&scene.cvm());
        block_on(scene.cvm().delete("mine", None)).unwrap();
        let mine = after(&scene.cvm(), &from, &of("mine")).events;
        assert_eq!(things(&mine), "execution");
        assert!(mine.last().unwrap().deleted);
        let all = after(&scene.cvm(), &from, &ChangesOf::default()).events;
        assert_eq!(things(&all), "call execution log output");
        let rows = all.iter().filter(|event| event.thing != Thing::Execution);
        assert!(rows.into_iter().all(|event| event.deleted && event.execution_id.is_none()), "{all:?}");
    });
}

#[test]
fn a_text_that_is_not_a_position_is_invalid() {
    on_both(|store| {
        let scene = Scene::on(store, Settings::default());
        let foreign = Some(Position("elsewhere".to_owned()));
        assert_eq!(code(block_on(scene.cvm().changes(foreign, &of("mine"), Millis(0)))), Code::Invalid);
    });
}

/// A store on which somebody writes what is none of ours, for ever: a change a second, told one by one.
struct Busy {
    inner: Memory,
    clock: SimClock,
    waits: Mutex<Vec<i64>>,
}

impl Store for Busy {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn migrate<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), Error>> {
        self.inner.migrate(catalog)
    }

    fn get<'a>(&'a self, keys: &'a [Key]) -> BoxFuture<'a, Result<Vec<Option<Stored>>, Error>> {
        self.inner.get(keys)
    }

    fn query<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Page, Error>> {
        self.inner.query(query)
    }

    fn aggregate<'a>(&'a self, aggregate: &'a Aggregate) -> BoxFuture<'a, Result<Vec<Document>, Error>> {
        self.inner.aggregate(aggregate)
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Receipt, Error>> {
        self.inner.commit(batch)
    }

    fn outcome<'a>(&'a self, command: &'a CommandId) -> BoxFuture<'a, Result<Outcome, Error>> {
        self.inner.outcome(command)
    }

    fn changes(&self, _: Option<Position>, _: usize, wait: Millis) -> BoxFuture<'_, Result<Changes, Error>> {
        self.clock.advance(Millis::seconds(1));
        let mut waits = self.waits.lock().unwrap();
        waits.push(wait.0);
        let next = Position(waits.len().to_string());
        let (command, key) = (CommandId::new("theirs").unwrap(), Key::new(&HEAP_PAGES, "page"));
        let events = vec![ChangeEvent { position: next.clone(), command, key, revision: None }];
        Box::pin(async { Ok(Changes { events, next }) })
    }

    fn sweep<'a>(&'a self, name: &'a str, now: Timestamp, limit: usize) -> BoxFuture<'a, Result<usize, Error>> {
        self.inner.sweep(name, now, limit)
    }

    fn close(&self) -> BoxFuture<'_, Result<(), Error>> {
        self.inner.close()
    }
}

#[test]
fn others_who_never_stop_writing_hold_nobody_for_ever() {
    let clock = SimClock::default();
    let store = Arc::new(Busy { inner: Memory::new(), clock: clock.clone(), waits: Mutex::default() });
    let mut scene = Scene::on(store.clone(), Settings::default());
    scene.host.clock = clock;
    let told = block_on(scene.cold().cvm().changes(None, &ChangesOf::default(), Millis(2_500))).unwrap();
    assert_eq!((told.events, told.next), (vec![], Position("10000".to_owned())));
    let waits = store.waits.lock().unwrap();
    assert_eq!((&waits[..5], waits.len()), ([2_500, 1_500, 500, 0, 0].as_slice(), 10_000));
}

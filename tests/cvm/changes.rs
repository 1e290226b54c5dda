//! What changed, told in the words of the domain: filtered, with whose it was, and waited for.

use std::collections::BTreeSet;
use std::sync::Arc;

use runstate::code::Code;
use runstate::engine::{ChangesOf, Cvm, CvmChange, CvmChanges, Thing};
use runstate::limits::Settings;
use runstate::store::{Memory, Position};
use runstate::testing::block_on;
use runstate::time::Millis;

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
                block_on(cvm.changes(Some(from), &of("mine"), Millis::seconds(60))).unwrap()
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
fn a_position_that_is_none_is_expired() {
    on_both(|store| {
        let scene = Scene::on(store, Settings::default());
        let foreign = Some(Position("elsewhere".to_owned()));
        assert_eq!(code(block_on(scene.cvm().changes(foreign, &of("mine"), Millis(0)))), Code::PositionExpired);
    });
}

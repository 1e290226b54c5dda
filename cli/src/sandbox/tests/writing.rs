//! Written files are complete, and the folders on their path are created.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use super::*;

#[test]
fn files_are_made_and_replaced() {
    let scene = SandboxFixture::new();
    scene.write("a.txt", "first, and longer").unwrap();
    assert_eq!(scene.read("a.txt").unwrap(), "first, and longer");
    scene.write("a.txt", "second").unwrap();
    assert_eq!(scene.read("a.txt").unwrap(), "second");
    // The same write again, as after a crash.
    scene.write("a.txt", "second").unwrap();
    assert_eq!(scene.entries(), ["a.txt"]);
}

#[test]
fn missing_folders_are_made() {
    let scene = SandboxFixture::new();
    scene.write("one/two/three/a.txt", "a").unwrap();
    scene.write("one/two/b.txt", "b").unwrap();
    assert_eq!(scene.list("one/two").unwrap(), ["b.txt", "three/"]);
    assert_eq!(scene.read("one/two/three/a.txt").unwrap(), "a");
}

#[test]
fn existing_files_and_folders_in_the_way_are_kept() {
    let scene = SandboxFixture::new();
    scene.file("folder/a.txt", "a");
    assert_refused(scene.write("folder", "b"), ErrorName::Error, "it is a folder");
    assert_refused(scene.write("folder/a.txt/b.txt", "b"), ErrorName::Error, "writing \"folder/a.txt/b.txt\": ");
    assert_refused(scene.write("folder/a.txt/new/b.txt", "b"), ErrorName::Error, "");
    assert_eq!(scene.read("folder/a.txt").unwrap(), "a");
    assert_eq!(scene.list("folder").unwrap(), ["a.txt"]);
}

#[test]
fn readers_never_see_a_partial_file() {
    let scene = SandboxFixture::new();
    let texts = ["a".repeat(200_000), "b".repeat(100_000)];
    scene.write("a.txt", &texts[0]).unwrap();
    let (done, reads) = (AtomicBool::new(false), AtomicU32::new(0));
    thread::scope(|threads| {
        let reader = threads.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let text = scene.read("a.txt").unwrap();
                assert!(texts.contains(&text), "{} bytes", text.len());
                assert_eq!(scene.list(".").unwrap(), ["a.txt"]);
                reads.fetch_add(1, Ordering::Relaxed);
            }
        });
        // Repeats until the reader has read often enough, however late it starts.
        let mut rounds = 0..;
        while !reader.is_finished()
            && let Some(round) = rounds.next()
            && (round < 100 || reads.load(Ordering::Relaxed) < 20)
        {
            scene.write("a.txt", &texts[round % 2]).unwrap();
        }
        done.store(true, Ordering::Relaxed);
        reader.join().unwrap();
    });
    assert_eq!(scene.entries(), ["a.txt"]);
}

#[test]
fn concurrent_writers_share_one_new_folder() {
    let scene = SandboxFixture::new();
    thread::scope(|threads| {
        for name in 0..8 {
            let scene = &scene;
            threads.spawn(move || {
                scene.write(&format!("new/folder/{name}.txt"), "mine").unwrap();
                scene.write("new/folder/shared.txt", &name.to_string()).unwrap();
            });
        }
    });
    assert_eq!(names(&scene.at("new/folder")).len(), 9);
}

#[test]
fn a_draft_of_a_dead_writer_does_not_disturb() {
    let scene = SandboxFixture::new();
    let left = format!(".runstate-{}-{}.draft", std::process::id(), 0);
    scene.file(&left, "half a te");
    for round in 0..50 {
        scene.write("a.txt", &round.to_string()).unwrap();
    }
    assert_eq!(scene.list(".").unwrap(), ["a.txt"]);
    assert_eq!(fs::read_to_string(scene.at(&left)).unwrap(), "half a te");
}

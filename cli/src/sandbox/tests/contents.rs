//! Contents of files. Written files are complete, and the folders on their path are created. Files that are too large,
//! and files that are not text, are refused.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use runstate::value::{check_plain, json_bytes};

use super::*;
use crate::sandbox::TEXT_BYTES;
use crate::sandbox::error::Action;
use crate::sandbox::folder::{ListLimits, list_names_within};

#[test]
fn files_are_created_and_replaced() {
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
fn missing_folders_are_created() {
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
fn a_draft_of_a_dead_writer_is_ignored() {
    let scene = SandboxFixture::new();
    let left = format!(".runstate-{}-{}.draft", std::process::id(), 0);
    scene.file(&left, "half a te");
    for round in 0..50 {
        scene.write("a.txt", &round.to_string()).unwrap();
    }
    assert_eq!(scene.list(".").unwrap(), ["a.txt"]);
    assert_eq!(fs::read_to_string(scene.at(&left)).unwrap(), "half a te");
}

/// The longest text that fits; quotes are part of its JSON.
const LONGEST: usize = TEXT_BYTES - 2;

#[test]
fn a_text_as_large_as_an_answer_may_be_is_read() {
    let scene = SandboxFixture::new();
    scene.file("a.txt", "x".repeat(LONGEST));
    let text = scene.grants.perform_blocking("fs.readFile", &json!({ "path": "a.txt" })).unwrap();
    assert_eq!(text.as_str().unwrap().len(), LONGEST);
    assert_eq!(check_plain(&text), Ok(()));
}

#[test]
fn a_file_that_is_too_large_is_not_read() {
    let scene = SandboxFixture::new();
    scene.file("more.txt", "x".repeat(LONGEST + 1));
    // A sparse file of a gigabyte takes no disk space.
    fs::File::create(scene.at("sparse")).unwrap().set_len(1 << 30).unwrap();
    // In JSON, each of these characters has six bytes.
    scene.file("escaped.txt", "\u{1}".repeat(LONGEST / 2));
    for (path, size) in [
        ("more.txt", format!("{} bytes as JSON", LONGEST + 3)),
        ("sparse", "1073741824 bytes".to_owned()),
        ("escaped.txt", format!("{} bytes as JSON", LONGEST / 2 * 6 + 2)),
    ] {
        let reason = format!("it has {size}; at most {TEXT_BYTES} are allowed");
        assert_refused(scene.read(path), ErrorName::Error, &reason);
    }
}

#[test]
fn a_text_that_is_too_large_is_not_written() {
    let scene = SandboxFixture::new();
    assert_refused(scene.write("a.txt", &"x".repeat(LONGEST + 1)), ErrorName::Error, "as JSON; at most");
    assert!(scene.entries().is_empty());
}

#[test]
fn the_largest_text_of_a_call_round_trips() {
    let scene = SandboxFixture::new();
    // The smallest size of the other arguments.
    let overhead = json_bytes(&json!({ "path": "a", "text": "" }));
    let text = "x".repeat(runstate::limits::PLAIN_VALUE_BYTES - overhead);
    assert_eq!(check_plain(&json!({ "path": "a", "text": text })), Ok(()));
    scene.write("a", &text).unwrap();
    assert_eq!(scene.read("a").unwrap(), text);
}

#[test]
fn a_file_is_read_byte_for_byte() {
    let scene = SandboxFixture::new();
    for text in ["", "\u{feff}with a mark", "a\0b", "line\r\nline\n", "ü 文 \u{1f600}"] {
        scene.file("a.txt", text);
        assert_eq!(scene.read("a.txt").unwrap(), text);
        scene.write("b.txt", text).unwrap();
        assert_eq!(fs::read_to_string(scene.at("b.txt")).unwrap(), text);
    }
}

#[test]
fn non_utf8_is_refused_with_its_byte_position() {
    let scene = SandboxFixture::new();
    for (bytes, at) in [(&b"caf\xe9"[..], 4), (b"\xff\xfea\0", 1), (b"cut off \xe2\x82", 9), (b"\xed\xa0\x80", 1)] {
        scene.file("a.bin", bytes);
        let reason = format!("it is not valid UTF-8: byte {at} is the first invalid byte");
        assert_refused(scene.read("a.bin"), ErrorName::Error, &reason);
    }
}

#[test]
fn a_listing_is_limited_in_entries_and_bytes() {
    let scene = SandboxFixture::new();
    for name in ["a", "b", "c"] {
        scene.file(name, "");
    }
    let dir = scene.grants.read[0].dir();
    let list = |entries, bytes| {
        let listed = list_names_within(&ListLimits { entries, bytes }, dir, Path::new("."));
        listed.map_err(|error| error.into_call_error(Action::List, "."))
    };
    let all = json!(["a", "b", "c"]);
    let bytes = json_bytes(&all);
    assert_eq!(list(3, bytes), Ok(all));
    let refused = |message: &str| Err(FileCallError { name: ErrorName::Error, message: message.to_owned() });
    assert_eq!(list(2, bytes), refused(r#"listing ".": it has more than 2 names; at most 2 are allowed"#));
    assert_eq!(list(3, 12), refused(r#"listing ".": it has 13 bytes of names as JSON; at most 12 are allowed"#));
    // Entries that are left out count too: a folder of only such entries takes as long to read.
    fs::write(scene.at(".runstate-1-1.draft"), "").unwrap();
    assert_eq!(list(3, bytes), refused(r#"listing ".": it has more than 3 names; at most 3 are allowed"#));
}

//! Races: folders, files and links are exchanged while they are read and written.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::symlink;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::special::pipe;
use super::*;

const ROUNDS: usize = 6_000;

/// Returns the result of `operation` in every round, while another thread calls `swap` all the time. In some rounds,
/// `operation` runs right after one more `swap` and without the other thread, so that every state is certain to occur.
fn while_swapping<T: Send>(swap: impl Fn(usize) + Sync, mut operation: impl FnMut(usize) -> T) -> Vec<T> {
    let (done, swapped) = (AtomicBool::new(false), Mutex::new(0));
    let step = |swapped: &mut usize| {
        swap(*swapped);
        *swapped += 1;
    };
    thread::scope(|threads| {
        threads.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                step(&mut swapped.lock().unwrap());
                thread::yield_now();
            }
        });
        let mut round = |round: usize| match round % 50 {
            0 => {
                let mut lock = swapped.lock().unwrap();
                step(&mut lock);
                operation(round)
            }
            _ => operation(round),
        };
        let results = (0..ROUNDS).map(&mut round).collect();
        done.store(true, Ordering::Relaxed);
        results
    })
}

/// Asserts that some rounds succeeded and some were refused, so there was a race.
#[track_caller]
fn assert_raced<T: std::fmt::Debug>(results: &[Result<T, FileCallError>]) {
    let succeeded = results.iter().filter(|result| result.is_ok()).count();
    let refused: std::collections::BTreeSet<&str> =
        results.iter().filter_map(|result| Some(result.as_ref().err()?.message.as_str())).collect();
    assert!(succeeded > 0 && succeeded < results.len(), "{succeeded} of {} succeeded; {refused:?}", results.len());
}

/// Creates a folder `door`, and returns a function that exchanges it atomically with a link that leads out.
fn swapped_folder(scene: &SandboxFixture) -> impl Fn(usize) + Sync {
    scene.file("door/secret.txt", "inside");
    symlink(scene.outside(), scene.at("aside")).unwrap();
    let [door, aside] = ["door", "aside"].map(|name| scene.at(name));
    move |_| renameat_with(CWD, &door, CWD, &aside, RenameFlags::EXCHANGE).unwrap()
}

#[test]
fn a_folder_that_turns_into_a_link_is_never_read_through() {
    let scene = SandboxFixture::new();
    let found = while_swapping(swapped_folder(&scene), |_| scene.read("door/secret.txt"));
    assert!(found.iter().flatten().all(|text| text == "inside"));
    assert_raced(&found);
}

#[test]
fn a_folder_that_turns_into_a_link_is_never_written_through() {
    let scene = SandboxFixture::new();
    let written = while_swapping(swapped_folder(&scene), |round| {
        scene.write(["door/secret.txt", "door/new.txt", "door/new/new.txt"][round % 3], "inside")
    });
    assert_raced(&written);
    scene.assert_outside_is_untouched();
    assert_eq!(names(scene.folder.path()), ["granted", "outside"]);
}

#[test]
fn a_file_that_turns_into_a_link_is_neither_read_nor_written_through() {
    let scene = SandboxFixture::new();
    let file = scene.file("a.txt", "inside");
    let swap = |round: usize| {
        let new = scene.at("new");
        match round % 3 {
            0 => symlink(scene.outside().join("secret.txt"), &new).unwrap(),
            1 => symlink("../outside/secret.txt", &new).unwrap(),
            _ => fs::write(&new, "inside").unwrap(),
        }
        fs::rename(new, &file).unwrap();
    };
    let found = while_swapping(swap, |round| match round % 2 {
        0 => scene.read("a.txt"),
        _ => scene.write("a.txt", "inside").map(|()| "inside".to_owned()),
    });
    assert!(found.iter().flatten().all(|text| text == "inside"));
    assert_raced(&found);
    scene.assert_outside_is_untouched();
}

#[test]
fn a_file_that_turns_into_a_pipe_is_not_read_as_a_pipe() {
    let scene = SandboxFixture::new();
    let (pipe, mut end) = pipe(&scene);
    end.write_all(b"from the pipe").unwrap();
    let file = scene.file("a.txt", "inside");
    let swap = |_: usize| renameat_with(CWD, &file, CWD, &pipe, RenameFlags::EXCHANGE).unwrap();
    let found = while_swapping(swap, |_| scene.read("a.txt"));
    assert!(found.iter().flatten().all(|text| text == "inside"));
    assert_raced(&found);
    // No byte was read from the pipe.
    end.write_all(b" to the end").unwrap();
    let mut buffer = [0; 64];
    let length = end.read(&mut buffer).unwrap();
    assert_eq!(str::from_utf8(&buffer[..length]).unwrap(), "from the pipe to the end");
}

#[test]
fn a_folder_that_turns_into_a_link_is_never_listed_through() {
    let scene = SandboxFixture::new();
    fs::write(scene.outside().join("other.txt"), SECRET).unwrap();
    let found = while_swapping(swapped_folder(&scene), |_| scene.list("door"));
    for names in found.iter().flatten() {
        assert!(!names.contains(&"other.txt".to_owned()));
    }
    assert_raced(&found);
}

#[test]
fn a_folder_moved_while_in_use_does_not_let_paths_escape() {
    let scene = SandboxFixture::new();
    fs::create_dir_all(scene.at("a/b/c")).unwrap();
    scene.file("secret.txt", "inside");
    // After the move, `..` of its subfolders leads elsewhere.
    let swap = |_: usize| {
        fs::rename(scene.at("a/b/c"), scene.at("c")).unwrap();
        fs::rename(scene.at("c"), scene.at("a/b/c")).unwrap();
    };
    let found = while_swapping(swap, |_| scene.read("a/b/c/../../../secret.txt"));
    assert!(found.iter().flatten().all(|text| text == "inside"));
    let found = while_swapping(swap, |_| scene.read("a/b/c/../../../../outside/secret.txt"));
    assert!(found.iter().all(Result::is_err));
}

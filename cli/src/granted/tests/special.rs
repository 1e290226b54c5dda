//! What is no plain file is refused, and never waited for.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};

use super::super::refused::Fault;
use super::*;
use crate::granted::read;

const NOT_PLAIN: &str = "it is not a plain file";

/// What `call` gives; a test that would hang fails instead.
fn at_once<T: Send + 'static>(grants: &Grants, call: impl FnOnce(&Grants) -> T + Send + 'static) -> T {
    let (done, result) = mpsc::channel();
    let grants = grants.clone();
    thread::spawn(move || done.send(call(&grants)));
    result.recv_timeout(Duration::from_secs(120)).expect("it does not wait")
}

#[test]
fn pipes_and_sockets_are_not_waited_for() {
    let scene = Scene::new();
    assert!(Command::new("mkfifo").arg(scene.at("pipe")).status().unwrap().success());
    let _listener = UnixListener::bind(scene.at("socket")).unwrap();
    scene.file("a.txt", "a");
    for path in ["pipe", "socket"] {
        assert_refused(at_once(&scene.grants, move |grants| read(grants, path)), ErrorName::Error, NOT_PLAIN);
        assert_refused(at_once(&scene.grants, move |grants| write(grants, path, "a")), ErrorName::Error, NOT_PLAIN);
        let listed = at_once(&scene.grants, move |grants| list(grants, path));
        assert_refused(listed, ErrorName::Error, "it is not a folder");
    }
    assert_eq!(scene.list(".").unwrap(), ["a.txt"]);
    assert!(fs::metadata(scene.at("pipe")).unwrap().file_type().is_fifo());
}

/// A pipe called `pipe`, open for both reading and writing, so that neither end waits.
pub fn pipe(scene: &Scene) -> (PathBuf, fs::File) {
    let pipe = scene.at("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let both = fs::File::options().read(true).write(true).open(&pipe).unwrap();
    (pipe, both)
}

#[test]
fn a_pipe_with_somebody_at_its_other_end_is_no_file_either() {
    let scene = Scene::new();
    let (_, _both) = pipe(&scene);
    assert_refused(at_once(&scene.grants, |grants| read(grants, "pipe")), ErrorName::Error, NOT_PLAIN);
    assert_refused(at_once(&scene.grants, |grants| write(grants, "pipe", "a")), ErrorName::Error, NOT_PLAIN);
}

#[test]
fn file_that_is_opened_is_checked_whatever_was_there_before() {
    let scene = Scene::new();
    let (_, _both) = pipe(&scene);
    scene.file("a.txt", "inside");
    fs::create_dir(scene.at("folder")).unwrap();
    let root = Dir::open_ambient_dir(scene.at("."), ambient_authority()).unwrap();
    for options in [OpenOptions::new().read(true), OpenOptions::new().write(true)] {
        let (_, known) = read::open(&root, Path::new("a.txt"), options).unwrap();
        assert_eq!(known.len(), 6);
        let refused = read::open(&root, Path::new("pipe"), options).unwrap_err();
        assert!(matches!(&refused, Fault::Unfit(why) if why == NOT_PLAIN), "{refused:?}");
    }
    let refused = read::open(&root, Path::new("folder"), OpenOptions::new().read(true)).unwrap_err();
    assert!(matches!(&refused, Fault::Unfit(why) if why == "it is a folder"), "{refused:?}");
}

#[test]
fn devices_are_refused() {
    let dev = || vec!["/dev".into()];
    let grants = granted(&Allow { allow_read: dev(), allow_write: dev() });
    for path in ["null", "zero", "/dev/full", "tty"] {
        assert_refused(at_once(&grants, move |grants| read(grants, path)), ErrorName::Error, NOT_PLAIN);
        assert_refused(at_once(&grants, move |grants| write(grants, path, "a")), ErrorName::Error, NOT_PLAIN);
    }
    assert!(!list(&grants, ".").unwrap().iter().any(|name| name == "null"));
}

#[test]
fn names_that_are_no_text_are_not_listed() {
    let scene = Scene::new();
    scene.file("a.txt", "a");
    let name = std::ffi::OsStr::from_bytes(b"b\xff.txt");
    // Some file systems take no such name; then there is nothing to leave out.
    let made = fs::write(scene.at("").join(name), "b").is_ok();
    assert_eq!(scene.list(".").unwrap(), ["a.txt"], "made: {made}");
}

#[test]
fn what_may_not_be_written_is_not_replaced() {
    let scene = Scene::new();
    let file = scene.file("folder/a.txt", "a");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o444)).unwrap();
    fs::set_permissions(scene.at("folder"), fs::Permissions::from_mode(0o555)).unwrap();
    // Whoever may do everything is stopped by a file system that takes no files.
    let everything = fs::write(scene.at("folder/probe"), "").is_ok();
    let (grants, path) = match everything {
        true => (granted(&Allow { allow_write: vec!["/sys".into()], ..Allow::default() }), "new.txt"),
        false => (scene.grants.clone(), "folder/new.txt"),
    };
    assert_refused(write(&grants, path, "b"), ErrorName::Permission, "the system does not allow it");
    if !everything {
        assert_refused(write(&grants, "folder/a.txt", "b"), ErrorName::Permission, "the system does not allow it");
        assert_eq!(names(&scene.at("folder")), ["a.txt"]);
    }
    fs::set_permissions(scene.at("folder"), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_file_that_is_replaced_keeps_who_may_use_it() {
    let scene = Scene::new();
    for (mode, kept) in [(0o600, 0o600), (0o755, 0o755), (0o640, 0o640), (0o6755, 0o755)] {
        let file = scene.file("a.txt", "a");
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        scene.write("a.txt", "b").unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, kept, "{mode:o}");
    }
}

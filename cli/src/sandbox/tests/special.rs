//! Pipes, sockets, devices and permissions: everything but a regular file is refused, and never waited for.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};

use super::super::error::AccessError;
use super::*;
use crate::sandbox::read;

const NOT_PLAIN: &str = "it is not a regular file";

/// Returns the result of `call`. A test that would hang fails instead.
fn within_timeout<T: Send + 'static>(grants: &Grants, call: impl FnOnce(&Grants) -> T + Send + 'static) -> T {
    let (done, result) = mpsc::channel();
    let grants = grants.clone();
    thread::spawn(move || done.send(call(&grants)));
    result.recv_timeout(Duration::from_secs(120)).expect("the call does not wait")
}

#[test]
fn pipes_and_sockets_are_not_waited_for() {
    let scene = SandboxFixture::new();
    assert!(Command::new("mkfifo").arg(scene.at("pipe")).status().unwrap().success());
    let _listener = UnixListener::bind(scene.at("socket")).unwrap();
    scene.file("a.txt", "a");
    for path in ["pipe", "socket"] {
        assert_refused(within_timeout(&scene.grants, move |grants| read(grants, path)), ErrorName::Error, NOT_PLAIN);
        assert_refused(
            within_timeout(&scene.grants, move |grants| write(grants, path, "a")),
            ErrorName::Error,
            NOT_PLAIN,
        );
        let listed = within_timeout(&scene.grants, move |grants| list(grants, path));
        assert_refused(listed, ErrorName::Error, "it is not a folder");
    }
    assert_eq!(scene.list(".").unwrap(), ["a.txt"]);
    assert!(fs::metadata(scene.at("pipe")).unwrap().file_type().is_fifo());
}

/// Creates a pipe named `pipe`, open for reading and writing, so that neither end waits.
pub fn pipe(scene: &SandboxFixture) -> (PathBuf, fs::File) {
    let pipe = scene.at("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let both = fs::File::options().read(true).write(true).open(&pipe).unwrap();
    (pipe, both)
}

#[test]
fn a_pipe_with_an_open_writer_is_refused() {
    let scene = SandboxFixture::new();
    let (_, _both) = pipe(&scene);
    assert_refused(within_timeout(&scene.grants, |grants| read(grants, "pipe")), ErrorName::Error, NOT_PLAIN);
    assert_refused(within_timeout(&scene.grants, |grants| write(grants, "pipe", "a")), ErrorName::Error, NOT_PLAIN);
}

#[test]
fn an_opened_file_is_checked_to_be_a_plain_file() {
    let scene = SandboxFixture::new();
    let (_, _both) = pipe(&scene);
    scene.file("a.txt", "inside");
    fs::create_dir(scene.at("folder")).unwrap();
    let root = Dir::open_ambient_dir(scene.at("."), ambient_authority()).unwrap();
    for options in [OpenOptions::new().read(true), OpenOptions::new().write(true)] {
        let (_, known) = read::open(&root, Path::new("a.txt"), options).unwrap();
        assert_eq!(known.len(), 6);
        let refused = read::open(&root, Path::new("pipe"), options).unwrap_err();
        assert!(matches!(&refused, AccessError::Invalid(why) if why == NOT_PLAIN), "{refused:?}");
    }
    let refused = read::open(&root, Path::new("folder"), OpenOptions::new().read(true)).unwrap_err();
    assert!(matches!(&refused, AccessError::Invalid(why) if why == "it is a folder"), "{refused:?}");
}

#[test]
fn devices_are_refused() {
    let dev = || vec!["/dev".into()];
    let grants = open_grants(&SandboxArgs { allow_read: dev(), allow_write: dev() });
    for path in ["null", "zero", "/dev/full", "tty"] {
        assert_refused(within_timeout(&grants, move |grants| read(grants, path)), ErrorName::Error, NOT_PLAIN);
        assert_refused(within_timeout(&grants, move |grants| write(grants, path, "a")), ErrorName::Error, NOT_PLAIN);
    }
    assert!(!list(&grants, ".").unwrap().iter().any(|name| name == "null"));
}

#[test]
fn names_that_are_not_unicode_are_not_listed() {
    let scene = SandboxFixture::new();
    scene.file("a.txt", "a");
    let name = std::ffi::OsStr::from_bytes(b"b\xff.txt");
    // Some file systems refuse such a name; then there is no name to leave out.
    let made = fs::write(scene.at("").join(name), "b").is_ok();
    assert_eq!(scene.list(".").unwrap(), ["a.txt"], "made: {made}");
}

#[test]
fn a_read_only_file_is_not_replaced() {
    let scene = SandboxFixture::new();
    let file = scene.file("folder/a.txt", "a");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o444)).unwrap();
    fs::set_permissions(scene.at("folder"), fs::Permissions::from_mode(0o555)).unwrap();
    // Root ignores file modes. For root, a file system without regular files is used instead.
    let everything = fs::write(scene.at("folder/probe"), "").is_ok();
    let (grants, path) = match everything {
        true => (open_grants(&SandboxArgs { allow_write: vec!["/sys".into()], ..SandboxArgs::default() }), "new.txt"),
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
fn a_replaced_file_keeps_its_permissions() {
    let scene = SandboxFixture::new();
    for (mode, kept) in [(0o600, 0o600), (0o755, 0o755), (0o640, 0o640), (0o6755, 0o755)] {
        let file = scene.file("a.txt", "a");
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        scene.write("a.txt", "b").unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, kept, "{mode:o}");
    }
}

//! Special files, permissions and links. Pipes, sockets and devices are refused, and never waited for. Permissions are
//! checked and kept. Links are followed as long as they stay inside the grant.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};

use super::*;
use crate::sandbox::error::AccessError;
use crate::sandbox::folder::open_plain_file;

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
    let file = fs::File::options().read(true).write(true).open(&pipe).unwrap();
    (pipe, file)
}

#[test]
fn a_pipe_with_an_open_writer_is_refused() {
    let scene = SandboxFixture::new();
    let (_, _pipe_end) = pipe(&scene);
    assert_refused(within_timeout(&scene.grants, |grants| read(grants, "pipe")), ErrorName::Error, NOT_PLAIN);
    assert_refused(within_timeout(&scene.grants, |grants| write(grants, "pipe", "a")), ErrorName::Error, NOT_PLAIN);
}

#[test]
fn an_opened_file_is_checked_to_be_a_plain_file() {
    let scene = SandboxFixture::new();
    let (_, _pipe_end) = pipe(&scene);
    scene.file("a.txt", "inside");
    fs::create_dir(scene.at("folder")).unwrap();
    let root = Dir::open_ambient_dir(scene.at("."), ambient_authority()).unwrap();
    for options in [OpenOptions::new().read(true), OpenOptions::new().write(true)] {
        let (_, metadata) = open_plain_file(&root, Path::new("a.txt"), options).unwrap();
        assert_eq!(metadata.len(), 6);
        let refused = open_plain_file(&root, Path::new("pipe"), options).unwrap_err();
        assert!(matches!(&refused, AccessError::Invalid(why) if why == NOT_PLAIN), "{refused:?}");
    }
    let refused = open_plain_file(&root, Path::new("folder"), OpenOptions::new().read(true)).unwrap_err();
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
    let created = fs::write(scene.at("").join(name), "b").is_ok();
    assert_eq!(scene.list(".").unwrap(), ["a.txt"], "created: {created}");
}

#[test]
fn a_read_only_file_is_not_replaced() {
    let scene = SandboxFixture::new();
    let file = scene.file("folder/a.txt", "a");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o444)).unwrap();
    fs::set_permissions(scene.at("folder"), fs::Permissions::from_mode(0o555)).unwrap();
    // Root ignores file modes. For root, a file system without regular files is used instead.
    let is_root = fs::write(scene.at("folder/probe"), "").is_ok();
    let (grants, path) = match is_root {
        true => (open_grants(&SandboxArgs { allow_write: vec!["/sys".into()], ..SandboxArgs::default() }), "new.txt"),
        false => (scene.grants.clone(), "folder/new.txt"),
    };
    assert_refused(write(&grants, path, "b"), ErrorName::Permission, "the system does not allow it");
    if !is_root {
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

#[test]
fn links_inside_are_followed() {
    let scene = SandboxFixture::new();
    scene.file("deep/a.txt", "a");
    symlink("deep", scene.at("folder")).unwrap();
    symlink("folder/a.txt", scene.at("file")).unwrap();
    fs::create_dir(scene.at("side")).unwrap();
    symlink("../file", scene.at("side/up")).unwrap();
    for path in ["deep/a.txt", "folder/a.txt", "file", "side/up"] {
        assert_eq!(scene.read(path).unwrap(), "a", "{path}");
    }
    assert_eq!(scene.list("folder").unwrap(), ["a.txt"]);
    assert_eq!(scene.list("side").unwrap(), ["up"]);
    assert_eq!(scene.list(".").unwrap(), ["deep/", "file", "folder/", "side/"]);
}

#[test]
fn links_that_lead_out_are_not_granted_and_not_listed() {
    let scene = SandboxFixture::new();
    let outside = scene.outside();
    for (link, to) in [
        ("absolute", outside.join("secret.txt")),
        ("absolute-missing", outside.join("missing")),
        ("relative", "../outside/secret.txt".into()),
        ("relative-missing", "../outside/missing".into()),
        ("out-and-in", "../granted/a.txt".into()),
        ("deep/chain-3", "../../outside/secret.txt".into()),
        ("chain-2", "./deep/chain-3".into()),
        ("chain", "chain-2".into()),
        ("folder", outside.clone()),
        ("up", "..".into()),
        ("deep/top", "../..".into()),
        ("root", "/".into()),
        ("itself", scene.at("")),
    ] {
        scene.file("a.txt", "a");
        fs::create_dir_all(scene.at("deep")).unwrap();
        symlink(to, scene.at(link)).unwrap();
        assert_not_granted(scene.read(link));
        assert_not_granted(scene.write(link, "mine"));
        assert_not_granted(scene.list(link));
        assert!(fs::symlink_metadata(scene.at(link)).unwrap().is_symlink());
    }
    for path in ["folder/secret.txt", "up/outside/secret.txt", "deep/top/outside/secret.txt", "root/etc/passwd"] {
        assert_not_granted(scene.read(path));
        assert_not_granted(scene.write(path, "mine"));
    }
    // Neither a file nor the folders on its path are created outside.
    for path in ["folder/new.txt", "folder/new/new.txt", "up/new/new.txt", "absolute-missing/new.txt"] {
        assert_not_granted(scene.write(path, "mine"));
    }
    assert_eq!(scene.list(".").unwrap(), ["a.txt", "deep/"]);
    assert_eq!(scene.list("deep").unwrap(), Vec::<String>::new());
    scene.assert_outside_is_untouched();
    assert_eq!(names(scene.folder.path()), ["granted", "outside"]);
}

#[test]
fn a_link_that_leads_out_hides_nothing_in_the_next_grant() {
    let scene = SandboxFixture::new();
    scene.file("first/x", "");
    symlink(scene.outside().join("secret.txt"), scene.at("first/a.txt")).unwrap();
    scene.file("second/a.txt", "second");
    let allow = SandboxArgs { allow_read: vec![scene.at("first"), scene.at("second")], ..SandboxArgs::default() };
    assert_eq!(read(&open_grants(&allow), "a.txt").unwrap(), "second");
}

#[test]
fn dangling_and_circular_links_are_errors() {
    let scene = SandboxFixture::new();
    symlink("missing", scene.at("dangling")).unwrap();
    symlink("circle-2", scene.at("circle")).unwrap();
    symlink("circle", scene.at("circle-2")).unwrap();
    assert_refused(scene.read("dangling"), ErrorName::NotFound, "it does not exist");
    assert_refused(scene.write("dangling", "a"), ErrorName::Error, "it is a dangling link");
    assert_refused(scene.write("dangling/a.txt", "a"), ErrorName::NotFound, "");
    for path in ["circle", "circle/a.txt"] {
        assert_refused(scene.read(path), ErrorName::Error, "symbolic links");
        assert_refused(scene.list(path), ErrorName::Error, "symbolic links");
        assert_refused(scene.write(path, "a"), ErrorName::Error, "symbolic links");
    }
    assert!(scene.list(".").unwrap().is_empty());
    assert_eq!(scene.entries(), ["circle", "circle-2", "dangling"]);
}

#[test]
fn writing_to_a_link_writes_its_target() {
    let scene = SandboxFixture::new();
    scene.file("deep/a.txt", "a");
    fs::create_dir(scene.at("side")).unwrap();
    symlink("../link", scene.at("side/far")).unwrap();
    symlink("deep/a.txt", scene.at("link")).unwrap();
    scene.write("side/far", "b").unwrap();
    assert_eq!(fs::read_to_string(scene.at("deep/a.txt")).unwrap(), "b");
    assert!(["link", "side/far"].iter().all(|link| fs::symlink_metadata(scene.at(link)).unwrap().is_symlink()));
    assert_eq!(names(&scene.at("side")), ["far"]);
}

#[test]
fn a_grant_may_be_named_through_links() {
    let scene = SandboxFixture::new();
    let real = scene.file("real/a.txt", "a");
    let by_link = scene.at("link");
    symlink("real", &by_link).unwrap();
    let grants = open_grants(&SandboxArgs { allow_read: vec![by_link.clone()], ..SandboxArgs::default() });
    // By the given path, and by the canonical path.
    for path in [by_link.join("a.txt"), real.canonicalize().unwrap()] {
        assert_eq!(read(&grants, path.to_str().unwrap()).unwrap(), "a");
    }
    // The link itself is not part of the grant.
    fs::remove_file(&by_link).unwrap();
    symlink(scene.outside(), &by_link).unwrap();
    assert_eq!(read(&grants, "a.txt").unwrap(), "a");
    assert_refused(read(&grants, by_link.join("secret.txt").to_str().unwrap()), ErrorName::NotFound, "does not exist");
}

#[cfg(target_os = "linux")]
#[test]
fn procfs_magic_links_are_not_followed() {
    let grants = open_grants(&SandboxArgs { allow_read: vec!["/proc".into()], ..SandboxArgs::default() });
    assert!(read(&grants, "self/status").unwrap().contains("Pid:"));
    for path in ["self/root/etc/passwd", "self/cwd/Cargo.toml", "self/exe", "/proc/self/fd/0", "thread-self/root/etc"] {
        assert!(read(&grants, path).is_err(), "{path}");
        assert!(list(&grants, path).is_err(), "{path}");
    }
}

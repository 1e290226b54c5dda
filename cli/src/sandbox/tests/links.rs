//! Links are followed as long as they stay inside the grant.

use std::os::unix::fs::symlink;

use super::*;

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

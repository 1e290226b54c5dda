//! Paths resolve below a grant, and none leads out of it.

use super::*;

#[test]
fn absolute_paths_within_a_grant_are_allowed() {
    let scene = SandboxFixture::new();
    let file = scene.file("deep/a.txt", "a");
    assert_eq!(scene.read(file.to_str().unwrap()).unwrap(), "a");
    assert_eq!(scene.list(scene.at("").to_str().unwrap()).unwrap(), ["deep/"]);
    assert_eq!(scene.list(scene.folder.path().join("granted").to_str().unwrap()).unwrap(), ["deep/"]);
    let new = scene.at("other/b.txt");
    scene.write(new.to_str().unwrap(), "b").unwrap();
    assert_eq!(fs::read_to_string(new).unwrap(), "b");
}

#[test]
fn paths_outside_the_grants_are_refused() {
    let scene = SandboxFixture::new();
    let outside = scene.outside();
    let beside = scene.folder.path().join("granted-too");
    fs::create_dir(&beside).unwrap();
    fs::write(beside.join("a.txt"), SECRET).unwrap();
    for path in [
        "/etc/passwd",
        "/nowhere/at/all",
        outside.join("secret.txt").to_str().unwrap(),
        outside.join("missing.txt").to_str().unwrap(),
        // Its name begins with the name of the grant.
        beside.join("a.txt").to_str().unwrap(),
        scene.at("../outside/secret.txt").to_str().unwrap(),
        scene.at("../granted/../outside/missing.txt").to_str().unwrap(),
        "../outside/secret.txt",
        "../outside/missing.txt",
        "deep/../../outside/secret.txt",
        "./deep/.././../outside/secret.txt",
        "deep/../../../../../../../../../../../etc/passwd",
        // A path that leaves the grant and returns is outside.
        "../granted/a.txt",
    ] {
        scene.file("deep/a.txt", "a");
        scene.file("a.txt", "a");
        assert_not_granted(scene.read(path));
        assert_not_granted(scene.write(path, "mine"));
        assert_not_granted(scene.list(path));
    }
    for path in ["..", "../", "deep/../..", "../outside", "/", "//", "/.", scene.folder.path().to_str().unwrap()] {
        assert_not_granted(scene.list(path));
    }
    scene.assert_outside_is_untouched();
    assert_eq!(names(&beside), ["a.txt"]);
    assert_eq!(scene.entries(), ["a.txt", "deep"]);
}

#[test]
fn dot_segments_inside_a_grant_are_allowed() {
    let scene = SandboxFixture::new();
    scene.file("a.txt", "a");
    scene.file("deep/b.txt", "b");
    for path in ["a.txt", "./a.txt", ".//a.txt", "deep/../a.txt", "deep/./../deep/.././a.txt"] {
        assert_eq!(scene.read(path).unwrap(), "a", "{path}");
    }
    for path in [".", "./", "deep/..", "./deep/../."] {
        assert_eq!(scene.list(path).unwrap(), ["a.txt", "deep/"], "{path}");
    }
    scene.write("deep/../new/../c.txt", "c").unwrap();
    assert_eq!(scene.list(".").unwrap(), ["a.txt", "c.txt", "deep/", "new/"]);
}

#[test]
fn relative_paths_are_searched_below_each_grant_in_order() {
    let scene = SandboxFixture::new();
    scene.file("first/both.txt", "first");
    scene.file("first/plain", "no folder");
    scene.file("second/both.txt", "second");
    scene.file("second/only.txt", "only");
    scene.file("second/plain/a.txt", "a");
    let folders = vec![scene.at("first"), scene.at("second")];
    let grants = open_grants(&SandboxArgs { allow_read: folders.clone(), allow_write: folders });
    assert_eq!(read(&grants, "both.txt").unwrap(), "first");
    assert_eq!(read(&grants, "only.txt").unwrap(), "only");
    assert_eq!(read(&grants, "plain/a.txt").unwrap(), "a");
    assert_eq!(list(&grants, ".").unwrap(), ["both.txt", "plain"]);
    // It exists, but is not a folder.
    assert_refused(list(&grants, "plain"), ErrorName::Error, "it is not a folder");
    assert_refused(
        read(&grants, "none.txt"),
        ErrorName::NotFound,
        "relative paths are resolved in the granted folders",
    );
    write(&grants, "only.txt", "written").unwrap();
    assert_eq!(fs::read_to_string(scene.at("first/only.txt")).unwrap(), "written");
    assert_eq!(fs::read_to_string(scene.at("second/only.txt")).unwrap(), "only");
    // An absolute path names its grant.
    write(&grants, scene.at("second/new.txt").to_str().unwrap(), "new").unwrap();
    assert!(scene.at("second/new.txt").exists() && !scene.at("first/new.txt").exists());
}

#[test]
fn a_grant_keeps_its_folder_when_that_is_renamed() {
    let scene = SandboxFixture::new();
    scene.file("a.txt", "a");
    fs::rename(scene.at(""), scene.folder.path().join("moved")).unwrap();
    fs::rename(scene.outside(), scene.folder.path().join("granted")).unwrap();
    assert_eq!(scene.read("a.txt").unwrap(), "a");
    assert_refused(scene.read(scene.at("secret.txt").to_str().unwrap()), ErrorName::NotFound, "it does not exist");
}

#[test]
fn missing_files_and_folders_are_not_found() {
    let scene = SandboxFixture::new();
    scene.file("a.txt", "a");
    for path in ["b.txt", "deep/b.txt", scene.at("b.txt").to_str().unwrap()] {
        assert_refused(scene.read(path), ErrorName::NotFound, &format!("reading {path:?}: it does not exist"));
        assert_refused(scene.list(path), ErrorName::NotFound, &format!("listing {path:?}: it does not exist"));
    }
    assert_refused(scene.read("a.txt/b.txt"), ErrorName::Error, "reading \"a.txt/b.txt\": ");
    assert_refused(scene.list("a.txt"), ErrorName::Error, "it is not a folder");
    assert_refused(scene.read("."), ErrorName::Error, "the path names a folder");
    fs::create_dir(scene.at("deep")).unwrap();
    assert_refused(scene.read("deep"), ErrorName::Error, "it is a folder");
}

#[test]
fn invalid_paths_are_refused() {
    let scene = SandboxFixture::new();
    scene.file("a.txt", "a");
    let long = "x/".repeat(3000);
    for (path, reason) in [
        ("", "the path is empty"),
        ("a.txt\0", "the path contains a NUL character"),
        ("a.txt\0.png", "the path contains a NUL character"),
        (long.as_str(), "the path has 6000 bytes; at most 4096 are allowed"),
    ] {
        assert_refused(scene.read(path), ErrorName::Error, reason);
        assert_refused(scene.list(path), ErrorName::Error, reason);
        assert_refused(scene.write(path, "b"), ErrorName::Error, reason);
    }
    // No file system accepts such a long name.
    let name = "n".repeat(300);
    let refused = scene.write(&name, "b").unwrap_err();
    assert!(refused.message.len() < 400 && refused.message.contains('…'), "{}", refused.message);
    assert_eq!(scene.entries(), ["a.txt"]);
}

#[test]
fn a_path_that_ends_as_a_folder_is_never_a_file() {
    let scene = SandboxFixture::new();
    scene.file("a.txt", "a");
    for path in ["a.txt/", "a.txt/.", "new/", "new/..", ".", "./", ".."] {
        assert_refused(scene.write(path, "b"), ErrorName::Error, "the path names a folder");
        assert_refused(scene.read(path), ErrorName::Error, "the path names a folder");
    }
    assert_eq!(scene.entries(), ["a.txt"]);
}

#[test]
fn names_may_be_of_any_script() {
    let scene = SandboxFixture::new();
    let names = ["Ünïcödé 文件.txt", "\u{1f600}", "quote\"d", "line\nend", " ", "-rf", "\u{ffee}"];
    for name in names {
        scene.write(&format!("ordner-ß/{name}"), name).unwrap();
        assert_eq!(scene.read(&format!("ordner-ß/{name}")).unwrap(), name);
    }
    // JavaScript sorts by code units: the face, of two units, precedes the halfwidth sign.
    assert_eq!(
        scene.list("ordner-ß").unwrap(),
        [" ", "-rf", "line\nend", "quote\"d", "Ünïcödé 文件.txt", "\u{1f600}", "\u{ffee}"]
    );
}

#[test]
fn folders_may_be_deep() {
    let scene = SandboxFixture::new();
    let path = format!("{}end.txt", "d/".repeat(200));
    scene.write(&path, "deep").unwrap();
    assert_eq!(scene.read(&path).unwrap(), "deep");
    assert_eq!(scene.list(&"d/".repeat(200)).unwrap(), ["end.txt"]);
    assert_not_granted(scene.read(&format!("{}outside/secret.txt", "d/".repeat(200) + &"../".repeat(201))));
}

#[test]
fn errors_do_not_reveal_where_the_grants_are() {
    let scene = SandboxFixture::new();
    scene.file("a.txt", "a");
    let hidden = scene.folder.path().file_name().unwrap().to_str().unwrap();
    for refused in [
        scene.read("../outside/secret.txt").unwrap_err(),
        scene.read("missing").unwrap_err(),
        scene.read("a.txt/b").unwrap_err(),
        scene.list("a.txt").unwrap_err(),
        scene.write("a.txt/b", "b").unwrap_err(),
        scene.write("../b", "b").unwrap_err(),
        scene.write(&"n".repeat(300), "b").unwrap_err(),
    ] {
        assert!(!refused.message.contains(hidden), "{}", refused.message);
    }
}

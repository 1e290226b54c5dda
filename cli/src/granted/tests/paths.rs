//! Which paths lead where, and that none leads out. Links are next door.

use super::*;

#[test]
fn absolute_paths_are_taken_where_they_lie_within_a_grant() {
    let scene = Scene::new();
    let file = scene.file("deep/a.txt", "a");
    assert_eq!(scene.read(file.to_str().unwrap()).unwrap(), "a");
    assert_eq!(scene.list(scene.at("").to_str().unwrap()).unwrap(), ["deep/"]);
    assert_eq!(scene.list(scene.folder.path().join("granted").to_str().unwrap()).unwrap(), ["deep/"]);
    let new = scene.at("other/b.txt");
    scene.write(new.to_str().unwrap(), "b").unwrap();
    assert_eq!(fs::read_to_string(new).unwrap(), "b");
}

#[test]
fn what_lies_outside_is_not_granted_and_not_looked_at() {
    let scene = Scene::new();
    let outside = scene.outside();
    let beside = scene.folder.path().join("granted-too");
    fs::create_dir(&beside).unwrap();
    fs::write(beside.join("a.txt"), SECRET).unwrap();
    for path in [
        "/etc/passwd",
        "/nowhere/at/all",
        outside.join("secret.txt").to_str().unwrap(),
        outside.join("missing.txt").to_str().unwrap(),
        // Its name begins as that of the grant does.
        beside.join("a.txt").to_str().unwrap(),
        scene.at("../outside/secret.txt").to_str().unwrap(),
        scene.at("../granted/../outside/missing.txt").to_str().unwrap(),
        "../outside/secret.txt",
        "../outside/missing.txt",
        "deep/../../outside/secret.txt",
        "./deep/.././../outside/secret.txt",
        "deep/../../../../../../../../../../../etc/passwd",
        // Out and in again is out.
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
fn dots_that_stay_inside_are_as_good_as_any_path() {
    let scene = Scene::new();
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
fn relative_paths_are_looked_for_below_each_grant_in_order() {
    let scene = Scene::new();
    scene.file("first/both.txt", "first");
    scene.file("first/plain", "no folder");
    scene.file("second/both.txt", "second");
    scene.file("second/only.txt", "only");
    scene.file("second/plain/a.txt", "a");
    let folders = vec![scene.at("first"), scene.at("second")];
    let grants = granted(&Allow { allow_read: folders.clone(), allow_write: folders });
    assert_eq!(read(&grants, "both.txt").unwrap(), "first");
    assert_eq!(read(&grants, "only.txt").unwrap(), "only");
    assert_eq!(read(&grants, "plain/a.txt").unwrap(), "a");
    assert_eq!(list(&grants, ".").unwrap(), ["both.txt", "plain"]);
    // It is there, and not what was asked for.
    assert_refused(list(&grants, "plain"), ErrorName::Error, "it is not a folder");
    assert_refused(
        read(&grants, "none.txt"),
        ErrorName::NotFound,
        "relative paths are looked for below the granted folders",
    );
    write(&grants, "only.txt", "written").unwrap();
    assert_eq!(fs::read_to_string(scene.at("first/only.txt")).unwrap(), "written");
    assert_eq!(fs::read_to_string(scene.at("second/only.txt")).unwrap(), "only");
    // An absolute path says itself which one is meant.
    write(&grants, scene.at("second/new.txt").to_str().unwrap(), "new").unwrap();
    assert!(scene.at("second/new.txt").exists() && !scene.at("first/new.txt").exists());
}

#[test]
fn a_grant_stays_the_folder_that_it_was() {
    let scene = Scene::new();
    scene.file("a.txt", "a");
    fs::rename(scene.at(""), scene.folder.path().join("moved")).unwrap();
    fs::rename(scene.outside(), scene.folder.path().join("granted")).unwrap();
    assert_eq!(scene.read("a.txt").unwrap(), "a");
    assert_refused(scene.read(scene.at("secret.txt").to_str().unwrap()), ErrorName::NotFound, "it is not there");
}

#[test]
fn what_is_not_there_is_not_found() {
    let scene = Scene::new();
    scene.file("a.txt", "a");
    for path in ["b.txt", "deep/b.txt", scene.at("b.txt").to_str().unwrap()] {
        assert_refused(scene.read(path), ErrorName::NotFound, &format!("reading {path:?}: it is not there"));
        assert_refused(scene.list(path), ErrorName::NotFound, &format!("listing {path:?}: it is not there"));
    }
    assert_refused(scene.read("a.txt/b.txt"), ErrorName::Error, "reading \"a.txt/b.txt\": ");
    assert_refused(scene.list("a.txt"), ErrorName::Error, "it is not a folder");
    assert_refused(scene.read("."), ErrorName::Error, "the path is that of a folder");
    fs::create_dir(scene.at("deep")).unwrap();
    assert_refused(scene.read("deep"), ErrorName::Error, "it is a folder");
}

#[test]
fn paths_that_can_be_none_are_refused() {
    let scene = Scene::new();
    scene.file("a.txt", "a");
    let long = "x/".repeat(3000);
    for (path, why) in [
        ("", "a path is not empty"),
        ("a.txt\0", "a path holds no NUL"),
        ("a.txt\0.png", "a path holds no NUL"),
        (long.as_str(), "the path has 6000 bytes; at most 4096 are allowed"),
    ] {
        assert_refused(scene.read(path), ErrorName::Error, why);
        assert_refused(scene.list(path), ErrorName::Error, why);
        assert_refused(scene.write(path, "b"), ErrorName::Error, why);
    }
    // A name that no file system takes.
    let name = "n".repeat(300);
    let refused = scene.write(&name, "b").unwrap_err();
    assert!(refused.message.len() < 400 && refused.message.contains('…'), "{}", refused.message);
    assert_eq!(scene.entries(), ["a.txt"]);
}

#[test]
fn a_path_that_ends_as_a_folder_is_never_a_file() {
    let scene = Scene::new();
    scene.file("a.txt", "a");
    for path in ["a.txt/", "a.txt/.", "new/", "new/..", ".", "./", ".."] {
        assert_refused(scene.write(path, "b"), ErrorName::Error, "the path is that of a folder");
        assert_refused(scene.read(path), ErrorName::Error, "the path is that of a folder");
    }
    assert_eq!(scene.entries(), ["a.txt"]);
}

#[test]
fn names_may_be_of_any_script() {
    let scene = Scene::new();
    let names = ["Ünïcödé 文件.txt", "\u{1f600}", "quote\"d", "line\nend", " ", "-rf", "\u{ffee}"];
    for name in names {
        scene.write(&format!("ordner-ß/{name}"), name).unwrap();
        assert_eq!(scene.read(&format!("ordner-ß/{name}")).unwrap(), name);
    }
    // As JavaScript sorts: the face, of two code units, before the halfwidth sign.
    assert_eq!(
        scene.list("ordner-ß").unwrap(),
        [" ", "-rf", "line\nend", "quote\"d", "Ünïcödé 文件.txt", "\u{1f600}", "\u{ffee}"]
    );
}

#[test]
fn folders_may_be_deep() {
    let scene = Scene::new();
    let path = format!("{}end.txt", "d/".repeat(200));
    scene.write(&path, "deep").unwrap();
    assert_eq!(scene.read(&path).unwrap(), "deep");
    assert_eq!(scene.list(&"d/".repeat(200)).unwrap(), ["end.txt"]);
    assert_not_granted(scene.read(&format!("{}outside/secret.txt", "d/".repeat(200) + &"../".repeat(201))));
}

#[test]
fn nothing_is_said_of_where_the_grants_are() {
    let scene = Scene::new();
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

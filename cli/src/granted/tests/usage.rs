//! What is granted by whom, and what is said of calls that cannot be meant.

use std::env;

use clap::{Args, Command, FromArgMatches};
use runstate::code::Code;

use super::*;
use crate::failure::Failure;
use crate::granted::KINDS;

#[test]
fn nothing_is_granted_by_default() {
    let scene = Scene::with(|_| Allow::default());
    let file = scene.file("a.txt", "a");
    for path in [file.to_str().unwrap(), "a.txt", ".", "/"] {
        let not = |doing, flag| format!("{doing} {path:?} is not granted; start with {flag} DIR");
        if !path.ends_with(['.', '/']) {
            assert_eq!(scene.read(path).unwrap_err().message, not("reading", "--allow-read"));
            assert_eq!(scene.write(path, "b").unwrap_err().message, not("writing", "--allow-write"));
        }
        assert_eq!(scene.list(path).unwrap_err().message, not("listing", "--allow-read"));
    }
    assert_eq!(fs::read_to_string(file).unwrap(), "a");
}

#[test]
fn reading_and_writing_imply_nothing_about_each_other() {
    let scene = Scene::with(|folder| Allow { allow_read: vec![folder], ..Allow::default() });
    scene.file("a.txt", "a");
    assert_eq!(scene.read("a.txt").unwrap(), "a");
    assert_not_granted(scene.write("a.txt", "b"));

    let scene = Scene::with(|folder| Allow { allow_write: vec![folder], ..Allow::default() });
    scene.write("a.txt", "a").unwrap();
    assert_not_granted(scene.read("a.txt"));
    assert_not_granted(scene.list("."));
    // Not even whether a file is there.
    assert_not_granted(scene.read("b.txt"));
}

#[test]
fn the_flags_are_repeated() {
    let command = Allow::augment_args(Command::new("run"));
    let line = "run --allow-read a --allow-write=b --allow-read c";
    let allow = Allow::from_arg_matches(&command.get_matches_from(line.split(' '))).unwrap();
    assert_eq!(allow.allow_read, [Path::new("a"), Path::new("c")]);
    assert_eq!(allow.allow_write, [Path::new("b")]);
}

#[test]
fn the_environment_grants_reading_and_writing_behind_what_the_flags_name() {
    let scene = Scene::new();
    let folders = ["one", "two", "flag"].map(|name| scene.at(name));
    for folder in &folders {
        fs::create_dir(folder).unwrap();
    }
    let [one, two, flag] = folders;
    let sandbox = env::join_paths([Path::new(""), &one, Path::new(""), &two, Path::new("")]).unwrap();
    let allow = Allow { allow_write: vec![flag.clone()], ..Allow::default() };
    let grants = allow.grants_with(Some(&sandbox)).unwrap();

    fs::write(two.join("in two.txt"), "2").unwrap();
    assert_eq!(read(&grants, "in two.txt").unwrap(), "2");
    write(&grants, "new.txt", "new").unwrap();
    assert!(flag.join("new.txt").exists());
    assert_not_granted(read(&grants, flag.join("new.txt").to_str().unwrap()));
    // An empty entry does not mean the current folder.
    let here = env::current_dir().unwrap();
    assert_not_granted(list(&grants, here.to_str().unwrap()));
}

#[test]
fn what_the_flags_name_comes_first_whatever_the_environment_says() {
    let scene = Scene::new();
    scene.file("a.txt", "a");
    let grants = Allow { allow_read: vec![scene.at("")], ..Allow::default() }.grants().unwrap();
    assert_eq!(read(&grants, "a.txt").unwrap(), "a");
}

#[test]
fn a_folder_that_is_none_is_wrong_use_when_the_command_starts() {
    let scene = Scene::new();
    let file = scene.file("a.txt", "a");
    for wrong in [file, scene.at("missing")] {
        let read = Allow { allow_read: vec![wrong.clone()], ..Allow::default() };
        let write = Allow { allow_write: vec![wrong.clone()], ..Allow::default() };
        for (by, refused) in [
            ("--allow-read", read.grants_with(None)),
            ("--allow-write", write.grants_with(None)),
            ("CVM_SANDBOX_PATHS", Allow::default().grants_with(Some(wrong.as_os_str()))),
        ] {
            let Err(Failure::Error(error)) = refused else { panic!("{by} {} was granted", wrong.display()) };
            assert_eq!(error.code, Code::Usage);
            assert!(error.message.starts_with(&format!("{by} names {}", wrong.display())), "{}", error.message);
        }
    }
}

#[test]
fn calls_that_cannot_be_meant_say_what_they_lack() {
    let grants = Scene::new().grants;
    let refused = |kind: &str, args: Json| grants.perform_blocking(kind, &args).unwrap_err();
    for args in [json!({}), json!(null), json!([".",]), json!({ "path": 1 }), json!({ "path": ["a"] })] {
        for kind in KINDS {
            assert_eq!(refused(kind, args.clone()).message, format!("{kind} takes a text as its path"));
        }
    }
    let text = refused("fs.writeFile", json!({ "path": "a", "text": { "a": 1 } }));
    assert_eq!(text.message, "fs.writeFile takes a text as its text");
    let unknown = refused("fs.removeFile", json!({ "path": "a" }));
    assert_eq!(
        (unknown.name.as_str(), unknown.message.as_str()),
        ("Error", r#""fs.removeFile" is no call on files; these are: fs.readFile, fs.listFiles, fs.writeFile"#)
    );
}

#[test]
fn the_runtime_goes_on_meanwhile() {
    let scene = Scene::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let args = json!({ "path": "a.txt", "text": "a" });
        assert_eq!(scene.grants.perform("fs.writeFile", &args).await, Ok(Json::Null));
        assert_eq!(scene.grants.perform("fs.readFile", &args).await, Ok(json!("a")));
        assert_refused(
            scene.grants.perform("fs.readFile", &json!({ "path": "b" })).await,
            ErrorName::NotFound,
            "\"b\"",
        );
    });
}

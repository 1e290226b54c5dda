//! The sources of grants, and the errors of invalid calls.

use std::env;

use clap::{Args, Command, FromArgMatches};
use runstate::error_code::ErrorCode;

use super::*;
use crate::error::CliError;
use crate::sandbox::FILE_CALL_KINDS;

#[test]
fn nothing_is_granted_by_default() {
    let scene = SandboxFixture::with(|_| SandboxArgs::default());
    let file = scene.file("a.txt", "a");
    for path in [file.to_str().unwrap(), "a.txt", ".", "/"] {
        let refusal = |action, flag| format!("{action} {path:?} is not granted; start with {flag} DIR");
        if !path.ends_with(['.', '/']) {
            assert_eq!(scene.read(path).unwrap_err().message, refusal("reading", "--allow-read"));
            assert_eq!(scene.write(path, "b").unwrap_err().message, refusal("writing", "--allow-write"));
        }
        assert_eq!(scene.list(path).unwrap_err().message, refusal("listing", "--allow-read"));
    }
    assert_eq!(fs::read_to_string(file).unwrap(), "a");
}

#[test]
fn reading_and_writing_imply_nothing_about_each_other() {
    let scene = SandboxFixture::with(|folder| SandboxArgs { allow_read: vec![folder], ..SandboxArgs::default() });
    scene.file("a.txt", "a");
    assert_eq!(scene.read("a.txt").unwrap(), "a");
    assert_not_granted(scene.write("a.txt", "b"));

    let scene = SandboxFixture::with(|folder| SandboxArgs { allow_write: vec![folder], ..SandboxArgs::default() });
    scene.write("a.txt", "a").unwrap();
    assert_not_granted(scene.read("a.txt"));
    assert_not_granted(scene.list("."));
    // The error does not even reveal whether a file exists.
    assert_not_granted(scene.read("b.txt"));
}

#[test]
fn the_flags_can_be_repeated() {
    let command = SandboxArgs::augment_args(Command::new("run"));
    let line = "run --allow-read a --allow-write=b --allow-read c";
    let allow = SandboxArgs::from_arg_matches(&command.get_matches_from(line.split(' '))).unwrap();
    assert_eq!(allow.allow_read, [Path::new("a"), Path::new("c")]);
    assert_eq!(allow.allow_write, [Path::new("b")]);
}

#[test]
fn environment_grants_come_after_those_of_the_flags() {
    let scene = SandboxFixture::new();
    let folders = ["one", "two", "flag"].map(|name| scene.at(name));
    for folder in &folders {
        fs::create_dir(folder).unwrap();
    }
    let [one, two, flag] = folders;
    let sandbox = env::join_paths([Path::new(""), &one, Path::new(""), &two, Path::new("")]).unwrap();
    let allow = SandboxArgs { allow_write: vec![flag.clone()], ..SandboxArgs::default() };
    let grants = allow.open_grants_with(Some(&sandbox)).unwrap();

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
fn flags_grant_a_folder_for_any_environment() {
    let scene = SandboxFixture::new();
    scene.file("a.txt", "a");
    let grants = SandboxArgs { allow_read: vec![scene.at("")], ..SandboxArgs::default() }.open_grants().unwrap();
    assert_eq!(read(&grants, "a.txt").unwrap(), "a");
}

#[test]
fn granting_a_missing_folder_is_a_usage_error() {
    let scene = SandboxFixture::new();
    let file = scene.file("a.txt", "a");
    for folder in [file, scene.at("missing")] {
        let read = SandboxArgs { allow_read: vec![folder.clone()], ..SandboxArgs::default() };
        let write = SandboxArgs { allow_write: vec![folder.clone()], ..SandboxArgs::default() };
        for (source, refused) in [
            ("--allow-read", read.open_grants_with(None)),
            ("--allow-write", write.open_grants_with(None)),
            ("CVM_SANDBOX_PATHS", SandboxArgs::default().open_grants_with(Some(folder.as_os_str()))),
        ] {
            let Err(CliError::Error(error)) = refused else { panic!("{source} {} was granted", folder.display()) };
            assert_eq!(error.code, ErrorCode::USAGE);
            assert!(error.message.starts_with(&format!("{source} names {}", folder.display())), "{}", error.message);
        }
    }
}

#[test]
fn calls_with_wrong_arguments_name_what_is_missing() {
    let grants = SandboxFixture::new().grants;
    let refused = |kind: &str, args: Json| grants.perform_blocking(kind, &args).unwrap_err();
    for args in [json!({}), json!(null), json!([".",]), json!({ "path": 1 }), json!({ "path": ["a"] })] {
        for kind in FILE_CALL_KINDS {
            assert_eq!(refused(kind, args.clone()).message, format!("{kind} needs a string as its path"));
        }
    }
    let text = refused("fs.writeFile", json!({ "path": "a", "text": { "a": 1 } }));
    assert_eq!(text.message, "fs.writeFile needs a string as its text");
    let unknown = refused("fs.removeFile", json!({ "path": "a" }));
    assert_eq!(
        (unknown.name.as_str(), unknown.message.as_str()),
        ("Error", r#""fs.removeFile" is not a file call; the file calls are fs.readFile, fs.listFiles, fs.writeFile"#)
    );
}

#[test]
fn file_calls_do_not_block_the_runtime() {
    let scene = SandboxFixture::new();
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

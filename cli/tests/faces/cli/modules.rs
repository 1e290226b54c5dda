//! Programs of several files: `load DIR`, `run DIR`, and files with imports. Files outside the folder are not read.

use insta::assert_snapshot;
use serde_json::json;

use crate::support::{CliFixture, CliOutput};

/// A fixture with the folder `app`, whose entry is `main.ts`.
fn app() -> CliFixture {
    let scene = CliFixture::new();
    std::fs::create_dir_all(scene.path().join("app/lib")).unwrap();
    scene.file(
        "app/main.ts",
        "import { ask } from './lib/ask';\nexport function main(input) {\n  return ask(input);\n}\n",
    );
    scene.file(
        "app/lib/ask.ts",
        "import words from '../words.json';\nexport function ask(name) {\n  return name.first + CC(words.q);\n}\n",
    );
    scene.file("app/words.json", r#"{"q": "how?"}"#);
    scene.file("app/unused.ts", "never compiled {");
    scene
}

#[track_caller]
fn expect_output(output: &CliOutput, text: &str) {
    assert!(output.out.contains(text), "{text}: {}", output.out);
}

#[test]
fn a_folder_is_run_loaded_and_shown() {
    let scene = app();
    let input = ["--input", r#"{"first": "A"}"#];
    let output = scene.run_with(&["run", "app", "--id", "r", input[0], input[1]], "well\n").expect_exit(0);
    assert!(output.out.ends_with("= Awell\n"), "{}", output.out);
    assert_eq!(scene.run(&["load", "app"]).expect_exit(0).out, "app (version 1)\n");
    assert_eq!(scene.run(&["load", "app/main.ts", "--name", "app"]).expect_exit(0).out, "app (version 1)\n");
    assert_eq!(scene.run(&["load", "app/"]).expect_exit(0).out, "app (version 1)\n");
    let shown = scene.run(&["program", "show", "app", "--json"]).expect_exit(0).json();
    let paths: Vec<_> = shown["files"].as_array().unwrap().iter().map(|file| file["path"].clone()).collect();
    assert_eq!((&shown["entry"], paths), (&json!("main.ts"), vec![json!("lib/ask.ts"), json!("words.json")]));
    expect_output(&scene.run(&["program", "show", "app"]).expect_exit(0), "lib/ask.ts, words.json");
    scene.file("app/words.json", r#"{"q": "why?"}"#);
    assert_eq!(scene.run(&["load", "app"]).expect_exit(0).out, "app (version 2)\n");
    // An execution keeps its version, and the store needs no file.
    std::fs::remove_dir_all(scene.path().join("app")).unwrap();
    let output = scene.run_with(&["start", "app", "--id", "s", input[0], input[1]], "").expect_exit(3);
    assert!(output.out.contains("why?"), "{}", output.out);
    expect_output(&scene.run(&["answer", "s", "--text", "so"]).expect_exit(0), "= Aso");
}

#[test]
fn errors_name_the_file_the_line_and_the_column() {
    let scene = app();
    let output = scene.run(&["run", "app", "--id", "r", "--input", "{}"]).expect_exit(3);
    assert!(output.out.contains("how?"), "{}", output.out);
    assert_snapshot!(scene.run(&["run", "app", "--id", "null", "--input", "null"]).expect_exit(1).text());
    expect_output(&scene.run(&["show", "null"]).expect_exit(0), "lib/ask.ts:3:15");
    expect_output(&scene.run(&["show", "r", "--full"]).expect_exit(0), "ask (lib/ask.ts:3:23)");
    let error = scene.run(&["show", "null", "--json"]).expect_exit(0).json()["error"].clone();
    assert_eq!((&error["file"], &error["line"]), (&json!("lib/ask.ts"), &json!(3)));
    scene.file("app/lib/ask.ts", "\n  export const ask = nowhere;");
    assert_snapshot!(scene.run(&["load", "app"]).expect_exit(2).text());
}

#[test]
fn the_entry_of_a_folder_is_found_or_named() {
    let scene = CliFixture::new();
    std::fs::create_dir_all(scene.path().join("p/src")).unwrap();
    scene
        .run(&["load", "p"])
        .expect_exit(2)
        .expect_stderr(&["neither main.ts, index.ts nor a package.json", "--entry"]);
    scene.file("p/src/start.ts", "import { up } from '../up'; console.log(up)");
    scene.file("p/up.ts", "export const up = 'up'");
    scene.file("p/package.json", "{");
    scene.run(&["load", "p"]).expect_exit(2).expect_stderr(&["package.json cannot be read: EOF"]);
    scene.file("p/package.json", r#"{"main": "./src/start.ts"}"#);
    assert_eq!(scene.run(&["run", "p", "--id", "a"]).expect_exit(0).out, "up\n");
    scene.file("p/index.ts", "console.log('index')");
    assert_eq!(scene.run(&["run", "p", "--id", "b"]).expect_exit(0).out, "index\n");
    assert_eq!(scene.run(&["run", "p", "--entry", "src/start.ts", "--id", "c"]).expect_exit(0).out, "up\n");
    // The folder of a file is the root of its program.
    scene.run(&["run", "p/src/start.ts"]).expect_exit(2).expect_stderr(&["p/src/start.ts:1:20", "outside the folder"]);
    scene.run(&["run", "p", "--entry", "../p/up.ts"]).expect_exit(2).expect_stderr(&["not a path below p"]);
    scene.run(&["run", "p", "--entry", "/etc/passwd"]).expect_exit(2).expect_stderr(&["not a path below p"]);
    scene.run(&["run", "p", "--entry", "absent.ts"]).expect_exit(2).expect_stderr(&["absent.ts", "was not found"]);
    scene.run(&["run", "p/up.ts", "--entry", "up.ts"]).expect_exit(2).expect_stderr(&["--entry is for folders"]);
}

#[test]
fn files_that_a_program_must_not_read_are_refused() {
    let scene = CliFixture::new();
    for folder in ["app/node_modules/x", "app/.git", "app/dir.ts"] {
        std::fs::create_dir_all(scene.path().join(folder)).unwrap();
    }
    scene.file("secret.ts", "export const x = 'classified'");
    scene.file("app/node_modules/x/index.ts", "export const x = 1");
    scene.file("app/.git/config.ts", "export const x = 1");
    scene.file("app/large.ts", "// ten bytes\n".repeat(1_000_000));
    std::fs::write(scene.path().join("app/latin.ts"), b"export const x = '\xe9'").unwrap();
    let mut refused = vec![
        ("../secret", "outside the folder of the program"),
        ("../../../../../../etc/passwd", "outside the folder of the program"),
        ("./../secret.ts", "outside the folder of the program"),
        ("./node_modules/x", "in node_modules"),
        ("./.git/config", "is hidden"),
        ("./dir.ts", "was not found as dir.ts"),
        ("./large", "large.ts has 13000000 bytes; at most 1048576"),
        ("./latin", "latin.ts is not valid UTF-8 from byte 18 on"),
        ("./large.ts/x", "was not found"),
    ];
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(scene.path().join("secret.ts"), scene.path().join("app/link.ts")).unwrap();
        std::os::unix::fs::symlink(scene.path(), scene.path().join("app/up")).unwrap();
        refused.extend([("./link", "link to a file outside"), ("./up/secret", "link to a file outside")]);
    }
    for (specifier, reason) in refused {
        scene.file("app/main.ts", format!("import {{ x }} from '{specifier}';\nconsole.log(x)"));
        let output = scene.run(&["run", "app"]).expect_exit(2).expect_stderr(&["app/main.ts:1:19", reason]);
        assert!(!output.err.contains("classified"), "{}", output.err);
    }
    #[cfg(unix)]
    scene.run(&["run", "app", "--entry", "link.ts"]).expect_exit(2).expect_stderr(&["link to a file outside"]);
}

#[test]
fn a_program_of_several_files_is_exported_and_imported() {
    let scene = app();
    scene.run(&["load", "app"]).expect_exit(0);
    let shown = |scene: &CliFixture| scene.run(&["program", "show", "app", "--json"]).expect_exit(0).json();
    let before = shown(&scene);
    scene.run(&["export", "all.jsonl"]).expect_exit(0);
    let other = CliFixture::new();
    let export = scene.path().join("all.jsonl");
    other.run(&["import", export.to_str().unwrap()]).expect_exit(0);
    let after = shown(&other);
    assert_eq!((&after["files"], &after["entry"]), (&before["files"], &before["entry"]));
    assert_eq!(after["files"].as_array().unwrap().len(), 2);
}

#[test]
fn the_example_of_several_files_comes_to_its_end_with_its_answers() {
    let scene = CliFixture::new();
    let example = |name: &str| format!("{}/../examples/modules{name}", env!("CARGO_MANIFEST_DIR"));
    let run = ["run", &example(""), "--id", "m", "--answers", &example("/answers.json")];
    assert_snapshot!(scene.run(&run).expect_exit(0).text());
}

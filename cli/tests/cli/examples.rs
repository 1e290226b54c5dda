//! The programs in `examples/`, run as their comments say.

use insta::assert_snapshot;

use super::support::CliFixture;

fn example(name: &str) -> String {
    format!("{}/../examples/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_code_review_comes_to_its_end_with_its_answers() {
    let scene = CliFixture::new();
    let (program, answers) = (example("code_review.ts"), example("code_review.answers.json"));
    assert_snapshot!(scene.run(&["run", &program, "--id", "review", "--answers", &answers]).expect_exit(0).text());
}

#[test]
fn the_code_review_accepts_an_empty_reason() {
    let scene = CliFixture::new();
    let output = scene.run_with(&["run", &example("code_review.ts"), "--json"], "comment\n\napprove\napprove\nmerge\n");
    let result = output.expect_exit(0).json()["result"].clone();
    assert_eq!(result["findings"][0]["note"], "no reason given");
    assert_eq!(result["verdict"], "merge");
}

#[test]
fn the_code_review_looks_at_a_folder_that_it_was_granted() {
    let scene = CliFixture::new();
    std::fs::create_dir_all(scene.path().join("code/below")).unwrap();
    scene.file("code/b.ts", "const a = 1;\n");
    scene.file("code/a.txt", "text");
    scene.file("code/below/c.ts", "not looked at");
    let program = example("code_review.ts");
    let run = ["run", &program, "--id", "r", "--input", r#"{"folder": "."}"#, "--allow-read", "code"];
    let output = scene.run_with(&run, "approve\ncomment\nwhy 1?\nmerge\n").expect_exit(0);
    assert!(output.out.contains("Review of the folder .: a.txt, b.ts\n"), "{}", output.out);
    assert!(output.out.contains("  - b.ts: why 1?\n") && !output.out.contains("not looked at"), "{}", output.out);
    // Nothing is granted, so nothing is read, and the program gets an error.
    let denied = ["run", &program, "--id", "denied", "--input", r#"{"folder": "code"}"#];
    let output = scene.run_with(&denied, "").expect_exit(1);
    output.expect_stderr(&["PermissionError", "--allow-read"]);
}

#[test]
fn a_model_answers_through_workers() {
    let scene = CliFixture::new();
    let ended = std::process::Command::new("sh")
        .arg(example("watch.sh"))
        .env("RUNSTATE", env!("CARGO_BIN_EXE_runstate"))
        .env("STORE", format!("file:{}", scene.path().join("watched").display()))
        .env_remove("MODEL")
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success(), "{output}{}", String::from_utf8_lossy(&ended.stderr));
    assert!(output.contains("100 of 100 looked at\n\nbug: 50\nfeature: 25\nquestion: 25\n"), "{output}");
    assert!(output.contains("Hello Model.\n") && output.ends_with("They are kept.\n"), "{output}");
}

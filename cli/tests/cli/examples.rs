//! The programs in `examples/`, as their comments say to run them.

use insta::assert_snapshot;

use super::support::Scene;

fn example(name: &str) -> String {
    format!("{}/../examples/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_code_review_comes_to_its_end_with_its_answers() {
    let scene = Scene::new();
    let (program, answers) = (example("code_review.ts"), example("code_review.answers.json"));
    assert_snapshot!(scene.run(&["run", &program, "--id", "review", "--answers", &answers]).ended(0).text());
}

#[test]
fn the_code_review_goes_on_without_a_reason() {
    let scene = Scene::new();
    let said = scene.run_with(&["run", &example("code_review.ts"), "--json"], "comment\n\napprove\napprove\nmerge\n");
    let result = said.ended(0).json()["result"].clone();
    assert_eq!(result["findings"][0]["note"], "no reason given");
    assert_eq!(result["verdict"], "merge");
}

#[test]
fn the_code_review_looks_at_a_folder_that_it_was_granted() {
    let scene = Scene::new();
    std::fs::create_dir_all(scene.path().join("code/below")).unwrap();
    scene.file("code/b.ts", "const a = 1;\n");
    scene.file("code/a.txt", "text");
    scene.file("code/below/c.ts", "not looked at");
    let program = example("code_review.ts");
    let run = ["run", &program, "--id", "r", "--input", r#"{"folder": "."}"#, "--allow-read", "code"];
    let said = scene.run_with(&run, "approve\ncomment\nwhy 1?\nmerge\n").ended(0);
    assert!(said.out.contains("Review of the folder .: a.txt, b.ts\n"), "{}", said.out);
    assert!(said.out.contains("  - b.ts: why 1?\n") && !said.out.contains("not looked at"), "{}", said.out);
    // Nothing was granted: nothing is read, and the program is told.
    let denied = ["run", &program, "--id", "denied", "--input", r#"{"folder": "code"}"#];
    let said = scene.run_with(&denied, "").ended(1);
    said.explains(&["PermissionError", "--allow-read"]);
}

#[test]
fn a_model_answers_through_workers() {
    let scene = Scene::new();
    let ended = std::process::Command::new("sh")
        .arg(example("watch.sh"))
        .env("RUNSTATE", env!("CARGO_BIN_EXE_runstate"))
        .env("STORE", format!("file:{}", scene.path().join("watched").display()))
        .env_remove("MODEL")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success(), "{said}{}", String::from_utf8_lossy(&ended.stderr));
    assert!(said.contains("100 of 100 looked at\n\nbug: 50\nfeature: 25\nquestion: 25\n"), "{said}");
    assert!(said.contains("Hello Model.\n") && said.ends_with("They are kept.\n"), "{said}");
}

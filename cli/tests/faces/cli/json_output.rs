//! The JSON that programs read with `--json`. Its shapes are stable.

use insta::assert_snapshot;
use serde_json::Value as Json;

use crate::support::{CliFixture, CliOutput, FAILS, GREET, redact};

/// Formats the values, one below the other.
fn shape(output: &CliOutput) -> String {
    let pretty = |mut value: Json| {
        redact(&mut value);
        serde_json::to_string_pretty(&value).unwrap()
    };
    output.values().into_iter().map(pretty).collect::<Vec<_>>().join("\n")
}

#[test]
fn json_of_a_waiting_execution() {
    let scene = CliFixture::with("greet", GREET);
    scene.run(&["start", "greet", "--id", "g1"]).expect_exit(3);
    let output = scene.run(&["answer", "g1", "--text", "Ada", "--json"]).expect_exit(3);
    assert_snapshot!(shape(&output));
    assert_eq!(output.err, "", "programs read standard output only");
    for args in [&["next", "g1", "--json"], &["resume", "g1", "--json"]] {
        assert_eq!(scene.run(args).json(), output.json(), "{args:?}");
    }
    // `show` adds the state of the machine.
    let mut shown = scene.show("g1");
    let machine = shown["machine"].take();
    assert_eq!(shown, output.json());
    assert!(machine["pc"].is_u64() && machine["frames"][0]["variables"].is_array(), "{machine}");
}

#[test]
fn json_of_the_machine_of_an_execution() {
    let scene = CliFixture::with(
        "shop",
        "const seen = new Map([['a', NaN]]);\nfunction ask(n) { return CC('?'); }\nask(-0);\n",
    );
    scene.run(&["start", "shop", "--id", "s1", "--input", r#"{"a": 1}"#]).expect_exit(3);
    let shown = scene.run(&["show", "s1", "--json"]).expect_exit(0);
    assert_eq!(shown.json()["input"], serde_json::json!({"a": 1}));
    let mut machine = shown.json()["machine"].clone();
    for frame in machine["frames"].as_array_mut().unwrap() {
        frame["pc"] = "[n]".into();
    }
    machine["pc"] = "[n]".into();
    assert_snapshot!(serde_json::to_string_pretty(&machine).unwrap());
}

#[test]
fn json_of_a_complete_execution() {
    let scene = CliFixture::new();
    scene.file("greet.ts", GREET);
    scene.file("answers.json", r#"["Ada", "yes"]"#);
    assert_snapshot!(shape(
        &scene.run(&["run", "greet.ts", "--id", "g1", "--answers", "answers.json", "--json"]).expect_exit(0)
    ));
}

#[test]
fn json_of_a_failed_execution() {
    let scene = CliFixture::with("fails", FAILS);
    assert_snapshot!(shape(&scene.run(&["start", "fails", "--id", "f1", "--json"]).expect_exit(1)));
}

#[test]
fn json_of_a_loaded_program() {
    let scene = CliFixture::new();
    scene.file("greet.ts", GREET);
    assert_snapshot!(shape(&scene.run(&["load", "greet.ts", "--json"]).expect_exit(0)));
}

#[test]
fn json_of_a_list() {
    let scene = CliFixture::greeting("g1");
    assert_snapshot!(shape(&scene.run(&["list", "--json"]).expect_exit(0)));
}

#[test]
fn json_of_export_import_and_info() {
    let scene = CliFixture::greeting("g1");
    assert_snapshot!(shape(&scene.run(&["export", "all.jsonl", "--json"]).expect_exit(0)));
    assert_snapshot!(shape(&scene.run(&["import", "all.jsonl", "--store", "file:new", "--json"]).expect_exit(0)));
    assert_snapshot!(shape(&scene.run(&["info", "--json"]).expect_exit(0)));
}

#[test]
fn json_of_a_source_that_does_not_compile() {
    let scene = CliFixture::new();
    scene.file("wrong.ts", "const a = 1\na.b = consle\nimport 'x'\n");
    assert_snapshot!(shape(&scene.run(&["load", "wrong.ts", "--json"]).expect_exit(2)));
}

#[test]
fn json_of_a_rejected_command() {
    let scene = CliFixture::greeting("g1");
    assert_snapshot!(shape(&scene.run(&["show", "missing", "--json"]).expect_exit(5)));
    scene.run(&["answer", "g1", "--text", "Ada"]).expect_exit(3);
    assert_snapshot!(shape(&scene.run(&["answer", "g1", "--text", "perhaps", "--json"]).expect_exit(5)));
}

#[test]
fn json_of_a_usage_error() {
    let scene = CliFixture::new();
    assert_snapshot!(shape(&scene.run(&["list", "--jsno", "--json"]).expect_exit(2)));
    assert_snapshot!(shape(&scene.run(&["start", "x", "--json", "--input", "{a: 1}"]).expect_exit(2)));
}

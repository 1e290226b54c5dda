//! What programs read with `--json`: these shapes are promises.

use insta::assert_snapshot;
use serde_json::Value as Json;

use super::support::{FAILS, GREET, Said, Scene, redact};

/// The values, one below the other, readable.
fn shape(said: &Said) -> String {
    let pretty = |mut value: Json| {
        redact(&mut value);
        serde_json::to_string_pretty(&value).unwrap()
    };
    said.values().into_iter().map(pretty).collect::<Vec<_>>().join("\n")
}

#[test]
fn of_an_execution_that_waits() {
    let scene = Scene::with("greet", GREET);
    scene.run(&["start", "greet", "--id", "g1"]).ended(3);
    let said = scene.run(&["answer", "g1", "--text", "Ada", "--json"]).ended(3);
    assert_snapshot!(shape(&said));
    assert_eq!(said.err, "", "programs read standard output only");
    for args in [&["next", "g1", "--json"], &["resume", "g1", "--json"]] {
        assert_eq!(scene.run(args).json(), said.json(), "{args:?}");
    }
    // Beside it `show` says where the machine is.
    let mut shown = scene.show("g1");
    let machine = shown.as_object_mut().unwrap().remove("machine").unwrap();
    assert_eq!(shown, said.json());
    assert!(machine["pc"].is_u64() && machine["frames"][0]["variables"].is_array(), "{machine}");
}

#[test]
fn of_the_machine_of_an_execution() {
    let scene =
        Scene::with("shop", "const seen = new Map([['a', NaN]]);\nfunction ask(n) { return CC('?'); }\nask(-0);\n");
    scene.run(&["start", "shop", "--id", "s1", "--input", r#"{"a": 1}"#]).ended(3);
    let shown = scene.run(&["show", "s1", "--json"]).ended(0);
    assert_eq!(shown.json()["input"], serde_json::json!({"a": 1}));
    let mut machine = shown.json()["machine"].clone();
    for frame in machine["frames"].as_array_mut().unwrap() {
        frame["pc"] = "[n]".into();
    }
    machine["pc"] = "[n]".into();
    assert_snapshot!(serde_json::to_string_pretty(&machine).unwrap());
}

#[test]
fn of_an_execution_that_is_complete() {
    let scene = Scene::new();
    scene.file("greet.ts", GREET);
    scene.file("answers.json", r#"["Ada", "yes"]"#);
    assert_snapshot!(shape(
        &scene.run(&["run", "greet.ts", "--id", "g1", "--answers", "answers.json", "--json"]).ended(0)
    ));
}

#[test]
fn of_an_execution_that_failed() {
    let scene = Scene::with("fails", FAILS);
    assert_snapshot!(shape(&scene.run(&["start", "fails", "--id", "f1", "--json"]).ended(1)));
}

#[test]
fn of_a_program_that_was_loaded() {
    let scene = Scene::new();
    scene.file("greet.ts", GREET);
    assert_snapshot!(shape(&scene.run(&["load", "greet.ts", "--json"]).ended(0)));
}

#[test]
fn of_a_list() {
    let scene = Scene::greeting("g1");
    assert_snapshot!(shape(&scene.run(&["list", "--json"]).ended(0)));
}

#[test]
fn of_a_move() {
    let scene = Scene::greeting("g1");
    assert_snapshot!(shape(&scene.run(&["export", "all.jsonl", "--json"]).ended(0)));
    assert_snapshot!(shape(&scene.run(&["import", "all.jsonl", "--store", "file:new", "--json"]).ended(0)));
    assert_snapshot!(shape(&scene.run(&["info", "--json"]).ended(0)));
}

#[test]
fn of_a_source_that_does_not_compile() {
    let scene = Scene::new();
    scene.file("wrong.ts", "const a = 1\na.b = consle\nimport x from 'x'\n");
    assert_snapshot!(shape(&scene.run(&["load", "wrong.ts", "--json"]).ended(2)));
}

#[test]
fn of_a_rejected_command() {
    let scene = Scene::greeting("g1");
    assert_snapshot!(shape(&scene.run(&["show", "nobody", "--json"]).ended(5)));
    scene.run(&["answer", "g1", "--text", "Ada"]).ended(3);
    assert_snapshot!(shape(&scene.run(&["answer", "g1", "--text", "perhaps", "--json"]).ended(5)));
}

#[test]
fn of_wrong_use() {
    let scene = Scene::new();
    assert_snapshot!(shape(&scene.run(&["list", "--jsno", "--json"]).ended(2)));
    assert_snapshot!(shape(&scene.run(&["start", "x", "--json", "--input", "{a: 1}"]).ended(2)));
}

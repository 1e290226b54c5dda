//! `variables`, `show --full`, `health`, and the options for saving an execution.

use serde_json::json;

use super::support::{CliFixture, CliOutput, GREET};

const SHOP: &str = "\
const seen = new Map([['a', NaN]]);
const list = Array.from({ length: 150 }, (_, i) => i);
function ask(item, nothing) {
  const answer = CC('price of ' + item + '?');
  return nothing.rate * answer;
}
ask('tea', null);
";

#[test]
fn variables_are_shown_call_by_call_also_after_a_failure() {
    let scene = CliFixture::with("shop", SHOP);
    scene.run(&["start", "shop", "--id", "s1"]).expect_exit(3);
    let output = scene.run(&["variables", "s1"]).expect_exit(0).out;
    assert!(
        output.starts_with(
            "ask (line 4)\n  item = 'tea'\n  nothing = null\n  answer = <not yet assigned>\n<program> (line 7)\n"
        ),
        "{output}"
    );
    assert!(output.contains("\n  seen = Map(1) { 'a' => NaN }\n"), "{output}");
    assert!(output.contains("\n    ... 50 more items\n  ]\n"), "{output}");
    assert!(!scene.run(&["variables", "s1", "--full"]).expect_exit(0).out.contains("more items"));
    scene.run(&["answer", "s1", "--text", "3"]).expect_exit(1);
    assert_eq!(scene.run(&["variables", "s1", "answer"]).expect_exit(0).out, "ask (line 5)\n  answer = '3'\n");
    let frame = scene.run(&["variables", "s1", "seen", "--json"]).expect_exit(0).json();
    assert_eq!(frame["function"], "<program>");
    assert_eq!(frame["variables"][0]["value"], json!({"$map": [["a", {"$number": "NaN"}]]}));
    scene
        .run(&["variables", "s1", "price"])
        .expect_exit(5)
        .expect_stderr(&["variable `price` does not exist; execution `s1` has item, nothing, answer"]);
    scene.run(&["variables", "missing"]).expect_exit(5).expect_stderr(&["`missing`"]);
}

#[test]
fn show_says_where_an_execution_is_and_what_its_variables_hold() {
    let scene = CliFixture::with("shop", SHOP);
    scene.run(&["start", "shop", "--id", "s1", "--input", "[1]"]).expect_exit(3);
    let output = scene.run(&["show", "s1"]).expect_exit(0).out;
    assert!(output.contains("\ninput        [1]\n") && output.contains("\nat           line 4, column "), "{output}");
    assert!(output.contains("\nvariables\n  ask (line 4)\n    item = 'tea'\n"), "{output}");
    assert!(output.contains("values are truncated; to show them in full: runstate show s1 --full"), "{output}");
    let full = scene.run(&["show", "s1", "--full"]).expect_exit(0).out;
    assert!(full.contains(" 149\n") && !full.contains("values are truncated"), "{full}");
}

#[test]
fn health_says_whether_a_store_answers_and_can_be_written() {
    let scene = CliFixture::with("greet", GREET);
    assert_eq!(scene.run(&["health"]).expect_exit(0).out, "ok\n");
    assert_eq!(scene.run(&["health", "--json"]).expect_exit(0).json()["healthy"], true);
    scene.run(&["health", "--store", "file:nowhere"]).expect_exit(4).expect_stderr(&["there is no store"]);
    let identity = std::fs::read_to_string(scene.path().join("store/runstate.json")).unwrap();
    let damaged = scene.path().join("store/commits/0000000000000001.json");
    std::fs::write(&damaged, "{}").unwrap();
    assert_eq!(scene.run(&["health", "--json"]).expect_exit(4).error_code(), "corrupt", "{identity}");
}

#[test]
fn how_often_an_execution_is_saved_can_be_chosen() {
    let scene = CliFixture::with("busy", "let n = 0; for (let i = 0; i < 30000; i++) n += i; n");
    let commits = || std::fs::read_dir(scene.path().join("store/commits")).unwrap().count();
    let start = |id: &str, args: &[&str]| -> usize {
        let before = commits();
        scene.run(&[&["start", "busy", "--id", id][..], args].concat()).expect_exit(0);
        commits() - before
    };
    let plain = start("a", &[]);
    assert!(start("b", &["--save-every", "50000"]) > plain + 2);
    let before = commits();
    let mut command = scene.command(&["start", "busy", "--id", "c"]);
    CliOutput::from(command.env("RUNSTATE_SAVE_EVERY", "50000").output().unwrap()).expect_exit(0);
    assert!(commits() - before > plain + 2);
    assert_eq!(start("d", &["--save-every-bytes", "1MiB"]), plain);
    scene.run(&["start", "busy", "--id", "e", "--save-every", "0"]).expect_exit(2).expect_stderr(&["--save-every"]);
    scene
        .run(&["start", "busy", "--id", "e", "--save-every-bytes", "much"])
        .expect_exit(2)
        .expect_stderr(&["--save-every-bytes"]);
}

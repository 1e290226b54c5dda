//! `variables`, `show --full`, `health`, and how often an execution is saved.

use serde_json::json;

use super::support::{GREET, Said, Scene};

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
    let scene = Scene::with("shop", SHOP);
    scene.run(&["start", "shop", "--id", "s1"]).ended(3);
    let said = scene.run(&["variables", "s1"]).ended(0).out;
    assert!(
        said.starts_with(
            "ask (line 4)\n  item = 'tea'\n  nothing = null\n  answer = <not yet assigned>\n<program> (line 7)\n"
        ),
        "{said}"
    );
    assert!(said.contains("\n  seen = Map(1) { 'a' => NaN }\n"), "{said}");
    assert!(said.contains("\n    ... 50 more items\n  ]\n"), "{said}");
    assert!(!scene.run(&["variables", "s1", "--full"]).ended(0).out.contains("more items"));
    scene.run(&["answer", "s1", "--text", "3"]).ended(1);
    assert_eq!(scene.run(&["variables", "s1", "answer"]).ended(0).out, "ask (line 5)\n  answer = '3'\n");
    let frame = scene.run(&["variables", "s1", "seen", "--json"]).ended(0).json();
    assert_eq!(frame["function"], "<program>");
    assert_eq!(frame["variables"][0]["value"], json!({"$map": [["a", {"$number": "NaN"}]]}));
    scene
        .run(&["variables", "s1", "price"])
        .ended(5)
        .explains(&["variable `price` does not exist; execution `s1` has item, nothing, answer"]);
    scene.run(&["variables", "nobody"]).ended(5).explains(&["`nobody`"]);
}

#[test]
fn show_says_where_an_execution_is_and_what_its_variables_hold() {
    let scene = Scene::with("shop", SHOP);
    scene.run(&["start", "shop", "--id", "s1", "--input", "[1]"]).ended(3);
    let said = scene.run(&["show", "s1"]).ended(0).out;
    assert!(said.contains("\ninput        [1]\n") && said.contains("\nat           line 4, column "), "{said}");
    assert!(said.contains("\nvariables\n  ask (line 4)\n    item = 'tea'\n"), "{said}");
    assert!(said.contains("not everything is shown; all of it: runstate show s1 --full"), "{said}");
    let full = scene.run(&["show", "s1", "--full"]).ended(0).out;
    assert!(full.contains(" 149\n") && !full.contains("not everything is shown"), "{full}");
}

#[test]
fn health_says_whether_a_store_answers_and_can_be_written() {
    let scene = Scene::with("greet", GREET);
    scene.run(&["health"]).ended(0);
    assert_eq!(scene.run(&["health", "--json"]).ended(0).json()["healthy"], true);
    scene.run(&["health", "--store", "file:nowhere"]).ended(4).explains(&["there is no store"]);
    let identity = std::fs::read_to_string(scene.path().join("store/runstate.json")).unwrap();
    let damaged = scene.path().join("store/commits/0000000000000001.json");
    std::fs::write(&damaged, "{}").unwrap();
    assert_eq!(scene.run(&["health", "--json"]).ended(4).error_code(), "corrupt", "{identity}");
}

#[test]
fn how_often_an_execution_is_saved_can_be_chosen() {
    let scene = Scene::with("busy", "let n = 0; for (let i = 0; i < 30000; i++) n += i; n");
    let commits = || std::fs::read_dir(scene.path().join("store/commits")).unwrap().count();
    let start = |id: &str, args: &[&str]| -> usize {
        let before = commits();
        scene.run(&[&["start", "busy", "--id", id][..], args].concat()).ended(0);
        commits() - before
    };
    let plain = start("a", &[]);
    assert!(start("b", &["--save-every", "50000"]) > plain + 2);
    let before = commits();
    let mut command = scene.command(&["start", "busy", "--id", "c"]);
    Said::from(command.env("RUNSTATE_SAVE_EVERY", "50000").output().unwrap()).ended(0);
    assert!(commits() - before > plain + 2);
    assert_eq!(start("d", &["--save-every-bytes", "1MiB"]), plain);
    scene.run(&["start", "busy", "--id", "e", "--save-every", "0"]).ended(2).explains(&["--save-every"]);
    scene.run(&["start", "busy", "--id", "e", "--save-every-bytes", "much"]).ended(2).explains(&["--save-every-bytes"]);
}

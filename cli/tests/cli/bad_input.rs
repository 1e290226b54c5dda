//! What people get wrong, each with a message that helps and a store that is as it was.

use std::process::Stdio;

use insta::assert_snapshot;

use super::support::{FAILS, FOREVER, GREET, Scene};

#[test]
fn an_unknown_flag_is_told_with_the_nearest_one() {
    let scene = Scene::new();
    scene.run(&["list", "--limt", "3"]).ended(2).explains(&["--limt", "--limit"]);
    scene.run(&["resum", "x"]).ended(2).explains(&["resum", "resume"]);
}

#[test]
fn input_that_is_not_json_is_shown_with_its_place() {
    let scene = Scene::new();
    assert_snapshot!(scene.run(&["start", "greet", "--input", "{\"a\": yes}"]).ended(2).text(), @r#"
    --- stderr
    error: --input is not JSON: expected value at line 1 column 7
        {"a": yes}
              ^
    "#);
    scene.run(&["answer", "x", "--json-value", "[1,"]).ended(2).explains(&["--json-value is not JSON", "line 1"]);
}

#[test]
fn a_file_of_answers_that_is_none_is_refused_before_anything_is_begun() {
    let scene = Scene::new();
    scene.file("greet.ts", GREET);
    for (text, words) in [("[\"a\"", "EOF"), ("{}", "no array"), ("\"a\"", "no array")] {
        scene.file("answers.json", text);
        let said = scene.run(&["run", "greet.ts", "--answers", "answers.json"]).ended(2);
        said.explains(&["answers.json", words, "must be a JSON array"]);
    }
    scene.run(&["run", "greet.ts", "--answers", "none.json"]).ended(2).explains(&["none.json", "No such file"]);
    assert_eq!(scene.run(&["list", "--json"]).values().len(), 0);
}

#[test]
fn any_legal_id_is_taken_as_it_is() {
    let scene = Scene::with("greet", GREET);
    for id in ["../up", "/etc/passwd", "CON", "nul.txt", "Ünï 🦀", "twin", "Twin", "TWIN", "a b", "%2e", "~", "."] {
        scene.run(&["start", "greet", "--id", id]).ended(3);
        scene.run(&["answer", id, "--text", id]).ended(3);
        assert_eq!(scene.show(id)["output"][0], format!("Hello, {id}"));
    }
    assert_eq!(scene.run(&["list", "--json"]).values().len(), 12);
    let names: Vec<_> = std::fs::read_dir(scene.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "an id became a file: {names:?}");
}

#[test]
fn an_id_that_is_too_long_or_has_control_characters_is_refused() {
    let scene = Scene::with("greet", GREET);
    let long = "x".repeat(300);
    scene.run(&["start", "greet", "--id", &long]).ended(5).explains(&["at most 200 bytes", "300"]);
    scene.run(&["start", "greet", "--id", "a\nb"]).ended(5).explains(&["control characters"]);
    scene.run(&["start", "greet", "--id", ""]).ended(5).explains(&["may not be empty"]);
    scene.run(&["start", "greet", "--command-id", &long]).ended(5).explains(&["at most 200 bytes"]);
    scene.run(&["show", &long]).ended(5);
    assert_eq!(scene.run(&["list", "--json"]).values().len(), 0);
}

#[test]
fn a_program_or_execution_that_is_not_there_is_told_with_what_to_do() {
    let scene = Scene::new();
    scene.run(&["list"]).ended(4).explains(&["there is no store at store"]);
    scene.file("greet.ts", "CC(\"?\")");
    scene.run(&["load", "greet.ts"]).ended(0);
    scene.run(&["start", "nothing"]).ended(5).explains(&["program `nothing` does not exist", "load it first"]);
    scene.run(&["next", "nobody"]).ended(5).explains(&["execution `nobody` does not exist", "list"]);
}

#[test]
fn a_syntax_error_is_shown_in_its_line() {
    let scene = Scene::new();
    scene.file("wrong.ts", "const a = 1\nlet b = (a +\n");
    let said = scene.run(&["run", "wrong.ts"]).ended(2);
    said.explains(&["wrong.ts:", "syntax error", "^"]);
    assert_eq!(scene.run(&["run", "wrong.ts", "--json"]).error_code(), "compile_error");
}

#[test]
fn a_name_that_is_not_there_is_told_with_the_nearest_one() {
    let scene = Scene::new();
    scene.file("wrong.ts", "\tconsle.log('x')\n");
    assert_snapshot!(scene.run(&["load", "wrong.ts"]).ended(2).text());
}

#[test]
fn byte_order_mark_and_crlf_are_no_part_of_a_program() {
    let scene = Scene::new();
    scene.file("bom.ts", "\u{FEFF}const a = `x\r\ny`\r\nconsole.log(a.length)\r\n// end\r\n");
    assert_eq!(scene.run(&["run", "bom.ts"]).ended(0).out, "3\n");
    scene.file("bom.ts", "\u{FEFF}let a = 1\r\nlet b = c\r\n");
    scene.run(&["load", "bom.ts"]).ended(2).explains(&["bom.ts:2:9"]);
}

#[test]
fn a_source_of_10_mb_is_refused_with_its_size() {
    let scene = Scene::new();
    scene.file("large.ts", "// large\n".repeat(10 * 1024 * 1024 / 9));
    scene.run(&["load", "large.ts"]).ended(2).explains(&["large.ts", "10485756 bytes", "at most 1048576"]);
}

#[test]
fn ten_thousand_parentheses_are_refused() {
    let scene = Scene::new();
    scene.file("deep.ts", format!("const a = {}1{}", "(".repeat(10_000), ")".repeat(10_000)));
    scene.run(&["load", "deep.ts"]).ended(2).explains(&["deep.ts:1:", "nested too deeply"]);
}

#[test]
fn a_source_that_is_not_utf8_is_refused_with_its_place() {
    let scene = Scene::new();
    scene.file("latin.ts", b"const a = 1\nconst b = 'caf\xe9'\n");
    scene.run(&["load", "latin.ts"]).ended(2).explains(&["latin.ts:2:15", "UTF-8"]);
}

#[test]
fn a_source_that_cannot_be_read_is_told() {
    let scene = Scene::new();
    scene.run(&["run", "none.ts"]).ended(2).explains(&["none.ts cannot be read", "No such file"]);
    scene.run(&["run", "."]).ended(2).explains(&["cannot be read"]);
    assert_eq!(scene.run(&["run", "none.ts", "--json"]).ended(2).error_code(), "io");
}

#[test]
fn an_answer_to_the_wrong_call_is_refused() {
    let scene = Scene::greeting("g1");
    scene.run(&["start", "greet", "--id", "g2"]).ended(3);
    let other = scene.show("g2")["calls"][0]["callId"].as_str().unwrap().to_owned();
    scene.run(&["answer", "g1", "--call", &other, "--text", "x"]).ended(5).explains(&["belongs to `g2`"]);
    scene
        .run(&["answer", "g1", "--call", "nothing", "--text", "x"])
        .ended(5)
        .explains(&["call `nothing` does not exist"]);
    assert_eq!(scene.status("g2"), "waiting_cc");
}

#[test]
fn an_answer_outside_of_the_choices_is_refused_with_what_is_allowed() {
    let scene = Scene::greeting("g1");
    scene.run(&["answer", "g1", "--text", "Ada"]).ended(3);
    let before = scene.show("g1");
    scene
        .run(&["answer", "g1", "--text", "perhaps"])
        .ended(5)
        .explains(&[r#"one of "yes", "no""#, "nothing was changed"]);
    assert_eq!(scene.show("g1"), before);
}

#[test]
fn an_answer_to_what_waits_for_none_is_refused() {
    let scene = Scene::new();
    scene.file("done.ts", "1");
    scene.run(&["run", "done.ts", "--id", "d"]).ended(0);
    scene.run(&["answer", "d", "--text", "x"]).ended(5).explains(&["is complete", "nothing was changed"]);
    scene.file("fails.ts", FAILS);
    scene.run(&["run", "fails.ts", "--id", "et"]).ended(1);
    scene.run(&["answer", "et", "--text", "x"]).ended(5).explains(&["`et` has failed: `answer` is not possible"]);
}

#[test]
fn an_answer_of_100_mb_is_refused_after_its_first() {
    let scene = Scene::greeting("g1");
    let hundred = vec![b'x'; 100 * 1024 * 1024];
    let said = scene.run_with(&["answer", "g1", "--file", "-"], &hundred).ended(5);
    said.explains(&["larger than 1048576 bytes", "nothing was changed"]);
    scene.run_with(&["resume", "g1"], &hundred).ended(5).explains(&["larger than 1048576 bytes"]);
    // A file whose end never comes.
    scene.run(&["answer", "g1", "--file", "/dev/zero"]).ended(5).explains(&["larger than"]);
    assert_eq!(scene.status("g1"), "waiting_cc");
}

#[test]
fn an_answer_that_is_not_utf8_is_refused_with_its_place() {
    let scene = Scene::greeting("g1");
    let said = scene.run_with(&["answer", "g1", "--file", "-"], b"caf\xe9\n").ended(5);
    said.explains(&["standard input is not text in UTF-8", "byte 4", "base64"]);
    scene.run_with(&["resume", "g1"], b"caf\xe9\n").ended(5).explains(&["byte 4"]);
    assert_eq!(scene.status("g1"), "waiting_cc");
}

#[test]
fn an_answer_is_given_in_exactly_one_way() {
    let scene = Scene::greeting("g1");
    scene.run(&["answer", "g1"]).ended(2).explains(&["--text", "--json-value", "--file"]);
    scene.run(&["answer", "g1", "--text", "a", "--file", "b"]).ended(2).explains(&["cannot be used with"]);
}

#[test]
fn an_infinite_loop_stops_at_its_limit_with_its_state_saved() {
    let scene = Scene::with("forever", FOREVER);
    let start = ["start", "forever", "--id", "f", "--max-instructions", "2500000"];
    scene.run(&start).ended(1).explains(&["f failed at line 1", "instructions"]);
    let shown = scene.show("f");
    assert_eq!(shown["status"], "error");
    assert!(shown["metrics"]["instructionsExecuted"].as_u64().unwrap() >= 2_000_000);
    let mut command = scene.command(&["start", "forever", "--id", "e"]);
    let said: super::support::Said = command.env("RUNSTATE_MAX_INSTRUCTIONS", "1000").output().unwrap().into();
    said.ended(1).explains(&["instructions"]);
}

#[test]
fn an_infinite_recursion_stops_at_its_limit() {
    let scene = Scene::new();
    scene.file("deeper.ts", "function deeper(n) { return deeper(n + 1) + 1 }\ndeeper(0)\n");
    scene.run(&["run", "deeper.ts", "--id", "d"]).ended(1).explains(&["d failed at line 1"]);
    assert_eq!(scene.status("d"), "error");
}

#[test]
fn a_text_that_grows_for_ever_stops_at_its_limit() {
    let scene = Scene::new();
    scene.file("grows.ts", "let text = 'x'\nwhile (true) text = text.repeat(1000)\n");
    scene.run(&["run", "grows.ts", "--id", "g"]).ended(1).explains(&["g failed at line 2", "string length limit"]);
    assert_eq!(scene.status("g"), "error");
}

#[test]
fn a_pipe_that_nobody_writes_to_counts_as_nobody() {
    let scene = Scene::new();
    scene.file("greet.ts", GREET);
    let mut child = scene.spawn(&["run", "greet.ts", "--id", "g"], Stdio::piped());
    let _open = child.stdin.take();
    assert_eq!(child.wait().unwrap().code(), Some(3));
}

#[test]
fn a_url_where_none_belongs_is_not_repeated_with_its_password() {
    let scene = Scene::with("greet", GREET);
    let url = "mongodb://ann:secret@host/app?tlsCertificateKeyFilePassword=secret";
    for args in [&["info"][..], &[], &["list", "--limit"], &["run"], &["show"], &["delete", "--yes"]] {
        for json in [&[][..], &["--json"]] {
            let said = scene.run(&[args, &[url], json].concat());
            let all = format!("{}{}", said.out, said.err);
            assert!(
                said.code != Some(0) && !all.contains("secret") && all.contains("mongodb://…@host/app?…"),
                "{args:?}: {all}"
            );
        }
    }
}

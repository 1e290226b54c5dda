//! Wrong input: each error has a helpful message, and the store is unchanged.

use std::process::Stdio;

use insta::assert_snapshot;

use crate::support::{CliFixture, FAILS, FOREVER, GREET};

#[test]
fn an_unknown_flag_suggests_the_nearest_one() {
    let scene = CliFixture::new();
    scene.run(&["list", "--limt", "3"]).expect_exit(2).expect_stderr(&["--limt", "--limit"]);
    scene.run(&["resum", "x"]).expect_exit(2).expect_stderr(&["resum", "resume"]);
}

#[test]
fn another_spelling_of_a_command_names_it() {
    let scene = CliFixture::new();
    for (typed, command) in [
        ("execution list", "apps execution list"),
        ("--store file:x fleet budget create p", "budget create"),
        ("session list", "sessions list"),
        ("task add s", "sessions task add"),
        ("cvm claim --kinds cc", "runs claim"),
        ("artifact rm A1", "apps artifact delete"),
        ("apps artifact remove A1", "apps artifact delete"),
        ("program rm greet", "program delete"),
        ("rm r1", "delete"),
        ("help execution", "apps execution"),
    ] {
        let output = scene.run(&typed.split(' ').collect::<Vec<_>>()).expect_exit(2);
        output.expect_stderr(&["unrecognized subcommand", &format!("a similar subcommand exists: '{command}'")]);
    }
    let error = scene.run(&["execution", "list", "--json"]).expect_exit(2).json()["error"]["message"].clone();
    assert!(error.as_str().unwrap().contains("'apps execution list'"), "{error}");
}

#[test]
fn invalid_json_input_is_shown_with_its_position() {
    let scene = CliFixture::new();
    assert_snapshot!(scene.run(&["start", "greet", "--input", "{\"a\": yes}"]).expect_exit(2).text(), @r#"
    --- stderr
    error: --input is not JSON: expected value at line 1 column 7; put text in double quotes
        {"a": yes}
              ^
    "#);
    scene
        .run(&["answer", "x", "--json-value", "[1,"])
        .expect_exit(2)
        .expect_stderr(&["--json-value is not JSON", "line 1"]);
}

#[test]
fn only_a_text_that_is_not_json_is_to_be_quoted() {
    let scene = CliFixture::new();
    let hint = "put text in double quotes";
    for text in ["yes", "nope", "'a'", "{a: 1}"] {
        scene.run(&["start", "greet", "--input", text]).expect_exit(2).expect_stderr(&["--input is not JSON", hint]);
    }
    for text in ["1e400", r#""\ud800""#, &"[".repeat(200), "", "[1,", "[1 2]"] {
        let output = scene.run(&["start", "greet", "--input", text]).expect_exit(2);
        assert!(output.err.contains("--input is not JSON") && !output.err.contains(hint), "{}", output.err);
    }
}

#[test]
fn an_integer_that_json_readers_round_is_refused() {
    let scene = CliFixture::new();
    let output = scene.run(&["start", "greet", "--input", "[18446744073709551617]"]).expect_exit(2);
    output.expect_stderr(&["the integer 18446744073709551617 is beyond"]);
}

#[test]
fn json_is_read_from_a_file_or_standard_input() {
    let scene = CliFixture::with("echo", "function main(input) { return [input, CC('?')]; }");
    scene.file("in.json", "{\"a\": 1}\n");
    scene.run(&["start", "echo", "--id", "f", "--input", "@in.json"]).expect_exit(3);
    scene.run_with(&["start", "echo", "--id", "s", "--input", "-"], "[2]").expect_exit(3);
    scene.run(&["answer", "f", "--json-value", "@in.json"]).expect_exit(0);
    scene.run_with(&["answer", "s", "--json-value", "-"], "{}\n").expect_exit(0);
    assert_eq!(scene.show("f")["result"], serde_json::json!([{ "a": 1 }, { "a": 1 }]));
    assert_eq!(scene.show("s")["result"], serde_json::json!([[2], {}]));
    scene.run(&["start", "echo", "--input", "@none.json"]).expect_exit(2).expect_stderr(&["none.json cannot be read"]);
    scene
        .run(&["start", "echo", "--input", "@"])
        .expect_exit(2)
        .expect_stderr(&["--input: the name of the file is missing"]);
    scene.file("bom.json", "\u{FEFF}[3]");
    scene.run(&["start", "echo", "--id", "b", "--input", "@bom.json"]).expect_exit(3);
    assert_eq!(scene.show("b")["input"], serde_json::json!([3]));
    scene.file("bad.json", "{a");
    scene.run(&["start", "echo", "--input", "@bad.json"]).expect_exit(2).expect_stderr(&["--input is not JSON"]);
}

#[test]
fn an_invalid_answers_file_is_refused_before_the_run_starts() {
    let scene = CliFixture::new();
    scene.file("greet.ts", GREET);
    for (text, words) in [("[\"a\"", "EOF"), ("{}", "not an array"), ("\"a\"", "not an array")] {
        scene.file("answers.json", text);
        let output = scene.run(&["run", "greet.ts", "--answers", "answers.json"]).expect_exit(2);
        output.expect_stderr(&["answers.json", words, "must be a JSON array"]);
    }
    scene
        .run(&["run", "greet.ts", "--answers", "none.json"])
        .expect_exit(2)
        .expect_stderr(&["none.json", "No such file"]);
    assert_eq!(scene.run(&["list", "--json"]).values().len(), 0);
}

#[test]
fn any_legal_id_is_taken_as_it_is() {
    let scene = CliFixture::with("greet", GREET);
    for id in ["../up", "/etc/passwd", "CON", "nul.txt", "Ünï 🦀", "twin", "Twin", "TWIN", "a b", "%2e", "~", "."] {
        scene.run(&["start", "greet", "--id", id]).expect_exit(3);
        scene.run(&["answer", id, "--text", id]).expect_exit(3);
        assert_eq!(scene.show(id)["output"][0], format!("Hello, {id}"));
    }
    assert_eq!(scene.run(&["list", "--json"]).values().len(), 12);
    let names: Vec<_> = std::fs::read_dir(scene.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "an id became a file: {names:?}");
}

#[test]
fn an_id_that_is_too_long_or_has_control_characters_is_refused() {
    let scene = CliFixture::with("greet", GREET);
    let long = "x".repeat(300);
    scene.run(&["start", "greet", "--id", &long]).expect_exit(5).expect_stderr(&["at most 200 bytes", "300"]);
    scene.run(&["start", "greet", "--id", "a\nb"]).expect_exit(5).expect_stderr(&["control characters"]);
    scene.run(&["start", "greet", "--id", ""]).expect_exit(5).expect_stderr(&["may not be empty"]);
    scene.run(&["start", "greet", "--command-id", &long]).expect_exit(5).expect_stderr(&["at most 200 bytes"]);
    scene.run(&["show", &long]).expect_exit(5);
    assert_eq!(scene.run(&["list", "--json"]).values().len(), 0);
}

#[test]
fn an_unknown_program_or_execution_gets_a_hint() {
    let scene = CliFixture::new();
    scene.run(&["list"]).expect_exit(4).expect_stderr(&["there is no store at store"]);
    scene.file("greet.ts", "CC(\"?\")");
    scene.run(&["load", "greet.ts"]).expect_exit(0);
    scene
        .run(&["start", "nothing"])
        .expect_exit(5)
        .expect_stderr(&["program `nothing` does not exist", "load it first"]);
    scene.run(&["next", "missing"]).expect_exit(5).expect_stderr(&["execution `missing` does not exist", "list"]);
}

#[test]
fn a_syntax_error_is_shown_in_its_line() {
    let scene = CliFixture::new();
    scene.file("wrong.ts", "const a = 1\nlet b = (a +\n");
    let output = scene.run(&["run", "wrong.ts"]).expect_exit(2);
    output.expect_stderr(&["wrong.ts:", "syntax error", "^"]);
    assert_eq!(scene.run(&["run", "wrong.ts", "--json"]).error_code(), "compile_error");
}

#[test]
fn an_undefined_name_suggests_the_nearest_one() {
    let scene = CliFixture::new();
    scene.file("wrong.ts", "\tconsle.log('x')\n");
    assert_snapshot!(scene.run(&["load", "wrong.ts"]).expect_exit(2).text());
}

#[test]
fn byte_order_mark_and_crlf_are_ignored_in_a_source() {
    let scene = CliFixture::new();
    scene.file("bom.ts", "\u{FEFF}const a = `x\r\ny`\r\nconsole.log(a.length)\r\n// end\r\n");
    assert_eq!(scene.run(&["run", "bom.ts"]).expect_exit(0).out, "3\n");
    scene.file("bom.ts", "\u{FEFF}let a = 1\r\nlet b = c\r\n");
    scene.run(&["load", "bom.ts"]).expect_exit(2).expect_stderr(&["bom.ts:2:9"]);
}

#[test]
fn a_source_of_10_mb_is_refused_with_its_size() {
    let scene = CliFixture::new();
    scene.file("large.ts", "// large\n".repeat(10 * 1024 * 1024 / 9));
    scene.run(&["load", "large.ts"]).expect_exit(2).expect_stderr(&["large.ts", "10485756 bytes", "at most 1048576"]);
}

#[test]
fn ten_thousand_parentheses_are_refused() {
    let scene = CliFixture::new();
    scene.file("deep.ts", format!("const a = {}1{}", "(".repeat(10_000), ")".repeat(10_000)));
    scene.run(&["load", "deep.ts"]).expect_exit(2).expect_stderr(&["deep.ts:1:", "nested too deeply"]);
}

#[test]
fn a_source_that_is_not_utf8_is_refused_with_its_place() {
    let scene = CliFixture::new();
    scene.file("latin.ts", b"const a = 1\nconst b = 'caf\xe9'\n");
    scene.run(&["load", "latin.ts"]).expect_exit(2).expect_stderr(&["latin.ts:2:15", "UTF-8"]);
}

#[test]
fn an_unreadable_source_is_an_io_error() {
    let scene = CliFixture::new();
    scene.run(&["run", "none.ts"]).expect_exit(2).expect_stderr(&["none.ts cannot be read", "No such file"]);
    scene.run(&["run", "."]).expect_exit(2).expect_stderr(&[". has neither main.ts, index.ts nor a package.json"]);
    assert_eq!(scene.run(&["run", "none.ts", "--json"]).expect_exit(2).error_code(), "io");
}

#[test]
fn an_answer_to_the_wrong_call_is_refused() {
    let scene = CliFixture::greeting("g1");
    scene.run(&["start", "greet", "--id", "g2"]).expect_exit(3);
    let other = scene.show("g2")["calls"][0]["id"].as_str().unwrap().to_owned();
    scene.run(&["answer", "g1", "--call", &other, "--text", "x"]).expect_exit(5).expect_stderr(&["belongs to `g2`"]);
    scene
        .run(&["answer", "g1", "--call", "nothing", "--text", "x"])
        .expect_exit(5)
        .expect_stderr(&["call `nothing` does not exist"]);
    assert_eq!(scene.status("g2"), "waiting_cc");
}

#[test]
fn an_answer_outside_of_the_choices_is_refused_with_what_is_allowed() {
    let scene = CliFixture::greeting("g1");
    scene.run(&["answer", "g1", "--text", "Ada"]).expect_exit(3);
    let before = scene.show("g1");
    scene
        .run(&["answer", "g1", "--text", "perhaps"])
        .expect_exit(5)
        .expect_stderr(&[r#"one of "yes", "no""#, "nothing was changed"]);
    assert_eq!(scene.show("g1"), before);
}

#[test]
fn an_answer_to_an_execution_that_does_not_wait_is_refused() {
    let scene = CliFixture::new();
    scene.file("done.ts", "1");
    scene.run(&["run", "done.ts", "--id", "d"]).expect_exit(0);
    scene.run(&["answer", "d", "--text", "x"]).expect_exit(5).expect_stderr(&["is complete", "nothing was changed"]);
    scene.file("fails.ts", FAILS);
    scene.run(&["run", "fails.ts", "--id", "et"]).expect_exit(1);
    scene
        .run(&["answer", "et", "--text", "x"])
        .expect_exit(5)
        .expect_stderr(&["`et` has failed: `answer` is not possible"]);
}

#[test]
fn an_oversized_answer_is_refused_without_reading_it_all() {
    let scene = CliFixture::greeting("g1");
    let hundred = vec![b'x'; 100 * 1024 * 1024];
    let output = scene.run_with(&["answer", "g1", "--file", "-"], &hundred).expect_exit(5);
    output.expect_stderr(&["larger than 1048576 bytes", "nothing was changed"]);
    scene.run_with(&["resume", "g1"], &hundred).expect_exit(5).expect_stderr(&["larger than 1048576 bytes"]);
    // A file whose end never comes.
    scene.run(&["answer", "g1", "--file", "/dev/zero"]).expect_exit(5).expect_stderr(&["larger than"]);
    assert_eq!(scene.status("g1"), "waiting_cc");
}

#[test]
fn an_answer_that_is_not_utf8_is_refused_with_its_place() {
    let scene = CliFixture::greeting("g1");
    let output = scene.run_with(&["answer", "g1", "--file", "-"], b"caf\xe9\n").expect_exit(5);
    output.expect_stderr(&["standard input is not valid UTF-8", "byte 4", "base64"]);
    scene.run_with(&["resume", "g1"], b"caf\xe9\n").expect_exit(5).expect_stderr(&["byte 4"]);
    assert_eq!(scene.status("g1"), "waiting_cc");
}

#[test]
fn an_answer_is_given_in_exactly_one_way() {
    let scene = CliFixture::greeting("g1");
    scene.run(&["answer", "g1"]).expect_exit(2).expect_stderr(&["--text", "--json-value", "--file"]);
    scene.run(&["answer", "g1", "--text", "a", "--file", "b"]).expect_exit(2).expect_stderr(&["cannot be used with"]);
}

#[test]
fn an_infinite_loop_stops_at_its_limit_with_its_state_saved() {
    let scene = CliFixture::with("forever", FOREVER);
    let start = ["start", "forever", "--id", "f", "--max-instructions", "2500000"];
    scene.run(&start).expect_exit(1).expect_stderr(&["f failed at line 1", "instructions"]);
    let shown = scene.show("f");
    assert_eq!(shown["status"], "error");
    assert!(shown["metrics"]["instructionsExecuted"].as_u64().unwrap() >= 2_000_000);
    let mut command = scene.command(&["start", "forever", "--id", "e"]);
    let output: crate::support::CliOutput = command.env("RUNSTATE_MAX_INSTRUCTIONS", "1000").output().unwrap().into();
    output.expect_exit(1).expect_stderr(&["instructions"]);
}

#[test]
fn an_infinite_recursion_stops_at_its_limit() {
    let scene = CliFixture::new();
    scene.file("deeper.ts", "function deeper(n) { return deeper(n + 1) + 1 }\ndeeper(0)\n");
    scene.run(&["run", "deeper.ts", "--id", "d"]).expect_exit(1).expect_stderr(&["d failed at line 1"]);
    assert_eq!(scene.status("d"), "error");
}

#[test]
fn a_text_that_grows_for_ever_stops_at_its_limit() {
    let scene = CliFixture::new();
    scene.file("grows.ts", "let text = 'x'\nwhile (true) text = text.repeat(1000)\n");
    scene
        .run(&["run", "grows.ts", "--id", "g"])
        .expect_exit(1)
        .expect_stderr(&["g failed at line 2", "string length limit"]);
    assert_eq!(scene.status("g"), "error");
}

#[test]
fn a_silent_pipe_counts_as_no_answer() {
    let scene = CliFixture::new();
    scene.file("greet.ts", GREET);
    let mut child = scene.spawn(&["run", "greet.ts", "--id", "g"], Stdio::piped());
    let _open = child.stdin.take();
    assert_eq!(child.wait().unwrap().code(), Some(3));
}

#[test]
fn a_misplaced_url_is_printed_without_its_password() {
    let scene = CliFixture::with("greet", GREET);
    let url = "mongodb://ann:secret@host/app?tlsCertificateKeyFilePassword=secret";
    for args in [&["info"][..], &[], &["list", "--limit"], &["run"], &["show"], &["delete", "--yes"]] {
        for json in [&[][..], &["--json"]] {
            let output = scene.run(&[args, &[url], json].concat());
            let all = format!("{}{}", output.out, output.err);
            assert!(
                output.code != Some(0) && !all.contains("secret") && all.contains("mongodb://…@host/app?…"),
                "{args:?}: {all}"
            );
        }
    }
}

//! Commands that answer: workers, and the loop that drives one execution.
#![cfg(unix)]

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};

use serde_json::Value as Json;

use super::support::{GREET, Said, Scene, Signal, send, until};

/// One question.
const ONE: &str = r#"function main() { const a = CC("one?"); console.log("got", a); return a; }"#;

/// A tool, and what becomes of its failure.
const TOOL: &str = r#"
function main() {
  try { return call("search", { for: "x" }); } catch (e) { return e.name + ": " + e.message; }
}"#;

/// Whether a process runs still. One that nobody has waited for yet does not.
fn is_there(pid: &str) -> bool {
    let state = Command::new("ps").args(["-o", "stat=", "-p", pid]).output().unwrap().stdout;
    !state.is_empty() && !state.starts_with(b"Z")
}

fn lines(scene: &Scene, file: &str) -> Vec<String> {
    std::fs::read_to_string(scene.path().join(file)).unwrap_or_default().lines().map(str::to_owned).collect()
}

fn with(source: &str, ids: &[&str]) -> Scene {
    let scene = Scene::with("program", source);
    for id in ids {
        scene.run(&["start", "program", "--id", id]).ended(3);
    }
    scene
}

impl Scene {
    fn work(&self, exec: &str, more: &[&str]) -> Said {
        self.run(&[&["work", "--kind", "cc", "--drain", "--exec", exec], more].concat())
    }

    fn result(&self, id: &str) -> Json {
        self.show(id)["result"].clone()
    }
}

#[test]
fn a_worker_answers_until_nothing_is_open_and_says_what_it_did() {
    let scene = with(GREET, &["a", "b"]);
    let said = scene.work("case $(cat) in Who*) echo Ada;; *) echo yes;; esac", &["--owner", "w"]).ended(0);
    said.explains(&["w serves cc", "answered a call 1 (cc) in ", "answered b call 2 (cc) in "]);
    assert_eq!(scene.result("a"), serde_json::json!({"name": "Ada", "fine": "yes"}));
    assert_eq!(scene.status("b"), "complete");
}

#[test]
fn programs_read_a_line_for_each_call() {
    let scene = with(ONE, &["a"]);
    let line = scene.work("echo hi", &["--json"]).ended(0).json();
    assert_eq!((&line["event"], &line["execution"], &line["step"]), (&"answered".into(), &"a".into(), &1.into()));
    assert_eq!((&line["kind"], &line["status"]), (&"cc".into(), &"complete".into()));
}

#[test]
fn a_command_knows_its_call_and_what_is_expected() {
    let scene = with(GREET, &["a"]);
    let exec = "cat >> prompts; env | grep ^RUNSTATE_ | grep -v STORE | sort >> env; echo yes";
    scene.work(exec, &[]).ended(0);
    assert_eq!(lines(&scene, "prompts"), ["Who is there?", "All fine?", "", "Answer with one of: yes, no"]);
    let env = lines(&scene, "env");
    for set in ["RUNSTATE_EXECUTION=a", "RUNSTATE_PROGRAM=program", "RUNSTATE_KIND=cc", "RUNSTATE_ATTEMPT=1"] {
        assert!(env.contains(&set.to_owned()), "{set} is missing in {env:?}");
    }
    assert!(env.contains(&r#"RUNSTATE_CHOICES=["yes","no"]"#.to_owned()), "{env:?}");
}

#[test]
fn a_tool_is_given_its_arguments_and_answers_with_json() {
    let scene = with(TOOL, &["a"]);
    let said = scene.run(&["work", "--kind", "search", "--drain", "--exec", "sed 's/for/found/'"]).ended(0);
    said.explains(&["answered a call 1 (search)"]);
    assert_eq!(scene.result("a"), serde_json::json!({"found": "x"}));
}

#[test]
fn a_failure_is_tried_again_and_again_until_its_program_is_told() {
    let scene = with(TOOL, &["a"]);
    let exec = "echo try >> tries; echo no luck >&2; exit 1";
    let said = scene.run(&["work", "--kind", "search", "--drain", "--attempts", "2", "--exec", exec]).ended(0);
    said.explains(&[
        "a call 1 | no luck",
        "failed a call 1 (search) in ",
        "attempt 1, again at ",
        "for good: the command ended with exit code 1: no luck",
    ]);
    assert_eq!(lines(&scene, "tries").len(), 2);
    assert_eq!(scene.result("a"), "CallError: the command ended with exit code 1: no luck");
}

#[test]
fn a_call_that_failed_once_may_succeed_later() {
    let scene = with(ONE, &["a"]);
    let exec = "echo x >> tries; [ $(wc -l < tries) -lt 2 ] && exit 1; echo done";
    scene.work(exec, &[]).ended(0);
    assert_eq!((lines(&scene, "tries").len(), scene.result("a")), (2, "done".into()));
}

#[test]
fn a_command_that_is_missing_ends_the_worker_and_costs_the_call_nothing() {
    let scene = with(ONE, &["a"]);
    let said = scene.run(&["work", "--kind", "cc", "--exec", "no-such-command"]).ended(2);
    said.explains(&["error: `no-such-command` cannot be run", "released a call 1"]);
    scene.file("plain.txt", "no program");
    scene.run(&["work", "--kind", "cc", "--exec", "./plain.txt"]).ended(2).explains(&["cannot be run"]);
    // Nothing was tried: it is the first attempt still.
    scene.work("echo $RUNSTATE_ATTEMPT", &[]).ended(0);
    assert_eq!(scene.result("a"), "1");
}

#[test]
fn a_command_that_hangs_is_ended_with_all_it_started() {
    let scene = Scene::with("program", TOOL);
    // A busy machine may take longer to start the command than the command may take.
    for (timeout, seconds) in [("500ms", "0.5"), ("5s", "5"), ("50s", "50")] {
        scene.run(&["start", "program", "--id", timeout]).ended(3);
        let exec = "sleep 1000 & echo $! > pid; sleep 1000";
        let worker = ["work", "--kind", "search", "--drain", "--attempts", "1", "--timeout", timeout, "--exec", exec];
        scene.run(&worker).ended(0);
        assert_eq!(scene.result(timeout), format!("CallError: the command did not end within {seconds} s"));
        if let Some(pid) = lines(&scene, "pid").first() {
            return until("what it started ends", || !is_there(pid));
        }
    }
    panic!("the command did not start");
}

#[test]
fn a_command_that_prints_too_much_is_ended() {
    let scene = with(TOOL, &["a"]);
    let exec = "head -c 1000000000 /dev/zero";
    scene.run(&["work", "--kind", "search", "--drain", "--attempts", "1", "--exec", exec]).ended(0);
    assert_eq!(scene.result("a"), "CallError: the command printed more than 1048576 bytes");
}

#[test]
fn another_worker_takes_over_from_one_that_was_killed() {
    let scene = with(ONE, &["a"]);
    let exec = "echo $$ > begun; exec sleep 1000";
    let mut first = scene.spawn(&["work", "--kind", "cc", "--lease", "500ms", "--exec", exec], Stdio::null());
    until("it begins", || !lines(&scene, "begun").is_empty());
    send(Signal::KILL, first.id());
    first.wait().unwrap();
    scene.work("echo second $RUNSTATE_ATTEMPT", &[]).ended(0);
    assert_eq!(scene.result("a"), "second 2");
    // Nothing ends the command of a worker that is killed outright.
    send(Signal::KILL, lines(&scene, "begun")[0].parse().unwrap());
}

#[test]
fn two_workers_do_a_hundred_calls_once_each() {
    let source = r#"
      const questions = [];
      for (let i = 0; i < 50; i++) questions.push(`question ${i}?`);
      function main() { return CC.all(questions).length; }"#;
    let scene = with(source, &["a", "b"]);
    let exec = "echo $RUNSTATE_CALL >> calls; cat";
    // No worker stands still for as long as its lease, however busy the machine is.
    let worker = ["work", "--kind", "cc", "--drain", "--concurrency", "4", "--lease", "1h", "--exec", exec];
    let workers: Vec<Child> = (0..2).map(|_| scene.spawn(&worker, Stdio::null())).collect();
    for worker in workers {
        Said::from(worker.wait_with_output().unwrap()).ended(0);
    }
    let calls = lines(&scene, "calls");
    assert_eq!((calls.len(), calls.iter().collect::<BTreeSet<_>>().len()), (100, 100));
    assert_eq!((scene.result("a"), scene.result("b")), (50.into(), 50.into()));
}

#[test]
fn ctrl_c_lets_what_runs_end_and_a_second_one_gives_it_back() {
    let scene = with(ONE, &["a"]);
    let worker = |exec: &str| scene.begin(&["work", "--kind", "cc", "--exec", exec], Stdio::null());
    let mut stubborn = worker("echo x > begun; sleep 1000");
    until("it begins", || scene.path().join("begun").exists());
    send(Signal::INT, stubborn.pid());
    stubborn.until_it_says("ending what runs");
    send(Signal::INT, stubborn.pid());
    stubborn.end().ended(130).explains(&["giving back what runs", "released a call 1"]);
    let mut patient = worker("echo x > second; while [ ! -e go ]; do sleep 0.1; done; echo patient $RUNSTATE_ATTEMPT");
    until("it begins", || scene.path().join("second").exists());
    send(Signal::INT, patient.pid());
    patient.until_it_says("ending what runs");
    scene.file("go", "");
    patient.end().ended(0).explains(&["answered a call 1"]);
    assert_eq!(scene.result("a"), "patient 1");
}

#[test]
fn a_worker_says_what_it_was_not_told() {
    let scene = with(ONE, &["a"]);
    scene.run(&["work", "--kind", "cc"]).ended(2).explains(&["--exec is missing", "cc"]);
    scene.run(&["work", "--kind", "timer", "--exec", "cat"]).ended(2).explains(&["timers go on by themselves"]);
    scene.run(&["work", "--kind", "cc", "--exec", "cat", "--lease", "soon"]).ended(2).explains(&["30s"]);
}

#[test]
fn files_are_served_as_far_as_they_are_granted() {
    let source = r#"
      function main() {
        const text = fs.readFile("in.txt");
        try { fs.writeFile("out.txt", text); } catch (e) { console.log(e.name); }
        return text;
      }"#;
    let scene = with(source, &["a", "b"]);
    scene.file("in.txt", "from a file");
    let kinds = ["work", "--kind", "fs.readFile", "--kind", "fs.writeFile", "--drain"];
    scene.run(&[&kinds[..], &["--allow-read", "."]].concat()).ended(0).explains(&["answered a call 1 (fs.readFile)"]);
    assert_eq!(
        (scene.result("a"), scene.show("a")["output"][0].clone()),
        ("from a file".into(), "PermissionError".into())
    );
    let said = scene.run(&["run", "program.ts", "--id", "c", "--allow-read", ".", "--allow-write", "."]).ended(0);
    assert_eq!(said.out, "= from a file\n");
    assert_eq!(lines(&scene, "out.txt"), ["from a file"]);
    let refused = scene.run(&["run", "program.ts", "--id", "d"]).ended(1);
    refused.explains(&["PermissionError", "--allow-read"]);
}

#[test]
fn a_run_has_its_questions_answered_by_a_command() {
    let scene = Scene::new();
    scene.file("greet.ts", GREET);
    let exec = "case $(cat) in Who*) echo Ada;; *) echo yes;; esac";
    let said = scene.run(&["run", "greet.ts", "--id", "g", "--answer-with", exec]).ended(0);
    assert!(said.out.starts_with("? Who is there?\n> Ada\nHello, Ada\n? All fine?\n"), "{}", said.out);
    assert_eq!(scene.result("g"), serde_json::json!({"name": "Ada", "fine": "yes"}));
}

#[test]
fn ctrl_c_ends_the_command_that_was_to_answer() {
    let scene = Scene::new();
    scene.file("one.ts", ONE);
    let run = ["run", "one.ts", "--id", "o", "--answer-with", "echo $$ > pid; sleep 1000"];
    let child = scene.spawn(&run, Stdio::null());
    until("it is asked", || !lines(&scene, "pid").is_empty());
    send(Signal::INT, child.id());
    Said::from(child.wait_with_output().unwrap()).ended(130).explains(&["runstate resume o"]);
    let pid = lines(&scene, "pid").remove(0);
    until("it ends", || !is_there(&pid));
}

#[test]
fn a_command_is_told_what_was_wrong_and_given_up_in_the_end() {
    let scene = Scene::new();
    scene.file("fine.ts", r#"function main() { return CC("fine?", { choices: ["yes", "no"] }) }"#);
    let learns = "if grep -q 'not taken'; then echo no; else echo perhaps; fi";
    scene.run(&["run", "fine.ts", "--id", "a", "--answer-with", learns]).ended(0).explains(&["asked again"]);
    assert_eq!(scene.result("a"), "no");
    let never = "echo x >> tries; echo perhaps";
    let said = scene.run(&["run", "fine.ts", "--id", "b", "--answer-with", never]).ended(2);
    said.explains(&["no answer of the command fits, asked 4 times", "`fine?`", "runstate resume b"]);
    assert_eq!(lines(&scene, "tries").len(), 4);
    let said = scene.run(&["resume", "b", "--answer-with", "echo why >&2; exit 7"]).ended(2);
    said.explains(&["ended with exit code 7: why", "b call 1 | why"]);
    scene.run(&["resume", "b", "--answer-with", "echo yes"]).ended(0);
}

#[test]
fn the_examples_are_answered_by_a_command() {
    let scene = Scene::new();
    let example = format!("{}/../examples/triage.ts", env!("CARGO_MANIFEST_DIR"));
    let exec = "case $(cat) in *crashes*|*slow*) echo bug;; *remember*) echo feature;; *) echo question;; esac";
    let input = r#"{"tickets": [{"id": 1, "title": "it crashes"}, {"id": 2, "title": "it should remember"}]}"#;
    let run = ["run", &example, "--id", "t", "--input", input, "--answer-with", exec];
    let said = scene.run(&run).ended(0);
    assert!(said.out.contains("bug: 1"), "{}", said.out);
}

#[test]
fn the_examples_come_to_their_end_with_their_answers() {
    let scene = Scene::new();
    for (name, last) in [("triage", "question: "), ("interview", "They are kept.")] {
        let file = |ending: &str| format!("{}/../examples/{name}.{ending}", env!("CARGO_MANIFEST_DIR"));
        let said = scene.run(&["run", &file("ts"), "--id", name, "--answers", &file("answers.json")]).ended(0);
        assert!(said.out.contains(last), "{}", said.out);
    }
}

#[test]
fn a_run_waits_for_its_timers_and_says_until_when() {
    let scene = Scene::new();
    let source = r#"
      function main() {
        const begun = Date.now();
        console.log("before");
        sleep(200);
        console.log("after");
        return Date.now() - begun >= 200;
      }"#;
    scene.file("nap.ts", source);
    let said = scene.run(&["run", "nap.ts", "--id", "n"]).ended(0);
    assert_eq!(said.out, "before\nafter\n= true\n");
    said.explains(&["n sleeps until "]);
}

#[test]
fn ctrl_c_leaves_a_run_at_its_timer() {
    let scene = Scene::new();
    scene.file("long.ts", "sleep(3600000)");
    let mut run = scene.begin(&["run", "long.ts", "--id", "l"], Stdio::null());
    run.until_it_says("l sleeps until ");
    send(Signal::INT, run.pid());
    run.end().ended(130).explains(&["runstate resume l"]);
    assert_eq!(scene.status("l"), "waiting_cc");
    scene.run(&["next", "l"]).ended(3).explains(&["l sleeps until ", "runstate resume l"]);
}

#[test]
fn a_tool_that_nobody_serves_is_waited_for_by_nobody() {
    let scene = Scene::new();
    scene.file("tool.ts", TOOL);
    let said = scene.run(&["run", "tool.ts", "--id", "t"]).ended(3);
    said.explains(&["t waits for a worker: runstate work --kind search --exec CMD"]);
    let exec = "echo x > begun; while [ ! -e go ]; do sleep 0.1; done; echo 7";
    let worker = scene.begin(&["work", "--kind", "search", "--owner", "w", "--exec", exec], Stdio::null());
    until("it begins", || scene.path().join("begun").exists());
    // A worker holds it: that is waited for.
    let mut resumed = scene.begin(&["resume", "t"], Stdio::null());
    resumed.until_it_says("w works on what t asks");
    scene.file("go", "");
    assert_eq!(resumed.end().ended(0).out, "= 7\n");
    send(Signal::TERM, worker.pid());
    worker.end().ended(0);
}

#[test]
fn a_list_answers_tools_too_and_skips_what_answers_itself() {
    let scene = Scene::new();
    scene.file(
        "mixed.ts",
        r#"
      function main() {
        sleep(10);
        const a = CC("a?");
        sleep(10);
        const b = call("tool");
        const [c, d] = CC.all(["c?", "d?"]);
        return [a, b, c, d];
      }"#,
    );
    scene.file("three.json", r#"["one", {"two": 2}, "three"]"#);
    scene.file("all.json", r#"["one", {"two": 2}, "three", "four"]"#);
    scene.run(&["run", "mixed.ts", "--id", "m", "--answers", "three.json"]).ended(3);
    scene.run(&["resume", "m", "--answers", "all.json"]).ended(0);
    assert_eq!(scene.result("m"), serde_json::json!(["one", {"two": 2}, "three", "four"]));
}

#[test]
fn a_command_that_is_empty_answers_nothing() {
    let scene = Scene::new();
    scene.file("tool.ts", TOOL);
    scene.run(&["run", "tool.ts", "--id", "t"]).ended(3);
    scene.run(&["work", "--kind", "search", "--exec", " ", "--drain"]).ended(2).explains(&["--exec is empty"]);
    scene.run(&["resume", "t", "--answer-with", ""]).ended(2).explains(&["--answer-with is empty"]);
    assert_eq!(scene.status("t"), "waiting_cc");
}

//! Commands that answer: workers, and `--answer-with`.

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};

use serde_json::Value as Json;

use crate::support::{CliFixture, CliOutput, GREET, Signal, send, wait_until};

/// One question.
const ONE: &str = r#"function main() { const a = CC("one?"); console.log("got", a); return a; }"#;

/// Calls a tool, and returns its failure as text.
const TOOL: &str = r#"
function main() {
  try { return call("search", { for: "x" }); } catch (e) { return e.name + ": " + e.message; }
}"#;

/// Whether a process still runs. A zombie does not.
fn is_running(pid: &str) -> bool {
    let state = Command::new("ps").args(["-o", "stat=", "-p", pid]).output().unwrap().stdout;
    !state.is_empty() && !state.starts_with(b"Z")
}

fn lines(scene: &CliFixture, file: &str) -> Vec<String> {
    std::fs::read_to_string(scene.path().join(file)).unwrap_or_default().lines().map(str::to_owned).collect()
}

fn started(source: &str, ids: &[&str]) -> CliFixture {
    let scene = CliFixture::with("program", source);
    for id in ids {
        scene.run(&["start", "program", "--id", id]).expect_exit(3);
    }
    scene
}

impl CliFixture {
    fn work(&self, exec: &str, more: &[&str]) -> CliOutput {
        self.run(&[&["work", "--kind", "cc", "--drain", "--exec", exec], more].concat())
    }

    fn result(&self, id: &str) -> Json {
        self.show(id)["result"].clone()
    }
}

#[test]
fn a_worker_answers_until_nothing_is_open_and_says_what_it_did() {
    let scene = started(GREET, &["a", "b"]);
    let output = scene.work("case $(cat) in Who*) echo Ada;; *) echo yes;; esac", &["--owner", "w"]).expect_exit(0);
    output.expect_stderr(&["w serves cc", "answered a call 1 (cc) in ", "answered b call 2 (cc) in "]);
    assert_eq!(scene.result("a"), serde_json::json!({"name": "Ada", "fine": "yes"}));
    assert_eq!(scene.status("b"), "complete");
}

#[test]
fn a_worker_serves_steps_of_apps() {
    let scene = CliFixture::new();
    let steps = r#"{"steps": [{"id": 1, "name": "fetch", "retry": {"max_attempts": 2, "backoff_ms": 0}}, {"id": 2, "name": "count", "depends_on": [1], "input": {"text": "$.steps.1.output.url"}}]}"#;
    for app in ["1", "2"] {
        let save = [
            "apps",
            "configuration",
            "save",
            app,
            "--app-name",
            "suite",
            "--version",
            "1",
            "--configuration",
            steps,
            "--activate",
        ];
        scene.run(&save).expect_exit(0);
        let start = [
            "apps",
            "execution",
            "start",
            app,
            "--user-id",
            "ada",
            "--id",
            &format!("e{app}"),
            "--input",
            r#"{"url": "u"}"#,
        ];
        scene.run(&start).expect_exit(0);
    }
    let exec = "read input; env | grep ^RUNSTATE_ | grep -v STORE | sort >> env; test $RUNSTATE_KIND$RUNSTATE_ATTEMPT = fetch1 && { echo busy >&2; exit 1; }; echo $input";
    let work = ["work", "--step", "fetch", "--step", "count", "--app", "1", "--drain", "--owner", "w", "--exec", exec];
    // Without a name of the user, the audit log has that of the worker.
    let mut command = scene.command(&work);
    ["RUNSTATE_ACTOR", "USER", "LOGNAME", "USERNAME"].iter().for_each(|name| _ = command.env_remove(name));
    let output = CliOutput::from(command.output().unwrap()).expect_exit(0);
    assert!(!scene.run(&["apps", "audit", "list", "--actor", "w", "--json"]).expect_exit(0).values().is_empty());
    output.expect_stderr(&[
        "w serves steps fetch, count",
        "failed e1 step 1 (fetch)",
        "completed e1 step 1 (fetch) in ",
        "completed e1 step 2 (count) in ",
    ]);
    let step = scene.run(&["apps", "step", "show", "e1:2", "--json"]).expect_exit(0).json();
    assert_eq!(step["output"], serde_json::json!({"text": "u"}));
    let env = lines(&scene, "env");
    for set in ["RUNSTATE_EXECUTION=e1", "RUNSTATE_STEP=1", "RUNSTATE_KIND=fetch", "RUNSTATE_ATTEMPT=2"] {
        assert!(env.contains(&set.to_owned()), "{set} is missing in {env:?}");
    }
    assert!(env.iter().any(|line| line.starts_with("RUNSTATE_ERROR=") && line.ends_with("busy")), "{env:?}");
    // The other app is left to other workers.
    let status =
        |id: &str| scene.run(&["apps", "execution", "show", id, "--json"]).expect_exit(0).json()["status"].clone();
    assert_eq!((status("e1"), status("e2")), ("completed".into(), "running".into()));
    scene.run(&["work", "--step", "fetch"]).expect_exit(2);
    scene.run(&["work", "--step", "fetch", "--kind", "cc", "--exec", "true"]).expect_exit(2);
    let output = scene.run(&["work", "--step", "fetch", "--drain", "--json", "--exec", "no-such-command-anywhere"]);
    output.expect_exit(2);
}

#[test]
fn waiting_for_an_execution_of_an_app_ends_with_it() {
    let scene = CliFixture::new();
    let steps = r#"{"steps": [{"id": 1, "name": "fetch"}]}"#;
    let save = ["apps", "configuration", "save", "1", "--app-name", "suite", "--version", "1", "--activate"];
    scene.run(&[&save[..], &["--configuration", steps]].concat()).expect_exit(0);
    for id in ["e1", "e2", "e3"] {
        scene.run(&["apps", "execution", "start", "1", "--user-id", "ada", "--id", id]).expect_exit(0);
    }
    let waiting = scene.spawn_running(&["apps", "execution", "wait", "e1", "--timeout", "10m"], Stdio::null());
    let late = ["apps", "execution", "wait", "e1", "--timeout", "100ms"];
    assert_eq!(scene.run(&late).expect_exit(3).expect_stderr(&["e1 has not ended within 100ms"]).out, "");
    let late = scene.run(&[&late[..], &["--json"]].concat()).expect_exit(3);
    assert_eq!(late.json()["status"], "running");
    let work = |exec: &str| {
        scene.run(&["work", "--step", "fetch", "--oldest-first", "--drain", "--exec", exec]).expect_exit(0);
    };
    scene.run(&["apps", "execution", "cancel", "e3"]).expect_exit(0);
    work("test $RUNSTATE_EXECUTION = e1 && echo done");
    assert_eq!(waiting.wait().expect_exit(0).out, "e1 is completed\n");
    // The second one has ended before the wait begins.
    let failed = scene.run(&["apps", "execution", "wait", "e2"]).expect_exit(1);
    assert!(failed.out.starts_with("e2 is failed: "), "{}", failed.out);
    let cancelled = scene.run(&["apps", "execution", "wait", "e3", "--json"]).expect_exit(1).json();
    assert_eq!((&cancelled["id"], &cancelled["status"]), (&"e3".into(), &"cancelled".into()));
    scene
        .run(&["apps", "execution", "wait", "missing", "--timeout", "1m"])
        .expect_exit(5)
        .expect_stderr(&["`missing`"]);
    scene.run(&["apps", "execution", "wait", "e1", "--timeout", "soon"]).expect_exit(2);
    scene.run(&["apps", "execution", "wait"]).expect_exit(2);
}

#[test]
fn json_output_has_one_line_per_call() {
    let scene = started(ONE, &["a"]);
    let line = scene.work("echo hi", &["--json"]).expect_exit(0).json();
    assert_eq!((&line["event"], &line["execution"], &line["step"]), (&"answered".into(), &"a".into(), &1.into()));
    assert_eq!((&line["kind"], &line["status"]), (&"cc".into(), &"complete".into()));
}

#[test]
fn a_command_knows_its_call_and_what_is_expected() {
    let scene = started(GREET, &["a"]);
    let exec = "cat >> prompts; env | grep ^RUNSTATE_ | grep -v STORE | sort >> env; echo yes";
    scene.work(exec, &[]).expect_exit(0);
    assert_eq!(lines(&scene, "prompts"), ["Who is there?", "All fine?", "", "Answer with one of: yes, no"]);
    let env = lines(&scene, "env");
    for set in ["RUNSTATE_EXECUTION=a", "RUNSTATE_PROGRAM=program", "RUNSTATE_KIND=cc", "RUNSTATE_ATTEMPT=1"] {
        assert!(env.contains(&set.to_owned()), "{set} is missing in {env:?}");
    }
    assert!(env.contains(&r#"RUNSTATE_CHOICES=["yes","no"]"#.to_owned()), "{env:?}");
}

#[test]
fn a_tool_is_given_its_arguments_and_answers_with_json() {
    let scene = started(TOOL, &["a"]);
    let output = scene.run(&["work", "--kind", "search", "--drain", "--exec", "sed 's/for/found/'"]).expect_exit(0);
    output.expect_stderr(&["answered a call 1 (search)"]);
    assert_eq!(scene.result("a"), serde_json::json!({"found": "x"}));
}

#[test]
fn a_failed_call_is_retried_until_its_program_gets_the_error() {
    let scene = started(TOOL, &["a"]);
    let exec = "echo try >> tries; echo no luck >&2; exit 1";
    let output = scene.run(&["work", "--kind", "search", "--drain", "--attempts", "2", "--exec", exec]).expect_exit(0);
    output.expect_stderr(&[
        "a call 1 | no luck",
        "failed a call 1 (search) in ",
        "attempt 1, next attempt at ",
        "no further attempt: the command ended with exit code 1: no luck",
    ]);
    assert_eq!(lines(&scene, "tries").len(), 2);
    assert_eq!(scene.result("a"), "CallError: the command ended with exit code 1: no luck");
}

#[test]
fn a_call_that_failed_once_may_succeed_later() {
    let scene = started(ONE, &["a"]);
    let exec = "echo x >> tries; [ $(wc -l < tries) -lt 2 ] && exit 1; echo done";
    scene.work(exec, &[]).expect_exit(0);
    assert_eq!((lines(&scene, "tries").len(), scene.result("a")), (2, "done".into()));
}

#[test]
fn a_command_that_is_missing_ends_the_worker_and_costs_the_call_nothing() {
    let scene = started(ONE, &["a"]);
    let output = scene.run(&["work", "--kind", "cc", "--exec", "no-such-command"]).expect_exit(2);
    output.expect_stderr(&["error: `no-such-command` cannot be run", "released a call 1"]);
    scene.file("plain.txt", "no program");
    scene.run(&["work", "--kind", "cc", "--exec", "./plain.txt"]).expect_exit(2).expect_stderr(&["cannot be run"]);
    // The failed start cost no attempt: this is the first one.
    scene.work("echo $RUNSTATE_ATTEMPT", &[]).expect_exit(0);
    assert_eq!(scene.result("a"), "1");
}

#[test]
fn a_command_that_hangs_is_ended_with_all_it_started() {
    let scene = CliFixture::with("program", TOOL);
    // A busy machine may take longer to start the command than the command may take.
    for (timeout, seconds) in [("500ms", "0.5"), ("5s", "5"), ("50s", "50")] {
        scene.run(&["start", "program", "--id", timeout]).expect_exit(3);
        let exec = "sleep 1000 & echo $! > pid; sleep 1000";
        let worker = ["work", "--kind", "search", "--drain", "--attempts", "1", "--timeout", timeout, "--exec", exec];
        scene.run(&worker).expect_exit(0);
        assert_eq!(scene.result(timeout), format!("CallError: the command did not end within {seconds} s"));
        if let Some(pid) = lines(&scene, "pid").first() {
            return wait_until("its child process ends", || !is_running(pid));
        }
    }
    panic!("the command did not start");
}

#[test]
fn a_command_that_prints_too_much_is_ended() {
    let scene = started(TOOL, &["a"]);
    let exec = "head -c 1000000000 /dev/zero";
    scene.run(&["work", "--kind", "search", "--drain", "--attempts", "1", "--exec", exec]).expect_exit(0);
    assert_eq!(scene.result("a"), "CallError: the command printed more than 1048576 bytes");
}

#[test]
fn another_worker_takes_over_from_one_that_was_killed() {
    let scene = started(ONE, &["a"]);
    let exec = "echo $$ > begun; exec sleep 1000";
    let mut first = scene.spawn(&["work", "--kind", "cc", "--lease", "1s", "--exec", exec], Stdio::null());
    wait_until("it begins", || !lines(&scene, "begun").is_empty());
    send(Signal::KILL, first.id());
    first.wait().unwrap();
    scene.work("echo second $RUNSTATE_ATTEMPT", &[]).expect_exit(0);
    assert_eq!(scene.result("a"), "second 2");
    // The command of a worker that was killed with SIGKILL runs on.
    send(Signal::KILL, lines(&scene, "begun")[0].parse().unwrap());
}

#[test]
fn two_workers_do_a_hundred_calls_once_each() {
    let source = r#"
      const questions = [];
      for (let i = 0; i < 50; i++) questions.push(`question ${i}?`);
      function main() { return CC.all(questions).length; }"#;
    let scene = started(source, &["a", "b"]);
    let exec = "echo $RUNSTATE_CALL >> calls; cat";
    // The lease is so long that no worker loses a call, however busy the machine is.
    let worker = ["work", "--kind", "cc", "--drain", "--concurrency", "4", "--lease", "1h", "--exec", exec];
    let workers: Vec<Child> = (0..2).map(|_| scene.spawn(&worker, Stdio::null())).collect();
    for worker in workers {
        CliOutput::from(worker.wait_with_output().unwrap()).expect_exit(0);
    }
    let calls = lines(&scene, "calls");
    assert_eq!((calls.len(), calls.iter().collect::<BTreeSet<_>>().len()), (100, 100));
    assert_eq!((scene.result("a"), scene.result("b")), (50.into(), 50.into()));
}

#[test]
fn ctrl_c_finishes_running_calls_and_a_second_one_releases_them() {
    let scene = started(ONE, &["a"]);
    let worker = |exec: &str| scene.spawn_running(&["work", "--kind", "cc", "--exec", exec], Stdio::null());
    let mut stubborn = worker("echo x > begun; sleep 1000");
    wait_until("it begins", || scene.path().join("begun").exists());
    send(Signal::INT, stubborn.pid());
    stubborn.wait_for_line("finishing the running calls");
    send(Signal::INT, stubborn.pid());
    stubborn.wait().expect_exit(130).expect_stderr(&["releasing the running calls", "released a call 1"]);
    let mut finishing =
        worker("echo x > second; while [ ! -e go ]; do sleep 0.1; done; echo patient $RUNSTATE_ATTEMPT");
    wait_until("it begins", || scene.path().join("second").exists());
    send(Signal::INT, finishing.pid());
    finishing.wait_for_line("finishing the running calls");
    scene.file("go", "");
    finishing.wait().expect_exit(0).expect_stderr(&["answered a call 1"]);
    assert_eq!(scene.result("a"), "patient 1");
}

#[test]
fn a_worker_names_its_missing_options() {
    let scene = started(ONE, &["a"]);
    scene.run(&["work", "--kind", "cc"]).expect_exit(2).expect_stderr(&["--exec is missing", "cc"]);
    scene
        .run(&["work", "--kind", "timer", "--exec", "cat"])
        .expect_exit(2)
        .expect_stderr(&["timers complete by themselves"]);
    scene.run(&["work", "--kind", "cc", "--exec", "cat", "--lease", "soon"]).expect_exit(2).expect_stderr(&["30s"]);
}

#[test]
fn files_are_served_as_far_as_they_are_granted() {
    let source = r#"
      function main() {
        const text = fs.readFile("in.txt");
        try { fs.writeFile("out.txt", text); } catch (e) { console.log(e.name); }
        return text;
      }"#;
    let scene = started(source, &["a", "b"]);
    scene.file("in.txt", "from a file");
    let kinds = ["work", "--kind", "fs.readFile", "--kind", "fs.writeFile", "--drain"];
    scene
        .run(&[&kinds[..], &["--allow-read", "."]].concat())
        .expect_exit(0)
        .expect_stderr(&["answered a call 1 (fs.readFile)"]);
    assert_eq!(
        (scene.result("a"), scene.show("a")["output"][0].clone()),
        ("from a file".into(), "PermissionError".into())
    );
    let output =
        scene.run(&["run", "program.ts", "--id", "c", "--allow-read", ".", "--allow-write", "."]).expect_exit(0);
    assert_eq!(output.out, "= from a file\n");
    assert_eq!(lines(&scene, "out.txt"), ["from a file"]);
    let refused = scene.run(&["run", "program.ts", "--id", "d"]).expect_exit(1);
    refused.expect_stderr(&["PermissionError", "--allow-read"]);
}

#[test]
fn a_run_has_its_questions_answered_by_a_command() {
    let scene = CliFixture::new();
    scene.file("greet.ts", GREET);
    let exec = "case $(cat) in Who*) echo Ada;; *) echo yes;; esac";
    let output = scene.run(&["run", "greet.ts", "--id", "g", "--answer-with", exec]).expect_exit(0);
    assert!(output.out.starts_with("? Who is there?\n> Ada\nHello, Ada\n? All fine?\n"), "{}", output.out);
    assert_eq!(scene.result("g"), serde_json::json!({"name": "Ada", "fine": "yes"}));
}

#[test]
fn ctrl_c_ends_the_command_that_was_to_answer() {
    let scene = CliFixture::new();
    scene.file("one.ts", ONE);
    let run = ["run", "one.ts", "--id", "o", "--answer-with", "echo $$ > pid; sleep 1000"];
    let child = scene.spawn(&run, Stdio::null());
    wait_until("it is asked", || !lines(&scene, "pid").is_empty());
    send(Signal::INT, child.id());
    CliOutput::from(child.wait_with_output().unwrap()).expect_exit(130).expect_stderr(&["runstate resume o"]);
    let pid = lines(&scene, "pid").remove(0);
    wait_until("it ends", || !is_running(&pid));
}

#[test]
fn a_command_gets_the_rejection_until_it_is_given_up() {
    let scene = CliFixture::new();
    scene.file("fine.ts", r#"function main() { return CC("fine?", { choices: ["yes", "no"] }) }"#);
    let learns = "if grep -q 'answer was rejected'; then echo no; else echo perhaps; fi";
    scene.run(&["run", "fine.ts", "--id", "a", "--answer-with", learns]).expect_exit(0).expect_stderr(&["asked again"]);
    assert_eq!(scene.result("a"), "no");
    let never = "echo x >> tries; echo perhaps";
    let output = scene.run(&["run", "fine.ts", "--id", "b", "--answer-with", never]).expect_exit(2);
    output.expect_stderr(&["the command returned no valid answer in 4 attempts", "`fine?`", "runstate resume b"]);
    assert_eq!(lines(&scene, "tries").len(), 4);
    let output = scene.run(&["resume", "b", "--answer-with", "echo why >&2; exit 7"]).expect_exit(2);
    output.expect_stderr(&["ended with exit code 7: why", "b call 1 | why"]);
    scene.run(&["resume", "b", "--answer-with", "echo yes"]).expect_exit(0);
}

#[test]
fn the_examples_are_answered_by_a_command() {
    let scene = CliFixture::new();
    let example = format!("{}/../examples/triage.ts", env!("CARGO_MANIFEST_DIR"));
    let exec = "case $(cat) in *crashes*|*slow*) echo bug;; *remember*) echo feature;; *) echo question;; esac";
    let input = r#"{"tickets": [{"id": 1, "title": "it crashes"}, {"id": 2, "title": "it should remember"}]}"#;
    let run = ["run", &example, "--id", "t", "--input", input, "--answer-with", exec];
    let output = scene.run(&run).expect_exit(0);
    assert!(output.out.contains("bug: 1"), "{}", output.out);
}

#[test]
fn the_examples_come_to_their_end_with_their_answers() {
    let scene = CliFixture::new();
    for (name, last) in [("triage", "question: "), ("interview", "They are kept.")] {
        let file = |ending: &str| format!("{}/../examples/{name}.{ending}", env!("CARGO_MANIFEST_DIR"));
        let output = scene.run(&["run", &file("ts"), "--id", name, "--answers", &file("answers.json")]).expect_exit(0);
        assert!(output.out.contains(last), "{}", output.out);
    }
}

#[test]
fn the_budgeted_example_waits_until_its_budget_is_raised() {
    let scene = CliFixture::new();
    let of_team = ["team-a", "--resource-type", "money", "--budget-period", "total", "--unit", "USD"];
    let create = [&["budget", "create"], &of_team[..], &["--allocated-amount", "0.1", "--json"]].concat();
    let budget = scene.run(&create).expect_exit(0).json()["id"].as_str().unwrap().to_owned();
    let example = format!("{}/../examples/budgeted.ts", env!("CARGO_MANIFEST_DIR"));
    scene.run(&["run", &example, "--id", "b", "--input", r#"{"owner": "team-a"}"#]).expect_exit(3);
    let _worker = scene.spawn_running(&["work", "--kind", "cc", "--exec", "echo short"], Stdio::null());
    let open_calls = || scene.run(&["calls", "b", "--open", "--json"]).expect_exit(0).values();
    wait_until("a call waits for the budget", || open_calls().iter().any(|call| !call["refusal"].is_null()));
    let refused = open_calls().into_iter().find(|call| !call["refusal"].is_null()).unwrap();
    assert_eq!(refused["refusal"]["name"], "budget_exceeded");
    assert!(scene.run(&["calls", "b", "--open"]).out.contains("budget_exceeded"));
    let words = "of 0.1, 0.1 are used and 0 reserved";
    for command in [vec!["resume", "b"], vec!["show", "b"], vec!["answer", "b", "--text", "by hand", "--cost", "0.01"]]
    {
        assert!(scene.run(&command).text().contains(words), "{command:?}");
    }
    scene.run(&["budget", "change", &budget, "--allocated-amount", "1"]).expect_exit(0);
    wait_until("the worker gets the last call", || scene.status("b") == "complete");
    let shown = scene.run(&["budget", "show", &budget, "--json"]).expect_exit(0).json();
    assert_eq!((&shown["usedAmount"], &shown["reservedAmount"]), (&"0.15".into(), &"0".into()));
    assert!(scene.run(&["output", "b"]).expect_exit(0).out.contains("3. short"));
}

#[test]
fn a_cost_that_asks_is_shown_and_approved() {
    let source = r#"
        const cost = { owner: "team-a", resource: "money", amount: 5, unit: "CAD", onRefused: "ask" };
        console.log(call("draw", {}, { cost }));
    "#;
    let scene = CliFixture::with("draws", source);
    let budget = ["team-a", "--resource-type", "money", "--budget-period", "total", "--unit", "CAD"];
    scene.run(&[&["budget", "create"], &budget[..], &["--allocated-amount", "3"]].concat()).expect_exit(0);
    scene.run(&["start", "draws", "--id", "d"]).expect_exit(3);
    let work = || scene.run(&["work", "--kind", "draw", "--drain", "--exec", "echo drawn"]).expect_exit(0);
    work();
    let needs = "needs 2 CAD more in the total budget of money";
    for command in [&["questions"][..], &["resume", "d"], &["show", "d"], &[]] {
        let shown = scene.run(command).text();
        assert!(shown.contains(needs), "{command:?}: {shown}");
    }
    let calls = scene.run(&["calls", "--awaits-approval", "--json"]).expect_exit(0).values();
    let call = calls[0]["id"].as_str().unwrap();
    scene.run(&["approve", "d", "--call", call, "--by", "ann"]).expect_exit(0);
    let raised = scene.run(&["budget", "list", "--owner", "team-a", "--json"]).expect_exit(0).values();
    assert_eq!((&raised[0]["allocatedAmount"], &raised[0]["reservedAmount"]), (&"5".into(), &"5".into()));
    work();
    assert_eq!(scene.run(&["output", "d"]).expect_exit(0).out, "drawn\n");
}

#[test]
fn the_table_of_calls_shows_what_each_waits_for() {
    let scene = CliFixture::with("pays", "CC.all(['a?', { tool: 'pay', args: 1 }])");
    scene.run(&["start", "pays", "--id", "p", "--policy", r#"{"approve":["pay"]}"#]).expect_exit(3);
    let table = scene.run(&["calls", "p"]).expect_exit(0).out;
    assert!(["WAITS FOR", "person", "approval"].iter().all(|text| table.contains(text)), "{table}");
}

#[test]
fn a_run_waits_for_its_timers_and_says_until_when() {
    let scene = CliFixture::new();
    let source = r#"
      function main() {
        const begun = Date.now();
        console.log("before");
        sleep(3000);
        console.log("after");
        return Date.now() - begun >= 3000;
      }"#;
    scene.file("nap.ts", source);
    let output = scene.run(&["run", "nap.ts", "--id", "n"]).expect_exit(0);
    assert_eq!(output.out, "before\nafter\n= true\n");
    output.expect_stderr(&["n sleeps until "]);
}

#[test]
fn ctrl_c_leaves_a_run_at_its_timer() {
    let scene = CliFixture::new();
    scene.file("long.ts", "sleep(3600000)");
    let mut run = scene.spawn_running(&["run", "long.ts", "--id", "l"], Stdio::null());
    run.wait_for_line("l sleeps until ");
    send(Signal::INT, run.pid());
    run.wait().expect_exit(130).expect_stderr(&["runstate resume l"]);
    assert_eq!(scene.status("l"), "waiting_cc");
    scene.run(&["next", "l"]).expect_exit(3).expect_stderr(&["l sleeps until ", "runstate resume l"]);
}

#[test]
fn run_does_not_wait_for_a_tool_without_a_worker() {
    let scene = CliFixture::new();
    scene.file("tool.ts", TOOL);
    let output = scene.run(&["run", "tool.ts", "--id", "t"]).expect_exit(3);
    output.expect_stderr(&["t waits for a worker. Start one with: runstate work --kind search --exec CMD"]);
    let exec = "echo x > begun; while [ ! -e go ]; do sleep 0.1; done; echo 7";
    let worker = scene.spawn_running(&["work", "--kind", "search", "--owner", "w", "--exec", exec], Stdio::null());
    wait_until("it begins", || scene.path().join("begun").exists());
    // A worker holds the call, so `resume` waits for it.
    let mut resumed = scene.spawn_running(&["resume", "t"], Stdio::null());
    resumed.wait_for_line("w works on a call of t");
    scene.file("go", "");
    assert_eq!(resumed.wait().expect_exit(0).out, "= 7\n");
    send(Signal::TERM, worker.pid());
    worker.wait().expect_exit(0);
}

#[test]
fn an_answer_list_covers_tools_but_not_timers() {
    let scene = CliFixture::new();
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
    scene.run(&["run", "mixed.ts", "--id", "m", "--answers", "three.json"]).expect_exit(3);
    scene.run(&["resume", "m", "--answers", "all.json"]).expect_exit(0);
    assert_eq!(scene.result("m"), serde_json::json!(["one", {"two": 2}, "three", "four"]));
}

#[test]
fn a_command_that_is_empty_answers_nothing() {
    let scene = CliFixture::new();
    scene.file("tool.ts", TOOL);
    scene.run(&["run", "tool.ts", "--id", "t"]).expect_exit(3);
    scene
        .run(&["work", "--kind", "search", "--exec", " ", "--drain"])
        .expect_exit(2)
        .expect_stderr(&["--exec is empty"]);
    scene.run(&["resume", "t", "--answer-with", ""]).expect_exit(2).expect_stderr(&["--answer-with is empty"]);
    assert_eq!(scene.status("t"), "waiting_cc");
}

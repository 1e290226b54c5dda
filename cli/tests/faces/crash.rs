//! The main promise, tested with real processes and `kill -9`: everything acknowledged is stored exactly once, and the
//! output is that of a run that was never killed.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use crate::settings::{is_full_run, seed};

/// Questions of an execution that is killed.
const QUESTIONS: usize = 40;

/// The largest number of executions in each of the two tests that kill.
const EXECUTIONS: usize = 4;

/// The number of executions that are run while they are killed.
fn killed_runs() -> usize {
    if is_full_run() { EXECUTIONS } else { EXECUTIONS / 2 }
}

/// Returns a program with this many questions.
fn program(questions: usize) -> String {
    format!(
        r#"
const seen = [];
for (let i = 0; i < {questions}; i++) {{
    const answer = CC(`question ${{i}}`);
    seen.push({{ i, answer }});
    console.log(`${{i}}: ${{answer}} (${{seen.length}})`);
}}
console.log(seen.map((s) => s.answer).join(","));
"#
    )
}

fn answer(i: usize) -> String {
    format!("answer-{i}")
}

fn expected() -> Vec<String> {
    let lines = (0..QUESTIONS).map(|i| format!("{i}: {} ({})", answer(i), i + 1));
    lines.chain([(0..QUESTIONS).map(answer).collect::<Vec<_>>().join(",")]).collect()
}

/// The moment at which a process is killed.
#[derive(Clone, Copy, Debug)]
struct KillPoint {
    /// After this many commits of its own.
    commits: u64,
    /// The time after the last of these commits.
    delay: Duration,
}

struct CrashFixture {
    dir: tempfile::TempDir,
}

impl CrashFixture {
    fn new(questions: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ask.ts"), program(questions)).unwrap();
        let answers: Vec<String> = (0..QUESTIONS).map(answer).collect();
        std::fs::write(dir.path().join("answers.json"), serde_json::to_string(&answers).unwrap()).unwrap();
        Self { dir }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_runstate"));
        command.current_dir(self.path()).args(args).args(["--json", "--store", "file:store"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs to the end. Returns the exit code and the last JSON value.
    fn run(&self, args: &[&str]) -> (i32, Json) {
        let output = self.command(args).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let last = text.lines().last().map_or(Json::Null, |line| serde_json::from_str(line).unwrap());
        (output.status.code().unwrap_or(-1), last)
    }

    /// Returns the number of the last commit.
    fn last_commit(&self) -> u64 {
        let Ok(entries) = std::fs::read_dir(self.path().join("store/commits")) else { return 0 };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names.filter_map(|name| name.strip_suffix(".json")?.parse().ok()).max().unwrap_or(0)
    }

    /// Starts the binary and kills it with -9 at that moment. Returns its exit code, `None` if it was killed, and its
    /// output.
    fn kill(&self, args: &[&str], moment: KillPoint) -> (Option<i32>, String) {
        let before = self.last_commit();
        let mut child: Child = self.command(args).spawn().unwrap();
        while self.last_commit() < before + moment.commits && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        let seen = Instant::now();
        while seen.elapsed() < moment.delay && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        let ended = child.wait().unwrap().code();
        let mut text = String::new();
        child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        (ended, text)
    }

    /// Returns every call of the execution with its answer, in order.
    fn history(&self, id: &str) -> Vec<(u64, Json)> {
        let rows = history(self.path(), id);
        rows.iter().map(|row| (row["step"].as_u64().unwrap(), row["response"]["result"].clone())).collect()
    }
}

fn history(dir: &Path, id: &str) -> Vec<Json> {
    use runstate::domain::cvm::CC_HISTORY;
    use runstate::schema::{Direction, Query};
    let url = format!("file:{}", dir.join("store").display());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = runstate::open::open(&url).await.unwrap();
        store.migrate(&runstate::domain::catalog().unwrap()).await.unwrap();
        let query = Query::of(&CC_HISTORY).eq("executionId", id).sort("step", Direction::Ascending);
        let rows = store.query(&query, runstate::store::Freshness::Linearizable).await.unwrap().items;
        rows.into_iter().map(|row| Json::Object(row.stored.document.as_ref().clone())).collect()
    })
}

/// A small random number generator. `RUNSTATE_SEED` sets its seed, so that a failure can be repeated.
struct CrashRandom(u64);

impl CrashRandom {
    fn new() -> Self {
        Self(seed() | 1)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

impl KillPoint {
    /// Picks a moment while a process starts and opens the store, or around one of its first commits.
    fn random(random: &mut CrashRandom) -> Self {
        let commits = random.below(6);
        let most = if commits == 0 { 40_000 } else { 3_000 };
        Self { commits, delay: Duration::from_micros(random.below(most)) }
    }
}

fn lines(view: &Json) -> Vec<String> {
    let lines = view["output"].as_array().unwrap_or_else(|| panic!("no output in {view}"));
    lines.iter().map(|line| line.as_str().unwrap().to_owned()).collect()
}

fn all_answers() -> Vec<(u64, Json)> {
    (0..QUESTIONS).map(|i| (i as u64 + 1, answer(i).into())).collect()
}

#[test]
fn a_run_killed_repeatedly_ends_as_if_never_killed() {
    let scene = CrashFixture::new(QUESTIONS);
    let mut random = CrashRandom::new();
    let mut kills = 0;
    for execution in 0..killed_runs() {
        let id = format!("run-{execution}");
        let mut started = false;
        loop {
            let run = ["run", "ask.ts", "--id", &id, "--answers", "answers.json"];
            let resume = ["resume", &id, "--answers", "answers.json"];
            let moment = KillPoint::random(&mut random);
            let (code, text) = scene.kill(if started { &resume } else { &run }, moment);
            match code {
                None => kills += 1,
                Some(0) => break,
                Some(code) => panic!("exit code {code}: {text}"),
            }
            // If it was killed before its first commit, there is nothing to resume.
            started = started || !matches!(scene.run(&["show", &id]).0, 4 | 5);
        }
        let (_, view) = scene.run(&["show", &id]);
        assert_eq!(lines(&view), expected());
        assert_eq!(scene.history(&id), all_answers());
    }
    println!("{kills} kills over {} executions", killed_runs());
    // Each process answers only a few of the questions before it is killed.
    assert!(kills > killed_runs() * 4, "{kills} kills");
}

#[test]
fn an_acknowledged_answer_is_kept_and_no_answer_applies_twice() {
    let scene = CrashFixture::new(QUESTIONS);
    let mut random = CrashRandom::new();
    let (code, _) = scene.run(&["load", "ask.ts"]);
    assert_eq!(code, 0);
    let (mut arrived, mut lost) = (0, 0);
    for execution in 0..EXECUTIONS {
        let id = format!("answer-{execution}");
        let (code, mut view) = scene.run(&["start", "ask", "--id", &id]);
        assert_eq!(code, 3, "{view}");
        for i in 0..QUESTIONS {
            let call = view["calls"][0]["id"].as_str().unwrap().to_owned();
            let text = answer(i);
            // The first attempt is killed before or after its commit. The next one runs to its end.
            for attempt in 0.. {
                let commits = if attempt == 0 { random.below(2) } else { u64::MAX / 2 };
                let most = if commits == 0 { 40_000 } else { 3_000 };
                let moment = KillPoint { commits, delay: Duration::from_micros(random.below(most)) };
                let (_, printed) = scene.kill(&["answer", &id, "--call", &call, "--text", &text], moment);
                let acknowledged =
                    printed.lines().last().is_some_and(|line| serde_json::from_str::<Json>(line).is_ok());
                view = scene.run(&["show", &id]).1;
                let there = view["calls"][0]["id"].as_str() != Some(call.as_str());
                match (acknowledged, there) {
                    (true, false) => panic!("the answer to question {i} was acknowledged and is gone: {printed}"),
                    (false, true) => arrived += 1,
                    (false, false) => lost += 1,
                    (true, true) => {}
                }
                if there {
                    break;
                }
            }
        }
        assert_eq!((view["status"].as_str(), lines(&view)), (Some("complete"), expected()));
        assert_eq!(scene.history(&id), all_answers());
        if arrived > 0 && lost > 0 {
            break;
        }
    }
    println!("without an acknowledgement {arrived} answers arrived and {lost} did not");
    assert!(arrived > 0 && lost > 0, "{arrived} arrived, {lost} did not");
}

#[test]
fn eight_processes_answer_each_question_once() {
    const QUESTIONS: usize = 15;
    let scene = CrashFixture::new(QUESTIONS);
    scene.run(&["load", "ask.ts"]);
    assert_eq!(scene.run(&["start", "ask", "--id", "shared"]).0, 3);
    let wins: Vec<Vec<(String, String)>> = std::thread::scope(|scope| {
        let worker = |k: usize| {
            let scene = &scene;
            scope.spawn(move || {
                let mut wins = Vec::new();
                for n in 0.. {
                    let (_, view) = scene.run(&["show", "shared"]);
                    let Some(call) = view["calls"][0]["id"].as_str() else { break };
                    let text = format!("{k}-{n}");
                    match scene.run(&["answer", "shared", "--call", call, "--text", &text]) {
                        (0 | 3, _) => wins.push((call.to_owned(), text)),
                        (5, error) => assert_eq!(error["error"]["code"], "already_answered", "{error}"),
                        (code, other) => panic!("exit code {code}: {other}"),
                    }
                }
                wins
            })
        };
        let workers: Vec<_> = (0..8).map(worker).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    });
    let mut won: Vec<(String, String)> = wins.concat();
    let mut kept: Vec<(String, String)> = history(scene.path(), "shared")
        .iter()
        .map(|row| (row["id"].as_str().unwrap().to_owned(), row["response"]["result"].as_str().unwrap().to_owned()))
        .collect();
    won.sort();
    kept.sort();
    assert_eq!(won.len(), QUESTIONS);
    assert_eq!(won, kept);
}

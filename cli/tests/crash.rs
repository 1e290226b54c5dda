//! The main promise with real processes: whatever `kill -9` hits, what was acknowledged is there, once, and the output is that of a run
//! that was never killed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value as Json;

/// Kills of each of the two tests that kill.
const KILLS: usize = 100;

const QUESTIONS: usize = 40;

const PROGRAM: &str = r#"
const seen = [];
for (let i = 0; i < 40; i++) {
    const answer = CC(`question ${i}`);
    seen.push({ i, answer });
    console.log(`${i}: ${answer} (${seen.length})`);
}
console.log(seen.map((s) => s.answer).join(","));
"#;

fn answer(i: usize) -> String {
    format!("answer-{i}")
}

fn expected() -> Vec<String> {
    let lines = (0..QUESTIONS).map(|i| format!("{i}: {} ({})", answer(i), i + 1));
    lines.chain([(0..QUESTIONS).map(answer).collect::<Vec<_>>().join(",")]).collect()
}

struct Scene {
    dir: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ask.ts"), PROGRAM).unwrap();
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

    /// Runs to the end; with the exit code and the last JSON value.
    fn run(&self, args: &[&str]) -> (i32, Json) {
        let output = self.command(args).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let last = text.lines().last().map_or(Json::Null, |line| serde_json::from_str(line).unwrap());
        (output.status.code().unwrap_or(-1), last)
    }

    /// Starts, and kills with -9 after `after`. `None`: it was killed; else its exit code; and what it printed.
    fn kill(&self, args: &[&str], after: Duration) -> (Option<i32>, String) {
        let mut child: Child = self.command(args).spawn().unwrap();
        let deadline = Instant::now() + after;
        let ended = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status.code();
            }
            if Instant::now() >= deadline {
                child.kill().unwrap();
                break child.wait().unwrap().code();
            }
            std::thread::sleep(Duration::from_micros(100));
        };
        let mut text = String::new();
        child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        (ended, text)
    }

    /// Every call of the execution with its answer, in order.
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
        let store = runstate::engine::open::open(&url).await.unwrap();
        store.migrate(&runstate::domain::catalog().unwrap()).await.unwrap();
        let query = Query::of(&CC_HISTORY).eq("executionId", id).sort("step", Direction::Ascending);
        let rows = store.query(&query).await.unwrap().rows;
        rows.into_iter().map(|row| Json::Object(row.stored.document.as_ref().clone())).collect()
    })
}

/// A small generator, seeded by `RUNSTATE_SEED` so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn new(test: &str) -> Self {
        let seed = std::env::var("RUNSTATE_SEED").ok().and_then(|s| s.parse().ok());
        let seed = seed.unwrap_or_else(|| std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64);
        println!("{test}: RUNSTATE_SEED={seed}");
        Self(seed | 1)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

/// When to kill: anywhere in the time that it takes, and later with every attempt, so that a machine that has become slower meanwhile
/// gets done too.
fn patience(whole: Duration, random: &mut Random, attempt: u32) -> Duration {
    whole.mul_f64(random.below(1_000) as f64 / 1_000.0 * (1.0 + f64::from(attempt) / 4.0))
}

/// How long the whole run takes undisturbed, so that kills fall all over it.
fn undisturbed(scene: &Scene) -> Duration {
    let begun = Instant::now();
    let (code, view) = scene.run(&["run", "ask.ts", "--id", "undisturbed", "--answers", "answers.json"]);
    assert_eq!((code, lines(&view)), (0, expected()), "{view}");
    begun.elapsed()
}

fn lines(view: &Json) -> Vec<String> {
    let lines = view["output"].as_array().unwrap_or_else(|| panic!("no output in {view}"));
    lines.iter().map(|line| line.as_str().unwrap().to_owned()).collect()
}

fn all_answers() -> Vec<(u64, Json)> {
    (0..QUESTIONS).map(|i| (i as u64 + 1, answer(i).into())).collect()
}

#[test]
fn a_run_that_is_killed_again_and_again_ends_as_if_it_never_was() {
    let scene = Scene::new();
    let mut random = Random::new("run");
    let mut whole = undisturbed(&scene);
    let (mut kills, mut execution) = (0, 0);
    while kills < KILLS {
        execution += 1;
        let id = format!("run-{execution}");
        let mut started = false;
        for attempt in 0.. {
            let run = ["run", "ask.ts", "--id", &id, "--answers", "answers.json"];
            let resume = ["resume", &id, "--answers", "answers.json"];
            let (begun, after) = (Instant::now(), patience(whole, &mut random, attempt));
            let (code, text) = scene.kill(if started { &resume } else { &run }, after);
            match code {
                None => kills += 1,
                Some(0) => {
                    // Measured while the machine was busy, most kills would come too late.
                    whole = if started { whole } else { whole.min(begun.elapsed()) };
                    break;
                }
                Some(code) => panic!("exit code {code}: {text}"),
            }
            // Killed before anything was committed, there is nothing to resume.
            started = !matches!(scene.run(&["show", &id]).0, 4 | 5);
        }
        let (_, view) = scene.run(&["show", &id]);
        assert_eq!(lines(&view), expected());
        assert_eq!(scene.history(&id), all_answers());
    }
    println!("{kills} kills over {execution} executions");
}

#[test]
fn an_acknowledged_answer_is_there_and_an_unacknowledged_one_is_there_once_or_not_at_all() {
    let scene = Scene::new();
    let mut random = Random::new("answer");
    let (code, _) = scene.run(&["load", "ask.ts"]);
    assert_eq!(code, 0);
    let begun = Instant::now();
    scene.run(&["start", "ask", "--id", "measure"]);
    let whole = begun.elapsed();
    let (mut kills, mut execution) = (0, 0);
    while kills < KILLS {
        execution += 1;
        let id = format!("answer-{execution}");
        let (code, mut view) = scene.run(&["start", "ask", "--id", &id]);
        assert_eq!(code, 3, "{view}");
        for i in 0..QUESTIONS {
            let call = view["calls"][0]["callId"].as_str().unwrap().to_owned();
            let text = answer(i);
            for attempt in 0.. {
                let after = patience(whole, &mut random, attempt);
                let (code, printed) = scene.kill(&["answer", &id, "--call", &call, "--text", &text], after);
                kills += usize::from(code.is_none());
                let acknowledged =
                    printed.lines().last().is_some_and(|line| serde_json::from_str::<Json>(line).is_ok());
                view = scene.run(&["show", &id]).1;
                let open = view["calls"][0]["callId"].as_str();
                if open != Some(call.as_str()) {
                    break;
                }
                assert!(!acknowledged, "the answer to question {i} was acknowledged and is gone: {printed}");
            }
        }
        assert_eq!((view["status"].as_str(), lines(&view)), (Some("complete"), expected()));
        assert_eq!(scene.history(&id), all_answers());
    }
    println!("{kills} kills over {execution} executions");
}

#[test]
fn eight_processes_answer_forty_questions_each_once() {
    let scene = Scene::new();
    scene.run(&["load", "ask.ts"]);
    assert_eq!(scene.run(&["start", "ask", "--id", "shared"]).0, 3);
    let wins: Vec<Vec<(String, String)>> = std::thread::scope(|scope| {
        let worker = |k: usize| {
            let scene = &scene;
            scope.spawn(move || {
                let mut wins = Vec::new();
                for n in 0.. {
                    let (_, view) = scene.run(&["show", "shared"]);
                    let Some(call) = view["calls"][0]["callId"].as_str() else { break };
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

//! Runs one program in the machine, or many in one Node process, and gives what they print, ask and end with.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;

use runstate::lang;

use runstate::vm::{CallRequest, Limits, Machine, Program, Reply, Stop, Turn};
use serde_json::{Value as Json, json};

/// A program, and what the outside gives it.
#[derive(Debug, Default)]
pub struct Case {
    pub name: String,
    pub source: String,
    /// The same without types, where it has some: what Node runs.
    pub node: Option<String>,
    pub input: Json,
    pub answers: Vec<String>,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    pub lines: Vec<String>,
    pub ending: Ending,
    pub instructions: u64,
}

impl PartialEq for Outcome {
    fn eq(&self, other: &Self) -> bool {
        self.lines == other.lines && self.ending == other.ending
    }
}

#[derive(Debug, PartialEq)]
pub enum Ending {
    Complete(Json),
    Failed(String),
    Refused(String),
}

const TURN: Turn = Turn { now_ms: 1_790_000_000_000 };

/// All cases in one Node process; `None` when there is no Node.
pub fn node(cases: &[Case]) -> Option<Vec<Outcome>> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/language/node.mjs");
    let mut child = Command::new("node").arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
    let list: Vec<Json> = cases
        .iter()
        .map(|case| json!({ "source": case.node.as_ref().unwrap_or(&case.source), "input": case.input, "answers": case.answers }))
        .collect();
    let mut stdin = child.stdin.take().unwrap();
    let text = serde_json::to_string(&list).unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let results: Vec<Json> = serde_json::from_slice(&output.stdout).unwrap();
    Some(results.iter().map(outcome).collect())
}

fn outcome(json: &Json) -> Outcome {
    let lines = json["lines"].as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect();
    let ending = match json.get("error") {
        Some(error) => Ending::Failed(error.as_str().unwrap().to_owned()),
        None => Ending::Complete(json["result"].clone()),
    };
    Outcome { lines, ending, instructions: 0 }
}

/// In one go.
pub fn here(case: &Case) -> Outcome {
    let program = match compile(case) {
        Ok(program) => program,
        Err(refused) => return refused,
    };
    let mut machine = match Machine::start(program, &case.input, [7; 32], Limits::default()) {
        Ok(machine) => machine,
        Err(failure) => panic!("{}: {failure:?}", case.name),
    };
    drive(&mut machine, case, 50_000_000, |_| None)
}

/// In parts of `fuel` instructions; between them the machine is saved, restored, and saved again to the same bytes.
pub fn in_parts(case: &Case, fuel: u64) -> Outcome {
    let Ok(program) = compile(case) else { panic!("{} compiled before", case.name) };
    let mut machine = Machine::start(Arc::clone(&program), &case.input, [7; 32], Limits::default()).unwrap();
    drive(&mut machine, case, fuel, |machine| Some(again(machine, &program, &case.name)))
}

/// What the hash of its state is taken of.
fn state_text(machine: &Machine) -> String {
    let mut text = String::new();
    machine.write_state(&mut text);
    text
}

fn again(machine: &Machine, program: &Arc<Program>, name: &str) -> Machine {
    let saved = machine.save();
    let pages = |machine: &Machine| -> Vec<String> {
        (0..machine.page_count()).map(|page| machine.encode_page(page)).collect()
    };
    let text = pages(machine);
    let parsed = text.iter().map(|page| Ok(serde_json::from_str(page).unwrap()));
    let mut restored = match Machine::restore(Arc::clone(program), &saved, parsed, Limits::default()) {
        Ok(restored) => restored,
        Err(error) => panic!("{name}: {error:?}\n{}", serde_json::to_string_pretty(&saved.scopes).unwrap()),
    };
    restored.mark_clean();
    let once_more = restored.save();
    assert_eq!(format!("{saved:?}"), format!("{once_more:?}"), "{name}: the head saves to other bytes");
    assert_eq!(pages(&restored), text, "{name}: pages save to other bytes");
    assert_eq!(state_text(machine), state_text(&restored), "{name}: the hash differs");
    restored
}

/// With limits that are soon reached.
pub fn limited(case: &Case) -> Outcome {
    let Ok(program) = compile(case) else { panic!("{} does not compile", case.name) };
    let limits = Limits {
        instructions: 3_000_000,
        frames: 1_000,
        heap_bytes: 4 << 20,
        text_units: 1 << 16,
        output_bytes: 1 << 16,
        ..Limits::default()
    };
    let mut machine = Machine::start(program, &case.input, [7; 32], limits).unwrap();
    drive(&mut machine, case, u64::MAX, |_| None)
}

fn compile(case: &Case) -> Result<Arc<Program>, Outcome> {
    let compiled = match lang::compile("case.ts", &case.source) {
        Ok(compiled) => compiled,
        Err(found) => {
            let all: Vec<String> =
                found.iter().map(|one| format!("{}:{} {}", one.line, one.column, one.message)).collect();
            return Err(Outcome { lines: Vec::new(), ending: Ending::Refused(all.join("; ")), instructions: 0 });
        }
    };
    match Program::decode(&compiled.bytecode) {
        Ok(program) => Ok(Arc::new(program)),
        Err(error) => panic!("{}: {error}", case.name),
    }
}

fn drive(machine: &mut Machine, case: &Case, fuel: u64, stopped: impl Fn(&Machine) -> Option<Machine>) -> Outcome {
    let mut answers = case.answers.iter();
    let mut lines = Vec::new();
    let ending = loop {
        let stop = machine.run(fuel, &TURN);
        lines.extend(machine.take_output().iter().map(|line| untraced(line)));
        match stop {
            Stop::Fuel if machine.instructions() > 200_000_000 => break Ending::Failed("it does not end".to_owned()),
            Stop::Fuel => {}
            Stop::Complete(result) => break Ending::Complete(plain(result)),
            Stop::Failed(failure) if failure.name == "Uncaught" => {
                break Ending::Failed(format!("Uncaught: {}", failure.message));
            }
            Stop::Failed(failure) => break Ending::Failed(format!("{}: {}", failure.name, failure.message)),
            stop @ (Stop::Call(_) | Stop::Calls(_)) => {
                if let Some(other) = stopped(machine) {
                    *machine = other;
                }
                assert_eq!(machine.run(fuel, &TURN), stop, "{}: asked once more, it asks something else", case.name);
                let requests = match stop {
                    Stop::Calls(requests) => requests,
                    Stop::Call(request) => vec![request],
                    _ => Vec::new(),
                };
                lines.extend(requests.iter().map(asked));
                let replies: Vec<Reply> = requests.iter().map(|request| reply(request, &mut answers)).collect();
                machine.reply(&replies).unwrap();
            }
        }
        if let Some(other) = stopped(machine) {
            *machine = other;
        }
    };
    Outcome { lines, ending, instructions: machine.instructions() }
}

/// A printed line without the traces of errors, which differ: `at f (3:5)`. What follows on such a line stays.
fn untraced(line: &str) -> String {
    let mut kept = String::new();
    for part in line.split_inclusive('\n') {
        match trace_end(part) {
            Some(end) => {
                kept.truncate(kept.trim_end_matches('\n').len());
                kept.push_str(&part[end..]);
            }
            None => kept.push_str(part),
        }
    }
    kept
}

/// Where the place in a trace ends: `    at f (3:5)`.
fn trace_end(part: &str) -> Option<usize> {
    part.trim_start_matches(' ').strip_prefix("at ").filter(|_| part.starts_with(' '))?;
    part.match_indices(')').map(|(end, _)| end).find_map(|end| {
        let (line, column) = part[part[..end].rfind('(')? + 1..end].split_once(':')?;
        (line.parse::<u32>().is_ok() && column.parse::<u32>().is_ok()).then_some(end + 1)
    })
}

/// A call as both sides print it.
fn asked(request: &CallRequest) -> String {
    let mut line = match request.kind.as_str() {
        "cc" => format!("CC {}", request.prompt),
        "timer" => "timer".to_owned(),
        kind => format!("{kind} {}", request.args),
    };
    if !request.options.is_null() {
        line += &format!(" {}", request.options);
    }
    if let Some(keyed) = &request.key {
        line += &format!(" #{}", keyed.occurrence);
    }
    line
}

/// The next of the answers; timers and what is written take none. `!Name: message` is an error.
fn reply<'a>(request: &CallRequest, answers: &mut impl Iterator<Item = &'a String>) -> Reply {
    if request.kind == "timer" || request.kind == "fs.writeFile" {
        return Reply::Nothing;
    }
    let answer = answers.next().map_or("no answer", String::as_str);
    match answer.strip_prefix('!').and_then(|error| error.split_once(": ")) {
        Some((name, message)) => Reply::Error { name: name.to_owned(), message: message.to_owned() },
        None => Reply::Value(json!(answer)),
    }
}

/// Whole numbers compare equal however JSON spells them.
fn plain(json: Json) -> Json {
    serde_json::from_str(&json.to_string().replace(".0,", ",").replace(".0]", "]").replace(".0}", "}")).unwrap_or(json)
}

//! Runs one program in the machine, or many in one Node process, and returns their output, calls and ends.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;

use runstate::lang;

use runstate::vm::{CallRequest, Limits, Machine, Reply, StopReason, TurnContext, VerifiedProgram};
use serde_json::{Value as Json, json};

/// A program with its input and answers.
#[derive(Debug, Default)]
pub struct LanguageCase {
    pub name: String,
    pub source: String,
    /// The program without types, if it has some. Node runs this text.
    pub node_source: Option<String>,
    pub input: Json,
    pub answers: Vec<String>,
}

/// The outcome of a program.
#[derive(Debug)]
pub struct LanguageOutcome {
    pub lines: Vec<String>,
    pub end: LanguageEnd,
    pub instructions: u64,
}

impl PartialEq for LanguageOutcome {
    fn eq(&self, other: &Self) -> bool {
        self.lines == other.lines && self.end == other.end
    }
}

#[derive(Debug, PartialEq)]
pub enum LanguageEnd {
    Complete(Json),
    Failed(String),
    Refused(String),
}

const TURN: TurnContext = TurnContext { now_ms: 1_790_000_000_000 };

/// Runs all cases in one Node process. Returns `None` if there is no Node.
pub fn run_in_node(cases: &[LanguageCase]) -> Option<Vec<LanguageOutcome>> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/language/node.mjs");
    let mut child = Command::new("node").arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
    let list: Vec<Json> = cases
        .iter()
        .map(|case| json!({ "source": case.node_source.as_ref().unwrap_or(&case.source), "input": case.input, "answers": case.answers }))
        .collect();
    let mut stdin = child.stdin.take().unwrap();
    let text = serde_json::to_string(&list).unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let results: Vec<Json> = serde_json::from_slice(&output.stdout).unwrap();
    Some(results.iter().map(parse_outcome).collect())
}

fn parse_outcome(json: &Json) -> LanguageOutcome {
    let lines = json["lines"].as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect();
    let ending = match json.get("error") {
        Some(error) => LanguageEnd::Failed(error.as_str().unwrap().to_owned()),
        None => LanguageEnd::Complete(json["result"].clone()),
    };
    LanguageOutcome { lines, end: ending, instructions: 0 }
}

/// Runs a program without a stop.
pub fn run_in_machine(case: &LanguageCase) -> LanguageOutcome {
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

/// Runs a program in slices of `fuel` instructions. After each slice the machine is saved, restored, and saved again to the same
/// bytes.
pub fn run_in_slices(case: &LanguageCase, fuel: u64) -> LanguageOutcome {
    let Ok(program) = compile(case) else { panic!("{} compiled before", case.name) };
    let mut machine = Machine::start(Arc::clone(&program), &case.input, [7; 32], Limits::default()).unwrap();
    drive(&mut machine, case, fuel, |machine| Some(save_and_restore(machine, &program, &case.name)))
}

/// Returns the text over which the state hash is computed.
fn state_text(machine: &Machine) -> String {
    let mut text = String::new();
    machine.write_state(&mut text);
    text
}

fn save_and_restore(machine: &Machine, program: &Arc<VerifiedProgram>, name: &str) -> Machine {
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

/// Runs a program with tight limits.
pub fn run_with_limits(case: &LanguageCase) -> LanguageOutcome {
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

fn compile(case: &LanguageCase) -> Result<Arc<VerifiedProgram>, LanguageOutcome> {
    let compiled = match lang::compile("case.ts", &case.source) {
        Ok(compiled) => compiled,
        Err(found) => {
            let all: Vec<String> =
                found.iter().map(|one| format!("{}:{} {}", one.line, one.column, one.message)).collect();
            return Err(LanguageOutcome {
                lines: Vec::new(),
                end: LanguageEnd::Refused(all.join("; ")),
                instructions: 0,
            });
        }
    };
    match VerifiedProgram::decode(&compiled.bytecode) {
        Ok(program) => Ok(Arc::new(program)),
        Err(error) => panic!("{}: {error}", case.name),
    }
}

fn drive(
    machine: &mut Machine,
    case: &LanguageCase,
    fuel: u64,
    stopped: impl Fn(&Machine) -> Option<Machine>,
) -> LanguageOutcome {
    let mut answers = case.answers.iter();
    let mut lines = Vec::new();
    let ending = loop {
        let stop = machine.run(fuel, &TURN);
        lines.extend(machine.take_output().iter().map(|line| without_traces(line)));
        match stop {
            StopReason::Fuel if machine.instructions() > 200_000_000 => {
                break LanguageEnd::Failed("it does not end".to_owned());
            }
            StopReason::Fuel => {}
            StopReason::Complete(result) => break LanguageEnd::Complete(normalize_numbers(result)),
            StopReason::Failed(failure) if failure.name == "Uncaught" => {
                break LanguageEnd::Failed(format!("Uncaught: {}", failure.message));
            }
            StopReason::Failed(failure) => break LanguageEnd::Failed(format!("{}: {}", failure.name, failure.message)),
            stop @ (StopReason::Call(_) | StopReason::Calls(_)) => {
                if let Some(other) = stopped(machine) {
                    *machine = other;
                }
                assert_eq!(machine.run(fuel, &TURN), stop, "{}: asked once more, it asks something else", case.name);
                let requests = match stop {
                    StopReason::Calls(requests) => requests,
                    StopReason::Call(request) => vec![request],
                    _ => Vec::new(),
                };
                lines.extend(requests.iter().map(call_line));
                let replies: Vec<Reply> = requests.iter().map(|request| reply(request, &mut answers)).collect();
                machine.reply(&replies).unwrap();
            }
        }
        if let Some(other) = stopped(machine) {
            *machine = other;
        }
    };
    LanguageOutcome { lines, end: ending, instructions: machine.instructions() }
}

/// Returns a printed line without the stack traces of errors (`at f (3:5)`), which differ. Text after a trace on the same line is
/// kept.
fn without_traces(line: &str) -> String {
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

/// Returns the end of a position in a stack trace: `    at f (3:5)`.
fn trace_end(part: &str) -> Option<usize> {
    part.trim_start_matches(' ').strip_prefix("at ").filter(|_| part.starts_with(' '))?;
    part.match_indices(')').map(|(end, _)| end).find_map(|end| {
        let (line, column) = part[part[..end].rfind('(')? + 1..end].split_once(':')?;
        (line.parse::<u32>().is_ok() && column.parse::<u32>().is_ok()).then_some(end + 1)
    })
}

/// Formats a call as both sides print it.
fn call_line(request: &CallRequest) -> String {
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

/// Returns the reply to a call: the next answer, or nothing for timers and file writes. `!Name: message` is an error.
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

/// Normalizes numbers, so that whole numbers compare equal in every JSON spelling.
fn normalize_numbers(json: Json) -> Json {
    serde_json::from_str(&json.to_string().replace(".0,", ",").replace(".0]", "]").replace(".0}", "}")).unwrap_or(json)
}

//! An execution that had not ended, taken over where it stood: it waits for its answer, or runs on. Its program is one written by hand,
//! in the bytecode that it began on.

use serde::Serialize;

use super::super::call::{COGNITIVE, Call, Context, Request};
use super::super::execution::{EXECUTIONS, Execution, Metrics, Reached, State};
use super::super::live::{self, Live};
use super::super::turn::{self, Written};
use super::super::{close, document};
use super::{begin, insert, place_of};
use crate::decision::{Command, Ctx, Decision, Hint, ReadSet, Rejection, View};
use crate::id;
use crate::schema::Key;
use crate::time::Timestamp;
use crate::value::{Document, Json};
use crate::vm::{self, WireInstruction};

/// Takes over an execution that waits or runs, on version 1 of its program.
#[derive(Clone, Debug, Serialize)]
pub struct CarryStanding {
    /// Its id.
    pub id: String,
    /// Its program, which is here.
    pub program_id: String,
    /// The SHA-256 of the canonical bytecode that it began on: that of version 1, or it is refused.
    pub bytecode: String,
    /// Where it stands.
    pub pc: u32,
    /// Its operands.
    pub stack: Vec<Json>,
    /// Its globals by name.
    pub variables: Document,
    /// What it waits for; `None`: it runs.
    pub question: Option<CarriedQuestion>,
    /// All it had printed.
    pub output: Vec<String>,
    /// When it was started.
    pub started: Timestamp,
    /// When it was last written.
    pub last_modified: Timestamp,
    /// Its counters; of its calls, the open one is the last.
    pub metrics: Metrics,
}

/// Takes over an execution that has not begun: it begins with version 1 of its program, and is due at once.
#[derive(Clone, Debug, Serialize)]
pub struct CarryReady {
    /// Its id.
    pub id: String,
    /// Its program, which is here.
    pub program_id: String,
    /// What was printed under its id.
    pub output: Vec<String>,
    /// When it was made.
    pub started: Timestamp,
    /// When it was last written.
    pub last_modified: Timestamp,
}

impl Command for CarryReady {
    const NAME: &'static str = "cvm.carry_ready";
    type Output = Reached;

    fn subject(&self) -> Option<Key> {
        Some(Key::new(&EXECUTIONS, &self.id))
    }

    fn reads(&self, view: &View) -> ReadSet {
        place_of(view, &self.id, &self.program_id)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<Reached>, Rejection> {
        let (begun, decoded) = begin(view, &self.id, &self.program_id, self.started, ctx)?;
        let live = Live::start(&decoded, &Json::Null, None, ctx)?;
        let execution = Execution { last_modified: self.last_modified, ..begun };
        let mut decision = insert(execution, live, &self.output, Written::default(), ctx)?;
        decision.hints.push(Hint::Due);
        Ok(decision)
    }
}

/// A question that nobody had answered.
#[derive(Clone, Debug, Serialize)]
pub struct CarriedQuestion {
    /// Id of its row; `None`: one is made.
    pub call: Option<String>,
    /// In words.
    pub prompt: String,
    /// When it was asked.
    pub asked: Timestamp,
}

impl CarryStanding {
    /// Whether a machine of `bytecode` can stand there; or why not. To be asked before the rows of an execution are written.
    pub fn check(&self, bytecode: &[WireInstruction]) -> Result<(), String> {
        let program = vm::Program::decode(bytecode).map_err(|wrong| wrong.to_string())?;
        let limits = vm::Limits::default();
        let machine = vm::Machine::standing(program.into(), [0; 32], limits, &self.standing());
        machine.map(|_| ()).map_err(|wrong| wrong.message)
    }

    fn standing(&self) -> vm::Standing<'_> {
        vm::Standing {
            pc: self.pc,
            stack: &self.stack,
            variables: &self.variables,
            prompt: self.question.as_ref().map(|question| question.prompt.as_str()),
            instructions: self.metrics.instructions_executed,
            calls: self.metrics.cc_calls_count,
        }
    }

    fn call(&self, question: &CarriedQuestion, execution: &Execution, live: &Live, ctx: &mut Ctx) -> Call {
        Call {
            id: question.call.clone().unwrap_or_else(|| ctx.new_id()),
            execution_id: execution.id.clone(),
            program_name: execution.program_name.clone(),
            step: execution.metrics.cc_calls_count,
            kind: COGNITIVE.to_owned(),
            key: None,
            available_at: Some(question.asked),
            request: Request {
                prompt: question.prompt.clone(),
                args: Json::Null,
                instruction_id: self.pc,
                timestamp: question.asked,
                choices: None,
                schema: None,
                deadline: None,
                default: None,
            },
            response: None,
            outcome: None,
            error: None,
            context: Context {
                pc: self.pc,
                line: live.machine.line(),
                variables: live.machine.variables(turn::CONTEXT_BYTES),
            },
            claim: None,
        }
    }
}

impl Command for CarryStanding {
    const NAME: &'static str = "cvm.carry_standing";
    type Output = Reached;

    fn subject(&self) -> Option<Key> {
        Some(Key::new(&EXECUTIONS, &self.id))
    }

    fn reads(&self, view: &View) -> ReadSet {
        place_of(view, &self.id, &self.program_id)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<Reached>, Rejection> {
        let invalid = |field: &str, reason: String| Rejection::Invalid { field: field.to_owned(), reason };
        let (begun, decoded) = begin(view, &self.id, &self.program_id, self.started, ctx)?;
        if *decoded.hash != *self.bytecode {
            let reason = "version 1 of its program here has other bytecode than it began on".to_owned();
            return Err(invalid("bytecode", reason));
        }
        let standing = self.standing();
        let machine = vm::Machine::standing(decoded.program, ctx.seed("random"), live::limits(None, ctx), &standing);
        let machine = machine.map_err(|wrong| invalid("state", wrong.message))?;
        let live = Live::new(machine, decoded.hash);
        let mut execution = Execution { metrics: self.metrics, last_modified: self.last_modified, ..begun };
        let mut written = Written::default();
        let mut hint = Hint::Due;
        if let Some(question) = &self.question {
            let call = self.call(question, &execution, &live, ctx);
            id::check(&call.id).map_err(|e| invalid("call", e.to_string()))?;
            written.changes.push(call.insert()?);
            execution.state = close::waiting_for(&[call]).map_or(execution.state, State::Waiting);
            hint = Hint::CallOpen { kind: COGNITIVE.to_owned() };
        }
        let mut decision = insert(execution, live, &self.output, written, ctx)?;
        decision.hints.push(hint);
        Ok(decision)
    }
}

/// The hash by which [`CarryStanding`] names bytecode.
pub fn bytecode_hash(bytecode: &[WireInstruction]) -> Result<String, Rejection> {
    let row = document::write(&serde_json::json!({ "bytecode": bytecode }))?;
    let bytecode = row.get("bytecode").unwrap_or(&Json::Null);
    Ok(id::hex(&id::sha256(&[crate::value::canonical(bytecode).as_bytes()])))
}

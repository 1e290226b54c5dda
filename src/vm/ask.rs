//! Asking: the questions of an instruction are read from its operands (`question.rs`), counted by their keys, and the machine
//! waits until it is told what became of them.
//!
//! One question is kept as it was asked. Several asked at once can be many, so only their number is kept, and they are read
//! again from the operands where they are wanted.

use std::collections::HashMap;

use serde_json::json;

use super::entry::Entry;
use super::globals::Ask;
use super::interpreter::Next;
use super::machine::{Asked, CallRequest, Keyed, Machine, OpenCall, Stop};
use super::program::Instruction;
use super::question::{CENTURY_MS, Place, Question, Room, cut};
use super::raise::{Raise, range_error, type_error};
use super::table::{Table, Which};
use super::value::{HeapRef, Value};
use crate::time::Timestamp;

type Step = Result<Next, Raise>;

impl Machine {
    /// Runs an instruction that asks. Its operands stay until nothing can fail any more.
    pub(super) fn ask(&mut self, instruction: Instruction) -> Step {
        let mut room = Room::of(&self.limits);
        let result = self.ask_within(instruction, &mut room);
        if result.is_err() {
            // What is asked ends the turn; what fails may be tried again and again.
            self.owe(room.seen);
        }
        result
    }

    fn ask_within(&mut self, instruction: Instruction, room: &mut Room) -> Step {
        let from = self.stack.len().saturating_sub(instruction.effect().0 as usize);
        let operand = |index: usize| self.stack.get(from + index).cloned().unwrap_or(Value::Undefined);
        let one = match instruction {
            Instruction::Ask { what: Ask::All, .. } => return self.ask_together(from, room),
            Instruction::Ask { what: Ask::Call, argc } => {
                let mut one = Question::of(&self.read_tool("the first argument of call(…)", &operand(0))?);
                if argc > 1 && !matches!(operand(1), Value::Undefined) {
                    one.args = self.read_plain(Place::Call, "args", &operand(1), room)?;
                }
                if argc > 2 {
                    self.read_options(Place::Call, &operand(2), &mut one, room)?;
                }
                Some(one)
            }
            Instruction::Ask { what: Ask::Sleep, .. } => self.read_sleep(from)?,
            Instruction::Ask { what: Ask::SleepUntil, .. } => self.read_sleep_until(&operand(0))?,
            Instruction::Ask { what, .. } => {
                let mut args =
                    json!({ "path": self.read_text(&format!("the path of {}", what.name()), &operand(0), room)? });
                if what == Ask::WriteFile {
                    args["text"] = self.read_text("the text of fs.writeFile", &operand(1), room)?;
                }
                Some(Question { args, ..Question::of(what.name()) })
            }
            _ => {
                let mut one = Question::of("cc");
                one.prompt = self.read_prompt(&self.text_at(from)?, room)?;
                if let Instruction::Cc { options: true } = instruction {
                    self.read_options(Place::Cc, &operand(1), &mut one, room)?;
                }
                Some(one)
            }
        };
        match one {
            Some(one) => Ok(self.open(from, vec![one], false)),
            // There is nothing to wait for.
            None => self.replace(self.stack.len() - from, Value::Undefined),
        }
    }

    fn ask_together(&mut self, from: usize, room: &mut Room) -> Step {
        let list = self.stack.get(from).cloned().unwrap_or(Value::Undefined);
        let questions = self.read_questions(&list, room)?;
        if questions.is_empty() {
            let answers = self.heap.new_array(Vec::new());
            return self.replace(1, Value::Ref(answers));
        }
        Ok(self.open(from, questions, true))
    }

    /// `sleep(ms)`; `None` where there is nothing to wait for.
    fn read_sleep(&self, from: usize) -> Result<Option<Question>, Raise> {
        let ms = self.number_at(from)?;
        if ms.is_nan() || ms <= 0.0 {
            return Ok(None);
        }
        if ms > CENTURY_MS {
            return range_error("sleep waits at most 100 years");
        }
        // Never too short.
        Ok(Some(Question { options: json!({ "timeoutMs": ms.ceil() as i64 }), ..Question::of("timer") }))
    }

    /// `sleepUntil(moment)`; `None` for a moment that has passed.
    fn read_sleep_until(&self, moment: &Value) -> Result<Option<Question>, Raise> {
        let ms = match moment {
            Value::Number(ms) if !ms.is_nan() => Some(ms.ceil()),
            Value::Text(text) => Timestamp::from_rfc3339(&text.to_utf8()).map(|moment| moment.as_millis() as f64),
            _ => None,
        };
        let Some(ms) = ms else {
            let message = "sleepUntil takes milliseconds since 1970 or a text such as \"2030-01-31T09:00:00Z\"";
            return type_error(format!("{message}, not {}", cut(&self.shown(moment))));
        };
        if ms <= self.now_ms as f64 {
            return Ok(None);
        }
        if ms - self.now_ms as f64 > CENTURY_MS {
            return range_error("sleepUntil waits at most 100 years");
        }
        Ok(Some(Question { options: json!({ "until": ms as i64 }), ..Question::of("timer") }))
    }

    /// Asks: from here on nothing fails.
    fn open(&mut self, from: usize, questions: Vec<Question>, together: bool) -> Next {
        self.calls += questions.len() as u64;
        for question in &questions {
            if let Some(key) = &question.key {
                let count = self.times_asked(key).saturating_add(1);
                self.set_times_asked(key, count);
            }
        }
        let mut requests = self.requests(questions);
        let operands = self.stack.split_off(from);
        let (asked, stop) = match requests.pop() {
            Some(request) if !together => (Asked::One(Box::new(request.clone())), Stop::Call(request)),
            last => {
                requests.extend(last);
                (Asked::Together(requests.len()), Stop::Calls(requests))
            }
        };
        self.open = Some(OpenCall { asked, operands });
        Next::Stop(Box::new(stop))
    }

    /// What was asked, as it is told to the outside. The keys have been counted.
    fn requests(&self, questions: Vec<Question>) -> Vec<CallRequest> {
        let (instruction, line) = (self.pc, self.line());
        let mut later: HashMap<String, u64> = HashMap::new();
        let mut requests: Vec<CallRequest> = Vec::with_capacity(questions.len());
        // Backwards: the last of a key is the one counted last.
        for Question { kind, prompt, args, options, key } in questions.into_iter().rev() {
            let key = key.map(|key| {
                let behind = later.entry(key.clone()).or_default();
                let occurrence = self.times_asked(&key).saturating_sub(*behind);
                *behind += 1;
                Keyed { key, occurrence }
            });
            requests.push(CallRequest { kind, prompt, args, key, options, instruction, line });
        }
        requests.reverse();
        requests
    }

    /// The stop at the open calls, told once more.
    pub(super) fn asked_again(&self, open: &OpenCall) -> Stop {
        match open.asked {
            Asked::One(ref request) => Stop::Call((**request).clone()),
            Asked::Together(count) => match self.questions_again(open) {
                Some(questions) if questions.len() == count => Stop::Calls(self.requests(questions)),
                _ => Stop::Failed(self.failure_of(&Raise::Internal("questions that it cannot ask again"))),
            },
        }
    }

    fn questions_again(&self, open: &OpenCall) -> Option<Vec<Question>> {
        self.read_questions(open.operands.first()?, &mut Room::again()).ok()
    }

    /// Takes back what was asked in this run and nobody has seen.
    pub(super) fn unask(&mut self) {
        let Some(open) = self.open.take() else { return };
        let keys: Vec<String> = match &open.asked {
            Asked::One(request) => request.key.iter().map(|keyed| keyed.key.clone()).collect(),
            Asked::Together(_) => {
                self.questions_again(&open).into_iter().flatten().filter_map(|question| question.key).collect()
            }
        };
        for key in keys {
            let count = self.times_asked(&key).saturating_sub(1);
            self.set_times_asked(&key, count);
        }
        self.calls = self.calls.saturating_sub(open.count() as u64);
        self.stack.extend(open.operands);
    }

    /// How often was asked under a key.
    fn times_asked(&self, key: &str) -> u64 {
        let table = self.heap.table(self.keys, Which::Main);
        match table.and_then(|table| self.heap.table_get(table, &Value::text(key))) {
            Some(Value::Number(count)) => count as u64,
            _ => 0,
        }
    }

    fn set_times_asked(&mut self, key: &str, count: u64) {
        if self.keys == HeapRef::NONE {
            self.keys = self.heap.allocate(Entry::Map(Box::new(Table::numbered())));
        }
        self.heap.table_set(self.keys, Which::Main, Value::text(key), Value::Number(count as f64));
    }
}

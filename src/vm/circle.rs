//! The error of a value that contains itself and so has no JSON: the path from it back to it, in V8's words
//! (`CircularStructureMessageBuilder`).

use super::entry::Entry;
use super::json::{Level, Style};
use super::machine::Machine;
use super::raise::Raise;
use super::value::{HeapRef, Value};

/// Objects named behind the first one; of more, only the last.
const NAMED: usize = 2;

impl Machine {
    /// The message about an object that is met within itself: `levels` are those being written, outermost first.
    pub(super) fn circle_message(&self, at: HeapRef, levels: &[Level], style: &Style<'_>) -> Result<String, Raise> {
        let begin = levels.iter().position(|level| level.at == at).unwrap_or(0);
        let circle = levels.get(begin..).unwrap_or_default();
        let mut message = "Converting circular structure to JSON".to_owned();
        message += &format!("\n    --> starting at object with constructor '{}'", self.constructor_name(at)?);
        for (index, pair) in circle.windows(2).enumerate() {
            let [from, to] = pair else { continue };
            if index < NAMED || index + 2 == circle.len() {
                let (step, name) = (self.step_name(from, style)?, self.constructor_name(to.at)?);
                message += &format!("\n    |     {step} -> object with constructor '{name}'");
            } else if index == NAMED {
                message += "\n    |     ...";
            }
        }
        if let Some(last) = circle.last() {
            message += &format!("\n    --- {} closes the circle", self.step_name(last, style)?);
        }
        Ok(message)
    }

    /// The member of a level that is being written.
    fn step_name(&self, level: &Level, style: &Style<'_>) -> Result<String, Raise> {
        let index = level.len.saturating_sub(level.entries.len() + 1);
        if !level.keyed {
            return Ok(format!("index {index}"));
        }
        match self.members(&Value::Ref(level.at), style)?.get(index) {
            Some((Value::Text(key), _)) => Ok(format!("property '{key}'")),
            _ => Ok("property ''".to_owned()),
        }
    }

    fn constructor_name(&self, at: HeapRef) -> Result<String, Raise> {
        Ok(match self.own_or_inherited(&Value::Ref(at), &Value::text("constructor"))? {
            Some(Value::Ref(class)) => match self.heap.get(class) {
                Entry::Closure(closure) => self.function_name(closure.function).to_owned(),
                _ => "Object".to_owned(),
            },
            Some(Value::Builtin(builtin)) => builtin.name().to_owned(),
            _ if self.heap.array(at).is_some() => "Array".to_owned(),
            _ => "Object".to_owned(),
        })
    }
}

//! The error message of a cyclic value, which has no JSON form: the path through the cycle, worded as V8 does
//! (`CircularStructureMessageBuilder`).

use super::abrupt_completion::AbruptCompletion;
use super::entry::Entry;
use super::json::{JsonLevel, StringifyOptions};
use super::machine::Machine;
use super::value::{HeapRef, Value};

/// Number of objects named after the first one. Of the others only the last is named.
const NAMED_OBJECTS: usize = 2;

impl Machine {
    /// The message for an object that contains itself. `levels` are the objects being written, outermost first.
    pub(super) fn circular_structure_message(
        &self,
        at: HeapRef,
        levels: &[JsonLevel],
        style: &StringifyOptions<'_>,
    ) -> Result<String, AbruptCompletion> {
        let begin = levels.iter().position(|level| level.at == at).unwrap_or(0);
        let circle = levels.get(begin..).unwrap_or_default();
        let mut message = "Converting circular structure to JSON".to_owned();
        message += &format!("\n    --> starting at object with constructor '{}'", self.constructor_name(at)?);
        for (index, pair) in circle.windows(2).enumerate() {
            let [from, to] = pair else { continue };
            if index < NAMED_OBJECTS || index + 2 == circle.len() {
                let (step, name) = (self.describe_member(from, style)?, self.constructor_name(to.at)?);
                message += &format!("\n    |     {step} -> object with constructor '{name}'");
            } else if index == NAMED_OBJECTS {
                message += "\n    |     ...";
            }
        }
        if let Some(last) = circle.last() {
            message += &format!("\n    --- {} closes the circle", self.describe_member(last, style)?);
        }
        Ok(message)
    }

    /// The member of a level that is being written.
    fn describe_member(&self, level: &JsonLevel, style: &StringifyOptions<'_>) -> Result<String, AbruptCompletion> {
        let index = level.len.saturating_sub(level.entries.len() + 1);
        if !level.keyed {
            return Ok(format!("index {index}"));
        }
        match self.members_to_write(&Value::Ref(level.at), style)?.get(index) {
            Some((Value::Text(key), _)) => Ok(format!("property '{key}'")),
            _ => Ok("property ''".to_owned()),
        }
    }

    fn constructor_name(&self, at: HeapRef) -> Result<String, AbruptCompletion> {
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

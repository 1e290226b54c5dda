//! Labels of objects: the names of classes, functions in brackets, the stacks of errors.

use super::super::entry::Entry;
use super::super::machine::Machine;
use super::super::object::{ErrorKind, Object};
use super::super::value::{HeapRef, Value};
use super::ErrorLabel;

/// Most prototypes that are searched for the name of a class.
const MAX_PROTOTYPES: usize = 100;

impl Machine {
    /// The name of the program's class that constructed an object, or `builtin` if there is none.
    pub(super) fn class_name(&self, object: &Object, builtin: &str) -> String {
        let mut proto = object.proto;
        for _ in 0..MAX_PROTOTYPES {
            let Some(Entry::Object(object)) = proto.map(|at| self.heap.get(at)) else { break };
            if let Some(class @ Value::Ref(_)) = self.heap.table_get(&object.table, &Value::text("constructor")) {
                let name = self.function_value_name(&class);
                if !name.is_empty() {
                    return name;
                }
            }
            proto = object.proto;
        }
        builtin.to_owned()
    }

    /// The `name` of a function.
    fn function_value_name(&self, function: &Value) -> String {
        match self.property(function, &Value::text("name")) {
            Ok(Value::Text(name)) => name.to_utf8(),
            _ => String::new(),
        }
    }

    /// The label of a function or class, in brackets.
    pub(super) fn function_label(&self, function: &Value) -> String {
        let name = self.function_value_name(function);
        let class = match function {
            Value::Ref(at) => match self.heap.get(*at) {
                Entry::Closure(closure) => closure.class.as_ref(),
                _ => None,
            },
            _ => None,
        };
        let Some(class) = class else {
            return if name.is_empty() { "[Function (anonymous)]".to_owned() } else { format!("[Function: {name}]") };
        };
        let name = if name.is_empty() { "(anonymous)" } else { &name };
        let parent = class.parent.as_ref().map(|parent| self.function_value_name(parent)).unwrap_or_default();
        if parent.is_empty() { format!("[class {name}]") } else { format!("[class {name} extends {parent}]") }
    }

    /// Name, message and stack of an error, as Node shows them (`formatError`, `improveStack`).
    pub(super) fn error_label(&self, at: HeapRef, kind: ErrorKind, class: &str) -> ErrorLabel {
        let error = Value::Ref(at);
        let word = |name: &str| match self.property(&error, &Value::text(name)) {
            Ok(Value::Undefined | Value::Null) | Err(_) => None,
            Ok(value) => self.to_text(&value).ok().map(|text| text.to_utf8()),
        };
        let (name, message) = (word("name").unwrap_or_else(|| "Error".to_owned()), word("message").unwrap_or_default());
        let head = self.error_text(&error).map(|text| text.to_utf8()).unwrap_or_default();
        let stack = match word("stack").filter(|stack| !stack.is_empty()) {
            // V8 puts name and message before a trace when the stack is first read, not when the error is created.
            Some(stack) if stack.starts_with(kind.name()) => {
                let trace = stack.find("\n    at ").and_then(|at| stack.get(at..)).unwrap_or_default();
                format!("{head}{trace}")
            }
            Some(stack) => stack,
            None => head,
        };
        let stack = match stack.strip_prefix(name.as_str()) {
            Some(rest) if name.ends_with("Error") && (rest.is_empty() || rest.starts_with([':', '\n'])) => {
                if class.contains(&name) { format!("{class}{rest}") } else { format!("{class} [{name}]{rest}") }
            }
            _ => stack,
        };
        let behind = stack.find(&message).filter(|at| *at > 0).map_or(0, |at| at + message.len());
        let traced = stack.get(behind..).is_some_and(|rest| rest.contains("\n    at"));
        let stack = if traced { stack } else { format!("[{stack}]") };
        ErrorLabel { name, message, stack }
    }

    /// Whether a property of an error is already part of its stack.
    pub(super) fn is_in_stack(&self, stack: &str, key: &Value, value: &Value) -> bool {
        let Value::Text(key) = key else { return false };
        let hidden = matches!(key.to_utf8().as_str(), "name" | "message" | "stack");
        hidden && self.to_text(value).is_ok_and(|text| stack.contains(&text.to_utf8()))
    }

    /// The kind of an iterator's collection, and whether Node shows the iterator as a plain object without entries.
    pub(super) fn iterator_label(&self, source: &Value) -> (&'static str, bool) {
        match source {
            Value::Ref(at) => match self.heap.get(*at) {
                Entry::Map(_) => ("Map", false),
                Entry::Set(_) => ("Set", false),
                _ => ("Array", true),
            },
            Value::Text(_) => ("String", true),
            _ => ("Array", true),
        }
    }
}

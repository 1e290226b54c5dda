//! Options of methods: properties of an object in the second argument.

use super::super::abrupt_completion::{Completion, type_error, unsupported};
use super::super::machine::Machine;
use super::super::value::Value;
use super::{BuiltinDefinition, NativeArgs};
use crate::{conversion, property};

pub(super) static ROWS: &[BuiltinDefinition] = &[
    // The UnsupportedError of a built-in that is written in the language, by its message. Only the compiler emits it.
    ("intl unsupported", 1, |machine, args| unsupported(super::arg_text(machine, args, 0)?.to_utf8())),
];

/// The options of one call that are not undefined. A method takes those it knows; any other
/// is an UnsupportedError.
pub(super) struct MethodOptions(Vec<(String, Value)>);

impl MethodOptions {
    /// The options in the second argument.
    ///
    /// # Errors
    /// `null`, or a property that is an accessor.
    pub(super) fn read(machine: &Machine, args: &NativeArgs) -> Completion<MethodOptions> {
        let mut options = Vec::new();
        if args.count > 1 {
            if matches!(super::arg(machine, args, 1), Value::Null) {
                return type_error("Cannot convert undefined or null to object");
            }
            for (key, value) in property::own_entries_at(machine, args.base + 1)? {
                if !matches!(value, Value::Undefined) {
                    options.push((conversion::to_text(machine, &key)?.to_utf8(), value));
                }
            }
        }
        Ok(MethodOptions(options))
    }

    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.0.iter().position(|(other, _)| other == name).map(|at| self.0.swap_remove(at).1)
    }

    /// Takes an option as text.
    pub(super) fn take_text(&mut self, machine: &Machine, name: &str) -> Completion<Option<String>> {
        self.take(name).map(|value| Ok(conversion::to_text(machine, &value)?.to_utf8())).transpose()
    }

    /// Refuses the options that were not taken.
    pub(super) fn finish(self, method: &str) -> Completion {
        match self.0.iter().map(|(name, _)| name).min() {
            None => Ok(()),
            Some(name) => unsupported(format!("the option `{name}` of {method} is not supported")),
        }
    }
}

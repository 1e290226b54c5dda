//! Why an instruction did not end in a value.

use super::limits::Exceeded;
use super::object::ErrorKind;
use super::value::Value;

/// What interrupts an instruction.
#[derive(Debug)]
pub enum Raise {
    /// A value thrown; handlers of the program may catch it.
    Throw(Value),
    /// An error to be made and thrown: it costs nothing until the heap is at hand.
    Error(ErrorKind, String),
    /// A limit; nothing catches it.
    Limit(Exceeded),
    /// An operation that Node has and this machine lacks. Nothing catches it, so that nothing runs that Node would not run.
    Unsupported(String),
    /// The operand at this place of the stack must become a primitive by a method of the program; then the instruction is
    /// run again.
    Primitive(usize, Hint),
    /// The machine contradicts itself; nothing catches it.
    Internal(&'static str),
}

/// Which primitive is wanted of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hint {
    /// `toString` first.
    Text,
    /// `valueOf` first.
    Number,
}

impl From<Exceeded> for Raise {
    fn from(limit: Exceeded) -> Raise {
        Raise::Limit(limit)
    }
}

/// Ends the execution: the program uses an operation that only Node has.
pub fn unsupported<T>(message: impl Into<String>) -> Result<T, Raise> {
    Err(Raise::Unsupported(message.into()))
}

/// A TypeError.
pub fn type_error<T>(message: impl Into<String>) -> Result<T, Raise> {
    Err(Raise::Error(ErrorKind::Type, message.into()))
}

/// A RangeError.
pub fn range_error<T>(message: impl Into<String>) -> Result<T, Raise> {
    Err(Raise::Error(ErrorKind::Range, message.into()))
}

/// A ReferenceError.
pub fn reference_error<T>(message: impl Into<String>) -> Result<T, Raise> {
    Err(Raise::Error(ErrorKind::Reference, message.into()))
}

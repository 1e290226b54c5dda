//! Frames: calls that have begun and not returned. A frame of the program keeps its slots on the stack, its operands
//! above them; a native frame (`callback.rs`) is a built-in function that waits for a callback.

use super::callback::Waiting;
use super::value::HeapRef;

/// A call that has not returned.
#[derive(Clone)]
pub enum Frame {
    /// A function of the program.
    Code(CodeFrame),
    /// A built-in function that called back.
    Native(Box<Waiting>),
}

/// A function of the program under way. `this` stands on the stack right below its first slot: uninitialised in a derived
/// constructor before `super`.
#[derive(Clone, Copy, Debug)]
pub struct CodeFrame {
    /// Its number.
    pub function: u32,
    /// Where the caller goes on.
    pub return_pc: u32,
    /// Where the stack is cut when it returns.
    pub bottom: u32,
    /// Its first slot.
    pub base: u32,
    /// The function object; none for the global frame.
    pub closure: HeapRef,
    /// How it was called.
    pub entry: Entered,
}

/// How a function was called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Entered {
    /// As a function.
    Plain,
    /// By `new` of this class: unless an object is returned, `this` is.
    New(HeapRef),
    /// By `super(…)` on behalf of `new` of this class: the result becomes the caller's `this`.
    Super(HeapRef),
}

impl Frame {
    /// Where the caller goes on.
    pub fn return_pc(&self) -> u32 {
        match self {
            Frame::Code(frame) => frame.return_pc,
            Frame::Native(frame) => frame.return_pc,
        }
    }
}

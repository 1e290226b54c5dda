//! Frames: calls that have begun and not returned. A frame of the program has its slots on the stack and its operands
//! above them. A native frame (`callback.rs`) is a built-in function that waits for a callback.

use super::callback::NativeFrame;
use super::value::HeapRef;

/// A call that has not returned.
#[derive(Clone)]
pub enum Frame {
    /// A function of the program.
    Code(CodeFrame),
    /// A built-in function that waits for a callback.
    Native(Box<NativeFrame>),
}

/// A running function of the program. `this` is on the stack directly below the first slot. In a derived constructor it
/// is uninitialized before `super`.
#[derive(Clone, Copy, Debug)]
pub struct CodeFrame {
    /// Index of the function in the program.
    pub function: u32,
    /// The instruction at which the caller continues.
    pub return_pc: u32,
    /// The length to which the stack is truncated on return.
    pub bottom: u32,
    /// Stack index of its first slot.
    pub base: u32,
    /// The function object, or [`HeapRef::NONE`] for the global frame.
    pub closure: HeapRef,
    /// How it was called.
    pub call_kind: CallKind,
}

/// How a function was called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CallKind {
    /// As a function. ECMA-262 §10.2.1 `[[Call]]`.
    Plain,
    /// By `new` of this class: unless the function returns an object, the result is `this`. ECMA-262 §10.2.2
    /// `[[Construct]]`.
    New(HeapRef),
    /// By `super(…)` for a `new` of this class: the result becomes `this` of the caller. ECMA-262 §13.3.7 The super
    /// Keyword.
    Super(HeapRef),
    /// As an async function: this promise is the value of the call. ECMA-262 §27.7.5.1 AsyncFunctionStart.
    Async(HeapRef),
    /// An async function that continues in a job, after its caller received this promise.
    Resumed(HeapRef),
    /// By a method of this generator: the result of the method is the value of the call. ECMA-262 §27.5.3.3
    /// GeneratorResume.
    Generator(HeapRef),
    /// By a method of this async generator, or by a job. ECMA-262 §27.6.3.6 AsyncGeneratorResume.
    AsyncGenerator(HeapRef),
}

impl CallKind {
    /// The entry that it names, with the key of that in a snapshot.
    pub fn entry(self) -> Option<(&'static str, HeapRef)> {
        Some(match self {
            CallKind::Plain => return None,
            CallKind::New(at) => ("$new", at),
            CallKind::Super(at) => ("$super", at),
            CallKind::Async(at) => ("$async", at),
            CallKind::Resumed(at) => ("$resumed", at),
            CallKind::Generator(at) | CallKind::AsyncGenerator(at) => ("$generator", at),
        })
    }
}

impl Frame {
    /// The instruction at which the caller continues.
    pub fn return_pc(&self) -> u32 {
        match self {
            Frame::Code(frame) => frame.return_pc,
            Frame::Native(frame) => frame.return_pc,
        }
    }
}

//! The machine that runs bytecode. It suspends at a call, a snapshot saves its whole state, and any process can resume
//! it.
//!
//! `program` decodes and verifies a program once. A [`Machine`] runs it in slices of fuel. An execution is a function
//! of the program, the input, the seed, the answers and the time of each slice.

/// Declares an enum whose variants have names in programs and in stored forms.
macro_rules! named_enum {
    ($(#[$meta:meta])* pub enum $enum:ident { $($(#[$attribute:meta])* $variant:ident = $name:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum $enum {
            $($(#[$attribute])* $variant,)*
        }

        #[allow(dead_code, reason = "not all of it is used for every enum")]
        impl $enum {
            /// All of them, in order.
            pub const ALL: [$enum; [$($name),*].len()] = [$($enum::$variant),*];

            /// The name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $($enum::$variant => $name,)*
                }
            }

            /// The one of this name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<$enum> {
                $enum::ALL.into_iter().find(|one| one.name() == name)
            }
        }
    };
}

mod abandoned_call;
mod abrupt_completion;
mod accessor;
mod added_class;
mod array;
mod array_buffer;
mod array_callback;
mod array_sort;
pub mod bigint;
mod call;
mod call_spec;
mod callback;
mod class;
mod conversion;
mod coroutine;
mod date;
mod descriptor;
mod entry;
mod entry_decoder;
mod entry_encoder;
mod failed_call;
mod fast_path;
mod frame;
mod generator;
pub mod globals;
mod heap;
mod host_call;
mod inspect;
mod instruction_decoder;
mod interpreter;
mod iteration;
mod job;
mod json;
mod json_walk;
mod legacy;
mod limits;
mod machine;
mod machine_tasks;
mod mapping;
mod natives;
mod number;
mod number_format;
mod object;
pub mod op;
mod open_call;
mod open_call_table;
mod operand_conversion;
mod operand_stack;
pub mod program;
mod promise;
mod property;
mod regexp;
mod slow_path;
mod snapshot;
mod table;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
mod text;
mod timsort;
mod value;
mod verifier;
pub mod wire;
mod work;
mod xoshiro;

pub use abrupt_completion::LIMIT_ERROR;
pub use host_call::prompt_form;
pub use inspect::{FrameView, InspectBounds, MachineView, ValueView, VariableView};
pub use legacy::LegacyMachineState;
pub use limits::{ExceededLimit, Limits, MAX_CALL_GROUP_BYTES, MAX_OPEN_CALLS};
pub use machine::{CallKey, CallRequest, Machine, MachineFailure, Reply, StopReason, TurnContext};
pub use mapping::MappingError;
pub use open_call::{CallRecord, PendingCall, Refusal};
pub use program::{BYTECODE_VERSION, BytecodeError, Instruction, VerifiedProgram};
pub use regexp::{TextRegExp, check_regexp};
pub use snapshot::{MachineSnapshot, RestoreError};

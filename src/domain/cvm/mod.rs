//! Programs that think by asking. A program runs until it asks (`CC`), its whole state is committed, and whoever answers continues
//! it. Field names and statuses are those of the CVM schema that this domain carries on.
//!
//! | file | entity |
//! |---|---|
//! | `program.rs` | programs, their versions, and the command that loads them |
//! | `execution.rs` | executions, their lifecycle, the commands that move them |
//! | `call.rs` | calls and their answers (`cvm.cc_history`) |
//! | `expected/` | what an answer must look like, and what the program gets of it |
//! | `carried.rs` | what is taken over from a storage of the older CVM |
//! | `rows.rs` | what grows without end: output, heap pages, logs |
//! | `live.rs` | an execution in its live form, from rows and back |
//! | `turn.rs` | running a slice, and what it leaves to be written |
//! | `show.rs` | what is told of an execution, its state hash included |

mod call;
mod carried;
mod document;
mod execution;
mod expected;
mod live;
mod program;
mod rows;
mod show;
mod turn;

use crate::id::{hex, sha256};
use crate::schema::Collection;

pub use call::{Answer, CC_HISTORY, Call, CallOutcome, Choice, Context, Request, Response};
pub use carried::{CarriedEnd, CarryEnded, CarryProgram};
pub use execution::{
    Cancel, CcWaiting, Delete, DeleteRows, Deleted, EXECUTIONS, End, Event, Execution, Metrics, Pause, ProgramError,
    Reached, Resting, Retry, Run, Start, State, Status, Unpause,
};
pub use expected::{Misfit, Schema, fit};
pub use program::{Load, LoadedProgram, Metadata, PROGRAM_VERSIONS, PROGRAMS, Program, ProgramVersion};
pub use rows::{EXECUTION_LOGS, HEAP_PAGES, OUTPUTS};
pub use show::{ExecutionView, Glance, Lines, OpenCall, Seen, Show, Standing, Stands};

/// The collections of this domain.
pub const COLLECTIONS: &[&Collection] =
    &[&PROGRAMS, &PROGRAM_VERSIONS, &EXECUTIONS, &OUTPUTS, &HEAP_PAGES, &CC_HISTORY, &EXECUTION_LOGS];

/// The id of a row that is named by what it is: the same parts, the same row, whoever writes it first.
fn row_id(parts: &[&str]) -> String {
    let parts: Vec<&[u8]> = parts.iter().map(|p| p.as_bytes()).collect();
    hex(&sha256(&parts)[..16])
}

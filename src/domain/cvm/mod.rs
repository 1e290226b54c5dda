//! Programs that think by asking. A program runs until it asks (`CC`), its whole state is committed, and whoever answers continues
//! it. Field names and statuses are those of the CVM schema that this domain carries on.
//!
//! | file | entity |
//! |---|---|
//! | `program.rs` | programs, their versions, and the command that loads them |
//! | `remove.rs` | removing a program that no execution runs |
//! | `execution.rs` | executions, their lifecycle, the commands that move them |
//! | `call.rs` | calls: questions, tools, timers (`cvm.cc_history`) |
//! | `answer.rs` | answering them, before they are asked too |
//! | `early.rs` | the row of a call that is answered before it is asked |
//! | `work.rs` | workers: claims, leases, failures, retries |
//! | `waited.rs` | the calls that an execution waits for, as they are read |
//! | `close.rs` | what closing calls means for the execution that waits for them |
//! | `expected/` | what an answer must look like |
//! | `carried/` | what is taken over from a storage of the older CVM |
//! | `rows.rs` | what grows without end: output, heap pages, logs |
//! | `live.rs` | an execution in its live form, from rows and back |
//! | `turn.rs` | running a slice, and what it leaves to be written |
//! | `inspect.rs` | whether an execution and its rows fit together |
//! | `show.rs` | what is told of an execution, its state hash included |

mod answer;
mod call;
mod carried;
mod close;
mod document;
mod early;
mod execution;
mod expected;
mod inspect;
mod live;
mod program;
mod remove;
mod rows;
mod show;
mod turn;
mod variables;
mod waited;
mod work;

use crate::id::{hex, sha256};
use crate::schema::Collection;

pub use answer::{Answer, Choice};
pub use call::{
    CC_HISTORY, COGNITIVE, Call, CallError, CallOutcome, ClaimState, Context, Request, Response, TIMER, in_time,
};
pub use carried::{
    CarriedAnswer, CarriedCall, CarriedEnd, CarriedLog, CarriedQuestion, CarriedStep, CarryEnded, CarryProgram,
    CarryReady, CarryRows, CarryStanding, Kept, bytecode_hash,
};
pub use execution::{
    Cancel, CcWaiting, Delete, DeleteRows, Deleted, EXECUTIONS, End, Event, Execution, ImportedFailure, Metrics, Pause,
    ProgramError, Reached, Resting, Retry, Run, Start, State, Status, Unpause, UpTo, Wake, Woken,
};
pub use expected::{Misfit, Schema, fit};
pub use inspect::{Inspect, Inspection, OutputCheck};
pub use program::{Load, LoadedProgram, Metadata, PROGRAM_VERSIONS, PROGRAMS, Program, ProgramVersion};
pub use remove::{RemoveProgram, RemovedProgram};
pub use rows::{EXECUTION_LOGS, HEAP_PAGES, HISTORY, OUTPUTS};
pub use show::{ExecutionView, Glance, Lines, NO_LINES, OpenCall, Seen, Show, ShowCall, ShownCall, Standing, Stands};
pub use variables::Variables;
pub use work::{Backoff, Claim, Claimed, Claiming, Fail, FailedCall, Heartbeat, LOOKED_AT, Of, Release};

/// The collections of this domain.
pub const COLLECTIONS: &[&Collection] =
    &[&PROGRAMS, &PROGRAM_VERSIONS, &EXECUTIONS, &OUTPUTS, &HEAP_PAGES, &CC_HISTORY, &EXECUTION_LOGS, &HISTORY];

/// The id of a row that is named by what it is: the same parts, the same row, whoever writes it first.
fn row_id(parts: &[&str]) -> String {
    let parts: Vec<&[u8]> = parts.iter().map(|p| p.as_bytes()).collect();
    hex(&sha256(&parts)[..16])
}

//! Programs that make calls. A program runs until it makes a call (`CC`), its whole state is committed, and the answer resumes it. Field
//! names and statuses are those of the CVM schema, which this domain continues.
//!
//! | file | contents |
//! |---|---|
//! | `program.rs` | programs, their versions, and the command that loads them |
//! | `program_removal.rs` | the removal of a program without executions |
//! | `execution/` | executions, their lifecycle, the commands that change them |
//! | `call.rs` | calls: questions, tools, timers (`cvm.cc_history`) |
//! | `answer.rs` | answers, early answers included |
//! | `early_answer.rs` | the row of an early answer |
//! | `claim.rs` | workers: claims, leases, failures, retries |
//! | `awaited_calls.rs` | reading the calls that an execution waits for |
//! | `call_closing.rs` | closing calls, and its effect on the execution that waits for them |
//! | `answer_schema/` | choices and schemas of answers |
//! | `legacy/` | the import from a storage of the older CVM |
//! | `child_rows.rs` | rows that grow without limit: output, heap pages, logs |
//! | `loaded_machine.rs` | the machine of an execution, decoded from rows and saved to them |
//! | `slice.rs` | running a slice, and the writes that it needs |
//! | `inspection.rs` | the check that an execution and its rows fit together |
//! | `queries.rs` | queries of an execution, its state hash included |
//! | `variables.rs` | the variables of an execution |
//! | `document.rs` | conversion between entities and documents |

mod answer;
mod answer_schema;
mod awaited_calls;
mod call;
mod call_closing;
mod child_rows;
mod claim;
mod document;
mod early_answer;
mod execution;
mod inspection;
mod legacy;
mod loaded_machine;
mod program;
mod program_removal;
mod queries;
mod slice;
mod variables;

use crate::id::{hex, sha256};
use crate::schema::Collection;

pub use answer::{Answer, AnswerTarget};
pub use answer_schema::{Schema, ValidationError, coerce_answer};
pub use call::{
    CC_HISTORY, COGNITIVE, Call, CallError, CallOutcome, ClaimState, Context, Request, Response, TIMER, before_deadline,
};
pub use child_rows::{EXECUTION_LOGS, HEAP_PAGES, HISTORY, OUTPUTS};
pub use claim::{
    Backoff, CANDIDATE_LIMITS, Claim, ClaimResult, ClaimTarget, ClaimedCall, Fail, FailedCall, Heartbeat, Release,
};
pub use execution::{
    Cancel, CcWaiting, Delete, DeleteRows, DeletionCursor, DeletionProgress, EXECUTIONS, ExecutionEvent, ExecutionHead,
    ExecutionState, ExecutionStatus, ImportedFailure, Metrics, Pause, ProgramError, ResumeState, Retry, RunDue,
    RunDueOutcome, RunSlice, SliceEnd, Start, Status, Unpause,
};
pub use inspection::{Inspect, Inspection, OutputCheck};
pub use legacy::{
    ImportActiveExecution, ImportEndedExecution, ImportLegacyProgram, ImportLegacyRows, ImportReadyExecution,
    LegacyAnswer, LegacyBytecode, LegacyCall, LegacyHistoryEntry, LegacyLogRow, LegacyOpenCall, LegacyOutcome,
    bytecode_hash,
};
pub use program::{Load, LoadedProgram, Metadata, PROGRAM_VERSIONS, PROGRAMS, Program, ProgramVersion};
pub use program_removal::{RemovalProgress, RemoveProgram};
pub use queries::{
    CallDetails, Execution, ExecutionProgress, ExecutionStatusDetails, NO_LINES, OpenCall, PollExecution, Show,
    ShowCall, ShowOutput, ShowStatus,
};
pub use variables::Variables;

/// The collections of this domain.
pub const COLLECTIONS: &[&Collection] =
    &[&PROGRAMS, &PROGRAM_VERSIONS, &EXECUTIONS, &OUTPUTS, &HEAP_PAGES, &CC_HISTORY, &EXECUTION_LOGS, &HISTORY];

/// The id of a row that is derived from its content: the same parts give the same row, whichever writer is first.
fn row_id(parts: &[&str]) -> String {
    let parts: Vec<&[u8]> = parts.iter().map(|p| p.as_bytes()).collect();
    hex(&sha256(&parts)[..16])
}

//! Programs that make calls. A program runs until it makes a call (`CC`), its whole state is committed, and the answer
//! resumes it. Field names and statuses are those of the CVM schema, which this domain continues.
//!
//! | file | contents |
//! |---|---|
//! | `program.rs` | programs, their versions, and the commands that load and remove them |
//! | `execution/` | executions, their lifecycle, the commands that change them |
//! | `call.rs` | calls: questions, tools, timers (`cvm.cc_history`) |
//! | `answer.rs` | answers, and the row of an early answer |
//! | `policy.rs`, `approval.rs` | the calls that an execution may make; approvals of calls |
//! | `claim.rs`, `failure.rs`, `work.rs` | workers: claims and leases; failures and retries; calls as the work of workers |
//! | `call_cost.rs` | costs of calls: reservations against budgets |
//! | `waiting.rs` | the calls that an execution waits for: reading, closing and cancelling them |
//! | `answer_schema/` | choices and schemas of answers |
//! | `import.rs` | the import of programs and executions that another system has recorded |
//! | `file_layout.rs` | the files of an export that is a folder |
//! | `child_rows.rs` | rows that grow without limit: output, heap pages, logs |
//! | `loaded_machine.rs` | the machine of an execution, decoded from rows and saved to them |
//! | `slice.rs` | running a slice, and the writes that result |
//! | `inspection.rs` | the variables of an execution, and the check that its rows agree with its head |
//! | `recorded_answers.rs` | answers of another execution, for one that is started again |
//! | `queries.rs` | queries of an execution, its state hash included |
//! | `listing/` | lists of programs, executions, calls and logs; statistics |

// The derive macros name the library by its path.
extern crate runstate_core as runstate;

mod answer;
mod answer_schema;
mod approval;
mod call;
mod call_cost;
mod child_rows;
mod claim;
pub mod codes;
mod due;
mod execution;
mod failure;
mod file_layout;
mod import;
mod inspection;
mod listing;
mod loaded_machine;
mod policy;
mod port;
mod program;
mod queries;
mod recorded_answers;
mod request_text;
mod settings;
mod slice;
mod sliced_text;
mod verification;
mod waiting;
mod work;

cfg_if::cfg_if! {
    if #[cfg(feature = "compiler")] {
        mod compilation;
        pub use compilation::{compile as compile_source, loaded as load_command};
    } else {
        /// Loading a program without bytecode is rejected.
        mod compilation {
            use runstate_core::decision::Rejection;
            use runstate_core::error_code::ErrorCode;

            use super::program::{Load, SourceOptions};

            pub fn compile(name: &str, _: &str, _: SourceOptions) -> Result<Load, Rejection> {
                let message =
                    format!("program `{name}` cannot be compiled: this build has no compiler. Pass its `bytecode`");
                Err(Rejection::domain(ErrorCode::UNSUPPORTED, message))
            }
        }
    }
}

use runstate_core::id::{hex, sha256};
use runstate_core::lease::{Heartbeat, Release};
use runstate_core::operation::{Domain, EntityQueries, LifecycleDeclaration, Operation};
use runstate_core::schema::Collection;

pub use answer::{AnswerCall, CompleteCall, SeenCalls};
pub use answer_schema::{Schema, ValidationError, coerce_answer};
pub use approval::{Approval, Approve, Reject};
pub use call::{
    CC_HISTORY, COGNITIVE, Call, CallError, CallOutcome, CallView, ClaimState, Context, OnRefused, Request, Response,
    TIMER, WaitsFor,
};
pub use call_cost::REFUSAL_DELAY;
pub use child_rows::{EXECUTION_LOGS, HEAP_PAGES, HISTORY, HistoryRow, LogRow, OUTPUTS};
pub use claim::{ClaimParameters, ClaimedCall, NextAvailableCall};
pub use due::RETENTION;
pub use execution::{
    Cancel, Delete, DeleteRows, DeletionCursor, DeletionProgress, EXECUTIONS, ExecutionEvent, ExecutionHead,
    ExecutionLimits, ExecutionState, ExecutionStatus, ImportedFailure, Metrics, Pause, ProgramError, ResumeState,
    Retry, RunDue, RunDueOutcome, RunSlice, Start, Status, Unpause,
};
pub use failure::{Fail, FailedCall};
pub use import::{
    ImportExecution, ImportProgram, ImportRows, ImportedBytecode, ImportedRow, ImportedState, bytecode_hash,
};
pub use inspection::{Inspect, Inspection, Variables};
pub use listing::{
    CountFinished, CountStatuses, ExecutionSummary, Latency, LatencyByKind, LatencyByProgram, ListCalls, ListLogs,
    ListVersions, MetricStats, Overview, ProgramSummary, ShowLatency, ShowOverview, ShowProgram, ShowStats,
    ShowVersion, ShowVersionOf, SlowestCalls, Stats, VersionSummary,
};
pub use policy::Policy;
pub use program::{
    DEFAULT_ENTRY, Load, LoadParameters, LoadedProgram, Metadata, PROGRAM_VERSIONS, PROGRAMS, Program, ProgramFile,
    ProgramVersion, RemoveProgram, RemovedProgram, SourceOptions,
};
pub use queries::{
    Execution, ExecutionProgress, ExecutionStatusDetails, NO_LINES, PollExecution, Show, ShowOutput, ShowStatus,
};
pub use settings::{LogLevel, Settings};
pub use waiting::Waiting;
pub use work::Work;

/// The collections of this domain.
pub const COLLECTIONS: &[&Collection] =
    &[&PROGRAMS, &PROGRAM_VERSIONS, &EXECUTIONS, &OUTPUTS, &HEAP_PAGES, &CC_HISTORY, &EXECUTION_LOGS, &HISTORY];

/// The domain.
pub static DOMAIN: Domain = Domain::new("cvm")
    .collections(COLLECTIONS)
    .definitions(&[&PROGRAMS, &PROGRAM_VERSIONS])
    .programs(&port::PROGRAMS)
    .schemas(&port::SCHEMAS)
    .operations(&[
        &LoadParameters::OPERATION,
        &RemoveProgram::OPERATION,
        &Start::OPERATION,
        &RunSlice::OPERATION,
        &AnswerCall::OPERATION,
        &Approve::OPERATION,
        &Reject::OPERATION,
        &Pause::OPERATION,
        &Unpause::OPERATION,
        &Cancel::OPERATION,
        &Retry::OPERATION,
        &Delete::OPERATION,
        &RunDue::OPERATION,
        &Show::OPERATION,
        &Variables::OPERATION,
        &PollExecution::OPERATION,
        &ShowOutput::OPERATION,
        &ShowStatus::OPERATION,
        &Call::SHOW,
        &ClaimParameters::OPERATION,
        &Heartbeat::<Call>::OPERATION,
        &CompleteCall::OPERATION,
        &Fail::OPERATION,
        &Release::<Call>::OPERATION,
        &Program::LIST,
        &ShowProgram::OPERATION,
        &Program::SHOW,
        &ListVersions::OPERATION,
        &ShowVersion::OPERATION,
        &ShowVersionOf::OPERATION,
        &ExecutionHead::LIST,
        &ExecutionHead::SHOW,
        &ShowOverview::OPERATION,
        &CountFinished::OPERATION,
        &ListCalls::OPERATION,
        &SlowestCalls::OPERATION,
        &NextAvailableCall::OPERATION,
        &ListLogs::OPERATION,
        &CountStatuses::OPERATION,
        &ShowStats::OPERATION,
        &ShowLatency::OPERATION,
        &LatencyByProgram::OPERATION,
        &LatencyByKind::OPERATION,
    ])
    .due(&[&due::WAKE, &due::CANCEL, &due::RETENTION, &due::COLLECTION])
    .checks(&[&verification::EXECUTION_CHECK])
    .lifecycles(&[LifecycleDeclaration::new::<ExecutionHead>("an execution")])
    .codes(codes::CODES)
    .settings(&settings::DECLARATION)
    .files(&file_layout::FILES);

/// The id of a row that is derived from its content: the same parts give the same row, whichever writer is first.
fn row_id(parts: &[&str]) -> String {
    let parts: Vec<&[u8]> = parts.iter().map(|p| p.as_bytes()).collect();
    hex(&sha256(&parts)[..16])
}

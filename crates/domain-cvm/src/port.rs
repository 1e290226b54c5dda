//! The programs and schemas of this domain for other domains.

use runstate_core::decision::program::{ExecutionEnd, ProgramPort, ProgramStart};
use runstate_core::decision::{SchemaMismatch, SchemaPort};
use runstate_core::error_code::ErrorCode;
use runstate_core::prelude::*;

use crate::{EXECUTIONS, ExecutionState, RunSlice, Schema, Start, Status};

/// Starts and follows executions in the commits of other domains.
pub const PROGRAMS: ProgramPort = ProgramPort {
    executions: &EXECUTIONS,
    check: |start| to_command(start).check(),
    reads: |view, start| to_command(start).reads(view),
    start: |view, ctx, start| to_command(start).decide(view, ctx),
    next: RunSlice::after,
    end,
};

/// The schemas of answers.
pub const SCHEMAS: SchemaPort =
    SchemaPort { check: |schema| Schema::parse(schema).map(drop), mismatch: schema_mismatch };

fn schema_mismatch(schema: &Json, value: &Json) -> Result<Option<SchemaMismatch>, String> {
    let mismatch = Schema::parse_stored(schema)?.check(value).err();
    Ok(mismatch.map(|error| SchemaMismatch {
        path: error.path.split('/').skip(1).map(|name| name.replace("~1", "/").replace("~0", "~")).collect(),
        expected: error.expected,
    }))
}

fn to_command(start: &ProgramStart) -> Start {
    Start { input: start.input.clone(), ..Start::new(&start.program).id(&start.execution) }
}

fn end(id: &str, document: &Document) -> Result<Option<ExecutionEnd>> {
    let state = ExecutionState::read_fields(document).map_err(|violation| {
        Rejection::domain(ErrorCode::CORRUPT, format!("execution `{id}` is damaged: {violation}"))
    })?;
    Ok(match state {
        ExecutionState::Complete { .. } | ExecutionState::Deleted { final_status: Status::Complete, .. } => {
            Some(ExecutionEnd::Complete)
        }
        ExecutionState::Failed { error, .. } => Some(ExecutionEnd::Failed(error.message)),
        ExecutionState::Cancelled { .. } => Some(ExecutionEnd::Cancelled),
        ExecutionState::Deleted { .. } => Some(ExecutionEnd::Deleted),
        ExecutionState::Running { .. } | ExecutionState::Waiting(_) | ExecutionState::Paused(_) => None,
    })
}

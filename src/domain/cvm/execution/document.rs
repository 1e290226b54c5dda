//! The document of an execution: names and shapes of the CVM schema, and the conversion from and to the typed form.

use serde::{Deserialize, Serialize};

use super::super::{document, loaded_machine};
use super::{CcWaiting, ExecutionHead, ExecutionState, Metrics, ProgramError, ResumeState, Status};
use crate::decision::{LoadedDocument, Rejection};
use crate::limits::LogLevel;
use crate::schema::Key;
use crate::time::Timestamp;
use crate::value::{Document, Json};

impl ExecutionHead {
    /// Converts to a document.
    pub fn to_document(&self) -> Result<Document, Rejection> {
        let (mut cc_waiting, mut completed, mut error, mut result, mut paused_from, mut deleting) = Default::default();
        match &self.state {
            ExecutionState::Running { .. } => {}
            ExecutionState::Waiting(call) => cc_waiting = Some(call.clone()),
            ExecutionState::Paused(ResumeState::Running) => {
                paused_from = Some(PausedFrom { status: Status::Running, cc_waiting: None })
            }
            ExecutionState::Paused(ResumeState::Waiting(call)) => {
                paused_from = Some(PausedFrom { status: Status::WaitingCc, cc_waiting: Some(call.clone()) });
            }
            ExecutionState::Complete { at, result: value } => (completed, result) = (Some(*at), Some(value.clone())),
            ExecutionState::Failed { at, error: why } => (completed, error) = (Some(*at), Some(why.clone())),
            ExecutionState::Cancelled { at } => completed = Some(*at),
            ExecutionState::Deleted { at, .. } => (completed, deleting) = (Some(*at), Some(true)),
        }
        let frames = self.frames.clone().unwrap_or_else(loaded_machine::Frames::empty);
        document::write(&ExecutionDocument {
            id: self.id.clone(),
            program_id: self.program_id.clone(),
            program_name: self.program_name.clone(),
            program_version: self.program_version,
            state: StateDocument {
                pc: self.pc,
                stack: frames.stack,
                scopes: frames.scopes,
                machine: frames.machine,
                status: self.state.status(),
                output: self.output.clone(),
                output_count: self.output_count,
                output_rows: self.output_rows,
                together: self.group_size,
                together_bytes: self.group_answer_bytes,
            },
            cc_waiting,
            started: self.started,
            completed,
            last_modified: self.last_modified,
            metrics: self.metrics,
            error,
            result,
            input: self.input.clone(),
            parent_id: self.parent_id.clone(),
            paused_from,
            random: self.random.clone(),
            heap: self.heap.clone(),
            output_digest: self.output_digest.clone(),
            log_level: self.log_level,
            heap_bytes: self.heap_bytes,
            wake_at: self.wake_at(),
            deleting,
        })
    }

    /// Converts from a document. A document whose parts contradict each other is damaged.
    pub fn from_document(key: &Key, loaded: &LoadedDocument) -> Result<Self, Rejection> {
        let wire: ExecutionDocument = document::read(key, loaded)?;
        let wrong = |what: &str| document::damaged(key, &format!("it is {} {what}", wire.state.status.as_str()));
        let at = || wire.completed.ok_or_else(|| wrong("but has no completion time"));
        let waiting = |call: &Option<CcWaiting>| call.clone().ok_or_else(|| wrong("but does not name its call"));
        let state = match wire.state.status {
            status if wire.deleting == Some(true) => ExecutionState::Deleted {
                final_status: status,
                at: at()?,
                lease_until: wire.wake_at.unwrap_or_default(),
            },
            Status::Running => ExecutionState::Running { lease_until: wire.wake_at.unwrap_or_default() },
            Status::WaitingCc => ExecutionState::Waiting(CcWaiting { due: wire.wake_at, ..waiting(&wire.cc_waiting)? }),
            Status::Paused => match wire.paused_from.as_ref().ok_or_else(|| wrong("but has no earlier status"))? {
                PausedFrom { status: Status::WaitingCc, cc_waiting } => {
                    ExecutionState::Paused(ResumeState::Waiting(waiting(cc_waiting)?))
                }
                _ => ExecutionState::Paused(ResumeState::Running),
            },
            Status::Complete => {
                ExecutionState::Complete { at: at()?, result: wire.result.clone().unwrap_or(Json::Null) }
            }
            Status::Error => ExecutionState::Failed {
                at: at()?,
                error: wire.error.clone().ok_or_else(|| wrong("but has no error"))?,
            },
            Status::Cancelled => ExecutionState::Cancelled { at: at()? },
        };
        let frames =
            loaded_machine::Frames { stack: wire.state.stack, scopes: wire.state.scopes, machine: wire.state.machine };
        Ok(Self {
            id: wire.id,
            program_id: wire.program_id,
            program_name: wire.program_name,
            program_version: wire.program_version,
            state,
            pc: wire.state.pc,
            frames: wire.heap.spill.is_none().then_some(frames),
            output: wire.state.output,
            output_count: wire.state.output_count,
            output_rows: wire.state.output_rows,
            output_digest: wire.output_digest,
            started: wire.started,
            last_modified: wire.last_modified,
            metrics: wire.metrics,
            input: wire.input,
            parent_id: wire.parent_id,
            random: wire.random,
            heap: wire.heap,
            log_level: wire.log_level,
            heap_bytes: wire.heap_bytes,
            group_size: wire.state.together,
            group_answer_bytes: wire.state.together_bytes,
        })
    }
}

/// The shape of the document.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExecutionDocument {
    id: String,
    program_id: String,
    program_name: String,
    program_version: u32,
    state: StateDocument,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cc_waiting: Option<CcWaiting>,
    started: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    completed: Option<Timestamp>,
    last_modified: Timestamp,
    metrics: Metrics,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<ProgramError>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::value::deserialize_some")]
    result: Option<Json>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::value::deserialize_some")]
    input: Option<Json>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    paused_from: Option<PausedFrom>,
    random: Json,
    heap: loaded_machine::PageTable,
    output_digest: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    log_level: Option<LogLevel>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    heap_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wake_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deleting: Option<bool>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StateDocument {
    pc: u32,
    stack: Json,
    scopes: Json,
    #[serde(default)]
    machine: Json,
    status: Status,
    output: Vec<String>,
    output_count: u64,
    #[serde(default)]
    output_rows: u64,
    /// Number of calls in the group, after `CC.all`; 0 after a single call.
    #[serde(default, skip_serializing_if = "is_zero")]
    together: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    together_bytes: u64,
}

fn is_zero<T: Default + PartialEq>(n: &T) -> bool {
    *n == T::default()
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PausedFrom {
    status: Status,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cc_waiting: Option<CcWaiting>,
}

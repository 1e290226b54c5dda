//! Where the command of an operation differs from what its declaration gives: its columns, its text, its arguments. An
//! operation that is not here has a command too.

use runstate::error_code::ErrorCode;
use serde_json::Value as Json;

use crate::commands::frames_text;

/// The command of an operation.
#[derive(Clone, Copy, Debug)]
pub struct Face {
    operation: &'static str,
    /// Optional parameters that have no flag: they follow the subject.
    pub positional: &'static [&'static str],
    /// Lists whose texts are sentences, which may have commas.
    pub sentences: &'static [&'static str],
    /// The columns of tables: paths in a row, each with its heading if that is not its name. A `+` before a number: the
    /// column is shown if a row has more than one.
    pub columns: &'static [&'static str],
    /// The line that is printed instead of the result. `{name}` is replaced by a property of the result, or by a
    /// parameter.
    pub line: Option<&'static str>,
    /// The lines that are printed instead of the result.
    pub text: Option<fn(&Json) -> Vec<String>>,
    /// The remark if there are no rows.
    pub empty: &'static str,
    /// An optional parameter that must name what exists, and the operation and parameter that find it: a missing one
    /// would have no rows.
    pub must_exist: Option<(&'static str, &'static str, &'static str)>,
    /// A command that helps after this rejection: it takes the same subject.
    pub next_step: Option<(ErrorCode, &'static str)>,
    /// The data that is lost. The command asks before it deletes.
    pub loss: Option<&'static str>,
    /// Whether it runs an execution: it prints the output and the status then, as `start` does.
    pub drives: bool,
    /// The rest of an example after the words.
    pub example: Option<&'static str>,
}

const fn face(operation: &'static str) -> Face {
    Face {
        operation,
        positional: &[],
        sentences: &[],
        columns: &[],
        line: None,
        text: None,
        empty: "none",
        must_exist: None,
        next_step: None,
        loss: None,
        drives: false,
        example: None,
    }
}

impl Face {
    const fn positional(self, positional: &'static [&'static str]) -> Self {
        Self { positional, ..self }
    }

    const fn columns(self, columns: &'static [&'static str]) -> Self {
        Self { columns, ..self }
    }

    const fn line(self, line: &'static str) -> Self {
        Self { line: Some(line), ..self }
    }

    const fn empty(self, empty: &'static str) -> Self {
        Self { empty, ..self }
    }

    const fn must_exist(self, parameter: &'static str, operation: &'static str, subject: &'static str) -> Self {
        Self { must_exist: Some((parameter, operation, subject)), ..self }
    }

    const fn next_step(self, code: ErrorCode, words: &'static str) -> Self {
        Self { next_step: Some((code, words)), ..self }
    }

    const fn deletes(self, loss: &'static str) -> Self {
        Self { loss: Some(loss), ..self }
    }

    const fn drives(self) -> Self {
        Self { drives: true, line: Some("{id} is {status}"), ..self }
    }

    const fn example(self, example: &'static str) -> Self {
        Self { example: Some(example), ..self }
    }
}

/// The operations that differ.
const FACES: &[Face] = &[
    face("cvm.next").drives().example("r1"),
    face("cvm.pause").line("{id} is {status}").example("r1 r2 r3 --command-id night"),
    face("cvm.unpause").drives().example("r1"),
    face("cvm.cancel").line("{id} is {status}").example("r1 r2 --graceful --deadline 5m"),
    face("cvm.retry").drives().example("r1 --heap 128MiB --instructions 20000000000"),
    face("cvm.delete")
        .deletes("with all output, questions and answers")
        .line("{id} is deleted")
        .next_step(ErrorCode::ILLEGAL_TRANSITION, "cancel")
        .example("r1 r2 --yes"),
    Face { text: Some(frames_text), ..face("cvm.variables").positional(&["name"]).example("r1 total --full") },
    face("cvm.list")
        .columns(&["id", "programName PROGRAM", "status", "started", "+openCalls OPEN", "prompt QUESTION"])
        .empty("no executions"),
    face("cvm.calls")
        .positional(&["execution"])
        .empty("no calls")
        .must_exist("execution", "cvm.status", "id")
        .columns(&[
            "executionId EXECUTION",
            "step",
            "kind",
            "outcome",
            "waitsFor WAITS FOR",
            "requestedAt REQUESTED",
            "args ARGUMENTS",
            "response/result ANSWER",
            "error/name ERROR",
            "error/message MESSAGE",
            "refusal/name REFUSAL",
            "response/latencyMs LATENCY",
            "response/by BY",
            "claim/owner WORKER",
            "claim/until LEASE",
            "key",
            "prompt QUESTION",
        ])
        .example("r1"),
    face("cvm.slowest").columns(&[
        "executionId EXECUTION",
        "step",
        "kind",
        "response/latencyMs LATENCY",
        "response/by BY",
        "prompt QUESTION",
    ]),
    face("cvm.programs")
        .empty("no programs")
        .columns(&["name", "programVersion VERSION", "modified", "tags", "description"])
        .example("--tag review --json"),
    face("cvm.versions")
        .columns(&["programVersion VERSION", "created", "metadata/compiler COMPILER", "metadata/version BYTECODE"])
        .example("review"),
    face("cvm.removeProgram")
        .deletes("with all versions")
        .line("{name} is deleted")
        .next_step(ErrorCode::IN_USE, "list --program")
        .example("review draft --yes"),
    face("documents.count").example("notes --where '{\"eq\": [\"tag\", \"home\"]}'"),
    face("documents.drop")
        .deletes("all its documents; the declaration remains")
        .line("{deleted} documents of {collection} are deleted")
        .example("notes --yes"),
    face("apps.artifact.list").empty("no artifacts").example("--execution e1 --step 1").columns(&[
        "id",
        "executionId EXECUTION",
        "stepId STEP",
        "artifactType TYPE",
        "artifactName NAME",
        "mimeType MEDIA TYPE",
        "sizeBytes BYTES",
        "storageType STORAGE",
        "createdAt CREATED",
    ]),
    face("apps.artifact.remove")
        .deletes("with its bytes, if no other artifact has them")
        .line("{id} is deleted")
        .example("A1 A2 --yes"),
    face("fleet.project.list").empty("no projects").columns(&[
        "id",
        "status",
        "greediness",
        "name",
        "currentCheckpointUuid CHECKPOINT",
    ]),
    face("fleet.intelligentMachine.list").empty("no machines").columns(&[
        "id",
        "type",
        "status",
        "checkpointDue CHECKPOINT DUE",
        "progress",
        "spawnedAt SPAWNED",
    ]),
    Face { sentences: &["reasons"], ..face("fleet.project.rebalance") },
    face("fleet.checkpoint.list").empty("no checkpoints").columns(&[
        "id",
        "checkpointType TYPE",
        "verificationStatus STATUS",
        "parentCheckpointUuid PARENT",
        "createdAt CREATED",
    ]),
    face("fleet.checkpoint.delete").deletes("for good").line("{id} is deleted"),
    face("fleet.budget.list").empty("no budgets").columns(&[
        "id",
        "resourceType RESOURCE",
        "budgetPeriod PERIOD",
        "periodStart FROM",
        "allocatedAmount ALLOCATED",
        "usedAmount USED",
        "reservedAmount RESERVED",
        "overrunAmount OVERRUN",
        "unit",
    ]),
    face("fleet.reservation.list").empty("no reservations").columns(&[
        "id",
        "state",
        "resourceType RESOURCE",
        "amount",
        "unit",
        "expiresAt EXPIRES",
    ]),
    face("fleet.usage.list").empty("no uses").columns(&[
        "id",
        "resourceType RESOURCE",
        "resourceSubtype PART",
        "amount",
        "unit",
        "costCad CAD",
        "recordedAt RECORDED",
    ]),
    face("fleet.experiment.list").empty("no experiments").columns(&["id", "status", "result", "name"]),
    face("apps.subscription.create").line("{id} is created"),
    face("apps.subscription.pause").line("{id} is paused"),
    face("apps.subscription.resume").line("{id} is active"),
    face("apps.subscription.remove").deletes("with its secret").line("{id} is deleted"),
    face("apps.subscription.list").empty("no subscriptions").columns(&["id", "active", "events", "url", "name"]),
    face("apps.delivery.list").empty("no deliveries").columns(&[
        "id",
        "status",
        "event",
        "subscriptionId SUBSCRIPTION",
        "attempts",
        "error",
    ]),
    face("cvm.stats").positional(&["program"]).must_exist("program", "cvm.versions", "name").example("review"),
];

pub fn of_operation(operation: &'static str) -> Face {
    FACES.iter().find(|face| face.operation == operation).copied().unwrap_or(face(operation))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_face_belongs_to_an_operation() {
        let names: Vec<&str> = crate::operations::signatures().map(|signature| signature.name).collect();
        for face in FACES {
            assert!(names.contains(&face.operation), "{}", face.operation);
        }
    }
}

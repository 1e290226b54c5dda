//! Approvals and questions as forms that the client shows to its user (elicitation). Clients without forms leave them
//! to `approve`, `reject` and `answer`.

use std::collections::HashSet;

use rmcp::RoleServer;
use rmcp::model::{ClientCapabilities, ClientResult, ElicitRequest, ElicitResult, ElicitationAction, ServerRequest};
use rmcp::service::Peer;
use runstate::client::{Answer, Cvm};
use runstate::domain::cvm::{Approve, COGNITIVE, CallView, ExecutionProgress, Reject, WaitsFor};
use runstate::engine::Error;
use runstate::lease::shorten_message;
use serde_json::{Value as Json, json};
use tokio::sync::watch;

use super::tasks::related_task;
use crate::printer::Printer;
use crate::session::Session;

/// Most bytes of the arguments of a call in a form. A call with more is left to `approve`: a person must see all.
const ARGUMENT_BYTES: usize = 16 * 1024;

/// Longest name of the person that decides, in bytes.
const NAME_BYTES: usize = 200;

/// Longest reason of a rejection, in bytes.
const REASON_BYTES: usize = 4 * 1024;

/// The forms of a client. A clone shares them.
#[derive(Clone)]
pub struct Forms {
    cvm: Cvm,
    out: Printer,
    /// The calls that a person is asked about now.
    asked: watch::Sender<HashSet<String>>,
}

impl Forms {
    pub fn new(session: &Session) -> Self {
        Self { cvm: session.cvm.clone(), out: session.out, asked: watch::Sender::default() }
    }

    /// Shows forms for the calls that wait for a person, each once in a request: `seen` has those of this one.
    /// `is_task`: the request reads a task.
    pub fn ask(
        &self,
        progress: &ExecutionProgress,
        peer: &Peer<RoleServer>,
        seen: &mut HashSet<String>,
        is_task: bool,
    ) {
        if !peer.peer_info().is_some_and(|client| shows_forms(&client.capabilities)) {
            return;
        }
        for call in progress.calls.iter().filter(|call| can_ask(call)) {
            // The form may outlive the request.
            if !seen.insert(call.id.clone()) || !self.asked.send_if_modified(|asked| asked.insert(call.id.clone())) {
                continue;
            }
            let (forms, peer, call) = (self.clone(), peer.clone(), call.clone());
            tokio::spawn(async move {
                if let Err(error) = ask(&forms.cvm, &peer, &call, is_task).await {
                    forms.out.remark(&format!("the decision on {} was not recorded: {error}", call.label()));
                }
                forms.asked.send_modify(|asked| _ = asked.remove(&call.id));
            });
        }
    }
}

/// Whether a client shows forms.
pub fn shows_forms(client: &ClientCapabilities) -> bool {
    let forms = client.elicitation.as_ref();
    // Clients of the first version of elicitation name no mode.
    forms.is_some_and(|modes| modes.form.is_some() || modes.url.is_none())
}

/// Whether a form can ask about this call.
fn can_ask(call: &CallView) -> bool {
    match call.waits_for {
        Some(WaitsFor::Approval) => call.args.to_string().len() + call.prompt.len() <= ARGUMENT_BYTES,
        Some(WaitsFor::Person) => call.prompt.len() <= ARGUMENT_BYTES,
        _ => false,
    }
}

/// Asks the user of the client about a call, and records the decision. Without one, the call stays open.
async fn ask(cvm: &Cvm, peer: &Peer<RoleServer>, call: &CallView, is_task: bool) -> Result<(), Error> {
    let meta = is_task.then(|| related_task(&call.execution_id));
    let Some(form) = form_of(call, meta) else { return Ok(()) };
    // Without a result the client could not show the form.
    let Ok(ClientResult::ElicitResult(result)) = peer.send_request(ServerRequest::ElicitRequest(form)).await else {
        return Ok(());
    };
    let client = peer.peer_info().map(|info| info.client_info.name.clone()).unwrap_or_default();
    record(cvm, call, &client, result).await
}

/// The form about a call that waits for a person; `None`: a form cannot ask about it.
pub fn form_of(call: &CallView, meta: Option<Json>) -> Option<ElicitRequest> {
    if !can_ask(call) {
        return None;
    }
    let (message, form) = match call.waits_for {
        Some(WaitsFor::Approval) => approval_form(call),
        _ => (call.prompt.clone(), value_form(call)),
    };
    let mut params = json!({ "mode": "form", "message": message, "requestedSchema": form });
    if let Some(meta) = meta {
        params["_meta"] = meta;
    }
    Some(ElicitRequest::new(serde_json::from_value(params).ok()?))
}

/// Records the decision of the user of a client.
pub async fn record(cvm: &Cvm, call: &CallView, client: &str, result: ElicitResult) -> Result<(), Error> {
    let by = shorten_message(&format!("the user of {client}"), NAME_BYTES);
    let content = result.content.unwrap_or_default();
    let (execution, id) = (call.execution_id.clone(), call.id.clone());
    match (call.waits_for == Some(WaitsFor::Approval), result.action) {
        (true, ElicitationAction::Accept) if content["decision"] == "approve" => {
            cvm.approve(&Approve { execution, call: id, by, note: None, args: None }).await?;
        }
        (true, ElicitationAction::Accept | ElicitationAction::Decline) => {
            let reason = content["reason"].as_str().filter(|reason| !reason.is_empty());
            let reason = reason.map(|reason| shorten_message(reason, REASON_BYTES));
            cvm.reject(&Reject { execution, call: id, by, reason }).await?;
        }
        (false, ElicitationAction::Accept) => {
            let answer = Answer::to_call(id).value(read_value(call, content)).by(by);
            cvm.answer(&execution, answer).await?;
        }
        _ => {}
    }
    Ok(())
}

fn approval_form(call: &CallView) -> (String, Json) {
    let CallView { kind, args, line, execution_id, .. } = call;
    let needs = call.needs().map(|needs| format!(" It {needs}.")).unwrap_or_default();
    let request = if kind == COGNITIVE { call.prompt.clone() } else { format!("{args:#}") };
    let message = format!("May {execution_id:?} call {kind} (line {line})?{needs}\n{request}");
    let form = json!({
        "type": "object",
        "properties": {
            "decision": { "type": "string", "enum": ["approve", "reject"] },
            "reason": { "type": "string", "description": "Why it is rejected" },
        },
        "required": ["decision"],
    });
    (message, form)
}

/// The type of a field that a form can have.
fn field(schema: &Json) -> Option<Json> {
    let name = schema["type"].as_str()?;
    matches!(name, "string" | "number" | "integer" | "boolean").then(|| json!({ "type": name }))
}

/// The form of a question. A form has no lists and objects, so they are written as JSON.
fn value_form(call: &CallView) -> Json {
    let field = match (&call.choices, &call.schema) {
        (Some(choices), _) => json!({ "type": "string", "enum": choices.iter().map(label).collect::<Vec<_>>() }),
        (None, schema) => schema.as_ref().and_then(field).unwrap_or_else(|| json!({ "type": "string" })),
    };
    json!({ "type": "object", "properties": { ANSWER: field }, "required": [ANSWER] })
}

/// The field of a form that asks for one value.
const ANSWER: &str = "answer";

fn label(choice: &Json) -> String {
    choice.as_str().map_or_else(|| choice.to_string(), str::to_owned)
}

/// The value in the content of a form. The text for a schema that a form cannot have is JSON.
fn read_value(call: &CallView, mut content: Json) -> Json {
    let answer = content.get_mut(ANSWER).map(Json::take).unwrap_or_default();
    let Some(text) = answer.as_str() else { return answer };
    match (&call.choices, &call.schema) {
        (Some(choices), _) => choices.iter().find(|choice| label(choice) == text).cloned().unwrap_or(answer),
        (None, Some(schema)) if schema["type"] != "string" => serde_json::from_str(text).unwrap_or(answer),
        _ => answer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(choices: Option<Vec<Json>>, schema: Option<Json>) -> CallView {
        CallView { choices, schema, ..CallView::default() }
    }

    #[test]
    fn a_question_is_a_form_of_its_answer() {
        let answer = |call: &CallView, text: &str| read_value(call, json!({ "answer": text }));
        let choice = call(Some(vec![json!(1), json!("one")]), None);
        assert_eq!(value_form(&choice)["properties"]["answer"]["enum"], json!(["1", "one"]));
        assert_eq!((answer(&choice, "1"), answer(&choice, "one")), (json!(1), json!("one")));
        let nested = json!({ "type": "object", "properties": { "a": { "type": "array" } } });
        assert_eq!(answer(&call(None, Some(nested)), "{\"a\":[]}"), json!({ "a": [] }));
        assert_eq!(answer(&call(None, None), "{}"), json!("{}"));
        assert_eq!(read_value(&call(None, Some(json!({ "type": "boolean" }))), json!({ "answer": true })), json!(true));
    }

    #[test]
    fn every_form_is_one_that_the_protocol_has() {
        for form in [approval_form(&CallView::default()).1, value_form(&CallView::default())] {
            let params = json!({ "mode": "form", "message": "a?", "requestedSchema": form });
            assert!(serde_json::from_value::<rmcp::model::ElicitRequestParams>(params).is_ok(), "{form}");
        }
    }
}

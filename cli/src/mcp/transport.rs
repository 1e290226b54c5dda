//! JSON-RPC messages on standard input and output, one a line. A line that is not a message for this server is answered
//! with an error: the transport of `rmcp` drops most such lines, and a client that waits for their answer waits
//! forever.
#![allow(deprecated, reason = "clients of protocol versions before 2026-07-28 subscribe to one resource at a time")]

use std::io;
use std::pin::Pin;
use std::sync::Arc;

use rmcp::model::{
    CallToolRequest, CancelTaskRequest, ClientJsonRpcMessage, DiscoverRequest, ErrorCode, GetPromptRequest,
    GetTaskRequest, InitializeRequest, ListPromptsRequest, ListResourceTemplatesRequest, ListResourcesRequest,
    ListToolsRequest, PaginatedRequestParams, PingRequest, ReadResourceRequest, RequestId, ServerJsonRpcMessage,
    SubscribeRequest, SubscriptionsListenRequest, UnsubscribeRequest, UpdateTaskRequest,
};
use rmcp::transport::Transport;
use rmcp::{ErrorData, RoleServer};
use runstate::limits::DOCUMENT_BYTES;
use runstate::operation::nearest_name;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};
use tokio::io::{AsyncWriteExt, Stdout};
use tokio::sync::{Mutex, mpsc};

use super::outline::id_of_request;
use super::tasks::{TaskParameters, TaskWire};
use crate::input::{StdinLine, read_lines_in_thread, without_line_end};

/// The longest line: the largest document, and as much again for the escapes in its texts and what is around it.
/// Exports have the same limit.
const LINE_BYTES: usize = 2 * DOCUMENT_BYTES;

/// The largest part of a client's text in an error, in characters.
const QUOTED_CHARS: usize = 120;

/// Checks that a request has the parameters of its method.
type ParamsCheck = fn(&Json) -> serde_json::Result<()>;

/// The methods that are served, with the check and the form of their parameters.
static METHODS: [(&str, ParamsCheck, &str); 16] = [
    ("initialize", fits::<InitializeRequest>, "{ protocolVersion, capabilities, clientInfo }"),
    ("ping", fits::<PingRequest>, "{}"),
    ("server/discover", fits::<DiscoverRequest>, "{ _meta: object }"),
    ("tools/list", fits_page::<ListToolsRequest>, "{ cursor?: string }"),
    ("tools/call", fits::<CallToolRequest>, "{ name: string, arguments?: object }"),
    ("prompts/list", fits_page::<ListPromptsRequest>, "{ cursor?: string }"),
    ("prompts/get", fits::<GetPromptRequest>, "{ name: string, arguments?: object }"),
    ("resources/list", fits_page::<ListResourcesRequest>, "{ cursor?: string }"),
    ("resources/templates/list", fits_page::<ListResourceTemplatesRequest>, "{ cursor?: string }"),
    ("resources/read", fits::<ReadResourceRequest>, "{ uri: string }"),
    ("resources/subscribe", fits::<SubscribeRequest>, "{ uri: string }"),
    ("resources/unsubscribe", fits::<UnsubscribeRequest>, "{ uri: string }"),
    ("tasks/get", fits::<GetTaskRequest>, "{ taskId: string }"),
    ("tasks/update", fits::<UpdateTaskRequest>, "{ taskId: string, inputResponses: object }"),
    ("tasks/cancel", fits::<CancelTaskRequest>, "{ taskId: string }"),
    ("subscriptions/listen", fits::<SubscriptionsListenRequest>, "{ _meta: object, notifications: object }"),
];

/// The methods that only clients with tasks of version 2025-11-25 have.
static METHODS_OF_TASKS: [(&str, ParamsCheck, &str); 2] = [
    ("tasks/result", fits_params::<TaskParameters>, "{ taskId: string }"),
    ("tasks/list", fits_params::<Option<PaginatedRequestParams>>, "{ cursor?: string }"),
];

fn fits_params<T: DeserializeOwned>(request: &Json) -> serde_json::Result<()> {
    fits::<T>(&request["params"])
}

fn fits<T: DeserializeOwned>(request: &Json) -> serde_json::Result<()> {
    T::deserialize(request).map(drop)
}

/// `T` takes a cursor that is not a text for none.
fn fits_page<T: DeserializeOwned>(request: &Json) -> serde_json::Result<()> {
    fits::<T>(request)?;
    fits_params::<Option<PaginatedRequestParams>>(request)
}

/// Messages on standard input and output.
pub struct StdioTransport {
    lines: mpsc::Receiver<StdinLine>,
    output: Arc<Mutex<Stdout>>,
    tasks: TaskWire,
    /// The answer to a refused line, until it is written. It outlives a `receive` that is dropped.
    answer: Option<Pin<Box<dyn Future<Output = io::Result<()>> + Send>>>,
}

impl StdioTransport {
    /// Starts to read standard input. `tasks`: the tools whose calls can be tasks.
    pub fn open(tasks: &'static [&'static str]) -> Self {
        let output = Arc::new(Mutex::new(tokio::io::stdout()));
        Self { lines: read_lines_in_thread(LINE_BYTES), output, tasks: TaskWire::new(tasks), answer: None }
    }

    fn write(&self, message: serde_json::Result<String>) -> impl Future<Output = io::Result<()>> + Send + use<> {
        let output = self.output.clone();
        async move {
            let line = message? + "\n";
            let mut output = output.lock().await;
            output.write_all(line.as_bytes()).await?;
            output.flush().await
        }
    }
}

impl Transport<RoleServer> for StdioTransport {
    type Error = io::Error;

    fn send(&mut self, message: ServerJsonRpcMessage) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let message = self.tasks.write(&message);
        self.write(message)
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        loop {
            if let Some(answer) = &mut self.answer {
                let written = answer.await;
                self.answer = None;
                written.ok()?;
            }
            match parse(without_line_end(self.lines.recv().await?.ok()?), &self.tasks) {
                Ok(Some(message)) => return Some(message),
                Ok(None) => {}
                Err(error) => self.answer = Some(Box::pin(self.write(Ok(error.to_string())))),
            }
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads a message; `None`: the line has none, or one that is never answered. The error is the answer to the line.
fn parse(line: Vec<u8>, tasks: &TaskWire) -> Result<Option<ClientJsonRpcMessage>, Json> {
    let refusal = |id: &Json, error: ErrorData| json!({ "jsonrpc": "2.0", "id": id, "error": error });
    if line.len() > LINE_BYTES {
        let message = format!("the line has more than {LINE_BYTES} bytes; send less in one request");
        return Err(refusal(&Json::Null, ErrorData::invalid_request(message, None)));
    }
    let text = line.strip_prefix("\u{FEFF}".as_bytes()).unwrap_or(&line);
    if text.trim_ascii().is_empty() {
        return Ok(None);
    }
    let mut message: Json = match serde_json::from_slice(text) {
        Ok(message) => message,
        Err(error) => {
            let Some(id) = id_of_request(text) else { return Ok(None) };
            let message = format!(
                "the line cannot be read as JSON: {error}; write one message a line, in UTF-8, at most 127 levels deep"
            );
            return Err(refusal(&id, ErrorData::parse_error(message, None)));
        }
    };
    check(&message, tasks).map_err(|error| {
        let id = message.get("id").filter(|id| id.is_string() || id.is_number());
        refusal(id.unwrap_or(&Json::Null), error)
    })?;
    tasks.rename(&mut message);
    // A notification or a response that does not fit is never answered.
    Ok(ClientJsonRpcMessage::deserialize(&message).ok())
}

/// Checks that a message is a notification, a response, or a request of a method with its parameters.
fn check(message: &Json, tasks: &TaskWire) -> Result<(), ErrorData> {
    let invalid = |problem: &str| {
        let form = r#"write {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}"#;
        Err(ErrorData::invalid_request(format!("{problem}; {form}"), None))
    };
    let has = |name: &str| message.get(name).is_some();
    let has_result = has("result") || has("error");
    match message {
        Json::Array(_) => return invalid("a batch is not supported: each message has its own line"),
        Json::Object(_) if has_result && !has("method") => return Ok(()),
        Json::Object(_) => {}
        _ => return invalid("the message is not an object"),
    }
    if message["jsonrpc"] != "2.0" {
        return invalid("`jsonrpc` is not \"2.0\"");
    }
    let Some(method) = message["method"].as_str() else { return invalid("`method` is not a string") };
    let Some(id) = message.get("id") else { return Ok(()) };
    if RequestId::deserialize(id).is_err() {
        return invalid("`id` is neither a string nor an integer");
    }
    if has_result {
        return invalid("a request has neither `result` nor `error`");
    }
    let of_tasks: &'static [_] = if tasks.is_agreed() { &METHODS_OF_TASKS } else { &[] };
    let methods = || METHODS.iter().chain(of_tasks);
    if let Some((_, fits, form)) = methods().find(|(name, ..)| *name == method) {
        return fits(message).map_err(|error| {
            // The name of a private type.
            let reason = shorten(&error.to_string().replace("struct WithMeta", "an object"));
            let message = format!("the params of `{method}` are not valid: {reason}; expected {form}");
            ErrorData::invalid_params(message, None)
        });
    }
    let (method, names): (_, Vec<&str>) = (shorten(method), methods().map(|(name, ..)| *name).collect());
    let hint = match nearest_name(&method, &names) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the methods are {}", names.join(", ")),
    };
    Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, format!("`{method}` is not a method; {hint}"), None))
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(QUOTED_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

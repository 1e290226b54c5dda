//! The messages of tasks in version 2025-11-25 of the protocol. `rmcp` has the tasks of later versions only, whose
//! messages have the same methods and other members: the transport gives those of this version other names, which
//! `rmcp` leaves as they are.

use rmcp::model::{
    InitializeResult, JsonRpcResponse, ListToolsResult, ProtocolVersion, ServerJsonRpcMessage, ServerResult,
};
use serde_json::{Value as Json, json};

/// The methods of requests behind the transport.
pub const CALL: &str = "runstate/tools/call";
pub const GET: &str = "runstate/tasks/get";
pub const CANCEL: &str = "runstate/tasks/cancel";
pub const RESULT: &str = "tasks/result";
pub const LIST: &str = "tasks/list";

/// The tasks of one connection.
pub struct TaskWire {
    /// The tools whose calls can be tasks; none: the server has no tasks.
    tools: &'static [&'static str],
    /// Whether the client and the server have agreed on the version of tasks.
    is_agreed: bool,
}

impl TaskWire {
    pub fn new(tools: &'static [&'static str]) -> Self {
        Self { tools, is_agreed: false }
    }

    pub fn is_agreed(&self) -> bool {
        self.is_agreed
    }

    /// Renames a request about tasks. Without an agreement the parameter `task` has no meaning.
    pub fn rename(&self, message: &mut Json) {
        if !self.is_agreed {
            return;
        }
        let name = match message["method"].as_str().unwrap_or_default() {
            "tools/call" if message["params"]["task"].is_object() => CALL,
            "tasks/get" => GET,
            "tasks/cancel" => CANCEL,
            _ => return,
        };
        message["method"] = name.into();
    }

    /// Writes a message, with what it says about tasks.
    pub fn write(&mut self, message: &ServerJsonRpcMessage) -> serde_json::Result<String> {
        let ServerJsonRpcMessage::Response(JsonRpcResponse { result, .. }) = message else {
            return serde_json::to_string(message);
        };
        match result {
            ServerResult::InitializeResult(InitializeResult { protocol_version, .. }) if !self.tools.is_empty() => {
                self.is_agreed = *protocol_version == ProtocolVersion::V_2025_11_25;
                let mut message = serde_json::to_value(message)?;
                if self.is_agreed {
                    message["result"]["capabilities"]["tasks"] =
                        json!({ "list": {}, "cancel": {}, "requests": { "tools": { "call": {} } } });
                }
                serde_json::to_string(&message)
            }
            ServerResult::ListToolsResult(ListToolsResult { .. }) if self.is_agreed => {
                let mut message = serde_json::to_value(message)?;
                for tool in message["result"]["tools"].as_array_mut().into_iter().flatten() {
                    if self.tools.iter().any(|name| tool["name"] == *name) {
                        tool["execution"] = json!({ "taskSupport": "optional" });
                    }
                }
                serde_json::to_string(&message)
            }
            _ => serde_json::to_string(message),
        }
    }
}

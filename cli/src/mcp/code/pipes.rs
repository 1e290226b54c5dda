//! The messages of a server behind, one a line of its standard output. A reply that cannot be read ends its call with
//! an error at once: the transport of `rmcp` drops such a line, and the call would wait until its time is over.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::io;
use std::mem::take;
use std::sync::Arc;

use rmcp::model::{ErrorCode, JsonRpcError, JsonRpcMessage, JsonRpcResponse, RequestId};
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use rmcp::{ErrorData, RoleClient};
use serde::Deserialize;
use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde_json::Value as Json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::Mutex;

/// The longest message. It must hold a result that is refused with its size.
const LINE_BYTES: usize = 64 << 20;

/// The bytes at both ends of a longer message that are kept: its id is in one of them.
const EDGE_BYTES: usize = 1024;

/// Standard input and output of a server.
pub struct ServerPipes {
    stdin: Arc<Mutex<Option<ChildStdin>>>,
    stdout: BufReader<ChildStdout>,
    /// What was read of a line, or both ends of it if it is too long.
    line: Vec<u8>,
    /// The bytes that were read of the line.
    length: usize,
    inbox: Inbox,
}

/// What the lines of a server mean.
#[derive(Default)]
struct Inbox {
    /// The requests that were sent and not answered.
    open: HashSet<RequestId>,
    received: VecDeque<RxJsonRpcMessage<RoleClient>>,
}

impl ServerPipes {
    pub fn new(stdin: ChildStdin, stdout: ChildStdout) -> Self {
        let (stdin, stdout) = (Arc::new(Mutex::new(Some(stdin))), BufReader::new(stdout));
        Self { stdin, stdout, line: Vec::new(), length: 0, inbox: Inbox::default() }
    }

    /// Reads to the end of a line; `false`: the stream has ended. Nothing is lost if the future is dropped.
    async fn read_line(&mut self) -> bool {
        loop {
            let Ok(read) = self.stdout.fill_buf().await else { return false };
            if read.is_empty() {
                return false;
            }
            let end = read.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(read.len(), |end| end + 1);
            self.line.extend_from_slice(&read[..taken]);
            self.length += taken;
            self.stdout.consume(taken);
            if self.length > LINE_BYTES && self.line.len() > 2 * EDGE_BYTES {
                self.line.drain(EDGE_BYTES..self.line.len() - EDGE_BYTES);
            }
            if end.is_some() {
                return true;
            }
        }
    }
}

impl Inbox {
    /// Receives the message of a line, or failures of the requests that it may answer.
    fn accept(&mut self, line: &[u8], length: usize) {
        let text = line.strip_prefix("\u{FEFF}".as_bytes()).unwrap_or(line).trim_ascii();
        // A log that does not end its line may be before a message.
        let start = text.iter().position(|byte| *byte == b'{').unwrap_or_default();
        let is_long = length > LINE_BYTES;
        let message = (!is_long).then(|| serde_json::from_slice::<RxJsonRpcMessage<RoleClient>>(&text[start..]));
        let problem = match message {
            // The server could not read a request, and does not know its id. Other errors are of none.
            Some(Ok(JsonRpcMessage::Error(JsonRpcError { id: None, error, .. }))) => match error.code {
                ErrorCode::PARSE_ERROR | ErrorCode::INVALID_REQUEST => error.message.into_owned(),
                _ => return,
            },
            Some(Ok(mut message)) => {
                let is_expected = match &mut message {
                    JsonRpcMessage::Response(JsonRpcResponse { id, .. })
                    | JsonRpcMessage::Error(JsonRpcError { id: Some(id), .. }) => {
                        *id = as_sent(id.clone());
                        self.open.remove(id)
                    }
                    // The log may show what the server has sent or received.
                    _ => start == 0,
                };
                return self.received.extend(is_expected.then_some(message));
            }
            Some(Err(error)) => error.to_string(),
            None => format!("it has more than {LINE_BYTES} bytes; ask the tool for less"),
        };
        // Servers also print other lines, such as those of a log.
        let names_protocol = || text.windows(PROTOCOL.len()).any(|part| part == PROTOCOL);
        let outline = Outline::of(if is_long { &text[..EDGE_BYTES.min(text.len())] } else { text });
        if outline.has_method || outline.is_other() || !(is_long || names_protocol()) {
            return;
        }
        let failed = match outline.id.or_else(|| last_id(text)).map(as_sent) {
            Some(id) => self.open.take(&id).into_iter().collect(),
            // Without its id, each of the requests may be the one that it answers.
            None => take(&mut self.open),
        };
        for id in failed {
            let error = ErrorData::parse_error(format!("the answer of the server cannot be read: {problem}"), None);
            self.received.push_back(JsonRpcMessage::error(error, Some(id)));
        }
    }
}

/// An id as this client has sent it, a number. Some servers answer with a text.
fn as_sent(id: RequestId) -> RequestId {
    match &id {
        RequestId::String(text) => text.parse().map_or(id, RequestId::Number),
        RequestId::Number(_) => id,
    }
}

impl Transport<RoleClient> for ServerPipes {
    type Error = io::Error;

    fn send(&mut self, message: TxJsonRpcMessage<RoleClient>) -> impl Future<Output = io::Result<()>> + Send + 'static {
        if let JsonRpcMessage::Request(request) = &message {
            self.inbox.open.insert(request.id.clone());
        }
        let (stdin, line) = (self.stdin.clone(), serde_json::to_string(&message));
        async move {
            let line = line? + "\n";
            let mut stdin = stdin.lock().await;
            let stdin = stdin.as_mut().ok_or(io::ErrorKind::NotConnected)?;
            stdin.write_all(line.as_bytes()).await?;
            stdin.flush().await
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleClient>> {
        while self.inbox.received.is_empty() && self.read_line().await {
            let (line, length) = (take(&mut self.line), take(&mut self.length));
            self.inbox.accept(&line, length);
        }
        self.inbox.received.pop_front()
    }

    async fn close(&mut self) -> io::Result<()> {
        self.stdin.lock().await.take();
        Ok(())
    }
}

/// What every message of the protocol has.
const PROTOCOL: &[u8] = b"\"jsonrpc\"";

/// The members of a message that can be read, up to a part that is damaged. What is skipped may have a lone surrogate,
/// any depth and any number.
#[derive(Default)]
struct Outline {
    id: Option<RequestId>,
    /// It is a request or a notification.
    has_method: bool,
    has_protocol: bool,
    /// The object has its end, and nothing follows it.
    is_whole: bool,
}

impl Outline {
    fn of(text: &[u8]) -> Self {
        let mut outline = Self::default();
        let start = text.iter().position(|byte| *byte == b'{').unwrap_or_default();
        let mut reader = serde_json::Deserializer::from_slice(&text[start..]);
        let read = reader.deserialize_map(&mut outline);
        outline.is_whole = read.and_then(|()| reader.end()).is_ok();
        outline
    }

    /// Whether it is an object that is not a message, such as a line of a log.
    fn is_other(&self) -> bool {
        self.is_whole && !self.has_protocol
    }
}

impl<'de> Visitor<'de> for &mut Outline {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(name) = members.next_key::<String>()? {
            match name.as_str() {
                "id" => self.id = RequestId::deserialize(members.next_value::<Json>()?).ok(),
                name => {
                    self.has_method |= name == "method";
                    self.has_protocol |= name == "jsonrpc";
                    members.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// The id of a message that ends with it.
fn last_id(text: &[u8]) -> Option<RequestId> {
    let members = text.strip_suffix(b"}")?.trim_ascii_end();
    let at = members.iter().rposition(|byte| *byte == b':')?;
    let is_id = members[..at].trim_ascii_end().ends_with(b"\"id\"");
    is_id.then(|| serde_json::from_slice(&members[at + 1..]).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is received of a line while the requests 3 and 4 are open: the ids of results, and of errors below zero.
    fn received(line: &str) -> Vec<i64> {
        let open = HashSet::from([3, 4].map(RequestId::Number));
        let mut inbox = Inbox { open, ..Inbox::default() };
        inbox.accept(line.as_bytes(), line.len());
        let number = |id: &RequestId| match id {
            RequestId::Number(number) => *number,
            RequestId::String(text) => panic!("{text}"),
        };
        let mut found: Vec<i64> = inbox
            .received
            .iter()
            .map(|message| match message {
                JsonRpcMessage::Response(reply) => number(&reply.id),
                JsonRpcMessage::Error(error) => -number(error.id.as_ref().unwrap()),
                _ => 0,
            })
            .collect();
        found.sort_unstable();
        found
    }

    #[test]
    fn a_line_answers_the_requests_that_it_names() {
        let reply = r#"{"jsonrpc":"2.0","id":3,"result":{}}"#;
        let error =
            |id: &str, code: i32| format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":"no"}}}}"#);
        for (line, expected) in [
            (reply.to_owned(), &[3][..]),
            (reply.replace('3', "\"3\""), &[3]),
            (reply.replace('3', "9"), &[]),
            (format!("a log {reply}"), &[3]),
            (format!("a log {}", reply.replace('3', "9")), &[]),
            (r#"sent {"jsonrpc":"2.0","method":"notifications/initialized"}"#.to_owned(), &[]),
            (error("3", -32602), &[-3]),
            (error("\"4\"", -32602), &[-4]),
            // Without an id.
            (error("null", -32700), &[-4, -3]),
            (error("null", -32600), &[-4, -3]),
            (error("null", -32603), &[]),
            // Damaged.
            (r#"{"jsonrpc":"2.0","id":3,"result":{"a":"#.to_owned(), &[-3]),
            (r#"{"jsonrpc":"2.0","id":"3","result":{"a":"#.to_owned(), &[-3]),
            (r#"{"jsonrpc":"2.0","id":9,"result":{"a":"#.to_owned(), &[]),
            (r#"{"jsonrpc":"2.0","result":{"a":"#.to_owned(), &[-4, -3]),
            // Lines of a log.
            (format!(r#"{{"level":30,"sent":{reply}}}"#), &[]),
            (format!(r#"a log {{"level":30,"sent":{reply}}}"#), &[]),
            (r#"{"level":30}"#.to_owned() + reply, &[-4, -3]),
        ] {
            assert_eq!(received(&line), expected, "{line}");
        }
    }

    #[test]
    fn the_id_of_a_damaged_message_is_found_at_both_ends() {
        let found = |text: &str| {
            let Outline { id, has_method, .. } = Outline::of(text.as_bytes());
            (id.or_else(|| last_id(text.as_bytes())), has_method)
        };
        let deep = format!(r#"{{"result":{}{},"id":3}}"#, "[".repeat(200), "]".repeat(200));
        for text in [
            r#"{"jsonrpc":"2.0","id":3,"result":{"a":[1,"#,
            r#"{"jsonrpc":"2.0","id":3,"result":x}"#,
            r#"{"result":{"a":"\ud800"},"id":3,"jsonrpc":"2.0"}"#,
            r#"{"result":{"n":1e999},"jsonrpc":"2.0","id":3}"#,
            r#"{"result":{"id":4},x,"jsonrpc":"2.0", "id" : 3 }"#,
            r#"a log {"id":3,"result":1}"#,
            &deep,
        ] {
            assert_eq!(found(text), (Some(RequestId::Number(3)), false), "{text}");
        }
        for text in [r#"{"jsonrpc":"2.0","result":{"id":3},"#, r#"{"result":{"id":3}}"#, "{", "", "}", "text"] {
            assert_eq!(found(text), (None, false), "{text}");
        }
        assert_eq!(found(r#"{"method":"a","params":"\ud800"}"#), (None, true));
    }
}

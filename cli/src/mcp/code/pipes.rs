//! The messages of a server behind, one a line of its standard output. A reply that cannot be read ends its call with
//! an error at once: the transport of `rmcp` drops such a line, and the call would wait until its time is over.

use std::collections::{HashSet, VecDeque};
use std::io;
use std::mem::take;
use std::sync::Arc;

use rmcp::model::{ErrorCode, JsonRpcError, JsonRpcMessage, JsonRpcResponse, RequestId};
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use rmcp::{ErrorData, RoleClient};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::Mutex;

use crate::mcp::outline::{Outline, last_id};

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
}

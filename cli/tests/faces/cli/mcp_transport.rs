//! `mcp` over raw pipes: every line that is not a request of the protocol is answered, and the next request works.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::support::CliFixture;

const PARSE_ERROR: i64 = -32700;
const INVALID_REQUEST: i64 = -32600;
const METHOD_NOT_FOUND: i64 = -32601;
const INVALID_PARAMS: i64 = -32602;

/// The longest line, in bytes.
const LINE_BYTES: usize = 16 * 1024 * 1024;

struct McpPipes {
    child: Child,
    answers: Receiver<Json>,
    _scene: CliFixture,
}

impl McpPipes {
    /// A server before its first request.
    fn spawn() -> Self {
        let scene = CliFixture::new();
        let mut child = scene.spawn(&["mcp"], Stdio::piped());
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            let answers = stdout.lines().map_while(Result::ok);
            answers.map(|line| serde_json::from_str(&line).unwrap()).try_for_each(|answer| sender.send(answer))
        });
        Self { child, answers, _scene: scene }
    }

    /// A server with a client.
    fn open() -> Self {
        let mut pipes = Self::spawn();
        pipes.initialize();
        pipes
    }

    fn initialize(&mut self) {
        let client = json!({ "name": "pipes", "version": "1" });
        let params = json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client });
        self.write(request("initialize", params));
        assert_eq!(self.answer()["result"]["protocolVersion"], "2025-06-18");
        self.write(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
    }

    fn write(&mut self, line: impl AsRef<[u8]>) {
        let stdin = self.child.stdin.as_mut().unwrap();
        stdin.write_all(line.as_ref()).unwrap();
        stdin.write_all(b"\n").unwrap();
    }

    /// The next line of the server.
    #[track_caller]
    fn answer(&mut self) -> Json {
        self.answers.recv_timeout(Duration::from_secs(60)).unwrap()
    }

    /// Sends a line that is refused, and a request that is not.
    #[track_caller]
    fn expect_refused(&mut self, line: impl AsRef<[u8]>, id: Json, code: i64, words: &str) {
        self.write(&line);
        let answer = self.answer();
        let shown = String::from_utf8_lossy(line.as_ref()).chars().take(100).collect::<String>();
        // An answer without an id is not the same as one whose id is null.
        assert_eq!((answer.get("id"), &answer["jsonrpc"]), (Some(&id), &json!("2.0")), "{shown}: {answer}");
        assert_eq!(answer["error"]["code"], code, "{shown}: {answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(words), "{shown}: {answer}");
        assert!(answer.to_string().len() < 1_000, "{shown}: {answer}");
        self.expect_ping();
    }

    #[track_caller]
    fn expect_ping(&mut self) {
        self.write(request("ping", json!({})));
        assert_eq!(self.answer(), json!({ "jsonrpc": "2.0", "id": 7, "result": {} }));
    }
}

impl Drop for McpPipes {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

fn request(method: &str, params: Json) -> String {
    json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params }).to_string()
}

#[test]
fn a_line_that_is_not_json_is_answered_without_an_id() {
    let mut pipes = McpPipes::open();
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let lines: [(&[u8], &str); 4] = [
        (b"hello", "the line cannot be read as JSON: expected value at line 1 column 1"),
        (br#"{"jsonrpc":"2.0","method":"#, "EOF while parsing"),
        (br#""\ud800""#, "hex escape"),
        (b"\"\xff\"", "in UTF-8"),
    ];
    for (line, words) in lines {
        pipes.expect_refused(line, Json::Null, PARSE_ERROR, words);
    }
    for levels in [128, 1_000] {
        pipes.expect_refused(nested(levels), Json::Null, PARSE_ERROR, "at most 127 levels deep");
    }
    // A client waits for the id of its request.
    let ping = |value: &str| format!(r#"{{"method":"ping","params":{{"a":{value}}},"jsonrpc":"2.0","id":"a 1"}}"#);
    let deep = nested(128);
    for (value, words) in [(r#""\ud800""#, "hex escape"), (&*deep, "127 levels"), ("1e400", "out of range")] {
        pipes.expect_refused(ping(value), json!("a 1"), PARSE_ERROR, words);
    }
    pipes.expect_refused(ping("1") + "}", json!("a 1"), PARSE_ERROR, "trailing characters");
    for value in ["NaN", "Infinity", "-Infinity"] {
        pipes.expect_refused(ping(value), json!("a 1"), PARSE_ERROR, "cannot be read as JSON");
    }
    let cut = [r#"{"jsonrpc":"2.0","id":1,"method":"#, r#"{"jsonrpc":"2.0","method":"ping","params":{},"id":1"#];
    for line in cut {
        pipes.expect_refused(line, json!(1), PARSE_ERROR, "EOF while parsing");
    }
    pipes.expect_refused(nested(127), Json::Null, INVALID_REQUEST, "a batch is not supported");
}

#[test]
fn json_that_is_not_a_request_is_answered_with_its_id() {
    let mut pipes = McpPipes::open();
    let lines = [
        ("5", json!(null), "the message is not an object; write {"),
        ("null", json!(null), "not an object"),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, json!(null), "a batch is not supported"),
        ("{}", json!(null), "`jsonrpc` is not \"2.0\""),
        (r#"{"jsonrpc":"1.0","id":"a","method":"ping"}"#, json!("a"), "`jsonrpc` is not \"2.0\""),
        (r#"{"jsonrpc":"2.0","id":4}"#, json!(4), "`method` is not a string"),
        (r#"{"jsonrpc":"2.0","method":5}"#, json!(null), "`method` is not a string"),
        (r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, json!(1.5), "`id` is neither a string nor an integer"),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, json!(null), "`id` is neither"),
        (r#"{"jsonrpc":"2.0","id":[4],"method":"ping"}"#, json!(null), "`id` is neither"),
        (r#"{"jsonrpc":"2.0","id":4,"method":"ping","result":{}}"#, json!(4), "neither `result` nor `error`"),
    ];
    for (line, id, words) in lines {
        pipes.expect_refused(line, id, INVALID_REQUEST, words);
    }
}

#[test]
fn invalid_params_and_unknown_methods_have_codes_of_their_own() {
    let mut pipes = McpPipes::open();
    let invalid = [
        (
            "tools/call",
            json!({ "name": "cvm_list", "arguments": "a" }),
            "expected { name: string, arguments?: object }",
        ),
        ("tools/call", json!({ "name": "cvm_list", "arguments": "a".repeat(100_000) }), "…; expected { name"),
        ("tools/call", json!({ "name": "cvm_list", "_meta": 5 }), "invalid type: integer `5`"),
        ("tools/call", json!({ "arguments": {} }), "the params of `tools/call` are not valid: missing field `name`"),
        ("tools/call", json!(["cvm_list"]), "invalid type: sequence, expected an object"),
        ("tools/list", json!({ "cursor": 5 }), "integer `5`, expected a string"),
        ("resources/list", json!([null, null]), "expected an object"),
        ("resources/read", json!({}), "missing field `uri`"),
        ("resources/subscribe", json!({ "uri": 5 }), "expected { uri: string }"),
        ("subscriptions/listen", json!({}), "missing field `notifications`"),
        ("ping", json!(5), "expected an object"),
    ];
    for (method, params, words) in invalid {
        pipes.expect_refused(request(method, params), json!(7), INVALID_PARAMS, words);
    }
    let without_params = r#"{"jsonrpc":"2.0","id":"a","method":"tools/call"}"#;
    pipes.expect_refused(without_params, json!("a"), INVALID_PARAMS, "missing field `params`");
    for (method, words) in [
        ("tools/cal", "`tools/cal` is not a method; did you mean `tools/call`?"),
        ("completion/complete", "`completion/complete` is not a method; the methods are initialize, ping,"),
        (&"x".repeat(1_000_000), "…` is not a method"),
    ] {
        pipes.expect_refused(request(method, json!({})), json!(7), METHOD_NOT_FOUND, words);
        pipes.expect_refused(request(method, json!(5)), json!(7), METHOD_NOT_FOUND, words);
    }
}

#[test]
fn a_line_longer_than_the_limit_is_refused() {
    let mut pipes = McpPipes::open();
    let ping = |bytes: usize| {
        let rest = request("ping", json!({ "text": "" })).len();
        request("ping", json!({ "text": "a".repeat(bytes - rest) }))
    };
    pipes.write(ping(LINE_BYTES));
    assert_eq!(pipes.answer()["result"], json!({}));
    pipes.write(ping(LINE_BYTES) + "\r");
    assert_eq!(pipes.answer()["result"], json!({}));
    for bytes in [LINE_BYTES + 1, 20_000_000, 3 * LINE_BYTES + 2] {
        pipes.expect_refused(
            ping(bytes),
            Json::Null,
            INVALID_REQUEST,
            "the line has more than 16777216 bytes; send less",
        );
    }
    // It is answered before its end, and its rest is not a line of its own.
    let stdin = pipes.child.stdin.as_mut().unwrap();
    stdin.write_all(" ".repeat(LINE_BYTES + 3).as_bytes()).unwrap();
    assert_eq!(pipes.answer()["error"]["code"], INVALID_REQUEST);
    pipes.write(request("ping", json!({})));
    pipes.expect_ping();
}

#[test]
fn notifications_and_responses_are_not_answered() {
    let mut pipes = McpPipes::open();
    for line in [
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":5}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/unknown"}"#,
        r#"{"jsonrpc":"2.0","method":"tools/call","params":[]}"#,
        r#"{"jsonrpc":"2.0","id":99,"result":5}"#,
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"not JSON"}}"#,
        r#"{"id":99,"error":5}"#,
        r#"{"jsonrpc":"2.0","id":99,"result":{"n":NaN}}"#,
        r#"{"jsonrpc":"2.0","id":99,"error":{"code":1"#,
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":NaN}}"#,
        "",
        "  \r",
    ] {
        pipes.write(line);
        pipes.expect_ping();
    }
    pipes.write(format!("\u{FEFF}{}", request("ping", json!({}))));
    assert_eq!(pipes.answer()["result"], json!({}));
}

#[test]
fn a_bad_line_before_the_first_request_is_answered() {
    let mut pipes = McpPipes::spawn();
    pipes.expect_refused("hello", Json::Null, PARSE_ERROR, "cannot be read as JSON");
    pipes.expect_refused(request("initialize", json!({})), json!(7), INVALID_PARAMS, "missing field `protocolVersion`");
    pipes.expect_refused(request("tools/cal", json!({})), json!(7), METHOD_NOT_FOUND, "did you mean `tools/call`?");
    pipes.initialize();
    drop(pipes.child.stdin.take());
    assert_eq!(pipes.child.wait().unwrap().code(), Some(0));
    assert_eq!(pipes.answers.recv_timeout(Duration::from_secs(60)), Err(RecvTimeoutError::Disconnected));
}

//! `mcp --code`: a client of the official library runs scripts that call the tools of a fake server
//! (`fake_mcp_server.mjs`), in the real binary.

use std::path::Path;
use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, CallToolResult, ClientConfig, ElicitRequestParams, ElicitResult, ElicitationAction,
    ElicitationCapability, ErrorData, FormElicitationCapability, Tool,
};
use rmcp::service::{NotificationContext, RequestContext, RunningService};
use rmcp::transport::TokioChildProcess;
use rmcp::{ClientHandler, RoleClient, ServiceExt};
use serde_json::{Value as Json, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::support::{CliFixture, Signal, block_on, send};

const FAKE_SERVER: &str = include_str!("fake_mcp_server.mjs");

/// The client of a person, who fills in forms with these contents, if there are any.
struct Person {
    forms: Option<fn(&str) -> Json>,
    listed: UnboundedSender<()>,
}

impl ClientHandler for Person {
    fn get_info(&self) -> ClientConfig {
        let mut info = ClientConfig::default();
        let form = ElicitationCapability::new().with_form(FormElicitationCapability::new());
        info.capabilities.elicitation = self.forms.map(|_| form);
        info
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let ElicitRequestParams::FormElicitationParams { message, .. } = &request else { panic!("{request:?}") };
        let content = self.forms.unwrap()(message);
        Ok(ElicitResult::new(ElicitationAction::Accept).with_content(content))
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        _ = self.listed.send(());
    }
}

struct Code {
    service: RunningService<RoleClient, Person>,
    listed: UnboundedReceiver<()>,
    pid: u32,
}

impl Code {
    async fn open(scene: &CliFixture, args: &[&str]) -> Self {
        Self::open_for(scene, args, None).await
    }

    async fn open_for(scene: &CliFixture, args: &[&str], forms: Option<fn(&str) -> Json>) -> Self {
        let path = scene.file("fake.mjs", FAKE_SERVER);
        let fake = format!("fake=node {}", path.display());
        let words: Vec<&str> = ["mcp", "--code", "--server", &fake].into_iter().chain(args.iter().copied()).collect();
        let transport = TokioChildProcess::new(tokio::process::Command::from(scene.command(&words))).unwrap();
        let (pid, (sender, listed)) = (transport.id().unwrap(), unbounded_channel());
        Self { service: Person { forms, listed: sender }.serve(transport).await.unwrap(), listed, pid }
    }

    async fn call(&self, tool: &str, arguments: Json) -> CallToolResult {
        let Json::Object(arguments) = arguments else { panic!("{arguments} is not an object") };
        let request = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        self.service.call_tool(request).await.unwrap()
    }

    /// Calls a tool of the command, whose report has no failure.
    async fn report(&self, tool: &str, arguments: Json) -> Json {
        let result = self.call(tool, arguments).await;
        assert_ne!(result.is_error, Some(true), "{result:?}");
        result.structured_content.unwrap()
    }

    async fn failure(&self, script: &str) -> Json {
        let result = self.call("run", json!({ "script": script, "waitMs": 60_000 })).await;
        assert_eq!(result.is_error, Some(true), "{result:?}");
        result.structured_content.unwrap()
    }

    /// Runs a script to its end, and returns its result.
    async fn run(&self, script: &str) -> Json {
        self.run_with(script, Json::Null).await
    }

    async fn run_with(&self, script: &str, input: Json) -> Json {
        let mut report = self.report("run", json!({ "script": script, "input": input, "waitMs": 60_000 })).await;
        assert_eq!(report["status"], "complete", "{report}");
        report["result"].take()
    }

    /// Reads the run until it is complete.
    async fn complete(&self, id: &str) -> Json {
        let report = self.report("result", json!({ "id": id, "waitMs": 60_000 })).await;
        assert_eq!(report["status"], "complete", "{report}");
        report
    }

    async fn tools(&self) -> Vec<Tool> {
        self.service.list_all_tools().await.unwrap()
    }

    /// Kills the process as `kill -9` does.
    async fn kill(self) {
        self.end(Signal::KILL).await;
    }

    /// Sends the process a signal, and waits for its end.
    async fn end(self, signal: Signal) {
        send(signal, self.pid);
        _ = tokio::time::timeout(Duration::from_secs(60), self.service.waiting()).await.unwrap();
    }

    async fn close(self) {
        self.service.cancel().await.unwrap();
    }
}

fn lines(file: &Path) -> Vec<String> {
    std::fs::read_to_string(file).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// A literal of a script that names a file.
fn literal(file: &Path) -> String {
    json!(file).to_string()
}

#[test]
fn a_script_calls_tools_and_returns() {
    let scene = CliFixture::new();
    block_on(async {
        let code = Code::open(&scene, &[]).await;
        let names: Vec<_> = code.tools().await.iter().map(|tool| tool.name.to_string()).collect();
        assert_eq!(names, ["run", "result", "search"]);
        let script = r#"
            const [one, two] = await Promise.all([tools.fake.add({ a: input.n, b: 1 }), tools.fake.add({ a: 2, b: 2 })]);
            console.log("sums", one.sum);
            let message = "";
            try { await tools.fake.fail({ message: "no such issue" }); } catch (e) { message = e.message; }
            return { sums: [one.sum, two.sum], message, echo: await tools.fake.echo_text({ text: '[1]' }) };"#;
        let request = json!({ "script": script, "input": { "n": 41 }, "id": "r 1", "waitMs": "60000" });
        let report = code.report("run", request.clone()).await;
        let result = json!({ "sums": [42, 4], "message": "no such issue", "echo": [1] });
        assert_eq!(report, json!({ "status": "complete", "id": "r 1", "result": result, "output": ["sums 42"] }));
        // A request that is repeated has no further effect.
        assert_eq!(code.report("run", request).await, report);
        let other = code.call("run", json!({ "script": "return 1", "id": "r 1" })).await.structured_content.unwrap();
        assert_eq!(
            (&other["status"], &other["error"]["name"]),
            (&json!("failed"), &json!("already_exists")),
            "{other}"
        );

        let failed = code.failure("const a = await tools.fake.ad({});\nreturn consle;").await;
        let complaints = failed["complaints"].as_array().unwrap();
        assert_eq!(complaints.len(), 2, "{failed}");
        assert_eq!(
            (&complaints[0]["line"], &complaints[0]["hint"]),
            (&json!(1), &json!("did you mean tools.fake.add?"))
        );
        assert_eq!((&failed["error"]["kind"], &complaints[1]["line"]), (&json!("compile"), &json!(2)));
        let thrown = code.failure("const n = null;\nreturn n.x;").await;
        assert_eq!((&thrown["error"]["name"], &thrown["error"]["line"]), (&json!("TypeError"), &json!(2)), "{thrown}");
        let large = code.failure("return (await tools.fake.large({ bytes: 10000000 })).length").await;
        let message = large["error"]["message"].as_str().unwrap();
        assert!(message.contains("the result of fake.large has 10000002 bytes of JSON; at most 1048576"), "{large}");

        let found = code.report("search", json!({ "query": "add numbers", "limit": 1 })).await;
        let types = found["types"].as_str().unwrap();
        assert!(
            types.contains("/** minimum 0 */\n      a: number;") && types.contains("Promise<{\n      sum: number;"),
            "{types}"
        );
        let unknown = code.service.call_tool(CallToolRequestParams::new("rum")).await.unwrap_err();
        assert!(unknown.to_string().contains("did you mean `run`?"), "{unknown}");
        let missing = code.call("result", json!({ "id": "none" })).await.structured_content.unwrap();
        assert_eq!(missing["error"]["name"], "not_found");
        code.close().await;
    });
}

#[test]
fn a_call_waits_for_the_approval_of_a_person() {
    let scene = CliFixture::new();
    let file = scene.path().join("log.txt");
    block_on(async {
        let code = Code::open(&scene, &["--approve", "fake.lo*,*.die"]).await;
        let script = format!(
            "const file = {};\nconst one = tools.fake.log({{ file, line: 'one' }});\n\
             try {{ await tools.fake.log({{ file, line: 'two' }}) }} catch (e) {{ console.log(e.name, e.message) }}\n\
             return [await one, (await tools.fake.add({{ a: 1, b: 1 }})).sum]",
            literal(&file)
        );
        let report = code.report("run", json!({ "script": script, "waitMs": 0 })).await;
        let (id, pending) = (report["id"].as_str().unwrap(), report["pending"].as_array().unwrap());
        let shown: Vec<_> = pending.iter().map(|call| (&call["kind"], &call["name"], &call["line"])).collect();
        let (kind, name) = (json!("approval"), json!("fake.log"));
        assert_eq!(
            (&report["status"], shown),
            (&json!("waiting"), vec![(&kind, &name, &json!(2)), (&kind, &name, &json!(3))])
        );
        assert_eq!(pending[0]["args"]["line"], "one");
        assert_eq!(lines(&file), [""; 0]);
        let call = |index: usize| pending[index]["id"].as_str().unwrap();
        scene.run(&["approve", id, "--call", call(0), "--by", "ann"]).expect_exit(0);
        scene.run(&["reject", id, "--call", call(1), "--by", "ann", "--reason", "one is enough"]).expect_exit(0);
        let report = code.complete(id).await;
        assert_eq!(report["output"], json!(["RejectedError one is enough"]));
        assert_eq!((&report["result"], lines(&file)), (&json!([{ "lines": 1 }, 2]), vec!["one".to_owned()]));
        code.close().await;

        // A pattern that matches no tool would let calls pass.
        let code = Code::open(&scene, &["--approve", "fake.lgo"]).await;
        let refused = code.failure("return await tools.fake.add({ a: 1, b: 1 })").await;
        assert!(refused["error"]["message"].as_str().unwrap().contains("`--approve fake.lgo`"), "{refused}");
        code.close().await;
    });
}

#[test]
fn approvals_and_questions_are_forms_of_the_client() {
    let scene = CliFixture::new();
    let file = scene.path().join("log.txt");
    let fill_in: fn(&str) -> Json = |message| match message {
        "Which?" => json!({ "answer": "b" }),
        _ if message.contains("fake.log (line 1)") && message.contains("\"line\": \"no\"") => {
            json!({ "decision": "reject", "reason": "not now" })
        }
        _ => json!({ "decision": "approve" }),
    };
    block_on(async {
        let code = Code::open_for(&scene, &["--approve", "fake.log"], Some(fill_in)).await;
        let script = format!(
            "const log = (line) => tools.fake.log({{ file: {}, line }}); const refused = await log('no').catch((e) => e.message);\n\
             return [refused, await ask('Which?', {{ choices: ['a', 'b'] }}), (await log('yes')).lines]",
            literal(&file)
        );
        assert_eq!(code.run(&script).await, json!(["not now", "b", 1]));
        assert_eq!(lines(&file), ["yes"]);
        code.close().await;
    });
}

#[test]
fn a_run_goes_on_after_its_process_was_killed() {
    let scene = CliFixture::new();
    let (file, hung) = (scene.path().join("log.txt"), scene.path().join("hung.txt"));
    block_on(async {
        let code = Code::open(&scene, &["--lease", "1s"]).await;
        let script = format!(
            "await tools.fake.log({{ file: {0}, line: 'before' }}); console.log('once');\n\
             const name = await ask('Who?');\n\
             const hung = await tools.fake.hang_once({{ file: {1} }});\n\
             await tools.fake.log({{ file: {0}, line: name }});\n\
             return hung",
            literal(&file),
            literal(&hung)
        );
        let mut report = code.report("run", json!({ "script": script, "id": "r1", "waitMs": 0 })).await;
        // Until it waits for the person.
        while report["pending"][0]["kind"] != "question" {
            report = code.report("result", json!({ "id": "r1", "waitMs": 100 })).await;
        }
        code.kill().await;

        scene.run(&["answer", "r1", "--text", "Ada"]).expect_exit(3);
        let code = Code::open(&scene, &["--lease", "1s"]).await;
        let mut report = code.report("result", json!({ "id": "r1", "waitMs": 0 })).await;
        assert_eq!((&report["pending"][0]["name"], &report["output"]), (&json!("fake.hang_once"), &json!(["once"])));
        while lines(&hung).is_empty() {
            report = code.report("result", json!({ "id": "r1", "waitMs": 100 })).await;
            assert_eq!(report["status"], "waiting", "{report}");
        }
        code.kill().await;

        // The call that was at the server is made again, and nothing else.
        let code = Code::open(&scene, &["--lease", "1s"]).await;
        let report = code.complete("r1").await;
        assert_eq!((&report["result"], &report["output"]), (&json!("called again"), &json!(["once"])));
        assert_eq!((lines(&file), lines(&hung).len()), (vec!["before".to_owned(), "Ada".to_owned()], 2));
        code.close().await;
    });
}

#[test]
fn calls_that_have_no_answer_when_a_script_returns_are_named() {
    let scene = CliFixture::new();
    let hung = scene.path().join("hung.txt");
    block_on(async {
        let code = Code::open(&scene, &[]).await;
        let script = format!(
            "tools.fake.hang_once({{ file: {} }});\nreturn (await tools.fake.add({{ a: 1, b: 1 }})).sum",
            literal(&hung)
        );
        let report = code.report("run", json!({ "script": script, "waitMs": 60_000 })).await;
        assert_eq!((&report["status"], &report["result"]), (&json!("complete"), &json!(2)), "{report}");
        let [of_compiler, of_run] = &report["warnings"].as_array().unwrap()[..] else { panic!("{report}") };
        assert!(of_compiler.as_str().unwrap().contains("tools.fake.hang_once(…) is not awaited"), "{report}");
        let expected = "1 call had no answer when the script returned, and was cancelled: fake.hang_once (line 1)";
        assert_eq!(of_run, expected);
        code.close().await;
    });
}

#[test]
fn a_server_that_ends_is_started_again() {
    let scene = CliFixture::new();
    let file = scene.path().join("died.txt");
    block_on(async {
        let code = Code::open(&scene, &[]).await;
        let script = format!("return await tools.fake.die_once({{ file: {} }})", literal(&file));
        assert_eq!(code.run(&script).await, "alive");
        let script = "try { await tools.fake.die() } catch (e) { return [e instanceof Error, e.message] }";
        let mut report = code.report("run", json!({ "script": script, "waitMs": 60_000 })).await;
        while report["status"] == "waiting" {
            report = code.report("result", json!({ "id": report["id"], "waitMs": 60_000 })).await;
        }
        assert_eq!(report["result"], json!([true, "the server `fake` ended during the call of fake.die"]), "{report}");
        code.close().await;
    });
}

#[test]
fn a_reply_that_cannot_be_read_ends_its_call_and_not_its_server() {
    let scene = CliFixture::new();
    block_on(async {
        let code = Code::open(&scene, &[]).await;
        let script = "const found = { before: await tools.fake.pid() };\n\
             for (const how of input) {\n\
               const tried = await tools.fake.damaged({ how }).catch((e) => [e instanceof Error, e.message]);\n\
               found[how] = [tried, (await tools.fake.add({ a: 1, b: 1 })).sum];\n\
             }\n\
             const both = [tools.fake.damaged({ how: 'surrogate' }), tools.fake.add({ a: 1, b: 2 })];\n\
             found.both = (await Promise.allSettled(both)).map((one) => one.status);\n\
             found.after = await tools.fake.pid();\n\
             return found;";
        let hows = "surrogate number deep cut nameless shapeless unread long log glued nested named";
        let hows: Vec<&str> = hows.split(' ').collect();
        let found = code.run_with(script, json!(hows)).await;
        for how in &hows[..8] {
            let words = match *how {
                "long" => "it has more than 67108864 bytes; ask the tool for less",
                "unread" => "the request is not JSON",
                _ => "the answer of the server cannot be read: ",
            };
            let (is_error, message) = (&found[how][0][0], found[how][0][1].as_str().unwrap());
            assert!(*is_error == true && message.contains(words), "{how}: {}", found[how]);
            assert_eq!(found[how][1], 2, "{how}");
        }
        for how in &hows[8..] {
            assert_eq!(found[how], json!(["REPLY", 2]), "{how}");
        }
        assert_eq!(found["both"], json!(["rejected", "fulfilled"]));
        assert_eq!(found["before"], found["after"]);
        code.close().await;
    });
}

#[test]
fn a_result_that_is_refused_does_not_run_its_tool_again() {
    let scene = CliFixture::new();
    let file = scene.path().join("log.txt");
    block_on(async {
        let code = Code::open(&scene, &[]).await;
        let script = format!(
            "const log = tools.fake.log;\n\
             try {{ call('fake.log', {{ file: {}, line: typeof log }}, {{ schema: {{ type: 'string' }} }}) }}\n\
             catch (e) {{ return [e instanceof Error, e.message] }}",
            literal(&file)
        );
        let refused = code.run(&script).await;
        let message = refused[1].as_str().unwrap();
        assert!(refused[0] == true && message.contains("a text is expected"), "{refused}");
        assert_eq!(lines(&file), ["function"]);
        code.close().await;
    });
}

#[test]
fn a_long_computation_is_reported_as_running() {
    let scene = CliFixture::new();
    block_on(async {
        let code = Code::open(&scene, &["--save-every", "100000"]).await;
        let script = "console.log('begins'); while (input) {} return 1";
        let report = code.report("run", json!({ "script": script, "input": true, "id": "r1", "waitMs": 100 })).await;
        assert_eq!((&report["status"], &report["id"]), (&json!("running"), &json!("r1")), "{report}");
        // Meanwhile it serves.
        assert_eq!(code.run("return (await tools.fake.add({ a: 1, b: 2 })).sum").await, 3);
        let report = code.report("result", json!({ "id": "r1", "waitMs": 100 })).await;
        assert_eq!((&report["status"], &report["output"]), (&json!("running"), &json!(["begins"])), "{report}");
        scene.run(&["cancel", "r1"]).expect_exit(0);
        let report = code.call("result", json!({ "id": "r1", "waitMs": 60_000 })).await.structured_content.unwrap();
        assert_eq!(report["error"]["kind"], "cancelled", "{report}");
        code.close().await;
    });
}

#[test]
fn calls_at_servers_are_released_when_the_process_is_asked_to_end() {
    let scene = CliFixture::new();
    let hung = scene.path().join("hung.txt");
    block_on(async {
        // Without a release, the next process would wait for an hour.
        let code = Code::open(&scene, &["--lease", "1h"]).await;
        let script = format!("return await tools.fake.hang_once({{ file: {} }})", literal(&hung));
        code.report("run", json!({ "script": script, "id": "r1", "waitMs": 0 })).await;
        while lines(&hung).is_empty() {
            code.report("result", json!({ "id": "r1", "waitMs": 100 })).await;
        }
        code.end(Signal::TERM).await;

        let code = Code::open(&scene, &["--lease", "1h"]).await;
        assert_eq!(code.complete("r1").await["result"], "called again");
        assert_eq!(lines(&hung).len(), 2);
        code.close().await;
    });
}

#[test]
fn an_answer_that_arrives_while_the_process_ends_is_recorded() {
    let scene = CliFixture::new();
    let (held, go) = (scene.path().join("held.txt"), scene.path().join("go.txt"));
    block_on(async {
        let code = Code::open(&scene, &["--lease", "1h"]).await;
        let script = format!("return await tools.fake.hold({{ file: {}, until: {} }})", literal(&held), literal(&go));
        code.report("run", json!({ "script": script, "id": "r1", "waitMs": 0 })).await;
        while lines(&held).is_empty() {
            code.report("result", json!({ "id": "r1", "waitMs": 100 })).await;
        }
        send(Signal::TERM, code.pid);
        std::fs::write(&go, "").unwrap();
        _ = tokio::time::timeout(Duration::from_secs(60), code.service.waiting()).await.unwrap();

        let code = Code::open(&scene, &["--lease", "1h"]).await;
        assert_eq!(code.complete("r1").await["result"], "held");
        assert_eq!(lines(&held), ["called"]);
        code.close().await;
    });
}

#[test]
fn three_thousand_tools_keep_the_list_short() {
    let scene = CliFixture::new();
    let path = scene.file("fake.mjs", FAKE_SERVER);
    let servers = json!({ "mcpServers": {
        "my-many": { "command": "node", "args": [path, "many"], "env": { "A": "b" } },
        "down": { "command": "no-such-command-of-tests" },
        "off": { "command": "x", "disabled": true },
    } });
    scene.file("servers.json", servers.to_string());
    block_on(async {
        let mut code = Code::open(&scene, &["--config", "servers.json"]).await;
        let description = |tools: &[Tool]| tools[0].description.clone().unwrap().into_owned();
        // The list does not wait long for servers that start.
        while !description(&code.tools().await).contains("my_many: ") {
            tokio::time::timeout(Duration::from_secs(60), code.listed.recv()).await.unwrap();
        }
        let tools = code.tools().await;
        let bytes = json!(tools).to_string().len();
        assert!(bytes <= 10_000, "{bytes}");
        let description = description(&tools);
        for part in ["\ndown:", "\nfake: add(a, b), damaged(how), die(), ", "more: use search"] {
            assert!(description.contains(part), "{part}: {description}");
        }
        let found = code.report("search", json!({ "query": "tool_2999", "limit": 1 })).await;
        assert!(found["types"].as_str().unwrap().contains("tool_2999(args: {"), "{found}");
        assert!(found["unavailable"]["down"].as_str().unwrap().contains("cannot be started"), "{found}");
        let all = code.report("search", json!({ "query": "tool", "limit": 100 })).await;
        assert!(all.to_string().len() < 40_000 && all["more"].as_u64() >= Some(2_900), "{all}");
        let script = "return await tools.my_many.tool_2999({ file: 'a', line: 1 })";
        assert_eq!(code.run(script).await, "2999");
        let missing = code.failure("return await tools.down.x({})").await;
        assert!(missing["unavailable"]["down"].is_string(), "{missing}");

        // A tool that a server adds later.
        assert_eq!(code.run("return await tools.fake.grow()").await, "done");
        while code.call("run", json!({ "script": "return 1 + tools.fake.grown.length" })).await.is_error == Some(true) {
            tokio::time::timeout(Duration::from_secs(60), code.listed.recv()).await.unwrap();
        }
        assert_eq!(code.run("return await tools.fake.grown()").await, "grown");
        code.close().await;
    });
}

#[test]
fn a_command_that_cannot_serve_is_refused() {
    let scene = CliFixture::new();
    scene.file("remote.json", r#"{"mcpServers": {"far": {"url": "https://example.org/mcp"}}}"#);
    scene.file("broken.json", r#"{"servers": {}}"#);
    for (args, words) in [
        (&["--code"][..], "--code has no server"),
        (
            &["--code", "--server", "a-b=x", "--server", "a_b=x"],
            "the servers `a-b` and `a_b` would both be `tools.a_b`",
        ),
        (&["--code", "--config", "remote.json"], "the server `far` has no `command`"),
        (&["--code", "--config", "broken.json"], "broken.json:1:15 cannot be read; write"),
        (&["--code", "--config", "none.json"], "none.json cannot be read"),
        (&["--server", "a=x"], "--code"),
        (&["--code", "--read-only"], "cannot be used with"),
    ] {
        let args: Vec<&str> = ["mcp"].iter().chain(args).copied().collect();
        let output = scene.run(&args);
        assert!(output.code != Some(0) && output.err.contains(words), "{args:?}: {output:?}");
    }
    // The text of a file may be a secret.
    scene.file("secret.json", r#"{"mcpServers": {"a": {"command": "x", "env": "TOKEN=hunter2"}}}"#);
    let output = scene.run(&["mcp", "--code", "--config", "secret.json"]).expect_exit(2);
    assert!(output.err.contains("secret.json:1:") && !output.err.contains("hunter2"), "{output:?}");
    // A file of servers may name this command itself.
    let output = scene.command(&["mcp", "--code", "--server", "a=x"]).env("RUNSTATE_MCP_CODE", "1").output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("started by another `mcp --code`"), "{output:?}");
}

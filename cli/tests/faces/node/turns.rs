//! The command line and the npm package on one directory at the same time: each continues what the other wrote.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value as Json;

const PROGRAM: &str = r#"
const said = [];
for (let i = 0; i < 8; i++) {
    said.push(CC(`node ${i}`));
    said.push(CC(`cli ${i}`));
    console.log(said.slice(-2).join(" "));
}
said.length;
"#;

fn runstate(folder: &Path, words: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runstate"));
    command.args(words).arg("--store").arg(url(folder)).stdin(Stdio::null());
    let output = command.output().unwrap();
    // 3: the execution waits for the next answer.
    assert!(matches!(output.status.code(), Some(0 | 3)), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn url(folder: &Path) -> String {
    format!("file:{}", folder.join("store").display())
}

#[test]
fn the_command_line_and_node_answer_in_turns() {
    let Some(package) = std::env::var_os("RUNSTATE_NODE_PACKAGE") else {
        println!(
            "skipped: node::turns::the_command_line_and_node_answer_in_turns: the package is built by `cargo xtask test`"
        );
        assert!(std::env::var_os("CI").is_none(), "under CI a skip is a failure");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("turns.ts");
    std::fs::write(&source, PROGRAM).unwrap();
    runstate(folder.path(), &["load", source.to_str().unwrap()]);
    runstate(folder.path(), &["start", "turns", "--id", "run"]);

    // The package's process stays open meanwhile. It answers its own questions, and prints each one that is left to the
    // command line.
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/node/answer_questions.mjs");
    let mut node = Command::new("node");
    node.arg(script).arg(package).arg(url(folder.path())).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut node = node.spawn().unwrap();
    let mut lines = BufReader::new(node.stdout.take().unwrap()).lines().map_while(Result::ok);
    for i in 0..8 {
        assert_eq!(lines.next().unwrap(), format!("cli {i}"));
        runstate(folder.path(), &["answer", "run", "--text", &format!("terminal {i}")]);
    }
    let in_node: Json = serde_json::from_str(&lines.next().unwrap()).unwrap();
    assert!(node.wait().unwrap().success());

    let expected: Vec<String> = (0..8).map(|i| format!("package {i} terminal {i}")).collect();
    let shown: Json = serde_json::from_str(&runstate(folder.path(), &["show", "run", "--json"])).unwrap();
    assert_eq!(shown["output"], Json::from(expected));
    assert_eq!(in_node["output"], shown["output"]);
    assert_eq!(in_node["stateHash"], shown["stateHash"], "both see the same state");
    runstate(folder.path(), &["verify"]);
}

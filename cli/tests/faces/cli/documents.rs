//! Every command of the documents runs as it is written: the shell blocks of the documents, and the commands in the
//! headers of the examples. The commands of one document run in their order in one folder.
//!
//! - A command succeeds, or waits for an answer (exit code 3). A comment that begins with an error code says that it
//!   fails: `# budget_exceeded: …`.
//! - A comment that begins with a quoted text says what the output contains, at once or after a while.
//! - A command that serves until it is stopped runs beside the others. It is interrupted at the end.
//! - What needs more than this machine has a comment in the document that no reader of the page sees, with the reason:
//!   `<!-- not run: it needs a server -->` leaves out the next block, and `` <!-- not run `ssh`: it needs a server --> ``
//!   its commands with that word.

use std::fmt::Write as _;
use std::fs::File;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::Signal;

use crate::support::{CliFixture, CliOutput, send, wait_until};

/// What readers have already: a model, the scripts of workers, and programs and files that documents name.
const GIVEN: &str = r#"
set -e
mkdir -p bin review old
cat > bin/model <<'END'
#!/bin/sh
cat > /dev/null
case "$RUNSTATE_SCHEMA$RUNSTATE_CHOICES" in
  *'"action"'*) echo '{"action": "finish", "answer": "done"}' ;;
  *'"argument"'*) echo '{"position": "for", "argument": "it is good"}' ;;
  *'"years"'*) echo '{"name": "Ada", "years": 3}' ;;
  *'"array"'*) echo '["Rust"]' ;;
  '["'*) echo "$RUNSTATE_CHOICES" | cut -d '"' -f 2 ;;
  *) echo yes ;;
esac
END
printf '#!/bin/sh\ncat > /dev/null\necho "{}"\n' > fetch.sh
chmod +x bin/model fetch.sh
cp bin/model bin/your-model
cp fetch.sh tools.sh
cp fetch.sh flights.sh
cat > review.ts <<'END'
function main() {
  let total = 1;
  const first = CC("Is it good?", { choices: ["yes", "no"] });
  const verdict = CC("Publish it?", { choices: ["yes", "no"], key: "verdict" });
  console.log(first, verdict, total);
}
END
cp review.ts review/main.ts
head -c 5000 /dev/zero > page.png
printf 'a long passphrase of the reader\n' > pass.txt && chmod 600 pass.txt
runstate load review.ts
for id in r2 r3; do runstate start review --id $id || [ $? = 3 ]; done
"#;

/// The repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A command of a document, with the line at which it begins.
struct DocumentedCommand {
    line: usize,
    text: String,
    /// Why it does not run here.
    left_out: Option<String>,
}

/// The reason in `not run: REASON` or ``not run `WORD` `WORD`: REASON``, with the words.
fn exemption(comment: &str) -> Option<(Vec<&str>, &str)> {
    let (words, reason) = comment.trim().strip_prefix("not run")?.split_once(": ")?;
    let words: Vec<&str> = words.split('`').skip(1).step_by(2).collect();
    Some((words, reason))
}

/// The commands in lines of a shell: with the lines that continue them, and here-documents.
fn commands<'t>(
    lines: impl Iterator<Item = (usize, &'t str)>,
    exempt: Option<(Vec<&str>, &str)>,
) -> Vec<DocumentedCommand> {
    let mut found: Vec<DocumentedCommand> = Vec::new();
    let mut end: Option<String> = None;
    let mut continues = false;
    for (line, text) in lines {
        if end.is_some() || continues {
            let command = found.last_mut().unwrap();
            command.text += "\n";
            command.text += text;
        } else if !text.trim().is_empty() {
            found.push(DocumentedCommand { line, text: text.to_owned(), left_out: None });
        }
        match &end {
            Some(word) if word == text => end = None,
            Some(_) => {}
            None => end = text.split_once("<<'").and_then(|(_, rest)| Some(rest.split_once('\'')?.0.to_owned())),
        }
        continues = end.is_none() && text.ends_with('\\');
    }
    let Some((words, reason)) = exempt else { return found };
    for word in &words {
        assert!(found.iter().any(|command| command.text.contains(word)), "no command has `{word}`, which is not run");
    }
    for command in &mut found {
        let is_exempt = words.is_empty() || words.iter().any(|word| command.text.contains(word));
        command.left_out = is_exempt.then(|| reason.to_owned());
    }
    found
}

/// The commands of the shell blocks of a Markdown document.
fn commands_of_markdown(text: &str) -> Vec<DocumentedCommand> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    let mut start = None;
    for (at, line) in lines.iter().enumerate() {
        match (*line, start) {
            ("```sh" | "```bash" | "```shell" | "```console", None) => start = Some(at),
            ("```", Some(first)) => {
                let before = lines[..first].iter().rev().find(|line| !line.is_empty()).copied().unwrap_or_default();
                let comment = before.strip_prefix("<!--").and_then(|rest| rest.strip_suffix("-->"));
                let block = (first + 1..at).map(|at| (at + 1, lines[at]));
                found.extend(commands(block, comment.and_then(exemption)));
                start = None;
            }
            _ => {}
        }
    }
    found
}

/// The commands in the header of an example: its indented lines.
fn commands_of_header(text: &str) -> Vec<DocumentedCommand> {
    let comments = text.lines().enumerate().map_while(|(at, line)| Some((at + 1, line.strip_prefix("//")?)));
    commands(comments.filter_map(|(line, text)| Some((line, text.strip_prefix("   ")?))), None)
}

/// The document's path and its commands.
fn documents() -> Vec<(String, Vec<DocumentedCommand>)> {
    let mut found = Vec::new();
    for (folder, extension) in [
        ("", "md"),
        ("docs", "md"),
        ("pkg", "md"),
        ("www", "md"),
        ("examples/vscode-extension", "md"),
        ("examples", "ts"),
        ("examples/modules", "ts"),
    ] {
        for entry in std::fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = Path::new(folder).join(path.file_name().unwrap()).to_string_lossy().replace('\\', "/");
            if path.extension().is_some_and(|one| one == extension) && !name.ends_with(".d.ts") {
                let text = std::fs::read_to_string(&path).unwrap();
                let read = if extension == "md" { commands_of_markdown } else { commands_of_header };
                found.push((name, read(&text)));
            }
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found.retain(|(_, commands)| !commands.is_empty());
    found
}

/// A shell in the folder of a document. Its variables last from command to command.
struct Shell {
    scene: CliFixture,
    serving: Vec<(String, Child)>,
}

impl Shell {
    fn new() -> Self {
        let scene = CliFixture::new();
        // Documents name folders of the repository.
        for folder in ["examples", "docs", "src"] {
            symlink(root().join(folder).canonicalize().unwrap(), scene.path().join(folder)).unwrap();
        }
        let shell = Self { scene, serving: Vec::new() };
        shell.run(GIVEN).expect_exit(0);
        shell.run("PATH=$PWD/bin:$PATH").expect_exit(0);
        shell
    }

    fn command(&self, text: &str) -> Command {
        let script = format!("set -a; [ -f .state ] && . ./.state; {text}\ncode=$?; export -p > .state; exit $code");
        let mut command = self.scene.configure(Command::new("bash"), &["-c", &script]);
        command.stdin(Stdio::null());
        command
    }

    fn run(&self, text: &str) -> CliOutput {
        self.command(text).output().unwrap().into()
    }

    /// Runs a command until the output contains the text that its comment states.
    fn check(&mut self, name: &str, command: &DocumentedCommand) {
        let text = command.text.replace("cargo run -- ", "runstate ");
        let place = format!("{name}:{}: {}", command.line, command.text);
        if is_serving(&text) {
            let path = self.scene.path().join(format!("serving-{}", self.serving.len()));
            let log = File::create(&path).unwrap();
            let script = format!(". ./.state; exec {text}");
            let mut command = self.scene.configure(Command::new("bash"), &["-c", &script]);
            let child = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
            self.serving.push((place.clone(), child));
            // It handles interrupts from its first line on.
            return wait_until(&place, || std::fs::metadata(&path).is_ok_and(|file| file.len() > 0));
        }
        let comment = comment(&text);
        if let Some((_, reason)) = comment.split_once(": ").filter(|(code, _)| is_error_code(code)) {
            let output = self.run(&text);
            assert!(output.code == Some(5) && output.err.contains(reason), "{place}\n{output:?}");
            return;
        }
        let stated = comment.strip_prefix('"').and_then(|rest| Some(rest.split_once('"')?.0));
        let mut output = self.run(&text);
        if let Some(stated) = stated {
            wait_until(&format!("{place}\n{output:?}"), || {
                let fits = output.out.contains(stated) || output.err.contains(stated);
                if !fits {
                    output = self.run(&text);
                }
                fits
            });
        }
        assert!(matches!(output.code, Some(0 | 3)), "{place}\n{output:?}");
    }

    /// Interrupts what serves.
    fn end(&mut self) {
        for (place, mut child) in self.serving.drain(..) {
            if child.try_wait().unwrap().is_none() {
                send(Signal::INT, child.id());
            }
            let status = child.wait().unwrap();
            assert!(status.success() || status.code() == Some(130), "{place}: {status}");
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        for (_, child) in &mut self.serving {
            // A test has failed. The process must not outlive it.
            let _ = child.kill();
        }
    }
}

/// Whether a command runs until it is interrupted.
fn is_serving(text: &str) -> bool {
    ["runstate work ", "runstate tick --follow", "runstate questions --follow"].iter().any(|start| text.contains(start))
}

/// The comment at the end of a command.
fn comment(text: &str) -> &str {
    text.rsplit_once(" # ").map_or("", |(_, comment)| comment.trim())
}

fn is_error_code(word: &str) -> bool {
    word.contains('_') && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

#[test]
fn every_documented_command_runs_as_it_is_written() {
    let mut summary = String::new();
    for (name, commands) in documents() {
        let run = commands.iter().filter(|command| command.left_out.is_none()).count();
        writeln!(summary, "{name}: {run} commands").unwrap();
        for command in commands.iter().filter(|command| command.left_out.is_some()) {
            let first = command.text.lines().next().unwrap_or_default();
            let text = first.split(" # ").next().unwrap_or_default().trim_end();
            writeln!(summary, "  not run: {text} ({})", command.left_out.as_deref().unwrap_or_default()).unwrap();
        }
        if run > 0 {
            let mut shell = Shell::new();
            for command in commands.iter().filter(|command| command.left_out.is_none()) {
                shell.check(&name, command);
            }
            shell.end();
        }
    }
    insta::assert_snapshot!(summary);
}

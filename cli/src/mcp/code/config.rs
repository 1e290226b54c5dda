//! The servers whose tools scripts call: from `--server`, and from the file of a desktop client.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::args::CodeArgs;
use crate::error::{self, CliError, usage};
use crate::input::read_limited;

/// The largest file of servers.
const FILE_BYTES: usize = 1 << 20;

/// A server, and how it is started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerConfig {
    /// The name that a person gave it.
    pub name: String,
    /// Its name in scripts.
    pub namespace: String,
    pub command: String,
    pub args: Vec<String>,
    /// Variables of its environment, besides those of this process.
    pub env: BTreeMap<String, String>,
    /// Its folder; `None`: that of this process.
    pub cwd: Option<PathBuf>,
}

/// The file of a desktop client. What it has besides the servers is for the client.
#[derive(Deserialize)]
struct ClientFile {
    #[serde(rename = "mcpServers")]
    servers: BTreeMap<String, ClientServer>,
}

#[derive(Deserialize)]
struct ClientServer {
    command: Option<String>,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    cwd: Option<PathBuf>,
    #[serde(default)]
    disabled: bool,
}

/// The servers, each with a name of its own in scripts.
pub fn read_servers(args: &CodeArgs) -> Result<Vec<ServerConfig>, CliError> {
    let mut servers = args.server.iter().map(|text| parse_server(text)).collect::<Result<Vec<_>, _>>()?;
    if let Some(path) = &args.config {
        servers.extend(read_file(path)?);
    }
    if servers.is_empty() {
        return Err(usage("--code has no server; name one with --server NAME=COMMAND or --config FILE"));
    }
    for (index, server) in servers.iter().enumerate() {
        if let Some(other) = servers[..index].iter().find(|other| other.namespace == server.namespace) {
            return Err(usage(format!(
                "the servers `{}` and `{}` would both be `tools.{}` in scripts; rename one of them",
                other.name, server.name, server.namespace
            )));
        }
    }
    Ok(servers)
}

fn parse_server(text: &str) -> Result<ServerConfig, CliError> {
    let form = "write NAME=COMMAND, as in --server 'github=npx -y @modelcontextprotocol/server-github'";
    let Some((name, line)) = text.split_once('=').filter(|(name, _)| !name.is_empty()) else {
        return Err(usage(format!("--server `{text}` has no name; {form}")));
    };
    let words = shlex::split(line).unwrap_or_default();
    let Some((command, args)) = words.split_first() else {
        return Err(usage(format!("--server `{name}` has no command, or one with an open quote; {form}")));
    };
    Ok(ServerConfig { command: command.clone(), args: args.to_vec(), ..ServerConfig::named(name) })
}

fn read_file(path: &Path) -> Result<Vec<ServerConfig>, CliError> {
    let shown = path.display();
    let bytes = File::open(path).and_then(|file| read_limited(file, FILE_BYTES));
    let bytes = bytes.map_err(|error| error::io(format!("{shown} cannot be read"), &error))?;
    let bytes = bytes.ok_or_else(|| usage(format!("{shown} has more than {FILE_BYTES} bytes")))?;
    // The text of the error may quote a secret.
    let file: ClientFile = serde_json::from_slice(&bytes).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        usage(format!(
            r#"{shown}:{line}:{column} cannot be read; write {{"mcpServers": {{"NAME": {{"command": "…", "args": []}}}}}}"#
        ))
    })?;
    let servers = file.servers.into_iter().filter(|(_, server)| !server.disabled).map(|(name, server)| {
        let ClientServer { command, args, env, cwd, .. } = server;
        match command {
            Some(command) => Ok(ServerConfig { command, args, env, cwd, ..ServerConfig::named(&name) }),
            None => Err(usage(format!(
                "{shown}: the server `{name}` has no `command`; only servers that are started as a process are supported"
            ))),
        }
    });
    servers.collect()
}

impl ServerConfig {
    fn named(name: &str) -> Self {
        let mut namespace = identifier(name);
        // `tools.fs` would be the files of the language, and a kind does not begin with `tools.`.
        if matches!(namespace.as_str(), "fs" | "tools") {
            namespace.push('_');
        }
        Self { name: name.to_owned(), namespace, ..Self::default() }
    }
}

/// The name as scripts write it: what an identifier cannot have becomes `_`.
pub fn identifier(name: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '$';
    let mut text: String = name.chars().map(|c| if is_part(c) { c } else { '_' }).collect();
    if text.starts_with(|c: char| c.is_ascii_digit()) || text.is_empty() {
        text.insert(0, '_');
    }
    text
}

/// Whether a pattern matches a text. `*` matches any characters, also none.
pub fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(servers: &[&str]) -> Result<Vec<ServerConfig>, String> {
        let server = servers.iter().map(|one| (*one).to_owned()).collect();
        let args = CodeArgs { server, ..CodeArgs::default() };
        read_servers(&args).map_err(|error| match error {
            CliError::Error(error) => error.message,
            other => format!("{other:?}"),
        })
    }

    #[test]
    fn names_of_servers_become_identifiers() {
        let servers = read(&["my-server=npx -y 'a b' --x=1", "7=x", "fs=x", "tools=x", "$=x", "ä=x"]).unwrap();
        let names: Vec<&str> = servers.iter().map(|one| one.namespace.as_str()).collect();
        assert_eq!(names, ["my_server", "_7", "fs_", "tools_", "$", "_"]);
        assert_eq!((&*servers[0].command, &*servers[0].args), ("npx", &["-y", "a b", "--x=1"].map(str::to_owned)[..]));
        for (servers, words) in [
            (&["a-b=x", "a_b=y"][..], "the servers `a-b` and `a_b` would both be `tools.a_b`"),
            (&["a"], "has no name"),
            (&["=x"], "has no name"),
            (&["a="], "has no command"),
            (&["a='x"], "has no command"),
            (&[], "--code has no server"),
        ] {
            assert!(read(servers).unwrap_err().contains(words), "{servers:?}");
        }
    }

    #[test]
    fn a_star_of_a_pattern_matches_any_characters() {
        for (pattern, text) in [
            ("pay.refund", "pay.refund"),
            ("pay.*", "pay.refund"),
            ("*", "pay.refund"),
            ("*.delete*", "a.delete"),
            ("a*b*c", "abbc"),
            ("*un*", "pay.refund"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("pay", "pay.refund"),
            ("pay.*", "repay.x"),
            ("*.x", "pay.xy"),
            ("a*ab", "ab"),
            ("", "a"),
            ("a*b*c", "acb"),
        ] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }
}

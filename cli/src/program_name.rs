//! The words that start this program in the caller's shell. Every hint that names a command begins with them.

use std::env;
use std::ffi::OsStr;
use std::path::Path;
use std::sync::LazyLock;

use crate::session::shell_quote;

pub const BINARY_NAME: &str = "runstate";

/// Returns the words that start this program: its name if a shell found it on PATH, `cargo run --` if cargo started it,
/// else the path by which it was called.
pub fn program_name() -> &'static str {
    static NAME: LazyLock<String> =
        LazyLock::new(|| name_for(env::args_os().next().as_deref(), env::var_os("CARGO").is_some()));
    &NAME
}

/// Returns the name of this program's file, without its extension.
pub fn binary_name() -> &'static str {
    static NAME: LazyLock<String> = LazyLock::new(|| {
        let path = env::args_os().next();
        let name = path.as_deref().map(Path::new).and_then(Path::file_stem).and_then(OsStr::to_str);
        name.unwrap_or(BINARY_NAME).to_owned()
    });
    &NAME
}

/// `path` is the first argument of the process. `cargo`: the environment variable CARGO is set, as `cargo run` does.
fn name_for(path: Option<&OsStr>, cargo: bool) -> String {
    // A path that is not Unicode cannot be printed in a form that a shell reads back.
    let Some(called) = path.and_then(OsStr::to_str).filter(|path| !path.is_empty()) else {
        return BINARY_NAME.to_owned();
    };
    let path = Path::new(called);
    // A name without a folder was found on PATH, even if cargo started the calling process.
    if cargo && path.parent().is_some_and(|folder| folder.components().any(|part| part.as_os_str() == "target")) {
        let release = if path.components().any(|part| part.as_os_str() == "release") { " --release" } else { "" };
        let example = match (path.parent().is_some_and(|folder| folder.ends_with("examples")), path.file_stem()) {
            (true, Some(name)) => format!(" --example {}", name.display()),
            _ => String::new(),
        };
        return format!("cargo run{release}{example} --");
    }
    shell_quote(called)
}

#[cfg(test)]
mod program_name_tests {
    use super::*;

    #[test]
    fn hints_name_the_program_as_it_was_called() {
        let name = |called: &str, cargo| name_for(Some(OsStr::new(called)), cargo);
        assert_eq!(name("runstate", false), "runstate");
        assert_eq!(name("target/debug/runstate", false), "target/debug/runstate");
        assert_eq!(name("./runstate", false), "./runstate");
        assert_eq!(name("/my tools/runstate", false), "'/my tools/runstate'");
        assert_eq!(name_for(None, false), "runstate");
        assert_eq!(name("", true), "runstate");
    }

    #[test]
    fn hints_name_cargo_if_it_started_a_program_in_a_target_directory() {
        let name = |called: &str| name_for(Some(OsStr::new(called)), true);
        assert_eq!(name("target/debug/runstate"), "cargo run --");
        assert_eq!(name("/src/runstate/target/release/runstate"), "cargo run --release --");
        assert_eq!(name("target/release/examples/notes"), "cargo run --release --example notes --");
        assert_eq!(name("runstate"), "runstate");
        assert_eq!(name("/usr/local/bin/runstate"), "/usr/local/bin/runstate");
    }
}

//! Checks of dependency trees: the library builds the command line, the parser or a runtime only if a feature asks for it.

use crate::error::XtaskError;
use crate::process::ProgramCall;
use crate::step::StepContext;
use crate::tools;

/// The tree of a page contains neither the command line, nor the compiler, nor a native runtime.
pub fn wasm_tree(step: &mut StepContext) -> Result<(), XtaskError> {
    let words = format!("--target {} --no-default-features --features wasm", tools::WASM_TARGET);
    check_absent(&words, &["clap", "oxc", "tokio"], step)?;
    // For all features: a page has no sockets. Rexie uses tokio's channels, not its runtime.
    check_absent(
        &format!("--target {} --all-features", tools::WASM_TARGET),
        &["clap", "mio", "mongodb", "socket2"],
        step,
    )
}

/// The tree of a program that links the library contains neither the command line, nor the compiler, nor a driver.
pub fn native_tree(step: &mut StepContext) -> Result<(), XtaskError> {
    check_absent("--no-default-features --features file", &["clap", "oxc", "mongodb"], step)
}

fn check_absent(words: &str, families: &[&str], step: &mut StepContext) -> Result<(), XtaskError> {
    let call = ProgramCall::cargo("tree -p runstate --edges normal --prefix none --format {p}").words(words);
    let tree = call.output()?;
    let found = find_forbidden(&tree, families);
    step.say(format_args!(
        "{words}: {} crates, none of {}",
        tree.lines().filter(|line| !line.ends_with("(*)")).count(),
        families.join(", ")
    ));
    if found.is_empty() {
        return Ok(());
    }
    Err(XtaskError::RuleViolated(
        found.into_iter().map(|name| format!("{name} is a dependency of runstate with {words}")).collect(),
    ))
}

/// The crates of a family in a tree: the family `oxc` contains `oxc` and `oxc_parser`, not `oxcart`.
fn find_forbidden(tree: &str, families: &[&str]) -> Vec<String> {
    let names = tree.lines().filter_map(|line| line.split_whitespace().next());
    let mut found: Vec<String> =
        names.filter(|name| families.iter().any(|family| belongs(name, family))).map(str::to_owned).collect();
    found.sort();
    found.dedup();
    found
}

fn belongs(name: &str, family: &str) -> bool {
    name.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with(['_', '-']))
}

#[cfg(test)]
mod tests {
    use super::find_forbidden;

    #[test]
    fn forbidden_crates_are_found_by_family() {
        let tree =
            "runstate v0.1.0 (here)\nserde v1.0.0\noxc_parser v0.146.0\noxcart v1.0.0\ntokio v1.0.0\ntokio v1.0.0 (*)";
        assert_eq!(find_forbidden(tree, &["clap", "oxc", "tokio"]), ["oxc_parser", "tokio"]);
        assert_eq!(find_forbidden(tree, &["clap"]), Vec::<String>::new());
    }
}

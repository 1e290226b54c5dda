//! Who builds what: the library never drags the command line, the parser or a runtime along where they are not asked for.

use crate::error::Error;
use crate::process::Call;
use crate::step::Step;
use crate::tools;

/// The page gets neither the command line, nor the compiler, nor a native runtime.
pub fn wasm_tree(step: &mut Step) -> Result<(), Error> {
    let words = format!("--target {} --no-default-features --features wasm", tools::WASM);
    without(&words, &["clap", "oxc", "tokio"], step)?;
    // Whatever is turned on: there are no sockets in a page. Of tokio rexie uses the channels, not the runtime.
    without(&format!("--target {} --all-features", tools::WASM), &["clap", "mio", "mongodb", "socket2"], step)
}

/// Whoever links the library builds neither the command line, nor the compiler, nor a driver.
pub fn native_tree(step: &mut Step) -> Result<(), Error> {
    without("--no-default-features --features file", &["clap", "oxc", "mongodb"], step)
}

fn without(words: &str, families: &[&str], step: &mut Step) -> Result<(), Error> {
    let call = Call::cargo("tree -p runstate --edges normal --prefix none --format {p}").words(words);
    let tree = call.output()?;
    let found = intruders(&tree, families);
    step.say(format_args!(
        "{words}: {} crates, none of {}",
        tree.lines().filter(|line| !line.ends_with("(*)")).count(),
        families.join(", ")
    ));
    if found.is_empty() {
        return Ok(());
    }
    Err(Error::Broken(
        found.into_iter().map(|name| format!("{name} is a dependency of runstate with {words}")).collect(),
    ))
}

/// The crates of a family in a tree: `oxc` stands for itself and `oxc_parser`, not for `oxcart`.
fn intruders(tree: &str, families: &[&str]) -> Vec<String> {
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
    use super::intruders;

    #[test]
    fn families_are_found() {
        let tree =
            "runstate v0.1.0 (here)\nserde v1.0.0\noxc_parser v0.146.0\noxcart v1.0.0\ntokio v1.0.0\ntokio v1.0.0 (*)";
        assert_eq!(intruders(tree, &["clap", "oxc", "tokio"]), ["oxc_parser", "tokio"]);
        assert_eq!(intruders(tree, &["clap"]), Vec::<String>::new());
    }
}

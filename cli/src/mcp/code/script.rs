//! Scripts as programs.

use runstate::domain::cvm::{Load, load_command};
use runstate::lang::{CompileOptions, Diagnostic, SourceForm, compile_for};

use super::servers::Tools;

/// The beginning of the names of the programs of scripts.
pub const PROGRAM_PREFIX: &str = "script-";

/// The file name of a script in complaints and stack traces.
const FILE: &str = "script.ts";

/// A compiled script.
pub struct Script {
    /// The command that loads it, under a name that follows from its source and its tools.
    pub load: Load,
    /// The tools that it may call.
    pub kinds: Vec<String>,
}

/// Compiles a script that calls these tools. The error has all complaints, in source order.
pub fn load_script(source: &str, tools: &Tools) -> Result<Script, Vec<Diagnostic>> {
    let names: Vec<String> = tools.iter().map(|(kind, _)| kind.to_owned()).collect();
    let options = CompileOptions { form: SourceForm::Script, tools: Some(names) };
    let compiled = compile_for(FILE, source, &mut |_| Ok(None), &options)?;
    let mut load = load_command("", source, FILE, compiled)?;
    load.name = format!("{PROGRAM_PREFIX}{}", &load.source_hash()[..32]);
    Ok(Script { kinds: load.tools.clone().unwrap_or_default(), load })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_may_call_the_tools_that_it_names() {
        let tools = Tools::of_names(&["github.search", "github.get", "pay.refund"]);
        let kinds = |source: &str| load_script(source, &tools).map(|script| script.kinds).unwrap();
        assert_eq!(kinds("return 1"), [""; 0]);
        assert_eq!(kinds("const { github } = tools; return await github.search({ q: 'a' })"), ["github.search"]);
        assert_eq!(kinds("return [1].map(tools.github.get)"), ["github.get"]);
        let all = ["github.get", "github.search", "pay.refund"];
        assert_eq!(kinds("const name = 'get'; return await tools.github[name]({})"), all);
        let name = |source: &str, tools: &Tools| load_script(source, tools).unwrap().load.name;
        let fewer = Tools::of_names(&["github.get"]);
        let (direct, by_value) = ("return tools.github.get({})", "return Object.keys(tools.github)");
        assert_eq!(name(direct, &tools), name(direct, &fewer));
        assert_ne!(name(by_value, &tools), name(by_value, &fewer));
    }
}

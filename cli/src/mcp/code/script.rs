//! Scripts as programs.

use std::collections::HashSet;

use runstate::domain::cvm::{Load, load_command};
use runstate::id::{hex, sha256};
use runstate::lang::{CompileOptions, Diagnostic, SourceForm, compile_for};
use serde_json::{Value as Json, json};

use super::servers::Tools;

/// The beginning of the names of the programs of scripts.
pub const PROGRAM_PREFIX: &str = "script-";

/// The file name of a script in complaints and stack traces.
const FILE: &str = "script.ts";

/// A compiled script.
pub struct Script {
    /// The command that loads it, under a name that follows from what it does.
    pub load: Load,
    /// The tools that it may call.
    pub kinds: Vec<String>,
}

/// Compiles a script that calls these tools. The error has all complaints, in source order.
pub fn load_script(source: &str, tools: &Tools) -> Result<Script, Vec<Diagnostic>> {
    let names: Vec<String> = tools.iter().map(|(kind, _)| kind.to_owned()).collect();
    let options = CompileOptions { form: SourceForm::Script, tools: Some(names) };
    let compiled = compile_for(FILE, source, &mut |_| Ok(None), &options)?;
    let mut texts = HashSet::new();
    compiled.bytecode.iter().flat_map(|one| &one.arg).for_each(|arg| collect_texts(arg, &mut texts));
    // A call of a tool has its name as a text. So this is never too little.
    let kinds = tools.iter().filter(|(kind, _)| texts.contains(kind)).map(|(kind, _)| kind.to_owned()).collect();
    // A script that uses tools as values has all of them in its bytecode.
    let bytecode = json!(compiled.bytecode).to_string();
    let hash = hex(&sha256(&[source.as_bytes(), bytecode.as_bytes()]));
    let load = load_command(&format!("{PROGRAM_PREFIX}{}", &hash[..32]), source, FILE, compiled)?;
    Ok(Script { load, kinds })
}

fn collect_texts<'a>(value: &'a Json, texts: &mut HashSet<&'a str>) {
    match value {
        Json::String(text) => {
            texts.insert(text);
        }
        Json::Array(items) => items.iter().for_each(|item| collect_texts(item, texts)),
        Json::Object(members) => members.values().for_each(|member| collect_texts(member, texts)),
        _ => {}
    }
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

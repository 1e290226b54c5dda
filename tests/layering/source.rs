//! A source file as the rules read it: its room, its code without tests, its paths and its `cfg`s.

use std::path::Path;

use super::tokens::{Token, tokens};

/// A file under `src`.
pub struct RustSource {
    /// Relative to the checkout, with `/`.
    pub file: String,
    /// The room's name; `None` for `lib.rs`, which only declares the rooms.
    pub room: Option<String>,
    /// The code that ships, without items under `#[cfg(test)]`.
    pub code: Vec<Token>,
    /// Files or folders that this file declares for tests only (`#[cfg(test)] mod fixtures;`).
    pub test_modules: Vec<String>,
    modules: Vec<String>,
}

/// A path in the code, for example `crate::store::Batch`, with its groups and `super`s resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedPath {
    pub segments: Vec<String>,
    /// The name after `as`, else the last segment.
    pub name: String,
    pub line: usize,
}

/// A `cfg`, `cfg_attr` or `cfg!`, and the item to which it applies.
pub struct Cfg {
    pub words: Vec<String>,
    pub line: usize,
    pub on_module: bool,
    /// The attributes that `cfg_attr` adds, as tokens.
    pub added: Vec<String>,
}

impl RustSource {
    /// Reads `text`, the contents of `file` (a path below `src/`, such as `src/store/mod.rs`).
    pub fn read(file: &str, text: &str) -> Self {
        let below = file.strip_prefix("src/").unwrap_or(file);
        let mut modules: Vec<String> = below.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        if modules.last().is_some_and(|last| last == "mod" || last == "lib") {
            modules.pop();
        }
        let all = tokens(text);
        let (code, declared) = without_tests(&all);
        let folder = match (below, modules.is_empty()) {
            (_, true) => "src".to_owned(),
            _ => format!("src/{}", modules.join("/")),
        };
        let test_modules = declared.into_iter().map(|name| format!("{folder}/{name}")).collect();
        Self { file: file.to_owned(), room: modules.first().cloned(), code, test_modules, modules }
    }

    /// Whether `module` (from [`RustSource::test_modules`]) is this file or a folder above it.
    pub fn is_part_of(&self, module: &str) -> bool {
        let stem = self.file.trim_end_matches(".rs");
        stem == module || Path::new(stem).starts_with(module)
    }

    /// Every path in the code to an item of this crate, without the leading `crate`.
    pub fn crate_paths(&self) -> Vec<NamedPath> {
        let inline = inline_modules(&self.code);
        let mut found = Vec::new();
        for (at, path) in paths(&self.code) {
            let Some(first) = path.segments.first() else { continue };
            let rest = match first.as_str() {
                "crate" | "runstate" if path.segments.len() > 1 => path.segments[1..].to_vec(),
                "super" => {
                    let supers = path.segments.iter().take_while(|segment| *segment == "super").count();
                    let depth = self.modules.len() + inline[at];
                    // Only a path that leaves the room can break a rule.
                    if supers < depth {
                        continue;
                    }
                    path.segments[supers..].to_vec()
                }
                _ => continue,
            };
            found.push(NamedPath { segments: rest, ..path });
        }
        found
    }

    /// Every path in the code as written, with `use` groups expanded.
    pub fn paths(&self) -> Vec<NamedPath> {
        paths(&self.code).into_iter().map(|(_, path)| path).collect()
    }

    /// The macros that this file exports at the root of the crate.
    pub fn exported_macros(&self) -> Vec<String> {
        let words: Vec<&str> = self.code.iter().map(|token| token.text.as_str()).collect();
        let mut names = Vec::new();
        let mut exported = false;
        for window in words.windows(3) {
            match window {
                ["macro_export", ..] => exported = true,
                ["macro_rules", "!", name] if std::mem::take(&mut exported) => names.push((*name).to_owned()),
                _ => {}
            }
        }
        names
    }

    /// Every condition on features or targets. Conditions on tests were removed with the tests.
    pub fn cfgs(&self) -> Vec<Cfg> {
        let code = &self.code;
        let mut found = Vec::new();
        for at in 0..code.len() {
            let open = match (code[at].text.as_str(), text(code, at + 1), text(code, at + 2)) {
                ("cfg" | "cfg_attr", "(", _) => at + 1,
                ("cfg", "!", "(") => at + 2,
                _ => continue,
            };
            let close = closing_index(code, open);
            // Only the condition of `cfg_attr(condition, attributes…)` counts.
            let comma = (open + 1..close).find(|&i| code[i].text == "," && depth_between(code, open, i) == 1);
            let end = if code[at].text == "cfg_attr" { comma.unwrap_or(close) } else { close };
            let words =
                code[open..end].iter().filter(|token| token.is_word()).map(|token| token.text.clone()).collect();
            let added = code[end.min(close)..close].iter().skip(1).map(|token| token.text.clone()).collect();
            found.push(Cfg { words, line: code[at].line, on_module: applies_to_module(code, close + 1), added });
        }
        found
    }
}

fn text(code: &[Token], at: usize) -> &str {
    code.get(at).map_or("", |token| token.text.as_str())
}

fn depth_between(code: &[Token], open: usize, at: usize) -> i32 {
    code[open..at].iter().map(|token| nesting(&token.text)).sum()
}

fn nesting(text: &str) -> i32 {
    match text {
        "(" | "[" | "{" => 1,
        ")" | "]" | "}" => -1,
        _ => 0,
    }
}

/// The index of the bracket that closes the one at `open`, or the end of the code.
fn closing_index(code: &[Token], open: usize) -> usize {
    let mut depth = 0;
    for (at, token) in code.iter().enumerate().skip(open) {
        depth += nesting(&token.text);
        if depth == 0 {
            return at;
        }
    }
    code.len()
}

/// Whether the item after an attribute (whose `]` is at `at`) is a module.
fn applies_to_module(code: &[Token], mut at: usize) -> bool {
    if text(code, at) != "]" {
        return false;
    }
    at += 1;
    loop {
        match (text(code, at), text(code, at + 1)) {
            ("#", "[") => at = closing_index(code, at + 1) + 1,
            ("pub", "(") => at = closing_index(code, at + 1) + 1,
            ("pub", _) => at += 1,
            ("mod", _) => return true,
            _ => return false,
        }
    }
}

/// The code without items under `#[cfg(test)]`, and the names of the modules that are declared there.
fn without_tests(all: &[Token]) -> (Vec<Token>, Vec<String>) {
    let mut code = Vec::new();
    let mut modules = Vec::new();
    let mut at = 0;
    while at < all.len() {
        if text(all, at) == "#" && text(all, at + 1) == "!" && is_test_condition(all, at + 2) {
            // The whole file is a test.
            return (Vec::new(), modules);
        }
        if text(all, at) != "#" || !is_test_condition(all, at + 1) {
            code.push(all[at].clone());
            at += 1;
            continue;
        }
        let item = closing_index(all, at + 1) + 1;
        let end = item_end(all, item);
        if let Some(position) = (item..end).find(|&i| text(all, i) == "mod")
            && text(all, position + 2) == ";"
        {
            modules.push(text(all, position + 1).to_owned());
        }
        at = end;
    }
    (code, modules)
}

/// `[cfg(test)]` or `[cfg(all(test, …))]` at `at`.
fn is_test_condition(all: &[Token], at: usize) -> bool {
    let words: Vec<&str> = (at..at + 6).map(|i| text(all, i)).collect();
    words.starts_with(&["[", "cfg", "(", "test", ")"]) || words.starts_with(&["[", "cfg", "(", "all", "(", "test"])
}

/// The index after the item that begins at `at`: after its `;`, or after the brace that closes its body.
fn item_end(all: &[Token], at: usize) -> usize {
    let mut depth = 0;
    for (i, token) in all.iter().enumerate().skip(at) {
        depth += nesting(&token.text);
        if depth == 0 && matches!(token.text.as_str(), ";" | "}") {
            return i + 1;
        }
    }
    all.len()
}

/// For each token, the number of inline modules (`mod x { … }`) around it.
fn inline_modules(code: &[Token]) -> Vec<usize> {
    let mut opened = Vec::new();
    let mut depth = 0;
    let mut depths = Vec::with_capacity(code.len());
    for (at, token) in code.iter().enumerate() {
        depth += nesting(&token.text);
        if token.text == "{" && at >= 2 && text(code, at - 2) == "mod" {
            opened.push(depth);
        }
        if token.text == "}" {
            opened.retain(|&level| level <= depth);
        }
        depths.push(opened.len());
    }
    depths
}

/// Every path, and the index of its first token.
fn paths(code: &[Token]) -> Vec<(usize, NamedPath)> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < code.len() {
        if !code[at].is_word() {
            at += 1;
            continue;
        }
        let mut named = Vec::new();
        let next = path_tree(code, at, &[], &mut named);
        found.extend(named.into_iter().map(|path| (at, path)));
        at = next.max(at + 1);
    }
    found
}

/// Reads `a::b`, `a::{b, c::d}`, `a::*` and `a::b as c`; returns the index at which it stopped.
fn path_tree(code: &[Token], mut at: usize, prefix: &[String], out: &mut Vec<NamedPath>) -> usize {
    let mut segments = prefix.to_vec();
    let line = code.get(at).map_or(0, |token| token.line);
    while let Some(token) =
        code.get(at).filter(|token| token.is_word() || token.text == "*" || token.text.starts_with("r#"))
    {
        segments.push(token.text.clone());
        at += 1;
        if text(code, at) != "::" {
            break;
        }
        if text(code, at + 1) == "{" {
            let close = closing_index(code, at + 1);
            at += 2;
            while at < close {
                at = path_tree(code, at, &segments, out).max(at + 1);
                if text(code, at) == "," {
                    at += 1;
                }
            }
            return close + 1;
        }
        if !code.get(at + 1).is_some_and(|token| token.is_word() || token.text == "*" || token.text.starts_with("r#")) {
            break;
        }
        at += 1;
    }
    let mut name = segments.last().cloned().unwrap_or_default();
    // `use a::b as c`, not the cast or the `<T as Trait>` of an expression.
    if text(code, at) == "as" && matches!(text(code, at + 2), "," | ";" | "}") {
        name = text(code, at + 1).to_owned();
        at += 2;
    }
    if segments.len() > prefix.len() {
        out.push(NamedPath { segments, name, line });
    }
    at
}

#[cfg(test)]
mod tests {
    use super::RustSource;

    fn crate_paths(file: &str, text: &str) -> Vec<String> {
        RustSource::read(file, text).crate_paths().into_iter().map(|path| path.segments.join("::")).collect()
    }

    #[test]
    fn paths_are_found_however_they_are_written() {
        for (file, text, expected) in [
            ("src/vm/heap.rs", "use crate::value::Value;", vec!["value::Value"]),
            (
                "src/vm/heap.rs",
                "use crate::{value::{Value, order}, time};",
                vec!["value::Value", "value::order", "time"],
            ),
            ("src/vm/heap.rs", "fn f(a: &crate::time::Timestamp) {}", vec!["time::Timestamp"]),
            ("src/vm/heap.rs", "use crate::store as s;", vec!["store"]),
            ("src/vm/heap.rs", "<crate::id::Id as crate::time::At>::at()", vec!["id::Id", "time::At"]),
            ("src/vm/heap.rs", "macro_rules! m { () => { $crate::store::open() } }", vec!["store::open"]),
            ("src/vm/heap.rs", "use super::super::store;", vec!["store"]),
            ("src/vm/heap.rs", "use super::frames;", vec![]),
            ("src/vm/mod.rs", "use super::store;", vec!["store"]),
            ("src/vm/mod.rs", "mod inner { use super::heap; use super::super::store; }", vec!["store"]),
            ("src/vm/mod.rs", "mod inner {} fn f() { super::store::open() }", vec!["store::open"]),
            ("src/vm/mod.rs", "pub(crate) fn f() {} // crate::store", vec![]),
        ] {
            assert_eq!(crate_paths(file, text), expected, "{text}");
        }
    }

    #[test]
    fn tests_are_left_out() {
        for text in [
            "#[cfg(test)] mod tests { use crate::store::Memory; fn f() { if x {} } }",
            "#[cfg(test)] use crate::store::Memory;",
            "#[cfg(all(test, feature = \"file\"))] mod tests { use crate::store::Memory; }",
            "#![cfg(test)] use crate::store::Memory;",
        ] {
            assert_eq!(crate_paths("src/vm/mod.rs", text), Vec::<String>::new(), "{text}");
        }
        let after_tests = crate_paths("src/vm/mod.rs", "#[cfg(test)] mod tests { } use crate::store::Memory;");
        assert_eq!(after_tests, ["store::Memory"]);
        let other_condition = crate_paths("src/vm/mod.rs", "#[cfg(not(test))] use crate::store::Memory;");
        assert_eq!(other_condition, ["store::Memory"]);
    }

    #[test]
    fn a_file_can_belong_to_tests() {
        let parent = RustSource::read("src/vm/mod.rs", "#[cfg(test)] mod fixtures;");
        assert_eq!(parent.test_modules, ["src/vm/fixtures"]);
        assert!(RustSource::read("src/vm/fixtures.rs", "").is_part_of("src/vm/fixtures"));
        assert!(RustSource::read("src/vm/fixtures/deep.rs", "").is_part_of("src/vm/fixtures"));
        assert!(!RustSource::read("src/vm/fixtures_of_all.rs", "").is_part_of("src/vm/fixtures"));
    }
}

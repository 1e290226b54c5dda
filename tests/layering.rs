//! The order of the modules of `src/`, and what they must not use. Cargo holds the order of the crates.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Modules, and the constant of `lib.rs`, that every module may use.
const BASE: &str = "HAS_SCHEMAS error_code id limits marker time tls value";

/// Modules in their order, and the modules that each may use besides itself and [`BASE`].
const MODULES: &[(&str, &str)] = &[
    ("schema", ""),
    ("decision", "schema"),
    ("operation", "schema decision"),
    ("domain", "schema decision operation vm lang"),
    ("webhook", "schema decision operation"),
    ("store", "schema"),
    ("engine", "schema decision operation vm store"),
    ("work", "schema decision operation store engine"),
    ("objects", "engine"),
    ("blob", "schema domain store engine objects"),
    ("transfer", "schema operation store engine objects"),
    // The one part of a general module that knows a domain: the older CVM's data becomes documents of `cvm`.
    ("transfer/legacy", "schema decision vm domain store engine transfer"),
    ("client", "schema decision operation vm domain webhook store engine work"),
    ("wasm", "schema decision operation vm lang domain store engine work blob transfer client"),
    ("testing", "schema decision operation vm domain store engine transfer client work wasm"),
];

/// Modules and crates without async code, clocks, entropy and I/O.
const PURE: &str = "schema decision operation domain crates/lang crates/vm";
const IMPURE: &str = "async await SystemTime Instant RandomState getrandom rand tokio js_sys web_sys \
    print! println! eprint! eprintln! std::env std::fs std::io std::net std::process std::thread";

/// Modules that serve every domain and name none.
const WITHOUT_DOMAINS: &str = "schema decision operation webhook store engine objects transfer work wasm";

/// Appends words and marks with their lines, without comments, literals and items for tests.
fn flatten(tokens: TokenStream, code: &mut Vec<(String, usize)>) {
    let mut tokens = tokens.into_iter();
    while let Some(token) = tokens.next() {
        let line = token.span().start().line;
        let last = code.last().map_or("", |(last, _)| last);
        match token {
            TokenTree::Literal(_) => {}
            TokenTree::Group(group) => {
                let is_block = group.delimiter() == Delimiter::Brace;
                let attribute = if last == "#" { group.stream().to_string().replace(' ', "") } else { String::new() };
                if attribute == "cfg(test)" || attribute.starts_with("cfg(all(test,") {
                    tokens.find(|one| one.to_string().starts_with(['{', ';']));
                } else {
                    code.extend(is_block.then(|| ("{".into(), line)));
                    flatten(group.stream(), code);
                    code.extend(is_block.then(|| ("}".into(), line)));
                }
            }
            mark if last == ":" && mark.to_string() == ":" => code.last_mut().unwrap().0.push(':'),
            word => code.push((word.to_string(), line)),
        }
    }
}

/// The words directly after `at` in a path: `b` in `a::b`; `b` and `d` in `a::{b::c, d}`.
fn next_segments(code: &[(String, usize)], at: usize) -> Vec<&str> {
    let word = |at: usize| code.get(at).map_or("", |(word, _)| word.as_str());
    let (mut depth, mut found) = (0, Vec::new());
    for at in (at + 2..code.len()).take_while(|_| word(at + 1) == "::") {
        depth += i32::from(word(at) == "{") - i32::from(word(at) == "}");
        match (depth, word(at - 1)) {
            (0, "::") | (1, "{" | ",") if word(at) != "}" => found.push(word(at)),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    found
}

fn has(list: &str, word: &str) -> bool {
    list.split(' ').any(|one| one == word)
}

/// The breaches of the rules in a file, each with its line.
fn breaches(file: &str, text: &str, domains: &str) -> Vec<String> {
    let (mut code, mut found) = (Vec::new(), Vec::new());
    flatten(text.parse().unwrap(), &mut code);
    let parts: Vec<&str> = file.trim_end_matches(".rs").split('/').collect();
    let place = match *parts {
        ["crates", name, ..] => format!("crates/{name}"),
        ["src", "transfer", "legacy", ..] => "transfer/legacy".to_owned(),
        _ => parts[1].to_owned(),
    };
    let row = MODULES.iter().find(|(name, _)| *name == place);
    let uses = format!("{place} {BASE} {}", row.map_or("", |(_, uses)| uses));
    let is_module = parts[0] == "src" && place != "lib";
    let mut report = |line: usize, rule: &str| found.push(format!("{file}:{line}: {rule}"));
    if is_module && row.is_none() && !has(BASE, &place) {
        report(1, "the module is not in the table of tests/layering.rs; add it there and to ARCHITECTURE.md");
    }
    for (at, (word, line)) in code.iter().enumerate() {
        let (next, mark) = (next_segments(&code, at), code.get(at + 1).map_or("", |(mark, _)| mark));
        // An exported macro is at the root of the crate.
        let is_macro = |used: &str| used.starts_with("__") || code.get(at + 3).is_some_and(|(mark, _)| mark == "!");
        let of_crate = next.iter().filter(|_| is_module && has("crate runstate", word));
        for used in of_crate.filter(|used| !has(&uses, used) && !is_macro(used)) {
            report(*line, &format!("`{used}` is not one of the modules that {place} may use: {uses}"));
        }
        let mut named = next.iter().map(|next| format!("{word}::{next}")).chain([word.clone(), word.clone() + mark]);
        if has(PURE, &place) && named.any(|one| has(IMPURE, &one)) {
            report(*line, &format!("`{word}` in {place}, which has no async code, clock, entropy or I/O"));
        }
        if has(WITHOUT_DOMAINS, &place) && has(domains, word) {
            report(*line, &format!("`{word}` in {place}, which serves every domain and names none"));
        }
        let item = || code[at..].iter().map(|(word, _)| word.as_str()).take_while(|word| !has("{ } ;", word));
        let is_exempt = ["lib.rs", "mod.rs", "marker.rs"].iter().any(|name| file.ends_with(name));
        let mut condition = item().filter(|word| has("feature unix windows", word) || word.starts_with("target_"));
        if has("cfg cfg_attr", word) && !is_exempt && condition.next().is_some() && !item().any(|word| word == "mod") {
            report(*line, "a condition on a feature or target is only at module declarations and in marker.rs");
        }
    }
    found
}

#[test]
fn modules_use_only_those_before_them() {
    let names = |folder: &Path| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let domains = names(Path::new("src/domain")).filter(|path| path.is_dir());
    let domains: Vec<String> = domains.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    let mut paths = ["src", "crates/lang/src", "crates/value/src", "crates/vm/src"].map(PathBuf::from).to_vec();
    let mut found = Vec::new();
    while let Some(path) = paths.pop() {
        let file = path.to_str().unwrap();
        if path.is_dir() {
            paths.extend(names(&path));
        } else if file.ends_with(".rs") && !file.ends_with("tests.rs") && !file.contains("/tests/") {
            found.extend(breaches(file, &std::fs::read_to_string(file).unwrap(), &domains.join(" ")));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn breaches_are_found() {
    for (file, text, count) in [
        ("src/store/memory.rs", "use crate::schema::Field;\nuse crate::{value::Json, domain::Domain};", 1),
        ("src/engine/mod.rs", "use crate::vm::{self, Machine,};\nuse crate::lang;", 1),
        ("src/store/memory.rs", "// crate::engine\n#[cfg(test)]\nmod tests { use crate::engine::Engine; }", 0),
        ("src/helpers.rs", "", 1),
        ("src/domain/cvm/call.rs", "async fn f() {}\nuse std::{fmt, fs};\nstd::time::Instant::now()", 3),
        ("crates/vm/src/heap.rs", "println!(\"async\");\n\nuse std::time::Duration;\nuse crate::text;", 1),
        ("src/transfer/legacy/rows.rs", "use crate::domain::cvm;\nuse crate::transfer::disk;\nuse crate::work;", 1),
        ("src/transfer/plan.rs", "use crate::domain;", 1),
        ("src/engine/mod.rs", "use crate::store::cvm;\nfn f() { engine.cvm(\"cvm\") }", 2),
        ("src/id.rs", "#[cfg(unix)]\nfn f() {}\nfn g() { cfg!(feature = \"a\") }\n#[cfg(windows)] pub mod a;", 2),
    ] {
        assert_eq!(breaches(file, text, "cvm fleet").len(), count, "{file}: {text}");
    }
}

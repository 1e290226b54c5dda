//! The rules, as a table and five checks. Each check returns its breaches: file, line, rule.

use std::collections::BTreeMap;
use std::fmt;

use super::source::{Cfg, NamedPath, RustSource};

/// Vocabulary that depends on no room. These may use one another.
const BASE_ROOMS: &[&str] =
    &["documentation", "no_documentation", "error_code", "value", "time", "id", "limits", "marker"];

/// Each room, and the rooms that it may use besides the base rooms and itself.
const ROOMS: &[(&str, &[&str])] = &[
    ("schema", &[]),
    ("decision", &["schema"]),
    ("vm", &["schema", "decision"]),
    ("operation", &["schema", "decision"]),
    ("domain", &["schema", "decision", "operation", "vm", "lang"]),
    ("store", &["schema"]),
    ("blob", &["schema"]),
    // The compiler depends on the instruction set only.
    ("lang", &["vm"]),
    ("engine", &["schema", "decision", "operation", "vm", "store", "blob"]),
    ("work", &["schema", "decision", "operation", "store", "engine"]),
    ("legacy", &["schema", "decision", "vm", "domain", "store", "engine"]),
    ("client", &["schema", "decision", "operation", "vm", "domain", "store", "engine", "work"]),
    ("wasm", &["schema", "decision", "operation", "vm", "domain", "store", "blob", "lang", "engine", "client", "work"]),
    (
        "testing",
        &["schema", "decision", "operation", "vm", "domain", "store", "blob", "engine", "client", "work", "wasm"],
    ),
];

/// Rooms with total functions, which return the same result for the same arguments.
const PURE: &[&str] = &["schema", "decision", "operation", "vm", "lang", "domain"];

/// Rooms that serve every domain and name none.
const WITHOUT_DOMAINS: &[&str] = &["schema", "decision", "operation", "store", "blob", "engine", "work", "wasm"];

/// Words that a pure room does not need. A name that happens to be one of them can be chosen differently.
const IMPURE_WORDS: &[(&str, &str)] = &[
    ("async", "async"),
    ("await", "async"),
    ("SystemTime", "a clock"),
    ("Instant", "a clock"),
    ("getrandom", "entropy"),
    ("thread_rng", "entropy"),
    ("OsRng", "entropy"),
    ("RandomState", "entropy"),
];

/// Macros that a pure room does not need.
const IMPURE_MACROS: &[&str] = &["print", "println", "eprint", "eprintln", "dbg"];

/// Prefixes of paths that a pure room does not need.
const IMPURE_PATHS: &[(&[&str], &str)] = &[
    (&["std", "fs"], "I/O"),
    (&["std", "io"], "I/O"),
    (&["std", "net"], "I/O"),
    (&["std", "env"], "I/O"),
    (&["std", "process"], "I/O"),
    (&["std", "thread"], "a clock"),
    (&["tokio"], "I/O"),
    (&["js_sys"], "I/O"),
    (&["web_sys"], "I/O"),
    (&["rand"], "entropy"),
];

/// One breach of a rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Breach {
    pub file: String,
    pub line: usize,
    pub rule: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.rule)
    }
}

/// The names that `lib.rs` and exported macros add to the root of the crate: name → room.
pub type Root = BTreeMap<String, String>;

/// Reads the origin of the names at the root of the crate from all sources.
pub fn root(sources: &[RustSource]) -> Root {
    let mut root = Root::new();
    for source in sources {
        let Some(room) = &source.room else {
            for NamedPath { segments, name, .. } in source.paths() {
                let rest = segments.iter().skip_while(|segment| matches!(segment.as_str(), "crate" | "self"));
                if let Some(first) = rest.into_iter().find(|first| is_room(first)) {
                    root.insert(name, first.clone());
                }
            }
            continue;
        };
        root.extend(source.exported_macros().into_iter().map(|name| (name, room.clone())));
    }
    root
}

fn is_room(name: &str) -> bool {
    BASE_ROOMS.contains(&name) || ROOMS.iter().any(|(room, _)| *room == name)
}

fn may_use(room: &str) -> Vec<&'static str> {
    let others = ROOMS.iter().find(|(name, _)| *name == room).map_or(&[] as &[&str], |(_, others)| others);
    BASE_ROOMS.iter().chain(others).copied().collect()
}

/// A room uses only itself and the rooms that [`ROOMS`] lists for it.
pub fn rooms(source: &RustSource, root: &Root) -> Vec<Breach> {
    let Some(room) = &source.room else { return Vec::new() };
    let breach = |line, rule| Breach { file: source.file.clone(), line, rule };
    if !is_room(room) {
        return vec![breach(
            1,
            format!("`{room}` is not in the table of rooms; add it to tests/layering and ARCHITECTURE.md"),
        )];
    }
    let allowed = may_use(room);
    let mut found = Vec::new();
    for NamedPath { segments, line, .. } in source.crate_paths() {
        let Some(first) = segments.first() else { continue };
        let used = if is_room(first) { first } else { root.get(first).unwrap_or(first) };
        if !is_room(used) {
            found.push(breach(
                line,
                format!("`{used}` is not a room, and lib.rs does not export it; use the path of its room"),
            ));
        } else if used != room && !allowed.contains(&used.as_str()) {
            let allowed = allowed.join(", ");
            found
                .push(breach(line, format!("{room} may not use {used}: a room uses only those before it ({allowed})")));
        }
    }
    found
}

/// The names of the domains.
pub fn domains(sources: &[RustSource]) -> Vec<String> {
    let below = sources.iter().filter_map(|source| source.file.strip_prefix("src/domain/"));
    let names = below.filter_map(|path| path.split(['/', '.']).next());
    let mut names: Vec<String> = names.filter(|name| *name != "mod").map(str::to_owned).collect();
    names.dedup();
    names
}

/// The rooms that serve every domain contain the name of none, whether in a path or as a method.
pub fn domain_names(source: &RustSource, domains: &[String]) -> Vec<Breach> {
    let Some(room) = source.room.as_deref().filter(|room| WITHOUT_DOMAINS.contains(room)) else { return Vec::new() };
    let named = source.code.iter().filter(|token| domains.contains(&token.text));
    let breach = |line, name: &str| Breach {
        file: source.file.clone(),
        line,
        rule: format!("`{name}` in {room}: it serves every domain and names none; let the domain declare what differs"),
    };
    named.map(|token| breach(token.line, &token.text)).collect()
}

/// The pure rooms have no `async`, clock, entropy or I/O, and never use a store.
pub fn purity(source: &RustSource) -> Vec<Breach> {
    let Some(room) = source.room.as_deref().filter(|room| PURE.contains(room)) else { return Vec::new() };
    let breach = |line, what: &str, kind: &str| Breach {
        file: source.file.clone(),
        line,
        rule: format!("`{what}` in {room}: pure rooms do not use {kind}"),
    };
    let words = source.code.iter().filter_map(|token| {
        let (word, kind) = IMPURE_WORDS.iter().find(|(word, _)| token.text == *word)?;
        Some(breach(token.line, word, kind))
    });
    let macros = source.code.windows(2).filter(|pair| pair[1].text == "!").filter_map(|pair| {
        let word = IMPURE_MACROS.iter().find(|word| pair[0].text == **word)?;
        Some(breach(pair[0].line, word, "I/O"))
    });
    let named = source.paths();
    let paths = named.iter().filter(|path| path.segments.len() > 1).filter_map(|path| {
        let segments: Vec<&str> = path.segments.iter().map(String::as_str).collect();
        if segments[..segments.len() - 1].contains(&"store") {
            return Some(breach(path.line, &segments.join("::"), "a store"));
        }
        let (_, kind) = IMPURE_PATHS.iter().find(|(start, _)| segments.starts_with(start))?;
        Some(breach(path.line, &segments.join("::"), kind))
    });
    words.chain(macros).chain(paths).collect()
}

/// Conditions on features and targets are only at module declarations and in `marker.rs`.
pub fn cfgs(source: &RustSource) -> Vec<Breach> {
    if ["lib.rs", "mod.rs", "marker.rs"].iter().any(|name| source.file.ends_with(&format!("/{name}"))) {
        return Vec::new();
    }
    let conditional = |word: &str| matches!(word, "feature" | "unix" | "windows") || word.starts_with("target_");
    let wrong =
        |cfg: &Cfg| !cfg.on_module && !only_describes_types(cfg) && cfg.words.iter().any(|word| conditional(word));
    let breach = |cfg: Cfg| Breach {
        file: source.file.clone(),
        line: cfg.line,
        rule: "cfg on a feature or target is allowed only at module declarations and in marker.rs".into(),
    };
    source.cfgs().into_iter().filter(wrong).map(breach).collect()
}

/// Whether the condition only derives a TypeScript description, which does not change the build: `derive(ts_rs::TS)`, `ts(…)`, or both.
fn only_describes_types(cfg: &Cfg) -> bool {
    let derived = ["derive", "(", "ts_rs", "::", "TS", ")"];
    let added: Vec<&str> = cfg.added.iter().map(String::as_str).collect();
    let rest = match added.strip_prefix(&derived) {
        Some([]) => return true,
        Some([",", rest @ ..]) => rest,
        Some(_) => return false,
        None => &added[..],
    };
    // One attribute, and nothing after it.
    let mut depth = 0;
    let closes = rest.iter().position(|token| {
        depth += match *token {
            "(" => 1,
            ")" => -1,
            _ => 0,
        };
        *token == ")" && depth == 0
    });
    rest.starts_with(&["ts", "("]) && closes == Some(rest.len() - 1)
}

/// The sources contain no unfinished code.
pub fn unfinished(file: &str, text: &str) -> Vec<Breach> {
    let marks = [concat!("todo", "!"), concat!("FIX", "ME")];
    lines_with(file, text, |line| {
        marks.iter().find(|mark| line.contains(**mark)).map(|mark| format!("`{mark}` must not be committed"))
    })
}

/// The sources contain no path of one machine. Home folders in samples belong to the user `ann`.
pub fn machine_paths(file: &str, text: &str) -> Vec<Breach> {
    const HOMES: [&str; 3] = [concat!("/ho", "me/"), concat!("/Us", "ers/"), concat!(":\\Us", "ers\\")];
    const OTHERS: [&str; 2] = [concat!("/ro", "ot/"), concat!("/wo", "rk/")];
    let inside_a_path = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '~' | '}' | '>' | '$' | '*');
    let begins = |line: &str, at: usize| {
        line[at..].starts_with(':') || !line[..at].chars().next_back().is_some_and(inside_a_path)
    };
    lines_with(file, text, |line| {
        let home = HOMES.iter().find(|home| {
            line.match_indices(**home)
                .any(|(at, found)| begins(line, at) && !line[at + found.len()..].starts_with("ann"))
        });
        let other = OTHERS.iter().find(|other| line.match_indices(**other).any(|(at, _)| begins(line, at)));
        home.or(other).map(|folder| format!("`{folder}…` is a path of one machine"))
    })
}

fn lines_with(file: &str, text: &str, rule: impl Fn(&str) -> Option<String>) -> Vec<Breach> {
    let numbered = text.lines().enumerate();
    numbered.filter_map(|(at, line)| Some(Breach { file: file.to_owned(), line: at + 1, rule: rule(line)? })).collect()
}

/// The page that describes the rooms names each one that is a folder. `page` is `None` if it does not exist.
pub fn architecture(page: Option<&str>, folders: &[String]) -> Vec<Breach> {
    let file = "ARCHITECTURE.md".to_owned();
    let Some(page) = page else {
        return match folders {
            [] => Vec::new(),
            _ => vec![Breach { file, line: 1, rule: format!("is missing; it describes {}", folders.join(", ")) }],
        };
    };
    let named = |room: &str| {
        [format!("`{room}`"), format!("{room}/"), format!("src/{room}")].iter().any(|name| page.contains(name))
    };
    let breach =
        |room: &String| Breach { file: file.clone(), line: 1, rule: format!("does not name the room src/{room}/") };
    folders.iter().filter(|room| !named(room)).map(breach).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules<T>(breaches: impl IntoIterator<Item = Breach>, field: impl Fn(Breach) -> T) -> Vec<T> {
        breaches.into_iter().map(field).collect()
    }

    #[test]
    fn a_room_that_uses_a_later_one_is_found() {
        for (file, text, lines) in [
            ("src/domain/cvm/execution.rs", "use crate::vm::Heap;\nuse crate::store::Batch;", vec![2]),
            ("src/store/memory.rs", "use crate::schema::Field;\n\nuse crate::domain::cvm;", vec![3]),
            ("src/store/memory.rs", "use crate::{schema, decision::Command};", vec![1]),
            ("src/store/file/mod.rs", "use super::super::engine::Engine;", vec![1]),
            ("src/lang/lower.rs", "use crate::vm::Op;\nuse crate::schema::Field;\nuse crate::domain::cvm;", vec![2, 3]),
            ("src/value/mod.rs", "use crate::limits::DEPTH;\nuse crate::schema::Field;", vec![2]),
            ("src/engine/mod.rs", "use crate::{operation, store, blob, vm};\nuse crate::domain;", vec![2]),
            ("src/work/mod.rs", "use crate::engine::Engine;\nuse crate::client::Cvm;", vec![2]),
            ("src/engine/mod.rs", "use crate::lang::compile;", vec![1]),
            ("src/testing/cases.rs", "use crate::wasm::Handle;\nuse crate::lang::compile;", vec![2]),
            ("src/blob/mod.rs", "use crate::store::Store;", vec![1]),
            ("src/wasm/mod.rs", "use crate::{lang, engine, domain, value};", vec![]),
        ] {
            let found = rooms(&RustSource::read(file, text), &Root::new());
            assert_eq!(rules(found, |breach| breach.line), lines, "{file}: {text}");
        }
    }

    #[test]
    fn a_named_domain_is_found() {
        let domains = domains(&[
            RustSource::read("src/domain/mod.rs", ""),
            RustSource::read("src/domain/cvm/call.rs", ""),
            RustSource::read("src/domain/cvm/mod.rs", ""),
            RustSource::read("src/domain/fleet.rs", ""),
        ]);
        assert_eq!(domains, ["cvm", "fleet"]);
        for text in [
            "use crate::domain::cvm::Work;",
            "use crate::{domain::{self, fleet}, store};",
            "use crate::domain;\nfn f() { domain::cvm::run() }",
            "fn f(engine: &Engine) { engine.cvm() }",
        ] {
            for room in WITHOUT_DOMAINS {
                let file = format!("src/{room}/mod.rs");
                assert_eq!(domain_names(&RustSource::read(&file, text), &domains).len(), 1, "{room}: {text}");
            }
            assert_eq!(domain_names(&RustSource::read("src/client/mod.rs", text), &domains), [], "{text}");
        }
        for text in [
            "use crate::domain; fn f() { Engine::new(domain::ALL) }",
            "// cvm\nlet text = \"cvm.calls\";",
            "#[cfg(test)] mod tests { use crate::domain::cvm; }",
        ] {
            assert_eq!(domain_names(&RustSource::read("src/wasm/mod.rs", text), &domains), [], "{text}");
        }
    }

    #[test]
    fn a_re_export_hides_no_room() {
        let sources = [
            RustSource::read("src/lib.rs", "pub use store::{Batch, Store as Port};\npub use crate::value::Value;"),
            RustSource::read("src/store/mod.rs", "#[macro_export]\nmacro_rules! conformance { () => {} }"),
        ];
        let root = root(&sources);
        for (text, breaches) in [
            ("use crate::Value;", 0),
            ("use crate::Batch;", 1),
            ("use crate::Port;", 1),
            ("crate::conformance!();", 1),
            ("use crate::*;", 1),
            ("use crate::Unknown;", 1),
        ] {
            assert_eq!(rooms(&RustSource::read("src/domain/cvm.rs", text), &root).len(), breaches, "{text}");
        }
    }

    #[test]
    fn an_unknown_room_is_found() {
        assert_eq!(rooms(&RustSource::read("src/helpers.rs", ""), &Root::new()).len(), 1);
    }

    #[test]
    fn impurity_is_found() {
        for text in [
            "pub async fn f() {}",
            "let x = load().await;",
            "use std::time::{Duration, Instant};",
            "let now = std::time::SystemTime::now();",
            "use std::{fmt, fs};",
            "use std::io::Write;",
            "fn f(s: &::std::net::TcpStream) {}",
            "use std::collections::hash_map::RandomState;",
            "getrandom::fill(&mut bytes)",
            "let x = rand::random();",
            "fn f(batch: super::store::Batch) {}",
            "println!(\"hello\");",
        ] {
            for room in PURE {
                assert_eq!(purity(&RustSource::read(&format!("src/{room}/mod.rs"), text)).len(), 1, "{room}: {text}");
            }
            assert_eq!(purity(&RustSource::read("src/engine/mod.rs", text)), [], "{text}");
        }
        for text in [
            "// async, Instant, std::fs\nlet text = \"await\"; node.r#async",
            "use std::time::Duration;",
            "let store = 1; self.store(store);",
            "fn print(line: &str) { self.print(line) }",
            "#[cfg(test)] mod tests { use std::fs; }",
        ] {
            assert_eq!(purity(&RustSource::read("src/domain/cvm.rs", text)), [], "{text}");
        }
    }

    #[test]
    fn a_cfg_inside_of_a_module_is_found() {
        for text in [
            "#[cfg(feature = \"file\")]\nfn f() {}",
            "#[cfg(not(target_family = \"wasm\"))] use std::fs;",
            "fn f() { if cfg!(feature = \"file\") {} }",
            "#[cfg_attr(target_family = \"wasm\", async_trait(?Send))] impl A for B {}",
            "cfg_if! { if #[cfg(unix)] { fn f() {} } }",
            "#![cfg(feature = \"file\")]",
            "#[cfg_attr(feature = \"typescript\", derive(ts_rs::TS, Clone))] struct S;",
            "#[cfg_attr(feature = \"typescript\", derive(ts_rs::TS), inline)] struct S;",
            "struct S { #[cfg_attr(feature = \"typescript\", ts(optional), serde(skip))] a: u8 }",
        ] {
            assert_eq!(cfgs(&RustSource::read("src/store/memory.rs", text)).len(), 1, "{text}");
            assert_eq!(cfgs(&RustSource::read("src/store/mod.rs", text)), [], "{text}");
            assert_eq!(cfgs(&RustSource::read("src/marker.rs", text)), [], "{text}");
        }
        for text in [
            "#[cfg(feature = \"file\")] #[doc(hidden)] pub(crate) mod native;",
            "#[cfg(unix)] mod native { fn f() {} }",
            "#[cfg(test)] mod tests { #[cfg(unix)] fn f() {} }",
            "#[cfg(debug_assertions)] fn f() {}",
            "#[cfg_attr(debug_assertions, derive(target_of_derive))] struct S;",
            "#[cfg_attr(feature = \"typescript\", derive(ts_rs::TS), ts(rename = \"T\"))] struct S;",
            "#[cfg_attr(feature = \"typescript\", derive(ts_rs::TS))] struct S { #[cfg_attr(feature = \"typescript\", ts(as = \"Option<_>\"))] a: u8 }",
        ] {
            assert_eq!(cfgs(&RustSource::read("src/store/memory.rs", text)), [], "{text}");
        }
    }

    #[test]
    fn todo_and_fixme_are_found() {
        let text = ["fn f() {", concat!("  to", "do!()"), "}", concat!("// FIX", "ME later")].join("\n");
        assert_eq!(rules(unfinished("src/a.rs", &text), |breach| breach.line), [2, 4]);
        assert_eq!(unfinished("src/a.rs", "// all of it is done"), []);
    }

    #[test]
    fn machine_paths_are_found() {
        for text in [
            concat!("\"/ho", "me/someone\""),
            concat!("file:/wo", "rk/x"),
            concat!("C:\\Us", "ers\\x"),
            concat!("/ro", "ot/.cargo"),
        ] {
            assert_eq!(machine_paths("src/a.rs", text).len(), 1, "{text}");
        }
        for text in [
            concat!("~/wo", "rk/x"),
            concat!("\"fixtures/wo", "rk/x\""),
            "file:./data",
            "/tmp",
            "/home/ann/store",
            "/home",
        ] {
            assert_eq!(machine_paths("src/a.rs", text), [], "{text}");
        }
    }

    #[test]
    fn the_page_must_name_every_folder() {
        let folders = ["store".to_owned(), "vm".to_owned()];
        let missing = |page| rules(architecture(page, &folders), |breach| breach.rule);
        assert_eq!(missing(Some("the store and the vm")).len(), 2);
        assert_eq!(missing(Some("`store` is … src/vm/ is …")), Vec::<String>::new());
        assert_eq!(missing(Some("store/ is …")), ["does not name the room src/vm/"]);
        assert_eq!(missing(None), ["is missing; it describes store, vm"]);
        assert_eq!(architecture(None, &[]), []);
    }

    #[test]
    fn a_breach_reads_as_file_line_rule() {
        let found = rooms(&RustSource::read("src/vm/heap.rs", "\nuse crate::store::Batch;"), &Root::new());
        let shown = rules(found, |breach| breach.to_string());
        let rule = "vm may not use store: a room uses only those before it (documentation, no_documentation, error_code, value, time, id, limits, marker, schema, decision)";
        assert_eq!(shown, [format!("src/vm/heap.rs:2: {rule}")]);
    }
}

//! Built-ins that are written in the language: a program that uses one of them gets its source as one more file, which
//! is evaluated first. Its instructions have no lines, so stack traces leave them out.

use std::borrow::Cow;

use oxc_ast::AstKind;
use oxc_ast::ast::Expression;
use oxc_semantic::{Semantic, SymbolFlags};
use runstate_value::sort_by;

use super::compiler::Compiler;
use super::modules::Module;
use super::names::static_name;
use super::{ReadFile, generator, iterator_helper, tool};

/// A source of built-ins.
pub(super) struct Prelude {
    /// Its name among the files of a program.
    pub(super) path: &'static str,
    /// The built-ins that it exports: names, members, and classes after `new`.
    names: &'static [&'static str],
    usage: Usage,
    source: Option<&'static str>,
}

/// The programs that need a source of built-ins.
#[derive(PartialEq, Eq)]
enum Usage {
    /// Those that name or call one of its built-ins.
    Named,
    /// Of these, those that may have iterators of their own. Others use the functions of the machine.
    NamedWithIterators,
    /// Those that may call an iterator helper.
    IteratorHelpers,
}

/// Locales of `toLocaleString` that only the source of `Intl` has.
pub(super) const FOREIGN_LOCALES: &[&str] = &[
    "de", "de-DE", "en-CA", "en-GB", "en-IN", "es", "es-ES", "fr", "fr-FR", "it-IT", "ja", "ja-JP", "ko-KR", "pt-BR",
    "sv-SE", "zh-CN",
];

/// Options of `toLocaleString` that only the source of `Intl` has.
const FOREIGN_OPTIONS: &[&str] = &[
    "compactDisplay",
    "currencyDisplay",
    "currencySign",
    "fractionalSecondDigits",
    "maximumSignificantDigits",
    "minimumSignificantDigits",
    "notation",
    "roundingMode",
    "signDisplay",
    "timeZone",
    "trailingZeroDisplay",
    "unitDisplay",
];

/// The time zones, a row each: `tests/language/zones.mjs` writes them.
const ZONES: Option<&str> = included(include_str!("prelude/zones.txt"));

/// The name of the time zones among the files of a program.
const ZONES_PATH: &str = "runstate:zones";

/// The place of the time zones in a source.
const ZONES_OF_PROGRAM: &str = "const zoneRows = () => \"\"";

/// All of them.
pub(super) static PRELUDES: &[Prelude] = &[
    Prelude::new("runstate:abort", &["AbortController", "AbortSignal"], include_str!("prelude/abort.ts")),
    Prelude::new("runstate:group-by", &["Object.groupBy", "Map.groupBy"], include_str!("prelude/group_by.ts")),
    Prelude::new("runstate:promise-try", &["Promise.try"], include_str!("prelude/promise_try.ts")),
    Prelude::new("runstate:from-async", &["Array.fromAsync"], include_str!("prelude/from_async.ts")),
    Prelude::new("runstate:escape", &["escape", "unescape"], include_str!("prelude/escape.ts")),
    Prelude::new("runstate:reflect", &["Reflect"], include_str!("prelude/reflect.ts")),
    Prelude::new("runstate:url", &["URL", "URLSearchParams"], include_str!("prelude/url.ts")),
    Prelude::new("runstate:encoding", &["TextEncoder", "TextDecoder"], include_str!("prelude/encoding.ts")),
    Prelude::new("runstate:crypto", &["crypto"], include_str!("prelude/crypto.ts")),
    Prelude::new("runstate:performance", &["performance"], include_str!("prelude/performance.ts")),
    Prelude::new(tool::PRELUDE, &["tools"], include_str!("prelude/tools.ts")),
    Prelude::new(
        "runstate:intl",
        &["Intl", ".toLocaleString", ".toLocaleDateString", ".toLocaleTimeString"],
        include_str!("prelude/intl.ts"),
    ),
    Prelude::new("runstate:interval", &["setInterval", "clearInterval"], include_str!("prelude/interval.ts")),
    // Before the source for iterators of the program, which it has.
    Prelude {
        usage: Usage::IteratorHelpers,
        ..Prelude::new("runstate:iterator-helpers", &[], include_str!("prelude/iterator_helpers.ts"))
    },
    Prelude {
        usage: Usage::NamedWithIterators,
        ..Prelude::new(
            "runstate:iterables",
            &["Array.from", "Object.fromEntries", "new Map", "new WeakMap", "new WeakSet"],
            include_str!("prelude/iterables.ts"),
        )
    },
];

/// Functions of the machine that only these sources call, by their names there.
const NATIVES: &[(&str, &str)] = &[
    ("$calls", "abort calls"),
    ("$error", "abort error"),
    ("$timeout", "abort timeout"),
    ("$encode", "encode text"),
    ("$encodeInto", "encode text into"),
    ("$decode", "decode text"),
    ("$refuseEncoding", "refuse encoding"),
    ("$unsupported", "intl unsupported"),
    ("$iteratorRecord", "iterator record"),
];

impl Prelude {
    const fn new(path: &'static str, names: &'static [&'static str], source: &'static str) -> Prelude {
        Prelude { path, names, usage: Usage::Named, source: included(source) }
    }

    /// Whether a program of these files, of which some may be other sources of built-ins, needs it.
    pub(super) fn is_used(&self, modules: &[Module<'_>]) -> bool {
        if self.usage == Usage::IteratorHelpers {
            return iterator_helper::may_be_called(modules);
        }
        let may_iterate = |module: &Module<'_>| {
            let semantic = &module.semantic;
            generator::may_have_iterators(semantic.scoping(), semantic.nodes())
        };
        modules.iter().any(|module| !module.is_prelude && (self.is_named(&module.semantic) || self.is_called(module)))
            && (self.usage == Usage::Named || modules.iter().any(may_iterate))
    }

    /// Whether a file calls one of the methods that it exports, and has a locale or an option that the machine lacks.
    fn is_called(&self, module: &Module<'_>) -> bool {
        let nodes = module.semantic.nodes();
        let is_method = |name: &str| self.names.iter().any(|one| one.strip_prefix('.') == Some(name));
        let is_call = |kind: AstKind<'_>| match kind {
            AstKind::CallExpression(call) => match call.callee.get_inner_expression() {
                Expression::StaticMemberExpression(member) => {
                    !call.arguments.is_empty() && is_method(&member.property.name)
                }
                _ => false,
            },
            _ => false,
        };
        let is_foreign = |kind: AstKind<'_>| match kind {
            AstKind::StringLiteral(literal) => FOREIGN_LOCALES.contains(&literal.value.as_str()),
            AstKind::ObjectProperty(property) => match (static_name(&property.key).as_deref(), &property.value) {
                (Some("timeZone"), Expression::StringLiteral(zone)) => !zone.value.eq_ignore_ascii_case("utc"),
                (Some("style"), Expression::StringLiteral(style)) => style.value == "unit",
                (Some(name), _) => FOREIGN_OPTIONS.contains(&name),
                _ => false,
            },
            _ => false,
        };
        nodes.iter().any(|node| is_call(node.kind())) && nodes.iter().any(|node| is_foreign(node.kind()))
    }

    /// The source for a program of these files: with the rows of the time zones that texts of the program name.
    ///
    /// # Errors
    /// Neither this build nor `read` has it.
    pub(super) fn source(&self, modules: &[Module<'_>], read: &mut ReadFile<'_>) -> Result<Cow<'static, str>, String> {
        let source = read_source(self.path, self.source, read)?;
        if !source.contains(ZONES_OF_PROGRAM) {
            return Ok(source);
        }
        let zones = read_source(ZONES_PATH, ZONES, read)?;
        let mut rows: Vec<&str> = Vec::new();
        let program = modules.iter().filter(|module| !module.is_prelude);
        for node in program.flat_map(|module| module.semantic.nodes().iter()) {
            let text = match node.kind() {
                AstKind::StringLiteral(literal) => literal.value.as_str(),
                AstKind::TemplateElement(element) => element.value.cooked.as_ref().map_or("", |text| text.as_str()),
                _ => continue,
            };
            let Some(row) = zone_row(&zones, text) else { continue };
            rows.push(row);
            rows.extend(row.split_once('=').and_then(|(_, name)| zone_row(&zones, name)));
        }
        sort_by(&mut rows, Ord::cmp);
        rows.dedup();
        let text = serde_json::json!(rows.join("\n"));
        Ok(source.replacen(ZONES_OF_PROGRAM, &format!("const zoneRows = () => {text}"), 1).into())
    }

    /// Whether a file names one of the built-ins.
    fn is_named(&self, semantic: &Semantic<'_>) -> bool {
        let scoping = semantic.scoping();
        semantic.nodes().iter().any(|node| match node.kind() {
            AstKind::IdentifierReference(id) => {
                let symbol = id.reference_id.get().and_then(|id| scoping.get_reference(id).symbol_id());
                let is_declared =
                    symbol.is_some_and(|symbol| !scoping.symbol_flags(symbol).contains(SymbolFlags::Ambient));
                let is_first =
                    |name: &&str| name.trim_start_matches("new ").split('.').next() == Some(id.name.as_str());
                let is_used = |name: &&str| match name.split_once('.') {
                    None => true,
                    Some((_, property)) => matches!(semantic.nodes().parent_kind(node.id()),
                        AstKind::StaticMemberExpression(member) if member.property.name == property),
                };
                let is_global = |name: &&str| {
                    id.name == "globalThis"
                        && matches!(semantic.nodes().parent_kind(node.id()),
                            AstKind::StaticMemberExpression(member) if member.property.name == **name)
                };
                !is_declared && self.names.iter().any(|name| (is_first(name) && is_used(name)) || is_global(name))
            }
            _ => false,
        })
    }
}

/// The text of a file of built-ins, if builds with these features have it.
const fn included(text: &'static str) -> Option<&'static str> {
    if cfg!(feature = "built-ins") { Some(text) } else { None }
}

/// The text of the file of built-ins at `path`: that of this build, or else what `read` returns.
fn read_source(path: &str, own: Option<&'static str>, read: &mut ReadFile<'_>) -> Result<Cow<'static, str>, String> {
    match own {
        Some(text) => Ok(text.into()),
        None => read(path)?.map(Cow::Owned).ok_or_else(|| format!("the built-ins of {path} are not in this build")),
    }
}

/// The row of a time zone, whose name is in any case.
fn zone_row<'z>(zones: &'z str, name: &str) -> Option<&'z str> {
    zones.lines().find(|row| is_row_of(row, name))
}

fn is_row_of(row: &str, zone: &str) -> bool {
    row.split(['=', '|']).next().is_some_and(|one| one.eq_ignore_ascii_case(zone))
}

/// Whether the time zone that a text of the program names exists; true also where no source of these files has rows.
pub(super) fn is_zone(modules: &[Module<'_>], zone: &str) -> bool {
    let start = ZONES_OF_PROGRAM.trim_end_matches('"');
    let mut sources = modules.iter().filter(|module| module.is_prelude).map(|module| module.source);
    let Some((_, rows)) = sources.find_map(|source| source.split_once(start)) else { return true };
    // A text of JSON, in which the end of a row is escaped.
    let rows = rows.lines().next().unwrap_or_default().trim_start_matches('"');
    rows.split("\\n").any(|row| is_row_of(row, zone))
}

/// Whether a name is that of a built-in that is written in the language.
pub(super) fn is_prelude_name(path: &str) -> bool {
    PRELUDES.iter().any(|prelude| prelude.names.contains(&path))
}

/// The function of the machine that a source of built-ins calls by this name.
pub(super) fn native_name(compiler: &Compiler<'_, '_>, name: &str) -> Option<&'static str> {
    let is_prelude = compiler.graph.modules[compiler.module].is_prelude;
    NATIVES.iter().find(|row| is_prelude && row.0 == name).map(|row| row.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_ins_that_a_build_lacks_are_read_by_their_paths() {
        let mut read = |path: &str| Ok((path == "runstate:url").then(|| "class URL {}".to_owned()));
        assert_eq!(read_source("runstate:url", Some("own"), &mut read).as_deref(), Ok("own"));
        assert_eq!(read_source("runstate:url", None, &mut read).as_deref(), Ok("class URL {}"));
        let missing = read_source("runstate:intl", None, &mut read).unwrap_err();
        assert_eq!(missing, "the built-ins of runstate:intl are not in this build");
    }

    #[test]
    fn the_paths_of_built_ins_are_the_names_of_their_files() {
        // The npm package makes the paths from the names of the files (`pkg/scripts/javascript.mjs`).
        let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/prelude")).unwrap();
        let names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let path = |name: String| format!("runstate:{}", name.split('.').next().unwrap().replace('_', "-"));
        let mut files: Vec<String> = names.map(path).collect();
        let mut paths: Vec<&str> = PRELUDES.iter().map(|prelude| prelude.path).chain([ZONES_PATH]).collect();
        files.sort_unstable();
        paths.sort_unstable();
        assert_eq!(files, paths);
    }
}

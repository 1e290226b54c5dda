//! Built-ins that are written in the language: a program that uses one of them gets its source as one more file, which is evaluated first.
//! Its instructions have no lines, so stack traces leave them out.

use oxc_ast::AstKind;
use oxc_semantic::Semantic;

use super::compiler::Compiler;

/// A source of built-ins.
pub(super) struct Prelude {
    /// Its name among the files of a program.
    pub(super) path: &'static str,
    /// The built-ins that it exports.
    names: &'static [&'static str],
    pub(super) source: &'static str,
}

/// All of them.
pub(super) static PRELUDES: &[Prelude] = &[
    Prelude {
        path: "runstate:abort",
        names: &["AbortController", "AbortSignal"],
        source: include_str!("prelude/abort.ts"),
    },
    Prelude {
        path: "runstate:group-by",
        names: &["Object.groupBy", "Map.groupBy"],
        source: include_str!("prelude/group_by.ts"),
    },
    Prelude { path: "runstate:from-async", names: &["Array.fromAsync"], source: include_str!("prelude/from_async.ts") },
];

/// Functions of the machine that only these sources call, by their names there.
const NATIVES: &[(&str, &str)] = &[("$calls", "abort calls"), ("$error", "abort error"), ("$timeout", "abort timeout")];

impl Prelude {
    /// Whether a file uses one of the built-ins.
    pub(super) fn is_used(&self, semantic: &Semantic<'_>) -> bool {
        let scoping = semantic.scoping();
        semantic.nodes().iter().any(|node| match node.kind() {
            AstKind::IdentifierReference(id) => {
                let is_declared =
                    id.reference_id.get().is_some_and(|id| scoping.get_reference(id).symbol_id().is_some());
                let is_first = |name: &&str| name.split('.').next() == Some(id.name.as_str());
                let is_used = |name: &&str| match name.split_once('.') {
                    None => true,
                    Some((_, property)) => matches!(semantic.nodes().parent_kind(node.id()),
                        AstKind::StaticMemberExpression(member) if member.property.name == property),
                };
                !is_declared && self.names.iter().any(|name| is_first(name) && is_used(name))
            }
            _ => false,
        })
    }
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

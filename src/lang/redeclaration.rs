//! Names that TypeScript declares more than once where one declaration runs: overloads of functions, interfaces beside them. The
//! semantic analysis goes by JavaScript's rules, to which each is one more declaration.

use std::collections::HashSet;

use oxc_ast::AstKind;
use oxc_semantic::{Semantic, SymbolFlags};

/// Where the declarations of such names begin.
pub(super) fn merged(semantic: &Semantic<'_>) -> HashSet<u32> {
    let (scoping, nodes) = (semantic.scoping(), semantic.nodes());
    let mut starts = HashSet::new();
    for symbol in scoping.symbol_ids() {
        let declarations = scoping.symbol_redeclarations(symbol);
        let running = declarations.iter().filter(|one| {
            let body = !matches!(nodes.kind(one.declaration), AstKind::Function(function) if function.body.is_none());
            body && one.flags.intersects(SymbolFlags::Value) && !one.flags.contains(SymbolFlags::Ambient)
        });
        if running.count() <= 1 {
            starts.extend(declarations.iter().map(|one| one.span.start));
        }
    }
    starts
}

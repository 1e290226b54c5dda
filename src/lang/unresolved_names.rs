//! Names without a declaration in the source: `input`, host functions, built-ins, names that exist only in Node, and unknown names.

use oxc_ast::ast::{Expression, IdentifierReference, StaticMemberExpression};
use oxc_span::{Span, min_edit_distance};
use serde_json::json;

use crate::vm::globals::{CLASSES, CONSTANTS, FUNCTIONS, NAMESPACES, UNSUPPORTED_CALLS, UNSUPPORTED_METHODS};
use crate::vm::op::Op;

use super::compiler::Compiler;
use super::diagnostic::DiagnosticKind;
use super::host_call::is_host_name;

/// Names that exist in Node but not in a program, each with a hint for the replacement.
const NODE_ONLY: &[(&str, &str)] = &[
    (
        "Promise",
        "calls block until they return: write const a = f(); or await f(); CC.all([...]) makes several calls at once",
    ),
    ("CallError", "check the name: error.name === \"CallError\""),
    ("PermissionError", "check the name: error.name === \"PermissionError\""),
    ("NotFoundError", "check the name: error.name === \"NotFoundError\""),
    ("setTimeout", "wait with sleep(ms); a program does not run in the background"),
    ("setInterval", "a program does not run in the background"),
    ("setImmediate", "a program does not run in the background"),
    ("clearTimeout", ""),
    ("clearInterval", ""),
    ("queueMicrotask", ""),
    ("fetch", "call a tool: call(\"fetch\", { url })"),
    ("require", "a program is one file"),
    ("module", "a program is one file"),
    ("exports", "a program is one file"),
    ("process", "pass the values that a program needs in `input`"),
    ("global", ""),
    ("globalThis", "use a variable"),
    ("window", ""),
    ("document", ""),
    ("Buffer", "use text or an array of numbers"),
    ("Symbol", "use text"),
    ("BigInt", "use a number (exact up to 2^53) or text"),
    ("WeakMap", "use Map"),
    ("WeakSet", "use Set"),
    ("WeakRef", ""),
    ("Proxy", ""),
    ("Reflect", "use Object.keys, `in` and delete"),
    ("Intl", ""),
    ("eval", ""),
    ("Function", "write a function"),
    ("Date", "only Date.now() is available: milliseconds since 1970"),
    ("arguments", "use a rest parameter: (...args)"),
    ("AggregateError", "use Error"),
    ("ArrayBuffer", "use an array of numbers"),
    ("Uint8Array", "use an array of numbers"),
    ("Int32Array", "use an array of numbers"),
    ("Float64Array", "use an array of numbers"),
    ("DataView", ""),
    ("TextEncoder", ""),
    ("TextDecoder", ""),
    ("URL", ""),
    ("URLSearchParams", ""),
    ("AbortController", ""),
    ("crypto", "Math.random is available"),
    ("performance", "Date.now is available"),
    ("encodeURIComponent", ""),
    ("decodeURIComponent", ""),
    ("encodeURI", ""),
    ("decodeURI", ""),
    ("escape", ""),
    ("unescape", ""),
    ("atob", ""),
    ("btoa", ""),
];

/// Whether the machine has a built-in function, class or namespace of this name.
pub(super) fn is_builtin(name: &str) -> bool {
    CLASSES.contains(&name) || NAMESPACES.contains(&name) || FUNCTIONS.contains(&name) || name == "Date"
}

impl<'a> Compiler<'a, '_> {
    pub(super) fn is_builtin_name(&self, name: &str) -> bool {
        is_builtin(name) || is_host_name(name) || matches!(name, "undefined" | "NaN" | "Infinity")
    }

    /// The name of the built-in that an expression refers to, unless the program declares the name itself.
    pub(super) fn builtin_root(&self, expression: &Expression<'a>) -> Option<&'a str> {
        match expression.get_inner_expression() {
            Expression::Identifier(id) if self.resolve_symbol(id).is_none() => Some(id.name.as_str()),
            _ => None,
        }
    }

    /// Reads an identifier. ECMA-262 §9.4.2 ResolveBinding. A host name or a namespace is refused: neither is a value here.
    pub(super) fn read_identifier(&mut self, identifier: &IdentifierReference<'a>) {
        if let Some(symbol) = self.resolve_symbol(identifier) {
            self.set_location(identifier.span);
            return self.load_symbol(symbol, identifier.span);
        }
        let name = identifier.name.as_str();
        let span = identifier.span;
        match name {
            "undefined" => self.push_undefined(),
            "NaN" => self.push_number(f64::NAN),
            "Infinity" => self.push_number(f64::INFINITY),
            // The input is the only parameter of the global frame.
            "input" => self.emit_slot(if self.enclosing.is_empty() { Op::Load } else { Op::LoadGlobal }, 0),
            _ if is_host_name(name) => self.host_name_as_value(name, span),
            _ if FUNCTIONS.contains(&name) || CLASSES.contains(&name) => self.emit_json(Op::Builtin, json!(name)),
            _ if NAMESPACES.contains(&name) => {
                let message = format!("`{name}` is not a value here");
                self.unsupported_value(span, message, "use its members directly, as in Math.max(a, b)");
            }
            _ => self.unknown_name(name, span),
        }
    }

    pub(super) fn unknown_name(&mut self, name: &str, span: Span) {
        if let Some((_, hint)) = NODE_ONLY.iter().find(|(known, _)| *known == name) {
            return self.unsupported_value(span, format!("`{name}` is not supported"), hint);
        }
        let hint = self.nearest_name(name).map(|near| format!("did you mean {near}?"));
        self.findings.add(span.start, DiagnosticKind::Name, format!("{name} is not defined"), hint);
        self.push_undefined();
    }

    /// The known name with the smallest edit distance to this one.
    fn nearest_name(&self, name: &str) -> Option<String> {
        let limit = if name.len() > 4 { 2 } else { 1 };
        let known = self.semantic.scoping().symbol_names();
        let builtins = FUNCTIONS.iter().chain(CLASSES).chain(NAMESPACES).copied().filter(|known| !known.contains('.'));
        let distance = |known: &str| if known.eq_ignore_ascii_case(name) { 0 } else { min_edit_distance(known, name) };
        let near = known
            .chain(builtins)
            .chain(["CC", "call", "fs", "input", "sleep", "sleepUntil"])
            .map(|known| (distance(known), known));
        near.filter(|(distance, _)| *distance <= limit).min().map(|(_, known)| known.to_owned())
    }

    /// Reads a member of a built-in: `Math.PI`, `Number.isInteger`. Returns `false` if the object is not a built-in.
    pub(super) fn builtin_member(&mut self, member: &StaticMemberExpression<'a>) -> bool {
        let Some(root) = self.builtin_root(&member.object) else { return false };
        if is_host_name(root) {
            self.host_name_as_value(&format!("{root}.{}", member.property.name), member.span);
            return true;
        }
        if !is_builtin(root) {
            return false;
        }
        let path = format!("{root}.{}", member.property.name);
        if let Some((_, value)) = CONSTANTS.iter().find(|(name, _)| *name == path) {
            self.push_number(*value);
        } else if FUNCTIONS.contains(&path.as_str()) {
            self.emit_json(Op::Builtin, json!(path));
        } else {
            self.missing_builtin(&path, member.span);
            self.push_undefined();
        }
        true
    }

    pub(super) fn missing_builtin(&mut self, path: &str, span: Span) {
        let known =
            FUNCTIONS.iter().copied().chain(CONSTANTS.iter().map(|(name, _)| *name)).filter(|name| name.contains('.'));
        let near = known.map(|name| (min_edit_distance(name, path), name)).min().filter(|(distance, _)| *distance <= 3);
        let hint = near.map(|(_, name)| format!("did you mean {name}?")).unwrap_or_default();
        self.unsupported(span, format!("`{path}` is not supported"), &hint);
    }

    /// Refuses members that built-in values have in Node but not in the machine, unless the program defines them itself.
    pub(super) fn check_member_name(&mut self, name: &str, span: Span, called: bool) {
        if self.plan.own_properties.contains(name) {
            return;
        }
        if matches!(name, "prototype" | "constructor") {
            return self.unsupported(span, format!("`.{name}` is not supported"), "use instanceof or typeof");
        }
        if UNSUPPORTED_METHODS.contains(&name) || (called && UNSUPPORTED_CALLS.contains(&name)) {
            let hint = match name {
                "then" | "catch" | "finally" => {
                    "calls block until they return: use the result directly, try/catch for errors"
                }
                "localeCompare" => "compare with < and >",
                name if name.starts_with("toLocale") => {
                    "locales differ between machines; use the method without Locale"
                }
                _ => "",
            };
            self.unsupported(span, format!("`.{name}` is not supported"), hint);
        }
    }
}

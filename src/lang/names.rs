//! Names that no declaration in the source explains: `input`, what asks the outside, built-ins, what Node has and this machine does not, and
//! what nobody has.

use oxc_ast::ast::{Expression, IdentifierReference, StaticMemberExpression};
use oxc_span::{Span, min_edit_distance};
use serde_json::json;

use crate::vm::globals::{CLASSES, CONSTANTS, FUNCTIONS, MISSING_CALLS, MISSING_METHODS, NAMESPACES};
use crate::vm::op::Op;

use super::ask::is_asking;
use super::compiler::Compiler;
use super::diagnostic::Kind;

/// What Node has and a program cannot, with what to do instead.
const NODE_ONLY: &[(&str, &str)] = &[
    ("Promise", "calls wait by themselves: write const a = f(); or await f(); CC.all([...]) asks several at once"),
    ("CallError", "look at the name: error.name === \"CallError\""),
    ("PermissionError", "look at the name: error.name === \"PermissionError\""),
    ("NotFoundError", "look at the name: error.name === \"NotFoundError\""),
    ("setTimeout", "wait with sleep(ms); a program does not run in the background"),
    ("setInterval", "a program does not run in the background"),
    ("setImmediate", "a program does not run in the background"),
    ("clearTimeout", ""),
    ("clearInterval", ""),
    ("queueMicrotask", ""),
    ("fetch", "ask a tool: call(\"fetch\", { url })"),
    ("require", "a program is one file"),
    ("module", "a program is one file"),
    ("exports", "a program is one file"),
    ("process", "what a program needs comes in `input`"),
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
    ("Date", "only Date.now() is there: milliseconds since 1970"),
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
    ("crypto", "Math.random is there"),
    ("performance", "Date.now is there"),
    ("encodeURIComponent", ""),
    ("decodeURIComponent", ""),
    ("encodeURI", ""),
    ("decodeURI", ""),
    ("escape", ""),
    ("unescape", ""),
    ("atob", ""),
    ("btoa", ""),
];

/// Whether the machine has a built-in of this name, or a namespace.
pub(super) fn is_builtin(name: &str) -> bool {
    CLASSES.contains(&name) || NAMESPACES.contains(&name) || FUNCTIONS.contains(&name) || name == "Date"
}

impl<'a> Compiler<'a, '_> {
    pub(super) fn is_builtin_name(&self, name: &str) -> bool {
        is_builtin(name) || is_asking(name) || matches!(name, "undefined" | "NaN" | "Infinity")
    }

    /// The name of a built-in that an expression is, unless the program declared its own.
    pub(super) fn builtin_root(&self, expression: &Expression<'a>) -> Option<&'a str> {
        match expression.get_inner_expression() {
            Expression::Identifier(id) if self.symbol_of(id).is_none() => Some(id.name.as_str()),
            _ => None,
        }
    }

    pub(super) fn read_identifier(&mut self, identifier: &IdentifierReference<'a>) {
        if let Some(symbol) = self.symbol_of(identifier) {
            self.at(identifier.span);
            return self.load_symbol(symbol, identifier.span);
        }
        let name = identifier.name.as_str();
        let span = identifier.span;
        match name {
            "undefined" => self.push_undefined(),
            "NaN" => self.push_number(f64::NAN),
            "Infinity" => self.push_number(f64::INFINITY),
            // The input is the one parameter of the global frame.
            "input" => self.emit_slot(if self.frames.is_empty() { Op::Load } else { Op::LoadGlobal }, 0),
            _ if is_asking(name) => self.asking_value(name, span),
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
        let hint = self.nearest(name).map(|near| format!("did you mean {near}?"));
        self.findings.add(span.start, Kind::Name, format!("{name} is not defined"), hint);
        self.push_undefined();
    }

    /// The known name most like this one.
    fn nearest(&self, name: &str) -> Option<String> {
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

    /// `Math.PI`, `Number.isInteger`: a member of a built-in, read. `false` when it is none.
    pub(super) fn builtin_member(&mut self, member: &StaticMemberExpression<'a>) -> bool {
        let Some(root) = self.builtin_root(&member.object) else { return false };
        if is_asking(root) {
            self.asking_value(&format!("{root}.{}", member.property.name), member.span);
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

    /// Refuses members that Node has on built-in values and the machine has not, unless the program defines them itself.
    pub(super) fn check_member_name(&mut self, name: &str, span: Span, called: bool) {
        if self.plan.own_properties.contains(name) {
            return;
        }
        if matches!(name, "prototype" | "constructor") {
            return self.unsupported(span, format!("`.{name}` is not supported"), "use instanceof or typeof");
        }
        if MISSING_METHODS.contains(&name) || (called && MISSING_CALLS.contains(&name)) {
            let hint = match name {
                "then" | "catch" | "finally" => {
                    "calls wait by themselves: use the result directly, try/catch for errors"
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

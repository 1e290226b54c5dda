//! Calls of tools: `tools.github.search(args)` calls the tool `github.search`, and is a promise at once. The path of a
//! tool is known when the program is compiled: members of `tools` by name, also through variables that hold a part of
//! it (`const { github } = tools`). The arguments follow the rules of `JSON.stringify`.
//!
//! If the tools are known, any other use of `tools`, as in `tools[name]`, uses a frozen object with all of them, which
//! is one more file of the program. Otherwise such a use is refused.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use oxc_ast::AstKind;
use oxc_ast::ast::{
    BindingIdentifier, BindingPattern, CallExpression, Expression, IdentifierReference, MemberExpression,
    ObjectPattern, VariableDeclarator,
};
use oxc_semantic::{NodeId, Semantic, SymbolFlags, SymbolId};
use oxc_span::{GetSpan, Span};
use runstate_value::sort_by;
use runstate_vm::op::Op;
use runstate_vm::program::FunctionKind;
use serde_json::json;

use super::compiler::Compiler;
use super::diagnostic::DiagnosticKind;
use super::modules::Module;
use super::{call, function, host_call, is_types_only, names};

/// The name of the root.
const ROOT: &str = "tools";

/// The file with the function that makes arguments plain, and the name of its export.
pub(super) const PRELUDE: &str = "runstate:tools";
const PLAIN: &str = "plain";

/// The file with the object of all tools.
pub(super) const TREE: &str = "runstate:tools/all";

/// Most bytes of the name of a tool.
const NAME_BYTES: usize = 100;

/// The tools that a program may call.
#[derive(Default)]
pub(super) struct ToolList {
    /// Their paths, in the order of the host; `None`: all paths are tools.
    names: Option<Vec<String>>,
    sorted: Vec<String>,
}

impl ToolList {
    pub(super) fn new(names: Option<&[String]>) -> ToolList {
        let mut sorted = names.unwrap_or_default().to_vec();
        sort_by(&mut sorted, Ord::cmp);
        ToolList { names: names.map(<[String]>::to_vec), sorted }
    }

    fn is_known(&self) -> bool {
        self.names.is_some()
    }

    fn is_tool(&self, path: &str) -> bool {
        match self.is_known() {
            false => !path.is_empty(),
            true => self.sorted.binary_search_by(|name| name.as_str().cmp(path)).is_ok(),
        }
    }

    /// Whether a path may have members.
    fn is_namespace(&self, path: &str) -> bool {
        let is_within = || {
            let prefix = format!("{path}.");
            let first = self.sorted.partition_point(|name| *name < prefix);
            self.sorted.get(first).is_some_and(|name| name.starts_with(&prefix))
        };
        !self.is_known() || path.is_empty() || is_within()
    }

    /// Whether a member of a path belongs to the path. Others are members of a function.
    fn continues(&self, path: &str, name: &str) -> bool {
        let is_of_function = || matches!(name, "apply" | "bind" | "call" | "length" | "name" | "then" | "toString");
        self.is_namespace(path) && (self.is_known() || path.is_empty() || !is_of_function())
    }

    fn exists(&self, path: &str) -> bool {
        self.is_tool(path) || self.is_namespace(path)
    }

    /// The names of the members of a path.
    fn members(&self, path: &str) -> Vec<&str> {
        let names = self.names.as_deref().unwrap_or_default().iter().map(String::as_str);
        let rest = names.filter_map(|name| match path {
            "" => Some(name),
            path => name.strip_prefix(path)?.strip_prefix('.'),
        });
        let mut seen = HashSet::new();
        rest.filter_map(|rest| rest.split('.').next()).filter(|name| seen.insert(*name)).collect()
    }

    /// What a name that does not exist may mean.
    fn hint(&self, path: &str) -> String {
        let (parent, name) = path.rsplit_once('.').unwrap_or(("", path));
        let members = self.members(parent);
        if let Some(near) = names::nearest(members.iter().copied(), name) {
            return format!("did you mean {}?", shown(&join(parent, near)));
        }
        // `tools.search` and `tools.github_search` for `tools.github.search`.
        let ends_with_name = |tool: &str| match tool.len().checked_sub(name.len()) {
            Some(0) => {
                tool.bytes().zip(name.bytes()).all(|(a, b)| a.eq_ignore_ascii_case(&b) || (a, b) == (b'.', b'_'))
            }
            Some(start) => {
                tool.as_bytes()[start - 1] == b'.' && tool.as_bytes()[start..].eq_ignore_ascii_case(name.as_bytes())
            }
            None => false,
        };
        let elsewhere = self.sorted.iter().find(|tool| ends_with_name(tool));
        match elsewhere {
            Some(tool) => format!("did you mean {}?", shown(tool)),
            None if members.is_empty() => self.summary(),
            None => format!("{} has {}", shown(parent), listed(&members)),
        }
    }

    /// The tools that there are, in words.
    pub(super) fn summary(&self) -> String {
        match self.members("").as_slice() {
            [] if self.is_known() => "there are no tools".to_owned(),
            [] => "await tools.name({ … })".to_owned(),
            members => format!("{ROOT} has {}", listed(members)),
        }
    }

    /// The source of a file that exports the frozen object of all tools.
    pub(super) fn tree_source(&self) -> String {
        let mut source = "const all = ".to_owned();
        self.write_tree("", &mut source);
        source.push_str(";\nexport { all as tools };\n");
        source
    }

    fn write_tree(&self, path: &str, source: &mut String) {
        source.push_str("Object.freeze({");
        for name in self.members(path) {
            let inner = join(path, name);
            // A plain key `__proto__` would set the prototype.
            let _ = write!(source, "[{}]: ", json!(name));
            match self.is_namespace(&inner) {
                true => self.write_tree(&inner, source),
                false => {
                    source.push_str(ROOT);
                    for part in inner.split('.') {
                        let _ = write!(source, "[{}]", json!(part));
                    }
                }
            }
            source.push_str(", ");
        }
        source.push_str("})");
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// A path as programs write it.
fn shown(path: &str) -> String {
    if path.is_empty() { ROOT.to_owned() } else { join(ROOT, path) }
}

fn listed(members: &[&str]) -> String {
    let more = if members.len() > 10 { ", …" } else { "" };
    format!("{}{more}", members[..members.len().min(10)].join(", "))
}

/// A variable that holds a part of `tools`.
struct Alias {
    path: String,
    /// Whether it is used as a value, and not only for calls.
    is_value: bool,
}

/// The variables of a file that hold parts of `tools`.
#[derive(Default)]
pub(super) struct ToolUses {
    aliases: HashMap<SymbolId, Alias>,
    /// The paths of which a longer one is used.
    namespaces: HashSet<String>,
    /// Whether a part of `tools` that is not a tool is used as a value.
    pub(super) needs_tree: bool,
}

impl ToolUses {
    /// The uses in a file, whose exports are known.
    pub(super) fn find(module: &Module<'_>, list: &ToolList) -> ToolUses {
        let semantic = &module.semantic;
        let (nodes, scoping) = (semantic.nodes(), semantic.scoping());
        let mut uses = ToolUses::default();
        let mut values: Vec<String> = Vec::new();
        for node in nodes.iter() {
            let AstKind::VariableDeclarator(declarator) = node.kind() else { continue };
            for Leaf { name, path, .. } in uses.leaves(semantic, list, declarator).into_iter().flatten() {
                uses.namespaces.extend(parents(&path));
                let Some(symbol) = name.symbol_id.get().filter(|_| list.exists(&path)) else { continue };
                match scoping.symbol_is_mutated(symbol) || !scoping.symbol_redeclarations(symbol).is_empty() {
                    true => values.push(path),
                    false => drop(uses.aliases.insert(symbol, Alias { path, is_value: false })),
                }
            }
        }
        let exported: HashSet<SymbolId> = module.exported_symbols().collect();
        for node in nodes.iter() {
            let AstKind::IdentifierReference(identifier) = node.kind() else { continue };
            let Some(path) = uses.root(semantic, identifier) else { continue };
            let path = path.to_owned();
            let (end, is_value) = uses.end_of_path(semantic, list, node.id(), path.clone());
            uses.namespaces.extend(parents(&end));
            match resolve(semantic, identifier).and_then(|symbol| uses.aliases.get_mut(&symbol)) {
                Some(alias) if end == path => alias.is_value |= is_value,
                _ if is_value => values.push(end),
                _ => {}
            }
        }
        for (symbol, alias) in &mut uses.aliases {
            alias.is_value |= exported.contains(symbol);
        }
        let held = uses.aliases.values().filter(|alias| alias.is_value).map(|alias| &alias.path);
        uses.needs_tree = list.is_known() && values.iter().chain(held).any(|path| !list.is_tool(path));
        uses
    }

    /// The path that a name has.
    fn root(&self, semantic: &Semantic<'_>, identifier: &IdentifierReference<'_>) -> Option<&str> {
        match resolve(semantic, identifier) {
            Some(symbol) => self.aliases.get(&symbol).map(|alias| alias.path.as_str()),
            None => (identifier.name == ROOT).then_some(""),
        }
    }

    /// The path of an expression. Each part of it but the last may have members.
    fn path(&self, semantic: &Semantic<'_>, list: &ToolList, expression: &Expression<'_>) -> Option<String> {
        match expression.get_inner_expression() {
            Expression::Identifier(identifier) => self.root(semantic, identifier).map(str::to_owned),
            other => self.member_path(semantic, list, other.as_member_expression()?),
        }
    }

    fn member_path(&self, semantic: &Semantic<'_>, list: &ToolList, member: &MemberExpression<'_>) -> Option<String> {
        let name = match member {
            MemberExpression::StaticMemberExpression(member) => member.property.name.as_str(),
            MemberExpression::ComputedMemberExpression(member) => literal(&member.expression)?,
            MemberExpression::PrivateFieldExpression(_) => return None,
        };
        let path = self.path(semantic, list, member.object()).filter(|path| list.continues(path, name))?;
        Some(join(&path, name))
    }

    /// The longest path that begins with a name, and whether its value is used: other than by a call, or by a variable
    /// that holds it.
    fn end_of_path(&self, semantic: &Semantic<'_>, list: &ToolList, name: NodeId, path: String) -> (String, bool) {
        let nodes = semantic.nodes();
        let (mut id, mut path) = (name, path);
        loop {
            let (span, parent) = (nodes.kind(id).span(), nodes.parent_id(id));
            let member = match nodes.kind(parent) {
                kind if is_types_only(&kind) => {
                    id = parent;
                    continue;
                }
                AstKind::StaticMemberExpression(member) if member.object.span() == span => {
                    Some(member.property.name.as_str())
                }
                AstKind::ComputedMemberExpression(member) if member.object.span() == span => {
                    literal(&member.expression)
                }
                AstKind::CallExpression(call) if call.callee.span() == span => {
                    let has_spread = call.arguments.iter().any(|argument| !argument.is_expression());
                    return (path.clone(), has_spread || !list.is_tool(&path));
                }
                AstKind::VariableDeclarator(declarator) => {
                    let is_value = self.leaves(semantic, list, declarator).is_none();
                    return (path, is_value);
                }
                _ => None,
            };
            match member.filter(|member| list.continues(&path, member)).map(|member| join(&path, member)) {
                Some(next) if list.exists(&next) => (id, path) = (parent, next),
                _ => return (path, true),
            }
        }
    }

    /// The variables that a declaration makes of parts of `tools`; `None` if it does not, or not by names alone.
    fn leaves<'d, 'a>(
        &self,
        semantic: &Semantic<'_>,
        list: &ToolList,
        declarator: &'d VariableDeclarator<'a>,
    ) -> Option<Vec<Leaf<'d, 'a>>> {
        let path = self.path(semantic, list, declarator.init.as_ref()?)?;
        let mut leaves = Vec::new();
        match &declarator.id {
            BindingPattern::BindingIdentifier(name) => {
                let span = declarator.init.as_ref()?.span();
                leaves.push(Leaf { name, path, span });
            }
            BindingPattern::ObjectPattern(pattern) => pattern_leaves(list, pattern, &path, &mut leaves)?,
            _ => return None,
        }
        Some(leaves)
    }
}

/// A variable of a declaration, and the part of `tools` that it gets.
struct Leaf<'d, 'a> {
    name: &'d BindingIdentifier<'a>,
    path: String,
    span: Span,
}

fn pattern_leaves<'d, 'a>(
    list: &ToolList,
    pattern: &'d ObjectPattern<'a>,
    path: &str,
    leaves: &mut Vec<Leaf<'d, 'a>>,
) -> Option<()> {
    if pattern.rest.is_some() {
        return None;
    }
    for property in &pattern.properties {
        let name = names::static_name(&property.key).filter(|_| !property.computed)?;
        list.continues(path, &name).then_some(())?;
        let path = join(path, &name);
        match &property.value {
            BindingPattern::BindingIdentifier(name) => leaves.push(Leaf { name, path, span: property.span }),
            BindingPattern::ObjectPattern(pattern) => pattern_leaves(list, pattern, &path, leaves)?,
            _ => return None,
        }
    }
    Some(())
}

/// The paths that a path begins with, without itself and the root.
fn parents(path: &str) -> impl Iterator<Item = String> {
    path.match_indices('.').map(|(end, _)| path[..end].to_owned())
}

/// The variable of the program that a name refers to.
fn resolve(semantic: &Semantic<'_>, identifier: &IdentifierReference<'_>) -> Option<SymbolId> {
    let scoping = semantic.scoping();
    let symbol = scoping.get_reference(identifier.reference_id.get()?).symbol_id()?;
    (!scoping.symbol_flags(symbol).contains(SymbolFlags::Ambient)).then_some(symbol)
}

/// A key that is written as a text.
fn literal<'e>(key: &'e Expression<'_>) -> Option<&'e str> {
    match key.get_inner_expression() {
        Expression::StringLiteral(text) if !text.lone_surrogates => Some(text.value.as_str()),
        _ => None,
    }
}

/// The path of an expression that is a part of `tools`.
pub(super) fn path<'a>(compiler: &Compiler<'a, '_>, expression: &Expression<'a>) -> Option<String> {
    let module = &compiler.graph.modules[compiler.module];
    module.tools.path(&module.semantic, &compiler.graph.tools, expression)
}

/// Whether an expression is a tool. `tools[name]` may be one.
pub(super) fn is_tool<'a>(compiler: &Compiler<'a, '_>, expression: &Expression<'a>) -> bool {
    if let Some(path) = path(compiler, expression) {
        return compiler.graph.tools.is_tool(&path);
    }
    match expression.get_inner_expression() {
        Expression::ComputedMemberExpression(member) => path(compiler, &member.object).is_some(),
        _ => false,
    }
}

/// Whether an expression is a part of `tools` that does not exist.
pub(super) fn is_missing<'a>(compiler: &Compiler<'a, '_>, expression: &Expression<'a>) -> bool {
    path(compiler, expression).is_some_and(|path| !compiler.graph.tools.exists(&path))
}

/// `( -- value )` Reads a member. False if it is not one of `tools`.
pub(super) fn member<'a>(compiler: &mut Compiler<'a, '_>, member: &MemberExpression<'a>) -> bool {
    let module = &compiler.graph.modules[compiler.module];
    let path = module.tools.member_path(&module.semantic, &compiler.graph.tools, member);
    let Some(path) = path else { return false };
    check_root(compiler, member.object());
    value(compiler, &path, last_span(member));
    true
}

/// A call of a tool. False if the callee is not one of `tools`, or is called only if it exists.
pub(super) fn call<'a>(compiler: &mut Compiler<'a, '_>, call: &'a CallExpression<'a>) -> bool {
    let Some(path) = path(compiler, &call.callee) else { return false };
    let list = &compiler.graph.tools;
    if list.is_tool(&path) {
        check_root(compiler, &call.callee);
        if call.arguments.iter().all(|argument| argument.is_expression()) {
            open(compiler, &path, call);
        } else {
            value(compiler, &path, call.callee.span());
            call::call_value(compiler, &shown(&path), &call.arguments, call.span);
        }
        return true;
    }
    let callee = call.callee.get_inner_expression();
    let span = callee.as_member_expression().map_or(callee.span(), last_span);
    if list.exists(&path) {
        let hint = match list.is_known() {
            false => "call a tool by its name: await tools.name({ … })".to_owned(),
            true => format!("{} has {}", shown(&path), listed(&list.members(&path))),
        };
        compiler.unsupported(span, format!("`{}` is not a tool", shown(&path)), &hint);
    } else if call.optional {
        return false;
    } else {
        report_missing(compiler, &path, span);
    }
    // What else is wrong is reported, too.
    call.arguments.iter().filter_map(|argument| argument.as_expression()).for_each(|one| compiler.discard(one));
    compiler.push_undefined();
    true
}

/// `( -- value )` A part of `tools` as a value: the function of a tool, or the object with its members.
pub(super) fn value(compiler: &mut Compiler<'_, '_>, path: &str, span: Span) {
    let list = &compiler.graph.tools;
    let is_namespace = match list.is_known() {
        true => list.is_namespace(path),
        false => compiler.graph.modules[compiler.module].tools.namespaces.contains(path),
    };
    if list.is_tool(path) && !is_namespace {
        return tool_function(compiler, path, span);
    }
    if !list.exists(path) {
        report_missing(compiler, path, span);
        return compiler.push_undefined();
    }
    let tree = compiler.graph.modules.iter().position(|module| module.path == TREE);
    let Some(tree) = tree.filter(|_| list.is_known()) else { return refuse_value(compiler, path, span) };
    compiler.set_location(span);
    compiler.load_built_in(tree, ROOT);
    for name in path.split('.').filter(|name| !name.is_empty()) {
        compiler.emit_json(Op::GetProp, json!(name));
    }
}

fn refuse_value(compiler: &mut Compiler<'_, '_>, path: &str, span: Span) {
    let message = format!("`{}` is not a value here", shown(path));
    compiler.unsupported_value(span, message, "call its tools by their names: await tools.name({ … })");
}

fn report_missing(compiler: &mut Compiler<'_, '_>, path: &str, span: Span) {
    let hint = compiler.graph.tools.hint(path);
    let message = format!("`{}` does not exist", shown(path));
    compiler.diagnostics.add(span.start, DiagnosticKind::Name, message, Some(hint));
}

/// Declares variables that hold parts of `tools`. One that is only called has no value. False for other declarations.
pub(super) fn declare<'a>(compiler: &mut Compiler<'a, '_>, declarator: &'a VariableDeclarator<'a>) -> bool {
    let module = &compiler.graph.modules[compiler.module];
    let list = &compiler.graph.tools;
    let Some(leaves) = module.tools.leaves(&module.semantic, list, declarator) else { return false };
    if let Some(init) = &declarator.init {
        check_root(compiler, init);
    }
    for Leaf { name, path, span } in leaves {
        let Some(symbol) = name.symbol_id.get() else { continue };
        match module.tools.aliases.get(&symbol) {
            Some(alias) if !alias.is_value => compiler.push_undefined(),
            _ => value(compiler, &path, span),
        }
        compiler.init_symbol(symbol, name.span);
    }
    true
}

/// Throws ReferenceError if the variable at the root of a path is not initialized yet. ECMA-262 §9.1.1.1.6
/// GetBindingValue.
fn check_root<'a>(compiler: &mut Compiler<'a, '_>, expression: &Expression<'a>) {
    let mut root = expression;
    loop {
        root = match root.get_inner_expression() {
            Expression::StaticMemberExpression(member) => &member.object,
            Expression::ComputedMemberExpression(member) => &member.object,
            Expression::Identifier(identifier) => {
                if let Some(symbol) = compiler.resolve_symbol(identifier)
                    && compiler.plan.variable(symbol).dead_zone
                {
                    compiler.set_location(identifier.span);
                    compiler.load_symbol(symbol, identifier.span);
                    compiler.emit(Op::Pop);
                }
                return;
            }
            _ => return,
        };
    }
}

/// `( -- promise )` Opens the call of a tool.
fn open<'a>(compiler: &mut Compiler<'a, '_>, path: &str, call: &'a CallExpression<'a>) {
    let name = shown(path);
    use_tool(compiler, path, call.callee.span());
    let takes = format!("{name} takes one argument and, if wanted, options");
    let form = format!("write {name}({{ … }}, {{ timeoutMs: 1000 }})");
    if !host_call::check_arity(compiler, call, 0..=2, &takes, &form) {
        return;
    }
    let argument = |index: usize| call.arguments.get(index).and_then(|argument| argument.as_expression());
    if let Some(options) = argument(1) {
        host_call::check_options(compiler, &name, options, &[]);
    }
    compiler.push_text(path);
    match argument(0) {
        None => compiler.push_undefined(),
        Some(args) => {
            load_plain(compiler);
            compiler.expression(args);
            compiler.emit_json(Op::Call, json!({ "argc": 1 }));
        }
    }
    if let Some(options) = argument(1) {
        compiler.expression(options);
    }
    compiler.set_location(call.span);
    compiler.emit_json(Op::Open, json!({ "name": ROOT, "argc": 1 + call.arguments.len().max(1) }));
}

/// `( -- function )` The function of a tool, the same each time.
fn tool_function(compiler: &mut Compiler<'_, '_>, path: &str, span: Span) {
    use_tool(compiler, path, span);
    let slot = match compiler.tool_slots.get(path) {
        Some(slot) => *slot,
        None => {
            let global = compiler.enclosing.first_mut().unwrap_or(&mut compiler.current);
            let slot = global.code.add_hidden_slot();
            compiler.tool_slots.insert(path.to_owned(), slot);
            slot
        }
    };
    let known = compiler.new_label();
    compiler.set_location(span);
    let (load, store) = match compiler.enclosing.is_empty() {
        true => (Op::Load, Op::Store),
        false => (Op::LoadGlobal, Op::StoreGlobal),
    };
    compiler.emit_slot(load, slot);
    compiler.jump(Op::JumpDefinedKeep, known);
    function::begin_function(compiler, path.rsplit('.').next().unwrap_or(path), FunctionKind::Arrow, (false, false));
    let [args, options] = ["args", "options"].map(|name| compiler.current.code.add_slot(name));
    (compiler.current.code.function.params, compiler.current.code.function.length) = (2, 1);
    // A call has the line of the caller.
    compiler.current.code.set_location((0, 0));
    compiler.push_text(path);
    load_plain(compiler);
    compiler.emit_slot(Op::Load, args);
    compiler.emit_json(Op::Call, json!({ "argc": 1 }));
    compiler.emit_slot(Op::Load, options);
    compiler.emit_json(Op::Open, json!({ "name": ROOT, "argc": 3 }));
    compiler.emit(Op::Return);
    function::finish_function(compiler, span);
    compiler.emit(Op::Dup);
    compiler.emit_slot(store, slot);
    compiler.bind_label(known);
}

fn load_plain(compiler: &mut Compiler<'_, '_>) {
    let prelude = compiler.graph.modules.iter().position(|module| module.path == PRELUDE);
    match prelude {
        Some(prelude) => compiler.load_built_in(prelude, PLAIN),
        None => compiler.push_undefined(),
    }
}

/// Notes that a tool is used. Refuses a name that no tool can have.
fn use_tool(compiler: &mut Compiler<'_, '_>, path: &str, span: Span) {
    if path.len() > NAME_BYTES {
        compiler.unsupported(span, format!("the name of a tool has at most {NAME_BYTES} bytes"), "");
    } else if matches!(path, "cc" | "timer") || path.starts_with("fs.") {
        let hint = "questions are asked with ask(prompt), files are read with fs.readFile(path)";
        compiler.unsupported(span, format!("no tool has the name `{path}`"), hint);
    } else {
        compiler.used_tools.insert(path.to_owned());
    }
}

/// The place of the last name of a path.
fn last_span(member: &MemberExpression<'_>) -> Span {
    member.static_property_info().map_or(member.span(), |(span, _)| span)
}

/// The type of a part of `tools`, if that is known. ECMA-262 §13.5.3 The typeof Operator.
pub(super) fn type_of<'a>(compiler: &Compiler<'a, '_>, expression: &Expression<'a>) -> Option<&'static str> {
    if let Expression::Identifier(identifier) = expression.get_inner_expression() {
        compiler.resolve_symbol(identifier).is_none().then_some(())?;
    }
    let path = path(compiler, expression)?;
    let list = &compiler.graph.tools;
    match (list.exists(&path), list.is_tool(&path)) {
        (false, _) => Some("undefined"),
        (true, true) => Some("function"),
        (true, false) => Some("object"),
    }
}

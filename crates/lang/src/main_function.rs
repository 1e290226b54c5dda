//! The function of a program that is called with the input, unless code of the program uses it by itself. The rule reads
//! only the syntax, and errs on the side of a use: a function that runs twice is worse than one that a warning names.

use std::collections::HashSet;

use oxc_ast::AstKind;
use oxc_ast::ast::{
    AssignmentTarget, CallExpression, ExportDefaultDeclarationKind, Expression, Statement, StaticMemberExpression,
};
use oxc_semantic::{AstNode, NodeId, SymbolFlags};
use oxc_span::{GetSpan, Span};
use runstate_value::sort_by;

use super::diagnostic::Diagnostics;
use super::modules::{Binding, Module, ModuleGraph, ResolvedExport};
use super::{SourceForm, is_types_only};

/// A use of a function, or of a name through which code reaches it.
enum NameUse {
    /// A variable, or `export default`, gets the function itself, or what holds it.
    Stored(Sought),
    /// By the code of this function or class, or by code at this node that may run anyway.
    Code(Option<Binding>, NodeId),
}

/// A name whose uses are sought.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Sought {
    binding: Binding,
    /// Whether the name is the function itself. Otherwise each use of it but an export may call the function.
    is_function: bool,
}

/// How a value counts that is not called at once.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holding {
    /// An array, or a call that has the value as its argument, may call it.
    Uses,
    /// What holds the value must be used, too.
    Stores,
}

impl<'a> ModuleGraph<'a> {
    /// The function of the program that is called with the input. `None` if there is none, or if the program may call
    /// it by itself.
    pub(super) fn function_to_call(&self) -> Option<Binding> {
        self.main().filter(|main| self.use_outside(*main, Holding::Uses).is_none())
    }

    /// `main` of the entry, or a function that the entry exports as `main` or as its default.
    fn main(&self) -> Option<Binding> {
        let entry = &self.modules[0];
        let own = entry.semantic.scoping().get_root_binding("main".into()).map(|main| Binding::Variable(0, main));
        let exported = ["main", "default"].into_iter().filter_map(|name| match self.resolve_export(0, name) {
            ResolvedExport::Binding(binding) => Some(binding),
            _ => None,
        });
        own.into_iter().chain(exported).find(|binding| self.is_function(*binding))
    }

    /// The expression that a script ends with, and its position among the statements: a function, as in
    /// `async () => { … }`, which is called with the input, or a call, as in `main()`, which the script waits for.
    pub(super) fn last_expression(&self) -> Option<(usize, &'a Expression<'a>)> {
        let body = &self.modules[0].program.body;
        let has_code = |statement: &Statement<'_>| {
            !matches!(
                statement,
                Statement::EmptyStatement(_)
                    | Statement::FunctionDeclaration(_)
                    | Statement::TSInterfaceDeclaration(_)
                    | Statement::TSTypeAliasDeclaration(_)
            )
        };
        let position = body.iter().rposition(has_code).filter(|_| self.form == SourceForm::Script)?;
        let Statement::ExpressionStatement(last) = &body[position] else { return None };
        let is_last = match &last.expression {
            Expression::AwaitExpression(_) => self.is_own_call(&last.expression),
            last => last.is_function() || last.is_call_expression(),
        };
        is_last.then_some((position, &last.expression))
    }

    /// Whether the value of the call that a script ends with is its result: that of a function of the script, also
    /// with `.then`, `.catch` or `.finally`, if the script has no `return` of its own.
    pub(super) fn is_result(&self, call: &Expression<'a>) -> bool {
        let nodes = self.modules[0].semantic.nodes();
        let is_function = |kind| matches!(kind, AstKind::Function(_) | AstKind::ArrowFunctionExpression(_));
        let is_return = |node: &AstNode<'_>| {
            matches!(node.kind(), AstKind::ReturnStatement(_)) && !nodes.ancestor_kinds(node.id()).any(is_function)
        };
        self.is_own_call(call) && !nodes.iter().any(is_return)
    }

    /// Whether an expression is a call of a function of the entry, or a promise that follows from it.
    fn is_own_call(&self, expression: &Expression<'a>) -> bool {
        let mut value = expression.get_inner_expression();
        if let Expression::AwaitExpression(awaited) = value {
            value = awaited.argument.get_inner_expression();
        }
        while let Expression::CallExpression(call) = value {
            match (chained_promise(call), call.callee.get_inner_expression()) {
                (Some(promise), _) => value = promise.get_inner_expression(),
                (None, Expression::Identifier(name)) => {
                    let scoping = self.modules[0].semantic.scoping();
                    let symbol = name.reference_id.get().and_then(|id| scoping.get_reference(id).symbol_id());
                    return symbol.is_some_and(|symbol| self.is_function(Binding::Variable(0, symbol)));
                }
                (None, callee) => return callee.is_function(),
            }
        }
        false
    }

    /// Warns of a script that only declares functions, none of which is called.
    pub(super) fn warn_of_idle_script(&self, diagnostics: &mut Diagnostics<'_>) {
        let statements = self.modules[0].program.body.iter().filter(|statement| {
            !matches!(statement, Statement::TSTypeAliasDeclaration(_) | Statement::TSInterfaceDeclaration(_))
        });
        let functions: Option<Vec<_>> = statements
            .map(|statement| match statement {
                Statement::FunctionDeclaration(function) => function.id.as_ref(),
                _ => None,
            })
            .collect();
        if let Some(name) = functions.as_deref().and_then(<[_]>::last)
            && self.form == SourceForm::Script
            && self.main().is_none()
        {
            let hint = format!("name it main, or call it: return await {}(input)", name.name);
            diagnostics.warn(name.span.start, "the script only declares functions, and calls none", &hint);
        }
    }

    /// Warns of a `main` that is not called with the input, although the code that uses it is not sure to run.
    pub(super) fn warn_of_uncalled_main(&self, diagnostics: &mut [Diagnostics<'_>]) {
        let Some(main) = self.main() else { return };
        let Some((module, node)) = self.use_outside(main, Holding::Uses) else { return };
        if self.use_outside(main, Holding::Stores).is_some() {
            return;
        }
        let (home, span, name) = match main {
            Binding::Variable(home, symbol) => {
                let scoping = self.modules[home].semantic.scoping();
                (home, scoping.symbol_span(symbol), scoping.symbol_name(symbol))
            }
            Binding::Default(home) | Binding::Namespace(home) => (home, Span::default(), "export default"),
        };
        let (line, _) = diagnostics[module].location(self.modules[module].semantic.nodes().kind(node).span().start);
        let place = if module == home { String::new() } else { format!(" of {}", self.modules[module].path) };
        let message = format!("`{name}` is not called with the input, because line {line}{place} uses it");
        diagnostics[home].warn(span.start, &message, "call it at the end of the entry, as in await main(input)");
    }

    /// The code that calls a function, or passes it on, and may run without it: code outside the functions that have a
    /// name, or of one whose name such code uses.
    fn use_outside(&self, function: Binding, holding: Holding) -> Option<(usize, NodeId)> {
        let first = Sought { binding: function, is_function: true };
        let (mut seen, mut open) = (HashSet::from([first]), vec![first]);
        while let Some(Sought { binding, is_function }) = open.pop() {
            for (number, module) in self.modules.iter().enumerate() {
                for reference in module.references(self, number, binding) {
                    let next = match module.name_use(number, reference, is_function, holding) {
                        None => continue,
                        Some(NameUse::Stored(next)) => next,
                        Some(NameUse::Code(Some(binding), _)) => Sought { binding, is_function: false },
                        Some(NameUse::Code(None, node)) => return Some((number, node)),
                    };
                    if next.binding != function && seen.insert(next) {
                        open.push(next);
                    }
                }
            }
        }
        None
    }

    fn is_function(&self, binding: Binding) -> bool {
        match binding {
            Binding::Variable(module, symbol) => {
                let semantic = &self.modules[module].semantic;
                let scoping = semantic.scoping();
                !scoping.symbol_flags(symbol).contains(SymbolFlags::Ambient)
                    && match semantic.nodes().kind(scoping.symbol_declaration(symbol)) {
                        AstKind::Function(function) => !function.declare && !function.generator,
                        AstKind::VariableDeclarator(declarator) => {
                            declarator.init.as_ref().is_some_and(Expression::is_function)
                        }
                        _ => false,
                    }
            }
            Binding::Default(module) => self.modules[module].program.body.iter().any(|statement| match statement {
                Statement::ExportDefaultDeclaration(export) => match &export.declaration {
                    ExportDefaultDeclarationKind::FunctionDeclaration(function) => !function.generator,
                    other => other.as_expression().is_some_and(Expression::is_function),
                },
                _ => false,
            }),
            Binding::Namespace(_) => false,
        }
    }
}

impl<'a> Module<'a> {
    /// The nodes that refer to a binding: names, and members of namespaces.
    fn references(&self, graph: &ModuleGraph<'a>, number: usize, sought: Binding) -> Vec<NodeId> {
        let own = match sought {
            Binding::Variable(home, symbol) if home == number => Some((symbol, sought)),
            _ => None,
        };
        let (nodes, scoping) = (self.semantic.nodes(), self.semantic.scoping());
        let mut found = Vec::new();
        for (symbol, binding) in self.bindings.iter().map(|(symbol, binding)| (*symbol, *binding)).chain(own) {
            if binding != sought && !matches!(binding, Binding::Namespace(_)) {
                continue;
            }
            for reference in scoping.get_resolved_references(symbol).filter(|reference| reference.is_value()) {
                let (mut id, mut binding) = (reference.node_id(), binding);
                while let Binding::Namespace(module) = binding {
                    let parent = self.place(id).1;
                    let AstKind::StaticMemberExpression(member) = nodes.kind(parent) else { break };
                    let ResolvedExport::Binding(next) = graph.resolve_export(module, &member.property.name) else {
                        break;
                    };
                    (id, binding) = (parent, next);
                }
                if binding == sought {
                    found.push(id);
                }
            }
        }
        sort_by(&mut found, |a, b| a.index().cmp(&b.index()));
        found
    }

    /// The node that has the value of a node, and what is around it, beyond types and branches.
    fn place(&self, node: NodeId) -> (NodeId, NodeId) {
        let nodes = self.semantic.nodes();
        let is_transparent = |kind: AstKind<'_>| {
            is_types_only(&kind) || matches!(kind, AstKind::ConditionalExpression(_) | AstKind::LogicalExpression(_))
        };
        let (mut child, mut parent) = (node, nodes.parent_id(node));
        while is_transparent(nodes.kind(parent)) {
            (child, parent) = (parent, nodes.parent_id(parent));
        }
        (child, parent)
    }

    /// What becomes of a reference. `None`: it neither calls the function nor passes it on.
    fn name_use(&self, number: usize, reference: NodeId, is_function: bool, holding: Holding) -> Option<NameUse> {
        let nodes = self.semantic.nodes();
        let follows = is_function || holding == Holding::Stores;
        let (mut id, mut is_held) = (reference, false);
        loop {
            let (child, parent) = self.place(id);
            let span = nodes.kind(child).span();
            let stored = |binding| Some(NameUse::Stored(Sought { binding, is_function: is_function && !is_held }));
            let is_use = match nodes.kind(parent) {
                AstKind::ObjectProperty(property) if follows && property.value.span() == span => {
                    (id, is_held) = (parent, true);
                    continue;
                }
                AstKind::ObjectExpression(_) if is_held => {
                    id = parent;
                    continue;
                }
                AstKind::ArrayExpression(_) if holding == Holding::Stores => {
                    (id, is_held) = (parent, true);
                    continue;
                }
                AstKind::CallExpression(call)
                    if holding == Holding::Stores && call.callee.span() != span && self.is_own(&call.callee) =>
                {
                    (id, is_held) = (parent, true);
                    continue;
                }
                AstKind::VariableDeclarator(declarator) if follows || is_held => {
                    let symbol = declarator.id.get_binding_identifier().and_then(|name| name.symbol_id.get());
                    match symbol {
                        Some(symbol) => return stored(Binding::Variable(number, symbol)),
                        None => is_held || !is_function,
                    }
                }
                AstKind::AssignmentExpression(assignment) if follows && assignment.right.span() == span => {
                    if let AssignmentTarget::AssignmentTargetIdentifier(name) = &assignment.left
                        && let Some(symbol) = name
                            .reference_id
                            .get()
                            .and_then(|reference| self.semantic.scoping().get_reference(reference).symbol_id())
                    {
                        return stored(Binding::Variable(number, symbol));
                    }
                    true
                }
                AstKind::ExportDefaultDeclaration(_) => return stored(Binding::Default(number)),
                AstKind::ExportSpecifier(_) => false,
                // A function that returns it, and a field that holds it.
                AstKind::ArrowFunctionExpression(_) | AstKind::PropertyDefinition(_) if is_function || is_held => {
                    return Some(NameUse::Code(self.enclosing_name(number, child), child));
                }
                AstKind::CallExpression(_)
                | AstKind::NewExpression(_)
                | AstKind::ArrayExpression(_)
                | AstKind::ReturnStatement(_)
                | AstKind::TaggedTemplateExpression(_) => true,
                AstKind::StaticMemberExpression(member) if is_function && !is_held => {
                    matches!(member.property.name.as_str(), "apply" | "bind" | "call")
                }
                _ => !is_function || is_held,
            };
            return is_use.then(|| NameUse::Code(self.enclosing_name(number, parent), child));
        }
    }

    /// Whether an expression is a name that the file declares or imports.
    fn is_own(&self, expression: &Expression<'_>) -> bool {
        match expression.get_inner_expression() {
            Expression::Identifier(name) => name
                .reference_id
                .get()
                .is_some_and(|reference| self.semantic.scoping().get_reference(reference).symbol_id().is_some()),
            _ => false,
        }
    }

    /// The function or class around a node whose code runs only if its name is used; `None`: the code may run anyway.
    fn enclosing_name(&self, number: usize, node: NodeId) -> Option<Binding> {
        let nodes = self.semantic.nodes();
        let mut is_static = false;
        nodes.ancestor_ids(node).find_map(|id| {
            let symbol = match (nodes.kind(id), nodes.parent_kind(id)) {
                (AstKind::StaticBlock(_), _) => {
                    is_static = true;
                    None
                }
                (AstKind::PropertyDefinition(field), _) => {
                    is_static |= field.r#static;
                    None
                }
                (AstKind::Class(class), _) if !std::mem::take(&mut is_static) => class.id.as_ref()?.symbol_id.get(),
                (AstKind::Function(function), _) if function.is_declaration() && function.id.is_some() => {
                    function.id.as_ref()?.symbol_id.get()
                }
                (AstKind::Function(_) | AstKind::ArrowFunctionExpression(_), AstKind::ExportDefaultDeclaration(_)) => {
                    return Some(Binding::Default(number));
                }
                (
                    AstKind::Function(_) | AstKind::ArrowFunctionExpression(_),
                    AstKind::VariableDeclarator(declarator),
                ) => declarator.id.get_binding_identifier()?.symbol_id.get(),
                _ => None,
            };
            symbol.map(|symbol| Binding::Variable(number, symbol))
        })
    }
}

/// The method that a call names.
pub(super) fn method_of<'m, 'a>(call: &'m CallExpression<'a>) -> Option<&'m StaticMemberExpression<'a>> {
    match call.callee.get_inner_expression() {
        Expression::StaticMemberExpression(member) => Some(member),
        _ => None,
    }
}

/// The promise before `.then(…)`, `.catch(…)` or `.finally(…)`.
pub(super) fn chained_promise<'m, 'a>(call: &'m CallExpression<'a>) -> Option<&'m Expression<'a>> {
    let method = method_of(call)?;
    matches!(method.property.name.as_str(), "then" | "catch" | "finally").then_some(&method.object)
}

//! Which host calls open and give a promise instead of blocking the program. The rule reads only the syntax: a call
//! opens where a promise is meant, and blocks elsewhere.
//!
//! A promise is meant in the operand of `await`; in an element of the array that `Promise.all`, `race`, `any` or
//! `allSettled` takes; in the argument of `Promise.resolve` and of the `resolve` of `new Promise`; before `.then`,
//! `.catch` and `.finally`, and in what their callbacks and that of `Promise.try` return; in what the callback of `map` returns, if its list is
//! such an array; in a variable, also of `const [a, b] = [CC("a"), CC("b")]`, or a list with `push`, all of whose uses
//! are of these kinds. A call that an async function returns, or an async generator yields, is awaited there, so that
//! `try` around it catches its error.
//!
//! Where a blocking call and a promise would differ by more than the syntax, the call blocks and is warned of:
//! other uses of the variable, a callback with `try`, a function that is not async and whose result is awaited, an
//! argument of a function of the program that awaits its parameter, a property or a collection from which a promise is
//! taken.

use std::collections::{HashMap, HashSet};

use oxc_ast::AstKind;
use oxc_ast::ast::{
    ArrayExpression, ArrayExpressionElement, AssignmentOperator, AssignmentTarget, BindingPattern, CallExpression,
    Expression, ForStatementLeft, IdentifierReference,
};
use oxc_semantic::{AstNodes, NodeId, Reference, Scoping, SymbolFlags, SymbolId};
use oxc_span::{GetSpan, Span};

use super::main_function::method_of;
use super::modules::{Binding, Module};
use super::{host_call, is_types_only, names};

mod held;

/// How a host call gives its value, unless it blocks the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CallForm {
    /// The value is a promise.
    Opened,
    /// The call is opened and awaited, because an async function returns its value.
    Awaited,
}

/// A place of which the syntax does not tell whether it means a promise.
pub(super) struct Warning {
    pub(super) span: Span,
    pub(super) message: String,
    pub(super) hint: &'static str,
}

impl Warning {
    fn of_blocking(span: Span, name: &str) -> Self {
        Warning {
            span,
            message: format!("{name}(…) blocks the whole program here, as it is not awaited"),
            hint: "write `await` before it, or give it to Promise.resolve, all, race or any directly",
        }
    }
}

/// The host calls of a file that do not block, by their spans, and its warnings.
#[derive(Default)]
pub(super) struct CallForms {
    pub(super) forms: HashMap<Span, CallForm>,
    pub(super) warnings: Vec<Warning>,
    /// Whether a call gives a promise that is not awaited at once.
    pub(super) makes_promises: bool,
}

/// Most uses of variables that are examined in a file, and most variables from one to the next.
const MOST_USES: usize = 1_000_000;
const MOST_ALIASES: usize = 8;

/// What a place does with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// It uses the value itself.
    Value,
    /// It takes a promise.
    Promise,
    /// It returns the value from an async function.
    Awaited,
    /// It is not known.
    Unclear,
}

/// What a value is: a possible promise, or a list of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Shape {
    One,
    List,
}

/// A function that is not async and returns the value of a blocking call, as its callers name it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Callable {
    Bound(Binding),
    Method(String),
}

/// A blocking call that is an argument of a function of the program.
struct BlockingArgument {
    /// The file of the call.
    module: usize,
    span: Span,
    name: String,
    function: Binding,
    index: usize,
}

/// Whether a function of `Promise` takes a list of promises.
fn is_combinator_name(name: &str) -> bool {
    matches!(name, "all" | "race" | "any" | "allSettled")
}

/// The forms of the host calls of all files.
pub(super) fn of_modules(modules: &[Module<'_>], own_properties: &HashSet<String>) -> Vec<CallForms> {
    let mut places: Vec<Places<'_, '_>> = modules.iter().map(|module| Places::new(module, own_properties)).collect();
    let mut found: Vec<CallForms> = modules.iter().map(|_| CallForms::default()).collect();
    let (mut blocking, mut arguments) = (Vec::new(), Vec::new());
    let has_combinator = places.iter().any(|places| !places.module.is_prelude && places.has_combinator());
    for (index, places) in places.iter_mut().enumerate().filter(|(index, _)| !modules[*index].is_prelude) {
        for node in places.nodes.iter() {
            let AstKind::CallExpression(call) = node.kind() else { continue };
            let Some(name) = places.host_function(call) else { continue };
            let form = match places.meaning(node.id(), Shape::One, 0) {
                Meaning::Promise => CallForm::Opened,
                Meaning::Awaited => CallForm::Awaited,
                meaning => {
                    if meaning == Meaning::Unclear
                        || places.is_in_combinator(node.id())
                        || (has_combinator && places.is_held_promise(node.id(), Shape::One))
                    {
                        found[index].warnings.push(Warning::of_blocking(call.span, &name));
                    } else if let Some((function, position)) = places.argument_of(index, node.id()) {
                        arguments.push(BlockingArgument {
                            module: index,
                            span: call.span,
                            name,
                            function,
                            index: position,
                        });
                    }
                    blocking.extend(places.returning_function(index, node.id()));
                    continue;
                }
            };
            let found = &mut found[index];
            found.makes_promises |= form == CallForm::Opened && !places.is_awaited(node.id());
            found.forms.insert(call.span, form);
        }
    }
    for argument in arguments {
        let Binding::Variable(home, symbol) = argument.function else { continue };
        if places[home].takes_promise(symbol, argument.index) {
            found[argument.module].warnings.push(Warning::of_blocking(argument.span, &argument.name));
        }
    }
    warn_of_callers(&mut places, &mut found, blocking);
    found
}

/// Warns of each place that takes the result of a function for a promise, although the function blocks.
fn warn_of_callers(places: &mut [Places<'_, '_>], found: &mut [CallForms], mut open: Vec<Callable>) {
    let mut visited: HashSet<Callable> = HashSet::new();
    while let Some(callable) = open.pop() {
        if !visited.insert(callable.clone()) {
            continue;
        }
        for (index, (places, found)) in places.iter_mut().zip(&mut *found).enumerate() {
            for (function, call) in places.uses_of(index, &callable) {
                let meaning = match call {
                    Some(call) => places.meaning(call, Shape::One, 0),
                    None => places.callback_meaning(function, Shape::One, 0),
                };
                if meaning == Meaning::Value {
                    open.extend(call.and_then(|call| places.returning_function(index, call)));
                    continue;
                }
                let span = places.nodes.kind(function).span();
                let text: String = span.source_text(places.module.source).chars().take(60).collect();
                found.warnings.push(Warning {
                    span,
                    message: format!(
                        "`{text}` blocks the whole program: it is not async, and returns a call without `await`"
                    ),
                    hint: "make that function async, then its calls are open at once",
                });
            }
        }
    }
}

/// The places of a file.
struct Places<'m, 'a> {
    module: &'m Module<'a>,
    nodes: &'m AstNodes<'a>,
    scoping: &'m Scoping,
    own_properties: &'m HashSet<String>,
    exported: HashSet<SymbolId>,
    /// Calls of methods by the names of the methods.
    method_calls: HashMap<&'a str, Vec<NodeId>>,
    /// Members by their names.
    member_reads: HashMap<&'a str, Vec<NodeId>>,
    /// Whether a promise is taken from the members of a name.
    promised_members: HashMap<(String, Shape), bool>,
    /// Whether promises are taken from the object or the list in a variable.
    collections: HashMap<SymbolId, bool>,
    /// What is known of variables, by the `try` around their assignments.
    variables: HashMap<(SymbolId, Shape, Option<NodeId>), Meaning>,
    /// The number of uses of variables that were examined.
    examined: usize,
}

impl<'m, 'a> Places<'m, 'a> {
    fn new(module: &'m Module<'a>, own_properties: &'m HashSet<String>) -> Self {
        let nodes = module.semantic.nodes();
        let mut method_calls: HashMap<&'a str, Vec<NodeId>> = HashMap::new();
        let mut member_reads: HashMap<&'a str, Vec<NodeId>> = HashMap::new();
        for node in nodes.iter() {
            match node.kind() {
                AstKind::CallExpression(call) => {
                    if let Some(member) = method_of(call) {
                        method_calls.entry(member.property.name.as_str()).or_default().push(node.id());
                    }
                }
                AstKind::StaticMemberExpression(member) => {
                    member_reads.entry(member.property.name.as_str()).or_default().push(node.id());
                }
                _ => {}
            }
        }
        Places {
            module,
            nodes,
            scoping: module.semantic.scoping(),
            own_properties,
            exported: module.exported_symbols().collect(),
            method_calls,
            member_reads,
            promised_members: HashMap::new(),
            collections: HashMap::new(),
            variables: HashMap::new(),
            examined: 0,
        }
    }

    fn symbol(&self, identifier: &IdentifierReference<'_>) -> Option<SymbolId> {
        let symbol = self.scoping.get_reference(identifier.reference_id.get()?).symbol_id()?;
        (!self.scoping.symbol_flags(symbol).contains(SymbolFlags::Ambient)).then_some(symbol)
    }

    /// The name of a built-in or of the host that an expression is.
    fn global(&self, expression: &Expression<'a>) -> Option<&'a str> {
        match expression.get_inner_expression() {
            Expression::Identifier(id) if self.symbol(id).is_none() => Some(id.name.as_str()),
            _ => None,
        }
    }

    /// The host function that a call names.
    fn host_function(&self, call: &CallExpression<'a>) -> Option<String> {
        if call.optional {
            return None;
        }
        let name = match method_of(call) {
            Some(member) if member.optional => return None,
            Some(member) => format!("{}.{}", self.global(&member.object)?, member.property.name),
            None => self.global(&call.callee)?.to_owned(),
        };
        host_call::is_host_function(&name).then_some(name)
    }

    /// The member of a built-in class that a call names: `("Promise", "all")`.
    fn static_method(&self, call: &CallExpression<'a>) -> Option<(&'a str, &'a str)> {
        let member = method_of(call)?;
        Some((self.global(&member.object)?, member.property.name.as_str()))
    }

    fn is_combinator(&self, call: &CallExpression<'a>) -> bool {
        self.static_method(call).is_some_and(|(root, name)| root == "Promise" && is_combinator_name(name))
    }

    /// Whether a node is within the argument of a combinator, in functions there too.
    fn is_in_combinator(&self, id: NodeId) -> bool {
        let start = self.nodes.kind(id).span().start;
        self.nodes.ancestor_kinds(id).any(|kind| {
            matches!(kind, AstKind::CallExpression(call)
                if start >= call.callee.span().end && self.calls_combinator(call))
        })
    }

    /// The place of a value, beyond what leaves it as it is: types, branches, the last of a sequence.
    fn place(&self, id: NodeId) -> NodeId {
        let mut id = id;
        loop {
            let (span, parent) = (self.nodes.kind(id).span(), self.nodes.parent_id(id));
            let is_same = match self.nodes.kind(parent) {
                AstKind::ChainExpression(_) => true,
                AstKind::ConditionalExpression(conditional) => conditional.test.span() != span,
                AstKind::LogicalExpression(logical) => logical.right.span() == span,
                AstKind::SequenceExpression(sequence) => {
                    sequence.expressions.last().is_some_and(|last| last.span() == span)
                }
                kind => is_types_only(&kind),
            };
            if !is_same {
                return id;
            }
            id = parent;
        }
    }

    fn is_awaited(&self, id: NodeId) -> bool {
        matches!(self.nodes.parent_kind(self.place(id)), AstKind::AwaitExpression(_))
    }

    /// What the place of a value does with it.
    fn meaning(&mut self, id: NodeId, shape: Shape, aliases: usize) -> Meaning {
        let id = self.place(id);
        let (span, parent) = (self.nodes.kind(id).span(), self.nodes.parent_id(id));
        match (self.nodes.kind(parent), shape) {
            (AstKind::AwaitExpression(_), Shape::One) => Meaning::Promise,
            (AstKind::YieldExpression(one), Shape::One) if !one.delegate => match self.function_of(parent) {
                Some((_, true, _)) => Meaning::Awaited,
                _ => Meaning::Value,
            },
            (AstKind::ReturnStatement(_) | AstKind::ArrowFunctionExpression(_), _) => {
                self.returned_meaning(id, shape, aliases)
            }
            (AstKind::ArrayExpression(array), Shape::One) => match self.destructured(parent, array, span) {
                Some((symbol, site)) => self.variable_meaning(Some(symbol), site, Shape::One, aliases),
                None => self.meaning(parent, Shape::List, aliases),
            },
            (AstKind::SpreadElement(_), Shape::List) => {
                let outer = self.nodes.parent_id(parent);
                match self.nodes.kind(outer) {
                    AstKind::ArrayExpression(_) => self.meaning(outer, Shape::List, aliases),
                    AstKind::CallExpression(call) => self.pushed_meaning(outer, call, aliases),
                    _ => Meaning::Value,
                }
            }
            (AstKind::StaticMemberExpression(member), _) if member.object.span() == span => {
                let call = self.nodes.parent_id(parent);
                let AstKind::CallExpression(call) = self.nodes.kind(call) else { return Meaning::Value };
                match (shape, member.property.name.as_str()) {
                    (Shape::One, "then" | "catch" | "finally") if call.callee.span() == member.span => Meaning::Promise,
                    _ => Meaning::Value,
                }
            }
            (AstKind::CallExpression(call), _) => self.argument_meaning(parent, call, span, shape, aliases),
            (AstKind::ForOfStatement(statement), Shape::List) if statement.right.span() == span => {
                if statement.r#await {
                    return Meaning::Promise;
                }
                let ForStatementLeft::VariableDeclaration(declaration) = &statement.left else {
                    return Meaning::Value;
                };
                match declaration.declarations.first().map(|one| &one.id) {
                    Some(BindingPattern::BindingIdentifier(name)) => {
                        self.variable_meaning(name.symbol_id.get(), parent, Shape::One, aliases)
                    }
                    _ => Meaning::Value,
                }
            }
            (AstKind::VariableDeclarator(declarator), _) => match &declarator.id {
                BindingPattern::BindingIdentifier(name) => {
                    self.variable_meaning(name.symbol_id.get(), parent, shape, aliases)
                }
                _ => Meaning::Value,
            },
            (AstKind::AssignmentExpression(assignment), _)
                if assignment.operator == AssignmentOperator::Assign
                    && assignment.right.span() == span
                    && matches!(self.nodes.parent_kind(parent), AstKind::ExpressionStatement(_)) =>
            {
                match &assignment.left {
                    AssignmentTarget::AssignmentTargetIdentifier(name) => {
                        self.variable_meaning(self.symbol(name), parent, shape, aliases)
                    }
                    _ => Meaning::Value,
                }
            }
            _ => Meaning::Value,
        }
    }

    /// The variable that is declared with an element of an array, as in `const [a, b] = [CC("a"), CC("b")]`.
    fn destructured(&mut self, id: NodeId, array: &ArrayExpression<'a>, element: Span) -> Option<(SymbolId, NodeId)> {
        let site = self.nodes.parent_id(self.place(id));
        let AstKind::VariableDeclarator(declarator) = self.nodes.kind(site) else { return None };
        let BindingPattern::ArrayPattern(pattern) = &declarator.id else { return None };
        if self.examined > MOST_USES {
            return None;
        }
        let index = array.elements.iter().position(|one| one.span() == element)?;
        self.examined += index;
        let is_spread = |one: &ArrayExpressionElement<'a>| matches!(one, ArrayExpressionElement::SpreadElement(_));
        match pattern.elements.get(index)? {
            Some(BindingPattern::BindingIdentifier(name)) if !array.elements.iter().take(index).any(is_spread) => {
                Some((name.symbol_id.get()?, site))
            }
            _ => None,
        }
    }

    /// What a call does with its argument.
    fn argument_meaning(
        &mut self,
        id: NodeId,
        call: &'m CallExpression<'a>,
        span: Span,
        shape: Shape,
        aliases: usize,
    ) -> Meaning {
        let is_first = call.arguments.first().is_some_and(|first| first.span() == span);
        if !is_first && call.callee.span() == span {
            return Meaning::Value;
        }
        match (self.static_method(call), shape) {
            (Some(("Promise", "resolve")), Shape::One) if is_first => Meaning::Promise,
            (Some(("Promise", _)), Shape::List) if is_first && self.is_combinator(call) => Meaning::Promise,
            _ if shape == Shape::One && is_first && self.is_resolve(&call.callee) => Meaning::Promise,
            _ => match (method_of(call).map(|member| member.property.name.as_str()), shape) {
                (Some("push"), Shape::One) => self.pushed_meaning(id, call, aliases),
                _ => Meaning::Value,
            },
        }
    }

    /// The function of the program whose argument a value is, and the position of the argument.
    fn argument_of(&self, module: usize, id: NodeId) -> Option<(Binding, usize)> {
        let id = self.place(id);
        let span = self.nodes.kind(id).span();
        let AstKind::CallExpression(call) = self.nodes.parent_kind(id) else { return None };
        let Expression::Identifier(callee) = call.callee.get_inner_expression() else { return None };
        let symbol = self.symbol(callee)?;
        let binding = self.module.bindings.get(&symbol).copied().unwrap_or(Binding::Variable(module, symbol));
        let index = call.arguments.iter().position(|argument| argument.span() == span)?;
        Some((binding, index))
    }

    /// Whether a function uses its parameter of this position as a promise.
    fn takes_promise(&mut self, function: SymbolId, index: usize) -> bool {
        let parameters = match self.nodes.kind(self.scoping.symbol_declaration(function)) {
            AstKind::Function(function) => &function.params,
            AstKind::VariableDeclarator(one) => match one.init.as_ref().map(Expression::get_inner_expression) {
                Some(Expression::FunctionExpression(function)) => &function.params,
                Some(Expression::ArrowFunctionExpression(arrow)) => &arrow.params,
                _ => return false,
            },
            _ => return false,
        };
        let (pattern, shape) = match (parameters.items.get(index), &parameters.rest) {
            (Some(parameter), _) => (&parameter.pattern, Shape::One),
            (None, Some(rest)) => (&rest.rest.argument, Shape::List),
            (None, None) => return false,
        };
        let Some(symbol) = pattern.get_binding_identifier().and_then(|name| name.symbol_id.get()) else { return false };
        let scoping = self.scoping;
        scoping
            .get_resolved_references(symbol)
            .filter(|one| one.is_read() && one.is_value())
            .any(|reference| matches!(self.meaning(reference.node_id(), shape, 0), Meaning::Promise | Meaning::Unclear))
    }

    /// What becomes of the elements that a statement `list.push(…)` appends.
    fn pushed_meaning(&mut self, id: NodeId, call: &'m CallExpression<'a>, aliases: usize) -> Meaning {
        let is_statement = matches!(self.nodes.parent_kind(id), AstKind::ExpressionStatement(_));
        match method_of(call)
            .filter(|member| is_statement && member.property.name == "push")
            .map(|member| &member.object)
        {
            Some(Expression::Identifier(list)) => self.variable_meaning(self.symbol(list), id, Shape::List, aliases),
            _ => Meaning::Value,
        }
    }

    /// Whether a callee is the first parameter of the function that `new Promise` takes.
    fn is_resolve(&self, callee: &Expression<'a>) -> bool {
        let Expression::Identifier(name) = callee.get_inner_expression() else { return false };
        let Some(symbol) = self.symbol(name) else { return false };
        let declaration = self.scoping.symbol_declaration(symbol);
        let AstKind::FormalParameters(parameters) = self.nodes.parent_kind(declaration) else { return false };
        let span = self.nodes.kind(declaration).span();
        let function = self.nodes.parent_id(self.nodes.parent_id(declaration));
        parameters.items.first().is_some_and(|first| first.span == span)
            && matches!(self.nodes.parent_kind(self.place(function)), AstKind::NewExpression(new)
                if self.global(&new.callee) == Some("Promise"))
    }

    /// What becomes of the value of a variable that is assigned at `site`.
    fn variable_meaning(&mut self, symbol: Option<SymbolId>, site: NodeId, shape: Shape, aliases: usize) -> Meaning {
        let Some(symbol) = symbol else { return Meaning::Value };
        let declaration = self.nodes.kind(self.scoping.symbol_declaration(symbol));
        if !matches!(declaration, AstKind::VariableDeclarator(_)) || aliases >= MOST_ALIASES {
            return Meaning::Value;
        }
        let key = (symbol, shape, self.try_of(site));
        if let Some(known) = self.variables.get(&key) {
            return *known;
        }
        // Of variables that are assigned to each other, the other uses count.
        self.variables.insert(key, Meaning::Promise);
        let scoping = self.scoping;
        let references = || scoping.get_resolved_references(symbol).filter(|one| one.is_read() && one.is_value());
        let (mut has_promise, mut has_other) = (false, self.exported.contains(&symbol));
        for reference in references() {
            self.examined += 1;
            if self.examined > MOST_USES {
                return Meaning::Unclear;
            }
            let (takes_promise, takes_value) = self.use_of_variable(reference, shape, key.2, aliases + 1);
            has_promise |= takes_promise;
            has_other |= takes_value;
        }
        let meaning = match (has_promise, has_other) {
            (true, false) => Meaning::Promise,
            (true, true) => Meaning::Unclear,
            (false, _) => Meaning::Value,
        };
        self.variables.insert(key, meaning);
        meaning
    }

    /// Whether a use of a variable takes a promise, and whether it may take a value. Neither: it only keeps a list.
    fn use_of_variable(
        &mut self,
        reference: &Reference,
        shape: Shape,
        guard: Option<NodeId>,
        aliases: usize,
    ) -> (bool, bool) {
        let id = reference.node_id();
        if shape == Shape::List && self.is_list_upkeep(id) {
            return (false, false);
        }
        let is_caught = match self.meaning(id, shape, aliases) {
            Meaning::Value => return (false, true),
            Meaning::Unclear => return (true, true),
            Meaning::Promise => false,
            // A promise that is returned is not awaited, so `try` does not catch its error.
            Meaning::Awaited => self.try_of(id).is_some(),
        };
        // The `try` around the assignment would catch the error of a blocking call.
        let leaves_try = guard.is_some_and(|guard| !self.nodes.ancestor_ids(id).any(|one| one == guard));
        (true, is_caught || leaves_try)
    }

    /// `list.push(…)` as a statement, and `list.length`.
    fn is_list_upkeep(&self, id: NodeId) -> bool {
        let parent = self.nodes.parent_id(id);
        let AstKind::StaticMemberExpression(member) = self.nodes.kind(parent) else { return false };
        let call = self.nodes.parent_id(parent);
        match member.property.name.as_str() {
            "length" => true,
            "push" => {
                matches!(self.nodes.kind(call), AstKind::CallExpression(call) if call.callee.span() == member.span)
                    && matches!(self.nodes.parent_kind(call), AstKind::ExpressionStatement(_))
            }
            _ => false,
        }
    }

    /// What becomes of a value that a function returns.
    fn returned_meaning(&mut self, id: NodeId, shape: Shape, aliases: usize) -> Meaning {
        let Some((function, is_async, is_generator)) = self.function_of(self.nodes.parent_id(id)) else {
            // A script returns as an async function does.
            return if shape == Shape::One { Meaning::Awaited } else { Meaning::Value };
        };
        if is_async || is_generator {
            return if is_async && shape == Shape::One { Meaning::Awaited } else { Meaning::Value };
        }
        match self.callback_meaning(function, shape, aliases) {
            Meaning::Value => Meaning::Value,
            _ if self.try_of(id).is_some() => Meaning::Unclear,
            meaning => meaning,
        }
    }

    /// What becomes of the values that a function returns, where it is an argument, or called at once.
    fn callback_meaning(&mut self, function: NodeId, shape: Shape, aliases: usize) -> Meaning {
        let function = self.place(function);
        let (span, parent) = (self.nodes.kind(function).span(), self.nodes.parent_id(function));
        let AstKind::CallExpression(call) = self.nodes.kind(parent) else { return Meaning::Value };
        if call.callee.span() == span {
            return self.meaning(parent, shape, aliases);
        }
        let Some(name) = method_of(call).map(|member| member.property.name.as_str()) else { return Meaning::Value };
        let index = call.arguments.iter().position(|argument| argument.span() == span);
        let meaning = match (name, index, shape) {
            ("map", Some(0), Shape::One) | ("flatMap", Some(0), _) => self.meaning(parent, Shape::List, aliases),
            ("from", Some(1), Shape::One) if self.static_method(call) == Some(("Array", "from")) => {
                self.meaning(parent, Shape::List, aliases)
            }
            // The list that the next call of the callback gets may be used for more.
            ("reduce", Some(0), Shape::List) => match self.meaning(parent, Shape::List, aliases) {
                Meaning::Promise => Meaning::Unclear,
                meaning => meaning,
            },
            ("try", Some(0), Shape::One) if self.static_method(call) == Some(("Promise", "try")) => Meaning::Promise,
            ("then", Some(0 | 1), Shape::One) | ("catch" | "finally", Some(0), Shape::One) => Meaning::Promise,
            _ => Meaning::Value,
        };
        // A method of the program may do anything with its callback.
        match meaning {
            Meaning::Promise if self.own_properties.contains(name) => Meaning::Unclear,
            meaning => meaning,
        }
    }

    /// The function around a node, or the node itself, whether it is async, and whether it is a generator.
    fn function_of(&self, id: NodeId) -> Option<(NodeId, bool, bool)> {
        std::iter::once(id).chain(self.nodes.ancestor_ids(id)).find_map(|id| match self.nodes.kind(id) {
            AstKind::Function(function) => Some((id, function.r#async, function.generator)),
            AstKind::ArrowFunctionExpression(arrow) => Some((id, arrow.r#async, false)),
            _ => None,
        })
    }

    /// The innermost `try` of the same function that would catch an error of a node, or end after it.
    fn try_of(&self, id: NodeId) -> Option<NodeId> {
        let start = self.nodes.kind(id).span().start;
        for id in self.nodes.ancestor_ids(id) {
            match self.nodes.kind(id) {
                AstKind::Function(_) | AstKind::ArrowFunctionExpression(_) => return None,
                AstKind::TryStatement(one) => {
                    let is_in = |span: Span| (span.start..span.end).contains(&start);
                    let is_last = one.finalizer.as_ref().is_some_and(|block| is_in(block.span));
                    if is_in(one.block.span) || (one.finalizer.is_some() && !is_last) {
                        return Some(id);
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// The name of the function that is not async and returns a value, if callers can name it.
    fn returning_function(&self, module: usize, id: NodeId) -> Option<Callable> {
        let id = self.place(id);
        let parent = self.nodes.parent_id(id);
        if !matches!(self.nodes.kind(parent), AstKind::ReturnStatement(_) | AstKind::ArrowFunctionExpression(_)) {
            return None;
        }
        let (function, false, false) = self.function_of(parent)? else { return None };
        if let AstKind::Function(declared) = self.nodes.kind(function)
            && declared.is_declaration()
            && let Some(name) = &declared.id
        {
            return Some(Callable::Bound(Binding::Variable(module, name.symbol_id.get()?)));
        }
        match self.nodes.parent_kind(self.place(function)) {
            AstKind::VariableDeclarator(declarator) => match &declarator.id {
                BindingPattern::BindingIdentifier(name) => {
                    Some(Callable::Bound(Binding::Variable(module, name.symbol_id.get()?)))
                }
                _ => None,
            },
            AstKind::ExportDefaultDeclaration(_) => Some(Callable::Bound(Binding::Default(module))),
            kind => {
                let key = match kind {
                    AstKind::ObjectProperty(property) => &property.key,
                    AstKind::MethodDefinition(method) => &method.key,
                    AstKind::PropertyDefinition(property) => &property.key,
                    _ => return None,
                };
                names::static_name(key).map(|name| Callable::Method(name.into_owned()))
            }
        }
    }

    /// The uses of a function in the file of this index: the callee and its call, or the function as an argument.
    fn uses_of(&self, index: usize, callable: &Callable) -> Vec<(NodeId, Option<NodeId>)> {
        let binding = match callable {
            Callable::Method(name) => {
                let calls = self.method_calls.get(name.as_str()).into_iter().flatten();
                return calls.map(|call| (*call, Some(*call))).collect();
            }
            Callable::Bound(binding) => binding,
        };
        let own = match binding {
            Binding::Variable(module, symbol) if *module == index => Some(*symbol),
            _ => None,
        };
        let imported = self.module.bindings.iter().filter(|(_, other)| *other == binding).map(|(symbol, _)| *symbol);
        let references =
            own.into_iter().chain(imported).flat_map(|symbol| self.scoping.get_resolved_references(symbol));
        let calls = references.filter(|one| one.is_read() && one.is_value()).map(|reference| {
            let function = reference.node_id();
            let callee = self.place(function);
            let parent = self.nodes.parent_id(callee);
            match self.nodes.kind(parent) {
                AstKind::CallExpression(call) if call.callee.span() == self.nodes.kind(callee).span() => {
                    (parent, Some(parent))
                }
                _ => (function, None),
            }
        });
        calls.collect()
    }
}

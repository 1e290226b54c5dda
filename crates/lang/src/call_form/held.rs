//! Calls that block in a property or a collection from which a promise is taken elsewhere: `const o = { q: ask("a") }`
//! and `Promise.race([o.q, late])`. Only names connect the two, so the calls are warned of, and not opened.

use oxc_ast::AstKind;
use oxc_ast::ast::{AssignmentTarget, CallExpression, Expression};
use oxc_semantic::{NodeId, SymbolId};
use oxc_span::GetSpan;

use super::super::main_function::{chained_promise, method_of};
use super::super::names;
use super::{Meaning, Places, Shape, is_combinator_name};

impl<'a> Places<'_, 'a> {
    /// Whether a file takes promises other than by `await`.
    pub(super) fn has_combinator(&self) -> bool {
        self.nodes.iter().any(|node| match node.kind() {
            AstKind::CallExpression(call) => self.calls_combinator(call) || chained_promise(call).is_some(),
            AstKind::ForOfStatement(statement) => statement.r#await,
            _ => false,
        })
    }

    /// Whether a call is that of a combinator, perhaps under another name: `race(…)` after
    /// `const race = Promise.race.bind(Promise)`, `Promise.race.call(Promise, …)`.
    pub(super) fn calls_combinator(&self, call: &CallExpression<'a>) -> bool {
        let function = match method_of(call) {
            Some(method) if matches!(method.property.name.as_str(), "apply" | "call") => &method.object,
            _ => &call.callee,
        };
        match function.get_inner_expression() {
            Expression::Identifier(name) => self.symbol(name).is_some_and(|symbol| {
                let declaration = self.nodes.kind(self.scoping.symbol_declaration(symbol));
                matches!(declaration, AstKind::VariableDeclarator(declarator) if declarator.id.is_binding_identifier()
                    && declarator.init.as_ref().is_some_and(|init| self.is_combinator_function(init)))
            }),
            function => self.is_combinator_function(function),
        }
    }

    /// `Promise.race`, `Promise.race.bind(Promise)`
    fn is_combinator_function(&self, function: &Expression<'a>) -> bool {
        match function.get_inner_expression() {
            Expression::StaticMemberExpression(member) => {
                self.global(&member.object) == Some("Promise") && is_combinator_name(&member.property.name)
            }
            Expression::CallExpression(call) => method_of(call)
                .is_some_and(|method| method.property.name == "bind" && self.is_combinator_function(&method.object)),
            _ => false,
        }
    }

    /// Whether a promise is taken from what holds a value.
    pub(super) fn is_held_promise(&mut self, id: NodeId, shape: Shape) -> bool {
        let id = self.place(id);
        let (span, parent) = (self.nodes.kind(id).span(), self.nodes.parent_id(id));
        match self.nodes.kind(parent) {
            AstKind::ArrayExpression(_) => self.is_held_promise(parent, Shape::List),
            AstKind::NewExpression(new) if matches!(self.global(&new.callee), Some("Map" | "Set")) => {
                self.is_held_promise(parent, Shape::List)
            }
            AstKind::ObjectProperty(property) if property.value.span() == span => {
                names::static_name(&property.key).is_some_and(|name| self.is_member_promised(&name, shape))
                    || self.is_declared_collection(self.nodes.parent_id(parent))
            }
            AstKind::PropertyDefinition(property) => {
                names::static_name(&property.key).is_some_and(|name| self.is_member_promised(&name, shape))
            }
            AstKind::VariableDeclarator(_) => shape == Shape::List && self.is_declared_collection(id),
            AstKind::AssignmentExpression(assignment) if assignment.right.span() == span => match &assignment.left {
                AssignmentTarget::StaticMemberExpression(member) => {
                    self.is_member_promised(&member.property.name, shape) || self.is_collection(&member.object)
                }
                AssignmentTarget::ComputedMemberExpression(member) => self.is_collection(&member.object),
                _ => false,
            },
            AstKind::CallExpression(call) if call.callee.span() != span => match method_of(call) {
                Some(method) if matches!(method.property.name.as_str(), "add" | "push" | "set" | "unshift") => {
                    self.is_collection(&method.object)
                }
                _ => false,
            },
            _ => false,
        }
    }

    /// Whether an object or a list is the value of a variable from which promises are taken.
    fn is_declared_collection(&mut self, id: NodeId) -> bool {
        let AstKind::VariableDeclarator(declarator) = self.nodes.parent_kind(self.place(id)) else { return false };
        let name = declarator.id.get_binding_identifier();
        name.and_then(|name| name.symbol_id.get()).is_some_and(|symbol| self.is_collection_variable(symbol))
    }

    /// Whether promises are taken from what an expression names.
    fn is_collection(&mut self, object: &Expression<'a>) -> bool {
        match object.get_inner_expression() {
            Expression::Identifier(name) => self.symbol(name).is_some_and(|symbol| self.is_collection_variable(symbol)),
            Expression::StaticMemberExpression(member) => self.is_member_promised(&member.property.name, Shape::List),
            _ => false,
        }
    }

    fn is_collection_variable(&mut self, symbol: SymbolId) -> bool {
        if let Some(known) = self.collections.get(&symbol) {
            return *known;
        }
        let references = self.scoping.get_resolved_references(symbol).filter(|one| one.is_read() && one.is_value());
        let reads: Vec<NodeId> = references.map(|reference| reference.node_id()).collect();
        let is_collection = reads.into_iter().any(|read| self.gives_promises(read));
        self.collections.insert(symbol, is_collection);
        is_collection
    }

    /// Whether a promise, or a list of them, is taken from a member of this name, of whichever object.
    fn is_member_promised(&mut self, name: &str, shape: Shape) -> bool {
        let Some(reads) = self.member_reads.get(name) else { return false };
        let key = (name.to_owned(), shape);
        if let Some(known) = self.promised_members.get(&key) {
            return *known;
        }
        let is_promised = reads.clone().into_iter().any(|read| match shape {
            Shape::One => self.is_promise_place(read, Shape::One),
            Shape::List => self.gives_promises(read),
        });
        self.promised_members.insert(key, is_promised);
        is_promised
    }

    /// Whether the place of a collection takes promises from it: `Promise.all(set)`, `Promise.all(map.values())`,
    /// `Promise.race([map.get("a"), late])`, `Promise.all(Object.values(o))`.
    fn gives_promises(&mut self, id: NodeId) -> bool {
        let id = self.place(id);
        let (span, parent) = (self.nodes.kind(id).span(), self.nodes.parent_id(id));
        match self.nodes.kind(parent) {
            AstKind::StaticMemberExpression(member) if member.object.span() == span => {
                let call = self.nodes.parent_id(parent);
                let shape = match member.property.name.as_str() {
                    "get" => Shape::One,
                    "values" => Shape::List,
                    _ => return false,
                };
                matches!(self.nodes.kind(call), AstKind::CallExpression(one) if one.callee.span() == member.span)
                    && self.is_promise_place(call, shape)
            }
            AstKind::ComputedMemberExpression(member) if member.object.span() == span => {
                self.is_promise_place(parent, Shape::One)
            }
            AstKind::CallExpression(call)
                if matches!(self.static_method(call), Some(("Array", "from") | ("Object", "values"))) =>
            {
                self.is_promise_place(parent, Shape::List)
            }
            _ => self.is_promise_place(id, Shape::List),
        }
    }

    /// Whether the place of a value takes a promise, other than by `await`, which takes any value.
    fn is_promise_place(&mut self, id: NodeId, shape: Shape) -> bool {
        !self.is_awaited(id) && matches!(self.meaning(id, shape, 0), Meaning::Promise | Meaning::Unclear)
    }
}

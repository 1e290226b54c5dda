//! Classes: constructor, methods, fields, static members, `extends` of a class or of a built-in error. ECMA-262 §15.7 Class Definitions.
//!
//! Deviations: accessors, private names, computed member names, static blocks and generators are not supported.

use oxc_ast::AstKind;
use oxc_ast::ast::{
    BindingIdentifier, BindingPattern, Class, ClassElement, Expression, FormalParameter, FormalParameters,
    MethodDefinition, MethodDefinitionKind, PropertyDefinition,
};
use oxc_span::{GetSpan, Span};
use serde_json::json;

use crate::vm::op::Op;
use crate::vm::program::FunctionKind;

use super::compiler::Compiler;
use super::is_types_only;

impl<'a> Compiler<'a, '_> {
    /// `( -- class )`. The variable of the class is set before static fields run, which may use it.
    /// ECMA-262 §15.7.14 ClassDefinitionEvaluation.
    pub(super) fn class(&mut self, class: &'a Class<'a>, name: Option<&str>) {
        self.set_location(class.span);
        if let Some(decorator) = class.decorators.first() {
            self.unsupported(decorator.span, "decorators are not supported", "call the function on the class");
        }
        self.enter_scope(class.scope_id.get());
        self.check_own_name(class);
        let name = class.id.as_ref().map(|id| id.name.as_str()).or(name).unwrap_or_default();
        let derived = class.heritage.is_some();
        if let Some(heritage) = &class.heritage {
            self.heritage(&heritage.expression);
        }
        let properties = self.constructor(class, name, derived);
        self.set_location(class.span);
        self.emit_json(Op::Class, json!({ "derived": derived }));
        self.members(class, &properties);
        if let Some(id) = &class.id
            && let Some(symbol) = id.symbol_id.get()
        {
            self.emit(Op::Dup);
            self.init_symbol(symbol, id.span);
        }
        self.static_fields(class);
    }

    /// Refuses an assignment to the class's name if the class uses it: within the class the name is a separate constant.
    fn check_own_name(&mut self, class: &Class<'a>) {
        let Some((id, symbol)) = class.id.as_ref().and_then(|id| Some((id, id.symbol_id.get()?))) else { return };
        let (scoping, nodes) = (self.semantic.scoping(), self.semantic.nodes());
        let inside = |span: Span| class.span.start <= span.start && span.end <= class.span.end;
        let used_inside = || {
            let mut references = scoping.get_resolved_references(symbol);
            references.any(|reference| inside(nodes.kind(reference.node_id()).span()))
        };
        if scoping.symbol_is_mutated(symbol) && used_inside() {
            let message = format!("the name of the class `{}` is assigned, and used within the class", id.name);
            self.unsupported(id.span, message, "assign to another variable");
        }
    }

    /// The expression after `extends`. Deviation: of the built-in classes only errors can be extended.
    fn heritage(&mut self, parent: &'a Expression<'a>) {
        if let Some(root) = self.builtin_root(parent)
            && super::unresolved_names::is_builtin(root)
            && !root.ends_with("Error")
        {
            self.unsupported(
                parent.span(),
                format!("a class that extends `{root}` is not supported"),
                "keep it in a field",
            );
        }
        self.expression(parent);
    }

    /// `( -- constructor )` Returns the names of its parameter properties. ECMA-262 §15.7.14 ClassDefinitionEvaluation.
    fn constructor(&mut self, class: &'a Class<'a>, name: &str, derived: bool) -> Vec<&'a str> {
        let kind = if derived { FunctionKind::Derived } else { FunctionKind::Class };
        let written = class.body.body.iter().find_map(|element| match element {
            ClassElement::MethodDefinition(method)
                if method.kind == MethodDefinitionKind::Constructor && method.value.body.is_some() =>
            {
                Some(method)
            }
            _ => None,
        });
        match written {
            Some(method) => {
                self.function(&method.value, name, kind);
                parameter_properties(&method.value.params).map(|(id, _)| id.name.as_str()).collect()
            }
            None => {
                self.begin_function(name, kind, false);
                if derived {
                    let rest = self.current.code.add_hidden_slot();
                    self.current.code.function.rest = true;
                    self.emit_slot(Op::Load, rest);
                    self.emit(Op::SuperCallSpread);
                    self.emit(Op::Pop);
                }
                self.emit(Op::InitFields);
                self.emit(Op::Pop);
                self.end_function(class.span);
                Vec::new()
            }
        }
    }

    /// ECMA-262 §15.7.13 ClassElementEvaluation, §7.3.33 InitializeInstanceElements.
    fn members(&mut self, class: &'a Class<'a>, properties: &[&'a str]) {
        for element in &class.body.body {
            match element {
                ClassElement::MethodDefinition(method) => self.method(method),
                ClassElement::AccessorProperty(accessor) => {
                    self.unsupported(accessor.span, "`accessor` is not supported", "use a field")
                }
                ClassElement::StaticBlock(block) => {
                    self.unsupported(block.span, "static blocks are not supported", "run it after the class")
                }
                ClassElement::PropertyDefinition(_) | ClassElement::TSIndexSignature(_) => {}
            }
        }
        let fields: Vec<&'a PropertyDefinition<'a>> = self.field_definitions(class, false).collect();
        if fields.is_empty() && properties.is_empty() {
            return;
        }
        self.begin_function("", FunctionKind::Function, false);
        // Node initialises parameter properties before all other fields, with undefined until the body of the constructor runs.
        for name in properties {
            self.emit(Op::This);
            self.push_undefined();
            self.emit_json(Op::InitProp, json!(name));
            self.emit(Op::Pop);
        }
        for field in fields {
            self.check_early_this(field, properties);
            self.field(field);
        }
        self.end_function(class.span);
        self.emit(Op::Fields);
    }

    fn field_definitions(
        &self,
        class: &'a Class<'a>,
        fixed: bool,
    ) -> impl Iterator<Item = &'a PropertyDefinition<'a>> + use<'a> {
        class.body.body.iter().filter_map(move |element| match element {
            ClassElement::PropertyDefinition(field)
                if field.r#static == fixed && !field.declare && !field.r#type.is_abstract() =>
            {
                Some(&**field)
            }
            _ => None,
        })
    }

    /// One field, with `this` as the object (for a static field, the class). ECMA-262 §15.7.10 ClassFieldDefinitionEvaluation.
    fn field(&mut self, field: &'a PropertyDefinition<'a>) {
        self.set_location(field.span);
        let Some(name) = self.member_name(
            field.computed,
            field.key.static_name().as_deref(),
            field.key.is_private_identifier(),
            field.span,
        ) else {
            return;
        };
        self.emit(Op::This);
        match &field.value {
            Some(value) => self.named_expression(value, &name),
            None => self.push_undefined(),
        }
        self.emit_json(Op::InitProp, json!(name));
        self.emit(Op::Pop);
    }

    /// ECMA-262 §15.7.14 ClassDefinitionEvaluation.
    fn static_fields(&mut self, class: &'a Class<'a>) {
        let fields: Vec<&'a PropertyDefinition<'a>> = self.field_definitions(class, true).collect();
        if fields.is_empty() {
            return;
        }
        // They run as a function with the class as `this`.
        self.emit(Op::Dup);
        self.begin_function("", FunctionKind::Function, false);
        for field in fields {
            self.check_static_super(field);
            self.field(field);
        }
        self.end_function(class.span);
        self.emit_json(Op::CallThis, json!(0));
        self.emit(Op::Pop);
    }

    /// Refuses `super` in static fields: their initialiser is not a method and has no home object.
    fn check_static_super(&mut self, field: &PropertyDefinition<'a>) {
        let inside = |span: Span| field.span.start <= span.start && span.end <= field.span.end;
        let mut kinds = self.semantic.nodes().iter().map(|node| node.kind());
        if let Some(found) = kinds.find(|kind| matches!(kind, AstKind::Super(_)) && inside(kind.span())) {
            let hint = "write the name of the class that is extended";
            self.unsupported(found.span(), "`super` in a static field is not supported", hint);
        }
    }

    /// ECMA-262 §15.4.5 MethodDefinitionEvaluation.
    fn method(&mut self, method: &'a MethodDefinition<'a>) {
        if method.kind == MethodDefinitionKind::Constructor || method.value.body.is_none() {
            return;
        }
        if matches!(method.kind, MethodDefinitionKind::Get | MethodDefinitionKind::Set) {
            return self.unsupported(method.span, "getters and setters are not supported", "write a method");
        }
        if let Some(decorator) = method.decorators.first() {
            self.unsupported(decorator.span, "decorators are not supported", "call the function on the method");
        }
        let name = self.member_name(
            method.computed,
            method.key.static_name().as_deref(),
            method.key.is_private_identifier(),
            method.span,
        );
        let Some(name) = name else { return };
        self.check_conversion_method(method.span, &name);
        self.function(&method.value, &name, FunctionKind::Function);
        self.emit_json(Op::Method, json!({ "name": name, "static": method.r#static }));
    }

    fn member_name(&mut self, computed: bool, name: Option<&str>, private: bool, span: Span) -> Option<String> {
        match name {
            Some(name) if !computed && !private => return Some(name.to_owned()),
            _ if private => {
                let hint = "use an ordinary member; TypeScript's `private` is accepted";
                self.unsupported(span, "private names (`#x`) are not supported", hint);
            }
            _ => self.unsupported(span, "computed member names are not supported", "write the name"),
        }
        None
    }

    /// `constructor(private x: number)` sets a field after the parameters are initialised. TypeScript, parameter properties.
    pub(super) fn parameter_properties(&mut self, params: &'a FormalParameters<'a>) {
        for (id, item) in parameter_properties(params) {
            let Some(symbol) = id.symbol_id.get() else { continue };
            if self.current.kind == FunctionKind::Derived {
                self.unsupported(
                    item.span,
                    "parameter properties of a derived class are not supported",
                    "assign to this after super(…)",
                );
            }
            self.emit(Op::This);
            self.load_symbol(symbol, id.span);
            self.emit_json(Op::InitProp, json!(id.name.as_str()));
            self.emit(Op::Pop);
        }
    }

    /// Refuses the initial value of a field if it may read a parameter property. Compilers differ: with the fields of JavaScript the
    /// property is undefined then; with fields assigned in the constructor it has its value.
    fn check_early_this(&mut self, field: &PropertyDefinition<'a>, properties: &[&'a str]) {
        if properties.is_empty() {
            return;
        }
        let nodes = self.semantic.nodes();
        let inside = nodes.iter().skip(field.node_id.get().index() + 1);
        let early = inside.take_while(|node| node.kind().span().start < field.span.end).find_map(|node| {
            let AstKind::ThisExpression(this) = node.kind() else { return None };
            let mut kinds = nodes.ancestor_kinds(node.id()).skip_while(is_types_only);
            let (parent, outer) = (kinds.next(), kinds.find(|kind| !is_types_only(kind)));
            let plain = matches!(parent, Some(AstKind::StaticMemberExpression(member))
                    if !properties.contains(&member.property.name.as_str()))
                && !matches!(outer, Some(AstKind::CallExpression(call))
                    if call.callee.get_inner_expression().span().start == this.span.start);
            (!plain && runs_with_fields(nodes.ancestor_kinds(node.id()))).then_some(this.span)
        });
        if let Some(span) = early {
            let message = "`this` here may read a parameter property before the constructor has set it";
            self.unsupported(span, message, "set this field in the constructor");
        }
    }
}

/// The parameters of a constructor that are also fields: `private x: number`.
fn parameter_properties<'a>(
    params: &'a FormalParameters<'a>,
) -> impl Iterator<Item = (&'a BindingIdentifier<'a>, &'a FormalParameter<'a>)> {
    let declares = |item: &&FormalParameter<'a>| item.accessibility.is_some() || item.readonly || item.r#override;
    params.items.iter().filter(declares).filter_map(|item| match &item.pattern {
        BindingPattern::BindingIdentifier(id) => Some((&**id, item)),
        BindingPattern::AssignmentPattern(inner) => match &inner.left {
            BindingPattern::BindingIdentifier(id) => Some((&**id, item)),
            _ => None,
        },
        _ => None,
    })
}

/// Whether `this` below these nodes is the object under construction during its construction. An arrow function that is not
/// called on the spot runs later.
fn runs_with_fields<'k, 'a: 'k>(around: impl Iterator<Item = AstKind<'a>> + 'k) -> bool {
    let mut later = false;
    for kind in around {
        match kind {
            AstKind::PropertyDefinition(_) => break,
            AstKind::Function(_) | AstKind::Class(_) => return false,
            AstKind::ArrowFunctionExpression(_) => later = true,
            AstKind::CallExpression(_) | AstKind::NewExpression(_) => later = false,
            _ => {}
        }
    }
    !later
}

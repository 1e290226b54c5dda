//! Classes: constructor, methods, fields, static members, `extends` of a class or of a built-in error.

use oxc_ast::ast::{Class, ClassElement, Expression, MethodDefinition, MethodDefinitionKind, PropertyDefinition};
use oxc_span::{GetSpan, Span};
use serde_json::json;

use crate::vm::op::Op;
use crate::vm::program::FunctionKind;

use super::compiler::Compiler;

impl<'a> Compiler<'a, '_> {
    /// `( -- class )`; its variable is set before static fields run, which may use it.
    pub(super) fn class(&mut self, class: &'a Class<'a>, name: Option<&str>) {
        self.at(class.span);
        if let Some(decorator) = class.decorators.first() {
            self.unsupported(decorator.span, "decorators are not supported", "call the function on the class");
        }
        self.enter_scope(class.scope_id.get());
        let name = class.id.as_ref().map(|id| id.name.as_str()).or(name).unwrap_or_default();
        let derived = class.heritage.is_some();
        if let Some(heritage) = &class.heritage {
            self.heritage(&heritage.expression);
        }
        self.constructor(class, name, derived);
        self.at(class.span);
        self.emit_json(Op::Class, json!({ "derived": derived }));
        self.members(class);
        if let Some(id) = &class.id
            && let Some(symbol) = id.symbol_id.get()
        {
            self.emit(Op::Dup);
            self.init_symbol(symbol, id.span);
        }
        self.static_fields(class);
    }

    fn heritage(&mut self, parent: &'a Expression<'a>) {
        if let Some(root) = self.builtin_root(parent)
            && super::names::is_builtin(root)
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

    fn constructor(&mut self, class: &'a Class<'a>, name: &str, derived: bool) {
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
            Some(method) => self.function(&method.value, name, kind),
            None => {
                self.begin_function(name, kind, false);
                if derived {
                    let rest = self.current.code.fixed_hidden();
                    self.current.code.function.rest = true;
                    self.emit_slot(Op::Load, rest);
                    self.emit(Op::SuperCallSpread);
                    self.emit(Op::Pop);
                }
                self.emit(Op::InitFields);
                self.emit(Op::Pop);
                self.end_function(class.span);
            }
        }
    }

    fn members(&mut self, class: &'a Class<'a>) {
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
        let fields: Vec<&'a PropertyDefinition<'a>> = self.fields(class, false).collect();
        if fields.is_empty() {
            return;
        }
        self.begin_function("", FunctionKind::Function, false);
        for field in fields {
            self.field(field);
        }
        self.end_function(class.span);
        self.emit(Op::Fields);
    }

    fn fields(&self, class: &'a Class<'a>, fixed: bool) -> impl Iterator<Item = &'a PropertyDefinition<'a>> + use<'a> {
        class.body.body.iter().filter_map(move |element| match element {
            ClassElement::PropertyDefinition(field)
                if field.r#static == fixed && !field.declare && !field.r#type.is_abstract() =>
            {
                Some(&**field)
            }
            _ => None,
        })
    }

    /// One field, with `this` as the object (of a static field: the class).
    fn field(&mut self, field: &'a PropertyDefinition<'a>) {
        self.at(field.span);
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

    fn static_fields(&mut self, class: &'a Class<'a>) {
        let fields: Vec<&'a PropertyDefinition<'a>> = self.fields(class, true).collect();
        if fields.is_empty() {
            return;
        }
        // Run as a function with the class as `this`.
        self.emit(Op::Dup);
        self.begin_function("", FunctionKind::Function, false);
        for field in fields {
            self.field(field);
        }
        self.end_function(class.span);
        self.emit_json(Op::CallThis, json!(0));
        self.emit(Op::Pop);
    }

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
}

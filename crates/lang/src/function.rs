//! Functions: declarations, expressions, arrow functions; their parameters and bodies.

use std::collections::HashMap;

use oxc_ast::AstKind;
use oxc_ast::ast::{
    ArrowFunctionBody, ArrowFunctionExpression, BindingIdentifier, BindingPattern, Expression, FormalParameters,
    Function,
};
use oxc_semantic::{NodeId, ScopeId};
use oxc_span::{GetSpan, Span};
use runstate_vm::op::Op;
use runstate_vm::program::FunctionKind;
use serde_json::json;

use super::compiler::{Compiler, FunctionState, Storage};
use super::function_code::{FunctionCode, InstructionArg};
use super::modules::Binding;
use super::{SourceForm, arguments, class, destructuring};

/// A function declaration, initialized when its scope is entered. ECMA-262 §15.2.4 InstantiateOrdinaryFunctionObject.
pub(super) fn hoisted_function<'a>(compiler: &mut Compiler<'a, '_>, function: &'a Function<'a>) {
    if function.declare || function.body.is_none() {
        return;
    }
    // Only the function of `export default` may lack a name.
    let name = function.id.as_ref().map_or("default", |id| id.name.as_str());
    compiler.set_location(function.span);
    compile_function(compiler, function, name, FunctionKind::Function);
    match function.id.as_ref().and_then(|id| Some((id, id.symbol_id.get()?))) {
        Some((id, symbol)) => compiler.init_symbol(symbol, id.span),
        None => store_default(compiler),
    }
}

/// `( value -- )` Stores the value of `export default`, if other files can import it.
pub(super) fn store_default(compiler: &mut Compiler<'_, '_>) {
    match compiler.default_slot() {
        Some(slot) => compiler.emit_slot(Op::Store, slot),
        None => compiler.emit(Op::Pop),
    }
}

/// ECMA-262 §15.2.5 InstantiateOrdinaryFunctionExpression.
pub(super) fn function_expression<'a>(compiler: &mut Compiler<'a, '_>, function: &'a Function<'a>, name: Option<&str>) {
    let own = function.id.as_ref().and_then(|id| id.symbol_id.get().map(|symbol| (id, symbol)));
    let Some((id, symbol)) = own else {
        return compile_function(compiler, function, name.unwrap_or_default(), FunctionKind::Function);
    };
    let used = !compiler.semantic.scoping().get_resolved_reference_ids(symbol).is_empty();
    if !used {
        return compile_function(compiler, function, id.name.as_str(), FunctionKind::Function);
    }
    // Its own name is a cell outside the function, initialized after the closure is created.
    let slot = compiler.current.code.add_slot(id.name.as_str());
    compiler.emit_slot(Op::NewCell, slot);
    compiler.current.storage.insert(symbol, Storage::Cell(slot));
    compile_function(compiler, function, id.name.as_str(), FunctionKind::Function);
    compiler.emit(Op::Dup);
    compiler.emit_slot(Op::InitCell, slot);
}

/// `( -- closure )`. ECMA-262 §15.2 Function Definitions, §15.5 Generator Function Definitions, §15.6 Async Generator
/// Function Definitions, §15.8 Async Function Definitions.
pub(super) fn compile_function<'a>(
    compiler: &mut Compiler<'a, '_>,
    function: &'a Function<'a>,
    name: &str,
    kind: FunctionKind,
) {
    let Some(body) = &function.body else {
        return compiler.push_undefined();
    };
    begin_function(compiler, name, kind, (function.r#async, function.generator));
    // The fields of an object are initialized before the defaults of the constructor's parameters are evaluated.
    if kind == FunctionKind::Class {
        compiler.emit(Op::InitFields);
        compiler.emit(Op::Pop);
    }
    prologue(compiler, &function.params, function.scope_id.get());
    if function.generator {
        compiler.emit(Op::Generator);
    }
    class::compile_body(compiler, &function.params, &body.statements);
    end_function(compiler, function.span);
}

/// ECMA-262 §15.3 Arrow Function Definitions, §15.9 Async Arrow Function Definitions.
pub(super) fn arrow<'a>(compiler: &mut Compiler<'a, '_>, arrow: &'a ArrowFunctionExpression<'a>, name: Option<&str>) {
    check_early_arrow(compiler, arrow);
    begin_function(compiler, name.unwrap_or_default(), FunctionKind::Arrow, (arrow.r#async, false));
    prologue(compiler, &arrow.params, arrow.scope_id.get());
    match &arrow.body {
        ArrowFunctionBody::FunctionBody(body) => compiler.statements(&body.statements),
        other => {
            if let Some(expression) = other.as_expression() {
                compiler.set_location(expression.span());
                compiler.expression(expression);
                compiler.emit(Op::Return);
                return finish_function(compiler, arrow.span);
            }
        }
    }
    end_function(compiler, arrow.span);
}

/// Whether a function contains `super`, so that it needs a home. ECMA-262 §10.2.7 MakeMethod.
pub(super) fn uses_super<'a>(compiler: &Compiler<'a, '_>, function: &Function<'a>) -> bool {
    let inside = compiler.semantic.nodes().iter().skip(function.node_id.get().index() + 1);
    inside
        .map(|node| node.kind())
        .take_while(|kind| kind.span().start < function.span.end)
        .any(|kind| matches!(kind, AstKind::Super(_)))
}

/// Refuses an arrow function that captures `this` before `super(…)`. Deviation: the closure captures `this` at its
/// creation.
fn check_early_arrow<'a>(compiler: &mut Compiler<'a, '_>, arrow: &ArrowFunctionExpression<'a>) {
    if compiler.current.kind != FunctionKind::Derived {
        return;
    }
    let nodes = compiler.semantic.nodes();
    let function = |node: NodeId| nodes.ancestor_ids(node).find(|id| matches!(nodes.kind(*id), AstKind::Function(_)));
    let own = function(arrow.node_id.get());
    let of_constructor =
        |is: &dyn Fn(AstKind<'a>) -> bool| nodes.iter().any(|node| is(node.kind()) && function(node.id()) == own);
    let uses_this = of_constructor(&|kind| {
        matches!(kind, AstKind::ThisExpression(_) | AstKind::Super(_))
            && arrow.span.start <= kind.span().start
            && kind.span().end <= arrow.span.end
    });
    let before_super = || {
        of_constructor(&|kind| {
            matches!(kind, AstKind::CallExpression(call)
                if matches!(call.callee, Expression::Super(_))
                    && call.span.end > arrow.span.start
                    && !(arrow.span.start < call.span.start && call.span.end <= arrow.span.end))
        })
    };
    if uses_this && before_super() {
        let message = "an arrow function created before `super(…)` cannot use `this`";
        compiler.unsupported(arrow.span, message, "create it after super(…)");
    }
}

/// Starts a function within the current one.
pub(super) fn begin_function<'a>(
    compiler: &mut Compiler<'a, '_>,
    name: &str,
    kind: FunctionKind,
    (is_async, is_generator): (bool, bool),
) {
    let index = compiler.codes.len();
    compiler.codes.push(None);
    let mut code = FunctionCode::new(name, compiler.module);
    code.function.kind = kind;
    code.set_location(compiler.current.code.location());
    code.function.returns_promise = is_async;
    code.function.is_generator = is_generator;
    let frame = FunctionState { code, index, storage: HashMap::new(), control: Vec::new(), kind, arguments: None };
    compiler.enclosing.push(std::mem::replace(&mut compiler.current, frame));
}

/// Ends a body whose end may be reached without `return`.
pub(super) fn end_function<'a>(compiler: &mut Compiler<'a, '_>, span: Span) {
    if compiler.current.kind == FunctionKind::Class || compiler.current.kind == FunctionKind::Derived {
        compiler.emit(Op::This);
    } else {
        compiler.push_undefined();
    }
    compiler.emit(Op::Return);
    finish_function(compiler, span);
}

/// Returns to the enclosing function and emits the creation of the closure there.
pub(super) fn finish_function<'a>(compiler: &mut Compiler<'a, '_>, span: Span) {
    let Some(outer) = compiler.enclosing.pop() else { return };
    let finished = std::mem::replace(&mut compiler.current, outer);
    if finished.code.is_too_large() {
        compiler.unsupported(span, "this function has too many variables", "split it into several functions");
    }
    compiler.codes[finished.index] = Some(finished.code);
    compiler.set_location(span);
    compiler.current.code.emit(Op::Function, InstructionArg::Function(finished.index));
}

/// Parameters are in the first slots. Patterns and defaults are evaluated before the body.
/// ECMA-262 §10.2.11 FunctionDeclarationInstantiation.
fn prologue<'a>(compiler: &mut Compiler<'a, '_>, params: &'a FormalParameters<'a>, scope: Option<ScopeId>) {
    let list = arguments::are_read(compiler, scope).then(|| compiler.current.code.add_hidden_slot());
    let mut slots = Vec::new();
    let mut length = None;
    for (at, item) in params.items.iter().enumerate() {
        if item.initializer.is_some() || matches!(item.pattern, BindingPattern::AssignmentPattern(_)) {
            length.get_or_insert(at);
        }
        slots.push(parameter_slot(compiler, &item.pattern));
    }
    let rest_slot = params.rest.as_ref().map(|rest| parameter_slot(compiler, &rest.rest.argument));
    let count = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
    compiler.current.code.function.params = count(params.items.len());
    compiler.current.code.function.length = count(length.unwrap_or(params.items.len()));
    compiler.current.code.function.rest = rest_slot.is_some();
    if let Some(list) = list {
        arguments::bind(compiler, params, list, &slots);
    }
    compiler.enter_scope(scope);
    check_body_variables(compiler, params, scope);
    for (item, slot) in params.items.iter().zip(&slots) {
        compiler.set_location(item.span);
        parameter(compiler, &item.pattern, item.initializer.as_deref(), *slot);
    }
    if let (Some(rest), Some(slot)) = (&params.rest, rest_slot) {
        parameter(compiler, &rest.rest.argument, None, slot);
    }
}

/// The slot of a parameter. A plain name is the variable itself.
fn parameter_slot<'a>(compiler: &mut Compiler<'a, '_>, pattern: &'a BindingPattern<'a>) -> u16 {
    match pattern {
        // If the default may read the parameter, the argument is in a hidden slot until then.
        BindingPattern::BindingIdentifier(id) if is_read_early(compiler, id) => compiler.current.code.add_hidden_slot(),
        BindingPattern::BindingIdentifier(id) => {
            let slot = compiler.current.code.add_slot(id.name.as_str());
            if let Some(symbol) = id.symbol_id.get() {
                compiler.current.storage.insert(symbol, Storage::Slot(slot));
            }
            slot
        }
        BindingPattern::AssignmentPattern(inner) => parameter_slot(compiler, &inner.left),
        _ => compiler.current.code.add_hidden_slot(),
    }
}

fn parameter<'a>(
    compiler: &mut Compiler<'a, '_>,
    pattern: &'a BindingPattern<'a>,
    default: Option<&'a Expression<'a>>,
    slot: u16,
) {
    match (pattern, default) {
        (BindingPattern::AssignmentPattern(inner), None) => parameter(compiler, &inner.left, Some(&inner.right), slot),
        (BindingPattern::BindingIdentifier(id), None) if !is_read_early(compiler, id) => {}
        (BindingPattern::BindingIdentifier(id), Some(default)) if !is_read_early(compiler, id) => {
            let Some(symbol) = id.symbol_id.get() else { return };
            compiler.load_symbol(symbol, id.span);
            destructuring::default_value(compiler, default, Some(id.name.as_str()));
            compiler.init_symbol(symbol, id.span);
        }
        (pattern, default) => {
            compiler.emit_slot(Op::Load, slot);
            compiler.emit_slot(Op::Clear, slot);
            if let Some(default) = default {
                let name = match pattern {
                    BindingPattern::BindingIdentifier(id) => Some(id.name.as_str()),
                    _ => None,
                };
                destructuring::default_value(compiler, default, name);
            }
            let from = matches!(pattern, BindingPattern::ObjectPattern(_)).then(|| "undefined".to_owned());
            destructuring::bind_from(compiler, pattern, true, from);
        }
    }
}

fn is_read_early<'a>(compiler: &Compiler<'a, '_>, id: &BindingIdentifier<'a>) -> bool {
    id.symbol_id.get().is_some_and(|symbol| compiler.plan.variable(symbol).dead_zone)
}

/// Refuses a `var` with the name of a parameter if functions in the parameter list use that name: they would see
/// another variable. ECMA-262 §10.2.11 FunctionDeclarationInstantiation.
fn check_body_variables<'a>(compiler: &mut Compiler<'a, '_>, params: &FormalParameters<'a>, scope: Option<ScopeId>) {
    let Some(scope) = scope else { return };
    let (scoping, nodes) = (compiler.semantic.scoping(), compiler.semantic.nodes());
    let inside = |span: Span| params.span.start <= span.start && span.end <= params.span.end;
    let in_function = |node: NodeId| {
        nodes
            .ancestor_kinds(node)
            .find(|kind| matches!(kind, AstKind::Function(_) | AstKind::ArrowFunctionExpression(_)))
            .is_some_and(|function| inside(function.span()))
    };
    let found = scoping.get_bindings(scope).values().find(|symbol| {
        let declared = nodes.kind(scoping.symbol_declaration(**symbol));
        matches!(declared, AstKind::FormalParameter(_) | AstKind::FormalParameterRest(_))
            && !scoping.symbol_redeclarations(**symbol).is_empty()
            && scoping.get_resolved_references(**symbol).any(|reference| in_function(reference.node_id()))
    });
    if let Some(symbol) = found {
        let span = scoping.symbol_redeclarations(*symbol).last().map_or(params.span, |one| one.span);
        let message = "this variable has the name of a parameter that a function in the parameter list uses";
        compiler.unsupported(span, message, "give it another name");
    }
}

/// The program: the functions of all files, their statements, then the call of the entry's function with the input.
/// ECMA-262 §16.2.1.7.3.1 InitializeEnvironment, §16.2.1.7.3.2 ExecuteModule. Addition: the call of `main`.
pub(super) fn program<'a>(compiler: &mut Compiler<'a, '_>, main: Option<Binding>) {
    let graph = compiler.graph;
    compiler.current.code.add_input_parameter();
    compiler.current.code.function.is_script = graph.form == SourceForm::Script;
    let all = || 0..graph.modules.len();
    for module in all() {
        compiler.enter_module(module);
        compiler.declare_module();
    }
    for module in all() {
        compiler.enter_module(module);
        compiler.declare_imports();
    }
    for module in all() {
        compiler.enter_module(module);
        compiler.hoist_functions(&graph.modules[module].program.body);
    }
    for index in graph.evaluation_order() {
        compiler.enter_module(index);
        let module = &graph.modules[index];
        if module.is_json {
            compiler.push_text(module.source);
            compiler.emit_json(Op::CallNative, json!({ "name": "JSON.parse", "argc": 1 }));
            store_default(compiler);
        }
        let last = graph.last_expression().filter(|_| index == 0);
        // The statements behind it have no code.
        let statements = last.map_or(module.program.body.len(), |(position, _)| position);
        compiler.statements_in_order(&module.program.body[..statements]);
        match last {
            Some((_, function)) if function.is_function() => {
                compiler.expression(function);
                return call_main(compiler);
            }
            Some((_, call)) => {
                compiler.set_location(call.span());
                compiler.expression(call);
                if main.is_none() && graph.is_result(call) {
                    compiler.set_location(call.span());
                    return end_script(compiler);
                }
                if compiler.plan.has_promises {
                    compiler.emit(Op::Await);
                }
                compiler.emit(Op::Pop);
            }
            None => {}
        }
        // The files that import it are evaluated by a job. ECMA-262 §16.2.1.6.1.3.4 AsyncModuleExecutionFulfilled.
        if index > 0 && compiler.plan.has_promises && module.has_top_level_await() {
            compiler.push_undefined();
            compiler.emit(Op::Await);
            compiler.emit(Op::Pop);
        }
    }
    match main {
        Some(main) => {
            match main {
                Binding::Variable(module, symbol) => {
                    compiler.enter_module(module);
                    compiler.load_symbol(symbol, Span::default());
                }
                Binding::Default(module) | Binding::Namespace(module) => {
                    compiler.enter_module(module);
                    if let Some(slot) = compiler.default_slot() {
                        compiler.emit_slot(Op::Load, slot);
                    }
                }
            }
            call_main(compiler);
        }
        None => compiler.emit(Op::Halt),
    }
}

/// `( f -- )` Calls the function with the input, and completes with its value.
fn call_main(compiler: &mut Compiler<'_, '_>) {
    compiler.enter_module(0);
    compiler.emit_slot(Op::Load, 0);
    compiler.emit_json(Op::Call, json!({ "argc": 1, "text": "main" }));
    if compiler.graph.form == SourceForm::Script {
        return end_script(compiler);
    }
    if compiler.plan.has_promises {
        compiler.emit(Op::Await);
    }
    compiler.emit(Op::Return);
}

/// `( value -- )` Completes a script with a value, by the rules of JSON. ECMA-262 §25.5.2 JSON.stringify.
pub(super) fn end_script(compiler: &mut Compiler<'_, '_>) {
    if compiler.plan.has_promises {
        compiler.emit(Op::Await);
    }
    compiler.emit_json(Op::CallNative, json!({ "name": "JSON.stringify", "argc": 1 }));
    let is_text = compiler.new_label();
    compiler.jump(Op::JumpDefinedKeep, is_text);
    compiler.push_text("null");
    compiler.bind_label(is_text);
    compiler.emit_json(Op::CallNative, json!({ "name": "JSON.parse", "argc": 1 }));
    compiler.emit(Op::Return);
}

//! Host calls: `CC`, `call`, `CC.all`, timers and files, with their options.

use oxc_ast::ast::{
    ArrayExpressionElement, ArrowFunctionBody, CallExpression, Expression, ObjectProperty, ObjectPropertyKind,
    Statement,
};
use oxc_span::{GetSpan, Span, min_edit_distance};
use runstate_value::is_equal;
use runstate_value::time::Millis;
use runstate_vm::globals::{CALL_OPTIONS, HostFunction};
use runstate_vm::op::Op;
use runstate_vm::prompt_form;
use serde_json::{Value as Json, json};

use super::call_form::CallForm;
use super::compiler::Compiler;
use super::{names, schema_literal};

const QUESTION_FORM: &str = "write { prompt: \"…\" } or { tool: \"name\", args: … }";

/// Names of host functions and their namespaces, unless the program declares its own.
pub(super) fn is_host_name(name: &str) -> bool {
    matches!(name, "CC" | "fs") || function(name).is_some()
}

/// The host function of this name. A tool is called as a member of `tools`.
fn function(name: &str) -> Option<HostFunction> {
    HostFunction::from_name(name).filter(|function| *function != HostFunction::Tool)
}

/// The arguments of a host function, and an example.
fn usage(function: HostFunction) -> (&'static str, &'static str) {
    match function {
        HostFunction::Call => (
            "the name of a tool and, if wanted, its arguments and options",
            "call(\"tool\", { name: value }, { timeoutMs: 1000 })",
        ),
        HostFunction::Question => ("a prompt and, if wanted, options", "ask(\"prompt\")"),
        HostFunction::Tool => ("one argument and, if wanted, options", "tools.name({ … })"),
        HostFunction::All => ("an array of questions", "CC.all([{ prompt: \"a\" }, { prompt: \"b\" }])"),
        HostFunction::Sleep => ("milliseconds or a text such as \"5s\"", "sleep(\"5s\")"),
        HostFunction::SleepUntil => ("a time", "sleepUntil(\"2030-01-31T09:00:00Z\")"),
        HostFunction::ReadFile => ("a path; the content is read as text", "fs.readFile(\"notes.txt\")"),
        HostFunction::ListFiles => ("a path", "fs.listFiles(\"folder\")"),
        HostFunction::WriteFile => ("a path and a string", "fs.writeFile(\"notes.txt\", text)"),
    }
}

fn namespace_members(root: &str) -> String {
    let members =
        HostFunction::ALL.into_iter().map(HostFunction::name).filter(|name| name.split('.').next() == Some(root));
    members.collect::<Vec<_>>().join(", ")
}

/// Whether a name is that of a host function.
pub(super) fn is_host_function(name: &str) -> bool {
    name == "CC" || function(name).is_some()
}

/// `CC(prompt, options?)`, `ask(prompt, options?)`
fn cognitive_call<'a>(compiler: &mut Compiler<'a, '_>, name: &str, call: &'a CallExpression<'a>, is_open: bool) {
    let takes = format!("{name} takes a prompt and, if wanted, options");
    let form = format!("write {name}(\"prompt\") or {name}(prompt, {{ choices: [...] }})");
    if !check_arity(compiler, call, 1..=2, &takes, &form) {
        return;
    }
    let argument = |index: usize| call.arguments.get(index).and_then(|argument| argument.as_expression());
    if let Some(prompt) = argument(0)
        && let Some(literal) = Literal::of(compiler, prompt)
        && !matches!(literal, Literal::Text(_))
    {
        compiler.unsupported(prompt.span(), format!("{name} has no text as its prompt"), &prompt_form(name));
    }
    if let Some(options) = argument(1) {
        check_options(compiler, name, options, &[]);
    }
    push_arguments(compiler, call);
    compiler.set_location(call.span);
    let argc = call.arguments.len();
    match argc {
        _ if is_open => compiler.emit_json(Op::Open, json!({ "name": name, "argc": argc })),
        _ if name != "CC" => compiler.emit_json(Op::Ask, json!({ "name": name, "argc": argc })),
        1 => compiler.emit(Op::Cc),
        _ => compiler.emit_json(Op::Cc, json!(argc)),
    }
}

/// A host call by a name that the program does not declare. If its place means a promise, or its options name a signal,
/// it is opened, and the value is its promise. False if the name is not a host function.
pub(super) fn host_call<'a>(compiler: &mut Compiler<'a, '_>, name: &str, call: &'a CallExpression<'a>) -> bool {
    let form = compiler.plan.calls.forms.get(&call.span).copied();
    let is_open = form.is_some() || (compiler.plan.has_promises && has_signal(name, call));
    let is_host = match name {
        "CC" | "ask" => {
            cognitive_call(compiler, name, call, is_open);
            true
        }
        _ => named_host_call(compiler, name, call, is_open),
    };
    if form == Some(CallForm::Awaited) {
        compiler.emit_at(Op::Await, call.span);
    }
    is_host
}

fn named_host_call<'a>(
    compiler: &mut Compiler<'a, '_>,
    name: &str,
    call: &'a CallExpression<'a>,
    is_open: bool,
) -> bool {
    let Some(function) = function(name) else { return false };
    let (takes, form) = usage(function);
    if !check_arity(compiler, call, function.arity(), &format!("{name} takes {takes}"), &format!("write {form}")) {
        return true;
    }
    let argument = |index: usize| call.arguments.get(index).and_then(|argument| argument.as_expression());
    match (function, argument(0), argument(2)) {
        (HostFunction::Call, _, Some(options)) => check_options(compiler, name, options, &[]),
        (HostFunction::All, Some(questions), _) => check_questions(compiler, questions),
        (HostFunction::Sleep, Some(time), _) => check_duration(compiler, "sleep", time),
        _ => {}
    }
    push_arguments(compiler, call);
    compiler.set_location(call.span);
    let op = if is_open { Op::Open } else { Op::Ask };
    compiler.emit_json(op, json!({ "name": name, "argc": call.arguments.len() }));
    true
}

/// Whether the options of a call are written with a signal.
fn has_signal(name: &str, call: &CallExpression<'_>) -> bool {
    let options = match name {
        "CC" | "ask" => call.arguments.get(1),
        "call" => call.arguments.get(2),
        _ => None,
    };
    let options = options.and_then(|argument| argument.as_expression());
    let Some(Expression::ObjectExpression(object)) = options.map(Expression::get_inner_expression) else {
        return false;
    };
    object
        .properties
        .iter()
        .any(|property| matches!(property, ObjectPropertyKind::ObjectProperty(property) if is_signal(property)))
}

/// Whether a property has the name of the option.
pub(super) fn is_signal(property: &ObjectProperty<'_>) -> bool {
    !property.computed && names::static_name(&property.key).is_some_and(|name| name == "signal")
}

/// Whether the number of arguments is valid; otherwise it is reported.
pub(super) fn check_arity<'a>(
    compiler: &mut Compiler<'a, '_>,
    call: &CallExpression<'a>,
    count: std::ops::RangeInclusive<u16>,
    message: &str,
    hint: &str,
) -> bool {
    let spread = call.arguments.iter().any(|argument| !argument.is_expression());
    let fits = u16::try_from(call.arguments.len()).is_ok_and(|argc| count.contains(&argc));
    if spread || !fits {
        compiler.unsupported_value(call.span, message, hint);
        return false;
    }
    true
}

fn push_arguments<'a>(compiler: &mut Compiler<'a, '_>, call: &'a CallExpression<'a>) {
    for argument in &call.arguments {
        if let Some(expression) = argument.as_expression() {
            compiler.expression(expression);
        }
    }
}

/// A value that is written where it is used, if it is not a number.
enum Literal {
    Text(String),
    /// An object, an array, a boolean, null or undefined.
    Other,
}

impl Literal {
    fn of<'a>(compiler: &Compiler<'a, '_>, value: &Expression<'a>) -> Option<Literal> {
        match value.get_inner_expression() {
            Expression::StringLiteral(text) => Some(Literal::Text(text.value.to_string())),
            Expression::ObjectExpression(_)
            | Expression::ArrayExpression(_)
            | Expression::BooleanLiteral(_)
            | Expression::NullLiteral(_) => Some(Literal::Other),
            value => names::builtin_root(compiler, value).filter(|name| *name == "undefined").map(|_| Literal::Other),
        }
    }
}

/// Checks a duration that is written as a literal.
fn check_duration<'a>(compiler: &mut Compiler<'a, '_>, owner: &str, time: &Expression<'a>) {
    let is_valid = match Literal::of(compiler, time) {
        Some(Literal::Text(text)) => Millis::from_text(&text).is_some(),
        Some(Literal::Other) => false,
        None => names::builtin_root(compiler, time) != Some("NaN"),
    };
    if !is_valid {
        let message = format!("{owner} takes milliseconds or a text such as \"5s\"");
        compiler.unsupported(time.span(), message, "write a number and a unit: 250ms, 5s, 10m, 1.5h, 2d");
    }
}

/// Checks options in an object literal, so that an unknown name is found before the program runs. The machine checks
/// all others. `extra` are names that are also permitted.
pub(super) fn check_options<'a>(
    compiler: &mut Compiler<'a, '_>,
    owner: &str,
    options: &Expression<'a>,
    extra: &[&str],
) {
    let Expression::ObjectExpression(object) = options.get_inner_expression() else {
        return schema_literal::collect_from_constant(compiler, options);
    };
    let (mut choices, mut default, mut is_complete) = (None, None, true);
    for property in &object.properties {
        let name = match property {
            ObjectPropertyKind::ObjectProperty(one) if !one.computed => names::static_name(&one.key),
            _ => None,
        };
        let (ObjectPropertyKind::ObjectProperty(property), Some(name)) = (property, name) else {
            is_complete = false;
            continue;
        };
        let names = || CALL_OPTIONS.iter().chain(extra).copied();
        if names().any(|one| one == name) {
            match (name.as_ref(), property.value.get_inner_expression()) {
                ("schema", _) => schema_literal::collect(compiler, property.span, &property.value),
                ("timeoutMs", Expression::Identifier(time)) if time.name == "undefined" => {}
                ("timeoutMs", time) => check_duration(compiler, "timeoutMs", time),
                ("choices", Expression::ArrayExpression(choices)) if choices.elements.is_empty() => {
                    let message = format!("{owner} has no choice in `choices`");
                    compiler.unsupported(property.span, message, "leave choices out if any text is an answer");
                }
                // The list of a constant may change.
                ("choices", Expression::Identifier(_)) => {}
                ("choices", value) => choices = check_choices(compiler, value),
                ("default", value) => {
                    default = schema_literal::plain_value(compiler, value).map(|value| (property.span, value));
                }
                _ => {}
            }
            continue;
        }
        let nearest =
            names().map(|one| (min_edit_distance(one, &name), one)).min().filter(|(distance, _)| *distance <= 3);
        let hint = match nearest {
            Some((_, nearest)) => format!("did you mean {nearest}?"),
            None => format!("there are {}", names().collect::<Vec<_>>().join(", ")),
        };
        compiler.unsupported(property.span, format!("{owner} has no option `{name}`"), &hint);
    }
    if let (Some(choices), Some((span, default)), true) = (choices, default, is_complete)
        && !may_be_chosen(&choices, &default)
    {
        let message = "the default is not a valid answer: it is none of the choices";
        compiler.unsupported(span, message, "write one of the choices");
    }
}

/// The choices of a call, if they are a literal. Those that no call takes are refused.
fn check_choices<'a>(compiler: &mut Compiler<'a, '_>, value: &Expression<'a>) -> Option<Vec<Json>> {
    match schema_literal::plain_value(compiler, value)? {
        Json::Null => None,
        Json::Array(choices) if choices.iter().all(|one| one.is_string() || one.is_number() || one.is_boolean()) => {
            Some(choices)
        }
        _ => {
            let message = "choices must be a list of texts, numbers or booleans";
            compiler.unsupported(value.span(), message, "write choices: [\"yes\", \"no\"]");
            None
        }
    }
}

/// Whether a default may be one of the choices. A text may also be the JSON of a choice that is not a text.
fn may_be_chosen(choices: &[Json], default: &Json) -> bool {
    choices.iter().any(|choice| match (choice, default) {
        (_, Json::Null) => true,
        (Json::String(choice), Json::String(default)) => choice.trim() == default.trim(),
        (_, Json::String(_)) => true,
        (choice, default) => is_equal(choice, default),
    })
}

/// Checks questions in an array literal. A call among them would run at once, and its answer would be used as a
/// question.
fn check_questions<'a>(compiler: &mut Compiler<'a, '_>, questions: &Expression<'a>) {
    match questions.get_inner_expression() {
        Expression::ArrayExpression(array) => {
            for element in &array.elements {
                match element {
                    ArrayExpressionElement::SpreadElement(spread) => check_mapped_questions(compiler, &spread.argument),
                    element => {
                        if let Some(element) = element.as_expression() {
                            check_question(compiler, element);
                        }
                    }
                }
            }
        }
        mapped => check_mapped_questions(compiler, mapped),
    }
}

fn check_question<'a>(compiler: &mut Compiler<'a, '_>, question: &Expression<'a>) {
    if let Some(name) = host_call_name(compiler, question) {
        let hint = match name {
            "CC" | "ask" => "write { prompt: \"…\" }, or the prompt itself",
            "call" => "write { tool: \"name\", args: … }",
            _ => "do it before or after",
        };
        let message = format!("{name}(…) makes its own call here, before CC.all makes the others");
        return compiler.unsupported(question.span(), message, hint);
    }
    let Expression::ObjectExpression(object) = question.get_inner_expression() else { return };
    check_options(compiler, "a question of CC.all", question, &["prompt", "tool", "args"]);
    let mut has_unknown_keys = false;
    let mut names = Vec::new();
    for property in &object.properties {
        match property {
            ObjectPropertyKind::ObjectProperty(property) if !property.computed => {
                names.extend(names::static_name(&property.key));
            }
            _ => has_unknown_keys = true,
        }
    }
    let has = |name: &str| names.iter().any(|one| one == name);
    if !has_unknown_keys && has("prompt") == has("tool") {
        let problem = if has("tool") { "both a prompt and a tool" } else { "neither a prompt nor a tool" };
        compiler.unsupported(question.span(), format!("a question of CC.all has {problem}"), QUESTION_FORM);
    }
}

/// Checks `list.map(x => CC(x))` as the argument of `CC.all`.
fn check_mapped_questions<'a>(compiler: &mut Compiler<'a, '_>, mapped: &Expression<'a>) {
    let Expression::CallExpression(call) = mapped.get_inner_expression() else { return };
    let maps = matches!(call.callee.get_inner_expression(), Expression::StaticMemberExpression(member)
        if matches!(member.property.name.as_str(), "map" | "flatMap" | "from"));
    if !maps {
        return;
    }
    for argument in &call.arguments {
        let Some(Expression::ArrowFunctionExpression(arrow)) =
            argument.as_expression().map(Expression::get_inner_expression)
        else {
            continue;
        };
        let element = match &arrow.body {
            ArrowFunctionBody::FunctionBody(body) => match body.statements.last() {
                Some(Statement::ReturnStatement(statement)) => statement.argument.as_ref(),
                _ => None,
            },
            body => body.as_expression(),
        };
        if let Some(element) = element {
            check_question(compiler, element);
        }
    }
}

/// The host function that an expression calls when it is evaluated.
fn host_call_name<'a>(compiler: &Compiler<'a, '_>, expression: &Expression<'a>) -> Option<&'static str> {
    let call = match expression.get_inner_expression() {
        Expression::AwaitExpression(inner) => return host_call_name(compiler, &inner.argument),
        Expression::ConditionalExpression(conditional) => {
            return host_call_name(compiler, &conditional.consequent)
                .or_else(|| host_call_name(compiler, &conditional.alternate));
        }
        Expression::CallExpression(call) => call,
        _ => return None,
    };
    let path = match call.callee.get_inner_expression() {
        Expression::StaticMemberExpression(member) => {
            format!("{}.{}", names::builtin_root(compiler, &member.object)?, member.property.name)
        }
        callee => names::builtin_root(compiler, callee)?.to_owned(),
    };
    if path == "CC" { Some("CC") } else { function(&path).map(HostFunction::name) }
}

/// Reports a host function used as a value.
pub(super) fn host_name_as_value<'a>(compiler: &mut Compiler<'a, '_>, name: &str, span: Span) {
    let hint = match name {
        "CC" | "ask" => format!("write p => {name}(p)"),
        "fs" => "call fs.readFile(path), fs.listFiles(path) or fs.writeFile(path, text)".to_owned(),
        _ if name.starts_with("ask.") => "write Promise.all([ask(\"a\"), ask(\"b\")])".to_owned(),
        _ => match function(name) {
            Some(function) => format!("call it: {}", usage(function).1),
            None => format!("available: {}", namespace_members(name.split('.').next().unwrap_or(name))),
        },
    };
    let message = match name {
        "fs" => "`fs` is not a value here".to_owned(),
        _ if name.contains('.') && function(name).is_none() => format!("`{name}` is not supported"),
        _ => format!("`{name}` can only be called"),
    };
    compiler.unsupported_value(span, message, &hint);
}

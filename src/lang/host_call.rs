//! Host calls: `CC`, `call`, `CC.all`, timers and files, with their options.

use oxc_ast::ast::{
    ArrayExpressionElement, ArrowFunctionBody, CallExpression, Expression, ObjectPropertyKind, Statement,
};
use oxc_span::{GetSpan, Span, min_edit_distance};
use serde_json::json;

use crate::vm::globals::{CALL_OPTIONS, HostFunction};
use crate::vm::op::Op;

use super::compiler::Compiler;

const CC_FORM: &str = "write CC(\"prompt\") or CC(prompt, { choices: [...] })";

const QUESTION_FORM: &str = "write { prompt: \"…\" } or { tool: \"name\", args: … }";

/// Names of host functions and their namespaces, unless the program declares its own.
pub(super) fn is_host_name(name: &str) -> bool {
    matches!(name, "CC" | "fs") || HostFunction::from_name(name).is_some()
}

/// The arguments of a host function, and an example.
fn usage(ask: HostFunction) -> (&'static str, &'static str) {
    match ask {
        HostFunction::Call => (
            "the name of a tool and, if wanted, its arguments and options",
            "call(\"tool\", { name: value }, { timeoutMs: 1000 })",
        ),
        HostFunction::All => ("an array of questions", "CC.all([{ prompt: \"a\" }, { prompt: \"b\" }])"),
        HostFunction::Sleep => ("milliseconds", "sleep(1000)"),
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

impl<'a> Compiler<'a, '_> {
    /// `CC(prompt, options?)`
    fn cognitive_call(&mut self, call: &'a CallExpression<'a>) {
        if !self.check_arity(call, 1..=2, "CC takes a prompt and, if wanted, options", CC_FORM) {
            return;
        }
        if let Some(options) = call.arguments.get(1).and_then(|argument| argument.as_expression()) {
            self.check_options("CC", options, &[]);
        }
        self.push_arguments(call);
        self.set_location(call.span);
        let argc = call.arguments.len();
        if argc == 1 { self.emit(Op::Cc) } else { self.emit_json(Op::Cc, json!(argc)) }
    }

    /// A host call by a name that the program does not declare. False if the name is not a host function.
    pub(super) fn host_call(&mut self, name: &str, call: &'a CallExpression<'a>) -> bool {
        if name == "CC" {
            self.cognitive_call(call);
            return true;
        }
        let Some(ask) = HostFunction::from_name(name) else { return false };
        let (takes, form) = usage(ask);
        if !self.check_arity(call, ask.arity(), &format!("{name} takes {takes}"), &format!("write {form}")) {
            return true;
        }
        let given = |index: usize| call.arguments.get(index).and_then(|argument| argument.as_expression());
        match (ask, given(0), given(2)) {
            (HostFunction::Call, _, Some(options)) => self.check_options(name, options, &[]),
            (HostFunction::All, Some(questions), _) => self.check_questions(questions),
            _ => {}
        }
        self.push_arguments(call);
        self.set_location(call.span);
        self.emit_json(Op::Ask, json!({ "name": name, "argc": call.arguments.len() }));
        true
    }

    /// Whether the number of arguments is valid; otherwise it is reported.
    fn check_arity(
        &mut self,
        call: &CallExpression<'a>,
        count: std::ops::RangeInclusive<u16>,
        message: &str,
        hint: &str,
    ) -> bool {
        let spread = call.arguments.iter().any(|argument| !argument.is_expression());
        let fits = u16::try_from(call.arguments.len()).is_ok_and(|given| count.contains(&given));
        if spread || !fits {
            self.unsupported_value(call.span, message, hint);
            return false;
        }
        true
    }

    fn push_arguments(&mut self, call: &'a CallExpression<'a>) {
        for argument in &call.arguments {
            if let Some(expression) = argument.as_expression() {
                self.expression(expression);
            }
        }
    }

    /// Checks options in an object literal, so that an unknown name is found before the program runs. The machine checks all others.
    /// `beside` are names that are also permitted.
    fn check_options(&mut self, whose: &str, options: &Expression<'a>, beside: &[&str]) {
        let Expression::ObjectExpression(object) = options.get_inner_expression() else { return };
        for property in &object.properties {
            let ObjectPropertyKind::ObjectProperty(property) = property else { continue };
            let Some(name) = property.key.static_name().filter(|_| !property.computed) else { continue };
            let known = || CALL_OPTIONS.iter().chain(beside).copied();
            if known().any(|one| one == name) {
                continue;
            }
            let near =
                known().map(|one| (min_edit_distance(one, &name), one)).min().filter(|(distance, _)| *distance <= 3);
            let hint = match near {
                Some((_, near)) => format!("did you mean {near}?"),
                None => format!("there are {}", known().collect::<Vec<_>>().join(", ")),
            };
            self.unsupported(property.span, format!("{whose} has no option `{name}`"), &hint);
        }
    }

    /// Checks questions in an array literal. A call among them would run at once, and its answer would be used as a question.
    fn check_questions(&mut self, questions: &Expression<'a>) {
        match questions.get_inner_expression() {
            Expression::ArrayExpression(array) => {
                for element in &array.elements {
                    match element {
                        ArrayExpressionElement::SpreadElement(spread) => self.check_mapped_questions(&spread.argument),
                        element => {
                            if let Some(element) = element.as_expression() {
                                self.check_question(element);
                            }
                        }
                    }
                }
            }
            mapped => self.check_mapped_questions(mapped),
        }
    }

    fn check_question(&mut self, question: &Expression<'a>) {
        if let Some(name) = self.host_call_name(question) {
            let hint = match name {
                "CC" => "write { prompt: \"…\" }, or the prompt itself",
                "call" => "write { tool: \"name\", args: … }",
                _ => "do it before or after",
            };
            let message = format!("{name}(…) makes its own call here, before CC.all makes the others");
            return self.unsupported(question.span(), message, hint);
        }
        let Expression::ObjectExpression(object) = question.get_inner_expression() else { return };
        self.check_options("a question of CC.all", question, &["prompt", "tool", "args"]);
        let mut open = false;
        let mut names = Vec::new();
        for property in &object.properties {
            match property {
                ObjectPropertyKind::ObjectProperty(property) if !property.computed => {
                    names.extend(property.key.static_name());
                }
                _ => open = true,
            }
        }
        let has = |name: &str| names.iter().any(|one| one == name);
        if !open && has("prompt") == has("tool") {
            let both = if has("tool") { "both a prompt and a tool" } else { "neither a prompt nor a tool" };
            self.unsupported(question.span(), format!("a question of CC.all has {both}"), QUESTION_FORM);
        }
    }

    /// Checks `list.map(x => CC(x))` as the argument of `CC.all`.
    fn check_mapped_questions(&mut self, mapped: &Expression<'a>) {
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
            let given = match &arrow.body {
                ArrowFunctionBody::FunctionBody(body) => match body.statements.last() {
                    Some(Statement::ReturnStatement(one)) => one.argument.as_ref(),
                    _ => None,
                },
                body => body.as_expression(),
            };
            if let Some(given) = given {
                self.check_question(given);
            }
        }
    }

    /// The host function that an expression calls when it is evaluated.
    fn host_call_name(&self, expression: &Expression<'a>) -> Option<&'static str> {
        let call = match expression.get_inner_expression() {
            Expression::AwaitExpression(waits) => return self.host_call_name(&waits.argument),
            Expression::ConditionalExpression(either) => {
                return self.host_call_name(&either.consequent).or_else(|| self.host_call_name(&either.alternate));
            }
            Expression::CallExpression(call) => call,
            _ => return None,
        };
        let path = match call.callee.get_inner_expression() {
            Expression::StaticMemberExpression(member) => {
                format!("{}.{}", self.builtin_root(&member.object)?, member.property.name)
            }
            callee => self.builtin_root(callee)?.to_owned(),
        };
        if path == "CC" { Some("CC") } else { HostFunction::from_name(&path).map(HostFunction::name) }
    }

    /// Reports a host function used as a value.
    pub(super) fn host_name_as_value(&mut self, name: &str, span: Span) {
        let hint = match name {
            "CC" => "write p => CC(p)".to_owned(),
            "fs" => "call fs.readFile(path), fs.listFiles(path) or fs.writeFile(path, text)".to_owned(),
            _ => match HostFunction::from_name(name) {
                Some(ask) => format!("call it: {}", usage(ask).1),
                None => format!("available: {}", namespace_members(name.split('.').next().unwrap_or(name))),
            },
        };
        let message = match name {
            "fs" => "`fs` is not a value here".to_owned(),
            _ if name.contains('.') && HostFunction::from_name(name).is_none() => format!("`{name}` is not supported"),
            _ => format!("`{name}` can only be called"),
        };
        self.unsupported_value(span, message, &hint);
    }
}

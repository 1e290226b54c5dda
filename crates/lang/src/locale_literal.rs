//! Locales, currencies and time zones that are literals. Those that `Intl` and the machine refuse are found when the
//! program is loaded, with the words of the error that they would be.

use oxc_ast::ast::{Argument, Expression, ObjectPropertyKind, StaticMemberExpression};
use oxc_span::GetSpan;
use serde_json::Value as Json;

use super::compiler::Compiler;
use super::{names, prelude, schema_literal};

/// Checks the arguments of a class of `Intl`, or of a method that takes a locale.
pub(super) fn check<'a>(
    compiler: &mut Compiler<'a, '_>,
    callee: &StaticMemberExpression<'a>,
    arguments: &[Argument<'a>],
) {
    let name = callee.property.name.as_str();
    let is_intl = matches!(callee.object.get_inner_expression(),
        Expression::Identifier(id) if id.name == "Intl" && compiler.resolve_symbol(id).is_none());
    // Where the locale is, and whether it may be one other than English.
    let (at, is_any) = match (name, is_intl) {
        ("DateTimeFormat" | "NumberFormat", true) => (0, true),
        ("Collator" | "ListFormat" | "PluralRules" | "RelativeTimeFormat", true) => (0, false),
        ("toLocaleDateString" | "toLocaleString" | "toLocaleTimeString", false) => (0, true),
        ("toLocaleLowerCase" | "toLocaleUpperCase", false) => (0, false),
        ("localeCompare", false) => (1, false),
        _ => return,
    };
    if !is_intl && compiler.plan.own_properties.contains(name) {
        return;
    }
    let mut values = arguments.iter().map_while(|argument| argument.as_expression()).skip(at);
    if let Some(locale) = values.next()
        && let Some(Json::String(tag)) = schema_literal::plain_value(compiler, locale)
        && let Some(message) = locale_refusal(&tag, is_any)
    {
        compiler.unsupported(locale.span(), message, "write \"en-US\"");
    }
    let has_currency = matches!(name, "NumberFormat" | "toLocaleString");
    let has_zone = matches!(name, "DateTimeFormat" | "toLocaleDateString" | "toLocaleString" | "toLocaleTimeString");
    if let Some(options) = values.next().filter(|_| has_currency || has_zone) {
        check_options(compiler, options, has_currency, has_zone);
    }
}

fn check_options<'a>(compiler: &mut Compiler<'a, '_>, options: &Expression<'a>, has_currency: bool, has_zone: bool) {
    let Expression::ObjectExpression(object) = options.get_inner_expression() else { return };
    let is_spread = |property: &ObjectPropertyKind<'a>| matches!(property, ObjectPropertyKind::SpreadProperty(_));
    // A spread may replace an option.
    if object.properties.iter().any(is_spread) {
        return;
    }
    for property in &object.properties {
        let ObjectPropertyKind::ObjectProperty(property) = property else { continue };
        let Some(name) = names::static_name(&property.key).filter(|_| !property.computed) else { continue };
        let is_currency = match name.as_ref() {
            "currency" if has_currency => true,
            "timeZone" if has_zone => false,
            _ => continue,
        };
        let Some(Json::String(text)) = schema_literal::plain_value(compiler, &property.value) else { continue };
        let (message, hint) = match is_currency {
            true => (currency_refusal(&text), "write its code of ISO 4217, as \"EUR\""),
            false => (zone_refusal(compiler, &text), "write its name of the IANA database, as \"Europe/Berlin\""),
        };
        if let Some(message) = message {
            compiler.unsupported(property.value.span(), message, hint);
        }
    }
}

/// Why a locale is refused. ECMA-402 §9.2.1 CanonicalizeLocaleList.
fn locale_refusal(tag: &str, is_any: bool) -> Option<String> {
    let mut parts = tag.split('-');
    let language = parts.next().unwrap_or_default();
    let is_tag = matches!(language.len(), 2 | 3 | 5..=8)
        && language.bytes().all(|byte| byte.is_ascii_alphabetic())
        && parts.all(|part| matches!(part.len(), 1..=8) && part.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    if !is_tag {
        return Some("Incorrect locale information provided".to_owned());
    }
    // A language alone means the first locale of it.
    let is_foreign = |known: &&str| {
        known.eq_ignore_ascii_case(tag) || known.split('-').next().is_some_and(|one| one.eq_ignore_ascii_case(tag))
    };
    let is_known = ["default", "en", "en-US"].iter().any(|known| known.eq_ignore_ascii_case(tag))
        || (is_any && prelude::FOREIGN_LOCALES.iter().any(is_foreign));
    (!is_known).then(|| match is_any {
        true => format!("the locale {tag} is not supported"),
        false => format!("locales other than en-US are not supported: {tag}"),
    })
}

/// Why a currency is refused. ECMA-402 §6.3.1 IsWellFormedCurrencyCode.
fn currency_refusal(code: &str) -> Option<String> {
    let is_code = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_alphabetic());
    (!is_code).then(|| format!("Invalid currency code : {code}"))
}

/// Why a time zone is refused. ECMA-402 §6.5.1 Time Zone Identifiers.
fn zone_refusal(compiler: &Compiler<'_, '_>, zone: &str) -> Option<String> {
    let is_name = zone.len() >= 2 && zone.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/_+-".contains(&byte));
    if !is_name {
        return Some(format!("Invalid time zone specified: {zone}"));
    }
    let name = zone.to_ascii_lowercase();
    let is_utc = ["gmt", "uct", "universal", "utc", "zulu"].contains(&name.strip_prefix("etc/").unwrap_or(&name));
    (!is_utc && !prelude::is_zone(&compiler.graph.modules, zone))
        .then(|| format!("the time zone `{zone}` is not known here"))
}

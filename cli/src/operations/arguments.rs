//! Arguments of operations: declared from the schema of the parameters, and read as JSON. Whether a value is valid is
//! decided by the operation, so that the message is the same everywhere.

use clap::builder::PossibleValue;
use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches};
use runstate::operation::ParameterDeclaration;
use serde_json::{Number, Value as Json};

use super::schema::{ValueKind, ValueSchema, split_words};
use crate::commands::read_json;
use crate::error::{CliError, usage};
use crate::time_format::{duration_millis, parse_duration, parse_time};

/// The flags of every command, which no parameter can have.
const TAKEN: [&str; 6] = ["store", "json", "color", "help", "command-id", "yes"];

/// The flag of a parameter, and its id: a positional argument has the id alone.
pub fn flag(parameter: &ParameterDeclaration) -> String {
    let flag = split_words(parameter.name, '-');
    if TAKEN.contains(&flag.as_str()) { format!("{flag}-value") } else { flag }
}

/// Declares the argument of a parameter. `position`: it has no flag; `several`: the subject may be repeated; `splits`:
/// the texts of a list are names.
pub fn declare(
    parameter: &ParameterDeclaration,
    schema: ValueSchema<'_>,
    help: &str,
    position: bool,
    several: bool,
    splits: bool,
) -> Arg {
    let position = position || parameter.subject;
    let value_name = split_words(parameter.name, '_').to_uppercase();
    let help = format!("{}{}", help.trim_end_matches('.'), forms(parameter, schema, splits));
    let arg = Arg::new(flag(parameter)).required(parameter.required).help(help);
    let arg = if position {
        arg.value_name(value_name).action(if several { ArgAction::Append } else { ArgAction::Set })
    } else {
        let flag = flag(parameter);
        // A size and a duration have their unit: `--heap 64MiB`, `--deadline 5m`.
        let short = match schema.kind() {
            ValueKind::Duration => flag.strip_suffix("-ms"),
            kind => flag.strip_suffix("-bytes").filter(|_| is_size(parameter, &kind)),
        };
        let arg = short.map(str::to_owned).into_iter().fold(arg, Arg::alias);
        arg.long(flag).allow_hyphen_values(true)
    };
    match schema.kind() {
        ValueKind::List => {
            let Some(items) = schema.items() else { return arg.action(ArgAction::Append) };
            let arg = value_form(arg, items.kind(), position).action(ArgAction::Append);
            // A number or a word contains no comma.
            if matches!(items.kind(), ValueKind::Number | ValueKind::Words(_)) { arg.value_delimiter(',') } else { arg }
        }
        kind => value_form(arg, kind, position),
    }
}

/// Whether a number is one of bytes, which may be written with its unit.
fn is_size(parameter: &ParameterDeclaration, kind: &ValueKind) -> bool {
    *kind == ValueKind::Number && parameter.name.ends_with("Bytes")
}

/// The forms of a value that its schema does not show, for the end of the help of a flag.
fn forms(parameter: &ParameterDeclaration, schema: ValueSchema<'_>, splits: bool) -> &'static str {
    match (schema.kind(), schema.items().map(ValueSchema::kind)) {
        (ValueKind::Time, _) | (ValueKind::List, Some(ValueKind::Time)) => ": `5m` ago, `+5m` from now, or RFC 3339",
        (ValueKind::Object | ValueKind::Any, _)
        | (ValueKind::List, None | Some(ValueKind::Object | ValueKind::Any | ValueKind::List)) => {
            ": JSON, `@FILE` with it, or `-` for standard input"
        }
        (ValueKind::List, Some(ValueKind::Text)) if splits => ", joined by commas",
        (ValueKind::Duration, _) => ": `5m`, or milliseconds",
        (kind, _) if is_size(parameter, &kind) => ": `64MiB`, or a number",
        _ => "",
    }
}

fn value_form(arg: Arg, kind: ValueKind, subject: bool) -> Arg {
    let name = match kind {
        // The name of the parameter says what it is.
        _ if subject => return arg,
        ValueKind::Words(words) => {
            let values = words.into_iter().map(|(word, help)| PossibleValue::new(word).help(sentence(&help)));
            return arg.value_name("WORD").value_parser(PossibleValuesParser::new(values));
        }
        ValueKind::Flag => {
            let arg = arg.num_args(0..=1).require_equals(true).default_missing_value("true").allow_hyphen_values(false);
            return arg.value_name("BOOL").value_parser(["true", "false"]).hide_possible_values(true);
        }
        ValueKind::Text => "TEXT",
        ValueKind::Number => "N",
        ValueKind::Time => "WHEN",
        ValueKind::Duration => "MS",
        ValueKind::List | ValueKind::Object | ValueKind::Any => "JSON",
    };
    arg.value_name(name)
}

/// Reads the argument of a parameter; `None`: it was not given. `splits`: the texts of a list are names.
pub fn read(
    matches: &ArgMatches,
    parameter: &ParameterDeclaration,
    schema: ValueSchema<'_>,
    splits: bool,
) -> Result<Option<Json>, CliError> {
    let Some(mut texts) = matches.get_many::<String>(&flag(parameter)) else { return Ok(None) };
    let value = |schema: ValueSchema<'_>, text: &str| read_value(parameter, schema.kind(), text);
    if let (ValueKind::List, Some(items)) = (schema.kind(), schema.items()) {
        let mut list = Vec::new();
        for text in texts {
            if splits && items.kind() == ValueKind::Text {
                list.extend(read_names(parameter, text)?);
                continue;
            }
            match value(items, text)? {
                // Several elements in one text, as in a file.
                Json::Array(several) if matches!(items.kind(), ValueKind::Object) => list.extend(several),
                one => list.push(one),
            }
        }
        return Ok(Some(Json::Array(list)));
    }
    texts.next().map(|text| value(schema, text)).transpose()
}

/// Reads names that commas join. A name with a comma is written in a JSON list.
fn read_names(parameter: &ParameterDeclaration, text: &str) -> Result<Vec<Json>, CliError> {
    if text.starts_with('[') {
        return match read_value(parameter, ValueKind::List, text)? {
            Json::Array(names) => Ok(names),
            other => Ok(vec![other]),
        };
    }
    Ok(text.split(',').map(|name| name.trim().into()).collect())
}

/// Whether the argument is a time that depends on when it is read: `5m`, `+5m`.
pub fn is_relative_time(matches: &ArgMatches, parameter: &ParameterDeclaration, schema: ValueSchema<'_>) -> bool {
    let mut texts = matches.get_many::<String>(&flag(parameter)).into_iter().flatten();
    let is_absolute = |text: &String| text.contains('T') || text.bytes().all(|byte| byte.is_ascii_digit());
    schema.kind() == ValueKind::Time && texts.any(|text| !is_absolute(text))
}

/// Reads one value of a parameter.
pub fn read_value(parameter: &ParameterDeclaration, kind: ValueKind, text: &str) -> Result<Json, CliError> {
    let flag = || if parameter.subject { parameter.name.to_owned() } else { format!("--{}", flag(parameter)) };
    let number = || serde_json::from_str::<Number>(text).map_or_else(|_| text.into(), Json::Number);
    Ok(match kind {
        kind if is_size(parameter, &kind) => {
            // The operation refuses a text that is not a size.
            text.parse::<bytesize::ByteSize>().map_or_else(|_| text.into(), |size| size.as_u64().into())
        }
        ValueKind::Text | ValueKind::Words(_) => text.into(),
        ValueKind::Flag => (text == "true").into(),
        ValueKind::Duration => match (parse_duration(text), number()) {
            (Ok(span), _) => duration_millis(span).0.into(),
            (Err(_), millis @ Json::Number(_)) => millis,
            (Err(reason), _) => return Err(usage(format!("{}: {reason}, or milliseconds", flag()))),
        },
        ValueKind::Number => number(),
        ValueKind::Time if text.bytes().all(|byte| byte.is_ascii_digit()) => number(),
        ValueKind::Time => {
            let at = parse_time(text).map_err(|reason| usage(format!("{}: {reason}", flag())))?;
            at.as_millis().into()
        }
        ValueKind::List | ValueKind::Object | ValueKind::Any => read_json(&flag(), text)?,
    })
}

/// Checks the number of rows of a listing, which is read page by page.
pub fn parse_limit(text: &str) -> Result<String, String> {
    let valid = text.parse::<u32>().is_ok_and(|limit| limit > 0);
    if valid { Ok(text.to_owned()) } else { Err("it must be a whole number from 1 to 4294967295".to_owned()) }
}

/// The first sentence of a documentation, without its full stop, as the help of a flag is written.
pub fn sentence(documentation: &str) -> String {
    let first = documentation.split("\n\n").next().unwrap_or_default().replace('\n', " ");
    let end = first.find(". ").unwrap_or(first.len());
    first[..end].trim_end_matches('.').to_owned()
}

/// The paragraphs of a documentation, each on one line: the help is wrapped to the terminal. Rows of tables keep their
/// lines.
pub fn paragraphs(documentation: &str) -> String {
    let lines = |paragraph: &str| {
        let is_table = paragraph.starts_with('|');
        let lines = paragraph.lines().map(str::trim).filter(|line| !line.starts_with("|--"));
        lines.collect::<Vec<_>>().join(if is_table { "\n" } else { " " })
    };
    documentation.trim().split("\n\n").map(lines).collect::<Vec<_>>().join("\n\n")
}

/// Returns the text in an example for a required parameter.
pub fn example_value(parameter: &ParameterDeclaration, kind: &ValueKind) -> String {
    let value = match kind {
        ValueKind::Words(words) => words.first().map(|(word, _)| word.clone()).unwrap_or_default(),
        ValueKind::Number | ValueKind::Duration => "1".to_owned(),
        ValueKind::Time => "+5m".to_owned(),
        ValueKind::Text | ValueKind::List if parameter.subject => split_words(parameter.name, '_').to_uppercase(),
        ValueKind::Text | ValueKind::List => "TEXT".to_owned(),
        ValueKind::Flag => "true".to_owned(),
        ValueKind::Object | ValueKind::Any => "'{\"a\": 1}'".to_owned(),
    };
    if parameter.subject { value } else { format!("--{} {value}", flag(parameter)) }
}

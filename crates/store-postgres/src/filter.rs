//! Filters as conditions of SQL. A condition selects at least the documents that match; the reference implementation
//! (`store::eval`) checks the others. Each condition is true or false, or null for false, and is negated by `IS NOT
//! TRUE`.

use runstate_core::schema::{Filter, Index, IndexKind, Kind, Predicate, parse_decimal};
use runstate_value::{Json, words};

use super::codec::{MAX_KEY_BYTES, encode_json, encode_value, escape, indexed_word, sort_key};
use super::layout::{ColumnType, REST, TableLayout, key_column, words_column};
use super::statement::{MIN_TIMESTAMP_MS, Param, bind, quote, quote_text};

/// Deeper filters are not translated, since the server limits the depth of an expression.
const MAX_DEPTH: usize = 30;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct SqlCondition {
    pub(super) text: String,
    /// Whether it selects exactly the documents that match.
    pub(super) exact: bool,
}

impl SqlCondition {
    pub(super) fn exact(text: impl Into<String>) -> Self {
        Self { text: text.into(), exact: true }
    }

    pub(super) fn superset(text: impl Into<String>) -> Self {
        Self { text: text.into(), exact: false }
    }

    /// Every document.
    fn every() -> Self {
        Self::exact("true")
    }

    fn none() -> Self {
        Self::exact("false")
    }

    /// A part of a filter that only the reference implementation evaluates.
    fn scan() -> Self {
        Self::superset("true")
    }

    pub(super) fn all(parts: impl IntoIterator<Item = Self>) -> Self {
        Self::join(parts, " AND ", "true", "false")
    }

    fn any(parts: impl IntoIterator<Item = Self>) -> Self {
        Self::join(parts, " OR ", "false", "true")
    }

    fn join(parts: impl IntoIterator<Item = Self>, operator: &str, neutral: &str, absorbing: &str) -> Self {
        let (mut texts, mut exact) = (Vec::new(), true);
        for part in parts {
            if part.text == absorbing && part.exact {
                return part;
            }
            exact &= part.exact;
            if part.text != neutral {
                texts.push(part.text);
            }
        }
        if texts.iter().any(|text| text == absorbing) {
            return Self { text: absorbing.to_owned(), exact };
        }
        let text = match texts.as_slice() {
            [] => neutral.to_owned(),
            [one] => one.clone(),
            _ => format!("({})", texts.join(operator)),
        };
        Self { text, exact }
    }
}

/// The condition of a filter. Its parameters are added to `params`.
pub(super) fn translate(layout: &TableLayout, filter: &Filter, params: &mut Vec<Param>) -> SqlCondition {
    translate_part(layout, filter, params, MAX_DEPTH)
}

fn translate_part(layout: &TableLayout, filter: &Filter, params: &mut Vec<Param>, levels: usize) -> SqlCondition {
    let Some(levels) = levels.checked_sub(1) else { return SqlCondition::scan() };
    match filter {
        Filter::All => SqlCondition::every(),
        Filter::And(all) => SqlCondition::all(all.iter().map(|part| translate_part(layout, part, params, levels))),
        Filter::Or(any) => SqlCondition::any(any.iter().map(|part| translate_part(layout, part, params, levels))),
        Filter::Not(inner) => match translate_part(layout, inner, params, levels) {
            SqlCondition { text, exact: true } => SqlCondition::exact(format!("({text}) IS NOT TRUE")),
            _ => SqlCondition::scan(),
        },
        Filter::Eq(path, value) => equals(layout, path, value, params),
        Filter::Ne(path, value) => match equals(layout, path, value, params) {
            SqlCondition { text, exact: true } => SqlCondition::exact(format!("({text}) IS NOT TRUE")),
            _ => SqlCondition::scan(),
        },
        Filter::In(path, values) => equals_any(layout, path, values, params),
        Filter::Lt(path, value) => compares(layout, path, "<", value, params),
        Filter::Lte(path, value) => compares(layout, path, "<=", value, params),
        Filter::Gt(path, value) => compares(layout, path, ">", value, params),
        Filter::Gte(path, value) => compares(layout, path, ">=", value, params),
        Filter::Exists(path, exists) => match (exists_at(layout, path), exists) {
            (Some(text), true) => SqlCondition::exact(text),
            (Some(text), false) => {
                missing(layout, path).unwrap_or_else(|| SqlCondition::exact(format!("NOT ({text})")))
            }
            (None, _) => SqlCondition::scan(),
        },
        Filter::Contains(path, value) => contains(layout, path, value, params),
        Filter::Text(path, wanted) => has_words(layout, path, wanted, params),
    }
}

/// The column of a field, qualified: without the table, an order would read a column of the result of the same name.
pub(super) fn column(name: &str) -> String {
    format!("t.{}", quote(name))
}

/// The JSON value at a path, or null if it is missing. None: the path leads through a column of another type.
fn json_at(layout: &TableLayout, path: &str) -> Option<String> {
    let mut parts = path.split('.');
    let top = parts.next()?;
    let mut text = match layout.columns.get(top) {
        Some(ColumnType::Json) => column(top),
        Some(_) => return None,
        None => format!("{} -> {}", column(REST), quote_text(&escape(top))),
    };
    for part in parts {
        text = format!("{text} -> {}", quote_text(&escape(part)));
    }
    (!path.contains('\0')).then_some(format!("({text})"))
}

/// The condition that a field exists, as null too.
fn exists_at(layout: &TableLayout, path: &str) -> Option<String> {
    match layout.scalar_column(path) {
        Some(_) => Some(format!("({} IS NOT NULL OR {} ? {})", column(path), column(REST), quote_text(&escape(path)))),
        None => json_at(layout, path).map(|value| format!("{value} IS NOT NULL")),
    }
}

/// The condition that a field is missing, in the form of a partial index.
fn missing(layout: &TableLayout, path: &str) -> Option<SqlCondition> {
    let text = match layout.scalar_column(path) {
        Some(_) => format!("({} IS NULL AND NOT {} ? {})", column(path), column(REST), quote_text(&escape(path))),
        None => format!("{} IS NULL", json_at(layout, path)?),
    };
    Some(SqlCondition::exact(text))
}

/// An operand for a column.
enum Operand {
    /// The column's comparison is that of the reference implementation.
    Exact(Param),
    /// The column may hold the value, but it does not distinguish it from others.
    Inexact(Param),
    /// A number for a column of integers.
    Double(f64),
    /// No value of the column has this kind.
    OtherKind,
    /// A text that no value of the column is equal to.
    OtherText,
}

fn operand(column: ColumnType, value: &Json) -> Operand {
    match (column, value) {
        (ColumnType::Int | ColumnType::Integer, Json::Number(number)) => match encode_value(ColumnType::Int, value) {
            Some(param) => Operand::Exact(param),
            None => number.as_f64().map_or(Operand::OtherKind, Operand::Double),
        },
        (ColumnType::Timestamp, Json::Number(number)) => match encode_value(column, value) {
            Some(param @ Param::Timestamp(_)) => Operand::Exact(param),
            Some(param) => Operand::Inexact(param),
            // Beyond the safe integers, or between milliseconds.
            None => match number.as_f64() {
                #[expect(clippy::cast_precision_loss, reason = "a limit far from the number")]
                Some(number) if number < MIN_TIMESTAMP_MS as f64 => Operand::Inexact(Param::EarliestTime),
                _ => Operand::Inexact(Param::Null(tokio_postgres::types::Type::TIMESTAMPTZ)),
            },
        },
        (ColumnType::Number(..), Json::String(_)) => operand(ColumnType::Decimal, value),
        (ColumnType::Uuid | ColumnType::Date, Json::String(_)) => {
            encode_value(column, value).map_or(Operand::OtherText, Operand::Exact)
        }
        (ColumnType::Decimal, Json::String(text)) if parse_decimal(text).is_none() => Operand::OtherKind,
        _ => encode_value(column, value).map_or(Operand::OtherKind, Operand::Exact),
    }
}

/// The placeholder of an operand, with the cast that its column needs.
fn bind_operand(column: ColumnType, param: Param, params: &mut Vec<Param>) -> String {
    let placeholder = bind(params, param);
    format!("{placeholder}{}", column.cast())
}

fn equals(layout: &TableLayout, path: &str, value: &Json, params: &mut Vec<Param>) -> SqlCondition {
    if let Some(kind) = layout.scalar_column(path) {
        let name = column(path);
        if value.is_null() {
            return SqlCondition::exact(format!("{name} IS NULL"));
        }
        return match operand(kind, value) {
            Operand::Exact(param) => SqlCondition::exact(format!("{name} = {}", bind_operand(kind, param, params))),
            Operand::Inexact(Param::Null(_)) => SqlCondition::scan(),
            Operand::Inexact(param) => SqlCondition::superset(format!("{name} = {}", bind(params, param))),
            // Beyond the safe integers, or not whole.
            Operand::Double(number) => {
                SqlCondition::exact(format!("{name}::double precision = {}", bind(params, Param::Float(number))))
            }
            Operand::OtherKind | Operand::OtherText => SqlCondition::none(),
        };
    }
    let kind = layout.collection.kind_of(path);
    if layout.has_key(path) {
        let key = sort_key(kind, value);
        let text = format!("{} = {}", column(&key_column(path)), bind(params, Param::Bytes(key)));
        return SqlCondition { text, exact: kind != Kind::Decimal };
    }
    match json_at(layout, path) {
        Some(found) if kind != Kind::Decimal => {
            let wanted = bind(params, encode_json(value));
            SqlCondition::exact(if value.is_null() {
                format!("coalesce({found}, 'null'::jsonb) = {wanted}")
            } else {
                format!("{found} = {wanted}")
            })
        }
        _ => SqlCondition::scan(),
    }
}

/// One scan of an index for all values.
fn equals_any(layout: &TableLayout, path: &str, values: &[Json], params: &mut Vec<Param>) -> SqlCondition {
    if layout.scalar_column(path).is_some_and(ColumnType::is_text)
        && values.iter().all(Json::is_string)
        && values.len() > 1
    {
        let texts = values.iter().filter_map(Json::as_str).map(|text| escape(text).into_owned()).collect();
        return SqlCondition::exact(format!("{} = ANY({})", column(path), bind(params, Param::Texts(texts))));
    }
    let each: Vec<SqlCondition> = values.iter().map(|value| equals(layout, path, value, params)).collect();
    SqlCondition::any(each)
}

fn compares(layout: &TableLayout, path: &str, operator: &str, value: &Json, params: &mut Vec<Param>) -> SqlCondition {
    if value.is_null() {
        // Null is equal to null, and not comparable with anything else.
        return if operator.len() > 1 { equals(layout, path, value, params) } else { SqlCondition::none() };
    }
    if let Some(kind) = layout.scalar_column(path) {
        let name = column(path);
        return match operand(kind, value) {
            Operand::Exact(param) => {
                SqlCondition::exact(format!("{name} {operator} {}", bind_operand(kind, param, params)))
            }
            Operand::Inexact(Param::Null(_)) => SqlCondition::scan(),
            Operand::Inexact(param) => {
                let inclusive = &operator[..1];
                SqlCondition::superset(format!("{name} {inclusive}= {}", bind(params, param)))
            }
            Operand::Double(number) => SqlCondition::exact(format!(
                "{name}::double precision {operator} {}",
                bind(params, Param::Float(number))
            )),
            Operand::OtherKind => SqlCondition::none(),
            Operand::OtherText => SqlCondition::scan(),
        };
    }
    let kind = layout.collection.kind_of(path);
    let key = sort_key(kind, value);
    // The keys of one kind of value have one first byte; those of the two truths have two.
    let Some(rank) = key.first().copied().filter(|_| layout.has_key(path) && kind != Kind::Decimal) else {
        return SqlCondition::scan();
    };
    let (first, last) = if value.is_boolean() { (0x10, 0x11) } else { (rank, rank) };
    let name = column(&key_column(path));
    let exact = key.len() < MAX_KEY_BYTES;
    let operator = if exact { operator } else { if operator.starts_with('<') { "<=" } else { ">=" } };
    let limit = bind(params, Param::Bytes(if exact { key } else { long_key_limit(&key, operator) }));
    let (from, to) = (bind(params, Param::Bytes(vec![first])), bind(params, Param::Bytes(vec![last + 1])));
    SqlCondition { text: format!("({name} {operator} {limit} AND {name} >= {from} AND {name} < {to})"), exact }
}

/// A limit for keys that end with a digest: all keys with the same beginning are within it.
fn long_key_limit(key: &[u8], operator: &str) -> Vec<u8> {
    let mut limit = key[..MAX_KEY_BYTES - 32].to_vec();
    if operator == "<=" {
        limit.extend([0xff; 33]);
    }
    limit
}

/// The condition that a list has the value as an element, or that a single value is equal.
fn contains(layout: &TableLayout, path: &str, value: &Json, params: &mut Vec<Param>) -> SqlCondition {
    if layout.scalar_column(path).is_some() {
        return match value {
            Json::Null => SqlCondition::scan(),
            value => SqlCondition { exact: false, ..equals(layout, path, value, params) },
        };
    }
    match (json_at(layout, path), value) {
        // An object may contain another one in ways that the server does not know.
        (None, _) | (_, Json::Object(_)) => SqlCondition::scan(),
        (Some(found), value) => {
            let element = bind(params, encode_json(&Json::Array(vec![value.clone()])));
            let single = bind(params, encode_json(value));
            SqlCondition::superset(format!("({found} @> {element} OR {found} @> {single})"))
        }
    }
}

/// The condition that the text index has all the words.
fn has_words(layout: &TableLayout, path: &str, wanted: &str, params: &mut Vec<Param>) -> SqlCondition {
    let wanted: Vec<String> = words(wanted).map(|word| indexed_word(&word)).collect();
    let covers = |index: &&&Index| index.fields.iter().any(|(field, _)| *field == path);
    if wanted.is_empty() {
        return SqlCondition::every();
    }
    match layout.words.iter().find(covers) {
        Some(index) => {
            let found = column(&words_column(index));
            SqlCondition::superset(format!("{found} @> {}", bind(params, Param::Texts(wanted))))
        }
        None => SqlCondition::scan(),
    }
}

/// The predicate of a partial index, with constants. None: the index has all documents.
pub(super) fn partial_condition(layout: &TableLayout, index: &Index) -> Option<String> {
    let partial = index.partial.as_ref()?;
    let is_ordered = index.kind == IndexKind::Ordered;
    let condition = constant_condition(layout, index, partial)?;
    (index.unique || is_ordered).then_some(condition)
}

fn constant_condition(layout: &TableLayout, index: &Index, predicate: &Predicate) -> Option<String> {
    let join = |all: &[Predicate], operator: &str| -> Option<String> {
        let parts: Option<Vec<String>> = all.iter().map(|one| constant_condition(layout, index, one)).collect();
        Some(format!("({})", parts?.join(operator)))
    };
    let equal = |path: &str, value: &Json| -> Option<String> {
        match (layout.scalar_column(path), value) {
            (Some(_), Json::Null) => Some(format!("{} IS NULL", column(path))),
            (Some(column_type), Json::String(text)) if column_type.is_text() => {
                Some(format!("{} = {}", column(path), quote_text(&escape(text))))
            }
            (Some(ColumnType::Bool | ColumnType::Int | ColumnType::Integer), Json::Bool(_) | Json::Number(_)) => {
                Some(format!("{} = {value}", column(path)))
            }
            (Some(_), _) => None,
            (None, value) => {
                let wanted = match encode_json(value) {
                    Param::Json(text) => quote_text(&text),
                    _ => return None,
                };
                Some(format!("coalesce({}, 'null'::jsonb) = {wanted}::jsonb", json_at(layout, path)?))
            }
        }
    };
    match predicate {
        // A query that compares the field implies that it is not null. A unique index must have an existing null, too.
        Predicate::Exists(path) if !index.unique && layout.scalar_column(path).is_some() => {
            Some(format!("{} IS NOT NULL", column(path)))
        }
        Predicate::Exists(path) => exists_at(layout, path),
        Predicate::Missing(path) => missing(layout, path).map(|condition| condition.text),
        Predicate::Eq(path, constant) => equal(path, &constant.to_json()),
        Predicate::In(path, constants) => {
            let each: Option<Vec<String>> = constants.iter().map(|constant| equal(path, &constant.to_json())).collect();
            Some(format!("({})", each?.join(" OR ")))
        }
        Predicate::All([]) => Some("true".to_owned()),
        Predicate::Any([]) => Some("false".to_owned()),
        Predicate::All(all) => join(all, " AND "),
        Predicate::Any(any) => join(any, " OR "),
    }
}

/// The JSON value at the path of an index on elements.
pub(super) fn indexed_json(layout: &TableLayout, path: &str) -> Option<String> {
    json_at(layout, path)
}

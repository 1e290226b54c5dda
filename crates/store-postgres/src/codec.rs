//! Documents as rows. A row is decoded by the columns that it has, so a reader also reads a table that another process
//! migrated meanwhile.
//!
//! Texts of the server have no U+0000. In stored texts and keys it is U+0001 U+0001, and U+0001 is U+0001 U+0002. That
//! keeps texts distinct and their order by bytes unchanged.

use std::borrow::Cow;
use std::sync::Arc;

use runstate_core::id::{Revision, sha256};
use runstate_core::limits::SAFE_INTEGER;
use runstate_core::schema::{Direction, Format, Key, Kind, keys, parse_decimal};
use runstate_store::{StoreError, StoredDocument};
use runstate_value::time::Timestamp;
use runstate_value::{Document, Json, get, words};
use tokio_postgres::types::{FromSql, Type};
use tokio_postgres::{Column, Row as ServerRow};

use super::key_order::{self, ORDER};
use super::layout::{ColumnType, ID, REST, TableLayout};
use super::retry::ReadFailure;
use super::statement::{MIN_TIMESTAMP_MS, Param, RawColumn, SERVER_EPOCH_MS, decode_numeric, decode_timestamp};

/// The longest sort key in a column, in bytes: indexes have a limit for their entries.
pub(super) const MAX_KEY_BYTES: usize = 1_000;
/// The longest indexed word, in characters.
const MAX_WORD_CHARS: usize = 100;

/// A row: the parameters of all columns, in the order of [`column_names`]. A value that its column does not hold
/// exactly is in [`REST`], too.
pub(super) fn encode(
    layout: &TableLayout,
    key: &Key,
    revision: &Revision,
    version: u32,
    document: &Document,
) -> Vec<Param> {
    let mut rest = Document::new();
    let mut columns = Vec::with_capacity(layout.columns.len());
    for (name, column) in layout.columns.iter().filter(|(name, _)| *name != layout.id) {
        columns.push(
            document
                .get(name)
                .and_then(|value| encode_value(*column, value))
                .unwrap_or(Param::Null(null_type(*column))),
        );
    }
    for (name, value) in document {
        let column = layout.columns.get(name).and_then(|column| encode_value(*column, value));
        // A column of doubles does not distinguish `1` from `1.0`.
        let is_whole = matches!(column, Some(Param::Float(_))) && !value.is_f64();
        if is_whole || matches!(column, None | Some(Param::EarliestTime)) {
            rest.insert(name.clone(), value.clone());
        }
    }
    let mut rest = map_texts(&Json::Object(rest), &|text| escape(text));
    if let (Some(order), Some(rest)) = (key_order::order_of(layout.collection, document), rest.as_object_mut()) {
        rest.insert(ORDER.to_owned(), map_texts(&order, &|text| escape(text)));
    }
    let mut params = vec![
        Param::Text(key.id.to_string()),
        Param::Text(revision.to_string()),
        Param::Int(i64::from(version)),
        Param::Json(rest.to_string()),
    ];
    params.extend(columns);
    params.extend(layout.keys.iter().map(|(path, kind)| {
        let value = get(document, path).unwrap_or(&Json::Null);
        Param::Bytes(sort_key(*kind, value))
    }));
    params.extend(layout.words.iter().map(|index| {
        let texts = index.fields.iter().filter_map(|(path, _)| get(document, path)?.as_str());
        let mut all: Vec<String> = texts.flat_map(words).map(|word| indexed_word(&word)).collect();
        all.sort_unstable();
        all.dedup();
        Param::Texts(all)
    }));
    params
}

/// The placeholder of a column's parameter.
pub(super) fn placeholder(name: &str, layout: &TableLayout, position: usize) -> String {
    match (name, layout.columns.get(name)) {
        ("_v", _) => format!("${position}::bigint::integer"),
        (_, Some(ColumnType::Integer)) => format!("${position}::bigint::integer"),
        (_, column) => format!("${position}{}", column.map_or("", |column| column.cast())),
    }
}

/// The names of the columns that [`encode`] has parameters for.
pub(super) fn column_names(layout: &TableLayout) -> Vec<String> {
    let own = [layout.id, "_rev", "_v", REST].map(str::to_owned);
    let fields = layout.columns.keys().filter(|name| *name != layout.id).cloned();
    own.into_iter().chain(fields).chain(layout.hidden_columns().into_iter().map(|(name, _)| name)).collect()
}

fn null_type(column: ColumnType) -> Type {
    match column {
        // Sent as texts, and cast.
        ColumnType::Text
        | ColumnType::Varchar(_)
        | ColumnType::Decimal
        | ColumnType::Number(..)
        | ColumnType::Uuid
        | ColumnType::Date => Type::TEXT,
        ColumnType::Int | ColumnType::Integer => Type::INT8,
        ColumnType::Float => Type::FLOAT8,
        ColumnType::Bool => Type::BOOL,
        ColumnType::Timestamp => Type::TIMESTAMPTZ,
        ColumnType::Json => Type::JSONB,
    }
}

/// The value for a column. None: the column cannot hold it.
pub(super) fn encode_value(column: ColumnType, value: &Json) -> Option<Param> {
    match (column, value) {
        (ColumnType::Json, value) => Some(encode_json(value)),
        (ColumnType::Text, Json::String(text)) => Some(Param::Text(escape(text).into_owned())),
        (ColumnType::Varchar(limit), Json::String(text)) => {
            let mut text = escape(text).into_owned();
            // The server cuts spaces at the end that are too many, and refuses any other character.
            if text.len() > limit as usize && text.chars().count() > limit as usize {
                text.push('.');
            }
            Some(Param::Text(text))
        }
        (ColumnType::Decimal, Json::String(text)) => parse_decimal(text).map(|_| Param::Text(text.clone())),
        (ColumnType::Uuid, value) => as_formatted(Format::Uuid, value),
        (ColumnType::Date, value) => as_formatted(Format::Date, value),
        (ColumnType::Number(precision, scale), value) => as_formatted(Format::Decimal(precision, scale), value),
        (ColumnType::Integer, value) if Format::Integer.fits(value) => value.as_i64().map(Param::Int),
        (ColumnType::Bool, Json::Bool(truth)) => Some(Param::Bool(*truth)),
        (ColumnType::Float, Json::Number(number)) => {
            number.as_f64().filter(|number| number.is_finite()).map(Param::Float)
        }
        (ColumnType::Int, Json::Number(number)) => safe_integer(number).map(Param::Int),
        (ColumnType::Timestamp, Json::Number(number)) => safe_integer(number)
            .map(|millis| if millis < MIN_TIMESTAMP_MS { Param::EarliestTime } else { Param::Timestamp(millis) }),
        _ => None,
    }
}

fn as_formatted(format: Format, value: &Json) -> Option<Param> {
    value.as_str().filter(|_| format.fits(value)).map(Param::from)
}

fn safe_integer(number: &serde_json::Number) -> Option<i64> {
    number.as_i64().filter(|integer| integer.unsigned_abs() <= SAFE_INTEGER.unsigned_abs())
}

/// A value of a `jsonb` column.
pub(super) fn encode_json(value: &Json) -> Param {
    Param::Json(map_texts(value, &|text| escape(text)).to_string())
}

/// The ascending sort key of a value. A long one ends with its digest, so that different values have different keys.
pub(super) fn sort_key(kind: Kind, value: &Json) -> Vec<u8> {
    limit_key(keys::encode_field(kind, value, Direction::Ascending))
}

/// A key in the form of its column.
pub(super) fn limit_key(mut key: Vec<u8>) -> Vec<u8> {
    if key.len() >= MAX_KEY_BYTES {
        let digest = sha256(&[&key]);
        key.truncate(MAX_KEY_BYTES - digest.len());
        key.extend(digest);
    }
    key
}

/// A word as its column has it.
pub(super) fn indexed_word(word: &str) -> String {
    word.chars().take(MAX_WORD_CHARS).collect()
}

/// Replaces U+0000, which the server does not store.
pub(super) fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', '\u{1}']) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        match letter {
            '\0' => escaped.push_str("\u{1}\u{1}"),
            '\u{1}' => escaped.push_str("\u{1}\u{2}"),
            other => escaped.push(other),
        }
    }
    Cow::Owned(escaped)
}

/// The inverse of [`escape`].
fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('\u{1}') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        plain.push(match letter {
            '\u{1}' if letters.next() == Some('\u{1}') => '\0',
            other => other,
        });
    }
    Cow::Owned(plain)
}

/// The value with all its texts and keys mapped. Numbers beyond the safe integers become doubles.
fn map_texts<'a>(value: &'a Json, map: &impl Fn(&'a str) -> Cow<'a, str>) -> Json {
    match value {
        Json::String(text) => Json::String(map(text).into_owned()),
        Json::Array(items) => items.iter().map(|item| map_texts(item, map)).collect(),
        Json::Object(members) => {
            let mapped = members.iter().map(|(key, value)| (map(key).into_owned(), map_texts(value, map)));
            Json::Object(mapped.collect())
        }
        Json::Number(number) if safe_integer(number).is_none() => number.as_f64().map_or(Json::Null, Json::from),
        other => other.clone(),
    }
}

/// A document, with its id.
pub(super) type IdentifiedDocument = (Arc<str>, StoredDocument);

/// Decodes a row of the table of `collection`. Without a layout, each column is one of a field, and the first one that
/// of the id.
///
/// Errors: [`ReadFailure::Outdated`] if the row has a column that the layout does not know, or lacks one. Such a column
/// may be of a field: its value would be missing in the document, and a later commit would remove it.
pub(super) fn decode(
    collection: &str,
    layout: Option<&TableLayout>,
    row: &ServerRow,
) -> Result<IdentifiedDocument, ReadFailure> {
    let (mut id, mut revision, mut version) = (None, None, None);
    let (mut document, mut order) = (Document::new(), None);
    let mut columns: Vec<(&str, Json)> = Vec::new();
    let mut known = 0;
    let id_column = layout.map_or_else(|| row.columns().first().map_or(ID, Column::name), |layout| layout.id);
    for (position, column) in row.columns().iter().enumerate() {
        if let Some(layout) = layout.filter(|_| !column.name().starts_with('_')) {
            if layout.foreign.contains(column.name()) {
                continue;
            }
            if !layout.has_column(column) {
                return Err(ReadFailure::Outdated);
            }
            known += 1;
        }
        let damaged = |why: String| damage(collection, id.as_deref(), column.name(), &why);
        let raw = row.try_get::<_, Option<RawColumn<'_>>>(position).map_err(|error| damaged(error.to_string()))?;
        let Some(RawColumn(raw)) = raw else { continue };
        match column.name() {
            ID if id_column == ID => id = Some(decode_text(raw).map_err(damaged)?),
            "_rev" => revision = Revision::parse(&decode_text(raw).map_err(damaged)?),
            "_v" => version = <[u8; 4]>::try_from(raw).ok().and_then(|raw| u32::try_from(i32::from_be_bytes(raw)).ok()),
            REST => match parse_json(raw).map_err(damaged)? {
                Json::Object(mut rest) => {
                    order = rest.shift_remove(ORDER).map(|order| unescape_texts(&order));
                    document = rest
                        .into_iter()
                        .map(|(name, value)| (unescape(&name).into_owned(), unescape_texts(&value)))
                        .collect();
                }
                other => return Err(damaged(format!("{other} is not an object")).into()),
            },
            hidden if hidden.starts_with('_') => {}
            name => {
                if let Some(value) = decode_column(column, raw).map_err(damaged)? {
                    if name == id_column {
                        id = value.as_str().map(str::to_owned);
                    }
                    columns.push((name, value));
                }
            }
        }
    }
    if layout.is_some_and(|layout| layout.columns.len() != known) {
        return Err(ReadFailure::Outdated);
    }
    for (name, value) in columns {
        document.entry(name).or_insert(value);
    }
    key_order::restore(&mut document, order.as_ref());
    match (id, revision, version) {
        (Some(id), Some(revision), Some(version)) => {
            Ok((id.into(), StoredDocument { revision, version, document: Arc::new(document) }))
        }
        (id, ..) => {
            Err(damage(collection, id.as_deref(), "_rev", "the id, the revision or the version is not valid").into())
        }
    }
}

fn damage(collection: &str, id: Option<&str>, column: &str, why: &str) -> StoreError {
    let at = format!("{collection}/{}", id.unwrap_or("(unknown id)"));
    StoreError::Corrupt { at, why: format!("column `{column}`: {why}") }
}

fn decode_text(raw: &[u8]) -> Result<String, String> {
    std::str::from_utf8(raw).map(|text| unescape(text).into_owned()).map_err(|error| error.to_string())
}

/// Decodes a value of a `jsonb` column.
pub(super) fn decode_json(raw: &[u8]) -> Result<Json, String> {
    parse_json(raw).map(|value| unescape_texts(&value))
}

fn parse_json(raw: &[u8]) -> Result<Json, String> {
    let Some((1, text)) = raw.split_first() else { return Err("an unknown form of jsonb".to_owned()) };
    runstate_value::parse_bytes(text).map_err(|error| error.to_string())
}

fn unescape_texts(value: &Json) -> Json {
    map_texts(value, &|text| unescape(text))
}

/// Decodes the value of a field's column. None: the value is in [`REST`].
fn decode_column(described: &Column, raw: &[u8]) -> Result<Option<Json>, String> {
    let column = described.type_();
    let failed = |error: Box<dyn std::error::Error + Sync + Send>| error.to_string();
    Ok(match *column {
        Type::TEXT | Type::VARCHAR => Some(Json::String(decode_text(raw)?)),
        Type::INT8 => Some(i64::from_sql(column, raw).map_err(failed)?.into()),
        Type::FLOAT8 => Some(f64::from_sql(column, raw).map_err(failed)?.into()),
        Type::BOOL => Some(bool::from_sql(column, raw).map_err(failed)?.into()),
        Type::NUMERIC => {
            let text = decode_numeric(raw).ok_or("it is not a finite number")?;
            // A column with a scale fills it with zeros, which a field with that format does not have.
            Some(if described.type_modifier() >= 0 && text.contains('.') {
                text.trim_end_matches('0').trim_end_matches('.').into()
            } else {
                text.into()
            })
        }
        Type::INT4 => Some(i32::from_sql(column, raw).map_err(failed)?.into()),
        Type::UUID => {
            let bytes = raw.try_into().map_err(|_| "it is not a UUID")?;
            Some(uuid::Uuid::from_bytes(bytes).hyphenated().to_string().into())
        }
        Type::DATE => Some(decode_date(raw).ok_or("it is not a day of the years 1 to 9999")?.into()),
        Type::TIMESTAMPTZ => decode_timestamp(raw).map(Json::from),
        Type::JSONB => Some(decode_json(raw)?),
        // A column of another program.
        _ => None,
    })
}

/// Decodes a day, which the server counts from 2000-01-01.
fn decode_date(raw: &[u8]) -> Option<String> {
    const DAY_MS: i64 = 86_400_000;
    let days = i64::from(i32::from_be_bytes(raw.try_into().ok()?));
    let start = Timestamp::from_millis(days * DAY_MS + SERVER_EPOCH_MS).to_rfc3339();
    let day = start.split_once('T').map(|(day, _)| day.to_owned());
    day.filter(|day| Format::Date.fits(&Json::from(day.as_str())))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn escaped_texts_have_no_nul_and_keep_their_order(a in "[\u{0}\u{1}\u{2}ab]{0,6}", b in "[\u{0}\u{1}\u{2}ab]{0,6}") {
            let (x, y) = (escape(&a), escape(&b));
            prop_assert!(!x.contains('\0'));
            prop_assert_eq!(unescape(&x), a.as_str());
            prop_assert_eq!(x.as_bytes().cmp(y.as_bytes()), a.as_bytes().cmp(b.as_bytes()));
        }
    }

    #[test]
    fn column_refuses_what_it_cannot_hold_exactly() {
        assert_eq!(encode_value(ColumnType::Int, &serde_json::json!(1.5)), None);
        assert_eq!(encode_value(ColumnType::Decimal, &serde_json::json!("1e3")), None);
        assert_eq!(encode_value(ColumnType::Text, &Json::Null), None);
        assert_eq!(
            encode_value(ColumnType::Timestamp, &serde_json::json!(-300_000_000_000_000i64)),
            Some(Param::EarliestTime)
        );
    }
}

//! Results of operations for people, from their schemas: a table for a list, a line for each property of an object.

use std::collections::BTreeSet;

use runstate::time::{Millis, Timestamp};
use runstate::value::Document;
use serde_json::Value as Json;

use super::schema::{ValueKind, ValueSchema, split_words};
use crate::color::{Paint, Role};
use crate::exit::CliExit;
use crate::printer::{Printer, escape_control, indented};
use crate::prompt::display_value;
use crate::table::{Cell, TableColumn, TextTable};
use crate::time_format::{duration_text, format_seconds, time_ago, time_until};

/// How values are formatted.
#[derive(Clone, Copy)]
pub struct Form {
    /// Colors.
    pub paint: Paint,
    /// The width of the terminal, if there is one.
    pub room: Option<usize>,
    /// The time to which others are relative, for a person at a terminal.
    pub now: Option<Timestamp>,
}

/// Documents that lists leave out. A server may have one on several pages.
#[derive(Default)]
pub struct DamagedRows(BTreeSet<String>);

impl DamagedRows {
    /// Reports each document once.
    pub fn report(&mut self, out: Printer, id: &str, reason: &str) {
        if self.0.insert(id.to_owned()) {
            let (id, reason) = (escape_control(id), escape_control(reason));
            out.stderr_line(&format!("`{id}` cannot be read: {reason}; `verify` reports all damage"));
        }
    }

    /// The reader of the rows must know that some are missing.
    pub fn exit(&self) -> CliExit {
        if self.0.is_empty() { CliExit::Done } else { CliExit::Store }
    }
}

/// Formats a result in lines. `columns`: those of tables; empty: all properties that fit a cell.
pub fn lines(value: &Json, schema: ValueSchema<'_>, columns: &[&str], form: Form) -> Vec<String> {
    match value {
        Json::Array(rows) if rows.iter().any(Json::is_object) => match schema.items() {
            Some(items) => table(rows, items, columns, form).lines(form.room, form.paint),
            None => rows.iter().map(display_value).collect(),
        },
        Json::Array(rows) => rows.iter().map(|row| escape_control(&display_value(row)).into_owned()).collect(),
        Json::Object(_) => object_lines(value, schema, columns, form),
        value => vec![escape_control(&text(value, schema.kind(), None)).into_owned()],
    }
}

/// Formats an object: its properties in the order of their declaration, without those that are empty.
fn object_lines(value: &Json, schema: ValueSchema<'_>, columns: &[&str], form: Form) -> Vec<String> {
    let members: Vec<(String, &Json, Option<ValueSchema<'_>>)> = match schema.properties() {
        declared if !declared.is_empty() => {
            declared.into_iter().map(|(name, schema)| (split_words(name, ' '), &value[name], Some(schema))).collect()
        }
        _ => {
            let named = value.as_object().into_iter().flatten();
            named.map(|(name, value)| (name.clone(), value, schema.members())).collect()
        }
    };
    let is_empty = |value: &Json| {
        value.is_null()
            || value.as_array().is_some_and(Vec::is_empty)
            || value.as_object().is_some_and(|map| map.is_empty())
    };
    let members: Vec<_> = members.into_iter().filter(|(_, value, _)| !is_empty(value)).collect();
    let width = members.iter().map(|(label, ..)| label.chars().count()).max().unwrap_or_default() + 2;
    let mut lines = Vec::new();
    for (label, value, schema) in members {
        let shown = form.paint.text(Role::Heading, &escape_control(&label));
        let kind = schema.map_or(ValueKind::Any, ValueSchema::kind);
        let below = match (value, schema) {
            (Json::Object(counts), Some(schema))
                if schema.members().is_some_and(|one| one.kind() == ValueKind::Number) =>
            {
                let blank = " ".repeat(width - label.chars().count());
                lines.push(format!("{shown}{blank}{}", escape_control(&counts_text(counts))));
                continue;
            }
            (Json::Object(_), Some(schema)) if kind == ValueKind::Object => self::lines(value, schema, columns, form),
            (Json::Array(rows), Some(schema)) if rows.iter().any(Json::is_object) => {
                self::lines(value, schema, columns, form)
            }
            _ => {
                let value = escape_control(&indented(&text(value, kind, None), width)).into_owned();
                let blank = " ".repeat(width - label.chars().count());
                lines.push(format!("{shown}{blank}{value}"));
                continue;
            }
        };
        lines.push(shown);
        lines.extend(below.into_iter().map(|line| format!("  {line}")));
    }
    lines
}

/// Formats counts by name: `2 complete, 1 waiting_cc`.
fn counts_text(counts: &Document) -> String {
    let counts = counts.iter().filter(|(_, n)| n.as_u64() != Some(0)).map(|(name, n)| format!("{n} {name}"));
    let text = counts.collect::<Vec<_>>().join(", ");
    if text.is_empty() { "none".to_owned() } else { text }
}

/// Formats rows as a table. A column is a path, which a heading may follow. Columns without any value are left out.
pub fn table(rows: &[Json], schema: ValueSchema<'_>, columns: &[&str], form: Form) -> TextTable {
    let chosen: Vec<&str> = match columns {
        [] if schema.properties().is_empty() => scalar_members(rows),
        [] => scalar_properties(schema),
        columns => columns.to_vec(),
    };
    let at = |row: &Json, path: &str| row.pointer(&format!("/{path}")).cloned().unwrap_or_default();
    let is_empty = |value: &Json| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    let is_shown = |column: &&str| match column.strip_prefix('+') {
        Some(column) => {
            let path = column.split(' ').next().unwrap_or_default();
            rows.iter().any(|row| at(row, path).as_u64().is_some_and(|number| number > 1))
        }
        None => true,
    };
    let chosen: Vec<(&str, ValueKind, String)> = chosen
        .into_iter()
        .filter(is_shown)
        .map(|column| column.strip_prefix('+').unwrap_or(column))
        .map(|column| match column.split_once(' ') {
            Some((path, heading)) => (path, heading.to_owned()),
            None => (column, split_words(column, ' ').trim().to_uppercase()),
        })
        .filter(|(path, _)| rows.iter().any(|row| !is_empty(&at(row, path))))
        .map(|(path, heading)| (path, schema.property(path).map_or(ValueKind::Any, ValueSchema::kind), heading))
        .collect();
    let column = |(place, (_, kind, heading)): (usize, &(&str, ValueKind, String))| {
        let heading = heading.clone();
        match kind {
            ValueKind::Number => TableColumn::number(heading),
            ValueKind::Time | ValueKind::Duration | ValueKind::Words(_) => TableColumn::text(heading),
            // The first column is an id or a name, which the next command needs.
            _ if place == 0 => TableColumn::text(heading).shrinkable(12, 36),
            _ => TableColumn::text(heading).shrinkable(8, 24),
        }
    };
    let mut table = TextTable::new(chosen.iter().enumerate().map(column).collect::<Vec<_>>());
    for row in rows {
        let cell = |(path, kind, _): &(&str, ValueKind, String)| {
            let value = at(row, path);
            match (&value, *path) {
                (Json::Null, _) => Cell::from(""),
                (Json::String(status), "status") => Cell::status(status),
                _ => Cell::from(text(&value, kind.clone(), form.now).as_str()),
            }
        };
        table.push_row(chosen.iter().map(cell).collect::<Vec<_>>());
    }
    table
}

/// The members that fit a cell, of documents whose schema is not known: those of the first row, then of the others.
fn scalar_members(rows: &[Json]) -> Vec<&str> {
    let mut names = Vec::new();
    for (name, value) in rows.iter().filter_map(Json::as_object).flatten() {
        if !(value.is_array() || value.is_object() || name == "_rev" || names.contains(&name.as_str())) {
            names.push(name.as_str());
        }
    }
    if names.contains(&"id") {
        names.retain(|name| *name != "_id");
    }
    names.sort_by_key(|name| !matches!(*name, "_id" | "id"));
    names
}

fn scalar_properties<'a>(schema: ValueSchema<'a>) -> Vec<&'a str> {
    let fits = |kind: ValueKind| !matches!(kind, ValueKind::List | ValueKind::Object | ValueKind::Any);
    schema.properties().into_iter().filter(|(_, schema)| fits(schema.kind())).map(|(name, _)| name).collect()
}

/// Formats one value. Times are relative to `now`, if there is one.
fn text(value: &Json, kind: ValueKind, now: Option<Timestamp>) -> String {
    match (kind, value, value.as_i64()) {
        (ValueKind::Time, _, Some(at)) => {
            let at = Timestamp::from_millis(at);
            match now {
                Some(now) if at > now => time_until(at, now),
                Some(now) => time_ago(at, now),
                None => format_seconds(at),
            }
        }
        (ValueKind::Duration, _, Some(ms)) => duration_text(Millis(ms)),
        (ValueKind::Flag, Json::Bool(yes), _) => if *yes { "yes" } else { "no" }.to_owned(),
        (ValueKind::List, Json::Array(items), _) => items.iter().map(display_value).collect::<Vec<_>>().join(", "),
        _ => display_value(value),
    }
}

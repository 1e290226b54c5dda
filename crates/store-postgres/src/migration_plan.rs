//! The changes of tables that a catalog needs. `migration.rs` makes them.

use std::collections::BTreeMap;

use runstate_core::schema::{Catalog, Collection};
use runstate_store::StoreError;
use runstate_value::Json;

use super::codec;
use super::constraints::{column_constraints, is_never_null, required_constraints};
use super::indexes::{ServerIndex, required_indexes};
use super::layout::{ColumnType, ID, REST, TableLayout, id_field as id_field_of, limit_name, quote_table, split_name};
use super::partitions::{self, TablePartitions};
use super::server_state::{ServerColumns, ServerState, stored};
use super::statement::{quote, quote_text};

/// The columns that every table has, with their types. That of the id is missing if a field is the id.
const OWN_COLUMNS: [(&str, &str); 4] = [(ID, "text"), ("_rev", "text"), ("_v", "integer"), (REST, "jsonb")];

/// Changes that need tables and rights.
#[derive(Default)]
pub(super) struct TableMigration {
    pub(super) scripts: Vec<String>,
    /// The condition of the documents to rewrite.
    pub(super) rewrite: Option<String>,
    indexes: Vec<ServerIndex>,
    /// Whether the table gets the declared checks.
    pub(super) constraints: bool,
    /// Whether columns get another type.
    pub(super) retypes: bool,
    /// Whether the function that creates partitions is missing.
    partitions: bool,
    /// The metadata change.
    meta: bool,
}

impl TableMigration {
    pub(super) fn is_empty(&self) -> bool {
        self.scripts.is_empty() && self.rewrite.is_none() && self.indexes.is_empty() && !self.partitions && !self.meta
    }
}

/// The record of the table of a collection, in the metadata of the store.
pub(super) struct TableRecord<'a>(pub(super) Option<&'a Json>);

impl<'a> TableRecord<'a> {
    /// The version of the collection.
    pub(super) fn version(&self) -> Option<u64> {
        self.0?.get("version")?.as_u64()
    }

    /// The column of the id.
    pub(super) fn id(&self) -> Option<&'a str> {
        self.0?.get("id")?.as_str()
    }

    /// The recorded names: `indexes`, `checks` or `hidden` columns. None: an older program has not recorded them.
    pub(super) fn names(&self, list: &str) -> Option<Vec<String>> {
        let names = self.0?.get(list)?.as_array()?;
        Some(names.iter().filter_map(Json::as_str).map(str::to_owned).collect())
    }

    /// Whether the table has this column for a field. If nothing is recorded, all columns are for fields.
    pub(super) fn has_column(&self, name: &str) -> bool {
        let columns = self.0.and_then(|meta| meta.get("columns")).and_then(Json::as_object);
        columns.is_none_or(|columns| columns.contains_key(name))
    }

    /// The types of the columns, by name.
    fn columns(&self) -> impl Iterator<Item = (&String, &str)> {
        let columns = self.0.and_then(|meta| meta.get("columns")).and_then(Json::as_object);
        columns.into_iter().flatten().map(|(name, sql)| (name, sql.as_str().unwrap_or_default()))
    }
}

/// The changes that each collection needs.
pub(super) fn plan(
    catalog: &Catalog,
    state: &ServerState,
) -> Result<BTreeMap<&'static str, TableMigration>, StoreError> {
    let mut migrations = BTreeMap::new();
    for collection in stored(catalog) {
        let migration = match state.table(collection) {
            None => plan_new_table(collection, state),
            Some(found) => plan_existing_table(collection, state, found)?,
        };
        if !migration.is_empty() {
            migrations.insert(collection.name, migration);
        }
    }
    Ok(migrations)
}

fn plan_new_table(collection: &'static Collection, state: &ServerState) -> TableMigration {
    let layout = TableLayout::declared(collection);
    let (schema, _) = split_name(collection.name);
    let fields = layout.columns.iter().filter(|(name, _)| *name != layout.id).map(|(name, column)| {
        format!("{} {}{}", quote(name), column.definition(), column_constraints(collection, name))
    });
    let id = match layout.has_id_field() {
        true => format!("{} uuid NOT NULL DEFAULT gen_random_uuid()", quote(layout.id)),
        false => format!("{} text COLLATE \"C\" NOT NULL", quote(ID)),
    };
    let hidden = layout.hidden_columns();
    let hidden = hidden.iter().map(|(name, sql)| format!("{} {sql}", quote(name)));
    let own = [
        id,
        "\"_rev\" text COLLATE \"C\" NOT NULL".to_owned(),
        "\"_v\" integer NOT NULL".to_owned(),
        format!("{} jsonb NOT NULL", quote(REST)),
    ];
    let (key, divided) = match &layout.partition {
        None => (format!("PRIMARY KEY ({})", quote(layout.id)), String::new()),
        Some(day) => (
            format!("PRIMARY KEY ({}, {})", quote(layout.id), quote(day)),
            format!(" PARTITION BY RANGE ({})", quote(day)),
        ),
    };
    let checks = required_constraints(&layout).into_iter().map(|check| check.clause());
    let columns: Vec<String> = own.into_iter().chain(fields).chain(hidden).chain([key]).chain(checks).collect();
    let mut migration = TableMigration { meta: true, constraints: true, ..TableMigration::default() };
    if !state.schemas.contains(schema) {
        migration.scripts.push(format!("CREATE SCHEMA IF NOT EXISTS {}", quote(schema)));
    }
    migration.scripts.push(format!("CREATE TABLE {} ({}){divided}", layout.table, columns.join(", ")));
    if layout.partition.is_some() {
        migration.scripts.push(partitions::create_default(&layout));
    }
    migration
}

/// Fails if a table of the store was altered by hand. The error names the statement that mends it.
pub(super) fn check_tables(catalog: &Catalog, state: &ServerState) -> Result<(), StoreError> {
    for collection in stored(catalog) {
        if let Some(found) = state.table(collection) {
            check_columns(collection, &state.record(collection), found)?;
        }
    }
    Ok(())
}

fn unsuitable(
    collection: &Collection,
    found: impl Into<String>,
    wanted: impl Into<String>,
    advice: String,
) -> StoreError {
    StoreError::UnsuitableCollection {
        collection: collection.name.to_owned(),
        found: found.into(),
        wanted: wanted.into(),
        advice,
    }
}

/// Fails if the table lacks a column of the store, or has it with another type.
fn check_columns(collection: &Collection, record: &TableRecord<'_>, found: &ServerColumns) -> Result<(), StoreError> {
    let table = quote_table(collection.name);
    let recorded = record.columns().map(|(name, sql)| (name.as_str(), sql));
    let id_field = record.id().filter(|id| *id != ID);
    if let Some(id) = id_field.filter(|recorded| id_field_of(collection) != Some(recorded)) {
        let advice = "Export the store, and import it into a new database".to_owned();
        return Err(unsuitable(
            collection,
            format!("a table whose ids are the UUIDs in `{id}`"),
            "one with any ids",
            advice,
        ));
    }
    let own = OWN_COLUMNS.into_iter().filter(|(name, _)| id_field.is_none() || *name != ID);
    for (name, sql) in own.chain(recorded) {
        let is_of_field = !name.starts_with('_');
        let Some(column) = ColumnType::parse(sql) else {
            // It is not part of a statement that the owner runs: others may write the record.
            let advice = "Restore `runstate.meta` from a backup".to_owned();
            return Err(unsuitable(
                collection,
                "a table with a column recorded as of an unknown type",
                "one of a known type",
                advice,
            ));
        };
        let definition = column.definition();
        let wanted = format!("one with `{name}` {sql}");
        let Some(actual) = found.get(name) else {
            // Rows without their ids cannot be mended.
            let may_add = is_of_field && Some(name) != id_field;
            let add = may_add.then(|| format!("run `{}`", add_column(&table, name, &definition)));
            let without = match record.0 {
                Some(_) => "restore the table from a backup",
                None => "rename this table of another program",
            };
            let restored = add.unwrap_or_else(|| without.to_owned());
            let advice = match renamed_column(record, found, sql) {
                Some(other) => format!(
                    "If `{other}` is that column, run `{}`; else {restored}",
                    rename_column(&table, other, name)
                ),
                None => format!("To mend it, {restored}"),
            };
            return Err(unsuitable(collection, format!("a table without its column `{name}`"), wanted, advice));
        };
        let what = match actual {
            _ if actual.sql != sql => actual.sql.clone(),
            _ if is_of_field && definition.contains("COLLATE") && actual.collation != "C" => {
                format!("of the collation {}", actual.collation)
            }
            _ => continue,
        };
        let quoted = quote(name);
        let (run, value) = match &*actual.sql {
            // A cast would take them for times of the session's zone.
            local if column == ColumnType::Timestamp && (local == "date" || local.ends_with(" without time zone")) => {
                ("If its times are UTC, run", format!("{quoted}::timestamp AT TIME ZONE 'UTC'"))
            }
            found => {
                let text = if found == "jsonb" { format!("({quoted} #>> '{{}}')") } else { format!("{quoted}::text") };
                // A cast would cut longer texts.
                ("Run", if column.is_text() { text } else { format!("{text}::{sql}") })
            }
        };
        let advice = format!("{run} `ALTER TABLE {table} ALTER COLUMN {quoted} TYPE {definition} USING {value}`");
        return Err(unsuitable(collection, format!("a table whose column `{name}` is {what}"), wanted, advice));
    }
    Ok(())
}

/// The only column of others with this type: it may be one of the store that was renamed.
fn renamed_column<'a>(record: &TableRecord<'_>, found: &'a ServerColumns, sql: &str) -> Option<&'a str> {
    let is_own = |name: &str| OWN_COLUMNS.iter().any(|(own, _)| *own == name);
    let mut others = found.iter().filter(|(name, column)| {
        column.sql == sql && !is_own(name) && !name.starts_with('_') && !record.has_column(name)
    });
    let (first, second) = (others.next(), others.next());
    first.filter(|_| second.is_none()).map(|(name, _)| name.as_str())
}

fn rename_column(table: &str, from: &str, to: &str) -> String {
    format!("ALTER TABLE {table} RENAME COLUMN {} TO {}", quote(from), quote(to))
}

pub(super) fn plan_existing_table(
    collection: &'static Collection,
    state: &ServerState,
    found: &ServerColumns,
) -> Result<TableMigration, StoreError> {
    let record = state.record(collection);
    check_columns(collection, &record, found)?;
    let is_new_version = record.version() != Some(u64::from(collection.version));
    let mut migration = TableMigration::default();
    let wanted = TableLayout::declared(collection);
    let (mut conditions, mut retyped) = (Vec::new(), Vec::new());
    for (name, column) in &wanted.columns {
        match found.get(name) {
            // The column is added when it is known which values there are.
            None => conditions.push(is_in_rest(name)),
            // Its values are not those of a field, and processes that run do not read them.
            Some(_) if !record.has_column(name) => {
                let other = limit_name(&format!("other_{name}"));
                let advice = format!("Run `{}`", rename_column(&wanted.table, name, &other));
                let found = format!("a table with a column `{name}` of another program");
                return Err(unsuitable(collection, found, "one without it", advice));
            }
            Some(server) => match ColumnType::parse(&server.sql) {
                Some(actual) if actual.holds(*column) || actual == ColumnType::Json => {}
                // The field may have longer texts than before.
                Some(actual) if actual.is_text() && column.is_text() => retyped.push(format!(
                    "ALTER TABLE {} ALTER COLUMN {} TYPE {}",
                    wanted.table,
                    quote(name),
                    column.definition()
                )),
                Some(actual) => {
                    retyped.push(to_json_column(&wanted.table, name, actual));
                    // A column of JSON has nulls and the earliest times, too.
                    conditions.push(is_in_rest(name));
                }
                None => {
                    let found = format!("a table whose column `{name}` is {}", server.sql);
                    let advice = "Copy its documents to another collection, drop it".to_owned();
                    return Err(unsuitable(collection, found, column.name(), advice));
                }
            },
        }
    }
    migration.retypes = !retyped.is_empty();
    migration.constraints = is_new_version || migration.retypes;
    if !retyped.is_empty() {
        // A check of numbers is none of JSON.
        for check in record.names("checks").unwrap_or_default() {
            migration.scripts.push(drop_constraint(&wanted.table, &check));
        }
        migration.scripts.append(&mut retyped);
    }
    let divided_by = state.partitions(collection).map(|partitions| partitions.column.as_str());
    for (name, _) in found.iter().filter(|(name, column)| column.not_null && Some(name.as_str()) != divided_by) {
        let is_of_field = !OWN_COLUMNS.iter().any(|(own, _)| own == name) && record.has_column(name);
        if is_of_field && !is_never_null(collection, name) {
            let script = format!("ALTER TABLE {} ALTER COLUMN {} DROP NOT NULL", wanted.table, quote(name));
            migration.scripts.push(script);
        }
    }
    let mut layout = state.layout(collection);
    for name in wanted.columns.keys() {
        if !found.contains_key(name) {
            layout.columns.insert(name.clone(), ColumnType::Json);
        }
    }
    // Columns of JSON need sort keys in an index. All that may be needed are computed.
    let full = TableLayout::with_columns(collection, layout.columns.clone());
    let filled = record.names("hidden");
    for (name, sql) in full.hidden_columns().into_iter().chain(wanted.hidden_columns()) {
        let script = add_column(&wanted.table, &name, sql);
        if !found.contains_key(&name) && !migration.scripts.contains(&script) {
            migration.scripts.push(script);
            conditions = vec!["true".to_owned()];
        } else if filled.as_ref().map_or(is_new_version, |filled| !filled.contains(&name)) {
            // An earlier version has left it behind.
            conditions = vec!["true".to_owned()];
        }
    }
    if !conditions.is_empty() {
        migration.rewrite = Some(conditions.join(" OR "));
    }
    let current = state.layout(collection);
    migration.indexes =
        required_indexes(&current).into_iter().filter(|index| !state.has_index(collection, &index.name)).collect();
    migration.meta = is_new_version;
    let lacks_function = |partitions: &TablePartitions| {
        partitions.may_change
            && partitions.body.as_ref() != Some(&partitions::function_body(&current, &partitions.column))
    };
    migration.partitions = state.partitions(collection).is_some_and(lacks_function);
    Ok(migration)
}

pub(super) fn add_column(table: &str, name: &str, definition: &str) -> String {
    format!("ALTER TABLE {table} ADD COLUMN {} {definition}", quote(name))
}

/// The statement that drops a check.
pub(super) fn drop_constraint(table: &str, name: &str) -> String {
    format!("ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {}", quote(name))
}

/// Makes a column hold any value.
fn to_json_column(table: &str, name: &str, actual: ColumnType) -> String {
    let column = quote(name);
    let value = match actual {
        ColumnType::Decimal => format!("to_jsonb({column}::text)"),
        // A scale is filled with zeros, which the field does not have.
        ColumnType::Number(..) => format!("to_jsonb(trim_scale({column})::text)"),
        ColumnType::Timestamp => format!(
            "CASE WHEN {column} = '-infinity' THEN {} -> {} ELSE to_jsonb((extract(epoch FROM {column}) * 1000)::bigint) END",
            quote(REST),
            quote_text(&codec::escape(name))
        ),
        _ => format!("to_jsonb({column})"),
    };
    format!("ALTER TABLE {table} ALTER COLUMN {column} DROP DEFAULT, ALTER COLUMN {column} TYPE jsonb USING {value}")
}

/// The condition of documents with a field that is not, or not only, in its column.
fn is_in_rest(name: &str) -> String {
    format!("t.{} ? {}", quote(REST), quote_text(&codec::escape(name)))
}

/// The condition of documents whose value of a field does not fit in a column.
pub(super) fn does_not_fit(name: &str, column: ColumnType) -> String {
    let value = format!("t.{} -> {}", quote(REST), quote_text(&codec::escape(name)));
    let is = |kind: &str| format!("jsonb_typeof({value}) <> '{kind}'");
    let mismatch = match column {
        ColumnType::Json => return "false".to_owned(),
        ColumnType::Text | ColumnType::Varchar(_) | ColumnType::Uuid | ColumnType::Date => is("string"),
        ColumnType::Bool => is("boolean"),
        ColumnType::Float => is("number"),
        ColumnType::Int | ColumnType::Integer | ColumnType::Timestamp => format!(
            "CASE WHEN jsonb_typeof({value}) = 'number' THEN ({value})::numeric <> trunc(({value})::numeric) \
             OR abs(({value})::numeric) > 9007199254740991 ELSE true END"
        ),
        ColumnType::Decimal | ColumnType::Number(..) => format!(
            "({} OR ({value}) #>> '{{}}' !~ '^-?(0|[1-9][0-9]*)(\\.[0-9]+)?$' OR length(({value}) #>> '{{}}') > 28)",
            is("string")
        ),
    };
    format!("jsonb_typeof({value}) <> 'null' AND ({mismatch})")
}

//! Roles of least privilege, as statements of SQL. Each one inherits those before it: a reader reads, a worker also
//! changes everything but definitions, an operator changes those too, and an owner creates tables and indexes.

use std::collections::BTreeSet;

use runstate_store::StoreError;

use super::layout::{quote_table, split_name};
use super::options::ServerSettings;
use super::partitions::partitions_function;
use super::statement::{quote, quote_text};
use super::views::refresh_function;

/// The statements that create the roles of a store at `url` with these collections, whose tables exist. A worker only
/// reads those in `read_only`. A reader reads those of `views` that exist, and an owner refreshes them. No server is
/// contacted.
///
/// Errors: [`StoreError::InvalidUrl`].
pub fn statements(
    url: &str,
    collections: &[&str],
    read_only: &[&str],
    views: &[&str],
) -> Result<Vec<String>, StoreError> {
    let settings = ServerSettings::parse(url)?;
    let database = settings.config.get_dbname().unwrap_or_default().to_owned();
    let role = |name: &str| quote(&format!("{database}_{name}"));
    let (reader, worker, operator, owner) = (role("reader"), role("worker"), role("operator"), role("owner"));
    let names = ["runstate.meta", "runstate.changes"];
    let schemas: BTreeSet<&str> = collections.iter().chain(&names).map(|name| split_name(name).0).collect();
    let schemas: Vec<String> = schemas.into_iter().map(quote).collect();
    let schemas = schemas.join(", ");
    let mut statements = Vec::new();
    let mut before: Option<&String> = None;
    for name in [&reader, &worker, &operator, &owner] {
        let inherited = before.map(|before| format!(" IN ROLE {before}")).unwrap_or_default();
        statements.push(format!("CREATE ROLE {name} NOLOGIN{inherited}"));
        before = Some(name);
    }
    statements.push(format!("GRANT USAGE ON SCHEMA {schemas} TO {reader}"));
    let all: Vec<String> = collections.iter().map(|name| quote_table(name)).collect();
    statements.push(format!("GRANT SELECT ON {}, runstate.meta, runstate.changes TO {reader}", all.join(", ")));
    let written = collections.iter().filter(|name| !read_only.contains(name)).map(|name| quote_table(name));
    statements.push(format!("GRANT INSERT, UPDATE, DELETE ON {} TO {worker}", written.collect::<Vec<_>>().join(", ")));
    statements.push(format!("GRANT INSERT, DELETE ON runstate.changes TO {worker}"));
    // A sweep records from where on changes are kept, and opening a restored store its epoch. Only an owner records the
    // definitions of tables.
    statements.push(format!("GRANT INSERT, UPDATE ON runstate.meta TO {worker}"));
    statements.push("CREATE POLICY readers ON runstate.meta FOR SELECT USING (true)".to_owned());
    statements.push(format!("CREATE POLICY workers ON runstate.meta TO {worker} USING (key IN ('feed', 'epoch'))"));
    statements.push("ALTER TABLE runstate.meta ENABLE ROW LEVEL SECURITY".to_owned());
    let definitions: Vec<String> =
        collections.iter().filter(|name| read_only.contains(name)).map(|name| quote_table(name)).collect();
    if !definitions.is_empty() {
        statements.push(format!("GRANT INSERT, UPDATE, DELETE ON {} TO {operator}", definitions.join(", ")));
    }
    statements.push(format!("GRANT CREATE ON DATABASE {} TO {owner}", quote(&database)));
    statements.push(format!("GRANT CREATE ON SCHEMA {schemas} TO {owner}"));
    for table in all.iter().map(String::as_str).chain(names) {
        // Only the owner of a table may change it.
        statements.push(format!("ALTER TABLE {table} OWNER TO {owner}"));
    }
    statements.push(format!("DO {}", quote_text(&block_for_parts(&all, views, [&reader, &worker, &owner]))));
    Ok(statements)
}

fn escape_format(text: &str) -> String {
    text.replace('%', "%%").replace('\'', "''")
}

/// The block that names what not every server has: the partitions of tables, views, and the functions that change them.
fn block_for_parts(tables: &[String], views: &[&str], [reader, worker, owner]: [&String; 3]) -> String {
    let list = |names: &mut dyn Iterator<Item = String>| -> String {
        let names: Vec<String> = names.map(|name| quote_text(&name)).collect();
        format!("ARRAY[{}]::text[]", names.join(", "))
    };
    // They are in the text of a format.
    let (reader, worker, owner) = (escape_format(reader), escape_format(worker), escape_format(owner));
    let views: Vec<String> = views.iter().map(|name| quote_table(name)).collect();
    let of_tables = tables.iter().map(|table| format!("{}(boolean)", partitions_function(table)));
    let of_views = views.iter().map(|view| format!("{}()", refresh_function(view)));
    let functions = list(&mut of_tables.chain(of_views));
    let (tables, views) = (list(&mut tables.iter().cloned()), list(&mut views.into_iter()));
    format!(
        "DECLARE part regclass; work regprocedure; BEGIN \
         FOR work IN SELECT to_regprocedure(name) FROM unnest({functions}) AS name WHERE to_regprocedure(name) IS NOT NULL LOOP \
         EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO {worker}; ALTER FUNCTION %s OWNER TO {owner}', work, work); END LOOP; \
         FOR part IN SELECT inhrelid FROM pg_inherits, unnest({tables}) AS name WHERE inhparent = to_regclass(name) LOOP \
         EXECUTE format('ALTER TABLE %s OWNER TO {owner}', part); END LOOP; \
         FOR part IN SELECT to_regclass(name) FROM unnest({views}) AS name WHERE to_regclass(name) IS NOT NULL LOOP \
         EXECUTE format('GRANT SELECT ON %s TO {reader}; ALTER MATERIALIZED VIEW %s OWNER TO {owner}', part, part); END LOOP; END"
    )
}

//! The tables of `fleet` on a new server have every table, column, type, check and index of the schema that the domain
//! continues. The dump of the one is compared with the other (`tests/fixtures/fleet_seed.sql`).

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use runstate::domain::fleet::DOMAIN;
use runstate::schema::Catalog;
use runstate::store::StoreAdmin;
use runstate::store::postgres::{Postgres, PostgresOptions};

use crate::support::postgres::{connect, fresh_url, run_on_server};

const SEED: &str = include_str!("../../fixtures/fleet_seed.sql");

/// The columns of tables and views: `table.column`, type, whether it is not null, default.
const COLUMNS: &str = "SELECT c.relname || '.' || a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull::text, \
    coalesce(pg_get_expr(d.adbin, d.adrelid), '') FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid \
    LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum WHERE c.relnamespace = 'fleet'::regnamespace \
    AND c.relkind IN ('r', 'p', 'm') AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped";

/// The indexes other than primary keys: table, method, whether it is unique, each column with its direction, predicate.
const INDEXES: &str = "SELECT c.relname, m.amname, x.indisunique::text, (SELECT string_agg(pg_get_indexdef(x.indexrelid, n, false) \
    || CASE WHEN x.indoption[n - 1] & 1 = 1 THEN ' desc' ELSE '' END, ', ' ORDER BY n) FROM generate_series(1, x.indnkeyatts) AS n), \
    coalesce(pg_get_expr(x.indpred, x.indrelid), '') FROM pg_index AS x JOIN pg_class AS i ON i.oid = x.indexrelid \
    JOIN pg_am AS m ON m.oid = i.relam JOIN pg_class AS c ON c.oid = x.indrelid \
    WHERE c.relnamespace = 'fleet'::regnamespace AND NOT c.relispartition AND NOT x.indisprimary";

/// The checks: table and condition.
const CHECKS: &str = "SELECT c.relname, pg_get_constraintdef(k.oid) FROM pg_constraint AS k JOIN pg_class AS c ON c.oid = k.conrelid \
    WHERE c.relnamespace = 'fleet'::regnamespace AND NOT c.relispartition AND k.contype = 'c'";

/// The primary keys: table and columns.
const KEYS: &str = "SELECT c.relname, pg_get_constraintdef(k.oid) FROM pg_constraint AS k JOIN pg_class AS c ON c.oid = k.conrelid \
    WHERE c.relnamespace = 'fleet'::regnamespace AND NOT c.relispartition AND k.contype = 'p'";

/// The divided tables: table and key.
const DIVISIONS: &str = "SELECT oid::regclass::text, pg_get_partkeydef(oid) FROM pg_class WHERE relkind = 'p'";

/// A schema as lists of texts.
#[derive(Debug, PartialEq)]
struct SchemaSummary {
    columns: BTreeMap<String, Vec<String>>,
    indexes: BTreeSet<String>,
    checks: BTreeSet<String>,
    keys: BTreeSet<String>,
    divisions: BTreeSet<String>,
}

async fn rows(url: &str, query: &str) -> Vec<Vec<String>> {
    let found = connect(url).await.simple_query(query).await.unwrap();
    let rows = found.iter().filter_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    rows.map(|row| (0..row.len()).map(|at| row.get(at).unwrap_or_default().to_owned()).collect()).collect()
}

/// The text without quotes, casts and parentheses, which depend on the types of texts.
fn plain(text: &str) -> String {
    let text = text.replace("::text", "").replace("::character varying", "").replace("::numeric", "");
    text.replace(['(', ')', '"'], "")
}

async fn summarize(url: &str) -> SchemaSummary {
    let texts = async |query: &str| -> BTreeSet<String> {
        rows(url, query).await.into_iter().map(|row| plain(&row.join(" | "))).collect()
    };
    let columns = rows(url, COLUMNS).await.into_iter().map(|mut row| {
        let rest = row.split_off(1);
        (row.remove(0), rest)
    });
    SchemaSummary {
        columns: columns.collect(),
        // The id makes the order of an index total; texts of any length are `text`, which the domain limits.
        indexes: texts(INDEXES)
            .await
            .into_iter()
            .map(|index| index.replace(", uuid |", " |").replace(", _id |", " |"))
            .collect(),
        checks: texts(CHECKS).await,
        keys: texts(KEYS).await,
        divisions: texts(DIVISIONS).await,
    }
}

/// The statements that create the schemas of a database.
fn dump(url: &str) -> Option<String> {
    let Some(programs) = std::env::var_os("RUNSTATE_PGBIN").map(std::path::PathBuf::from) else {
        println!("skipped: RUNSTATE_PGBIN names no programs of a server; `cargo xtask test` does");
        return None;
    };
    let output = Command::new(programs.join("pg_dump")).args(["--schema-only", "--dbname", url]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // Lines for psql alone.
    let text = String::from_utf8(output.stdout).unwrap();
    Some(text.lines().filter(|line| !line.starts_with('\\')).collect::<Vec<_>>().join("\n"))
}

/// Why a column of the seed may differ; `None`: it may not.
fn reason_for_type(seed: &str, found: &str) -> Option<&'static str> {
    match (seed, found) {
        _ if seed == found => Some("equal"),
        ("timestamp with time zone", "timestamp(3) with time zone") => Some("documents have milliseconds"),
        (seed, "text") if seed.starts_with("character varying") => Some("each write checks the length"),
        _ => None,
    }
}

fn reason_for_default(default: &str, found: &str) -> Option<&'static str> {
    match default {
        "" => Some("a default of the declaration"),
        _ if plain(default) == plain(found) => Some("equal"),
        "'{}'::jsonb" => Some("a document lacks the field, or has an object"),
        "0" => Some("a commit writes zero"),
        _ if default.ends_with("::character varying") => Some("the first state of a lifecycle, which a commit writes"),
        _ => None,
    }
}

#[test]
fn a_dump_has_every_part_of_the_seed() {
    run_on_server(async {
        let (url, seed_url, restored) = (fresh_url().await, fresh_url().await, fresh_url().await);
        let store = Postgres::open(&url, PostgresOptions::default()).await.unwrap();
        store.migrate(&Catalog::new(DOMAIN.collections).unwrap()).await.unwrap();
        let Some(dump) = dump(&url) else { return };
        connect(&restored).await.batch_execute(&dump).await.unwrap();
        connect(&seed_url).await.batch_execute(SEED).await.unwrap();
        let (found, seed) = (summarize(&restored).await, summarize(&seed_url).await);
        assert_eq!(found, summarize(&url).await, "the dump creates the same tables");
        let mut differences = Vec::new();
        for (column, wanted) in &seed.columns {
            let Some(actual) = found.columns.get(column) else {
                differences.push(format!("{column} is missing"));
                continue;
            };
            if reason_for_type(&wanted[0], &actual[0]).is_none() {
                differences.push(format!("{column} is {}, not {}", actual[0], wanted[0]));
            }
            if wanted[1] == "true" && actual[1] != "true" {
                differences.push(format!("{column} may be null"));
            }
            if reason_for_default(&wanted[2], &actual[2]).is_none() {
                differences.push(format!("{column} has the default `{}`, not `{}`", actual[2], wanted[2]));
            }
        }
        for (list, wanted, actual) in [
            ("index", &seed.indexes, &found.indexes),
            ("check", &seed.checks, &found.checks),
            ("primary key", &seed.keys, &found.keys),
            ("division", &seed.divisions, &found.divisions),
        ] {
            differences.extend(wanted.difference(actual).map(|missing| format!("the {list} {missing} is missing")));
        }
        assert!(differences.is_empty(), "{}\n{:#?}\n{:#?}", differences.join("\n"), found.indexes, found.checks);
    });
}

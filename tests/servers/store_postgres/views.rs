//! Materialized views: they have the numbers of the queries of `fleet`, a daily job refreshes them, and migrations do
//! not stop at them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;
use std::sync::Arc;

use runstate::decision::EngineSettings;
use runstate::domain::fleet::{DOMAIN, IntelligentMachine, Project, ResourceUsage};
use runstate::engine::{Engine, RunLimit};
use runstate::schema::{Catalog, Collection, Entity, Field, MaterializedView};
use runstate::store::postgres::Postgres;
use runstate::store::postgres::roles::statements;
use runstate::store::{COMMANDS, Store, StoreAdmin};
use runstate::testing::{SimHost, SimIds};
use runstate::time::{Date, Millis, Timestamp};
use runstate::transfer::{LineReader, LineWriter, check};
use runstate::value::Document;
use rust_decimal::Decimal;
use serde_json::{Value as Json, json};

use super::open;
use crate::settings::is_full_run;
use crate::support::batches::{batch, insert};
use crate::support::postgres::{connect, fresh_url, read_text, run_on_server};

const DAY_MS: i64 = 86_400_000;

/// Noon of the present day, so that a job of one o'clock is due tomorrow at every hour of the test.
fn clock() -> Timestamp {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    Date::of(Timestamp::from_millis(i64::try_from(now).unwrap())).start() + Millis::minutes(12 * 60)
}

async fn fleet(url: &str, now: Timestamp) -> (Engine, SimHost) {
    let host = SimHost::default();
    host.clock.set(now);
    let store: Arc<dyn Store> = Arc::new(open(url).await);
    let engine = Engine::with_settings(store, Arc::new(host.clone()), &[&DOMAIN], EngineSettings::default()).await;
    (engine.unwrap(), host)
}

/// The rows of a query of SQL, each as JSON.
async fn rows(url: &str, query: &str) -> Vec<Document> {
    let text = format!("SELECT coalesce(json_agg(row_to_json(one)), '[]') FROM ({query}) AS one");
    serde_json::from_str(&read_text(url, &text).await.unwrap()).unwrap()
}

fn uuid(kind: u32, number: usize) -> String {
    format!("01900000-0000-7000-8{kind:03}-{number:012x}")
}

/// The rows by their keys, and the values of these columns.
fn by_key(rows: &[Document], key: &[&str], columns: &[&str]) -> BTreeMap<String, Vec<Json>> {
    let values = |row: &Document, names: &[&str]| -> Vec<Json> {
        names.iter().map(|name| row.get(*name).cloned().unwrap_or_default()).collect()
    };
    rows.iter().map(|row| (json!(values(row, key)).to_string(), values(row, columns))).collect()
}

/// Compares exact numbers in texts exactly, and doubles up to their precision.
fn assert_same(found: &[Document], expected: &[Document], key: &[&str], columns: &[&str]) {
    let (found, expected) = (by_key(found, key, columns), by_key(expected, key, columns));
    assert!(found.keys().eq(expected.keys()));
    for (row, expected) in expected {
        for (a, b) in found[&row].iter().zip(&expected) {
            let is_same = match (a, b) {
                (Json::Number(a), Json::Number(b)) => {
                    let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
                    (a - b).abs() <= 1e-12 * a.abs().max(b.abs())
                }
                (Json::String(a), Json::String(b)) => {
                    a == b || a.parse::<Decimal>().is_ok_and(|a| b.parse::<Decimal>() == Ok(a))
                }
                (a, b) => a == b,
            };
            assert!(is_same, "{row}: {a} is not {b}");
        }
    }
}

fn documents(result: Json) -> Vec<Document> {
    serde_json::from_value(result).unwrap()
}

/// The rows of a result with the names of the columns of its view.
fn columns_of(result: Json) -> Vec<Document> {
    let letter = |c: char| if c.is_ascii_uppercase() { format!("_{}", c.to_ascii_lowercase()) } else { c.to_string() };
    let column = |(name, value): (String, Json)| (name.chars().map(letter).collect::<String>(), value);
    documents(result).into_iter().map(|row| row.into_iter().map(column).collect()).collect()
}

/// Fills the tables with random documents, some of them older than the views show.
async fn fill(store: &dyn Store, uses: usize) {
    let ids = SimIds::new(11);
    // Not close to the limits of the views: the day may end during the test.
    let start = Date::of(clock()).start().as_millis();
    let at = |days: usize| {
        let day = match ids.below(20) {
            0 => days + 3 + ids.below(9),
            _ => 2 + ids.below(days - 4),
        };
        start - i64::try_from(day).unwrap() * DAY_MS + i64::try_from(ids.below(86_400_000)).unwrap()
    };
    let amount =
        |whole: usize| Decimal::new(i64::try_from(ids.below(whole * 1_000_000)).unwrap(), 6).normalize().to_string();
    let project = |number: usize| {
        json!({
            "uuid": uuid(0, number), "name": format!("project {number}"), "greediness": format!("0.{}", 1 + number),
            "status": "active", "created_at": start, "updated_at": start,
        })
    };
    let projects = (0..4).map(|number| insert(&Project::COLLECTION, &uuid(0, number), project(number)));
    store.commit(batch("projects", projects.collect())).await.unwrap();
    const RESOURCES: [(&str, &str); 4] =
        [("money", "CAD"), ("money", "USD"), ("time", "hours"), ("api_calls", "calls")];
    let usage = |number: usize| {
        let (resource, unit) = RESOURCES[ids.below(4)];
        let recorded_at = at(90);
        let mut usage = json!({
            // A use of a project that does not exist is not shown.
            "uuid": uuid(1, number), "project_uuid": uuid(0, ids.below(5)), "resource_type": resource, "unit": unit,
            "amount": amount(5_000), "recorded_at": recorded_at,
            "billing_period": Date::of(Timestamp::from_millis(recorded_at)).month_start().to_string(),
        });
        if ids.below(3) > 0 {
            usage["cost_cad"] =
                Decimal::new(i64::try_from(ids.below(9_000_000)).unwrap(), 4).normalize().to_string().into();
        }
        insert(&ResourceUsage::COLLECTION, &uuid(1, number), usage)
    };
    let machine = |number: usize| {
        let (spawned_at, machine_type) = (at(30), ["aider", "claude_code", "hub"][ids.below(3)]);
        let mut machine = json!({
            "uuid": uuid(2, number), "type": machine_type, "status": "active",
            "project_uuid": uuid(0, 0), "parent_checkpoint_uuid": uuid(3, 0), "reservation_uuid": uuid(4, 0),
            "spawned_at": spawned_at, "updated_at": spawned_at, "checkpoints_created": ids.below(9),
            "resource_usage": {"money": amount(50)},
        });
        if ids.below(3) > 0 {
            let runtime = i64::try_from(ids.below(100_000_000)).unwrap();
            (machine["status"], machine["runtime_ms"]) = ("terminated".into(), runtime.into());
            machine["terminated_at"] = (spawned_at + runtime).into();
        }
        match ids.below(4) {
            0 if machine["status"] == "terminated" => machine["error_message"] = "broke".into(),
            1 => machine["resource_usage"]["api_calls"] = amount(90).into(),
            _ => {}
        }
        insert(&IntelligentMachine::COLLECTION, &uuid(2, number), machine)
    };
    let mut writes: Vec<_> = (0..uses).map(usage).chain((0..uses / 10).map(machine)).collect();
    for part in 0.. {
        let rest = writes.split_off(writes.len().min(500));
        if writes.is_empty() {
            break;
        }
        store.commit(batch(&format!("part {part}"), std::mem::replace(&mut writes, rest))).await.unwrap();
    }
}

#[test]
fn views_have_the_numbers_of_the_queries() {
    run_on_server(async {
        let url = fresh_url().await;
        let uses = if is_full_run() { 100_000 } else { 2_000 };
        let (engine, _) = fleet(&url, clock()).await;
        fill(engine.store(), uses).await;
        // As of the last refresh.
        assert_eq!(read_text(&url, "SELECT count(*) FROM fleet.project_resource_summary").await.as_deref(), Some("0"));
        let refreshed = engine.store().maintain().await.unwrap();
        let expected = columns_of(engine.call("fleet.usage.summary", Document::new()).await.unwrap());
        let found = rows(
            &url,
            "SELECT project_uuid, project_name, greediness::text, usage_date, resource_type, unit, total_amount::text, \
             total_cost_cad::text, transaction_count, avg_amount FROM fleet.project_resource_summary",
        );
        let found = found.await;
        let key = ["project_uuid", "usage_date", "resource_type", "unit"];
        let columns =
            ["project_name", "greediness", "total_amount", "total_cost_cad", "transaction_count", "avg_amount"];
        assert!(expected.len() > 300, "{}", expected.len());
        assert_same(&found, &expected, &key, &columns);
        let shown = expected.len();
        let expected = columns_of(engine.call("fleet.intelligentMachine.performance", Document::new()).await.unwrap());
        let found = rows(&url, "SELECT * FROM fleet.machine_performance_metrics").await;
        let columns = [
            "total_machines",
            "avg_runtime_minutes",
            "successful_machines",
            "success_rate_percent",
            "avg_money_cost",
            "avg_api_calls",
            "avg_checkpoints_created",
        ];
        assert_eq!(expected.len(), 2);
        assert_same(&found, &expected, &["machine_type"], &columns);
        assert_eq!(refreshed, Some((shown + 2) as u64));
        let moved = read_text(&url, "SELECT count(*) FROM fleet.resource_usage_default").await;
        assert_eq!(moved.as_deref(), Some("0"));
    });
}

#[test]
fn an_export_of_divided_tables_is_imported() {
    run_on_server(async {
        let (url, other) = (fresh_url().await, fresh_url().await);
        let ((first, _), (second, _)) = (fleet(&url, clock()).await, fleet(&other, clock()).await);
        fill(first.store(), 200).await;
        let mut bytes = Vec::new();
        runstate::transfer::export(&first, &mut LineWriter::new(&mut bytes, "postgres"), |_| {}).await.unwrap();
        let catalog = runstate::engine::catalog(&Catalog::new(DOMAIN.collections).unwrap()).unwrap();
        let mut source = LineReader::new(Cursor::new(&bytes), "postgres", catalog.clone());
        let checked = check(&mut source, &catalog, |_| {}).unwrap();
        runstate::transfer::import(&second, &mut source, &checked, |_| {}).await.unwrap();
        // `_rev` begins anew.
        let documents = "SELECT to_jsonb(u) - '_rev' AS document FROM fleet.resource_usage AS u ORDER BY u.uuid";
        let found = rows(&other, documents).await;
        assert_eq!(found.len(), 200);
        assert_eq!(found, rows(&url, documents).await);
    });
}

#[test]
fn a_daily_job_refreshes_the_views_and_records_it() {
    run_on_server(async {
        let url = fresh_url().await;
        let (engine, host) = fleet(&url, clock()).await;
        let call = async |name: &str, parameters: Json| {
            engine.call(name, documents(json!([parameters])).remove(0)).await.unwrap()
        };
        call("fleet.project.create", json!({"name": "p", "id": uuid(0, 0), "greediness": "0.5"})).await;
        let used = json!({"owner": uuid(0, 0), "resourceType": "api_calls", "amount": "3", "unit": "calls"});
        call("fleet.usage.record", used.clone()).await;
        let next = Date::of(host.clock.now()).start() + Millis::days(1) + Millis::minutes(60);
        host.clock.set(next + Millis(-1));
        engine.run_due(100, RunLimit::Stop).await.unwrap();
        assert_eq!(rows(&url, "SELECT * FROM fleet.project_resource_summary").await.len(), 0);
        host.clock.set(next);
        for _ in 0..2 {
            engine.run_due(100, RunLimit::Stop).await.unwrap();
        }
        let found = rows(&url, "SELECT total_amount, transaction_count FROM fleet.project_resource_summary").await;
        assert_eq!(json!(found), json!([{"total_amount": 3.000_000, "transaction_count": 1}]));
        let log = call("fleet.maintenance.list", json!({"operation": "refresh_views"})).await;
        assert_eq!(log["items"].as_array().unwrap().len(), 1, "{log}");
        assert_eq!(log["items"][0]["affectedRows"], 1);
        // It is due the next day again.
        host.clock.advance(Millis::days(1));
        engine.run_due(100, RunLimit::Stop).await.unwrap();
        let log = call("fleet.maintenance.list", json!({"operation": "refresh_views"})).await;
        assert_eq!(log["items"].as_array().unwrap().len(), 2);
    });
}

const SUMS: MaterializedView = MaterializedView {
    name: "t.sums",
    query: "SELECT x, sum(n) AS total FROM t.c GROUP BY x",
    reads: &[("t.c", &["x", "n"])],
    index: "sums_key",
    key: &["x"],
};
const COUNTS: MaterializedView =
    MaterializedView { query: "SELECT x, count(*) AS total FROM t.c GROUP BY x", reads: &[("t.c", &["x"])], ..SUMS };
const FIRST: Collection =
    Collection::new("t.c", 1).fields(&[Field::text("x"), Field::int("n").optional()]).views(&[&SUMS]);
/// A field that the view reads has another kind.
const SECOND: Collection =
    Collection::new("t.c", 2).fields(&[Field::text("x"), Field::text("n").optional()]).views(&[&SUMS]);
const THIRD: Collection = Collection::new("t.c", 3)
    .fields(&[Field::text("x"), Field::text("n").optional(), Field::int("m").optional()])
    .views(&[&COUNTS]);

async fn migrate(store: &Postgres, collection: &'static Collection) {
    store.migrate(&Catalog::new(&[collection]).unwrap()).await.unwrap();
}

#[test]
fn views_do_not_stop_a_migration() {
    run_on_server(async {
        let url = fresh_url().await;
        let store = open(&url).await;
        migrate(&store, &FIRST).await;
        let document = |n: i64| json!({"x": "a", "n": n});
        store
            .commit(batch("fill", vec![insert(&FIRST, "0", document(2)), insert(&FIRST, "1", document(3))]))
            .await
            .unwrap();
        assert_eq!(store.maintain().await.unwrap(), Some(1));
        let totals = "SELECT total FROM t.sums";
        assert_eq!(read_text(&url, totals).await.as_deref(), Some("5"));
        migrate(&store, &SECOND).await;
        let exists = "SELECT count(*) FROM pg_matviews";
        assert_eq!(read_text(&url, exists).await.as_deref(), Some("0"), "its column has no numbers any more");
        assert_eq!(store.maintain().await.unwrap(), None);
        // Another query over columns that are there.
        migrate(&store, &THIRD).await;
        assert_eq!(read_text(&url, totals).await.as_deref(), Some("2"));
        connect(&url).await.batch_execute("DROP MATERIALIZED VIEW t.sums").await.unwrap();
        let catalog = Catalog::new(&[&THIRD]).unwrap();
        let missing = store.inspect(&catalog).await.unwrap().findings;
        assert_eq!(missing.iter().map(|one| one.at.as_str()).collect::<Vec<_>>(), ["t.sums"]);
        migrate(&store, &THIRD).await;
        assert!(store.inspect(&catalog).await.unwrap().findings.is_empty());
    });
}

#[test]
fn a_user_without_rights_works_on_a_prepared_database() {
    run_on_server(async {
        let url = fresh_url().await;
        migrate(&open(&url).await, &FIRST).await;
        let role = format!("reader_{}", url.rsplit_once('/').unwrap().1);
        let script = format!(
            "CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA t, runstate TO {role}; \
             GRANT SELECT, INSERT, UPDATE, DELETE ON t.c, runstate.meta, runstate.changes, runstate.commands TO {role}"
        );
        connect(&url).await.batch_execute(&script).await.unwrap();
        let (_, place) = url.split_once('@').unwrap();
        let store = open(&format!("postgres://{role}@{place}")).await;
        migrate(&store, &FIRST).await;
        store.commit(batch("a", vec![insert(&FIRST, "a", json!({"x": "a", "n": 1}))])).await.unwrap();
        assert_eq!(store.maintain().await.unwrap(), None);
        assert_eq!(open_and_refresh(&url).await, Some(1));
    });
}

#[test]
fn a_worker_refreshes_views_and_moves_rows_to_partitions() {
    run_on_server(async {
        let url = fresh_url().await;
        let (owner, _) = fleet(&url, clock()).await;
        fill(owner.store(), 200).await;
        let names: Vec<&str> = owner.catalog().iter().map(|collection| collection.name).collect();
        let names: Vec<&str> =
            names.into_iter().chain(["runstate.commands"]).collect::<BTreeSet<_>>().into_iter().collect();
        let views = ["fleet.project_resource_summary", "fleet.machine_performance_metrics"];
        let mut script = statements(&url, &names, &[], &views).unwrap().join(";");
        let database = url.rsplit_once('/').unwrap().1;
        script.push_str(&format!("; CREATE ROLE {database} LOGIN IN ROLE {database}_worker"));
        connect(&url).await.batch_execute(&script).await.unwrap();
        let (_, place) = url.split_once('@').unwrap();
        let (worker, _) = fleet(&format!("postgres://{database}@{place}"), clock()).await;
        let late = "SELECT count(*) FROM fleet.resource_usage_default";
        assert_ne!(read_text(&url, late).await.as_deref(), Some("0"));
        let rows = worker.store().maintain().await.unwrap();
        let shown = "SELECT (SELECT count(*) FROM fleet.project_resource_summary) + (SELECT count(*) FROM fleet.machine_performance_metrics)";
        assert_eq!(rows.map(|rows| rows.to_string()), read_text(&url, shown).await);
        assert!(rows > Some(10), "{rows:?}");
        assert_eq!(read_text(&url, late).await.as_deref(), Some("0"));
        // A sweep records from where on changes are kept.
        connect(&url).await.batch_execute("UPDATE runstate.changes SET at = now() - interval '30 days'").await.unwrap();
        worker.store().sweep(COMMANDS.name, clock(), 10).await.unwrap();
        assert_ne!(read_text(&url, "SELECT value FROM runstate.meta WHERE key = 'feed'").await, None);
        // It may not alter them, nor their records, and no other user may call the functions.
        let limited = connect(&format!("postgres://{database}@{place}")).await;
        assert!(limited.batch_execute("REFRESH MATERIALIZED VIEW fleet.project_resource_summary").await.is_err());
        let records = "UPDATE runstate.meta SET value = '{}' WHERE key <> 'feed'";
        assert_eq!(limited.execute(records, &[]).await.unwrap(), 0);
        assert!(limited.execute("INSERT INTO runstate.meta VALUES ('x', '{}')", &[]).await.is_err());
        let public = "SELECT has_function_privilege('public', 'fleet.project_resource_summary_refresh()', 'EXECUTE')";
        assert_eq!(read_text(&url, public).await.as_deref(), Some("f"));
    });
}

#[test]
fn a_view_that_another_owner_replaces_has_its_readers_and_is_refreshed() {
    run_on_server(async {
        let url = fresh_url().await;
        let store = open(&url).await;
        migrate(&store, &FIRST).await;
        store.commit(batch("fill", vec![insert(&FIRST, "0", json!({"x": "a", "n": 2}))])).await.unwrap();
        let (server, database) = url.rsplit_once('/').unwrap();
        let mut script = statements(&url, &["t.c", "runstate.commands"], &[], &["t.sums"]).unwrap().join(";");
        for role in ["owner", "worker"] {
            script.push_str(&format!("; CREATE ROLE {database}_a_{role} LOGIN IN ROLE {database}_{role}"));
        }
        // As after a change of its query, and beside a function of an operator.
        script.push_str("; CREATE FUNCTION t.sums_refresh(n int) RETURNS int LANGUAGE sql AS 'SELECT 1'");
        script.push_str("; UPDATE runstate.meta SET value = '{}' WHERE key = 'views'");
        connect(&url).await.batch_execute(&script).await.unwrap();
        let (_, place) = server.split_once('@').unwrap();
        let as_role = |role: &str| format!("postgres://{database}_a_{role}@{place}/{database}");
        migrate(&open(&as_role("owner")).await, &FIRST).await;
        let owners = "SELECT string_agg(DISTINCT relowner::regrole::text, ' ') FROM pg_class \
                      WHERE oid IN ('t.c'::regclass, 't.sums'::regclass)";
        assert_eq!(read_text(&url, owners).await, Some(format!("{database}_owner")));
        let worker = open(&as_role("worker")).await;
        migrate(&worker, &FIRST).await;
        assert_eq!(worker.maintain().await.unwrap(), Some(1));
        assert_eq!(read_text(&as_role("worker"), "SELECT total FROM t.sums").await.as_deref(), Some("2"));
    });
}

async fn open_and_refresh(url: &str) -> Option<u64> {
    let owner = open(url).await;
    migrate(&owner, &FIRST).await;
    owner.maintain().await.unwrap()
}

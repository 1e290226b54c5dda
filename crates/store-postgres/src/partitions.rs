//! Partitions by month. A declared collection has them in a new table; a table without them stays as it is.
//!
//! The primary key of such a table includes the day, as the server demands. An id is unique in the whole table all the
//! same: an insertion first locks its id (`commit_steps.rs`), and then looks for it in all partitions. The default
//! partition takes the rows of months that have no partition yet, so no insertion fails. Their rows move when the
//! partition of the month is created. A function of the server changes partitions, with the rights of the table's owner.

use runstate_store::StoreError;
use runstate_value::CRC_32;

use super::Postgres;
use super::connection::PooledConnection;
use super::functions::{function_name, owner_function};
use super::layout::{TableLayout, limit_name, split_name};
use super::server_state::ServerState;
use super::statement::{SqlStatement, quote, quote_text};

/// Months after the present one that have a partition ahead.
const MONTHS_AHEAD: u32 = 2;
/// The most months whose rows move at once.
const MAX_MOVED_MONTHS: u32 = 120;

#[derive(Clone, Debug)]
pub(super) struct TablePartitions {
    /// The column of the day.
    pub(super) column: String,
    /// Whether the table belongs to this user.
    pub(super) may_change: bool,
    /// Whether this user may call the function that changes the partitions.
    pub(super) may_maintain: bool,
    /// The body of that function. None: there is none.
    pub(super) body: Option<String>,
}

/// The names of the partitions of months begin so, and end with a month: `resource_usage_2024_08`.
fn name_prefix(layout: &TableLayout) -> String {
    const MONTH: &str = "2024_08";
    let (_, table) = split_name(layout.collection.name);
    match limit_name(&format!("{table}_{MONTH}")).strip_suffix(MONTH) {
        Some(prefix) => prefix.to_owned(),
        None => format!("part_{:08x}_", CRC_32.checksum(table.as_bytes())),
    }
}

/// The name of the partition for rows without another one.
fn default_name(layout: &TableLayout) -> String {
    limit_name(&format!("{}_default", split_name(layout.collection.name).1))
}

fn qualified(layout: &TableLayout, partition: &str) -> String {
    format!("{}.{}", quote(split_name(layout.collection.name).0), quote(partition))
}

/// The statement that creates the default partition of a new table.
pub(super) fn create_default(layout: &TableLayout) -> String {
    format!("CREATE TABLE {} PARTITION OF {} DEFAULT", qualified(layout, &default_name(layout)), layout.table)
}

impl Postgres {
    /// Creates the function that changes the partitions of a table, and calls it, in the open transaction of a
    /// migration.
    pub(super) async fn prepare_partitions(
        &self,
        connection: &mut PooledConnection,
        layout: &TableLayout,
        state: &ServerState,
    ) -> Result<(), StoreError> {
        let Some(partitions) = state.partitions(layout.collection).filter(|partitions| partitions.may_change) else {
            return Ok(());
        };
        let doing = format!("preparing the partitions of {}", layout.collection.name);
        let failed = |error| self.preparation_error(&error, &doing);
        let (name, body) = (partitions_function(&layout.table), function_body(layout, &partitions.column));
        let create = owner_function(&layout.table, &name, "apply boolean", "integer", &body);
        connection.run_script(&create).await.map_err(failed)?;
        self.change_partitions(connection, layout, true).await.map(|_| ())
    }

    /// Calls the function that changes the partitions of a table. Returns the number of changes; `apply` makes them.
    pub(super) async fn change_partitions(
        &self,
        connection: &mut PooledConnection,
        layout: &TableLayout,
        apply: bool,
    ) -> Result<i32, StoreError> {
        let doing = format!("changing the partitions of {}", layout.collection.name);
        let failed = |error: tokio_postgres::Error| self.preparation_error(&error, &doing);
        let call = format!("SELECT {}({apply})", partitions_function(&layout.table));
        let reply = connection.run(&SqlStatement::new(call, Vec::new())).await.map_err(failed)?;
        reply.rows.first().map_or(Ok(0), |row| row.try_get(0)).map_err(failed)
    }
}

/// The name of the function that changes the partitions of this table.
pub(super) fn partitions_function(table: &str) -> String {
    function_name(table, "_partitions")
}

/// The body of that function. It has the rights of its owner: the user of a worker may call it, and cannot alter a
/// table. It creates partitions of the months ahead and of those with rows in the default partition, which move, and
/// drops those of past months that are empty. It locks the table first, so it also waits for rows that other programs
/// write. A partition that another program has made is left alone, and so are rows
/// of its span.
pub(super) fn function_body(layout: &TableLayout, day: &str) -> String {
    let (schema, _) = split_name(layout.collection.name);
    let (day, table) = (quote(day), quote_text(&layout.table));
    let (schema, prefix) = (quote_text(schema), quote_text(&name_prefix(layout)));
    let parts = "SELECT k.oid::regclass AS part, k.relname::text AS part_name, pg_get_expr(k.relpartbound, k.oid) = 'DEFAULT' AS is_rest, \
                 (regexp_match(pg_get_expr(k.relpartbound, k.oid), 'FROM \\(''([^'']+)''\\)'))[1]::date AS lower, \
                 (regexp_match(pg_get_expr(k.relpartbound, k.oid), 'TO \\(''([^'']+)''\\)'))[1]::date AS upper \
                 FROM pg_inherits AS i JOIN pg_class AS k ON k.oid = i.inhrelid WHERE i.inhparent = divided";
    format!(
        "DECLARE
  divided regclass := {table}::regclass;
  divided_owner text := (SELECT relowner::regrole::text FROM pg_class WHERE oid = divided);
  columns text := (SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute
    WHERE attrelid = divided AND attnum > 0 AND NOT attisdropped AND attgenerated = '');
  this_month date := date_trunc('month', now() AT TIME ZONE 'UTC')::date;
  rest regclass;
  late date[];
  first date;
  following date;
  part_of_month text;
  old record;
  is_filled boolean;
  changes integer := 0;
BEGIN
  IF apply THEN
    -- A row of an older snapshot, or one that another program changes meanwhile, would be lost.
    IF current_setting('transaction_isolation') <> 'read committed' THEN
      RAISE 'partitions are changed at READ COMMITTED only' USING ERRCODE = 'feature_not_supported';
    END IF;
    EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', divided);
  END IF;
  rest := (SELECT part FROM ({parts}) AS p WHERE is_rest);
  IF rest IS NOT NULL THEN
    EXECUTE format('SELECT array_agg(month) FROM (SELECT DISTINCT date_trunc(''month'', {day}::timestamp)::date AS month FROM %s '
      'WHERE {day} >= ''0001-01-01'' AND {day} < ''9999-01-01'' ORDER BY month LIMIT {MAX_MOVED_MONTHS}) AS m', rest) INTO late;
  END IF;
  FOR first IN SELECT (this_month + make_interval(months => n))::date FROM generate_series(0, {MONTHS_AHEAD}) AS n
    UNION SELECT unnest(late) ORDER BY 1 LOOP
    following := (first + interval '1 month')::date;
    CONTINUE WHEN EXISTS (SELECT FROM ({parts}) AS p
      WHERE NOT is_rest AND coalesce(lower < following, true) AND coalesce(upper > first, true));
    part_of_month := format('%I.%I', {schema}::text, {prefix} || to_char(first, 'YYYY_MM'));
    -- One that was detached has its name.
    CONTINUE WHEN to_regclass(part_of_month) IS NOT NULL;
    changes := changes + 1;
    CONTINUE WHEN NOT apply;
    IF rest IS NULL THEN
      EXECUTE format('CREATE TABLE %s PARTITION OF %s FOR VALUES FROM (%L) TO (%L)', part_of_month, divided, first, following);
    ELSE
      EXECUTE format('CREATE TABLE %s (LIKE %s INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED)',
        part_of_month, divided);
      EXECUTE format('INSERT INTO %s (%s) SELECT %s FROM %s WHERE {day} >= %L AND {day} < %L',
        part_of_month, columns, columns, rest, first, following);
      EXECUTE format('DELETE FROM %s WHERE {day} >= %L AND {day} < %L', rest, first, following);
      EXECUTE format('ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM (%L) TO (%L)', divided, part_of_month, first, following);
    END IF;
    EXECUTE format('ALTER TABLE %s OWNER TO %s', part_of_month, divided_owner);
  END LOOP;
  FOR old IN SELECT part FROM ({parts}) AS p
    WHERE upper <= this_month AND part_name = {prefix} || to_char(lower, 'YYYY_MM') LOOP
    EXECUTE format('SELECT EXISTS (SELECT FROM %s)', old.part) INTO is_filled;
    CONTINUE WHEN is_filled;
    changes := changes + 1;
    IF apply THEN
      EXECUTE format('DROP TABLE %s', old.part);
    END IF;
  END LOOP;
  RETURN changes;
END"
    )
}

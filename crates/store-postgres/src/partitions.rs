//! Partitions by month. A declared collection has them in a new table; a table without them stays as it is.
//!
//! The primary key of such a table includes the day, as the server demands. An id is unique in the whole table all the
//! same: an insertion first locks its id (`commit_steps.rs`), and then looks for it in all partitions. The default
//! partition takes the rows of months that have no partition yet, so no insertion fails. Their rows move when the
//! partition of the month is created.

use runstate_store::StoreError;
use runstate_value::time::Date;

use super::Postgres;
use super::connection::PooledConnection;
use super::layout::{TableLayout, limit_name, split_name};
use super::server_state::ServerState;
use super::statement::{SqlStatement, quote, quote_text};

/// Months after the present one that have a partition ahead.
const MONTHS_AHEAD: u32 = 2;
/// The most months whose rows move at once.
const MAX_MOVED_MONTHS: u32 = 120;

/// The partitions of a table.
#[derive(Clone, Debug, Default)]
pub(super) struct TablePartitions {
    /// The column of the day.
    pub(super) column: String,
    /// The owner of the table, quoted.
    pub(super) owner: String,
    /// Whether this user may create and drop partitions.
    pub(super) may_change: bool,
    pub(super) parts: Vec<ServerPartition>,
}

/// A partition on the server.
#[derive(Clone, Debug)]
pub(super) struct ServerPartition {
    pub(super) name: String,
    /// Its first day, and the first day after it. None: it is the default one, or has no such bound.
    pub(super) days: (Option<Date>, Option<Date>),
    pub(super) is_default: bool,
}

/// A partition that is created or dropped.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum PartitionChange {
    /// Creates the partition of the month that begins on this day. Rows of the default partition move to it.
    Create(Date),
    /// Drops the empty partition with this name.
    Drop(String),
}

fn next_month(month: Date) -> Date {
    month.month_end().plus_days(1)
}

/// The name of the partition of a month: `resource_usage_2024_08`.
fn partition_name(layout: &TableLayout, month: Date) -> String {
    let (_, table) = split_name(layout.collection.name);
    let month = month.to_string();
    limit_name(&format!("{table}_{}_{}", &month[..4], &month[5..7]))
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

impl TablePartitions {
    /// Whether a partition other than the default one takes rows of this month.
    fn covers(&self, month: Date) -> bool {
        self.parts.iter().filter(|part| !part.is_default).any(|ServerPartition { days: (from, to), .. }| {
            from.is_none_or(|from| from < next_month(month)) && to.is_none_or(|to| to > month)
        })
    }

    /// The months that should have a partition, and have none.
    pub(super) fn missing_months(&self, today: Date) -> Vec<Date> {
        let mut month = today.month_start();
        let mut missing = Vec::new();
        for _ in 0..=MONTHS_AHEAD {
            if self.may_change && !self.covers(month) {
                missing.push(month);
            }
            month = next_month(month);
        }
        missing
    }

    fn default_part(&self) -> Option<&ServerPartition> {
        self.parts.iter().find(|part| part.is_default)
    }

    /// The partitions of months before the present one. Those that another program has made under other names are left
    /// alone.
    fn past_partitions(&self, layout: &TableLayout, today: Date) -> Vec<&str> {
        let is_past = |part: &&ServerPartition| match part.days {
            (Some(from), Some(to)) => to <= today.month_start() && part.name == partition_name(layout, from),
            _ => false,
        };
        self.parts.iter().filter(is_past).map(|part| part.name.as_str()).collect()
    }
}

impl Postgres {
    /// The changes that the partitions of a table need: months ahead, months with rows in the default partition, and
    /// empty months of the past.
    pub(super) async fn plan_partitions(
        &self,
        connection: &mut PooledConnection,
        layout: &TableLayout,
        state: &ServerState,
    ) -> Result<Vec<PartitionChange>, StoreError> {
        let Some(partitions) = state.partitions(layout.collection).filter(|partitions| partitions.may_change) else {
            return Ok(Vec::new());
        };
        let mut months = partitions.missing_months(state.today);
        let doing = format!("reading the partitions of {}", layout.collection.name);
        let failed = |error: tokio_postgres::Error| self.map_error(&error, &doing);
        if let Some(default) = partitions.default_part() {
            let day = quote(&partitions.column);
            let text = format!(
                "SELECT DISTINCT to_char({day}, 'YYYY-MM-01') FROM {} WHERE {day} >= '0001-01-01' AND {day} < '9999-01-01' ORDER BY 1 \
                 LIMIT {MAX_MOVED_MONTHS}",
                qualified(layout, &default.name)
            );
            for row in connection.run(&SqlStatement::new(text, Vec::new())).await.map_err(failed)?.rows {
                let month: String = row.try_get(0).map_err(failed)?;
                // A partition of another span may overlap with the month: then its rows stay in the default one.
                months.extend(Date::parse(&month).filter(|month| !partitions.covers(*month)));
            }
        }
        months.sort_unstable();
        months.dedup();
        let mut changes: Vec<PartitionChange> = months.into_iter().map(PartitionChange::Create).collect();
        for name in partitions.past_partitions(layout, state.today) {
            let text = format!("SELECT EXISTS (SELECT 1 FROM {})", qualified(layout, name));
            let reply = connection.run(&SqlStatement::new(text, Vec::new())).await.map_err(failed)?;
            if reply.rows.first().is_some_and(|row| !row.try_get(0).unwrap_or(true)) {
                changes.push(PartitionChange::Drop(name.to_owned()));
            }
        }
        Ok(changes)
    }

    /// Changes partitions, in an open transaction that holds the locks of a migration.
    pub(super) async fn change_partitions(
        &self,
        connection: &mut PooledConnection,
        layout: &TableLayout,
        state: &ServerState,
        changes: &[PartitionChange],
    ) -> Result<(), StoreError> {
        let Some(partitions) = state.partitions(layout.collection) else { return Ok(()) };
        let doing = format!("changing the partitions of {}", layout.collection.name);
        for change in changes {
            let script = match change {
                PartitionChange::Create(month) => create_script(layout, partitions, *month),
                PartitionChange::Drop(name) => format!("DROP TABLE {}", qualified(layout, name)),
            };
            connection.run_script(&script).await.map_err(|error| self.preparation_error(&error, &doing))?;
        }
        Ok(())
    }
}

/// The statements that create the partition of a month, with the rows that the default partition has of it.
fn create_script(layout: &TableLayout, partitions: &TablePartitions, month: Date) -> String {
    let (from, to) = (quote_text(&month.to_string()), quote_text(&next_month(month).to_string()));
    let (table, day) = (&layout.table, quote(&partitions.column));
    let name = qualified(layout, &partition_name(layout, month));
    let create = match partitions.default_part() {
        None => format!("CREATE TABLE {name} PARTITION OF {table} FOR VALUES FROM ({from}) TO ({to})"),
        Some(default) => {
            let (default, rows) = (qualified(layout, &default.name), format!("{day} >= {from} AND {day} < {to}"));
            format!(
                "CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS); \
                 INSERT INTO {name} SELECT * FROM {default} WHERE {rows}; DELETE FROM {default} WHERE {rows}; \
                 ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ({from}) TO ({to})"
            )
        }
    };
    format!("{create}; ALTER TABLE {name} OWNER TO {}", partitions.owner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Date {
        Date::parse(text).unwrap()
    }

    #[test]
    fn months_without_a_partition_are_missing() {
        let part = |days, is_default| ServerPartition { name: String::new(), days, is_default };
        let months = |parts: Vec<ServerPartition>| {
            let partitions = TablePartitions { may_change: true, parts, ..TablePartitions::default() };
            let months = partitions.missing_months(day("2024-11-30"));
            months.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(months(vec![part((None, None), true)]), "2024-11-01 2024-12-01 2025-01-01");
        let november = part((Some(day("2024-11-01")), Some(day("2024-12-01"))), false);
        assert_eq!(months(vec![november.clone()]), "2024-12-01 2025-01-01");
        assert_eq!(months(vec![november, part((Some(day("2025-01-01")), None), false)]), "2024-12-01");
        // One of another span.
        assert_eq!(months(vec![part((Some(day("2024-01-01")), Some(day("2025-01-02"))), false)]), "");
    }
}

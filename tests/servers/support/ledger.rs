//! A transaction on PostgreSQL that has the ledger row of a command, as an attempt that waits for a standby.

use runstate::store::COMMANDS;
use tokio_postgres::Client;

/// Begins a transaction that inserts the ledger row of `command`, a copy of another one.
pub async fn begin_with_ledger_row(operator: &Client, command: &str) {
    let columns = "SELECT string_agg(quote_ident(attname), ',') FROM pg_attribute \
                   WHERE attrelid = $1::text::regclass AND attnum > 0 AND attname <> '_id'";
    let columns: String = operator.query_one(columns, &[&COMMANDS.name]).await.unwrap().get(0);
    let ledger = COMMANDS.name;
    let insertion =
        format!("BEGIN; INSERT INTO {ledger} (_id, {columns}) SELECT '{command}', {columns} FROM {ledger} LIMIT 1");
    operator.batch_execute(&insertion).await.unwrap();
}

/// The process of the database's session that waits for a lock.
pub async fn find_waiting_session(operator: &Client) -> Option<i32> {
    let waiting = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    operator.query_opt(waiting, &[]).await.unwrap().map(|row| row.get(0))
}

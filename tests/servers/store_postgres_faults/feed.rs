//! The feed beside transactions of other programs. Their ids are those of the whole server, so the server has no other
//! tests.

use runstate::store::Store;
use runstate::time::Millis;

use super::load;
use super::server::PostgresNode;
use crate::support::proxy::{Proxy, WatchAction};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writer_without_an_id_and_other_programs_delay_no_reader() {
    let Some(node) = PostgresNode::start_new().await else { return };
    let name = node.create_database("feed").await;
    let store = load::open(&node.url(&name)).await;
    let from = store.changes(None, 1, Millis(0)).await.unwrap().next;
    load::count(&store, 1, 0, "all").await;
    let open = async || {
        let (client, connection) = tokio_postgres::connect(&node.url(&name), tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    };
    let (other, writer) = (open().await, open().await);
    other.batch_execute("CREATE TABLE other (n int); BEGIN; INSERT INTO other VALUES (1)").await.unwrap();
    load::count(&store, 1, 1, "all").await;
    // A writer of the store that has the lock, and no id yet. The id of the other transaction is not its own.
    writer.batch_execute("BEGIN; SELECT pg_advisory_xact_lock_shared(x'726e7374'::int, 1)").await.unwrap();
    let rows = async || {
        let events = store.changes(Some(from.clone()), 10, Millis(0)).await.unwrap().events;
        events.iter().filter(|event| &*event.key.collection == load::ROWS.name).count()
    };
    assert_eq!(rows().await, 2);
    writer.batch_execute("ROLLBACK").await.unwrap();
    other.batch_execute("ROLLBACK").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reader_passes_no_change_if_its_server_is_replaced_while_it_reads() {
    let Some(former) = PostgresNode::start_new().await else { return };
    let name = former.create_database("replaced").await;
    let direct = load::open(&former.url(&name)).await;
    load::count(&direct, 1, 0, "all").await;
    let from = direct.changes(None, 1, Millis(0)).await.unwrap().next;
    // A copy that takes its place without the latest transactions, as after a crash: it issues their ids again.
    let copy = former.start_standby().await;
    former.set("synchronous_standby_names", "").await;
    copy.promote().await;
    former.use_transaction_ids(1_000).await;
    for prepared in [true, false] {
        let proxy = Proxy::start(former.port);
        let store = load::open(&format!("{}?preparedStatements={prepared}", former.url_via(proxy.port, &name))).await;
        proxy.watch(b"LEFT JOIN (SELECT *, ", WatchAction::HoldRequest);
        let reading = async || store.changes(Some(from.clone()), 100, Millis(0)).await.unwrap();
        let replacing = async {
            proxy.wait_until_seen().await;
            let writer = copy.connect_to(&name).await;
            let begin = "BEGIN; SELECT pg_advisory_xact_lock_shared(x'726e7374'::int, 1); \
                         INSERT INTO runstate.changes (transaction, command, changes) \
                         VALUES (pg_current_xact_id()::text::bigint, 'early', jsonb_build_array(jsonb_build_array('test.rows', 'early', null)))";
            writer.batch_execute(begin).await.unwrap();
            let later = load::open(&copy.url(&name)).await;
            load::count(&later, 2, u64::from(prepared), "all").await;
            proxy.switch_to(copy.port);
            writer
        };
        let (before, writer) = tokio::join!(reading(), replacing);
        writer.batch_execute("COMMIT").await.unwrap();
        let after = store.changes(Some(before.next), 100, Millis(0)).await.unwrap();
        let early = after.events.iter().filter(|event| event.command.as_str() == "early").count();
        assert_eq!(early, 1, "prepared: {prepared}");
    }
}

//! Ledger rows expire by the server's clock, whatever the clocks of writers and sweeps say.

use mongodb::bson::{DateTime, Document, doc};
use runstate::schema::{Catalog, Collection, Key, Query};
use runstate::store::mongodb::{Mongo, MongoOptions};
use runstate::store::{Batch, COMMANDS, Freshness, Store, StoreAdmin};
use runstate::time::{Millis, Timestamp};

use crate::support::batches::batch;
use crate::support::mongodb::{fresh_url, indexes, run_command, run_on_server};

const C: Collection = Collection::new("t.c", 1);

fn batch_at(at: i64) -> Batch {
    Batch { at: Timestamp::from_millis(at), ..batch(&format!("at{at}"), Vec::new()) }
}

async fn row(url: &str, at: i64) -> Document {
    let found = run_command(url, doc! {"find": "runstate.commands", "filter": {"_id": format!("at{at}")}}).await;
    let batch = found.get_document("cursor").unwrap().get_array("firstBatch").unwrap();
    batch[0].as_document().unwrap().clone()
}

#[test]
fn ledger_retention_follows_the_server_clock() {
    run_on_server(async {
        let url = fresh_url();
        let store = Mongo::open(&url, MongoOptions::default()).await.unwrap();
        store.migrate(&Catalog::new(&[&C]).unwrap()).await.unwrap();
        let now = DateTime::now().timestamp_millis();
        let (before, after) = (now - Millis::days(30).0, now + Millis::days(30).0);
        for at in [0, before, after] {
            store.commit(batch_at(at)).await.unwrap();
            let kept = row(&url, at).await.get_datetime("_kept").unwrap().timestamp_millis();
            assert!(kept.abs_diff(now) < 600_000, "{at}: {kept} beside {now}");
        }
        // The field is the server's own, and readers do not see it.
        let key = Key::new(&COMMANDS, "at0");
        let found = store.get(std::slice::from_ref(&key), Freshness::Linearizable).await.unwrap().remove(0).unwrap();
        assert_eq!(found.document.keys().collect::<Vec<_>>(), ["at", "fingerprint", "result", "id"]);
        let query = Query::of(&COMMANDS).filter(runstate::schema::Filter::Exists("_kept".to_owned(), true));
        assert_eq!(store.query(&query, Freshness::Linearizable).await.unwrap().items, []);
        // A host whose clock is far ahead sweeps nothing.
        let sweep = async |now| store.sweep(COMMANDS.name, Timestamp::from_millis(now), 10).await.unwrap();
        assert_eq!(sweep(now + Millis::days(3_000).0).await, 0);
        let week = DateTime::from_millis(now - Millis::days(7).0 - 600_000);
        let set = doc! {"q": {"_id": {"$ne": "at0"}}, "u": {"$set": {"_kept": week}}, "multi": true};
        run_command(&url, doc! {"update": "runstate.commands", "updates": [set]}).await;
        assert_eq!(sweep(now - Millis::days(1).0).await, 0);
        assert_eq!(sweep(now + 600_000).await, 2);
        assert!(store.commit(batch_at(0)).await.unwrap().replayed);
        // The server is the last resort, after the longest time.
        let indexes = indexes(&url, "runstate.commands").await;
        let expiry: Vec<i64> =
            indexes.iter().filter_map(|index| index.get("expireAfterSeconds")?.as_i32().map(i64::from)).collect();
        assert_eq!(expiry, [Millis::days(365).0 / 1_000]);
        let sweep_ledger =
            async |now, kept| store.sweep_ledger(Timestamp::from_millis(now), Millis::days(kept), 10).await.unwrap();
        let old = DateTime::from_millis(now - Millis::days(20).0);
        let set = doc! {"q": {"_id": "at0"}, "u": {"$set": {"_kept": old}}};
        run_command(&url, doc! {"update": "runstate.commands", "updates": [set]}).await;
        assert_eq!(sweep_ledger(now + Millis::days(3_000).0, 30).await, 0);
        assert_eq!(sweep_ledger(now, 10).await, 1);
        assert!(!store.commit(batch_at(after)).await.unwrap().replayed);
    });
}

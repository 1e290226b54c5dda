//! Sessions on MongoDB: clients that assign them to the slots of one machine, and documents that other programs damage.

use std::sync::Arc;

use mongodb::bson::{Document, doc};
use runstate::store::Store;
use runstate::store::mongodb::{Mongo, MongoOptions};

use super::documents::reopener;
use crate::support::damaged_sessions::{expect_bounded_damage, expect_no_delay};
use crate::support::mongodb::{fresh_url, run_command, run_on_server};
use crate::support::orchestration_cases as cases;

#[test]
fn a_thousand_assigns_of_eight_clients_give_ten_holders() {
    run_on_server(async { cases::thousand_assigns_give_ten_holders(&reopener(), 8).await });
}

#[test]
fn sessions_that_the_driver_damaged_delay_no_others() {
    run_on_server(async {
        for damage in [doc! {"last_heartbeat": "yesterday"}, doc! {"_rev": "zzz"}] {
            expect_no_delay_by(damage).await;
        }
    });
}

async fn expect_no_delay_by(damage: Document) {
    let url = &fresh_url();
    let open = || -> runstate::marker::BoxFuture<'static, _> {
        let url = url.clone();
        Box::pin(async move { Ok(Arc::new(Mongo::open(&url, MongoOptions::default()).await?) as Arc<dyn Store>) })
    };
    let damage = async |id: &str| {
        let update = doc! {"q": {"_id": id}, "u": {"$set": &damage}};
        let reply = run_command(url, doc! {"update": "orchestration.sessions", "updates": [update]}).await;
        assert_eq!(reply.get_i32("nModified").unwrap(), 1);
    };
    expect_no_delay(&open, damage).await;
}

#[test]
fn a_page_of_sessions_that_the_driver_damaged_is_bounded() {
    run_on_server(async {
        let url = &fresh_url();
        let open = || -> runstate::marker::BoxFuture<'static, _> {
            let url = url.clone();
            Box::pin(async move { Ok(Arc::new(Mongo::open(&url, MongoOptions::default()).await?) as Arc<dyn Store>) })
        };
        let damage_all = async |but: &str| {
            let update = doc! {"q": {"_id": {"$ne": but}}, "u": {"$set": {"_rev": "zzz"}}, "multi": true};
            run_command(url, doc! {"update": "orchestration.sessions", "updates": [update]}).await;
        };
        expect_bounded_damage(&open, damage_all).await;
    });
}

#[test]
fn one_pass_removes_ten_thousand_sessions_beside_damaged_ones() {
    run_on_server(async {
        let url = &fresh_url();
        let store = Mongo::open(url, MongoOptions::default()).await.unwrap();
        let damage = async |id: &str| {
            let update = doc! {"q": {"_id": id}, "u": {"$set": {"_rev": "zzz"}}};
            run_command(url, doc! {"update": "orchestration.sessions", "updates": [update]}).await;
        };
        // Rows of the ledger expire by the server's clock.
        let age = async || {
            let old = mongodb::bson::DateTime::from_millis(1);
            let update = doc! {"q": {}, "u": {"$set": {"_kept": old}}, "multi": true};
            run_command(url, doc! {"update": "runstate.commands", "updates": [update]}).await;
        };
        cases::one_pass_removes_all_that_expired(Arc::new(store), 20, damage, age).await;
    });
}

//! Clients of one database that assign sessions to the slots of one machine. Each has its own connections.

#[path = "../../stores/orchestration/cases.rs"]
mod cases;

use super::documents::reopener;
use crate::support::mongodb::run_on_server;

#[test]
fn a_thousand_assigns_of_eight_clients_give_ten_holders() {
    run_on_server(async { cases::thousand_assigns_give_ten_holders(&reopener(), 8).await });
}

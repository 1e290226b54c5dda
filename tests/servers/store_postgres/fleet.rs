//! Fleets on PostgreSQL: clients that use one budget at once.

use super::documents::reopener;
use crate::support::fleet_cases as cases;
use crate::support::postgres::run_on_server;

#[test]
fn records_of_four_clients_never_overspend() {
    run_on_server(async { cases::records_at_once_never_overspend(&reopener(), 4, cases::records([50, 2_000])).await });
}

#[test]
fn calls_of_two_engines_never_overspend() {
    run_on_server(async { cases::calls_at_once_never_overspend(&reopener(), 20).await });
}

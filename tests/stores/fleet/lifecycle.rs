//! The tables of statuses and commands, as the documentation shows them.

use insta::assert_snapshot;
use runstate::decision::transition_table;
use runstate::domain::fleet::{
    Checkpoint, HubCheckpoint, HubExperiment, HubInstance, IntelligentMachine, Project, ResourceReservation,
};

#[test]
fn commands_lead_where_the_specification_says() {
    assert_snapshot!(transition_table::<Project>(), @"
    | status | activate | pause | complete | archive |
    |---|---|---|---|---|
    | active | – | paused | completed | archived |
    | paused | active | – | completed | archived |
    | completed | – | – | – | archived |
    | archived | – | – | – | – |
    ");
    assert_snapshot!(transition_table::<IntelligentMachine>(), @"
    | status | activate | work | checkpoint | terminate |
    |---|---|---|---|---|
    | spawning | active | – | – | terminated |
    | active | – | working | – | terminated |
    | working | – | – | checkpointing | terminated |
    | checkpointing | – | working | – | terminated |
    | terminated | – | – | – | – |
    ");
    assert_snapshot!(transition_table::<Checkpoint>(), @"
    | status | verify | fail |
    |---|---|---|
    | pending | verified | failed |
    | verified | – | – |
    | failed | – | – |
    ");
    assert_snapshot!(transition_table::<ResourceReservation>(), @"
    | status | commit | release | expire |
    |---|---|---|---|
    | active | committed | released | expired |
    | committed | – | – | – |
    | released | committed | – | – |
    | expired | committed | – | – |
    ");
    assert_snapshot!(transition_table::<HubInstance>(), @"
    | status | activate | deactivate | experiment | retire |
    |---|---|---|---|---|
    | active | – | inactive | – | retiring |
    | inactive | active | – | experimental | retiring |
    | experimental | active | inactive | – | retiring |
    | retiring | – | – | – | – |
    ");
    assert_snapshot!(transition_table::<HubCheckpoint>(), @"
    | status | verify | fail |
    |---|---|---|
    | pending | verified | failed |
    | verified | – | – |
    | failed | – | – |
    ");
    assert_snapshot!(transition_table::<HubExperiment>(), @"
    | status | start | complete | fail |
    |---|---|---|---|
    | planned | running | – | failed |
    | running | – | completed | failed |
    | completed | – | – | – |
    | failed | – | – | – |
    ");
}

#[test]
fn the_documentation_shows_the_derived_tables() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/fleet.md")).unwrap();
    for table in [
        transition_table::<Project>(),
        transition_table::<IntelligentMachine>(),
        transition_table::<HubInstance>(),
        transition_table::<HubExperiment>(),
    ] {
        assert!(page.contains(&table), "docs/fleet.md lacks\n{table}");
    }
}

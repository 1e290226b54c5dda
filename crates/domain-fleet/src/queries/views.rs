//! The views as PostgreSQL keeps them. They have the numbers of [`ShowUsageSummary`](super::ShowUsageSummary) and
//! [`ShowPerformance`](super::ShowPerformance) as of their last refresh. Days are those of UTC.

use runstate_core::schema::MaterializedView;

/// The uses of projects in the last 90 days, by day, resource and unit.
pub const PROJECT_RESOURCE_SUMMARY: MaterializedView = MaterializedView {
    name: "fleet.project_resource_summary",
    query: "SELECT p.uuid AS project_uuid, p.name AS project_name, p.greediness, \
            (ru.recorded_at AT TIME ZONE 'UTC')::date AS usage_date, ru.resource_type, sum(ru.amount) AS total_amount, ru.unit, \
            sum(ru.cost_cad) AS total_cost_cad, count(*) AS transaction_count, avg(ru.amount) AS avg_amount \
            FROM fleet.projects AS p JOIN fleet.resource_usage AS ru ON p.uuid::text = ru.project_uuid::text \
            WHERE ru.recorded_at >= ((now() AT TIME ZONE 'UTC')::date - 90)::timestamp AT TIME ZONE 'UTC' \
            GROUP BY p.uuid, p.name, p.greediness, usage_date, ru.resource_type, ru.unit",
    reads: &[
        ("fleet.projects", &["uuid", "name", "greediness"]),
        ("fleet.resource_usage", &["project_uuid", "recorded_at", "resource_type", "amount", "unit", "cost_cad"]),
    ],
    index: "idx_project_summary_unique",
    key: &["project_uuid", "usage_date", "resource_type", "unit"],
};

/// How the machines of each type performed that were spawned in the last 30 days, without hubs.
pub const MACHINE_PERFORMANCE_METRICS: MaterializedView = MaterializedView {
    name: "fleet.machine_performance_metrics",
    query: "SELECT im.type AS machine_type, count(*) AS total_machines, \
            avg(extract(epoch FROM im.terminated_at - im.spawned_at) / 60) AS avg_runtime_minutes, \
            count(*) FILTER (WHERE im.status = 'terminated' AND im.error_message IS NULL) AS successful_machines, \
            round(count(*) FILTER (WHERE im.status = 'terminated' AND im.error_message IS NULL)::numeric / count(*) * 100, 2) \
            AS success_rate_percent, avg((im.resource_usage ->> 'money')::numeric) AS avg_money_cost, \
            avg((im.resource_usage ->> 'api_calls')::numeric) AS avg_api_calls, \
            avg(im.checkpoints_created) AS avg_checkpoints_created \
            FROM fleet.intelligent_machines AS im \
            WHERE im.spawned_at >= ((now() AT TIME ZONE 'UTC')::date - 30)::timestamp AT TIME ZONE 'UTC' AND im.type <> 'hub' \
            GROUP BY im.type",
    reads: &[(
        "fleet.intelligent_machines",
        &["type", "status", "terminated_at", "spawned_at", "error_message", "resource_usage", "checkpoints_created"],
    )],
    index: "idx_machine_perf_type",
    key: &["machine_type"],
};

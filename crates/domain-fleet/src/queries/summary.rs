//! The view `project_resource_summary`: what projects have used, by day, resource and unit.

use runstate_core::prelude::*;
use runstate_core::schema::{Accumulator, Aggregate, FieldType, Group};
use runstate_value::SortedSet;

use super::{NUMBERS, count, number, since, text};
use crate::project::{Greediness, Project};
use crate::resource::{ResourceType, Unit};
use crate::usage::ResourceUsage;

/// Returns what projects have used in the last 90 days, by day, resource and unit: the view `project_resource_summary`.
///
/// Scans the uses of that time. Errors: `unsupported` (the store does not add up).
#[derive(Clone, Debug, Operation)]
#[operation(name = "fleet.usage.summary", query)]
pub struct ShowUsageSummary {
    /// Only this project.
    pub project_uuid: Option<String>,
    /// The number of days before today; by default 90.
    #[operation(default = 90)]
    pub days: u32,
}

/// The use of a resource by a project on one day.
#[derive(Wire, Clone, Debug, PartialEq)]
pub struct ProjectUsage {
    /// The project.
    pub project_uuid: String,
    /// Its name.
    pub project_name: String,
    /// The share of resources that it asks for.
    pub greediness: Greediness,
    /// The day, UTC.
    pub usage_date: Date,
    /// The resource.
    pub resource_type: ResourceType,
    /// The sum of the amounts, a decimal number.
    pub total_amount: String,
    /// The unit.
    pub unit: Unit,
    /// The sum of the costs in Canadian dollars, a decimal number; missing if no cost is known.
    pub total_cost_cad: Option<String>,
    /// Number of uses.
    pub transaction_count: u64,
    /// The mean of the amounts.
    pub avg_amount: Option<f64>,
}

impl DomainQuery for ShowUsageSummary {
    type Output = Vec<ProjectUsage>;

    fn reads(&self, view: &View) -> ReadSet {
        let mut conditions = vec![Filter::Gte("recorded_at".to_owned(), since(view, self.days).as_millis().into())];
        conditions.extend(self.project_uuid.as_deref().map(|id| Filter::Eq("project_uuid".to_owned(), id.into())));
        let field = |name: &str| Group::Field(name.to_owned());
        let amount = || "amount".to_owned();
        let numbers = [
            ("total_amount", Accumulator::Sum(amount())),
            ("total_cost_cad", Accumulator::Sum("cost_cad".to_owned())),
            ("costs", Accumulator::CountIf(Filter::Exists("cost_cad".to_owned(), true))),
            ("transaction_count", Accumulator::Count),
            ("avg_amount", Accumulator::Avg(amount())),
        ];
        let day = Group::Bucket("recorded_at".to_owned(), Millis::days(1));
        let mut usage = Aggregate::of(&ResourceUsage::COLLECTION, Filter::And(conditions), numbers);
        usage.group_by = vec![field("project_uuid"), day, field("resource_type"), field("unit")];
        let reads = ReadSet::empty().aggregate(NUMBERS, usage);
        let mut projects = SortedSet::<String>::default();
        projects.extend(view.groups(NUMBERS).unwrap_or_default().iter().map(|row| (text(row, "project_uuid"), ())));
        projects.keys().fold(reads, |reads, id| reads.with_entity::<Project>(id))
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Vec<ProjectUsage>> {
        let mut usage = Vec::new();
        for row in view.groups(NUMBERS).unwrap_or_default() {
            // As a join: uses of a project that does not exist are left out.
            let Some(project) = view.find_entity::<Project>(&text(row, "project_uuid"))? else { continue };
            let day = Timestamp::from_millis(row.get("recorded_at").and_then(Json::as_i64).unwrap_or_default());
            let of = |name: &str| row.get(name).cloned().unwrap_or_default();
            let (Ok(resource_type), Ok(unit)) =
                (FieldType::from_json(&of("resource_type")), FieldType::from_json(&of("unit")))
            else {
                continue;
            };
            usage.push(ProjectUsage {
                project_uuid: project.entity.uuid,
                project_name: project.entity.name,
                greediness: project.entity.greediness,
                usage_date: Date::of(day),
                resource_type,
                total_amount: text(row, "total_amount"),
                unit,
                total_cost_cad: (count(row, "costs") > 0).then(|| text(row, "total_cost_cad")),
                transaction_count: count(row, "transaction_count"),
                avg_amount: number(row, "avg_amount"),
            });
        }
        Ok(usage)
    }
}

//! Types of machines, and the choice among them.

use runstate_core::prelude::*;
use runstate_core::schema::{Accumulator, Aggregate};
use runstate_value::sort_by;
use rust_decimal::prelude::ToPrimitive as _;

use super::IntelligentMachine;
use crate::numeric::CadCost;
use crate::writable::Writable;

/// The types that need not be registered.
const BUILT_IN: [&str; 4] = ["claude_code", "aider", "qwen_coder", "hub"];

/// Largest number of types among which one is chosen.
const MAX_TYPES: u32 = 1_000;

/// A type of machines, with its capabilities and its cost.
#[derive(Entity, Wire, Clone, Debug, PartialEq)]
#[entity(collection = "fleet.machine_types", version = 1, noun = "machineType")]
#[index(each(capabilities))]
#[index(updated_at)]
pub struct MachineType {
    /// Its name.
    #[entity(id, format = varchar(50))]
    pub name: String,
    /// Its capabilities, such as `refactoring`.
    #[entity(default)]
    pub capabilities: Vec<String>,
    /// The cost of an hour, in Canadian dollars.
    pub cost_cad: CadCost,
    /// When the document was created.
    pub created_at: Timestamp,
    /// When the document was last changed.
    #[entity(updated)]
    pub updated_at: Timestamp,
}

/// A type after a command.
#[derive(Wire, Clone, Debug, PartialEq)]
pub struct RegisteredMachineType {
    /// Its name.
    pub name: String,
}

/// Rejects a type that is neither built in nor registered.
pub fn check_type(view: &View, name: &str) -> Result<()> {
    if BUILT_IN.contains(&name) || view.find_entity::<MachineType>(name)?.is_some() {
        return Ok(());
    }
    let reason =
        format!("`{name}` is not registered; use {}, or register it with `machine-type register`", BUILT_IN.join(", "));
    Err(Rejection::invalid("type", reason))
}

/// Registers a type of machines, or changes one.
///
/// Errors: `invalid`.
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "fleet.machineType.register", creates)]
pub struct RegisterMachineType {
    /// Its name.
    #[operation(subject)]
    pub name: String,
    /// Its capabilities.
    pub capabilities: Vec<String>,
    /// The cost of an hour, in Canadian dollars.
    pub cost_cad: CadCost,
}

impl Command for RegisterMachineType {
    type Output = RegisteredMachineType;

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<RegisteredMachineType>> {
        let new = || MachineType {
            name: self.name.clone(),
            capabilities: Vec::new(),
            cost_cad: self.cost_cad,
            created_at: ctx.now,
            updated_at: ctx.now,
        };
        let mut registered = Writable::load(view, &self.name, new)?;
        registered.entity.capabilities.clone_from(&self.capabilities);
        registered.entity.cost_cad = self.cost_cad;
        registered.save(Decision::new(RegisteredMachineType { name: self.name.clone() }), ctx.now)
    }
}

/// The names of the query for types, and of the aggregate over machines that have ended.
const TYPES: &str = "types";
const ENDED: &str = "ended";

/// Ranks the registered types of machines for a task, the best first: 0.4 × the part of the asked capabilities that the
/// type has, 0.4 × its success rate of the last 30 days (0.5 if none has ended), and 0.2 × (1 − its cost as a part of
/// the highest cost).
///
/// Errors: `unsupported` (the store does not count).
#[derive(Clone, Debug, Operation)]
#[operation(name = "fleet.machineType.choose", query)]
pub struct ChooseMachineType {
    /// The capabilities that the machine must have.
    #[operation(default = Vec::new())]
    pub capabilities: Vec<String>,
}

/// How well a type suits a task.
#[derive(Wire, Clone, Debug, PartialEq)]
pub struct MachineTypeScore {
    /// Its name.
    pub name: String,
    /// The weighted sum of the three numbers, from 0 to 1.
    pub score: f64,
    /// The part of the asked capabilities that it has, from 0 to 1.
    pub capability: f64,
    /// The part of its machines of the last 30 days that ended without an error, from 0 to 1.
    pub success: f64,
    /// How far it is from the highest cost, from 0 to 1.
    pub economy: f64,
}

impl DomainQuery for ChooseMachineType {
    type Output = Vec<MachineTypeScore>;

    fn reads(&self, view: &View) -> ReadSet {
        let since = view.now() - Millis::days(30);
        let failed = Filter::Exists("error_message".to_owned(), true);
        let conditions = vec![
            Filter::Eq("status".to_owned(), "terminated".into()),
            Filter::Gte("spawned_at".to_owned(), since.as_millis().into()),
        ];
        let numbers = [("total", Accumulator::Count), ("failed", Accumulator::CountIf(failed))];
        let ended = Aggregate::of(&IntelligentMachine::COLLECTION, Filter::And(conditions), numbers).by(["type"]);
        ReadSet::empty().query(TYPES, Query::of(&MachineType::COLLECTION).limit(MAX_TYPES)).aggregate(ENDED, ended)
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Vec<MachineTypeScore>> {
        let types = view.entities::<MachineType>(TYPES)?;
        let highest = types.iter().map(|one| one.cost_cad).max().unwrap_or_default().decimal();
        let rows = view.groups(ENDED).unwrap_or_default();
        let success_rate = |name: &str| {
            let row = rows.iter().find(|row| row.get("type").and_then(Json::as_str) == Some(name))?;
            let number = |field: &str, row: &Document| row.get(field).and_then(Json::as_f64);
            Some(1.0 - number("failed", row)? / number("total", row)?)
        };
        let score = |one: MachineType| {
            let has = self.capabilities.iter().filter(|asked| one.capabilities.contains(asked)).count();
            let capability =
                if self.capabilities.is_empty() { 1.0 } else { has as f64 / self.capabilities.len() as f64 };
            let success = success_rate(&one.name).unwrap_or(0.5);
            let share = one.cost_cad.decimal().checked_div(highest).and_then(|share| share.to_f64());
            let economy = 1.0 - share.unwrap_or_default();
            let score = 0.4 * capability + 0.4 * success + 0.2 * economy;
            MachineTypeScore { name: one.name, score, capability, success, economy }
        };
        let mut scores: Vec<MachineTypeScore> = types.into_iter().map(score).collect();
        sort_by(&mut scores, |a, b| b.score.total_cmp(&a.score));
        Ok(scores)
    }
}

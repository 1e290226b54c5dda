//! Costs: amounts that commands take from budgets. One domain keeps the budgets and implements [`BudgetPort`]. Commands
//! of every domain declare costs ([`Command::cost`](super::Command::cost)), or reserve them for work that takes longer
//! than one commit ([`View::budgets`]). The budgets change in the commit of the command.

use runstate_value::time::Timestamp;

use super::{Ctx, Decision, ReadSet, Rejection, View};
use crate::error_code::ErrorCode;
use crate::schema::{Fields, Wire, parse_decimal};

/// An amount of a resource that something costs. The budgets of the owner for the resource have it, or it is refused.
#[derive(Fields, Wire, Clone, Debug, PartialEq)]
pub struct Cost {
    /// The id of the owner of the budgets: that of a project, or any other one.
    pub owner: String,
    /// The resource: `money`.
    pub resource: String,
    /// The amount, a decimal number in text: `0.05`. It is rounded to six digits after the point.
    pub amount: String,
    /// The unit of the amount: `USD`.
    pub unit: String,
    /// The part of the resource, such as `claude_api`.
    pub subtype: Option<String>,
}

/// What a budget lacks for a cost.
#[derive(Fields, Wire, Clone, Debug, PartialEq)]
pub struct Shortfall {
    /// The budget in words: `daily budget of money`.
    pub budget: String,
    /// The amount, a decimal number in text.
    pub amount: String,
    /// The unit of the amount: `USD`.
    pub unit: String,
}

impl Shortfall {
    /// Whether one of `shown` says that this budget lacks as much, or more.
    pub fn is_within(&self, shown: &[Self]) -> bool {
        let amount = |one: &Self| parse_decimal(&one.amount);
        let covers = |one: &Self| one.budget == self.budget && one.unit == self.unit && amount(one) >= amount(self);
        amount(self).is_some() && shown.iter().any(covers)
    }
}

/// A time-limited reservation of a cost.
#[derive(Clone, Copy, Debug)]
pub struct ReservationTerm<'a> {
    /// The reservation that was made for this cost before, if any.
    pub earlier: Option<&'a str>,
    /// Whether the work for which that one was made continues: an open one is extended, and after a committed one
    /// nothing more is reserved. Otherwise other work begins, and an open one is given back: who has it may still
    /// commit what was spent.
    pub renewed: bool,
    /// Whether the work begins, or has begun: if nothing more is known of it when the reservation ends by its time, the
    /// cost counts as used, until it is settled, released or reserved again. The same holds if that was so of the
    /// earlier reservation.
    pub begun: bool,
    /// Whether a budget that lacks the cost is raised by what it lacks.
    pub raises: bool,
    /// When it ends, unless it is settled, released or extended before.
    pub until: Timestamp,
}

/// A decision on budgets.
pub type BudgetDecision<O = ()> = Result<Decision<O>, Rejection>;

/// What budgets lack; empty: nothing.
pub type Shortfalls = Result<Vec<Shortfall>, Rejection>;

/// The budgets of an engine, implemented by the domain that keeps them. Decisions may request documents, as all
/// decisions do. None of them changes documents of another domain, so a command includes them ([`Decision::include`]);
/// those on the same budgets follow each other ([`Decision::follow`]).
#[derive(Debug)]
pub struct BudgetPort {
    /// Rejects a cost that no budget can have, such as one of an unknown resource.
    pub check: fn(&Cost) -> Result<(), Rejection>,
    /// The reads of a command that settles or charges the cost.
    pub reads: fn(&View, &Cost) -> ReadSet,
    /// Reserves a cost. The output is the id of the reservation.
    pub reserve: fn(&View, &mut Ctx, &Cost, ReservationTerm<'_>) -> BudgetDecision<String>,
    /// What the budgets lack to reserve a cost, after the earlier reservation is given back. It is rejected if they
    /// refuse the cost for another reason.
    pub shortfall: fn(&View, &mut Ctx, &Cost, Option<&str>) -> Shortfalls,
    /// Records the cost for which the reservation was made, even if it is more than was reserved, and even if the
    /// reservation has ended. `true`: its work has failed.
    pub settle: fn(&View, &mut Ctx, &str, &Cost, bool) -> BudgetDecision,
    /// Records a cost that was not reserved. It is rejected if a budget does not have it.
    pub charge: fn(&View, &mut Ctx, &Cost) -> BudgetDecision,
    /// Gives reservations back, because their work was not done. `true`: it has failed. Those that have ended are left
    /// as they are, except that what counts as used by their end does not count any more.
    pub release: fn(&View, &mut Ctx, &[String], bool) -> BudgetDecision,
}

impl View {
    /// The budgets of the engine. Errors: `unsupported` (none of its domains keeps budgets).
    pub fn budgets(&self) -> Result<&'static BudgetPort, Rejection> {
        self.ports.budgets.ok_or_else(|| {
            let message = "a cost is named, but this engine has no budgets; nothing was changed. Open it with a domain that keeps budgets";
            Rejection::domain(ErrorCode::UNSUPPORTED, message)
        })
    }
}

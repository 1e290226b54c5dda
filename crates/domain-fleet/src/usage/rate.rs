//! Exchange rates: the price of a currency in Canadian dollars from a day on.

use runstate_core::id::natural_uuid;
use runstate_core::prelude::*;
use runstate_core::schema::Direction::Descending;

use crate::codes;
use crate::numeric::{Amount, CadCost, Numeric};
use crate::resource::{ResourceType, Unit};
use crate::writable::Writable;

/// The name of the query for the rate of today.
const RATE: &str = "rate";

/// The price of a currency from a day on.
#[derive(Entity, Wire, Clone, Debug, PartialEq)]
#[entity(collection = "fleet.exchange_rates", version = 1, noun = "exchangeRate", filters(currency))]
#[index(currency, valid_from desc, unique)]
pub struct ExchangeRate {
    /// Its id, which follows from currency and day.
    #[entity(id, format = uuid)]
    pub uuid: String,
    /// The currency.
    #[entity(format = varchar(20))]
    pub currency: Unit,
    /// The first day on which it is valid, UTC.
    pub valid_from: Date,
    /// The price of one in Canadian dollars.
    pub price_cad: Numeric<18, 8>,
    /// When the document was created.
    pub created_at: Timestamp,
}

/// A rate after a command.
#[derive(Wire, Clone, Debug, PartialEq)]
pub struct ExchangeRateSummary {
    /// Its id.
    pub uuid: String,
    /// The first day on which it is valid.
    pub valid_from: Date,
}

/// Whether amounts in this unit need a rate.
fn is_foreign(unit: Unit) -> bool {
    ResourceType::Money.units().contains(&unit) && unit != Unit::Cad
}

/// Adds the query for the rate that [`cost`] needs.
pub fn rate_reads(view: &View, unit: Unit, reads: ReadSet) -> ReadSet {
    if !is_foreign(unit) {
        return reads;
    }
    let today = Date::of(view.now()).to_string();
    let query = Query::of(&ExchangeRate::COLLECTION)
        .eq("currency", unit.as_str())
        .filter(Filter::Lte("valid_from".to_owned(), today.into()))
        .sort("valid_from", Descending);
    reads.query(RATE, query.limit(1))
}

/// The cost of an amount of money; `None`: it is not money, there is no rate, or the cost has too many digits.
pub fn cost(view: &View, amount: Amount, unit: Unit) -> Option<CadCost> {
    let price = match unit {
        Unit::Cad => rust_decimal::Decimal::ONE,
        _ if is_foreign(unit) => view.entities::<ExchangeRate>(RATE).ok()?.first()?.price_cad.decimal(),
        _ => return None,
    };
    CadCost::round(amount.decimal().checked_mul(price)?)
}

/// Rejects a currency without a rate.
pub fn check(view: &View, unit: Unit) -> Result<()> {
    if !is_foreign(unit) || view.rows(RATE).is_some_and(|rows| !rows.is_empty()) {
        return Ok(());
    }
    let message = format!("{} has no exchange rate for today; set one with `exchange-rate set`", unit.as_str());
    Err(Rejection::domain(codes::NO_EXCHANGE_RATE, message))
}

/// Sets the price of a currency from a day on. Costs that were recorded stay as they are.
///
/// Errors: `invalid` (it is not a foreign currency).
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "fleet.exchangeRate.set", creates)]
pub struct SetExchangeRate {
    /// The currency.
    #[operation(subject)]
    pub currency: Unit,
    /// The price of one in Canadian dollars.
    pub price_cad: Numeric<18, 8>,
    /// The first day on which it is valid, UTC; by default today.
    pub valid_from: Option<Date>,
}

impl Command for SetExchangeRate {
    type Output = ExchangeRateSummary;

    fn check(&self) -> Result<()> {
        if is_foreign(self.currency) {
            return Ok(());
        }
        Err(Rejection::invalid("currency", format!("`{}` is not a foreign currency", self.currency.as_str())))
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<ExchangeRateSummary>> {
        let valid_from = self.valid_from.unwrap_or_else(|| Date::of(ctx.now));
        let uuid = natural_uuid(&["rate", self.currency.as_str(), &valid_from.to_string()]);
        let new = || ExchangeRate {
            uuid: uuid.clone(),
            currency: self.currency,
            valid_from,
            price_cad: self.price_cad,
            created_at: ctx.now,
        };
        let mut rate = Writable::load(view, &uuid, new)?;
        rate.entity.price_cad = self.price_cad;
        rate.save(Decision::new(ExchangeRateSummary { uuid: uuid.clone(), valid_from }), ctx.now)
    }
}

//! The error codes of this domain.

runstate_core::error_codes! {
    /// A budget that covers this moment does not have the amount; the details have its numbers.
    BUDGET_EXCEEDED = "budget_exceeded",
    /// Operations on the resource failed several times in a row, so nothing is reserved for some minutes.
    CIRCUIT_OPEN = "circuit_open",
    /// The budgets of the resource have another unit.
    UNIT_MISMATCH = "unit_mismatch",
    /// The period of the budget would overlap with another one.
    PERIOD_OVERLAP = "period_overlap",
    /// The currency has no exchange rate for the day.
    NO_EXCHANGE_RATE = "no_exchange_rate",
    /// The checkpoint is not verified, so no machine is spawned from it.
    NOT_VERIFIED = "not_verified",
    /// Another hub is the active primary one.
    PRIMARY_EXISTS = "primary_exists",
    /// The experiment was not won by the experimental hub, so it is not adopted.
    NOT_ADOPTABLE = "not_adoptable",
}

//! Resources and their units.

use runstate_core::operation::{Mismatch, expected_word, read_word};
use runstate_core::prelude::*;
use runstate_core::schema::FieldType;

use super::numeric::Amount;

/// A kind of resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, FieldType, Wire, Parameter)]
pub enum ResourceType {
    /// Money.
    Money,
    /// Time of a machine.
    Time,
    /// Calls of an interface.
    ApiCalls,
    /// Time of processors.
    Cpu,
    /// Memory over time.
    Memory,
    /// Storage, also over time.
    Storage,
    /// Bytes in the network.
    Network,
}

/// A unit of resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FieldType, Wire)]
pub enum Unit {
    /// Canadian dollars.
    #[entity(rename = "CAD")]
    Cad,
    /// US dollars.
    #[entity(rename = "USD")]
    Usd,
    /// Minutes.
    Minutes,
    /// Hours.
    Hours,
    /// Calls.
    Calls,
    /// Gigabytes.
    Gb,
    /// Gigabytes for an hour.
    GbHours,
}

const UNITS: [(&str, Unit); 7] = [
    ("CAD", Unit::Cad),
    ("USD", Unit::Usd),
    ("minutes", Unit::Minutes),
    ("hours", Unit::Hours),
    ("calls", Unit::Calls),
    ("gb", Unit::Gb),
    ("gb_hours", Unit::GbHours),
];

impl Parameter for Unit {
    fn expected() -> String {
        expected_word(&UNITS)
    }

    fn from_json(value: Json) -> Result<Self, Mismatch> {
        read_word(value, &UNITS)
    }
}

impl ResourceType {
    /// The units in which it is measured.
    pub const fn units(self) -> &'static [Unit] {
        match self {
            Self::Money => &[Unit::Cad, Unit::Usd],
            Self::Time | Self::Cpu => &[Unit::Minutes, Unit::Hours],
            Self::ApiCalls => &[Unit::Calls],
            Self::Memory => &[Unit::GbHours],
            Self::Storage => &[Unit::Gb, Unit::GbHours],
            Self::Network => &[Unit::Gb],
        }
    }

    /// Rejects a unit in which it is not measured.
    pub fn check_unit(self, unit: Unit) -> Result<()> {
        if self.units().contains(&unit) {
            return Ok(());
        }
        let names: Vec<&str> = self.units().iter().map(|one| one.as_str()).collect();
        let reason = format!("`{}` is not a unit of {}; use {}", unit.as_str(), self.as_str(), names.join(" or "));
        Err(Rejection::invalid("unit", reason))
    }
}

/// The resources that a machine has used. Money is in Canadian dollars, time in minutes, the others in the units that
/// were recorded.
#[derive(Fields, Wire, Clone, Debug, Default, PartialEq)]
pub struct ResourceTotals {
    /// Money.
    pub money: Option<Amount>,
    /// Time of the machine.
    pub time: Option<Amount>,
    /// Calls of interfaces.
    pub api_calls: Option<Amount>,
    /// Time of processors.
    pub cpu: Option<Amount>,
    /// Memory over time.
    pub memory: Option<Amount>,
    /// Storage.
    pub storage: Option<Amount>,
    /// Bytes in the network.
    pub network: Option<Amount>,
}

impl ResourceTotals {
    /// Adds an amount.
    pub fn add(&mut self, resource: ResourceType, amount: Amount) -> Result<()> {
        let total = match resource {
            ResourceType::Money => &mut self.money,
            ResourceType::Time => &mut self.time,
            ResourceType::ApiCalls => &mut self.api_calls,
            ResourceType::Cpu => &mut self.cpu,
            ResourceType::Memory => &mut self.memory,
            ResourceType::Storage => &mut self.storage,
            ResourceType::Network => &mut self.network,
        };
        *total = Some(total.unwrap_or_default().plus(amount)?);
        Ok(())
    }
}

//! Nobody hears.

use std::fmt;

use super::Level;

pub(super) fn tell(_: Level, _: fmt::Arguments<'_>) {}

//! Random bytes of the operating system.

/// Fills `bytes`; `Err`: the reason why there are none.
pub(super) fn fill(bytes: &mut [u8]) -> Result<(), String> {
    getrandom::fill(bytes).map_err(|error| error.to_string())
}

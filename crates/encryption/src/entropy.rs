//! Random bytes of the operating system, or of the JavaScript host.

/// Returns random bytes; `Err`: the reason why there are none.
#[cfg(not(target_family = "wasm"))]
pub(super) fn random_bytes<const N: usize>() -> Result<[u8; N], String> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

/// Returns random bytes; `Err`: the reason why there are none.
#[cfg(target_family = "wasm")]
pub(super) fn random_bytes<const N: usize>() -> Result<[u8; N], String> {
    runstate_js::random_bytes().map_err(|_| "crypto.getRandomValues failed".to_owned())
}

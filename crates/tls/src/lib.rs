//! TLS of clients: `ring`, which the driver of MongoDB has too, in place of a library that needs a compiler for C++.

use std::sync::Arc;

use rustls::{ClientConfig, Error};
use rustls_platform_verifier::BuilderVerifierExt as _;

/// The name of this library in requests and connections.
pub const USER_AGENT: &str = concat!("runstate/", env!("CARGO_PKG_VERSION"));

/// The configuration of a client that trusts the certificates that the system trusts. Errors: they cannot be read.
pub fn client_config() -> Result<ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_platform_verifier()?.with_no_client_auth())
}

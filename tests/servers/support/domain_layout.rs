//! URLs of stores that keep each domain in a database of its own.

use super::mongodb::database_name;
use crate::settings::{is_full_run, seed};

/// The layouts that a test of both has: whether each domain has a database of its own. The short form has one of them,
/// which the seed chooses.
pub fn tested_layouts() -> Vec<bool> {
    if is_full_run() { vec![false, true] } else { vec![seed().is_multiple_of(2)] }
}

/// The URL of a store with `layout=seed`, whose databases begin with the name of the one in `url`.
pub fn seed_layout(url: &str) -> String {
    let name = database_name(url).unwrap();
    let layout = format!("/?layout=seed&databasePrefix={name}_&");
    url.replacen(&format!("/{name}?"), &layout, 1).trim_end_matches('&').to_owned()
}

/// The URL of the database of a domain in the store with [`seed_layout`].
pub fn domain_database(url: &str, domain: &str) -> String {
    let name = database_name(url).unwrap();
    url.replacen(&format!("/{name}?"), &format!("/{name}_{domain}?"), 1)
}

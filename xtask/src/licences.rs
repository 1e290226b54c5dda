//! What may be shipped: every normal dependency of the library and the command line, on all targets and with all
//! features, has a licence that `deny.toml` allows and comes from the registry. cargo-deny does it where it is
//! installed; it takes minutes to build, so that the same question is answered here where it is not.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::error::Error;
use crate::process::Call;
use crate::workspace::{Workspace, items, text};
use crate::{spdx, tools};

const SHIPPED: &[&str] = &["runstate", "runstate-cli"];
const RULES: &str = "deny.toml";

pub fn check(workspace: &Workspace) -> Result<(), Error> {
    if tools::deny() {
        return Call::cargo("deny check licenses bans sources").run();
    }
    let rules = std::fs::read_to_string(RULES).map_err(|source| Error::File { path: RULES.into(), source })?;
    let allowed = allowed(&rules)?;
    let shipped = shipped(&workspace.metadata);
    let mut broken = Vec::new();
    for package in items(&workspace.metadata["packages"]) {
        if shipped.contains(package["id"].as_str().unwrap_or_default()) {
            broken.extend(objection(package, &allowed));
        }
    }
    println!("{} packages are shipped; {} licences are allowed", shipped.len(), allowed.len());
    if broken.is_empty() { Ok(()) } else { Err(Error::Broken(broken)) }
}

/// The list `allow` of the rules, one licence a line.
fn allowed(rules: &str) -> Result<Vec<String>, Error> {
    let list = rules.split_once("\nallow = [").and_then(|(_, rest)| rest.split_once("\n]"));
    let licences: Vec<String> = list
        .map(|(list, _)| list.lines().filter_map(|line| line.trim().strip_prefix('"')?.split_once('"')).collect())
        .map(|found: Vec<_>| found.into_iter().map(|(licence, _)| licence.to_owned()).collect())
        .unwrap_or_default();
    if licences.is_empty() {
        return Err(Error::Form { what: RULES.into(), why: "there is no list `allow`, one licence a line".into() });
    }
    Ok(licences)
}

/// The ids of the packages that end up in what is shipped.
fn shipped(metadata: &Value) -> BTreeSet<&str> {
    let nodes: BTreeMap<&str, &Value> =
        items(&metadata["resolve"]["nodes"]).filter_map(|node| Some((node["id"].as_str()?, node))).collect();
    let roots = items(&metadata["packages"])
        .filter(|package| package["source"].is_null() && SHIPPED.iter().any(|name| package["name"] == *name));
    let mut open: Vec<&str> = roots.filter_map(|package| package["id"].as_str()).collect();
    let mut found = BTreeSet::new();
    while let Some(id) = open.pop() {
        if !found.insert(id) {
            continue;
        }
        let dependencies = nodes.get(id).map(|node| items(&node["deps"])).into_iter().flatten();
        // A normal dependency has the kind null; those of tests and build scripts are not shipped.
        let normal =
            dependencies.filter(|dependency| items(&dependency["dep_kinds"]).any(|kind| kind["kind"].is_null()));
        open.extend(normal.filter_map(|dependency| dependency["pkg"].as_str()));
    }
    found
}

/// Why a package must not be shipped.
fn objection(package: &Value, allowed: &[String]) -> Option<String> {
    let name = format!("{} {}", text(&package["name"]), text(&package["version"]));
    if package["source"].as_str().is_some_and(|source| !source.starts_with("registry+")) {
        return Some(format!("{name} comes from {}, not from the registry", text(&package["source"])));
    }
    let Some(licence) = package["license"].as_str() else {
        return Some(format!("{name} names no licence"));
    };
    match spdx::satisfied(licence, allowed) {
        Some(true) => None,
        Some(false) => Some(format!("{name} is under `{licence}`, which {RULES} does not allow")),
        None => Some(format!("{name} has a licence that cannot be read: `{licence}`")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_is_shipped_is_weighed() {
        let package = |name: &str, licence: &str| {
            let source = (name != "runstate").then_some("registry+somewhere");
            json!({"name": name, "version": "1.0.0", "id": name, "license": licence, "source": source})
        };
        let dependency = |name: &str, kind: Value| json!({"pkg": name, "dep_kinds": [{"kind": kind, "target": null}]});
        let metadata = json!({
            "packages": [package("runstate", "MIT"), package("a", "MIT"), package("b", "GPL-3.0"), package("t", "GPL-3.0")],
            "resolve": {"nodes": [
                {"id": "runstate", "deps": [dependency("a", Value::Null), dependency("t", json!("dev"))]},
                {"id": "a", "deps": [dependency("b", Value::Null)]},
            ]},
        });
        assert_eq!(shipped(&metadata).into_iter().collect::<Vec<_>>(), ["a", "b", "runstate"]);
        let allowed = ["MIT".to_owned()];
        assert_eq!(objection(&metadata["packages"][1], &allowed), None);
        assert!(objection(&metadata["packages"][2], &allowed).is_some());
        assert!(objection(&json!({"name": "x", "source": "git+x"}), &allowed).is_some());
        assert!(objection(&json!({"name": "x"}), &allowed).is_some());
    }

    #[test]
    fn the_list_is_read_from_the_rules() {
        let rules = "[licenses]\nallow = [\n    \"MIT\", # ours\n    \"ISC\",\n]\n";
        assert_eq!(allowed(rules).ok(), Some(vec!["MIT".to_owned(), "ISC".to_owned()]));
        assert!(allowed("[licenses]\n").is_err());
    }
}

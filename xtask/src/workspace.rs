//! The checkout: its root, and cargo's metadata of its packages.

use std::path::Path;

use serde_json::{Map, Value};

use crate::error::XtaskError;
use crate::process::ProgramCall;

pub struct Workspace {
    /// `cargo metadata` with all features and all targets.
    pub metadata: Value,
}

/// A target of a package of the workspace.
pub struct CargoTarget {
    pub package: String,
    pub name: String,
}

impl Workspace {
    /// Finds the checkout above the current folder, and makes its root the current folder of all calls.
    pub fn find() -> Result<Self, XtaskError> {
        let root = ProgramCall::cargo("locate-project --workspace --message-format plain").output()?;
        let manifest = Path::new(root.trim());
        let Some(folder) = manifest.parent() else {
            return Err(XtaskError::Parse { what: "the root of the workspace".into(), why: "it has no folder".into() });
        };
        let failed = |source| XtaskError::File { path: folder.display().to_string(), source };
        std::env::set_current_dir(folder).map_err(failed)?;
        let text = ProgramCall::cargo("metadata --format-version 1 --all-features").output()?;
        let form =
            |error: serde_json::Error| XtaskError::Parse { what: "cargo metadata".into(), why: error.to_string() };
        Ok(Self { metadata: serde_json::from_str(&text).map_err(form)? })
    }

    /// The target folder, absolute.
    pub fn target(&self) -> &Path {
        Path::new(self.metadata["target_directory"].as_str().unwrap_or("target"))
    }

    /// The features of the library except those that need wasm-bindgen: those do nothing in native builds, and WebAssembly is built with all of them.
    pub fn native_features(&self) -> Vec<String> {
        let library = items(&self.metadata["packages"]).find(|package| package["name"] == "runstate");
        let Some(features) = library.and_then(|library| library["features"].as_object()) else { return Vec::new() };
        let native = |(name, _): &(&String, &Value)| *name != "default" && !needs(features, name, "dep:wasm-bindgen");
        features.iter().filter(native).map(|(name, _)| name.clone()).collect()
    }

    /// The targets of one kind (`bench`, `example`) in all packages of the workspace.
    pub fn targets(&self, kind: &str) -> Vec<CargoTarget> {
        let mut found = Vec::new();
        for package in items(&self.metadata["packages"]).filter(|package| package["source"].is_null()) {
            for target in items(&package["targets"]) {
                if items(&target["kind"]).any(|of| of == kind) {
                    found.push(CargoTarget { package: text(&package["name"]), name: text(&target["name"]) });
                }
            }
        }
        found
    }
}

/// Whether a feature enables `wanted`, directly or through others. Cargo rejects cycles of features.
fn needs(features: &Map<String, Value>, feature: &str, wanted: &str) -> bool {
    feature == wanted
        || features.get(feature).is_some_and(|list| items(list).any(|on| needs(features, &text(on), wanted)))
}

/// The elements of a JSON list; none for other values.
pub fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The text of a JSON string; empty for other values.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn features_that_need_wasm_bindgen_are_not_native() {
        let features = json!({"default": ["file"], "file": [], "wasm": ["dep:wasm-bindgen"], "indexeddb": ["wasm"], "mongodb": ["dep:mongodb"]});
        let metadata = json!({"packages": [{"name": "runstate", "features": features}]});
        assert_eq!(Workspace { metadata }.native_features(), ["file", "mongodb"]);
    }
}

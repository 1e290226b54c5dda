//! The checkout: its root, and cargo's metadata of its packages.

use std::path::Path;

use serde_json::Value;

use crate::error::XtaskError;
use crate::process::ProgramCall;

pub struct Workspace {
    /// `cargo metadata` with all features and all targets.
    pub metadata: Value,
}

impl Workspace {
    /// Finds the checkout above the current folder, and makes its root the current folder of all calls.
    pub fn find() -> Result<Self, XtaskError> {
        let parse = |why: String| XtaskError::Parse { what: "cargo metadata".into(), why };
        let text = ProgramCall::cargo("metadata --format-version 1 --all-features").output()?;
        let metadata: Value = serde_json::from_str(&text).map_err(|error| parse(error.to_string()))?;
        let root = metadata["workspace_root"].as_str().ok_or_else(|| parse("it names no root".into()))?;
        std::env::set_current_dir(root).map_err(XtaskError::file(Path::new(root)))?;
        Ok(Self { metadata })
    }

    /// The target folder, absolute.
    pub fn target(&self) -> &Path {
        Path::new(self.metadata["target_directory"].as_str().unwrap_or("target"))
    }

    pub fn version_of(&self, package: &str) -> &str {
        let mut packages = items(&self.metadata["packages"]).filter(|found| found["name"] == package);
        packages.find_map(|found| found["version"].as_str()).unwrap_or_default()
    }

    /// The features of the library, without the default.
    pub fn features(&self) -> Vec<&str> {
        let library = items(&self.metadata["packages"]).find(|package| package["name"] == "runstate");
        let features = library.and_then(|library| library["features"].as_object()).into_iter().flatten();
        features.map(|(name, _)| name.as_str()).filter(|name| *name != "default").collect()
    }

    pub fn packages(&self) -> Vec<String> {
        items(&self.metadata["packages"]).filter(|one| one["source"].is_null()).map(|one| text(&one["name"])).collect()
    }

    /// The names of the targets of one kind (`bench`, `test`) in all packages of the workspace.
    pub fn targets(&self, kind: &str) -> Vec<String> {
        let mut found = Vec::new();
        for package in items(&self.metadata["packages"]).filter(|package| package["source"].is_null()) {
            for target in items(&package["targets"]).filter(|target| items(&target["kind"]).any(|of| of == kind)) {
                found.push(text(&target["name"]));
            }
        }
        found
    }
}

/// The elements of a JSON list; none for other values.
pub fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The text of a JSON string; empty for other values.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

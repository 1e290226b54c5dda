//! The checkout: its root, and what cargo knows about its packages.

use std::path::Path;

use serde_json::Value;

use crate::error::Error;
use crate::process::Call;

pub struct Workspace {
    /// `cargo metadata` with all features and all targets.
    pub metadata: Value,
}

/// A target of a package of the workspace.
pub struct Target {
    pub package: String,
    pub name: String,
}

impl Workspace {
    /// Finds the checkout above the current folder and makes its root the current folder, so that every call runs there.
    pub fn find() -> Result<Self, Error> {
        let root = Call::cargo("locate-project --workspace --message-format plain").output()?;
        let manifest = Path::new(root.trim());
        let Some(folder) = manifest.parent() else {
            return Err(Error::Form { what: "the root of the workspace".into(), why: "it has no folder".into() });
        };
        let failed = |source| Error::File { path: folder.display().to_string(), source };
        std::env::set_current_dir(folder).map_err(failed)?;
        let text = Call::cargo("metadata --format-version 1 --all-features").output()?;
        let form = |error: serde_json::Error| Error::Form { what: "cargo metadata".into(), why: error.to_string() };
        Ok(Self { metadata: serde_json::from_str(&text).map_err(form)? })
    }

    /// The target folder, absolute.
    pub fn target(&self) -> &Path {
        Path::new(self.metadata["target_directory"].as_str().unwrap_or("target"))
    }

    /// The targets of one kind (`bench`, `example`) in all packages of the workspace.
    pub fn targets(&self, kind: &str) -> Vec<Target> {
        let mut found = Vec::new();
        for package in items(&self.metadata["packages"]).filter(|package| package["source"].is_null()) {
            for target in items(&package["targets"]) {
                if items(&target["kind"]).any(|of| of == kind) {
                    found.push(Target { package: text(&package["name"]), name: text(&target["name"]) });
                }
            }
        }
        found
    }
}

/// The elements of a JSON list; nothing else has any.
pub fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// A JSON text; nothing else has one.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

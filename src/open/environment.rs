//! The store that the environment names, by the variables of runstate and of the older CVM.

use std::fmt;

use runstate_core::error_code::ErrorCode;
use runstate_engine::Error;

use super::{join_alternatives, redact_url, scheme_of, url_forms};

/// The environment variables that name a store, as the host read them. An empty variable counts as not set.
#[derive(Clone, Default)]
pub struct Environment {
    /// `RUNSTATE_STORE`: a store URL; takes precedence over the others.
    pub runstate_store: Option<String>,
    /// `CVM_STORAGE_TYPE`: `file` or `mongodb`.
    pub cvm_storage_type: Option<String>,
    /// `CVM_DATA_DIR`: the directory of a file store.
    pub cvm_data_dir: Option<String>,
    /// `MONGODB_URI`: the server, if the type is `mongodb`.
    pub mongodb_uri: Option<String>,
    /// The home directory of the user.
    pub home: Option<String>,
}

/// URLs are redacted.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = |url: &Option<String>| url.as_deref().map(redact_url);
        f.debug_struct("Environment")
            .field("runstate_store", &url(&self.runstate_store))
            .field("cvm_storage_type", &self.cvm_storage_type)
            .field("cvm_data_dir", &self.cvm_data_dir)
            .field("mongodb_uri", &url(&self.mongodb_uri))
            .field("home", &self.home)
            .finish()
    }
}

/// The source of a store's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreOrigin {
    /// This environment variable.
    Variable(&'static str),
    /// No variable: it is the default store.
    Default,
}

/// A phrase that follows the URL of the store in a sentence.
impl fmt::Display for StoreOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "is the store that {name} names"),
            Self::Default => f.write_str("is the default store, the folder `.runstate` in the home directory"),
        }
    }
}

/// The URL of the store that the environment names, and its source. Without a variable: `file:~/.runstate`.
pub fn store_url(environment: &Environment) -> Result<(String, StoreOrigin), Error> {
    let non_empty = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
    if let Some(url) = non_empty(&environment.runstate_store) {
        return Ok((expand_home(&url, environment.home.as_deref())?, StoreOrigin::Variable("RUNSTATE_STORE")));
    }
    let usage = |message: &str| Err(Error::new(ErrorCode::USAGE, message));
    match non_empty(&environment.cvm_storage_type).as_deref() {
        None | Some("file") => match (non_empty(&environment.cvm_data_dir), non_empty(&environment.home)) {
            (Some(directory), home) => {
                Ok((expand_home(&format!("file:{directory}"), home.as_deref())?, StoreOrigin::Variable("CVM_DATA_DIR")))
            }
            (None, Some(home)) => Ok((format!("file:{home}/.runstate"), StoreOrigin::Default)),
            (None, None) => usage(
                "the store is missing: no store is named, and there is no home directory for the default store; set RUNSTATE_STORE, or use --store file:DIR",
            ),
        },
        Some("mongodb") => match non_empty(&environment.mongodb_uri) {
            Some(uri) if uri.starts_with("mongodb://") || uri.starts_with("mongodb+srv://") => {
                Ok((uri, StoreOrigin::Variable("MONGODB_URI")))
            }
            Some(uri) => usage(&format!(
                "MONGODB_URI is `{}`, which is not a MongoDB URL. Use mongodb://HOST/DATABASE",
                redact_url(&uri)
            )),
            None => usage(
                "the store is missing: CVM_STORAGE_TYPE is `mongodb`, but MONGODB_URI is not set; set it, or use --store URL",
            ),
        },
        Some(other) => {
            let is_offered = |scheme: &&str| url_forms().iter().any(|form| scheme_of(form) == *scheme);
            let kinds: Vec<&str> = ["file", "mongodb"].into_iter().filter(is_offered).collect();
            usage(&format!("CVM_STORAGE_TYPE is `{other}`; it must be {}", join_alternatives(&kinds)))
        }
    }
}

/// Expands the `~` of `file:~` and `file:~/DIR` in a store URL to the home directory, because no shell expands it
/// there. That of `local:~/DIR` in the URL of a storage too.
///
/// ```
/// use runstate::open::expand_home;
/// assert_eq!(expand_home("file:~/data", Some("/home/ann")).unwrap(), "file:/home/ann/data");
/// ```
pub fn expand_home(url: &str, home: Option<&str>) -> Result<String, Error> {
    let is_below_home = |(scheme, rest): &(&str, &str)| {
        matches!(*scheme, "file" | "local") && (rest.is_empty() || rest.starts_with(['/', '?']))
    };
    match (url.split_once(":~").filter(is_below_home), home.filter(|home| !home.is_empty())) {
        (None, _) => Ok(url.to_owned()),
        (Some((scheme, rest)), Some(home)) => Ok(format!("{scheme}:{home}{rest}")),
        (Some(_), None) => Err(Error::new(
            ErrorCode::USAGE,
            format!("`{url}` cannot be opened: there is no home directory; use an absolute path"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leading_tilde_expands_to_the_home_directory() {
        let at = |url| expand_home(url, Some("/home/ann")).unwrap();
        assert_eq!(at("file:~"), "file:/home/ann");
        assert_eq!(at("file:~?single_process"), "file:/home/ann?single_process");
        assert_eq!(at("local:~/artifacts"), "local:/home/ann/artifacts");
        assert_eq!(at("file:~bob"), "file:~bob");
        assert_eq!(at("file:a/~"), "file:a/~");
        assert!(expand_home("file:~/x", None).unwrap_err().message.contains("no home directory"));
        let named = Environment {
            runstate_store: Some("file:~/x".into()),
            home: Some("/home/ann".into()),
            ..Environment::default()
        };
        assert_eq!(store_url(&named).unwrap().0, "file:/home/ann/x");
        for (directory, url) in
            [("~/x", "file:/home/ann/x"), ("~", "file:/home/ann"), ("~bob", "file:~bob"), ("a/~", "file:a/~")]
        {
            let of_cvm = Environment { runstate_store: None, cvm_data_dir: Some(directory.into()), ..named.clone() };
            assert_eq!(store_url(&of_cvm).unwrap().0, url);
            let homeless = Environment { home: None, ..of_cvm };
            assert_eq!(store_url(&homeless).is_err(), url.starts_with("file:/"), "{directory}");
        }
    }

    #[test]
    fn runstate_variables_take_precedence_over_those_of_the_cvm() {
        let home = Environment { home: Some("/home/ann".into()), ..Environment::default() };
        assert_eq!(store_url(&home).unwrap(), ("file:/home/ann/.runstate".to_owned(), StoreOrigin::Default));
        let directory = Environment { cvm_data_dir: Some("d".into()), ..home.clone() };
        assert_eq!(store_url(&directory).unwrap(), ("file:d".to_owned(), StoreOrigin::Variable("CVM_DATA_DIR")));
        let mongo = Environment { cvm_storage_type: Some("mongodb".into()), ..directory.clone() };
        assert!(store_url(&mongo).unwrap_err().message.contains("MONGODB_URI"));
        for uri in ["h:27017/app", "file:data", "mongo://ann:secret@h/app"] {
            let error = store_url(&Environment { mongodb_uri: Some(uri.into()), ..mongo.clone() }).unwrap_err();
            assert!(error.code == ErrorCode::USAGE && error.message.contains("is not a MongoDB URL"), "{error}");
            assert!(!error.message.contains("secret"), "{error}");
        }
        let server = Environment { mongodb_uri: Some("mongodb+srv://h/app".into()), ..mongo.clone() };
        assert_eq!(store_url(&server).unwrap().0, "mongodb+srv://h/app");
        let named = Environment { runstate_store: Some("memory:".into()), ..mongo };
        assert_eq!(store_url(&named).unwrap().0, "memory:");
    }
}

//! The domains of one engine, checked once: no collection, operation or code is declared twice.

use runstate_value::SortedMap;

use super::{Audit, Domain, DueRule, EntityCheck, OperationDeclaration, Trigger};
use crate::decision::Ports;
use crate::error_code::{CodeDeclaration, ErrorCode};
use crate::schema::{Catalog, CatalogError, Collection};

/// The domains of an engine.
#[derive(Clone, Debug)]
pub struct Registry {
    domains: Vec<&'static Domain>,
    catalog: Catalog,
    operations: SortedMap<&'static str, &'static OperationDeclaration>,
}

/// Names that begin the names of the library's own collections and operations, and of collections that are declared at
/// run time.
const RESERVED_DOMAINS: [&str; 4] = ["documents", "due", "runstate", "store"];

/// Domains that do not fit together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// A collection is not declared correctly, or twice.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// A name is declared twice.
    #[error("{kind} `{name}` is declared twice: by the domain `{first}` and by the domain `{second}`")]
    Duplicate {
        /// The kind of declaration.
        kind: &'static str,
        /// Its name.
        name: &'static str,
        /// The domain that declares it first; `runstate`: the library itself.
        first: &'static str,
        /// The domain that declares it again.
        second: &'static str,
    },
    /// The library itself uses the name of the domain.
    #[error("a domain cannot have the name `{0}`: the library uses it; choose another name")]
    Reserved(&'static str),
    /// A collection or operation does not belong to the domain that declares it.
    #[error("the domain `{domain}` declares {kind} `{name}`; its name must begin with `{domain}.`")]
    Foreign {
        /// The domain.
        domain: &'static str,
        /// The kind of declaration.
        kind: &'static str,
        /// Its name.
        name: &'static str,
    },
}

impl Registry {
    /// Checks the domains.
    pub fn new(domains: &[&'static Domain]) -> Result<Self, RegistryError> {
        let mut owners: SortedMap<(&'static str, &'static str), &'static str> = SortedMap::default();
        let mut claim =
            |kind: &'static str, name: &'static str, second: &'static str| match owners.insert((kind, name), second) {
                Some(first) => Err(RegistryError::Duplicate { kind, name, first, second }),
                None => Ok(()),
            };
        for CodeDeclaration { code, .. } in ErrorCode::CORE {
            claim("error code", code.as_str(), "runstate")?;
        }
        let mut operations = SortedMap::default();
        let mut collections: Vec<&'static Collection> = Vec::new();
        for domain in domains {
            let owned = |kind: &'static str, name: &'static str| {
                let foreign = RegistryError::Foreign { domain: domain.name, kind, name };
                if domain.owns(name) { Ok(()) } else { Err(foreign) }
            };
            if RESERVED_DOMAINS.contains(&domain.name) {
                return Err(RegistryError::Reserved(domain.name));
            }
            claim("the domain", domain.name, domain.name)?;
            for collection in domain.collections {
                owned("the collection", collection.name)?;
                claim("the collection", collection.name, domain.name)?;
                collections.push(collection);
            }
            for operation in domain.operations {
                owned("the operation", operation.signature.name)?;
                claim("the operation", operation.signature.name, domain.name)?;
                operations.insert(operation.signature.name, *operation);
            }
            if domain.budgets.is_some() {
                claim("the port", "budgets", domain.name)?;
            }
            if domain.programs.is_some() {
                claim("the port", "programs", domain.name)?;
            }
            if domain.schemas.is_some() {
                claim("the port", "schemas", domain.name)?;
            }
            for CodeDeclaration { code, .. } in domain.codes {
                claim("error code", code.as_str(), domain.name)?;
            }
        }
        Ok(Self { domains: domains.to_vec(), catalog: Catalog::new(&collections)?, operations })
    }

    /// The domains.
    pub fn domains(&self) -> &[&'static Domain] {
        &self.domains
    }

    /// The collections of all domains.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The operation of this name.
    pub fn operation(&self, name: &str) -> Option<&'static OperationDeclaration> {
        self.operations.get(name).copied()
    }

    /// All operations of the domains, by name.
    pub fn operations(&self) -> impl Iterator<Item = &'static OperationDeclaration> + '_ {
        self.operations.values().copied()
    }

    /// All due rules, in the order of the domains.
    pub fn due_rules(&self) -> impl Iterator<Item = &'static DueRule> + '_ {
        self.domains.iter().flat_map(|domain| domain.due.iter().copied())
    }

    /// The triggers on a collection.
    pub fn triggers<'a>(&'a self, collection: &'a str) -> impl Iterator<Item = &'static Trigger> + 'a {
        let all = self.domains.iter().flat_map(|domain| domain.triggers);
        all.filter(move |trigger| trigger.collection == collection)
    }

    /// What the domains do for each other.
    pub fn ports(&self) -> Ports {
        Ports {
            budgets: self.domains.iter().find_map(|domain| domain.budgets),
            programs: self.domains.iter().find_map(|domain| domain.programs),
            schemas: self.domains.iter().find_map(|domain| domain.schemas),
        }
    }

    /// The audit log of a command with this name.
    pub fn audit(&self, command: &str) -> Option<Audit> {
        self.domains.iter().find(|domain| domain.owns(command))?.audit
    }

    /// All checks of verification.
    pub fn checks(&self) -> impl Iterator<Item = &'static EntityCheck> + '_ {
        self.domains.iter().flat_map(|domain| domain.checks.iter().copied())
    }
}

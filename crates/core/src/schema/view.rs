//! Materialized views: results of queries that PostgreSQL keeps beside the tables, for programs that read with SQL.

use runstate_value::SortedSet;

use super::Catalog;

/// A query whose result PostgreSQL keeps; other stores ignore it. It is as old as the last `StoreAdmin::maintain`.
#[derive(Debug)]
pub struct MaterializedView {
    /// `domain.name`.
    pub name: &'static str,
    /// The query, in the SQL of PostgreSQL. A collection is a table with the same name.
    pub query: &'static str,
    /// The fields that it reads, by collection. The view exists if all of them have columns of their declared types.
    pub reads: &'static [(&'static str, &'static [&'static str])],
    /// The name of its unique index.
    pub index: &'static str,
    /// The columns of that index, which identify a row.
    pub key: &'static [&'static str],
}

/// The rules of views: each field that one reads is declared, and no other view or collection has its name.
pub(super) fn verify(catalog: &Catalog) -> Result<(), (String, String)> {
    let mut names = SortedSet::default();
    for collection in catalog.iter() {
        for view in collection.views {
            let failed = |problem: String| (collection.name.to_owned(), problem);
            if names.insert(view.name, ()).is_some() || catalog.get(view.name).is_some() {
                return Err(failed(format!("its view `{}` is declared twice", view.name)));
            }
            if view.name.split('.').count() != 2 || view.key.is_empty() {
                return Err(failed(format!("its view `{}` has no domain or no key", view.name)));
            }
            // A program may have one of the collections only: then it has no view.
            for (name, fields) in view.reads {
                let Some(read) = catalog.get(name) else { continue };
                if let Some(field) = fields.iter().find(|path| !read.fields.iter().any(|field| field.name == **path)) {
                    return Err(failed(format!(
                        "its view `{}` reads `{field}`, which {name} does not declare",
                        view.name
                    )));
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Collection, Field};

    const SUM: MaterializedView = MaterializedView {
        name: "a.sum",
        query: "SELECT x, count(*) AS rows FROM a.b GROUP BY x",
        reads: &[("a.b", &["x"]), ("a.absent", &["y"])],
        index: "sum_key",
        key: &["x"],
    };
    const C: Collection = Collection::new("a.b", 1).fields(&[Field::text("x")]).views(&[&SUM]);
    const OTHER: Collection = Collection::new("a.c", 1).views(&[&SUM]);
    const EMPTY: Collection = Collection::new("a.b", 1).views(&[&SUM]);

    #[test]
    fn views_that_cannot_exist_are_not_declared() {
        let problem = |all: &[&'static Collection]| Catalog::new(all).unwrap_err().problem;
        assert!(Catalog::new(&[&C]).is_ok());
        assert_eq!(problem(&[&C, &OTHER]), "its view `a.sum` is declared twice");
        assert_eq!(problem(&[&EMPTY]), "its view `a.sum` reads `x`, which a.b does not declare");
    }
}

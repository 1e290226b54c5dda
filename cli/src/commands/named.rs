//! Executions that one command line names, each with the id of the command for it.

use runstate::id::{CommandId, hex, sha256};

use crate::failure::Failure;

/// They.
pub struct Named(Vec<One>);

/// One of them.
pub struct One {
    /// The execution.
    pub id: String,
    /// The command, where the caller named it.
    pub command: Option<CommandId>,
}

impl Named {
    /// Each once, in the order given. The caller's `name` is the command's for one execution. For several each has a name derived from
    /// that and from the execution: those that are left can be repeated in any order. They are no [`CommandId::part`]s, because what
    /// drives or deletes an execution has parts of its own, and parts have none.
    pub fn new(ids: Vec<String>, name: Option<&str>) -> Result<Self, Failure> {
        let mut named: Vec<One> = Vec::new();
        let several = ids.iter().any(|id| *id != ids[0]);
        let mut seen = std::collections::HashSet::new();
        for id in ids.into_iter().filter(|id| seen.insert(id.clone())) {
            let command = name.map(|name| match several {
                false => CommandId::new(name),
                true => CommandId::new(name).and_then(|_| CommandId::new(&of_several(name, &id))),
            });
            named.push(One { command: command.transpose()?, id });
        }
        Ok(Self(named))
    }

    /// All of them.
    pub fn all(&self) -> &[One] {
        &self.0
    }

    /// The one, where it is one.
    pub fn alone(&self) -> Option<&One> {
        if let [one] = self.0.as_slice() { Some(one) } else { None }
    }
}

/// An id of any length and form fits behind the name, since only its hash stands there.
fn of_several(name: &str, id: &str) -> String {
    format!("{name}:{}", hex(&sha256(&[id.as_bytes()])[..8]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(ids: &[&str], name: Option<&str>) -> Vec<(String, Option<String>)> {
        let ids = ids.iter().map(|id| (*id).to_owned()).collect();
        let text = |command: CommandId| command.as_str().to_owned();
        Named::new(ids, name).unwrap().0.into_iter().map(|one| (one.id, one.command.map(text))).collect()
    }

    #[test]
    fn one_has_the_name_that_was_given() {
        assert_eq!(named(&["a"], Some("c")), [("a".to_owned(), Some("c".to_owned()))]);
        assert_eq!(named(&["a", "a"], Some("c")), named(&["a"], Some("c")));
    }

    #[test]
    fn of_several_each_has_a_name_of_its_own_whatever_their_order() {
        let (there, back) = (named(&["a", "b", "a/1"], Some("c")), named(&["a/1", "b", "a", "b"], Some("c")));
        assert_eq!(there, back.into_iter().rev().collect::<Vec<_>>());
        assert!(there[0].1.as_deref().is_some_and(|name| name.starts_with("c:")));
        let names: std::collections::HashSet<_> = there.iter().map(|(_, name)| name).collect();
        assert_eq!(names.len(), 3);
        assert_eq!(named(&["a", "b"], None)[1], ("b".to_owned(), None));
    }

    #[test]
    fn a_name_that_has_no_room_is_refused_before_anything_is_done() {
        assert!(Named::new(vec!["a".into(), "b".into()], Some(&"x".repeat(188))).is_err());
        assert!(Named::new(vec!["a".into(), "b".into()], Some("job/1")).is_err());
    }
}

//! The targets of a bulk command, each with its own command id.

use runstate::id::{CommandId, hex, sha256};

use crate::error::CliError;

/// The targets of a bulk command.
pub struct Targets(Vec<Target>);

/// A target.
pub struct Target {
    /// The id of the execution, or the name of the program.
    pub id: String,
    /// The command id, if the caller gave one.
    pub command: Option<CommandId>,
}

impl Targets {
    /// Creates each target once, in the order given. For one target, the command id is `name`. For several, each id is derived from `name` and
    /// the target, so that the remaining ones can be repeated in any order. The ids are not [`CommandId::part`]s, because commands that drive
    /// or delete an execution derive parts of their own, and a part cannot have parts.
    pub fn new(ids: Vec<String>, name: Option<&str>) -> Result<Self, CliError> {
        let mut named: Vec<Target> = Vec::new();
        let several = ids.iter().any(|id| *id != ids[0]);
        let mut seen = std::collections::HashSet::new();
        for id in ids.into_iter().filter(|id| seen.insert(id.clone())) {
            let command = name.map(|name| match several {
                false => CommandId::new(name),
                true => CommandId::new(name).and_then(|_| CommandId::new(&derive_command_name(name, &id))),
            });
            named.push(Target { command: command.transpose()?, id });
        }
        Ok(Self(named))
    }

    /// Returns all targets.
    pub fn all(&self) -> &[Target] {
        &self.0
    }

    /// Returns the target if there is only one.
    pub fn single(&self) -> Option<&Target> {
        if let [one] = self.0.as_slice() { Some(one) } else { None }
    }
}

/// Derives a command id. It contains only a hash of the target, so a target of any length and form fits.
fn derive_command_name(name: &str, id: &str) -> String {
    format!("{name}:{}", hex(&sha256(&[id.as_bytes()])[..8]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(ids: &[&str], name: Option<&str>) -> Vec<(String, Option<String>)> {
        let ids = ids.iter().map(|id| (*id).to_owned()).collect();
        let text = |command: CommandId| command.as_str().to_owned();
        Targets::new(ids, name).unwrap().0.into_iter().map(|one| (one.id, one.command.map(text))).collect()
    }

    #[test]
    fn a_single_target_keeps_the_command_id() {
        assert_eq!(named(&["a"], Some("c")), [("a".to_owned(), Some("c".to_owned()))]);
        assert_eq!(named(&["a", "a"], Some("c")), named(&["a"], Some("c")));
    }

    #[test]
    fn each_of_several_targets_gets_its_own_command_id_in_any_order() {
        let (there, back) = (named(&["a", "b", "a/1"], Some("c")), named(&["a/1", "b", "a", "b"], Some("c")));
        assert_eq!(there, back.into_iter().rev().collect::<Vec<_>>());
        assert!(there[0].1.as_deref().is_some_and(|name| name.starts_with("c:")));
        let names: std::collections::HashSet<_> = there.iter().map(|(_, name)| name).collect();
        assert_eq!(names.len(), 3);
        assert_eq!(named(&["a", "b"], None)[1], ("b".to_owned(), None));
    }

    #[test]
    fn a_command_id_too_long_to_derive_from_is_refused_first() {
        assert!(Targets::new(vec!["a".into(), "b".into()], Some(&"x".repeat(188))).is_err());
        assert!(Targets::new(vec!["a".into(), "b".into()], Some("job/1")).is_err());
    }
}

//! References between the definitions of a schema, and what follows from them.
//!
//! A schema that leads to itself without a member or an item in between would check the same value for ever. It is
//! refused, and so is a chain of more than [`VALUE_DEPTH`] schemas for one value: the recursion of a check is bounded.

use runstate_core::limits::VALUE_DEPTH;
use runstate_value::Json;

use super::checker;
use super::description::quote;
use super::{Definition, JsonType, Schema, SchemaKeywords, SchemaNode};

/// Most values that are offered as choices.
const MAX_CHOICES: usize = 1_000;

static NULL: Json = Json::Null;

/// Which answers a schema accepts, as far as the conversion of texts needs it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Acceptance {
    /// It accepts texts. A text that does not match such a schema is reported as a text, not as JSON.
    pub(super) strings: bool,
    /// It has no type, but keywords that only apply to objects and lists.
    pub(super) implies_container: bool,
    /// The number of schemas that apply to one value after each other.
    height: usize,
}

/// The name in `#/$defs/NAME`: a JSON pointer (RFC 6901) as a fragment of a URI.
pub(super) fn pointer_name(pointer: &str) -> Option<String> {
    let escaped = percent_decode(pointer.strip_prefix("#/")?)?;
    let escaped = escaped.strip_prefix("$defs/")?;
    let is_valid = !escaped.contains('/') && escaped.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    is_valid.then(|| escaped.replace("~1", "/").replace("~0", "~"))
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                u8::try_from(digit(rest.next())? * 16 + digit(rest.next())?).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

impl Acceptance {
    const ANYTHING: Acceptance = Acceptance { strings: true, implies_container: false, height: 0 };

    /// What the outermost schema accepts.
    ///
    /// # Errors
    /// A definition that leads to itself, or to too many others.
    pub(super) fn of_root(definitions: &[Definition]) -> Result<Self, String> {
        let mut walk = Walk { definitions, states: vec![State::New; definitions.len()] };
        for index in 1..definitions.len() {
            walk.definition(index, 0)?;
        }
        walk.definition(0, 0)
    }
}

#[derive(Clone, Copy)]
enum State {
    New,
    Open,
    Done(Acceptance),
}

/// Visits each definition once.
struct Walk<'d> {
    definitions: &'d [Definition],
    states: Vec<State>,
}

impl Walk<'_> {
    /// `depth` is the number of schemas before it that apply to the same value.
    fn definition(&mut self, index: usize, depth: usize) -> Result<Acceptance, String> {
        let definition = &self.definitions[index];
        let error = |problem: &str| {
            let name = if index == 0 { String::new() } else { format!(".$defs[{}]", quote(&definition.name, 60)) };
            Err(format!("schema{name} {problem}"))
        };
        match self.states[index] {
            State::Done(acceptance) => return Ok(acceptance),
            State::Open => return error("leads to itself without a member or an item in between"),
            State::New => {}
        }
        self.states[index] = State::Open;
        let acceptance = if depth > VALUE_DEPTH { None } else { Some(self.node(&definition.node, depth)?) };
        match acceptance.filter(|acceptance| acceptance.height <= VALUE_DEPTH) {
            Some(acceptance) => {
                self.states[index] = State::Done(acceptance);
                Ok(acceptance)
            }
            None => error(&format!("leads to more than {VALUE_DEPTH} schemas for one value")),
        }
    }

    fn node(&mut self, node: &SchemaNode, depth: usize) -> Result<Acceptance, String> {
        match node {
            SchemaNode::Anything => Ok(Acceptance::ANYTHING),
            SchemaNode::Nothing => Ok(Acceptance { strings: false, ..Acceptance::ANYTHING }),
            SchemaNode::Keywords(rules) => self.rules(rules, depth + 1),
        }
    }

    fn rules(&mut self, rules: &SchemaKeywords, depth: usize) -> Result<Acceptance, String> {
        let mut all = rules.acceptance();
        if let Some(index) = rules.reference {
            all.restrict(self.definition(index, depth)?);
        }
        for node in &rules.all_of {
            all.restrict(self.node(node, depth)?);
        }
        for branches in [&rules.any_of, &rules.one_of].into_iter().flatten() {
            let branches: Vec<_> = branches.iter().map(|node| self.node(node, depth)).collect::<Result<_, _>>()?;
            // A branch that is meant for texts takes them as they are.
            let takes_text = branches.iter().any(|branch| branch.strings && !branch.implies_container);
            all.restrict(Acceptance {
                strings: branches.iter().any(|branch| branch.strings),
                implies_container: !takes_text && branches.iter().any(|branch| branch.implies_container),
                height: branches.iter().map(|branch| branch.height).max().unwrap_or(0),
            });
        }
        all.height += 1;
        all.implies_container &= rules.types.is_none();
        Ok(all)
    }
}

impl Acceptance {
    /// Adds a schema that applies as well.
    fn restrict(&mut self, other: Acceptance) {
        self.strings &= other.strings;
        self.implies_container |= other.implies_container;
        self.height = self.height.max(other.height);
    }
}

impl SchemaKeywords {
    /// What its own keywords accept.
    fn acceptance(&self) -> Acceptance {
        let typed = self.types.as_ref().is_none_or(|types| types.contains(&JsonType::String));
        let listed = self.enum_values.as_ref().is_none_or(|choices| choices.values.iter().any(Json::is_string));
        let members = !self.properties.is_empty() || !self.required.is_empty() || self.additional_properties.is_some();
        Acceptance {
            strings: typed && listed && self.const_value.as_ref().is_none_or(Json::is_string),
            implies_container: self.types.is_none() && (members || self.items.is_some()),
            height: 0,
        }
    }
}

/// The values of a schema that lists them.
pub(super) fn choices(schema: &Schema) -> Option<Vec<Json>> {
    let (mut found, mut steps) = (Vec::new(), MAX_CHOICES * 4);
    list_choices(schema, schema.root(), &mut found, &mut steps)?;
    let mut unique: Vec<&Json> = Vec::new();
    for value in found {
        if !unique.contains(&value) {
            unique.push(value);
        }
    }
    // Other keywords may exclude some.
    let values = checker::matching_values(schema, unique);
    (!values.is_empty()).then_some(values)
}

fn list_choices<'s>(
    schema: &'s Schema,
    node: &'s SchemaNode,
    found: &mut Vec<&'s Json>,
    steps: &mut usize,
) -> Option<()> {
    *steps = steps.checked_sub(1)?;
    let SchemaNode::Keywords(rules) = node else { return None };
    match (&rules.const_value, &rules.enum_values, rules.reference) {
        (Some(only), _, _) => found.push(only),
        (None, Some(listed), _) => found.extend(&listed.values),
        (None, None, Some(index)) => list_choices(schema, &schema.definitions[index].node, found, steps)?,
        (None, None, None) => {
            let Some(branches) = rules.any_of.as_ref().or(rules.one_of.as_ref()) else {
                // Without a list, null is the only value that is one by itself.
                return (rules.types.as_deref() == Some(&[JsonType::Null])).then(|| found.push(&NULL));
            };
            branches.iter().try_for_each(|branch| list_choices(schema, branch, found, steps))?;
        }
    }
    (found.len() <= MAX_CHOICES).then_some(())
}

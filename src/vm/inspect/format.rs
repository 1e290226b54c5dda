//! The line that `console.log` prints for its arguments, as Node's `util.format` writes it (lib/internal/util/inspect.js).

use super::super::builtin::Args;
use super::super::entry::Entry;
use super::super::json::Style;
use super::super::limits::Exceeded;
use super::super::machine::Machine;
use super::super::number;
use super::super::object::ErrorKind;
use super::super::raise::Raise;
use super::super::text::Str;
use super::super::value::Value;
use super::{Bounds, Copier, node};

/// How much of the heap's limit the copy of an argument may take: a copy is larger than what it is counted as.
const SHARE: u64 = 8;

const PERCENT: u16 = b'%' as u16;

impl Machine {
    /// The line. A directive (`%s`) in a first text takes the next argument.
    pub(in super::super) fn formatted(&mut self, args: &Args) -> Result<String, Raise> {
        let mut line = String::new();
        let mut next = 0;
        if let Value::Text(first) = self.arg(args, 0) {
            if args.count == 1 {
                return Ok(first.to_utf8());
            }
            next = self.directives(&first, args, &mut line)?;
        }
        for at in next..args.count {
            if at > 0 {
                line.push(' ');
            }
            match self.arg(args, at) {
                Value::Text(text) => line.push_str(&text.to_utf8()),
                value => line.push_str(&self.inspected(&value, Bounds::default().depth, false)?),
            }
            self.check_text(line.len())?;
        }
        Ok(line)
    }

    /// Writes the first text with its directives. The result is the number of arguments taken, the text among them; 0 without directives.
    fn directives(&mut self, first: &Str, args: &Args, line: &mut String) -> Result<usize, Raise> {
        let (mut taken, mut written, mut at) = (1, 0, 0);
        while at + 1 < first.len() {
            if first.unit(at) != Some(PERCENT) {
                at += 1;
                continue;
            }
            let letter = first.unit(at + 1).and_then(|unit| u8::try_from(unit).ok()).unwrap_or_default();
            at += 2;
            if letter == b'%' {
                line.push_str(&first.slice(written, at - 1).to_utf8());
            } else if taken < args.count && b"sdifjoOc".contains(&letter) {
                line.push_str(&first.slice(written, at - 2).to_utf8());
                line.push_str(&self.directive(letter, args, taken)?);
                taken += 1;
            } else {
                continue;
            }
            written = at;
            self.check_text(line.len())?;
        }
        if written == 0 {
            return Ok(0);
        }
        line.push_str(&first.slice(written, first.len()).to_utf8());
        Ok(taken)
    }

    /// An argument as a letter behind `%` has it.
    fn directive(&mut self, letter: u8, args: &Args, at: usize) -> Result<String, Raise> {
        let (value, place) = (self.arg(args, at), args.base + at);
        Ok(match letter {
            b's' => match &value {
                Value::Number(number) => node::number(*number),
                value if self.is_shown_by_itself(value) => self.inspected(value, 0, false)?,
                _ => self.text_at(place)?.to_utf8(),
            },
            b'd' => node::number(self.number_at(place)?),
            b'i' => node::number(number::parse_int(&self.text_at(place)?, 0)),
            b'f' => node::number(number::parse_float(&self.text_at(place)?)),
            b'j' => self.json_directive(&value)?,
            b'o' => self.inspected(&value, 4, true)?,
            b'O' => self.inspected(&value, Bounds::default().depth, false)?,
            // `%c` is for colours.
            _ => String::new(),
        })
    }

    /// `%j`: JSON, where the value does not contain itself.
    fn json_directive(&self, value: &Value) -> Result<String, Raise> {
        let style = Style { indent: Str::empty(), only: None, marks_circles: false };
        match self.written(value, &style) {
            Ok(Some(text)) => Ok(text.to_utf8()),
            Ok(None) => Ok("undefined".to_owned()),
            Err(Raise::Error(ErrorKind::Type, message)) if message.starts_with("Converting circular") => {
                Ok("[Circular]".to_owned())
            }
            Err(raise) => Err(raise),
        }
    }

    /// Whether `%s` shows an object, because no method of the program makes it a text.
    fn is_shown_by_itself(&self, value: &Value) -> bool {
        let Value::Ref(at) = value else { return false };
        let method = self.property(value, &Value::text("toString")).unwrap_or(Value::Undefined);
        let is_own = matches!(&method, Value::Ref(method)
            if matches!(self.heap.get(*method), Entry::Closure(_) | Entry::Bound(_)));
        !is_own && !matches!(self.heap.get(*at), Entry::Closure(_) | Entry::Bound(_))
    }

    /// A value as `util.inspect` writes it. Its copy counts against the limit of the heap.
    fn inspected(&mut self, value: &Value, depth: usize, hidden: bool) -> Result<String, Raise> {
        let bytes = usize::try_from(self.limits.heap_bytes / SHARE).unwrap_or(usize::MAX);
        let bounds = Bounds { depth, members: usize::MAX, variable_bytes: bytes, bytes, ..Bounds::default() };
        let mut copier = Copier::new(self, bounds);
        copier.hidden = hidden;
        let shown = copier.copy(value);
        let left = copier.left;
        if left == 0 {
            return Err(Exceeded::HeapBytes.into());
        }
        if let Value::Ref(_) = value {
            self.owe((bytes - left) as u64);
        }
        Ok(node::text(&shown, &bounds))
    }
}

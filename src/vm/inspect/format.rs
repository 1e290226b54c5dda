//! The line that `console.log` prints for its arguments. It follows Node's `util.format` (lib/internal/util/inspect.js).

use super::super::abrupt_completion::AbruptCompletion;
use super::super::builtin::NativeArgs;
use super::super::entry::Entry;
use super::super::json::StringifyOptions;
use super::super::limits::ExceededLimit;
use super::super::machine::Machine;
use super::super::number;
use super::super::object::ErrorKind;
use super::super::text::Str;
use super::super::value::Value;
use super::{Copier, InspectBounds, util_inspect};

/// Fraction of the heap limit that the copy of an argument may take. A copy is larger than its charged size.
const HEAP_SHARE: u64 = 8;

const PERCENT: u16 = b'%' as u16;

impl Machine {
    /// The line. A directive (`%s`) in a string as first argument formats the next argument.
    pub(in super::super) fn format_log_line(&mut self, args: &NativeArgs) -> Result<String, AbruptCompletion> {
        let mut line = String::new();
        let mut next = 0;
        if let Value::Text(first) = self.arg(args, 0) {
            if args.count == 1 {
                return Ok(first.to_utf8());
            }
            next = self.format_directives(&first, args, &mut line)?;
        }
        for at in next..args.count {
            if at > 0 {
                line.push(' ');
            }
            match self.arg(args, at) {
                Value::Text(text) => line.push_str(&text.to_utf8()),
                value => line.push_str(&self.inspect_value(&value, InspectBounds::default().depth, false)?),
            }
            self.check_text_length(line.len())?;
        }
        Ok(line)
    }

    /// Writes the first argument with its directives. Returns the number of arguments used, including the first; 0 without directives.
    fn format_directives(
        &mut self,
        first: &Str,
        args: &NativeArgs,
        line: &mut String,
    ) -> Result<usize, AbruptCompletion> {
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
                line.push_str(&self.format_directive(letter, args, taken)?);
                taken += 1;
            } else {
                continue;
            }
            written = at;
            self.check_text_length(line.len())?;
        }
        if written == 0 {
            return Ok(0);
        }
        line.push_str(&first.slice(written, first.len()).to_utf8());
        Ok(taken)
    }

    /// An argument formatted by the letter after `%`.
    fn format_directive(&mut self, letter: u8, args: &NativeArgs, at: usize) -> Result<String, AbruptCompletion> {
        let (value, place) = (self.arg(args, at), args.base + at);
        Ok(match letter {
            b's' => match &value {
                Value::Number(number) => util_inspect::number(*number),
                value if self.uses_inspect_for_s(value) => self.inspect_value(value, 0, false)?,
                _ => self.to_text_at(place)?.to_utf8(),
            },
            b'd' => util_inspect::number(self.to_number_at(place)?),
            b'i' => util_inspect::number(number::parse_int(&self.to_text_at(place)?, 0)),
            b'f' => util_inspect::number(number::parse_float(&self.to_text_at(place)?)),
            b'j' => self.format_json_directive(&value)?,
            b'o' => self.inspect_value(&value, 4, true)?,
            b'O' => self.inspect_value(&value, InspectBounds::default().depth, false)?,
            // `%c` is for colours and consumes its argument.
            _ => String::new(),
        })
    }

    /// `%j`: the value as JSON, unless it is cyclic.
    fn format_json_directive(&self, value: &Value) -> Result<String, AbruptCompletion> {
        let style = StringifyOptions { indent: Str::empty(), allowed_keys: None, marks_cycles: false };
        match self.stringify(value, &style) {
            Ok(Some(text)) => Ok(text.to_utf8()),
            Ok(None) => Ok("undefined".to_owned()),
            Err(AbruptCompletion::Error(ErrorKind::Type, message)) if message.starts_with("Converting circular") => {
                Ok("[Circular]".to_owned())
            }
            Err(raise) => Err(raise),
        }
    }

    /// Whether `%s` inspects an object because no method of the program converts it to a string.
    fn uses_inspect_for_s(&self, value: &Value) -> bool {
        let Value::Ref(at) = value else { return false };
        let method = self.property(value, &Value::text("toString")).unwrap_or(Value::Undefined);
        let is_own = matches!(&method, Value::Ref(method)
            if matches!(self.heap.get(*method), Entry::Closure(_) | Entry::Bound(_)));
        !is_own && !matches!(self.heap.get(*at), Entry::Closure(_) | Entry::Bound(_))
    }

    /// A value as `util.inspect` writes it. Its copy counts against the heap limit.
    fn inspect_value(&mut self, value: &Value, depth: usize, hidden: bool) -> Result<String, AbruptCompletion> {
        let bytes = usize::try_from(self.limits.heap_bytes / HEAP_SHARE).unwrap_or(usize::MAX);
        let bounds =
            InspectBounds { depth, members: usize::MAX, variable_bytes: bytes, bytes, ..InspectBounds::default() };
        let mut copier = Copier::new(self, bounds);
        copier.hidden = hidden;
        let shown = copier.copy(value);
        let left = copier.left;
        if left == 0 {
            return Err(ExceededLimit::HeapBytes.into());
        }
        if let Value::Ref(_) = value {
            self.charge_work((bytes - left) as u64);
        }
        Ok(util_inspect::text(&shown, &bounds))
    }
}

//! `Date`. ECMA-262 §21.4 Date Objects. The local time zone is UTC.
//!
//! Deviations: the texts for a locale are those of `en-US`, and properties of the program on dates are not supported.

use super::super::abrupt_completion::{Completion, PreferredType, range_error, type_error, unsupported};
use super::super::date::{self, DateField, DateFormat, DateText, FormatField};
use super::super::entry::Entry;
use super::super::machine::Machine;
use super::super::number::to_integer;
use super::super::text::Str;
use super::super::value::{HeapRef, Value};
use super::options::MethodOptions;
use super::{BuiltinDefinition, NativeArgs, NativeOutcome, NativeResult};
use crate::{conversion, property};

/// The row of a method that reads a field.
macro_rules! getter {
    ($name:literal, $field:ident) => {
        ($name, 0, |machine, args| Ok(read_field(machine, args, DateField::$field)?.into()))
    };
}

/// The row of a method that sets a field and, with more arguments, those after it.
macro_rules! setter {
    ($name:literal, $field:ident, $count:literal) => {
        ($name, $count, |machine, args| set_fields(machine, args, DateField::$field, $count))
    };
}

/// The row of a method that returns a text.
macro_rules! text {
    ($name:literal, $kind:ident) => {
        ($name, 0, |machine, args| Ok(Str::new(&date::date_text(this_time(machine, args)?, DateText::$kind)).into()))
    };
}

pub(super) static ROWS: &[BuiltinDefinition] = &[
    // ECMA-262 §21.4.2.1 Date, called without `new`: the text of the current time.
    ("Date", 7, |machine, _| Ok(Str::new(&date::date_text(machine.now_ms as f64, DateText::Full)).into())),
    // ECMA-262 §21.4.2.1 Date.
    ("new Date", 7, construct_date),
    // ECMA-262 §21.4.3.1 Date.now. The time is that of the slice.
    ("Date.now", 0, |machine, _| Ok((machine.now_ms as f64).into())),
    // ECMA-262 §21.4.3.2 Date.parse.
    ("Date.parse", 1, |machine, args| Ok(date::parse(&super::arg_text(machine, args, 0)?).into())),
    // ECMA-262 §21.4.3.4 Date.UTC.
    ("Date.UTC", 7, |machine, args| Ok(time_from_args(machine, args)?.into())),
    // ECMA-262 §21.4.4.10 Date.prototype.getTime.
    ("Date.prototype.getTime", 0, |machine, args| Ok(this_time(machine, args)?.into())),
    // ECMA-262 §21.4.4.44 Date.prototype.valueOf.
    ("Date.prototype.valueOf", 0, |machine, args| Ok(this_time(machine, args)?.into())),
    // ECMA-262 §21.4.4.11 Date.prototype.getTimezoneOffset.
    ("Date.prototype.getTimezoneOffset", 0, |machine, args| {
        let time = this_time(machine, args)?;
        Ok(if time.is_nan() { time } else { 0.0 }.into())
    }),
    // ECMA-262 §21.4.4.2 Date.prototype.getDate to §21.4.4.19 Date.prototype.getUTCSeconds.
    getter!("Date.prototype.getFullYear", Year),
    getter!("Date.prototype.getMonth", Month),
    getter!("Date.prototype.getDate", Day),
    getter!("Date.prototype.getDay", Weekday),
    getter!("Date.prototype.getHours", Hours),
    getter!("Date.prototype.getMinutes", Minutes),
    getter!("Date.prototype.getSeconds", Seconds),
    getter!("Date.prototype.getMilliseconds", Milliseconds),
    getter!("Date.prototype.getUTCFullYear", Year),
    getter!("Date.prototype.getUTCMonth", Month),
    getter!("Date.prototype.getUTCDate", Day),
    getter!("Date.prototype.getUTCDay", Weekday),
    getter!("Date.prototype.getUTCHours", Hours),
    getter!("Date.prototype.getUTCMinutes", Minutes),
    getter!("Date.prototype.getUTCSeconds", Seconds),
    getter!("Date.prototype.getUTCMilliseconds", Milliseconds),
    // ECMA-262 §21.4.4.20 Date.prototype.setDate to §21.4.4.34 Date.prototype.setUTCSeconds.
    setter!("Date.prototype.setFullYear", Year, 3),
    setter!("Date.prototype.setMonth", Month, 2),
    setter!("Date.prototype.setDate", Day, 1),
    setter!("Date.prototype.setHours", Hours, 4),
    setter!("Date.prototype.setMinutes", Minutes, 3),
    setter!("Date.prototype.setSeconds", Seconds, 2),
    setter!("Date.prototype.setMilliseconds", Milliseconds, 1),
    setter!("Date.prototype.setUTCFullYear", Year, 3),
    setter!("Date.prototype.setUTCMonth", Month, 2),
    setter!("Date.prototype.setUTCDate", Day, 1),
    setter!("Date.prototype.setUTCHours", Hours, 4),
    setter!("Date.prototype.setUTCMinutes", Minutes, 3),
    setter!("Date.prototype.setUTCSeconds", Seconds, 2),
    setter!("Date.prototype.setUTCMilliseconds", Milliseconds, 1),
    // ECMA-262 §21.4.4.27 Date.prototype.setTime.
    ("Date.prototype.setTime", 1, |machine, args| {
        let at = this_date(machine, args)?.0;
        let time = super::arg_number(machine, args, 0)?;
        Ok(store_time(machine, at, date::clip(time)))
    }),
    text!("Date.prototype.toString", Full),
    text!("Date.prototype.toDateString", Date),
    text!("Date.prototype.toTimeString", Time),
    text!("Date.prototype.toUTCString", Utc),
    // ECMA-262 §21.4.4.36 Date.prototype.toISOString.
    ("Date.prototype.toISOString", 0, |machine, args| match date::iso_text(this_time(machine, args)?) {
        Some(text) => Ok(Str::new(&text).into()),
        None => range_error("Invalid time value"),
    }),
    // ECMA-262 §21.4.4.37 Date.prototype.toJSON, of a date.
    ("Date.prototype.toJSON", 1, |machine, args| {
        if property::own_or_inherited(machine, &args.this, &Value::text("toISOString"))?.is_some() {
            return unsupported("toJSON of a date with its own toISOString is not called here; call toISOString()");
        }
        let text = date::iso_text(this_time(machine, args)?);
        Ok(NativeOutcome::Value(text.map_or(Value::Null, |text| Value::text(&text))))
    }),
    // ECMA-402 §20.4.1 Date.prototype.toLocaleString.
    ("Date.prototype.toLocaleString", 0, |machine, args| locale_text(machine, args, "toLocaleString", true, true)),
    // ECMA-402 §20.4.2 Date.prototype.toLocaleDateString.
    ("Date.prototype.toLocaleDateString", 0, |machine, args| {
        locale_text(machine, args, "toLocaleDateString", true, false)
    }),
    // ECMA-402 §20.4.3 Date.prototype.toLocaleTimeString.
    ("Date.prototype.toLocaleTimeString", 0, |machine, args| {
        locale_text(machine, args, "toLocaleTimeString", false, true)
    }),
];

/// ECMA-262 §21.4.2.1 Date.
fn construct_date(machine: &mut Machine, args: &NativeArgs) -> NativeResult {
    let time = match args.count {
        0 => machine.now_ms as f64,
        1 => match super::arg(machine, args, 0) {
            Value::Ref(at) if let Some(time) = machine.heap.date(at) => time,
            _ => match conversion::to_primitive_at(machine, args.base, PreferredType::Default)? {
                Value::Text(text) => date::parse(&text),
                value => date::clip(conversion::to_number(machine, &value)?),
            },
        },
        _ => time_from_args(machine, args)?,
    };
    Ok(NativeOutcome::Value(Value::Ref(machine.heap.allocate(Entry::Date(time)))))
}

/// The time of the arguments: year, month and so on. ECMA-262 §21.4.3.4 Date.UTC.
fn time_from_args(machine: &Machine, args: &NativeArgs) -> Completion<f64> {
    let mut fields = [f64::NAN, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0];
    for (index, field) in fields.iter_mut().take(7.min(args.count)).enumerate() {
        *field = super::arg_number(machine, args, index)?;
    }
    fields[0] = date::full_year(fields[0]);
    Ok(date::time_of(&fields))
}

fn this_date(machine: &Machine, args: &NativeArgs) -> Completion<(HeapRef, f64)> {
    match args.this {
        Value::Ref(at) if let Some(time) = machine.heap.date(at) => {
            Ok((machine.heap.collection(at).unwrap_or(at), time))
        }
        _ => type_error("this is not a Date object."),
    }
}

fn this_time(machine: &Machine, args: &NativeArgs) -> Completion<f64> {
    Ok(this_date(machine, args)?.1)
}

fn read_field(machine: &Machine, args: &NativeArgs, field: DateField) -> Completion<f64> {
    let time = this_time(machine, args)?;
    Ok(if time.is_nan() { time } else { date::fields(time)[field as usize] })
}

/// Sets a field and those after it, up to the number of arguments. The year of an invalid date may be set.
/// ECMA-262 §21.4.4.21 Date.prototype.setFullYear and the others.
fn set_fields(machine: &mut Machine, args: &NativeArgs, first: DateField, count: usize) -> NativeResult {
    let (at, time) = this_date(machine, args)?;
    let mut values = Vec::new();
    for index in 0..args.count.clamp(1, count) {
        values.push(super::arg_number(machine, args, index)?);
    }
    let time = if time.is_nan() && first == DateField::Year { 0.0 } else { time };
    if time.is_nan() {
        return Ok(time.into());
    }
    let mut fields = date::fields(time);
    for (field, value) in fields.iter_mut().skip(first as usize).zip(values) {
        *field = to_integer_or_nan(value);
    }
    Ok(store_time(machine, at, date::time_of(&fields)))
}

fn to_integer_or_nan(number: f64) -> f64 {
    if number.is_finite() { to_integer(number) } else { f64::NAN }
}

fn store_time(machine: &mut Machine, at: HeapRef, time: f64) -> NativeOutcome {
    if let Some(Entry::Date(stored)) = machine.heap.get_mut(at) {
        *stored = time;
    }
    time.into()
}

/// A text for `en-US`. Without a field that the method is for, the fields of a date, of a time or of both are added.
/// ECMA-402 §20.4.1 Date.prototype.toLocaleString, §11.1.2 CreateDateTimeFormat.
fn locale_text(machine: &Machine, args: &NativeArgs, method: &str, has_date: bool, has_time: bool) -> NativeResult {
    let time = this_time(machine, args)?;
    super::check_language(machine, args, 0)?;
    if time.is_nan() {
        return Ok(Str::new("Invalid Date").into());
    }
    let mut options = MethodOptions::read(machine, args)?;
    let mut format = DateFormat::default();
    let out_of_range = |name: &str, value: &str| {
        range_error(format!("Value {value} out of range for Date.prototype.{method} options property {name}"))
    };
    let last_hour = match options.take_text(machine, "hourCycle")?.as_deref() {
        None | Some("h12") => 12,
        Some("h11") => 11,
        Some("h23") => 23,
        Some("h24") => 24,
        Some(value) => return out_of_range("hourCycle", value),
    };
    // Node counts hours to 24 for a `hour12` that is false.
    format.last_hour = options.take("hour12").map_or(last_hour, |hour12| if hour12.truthy() { 12 } else { 24 });
    match options.take_text(machine, "timeZone")? {
        Some(zone)
            if zone.len() < 3 || zone.bytes().any(|byte| !byte.is_ascii_alphanumeric() && !b"/_+-".contains(&byte)) =>
        {
            return range_error(format!("Invalid time zone specified: {zone}"));
        }
        Some(zone) if !["UTC", "Etc/UTC", "GMT", "Etc/GMT"].iter().any(|utc| zone.eq_ignore_ascii_case(utc)) => {
            return unsupported(format!("the time zone `{zone}` is not supported; use UTC"));
        }
        _ => {}
    }
    for (field, name) in FormatField::ALL {
        if let Some(value) = options.take_text(machine, name)? {
            format.forms[field as usize] = match field.form(&value) {
                None => return out_of_range(name, &value),
                form => form,
            };
        }
    }
    let first_field = FormatField::ALL.iter().find(|(field, _)| format.has(*field, *field));
    let styles = [("dateStyle", has_date), ("timeStyle", has_time)];
    let mut has_style = false;
    for (name, is_allowed) in styles {
        let Some(value) = options.take_text(machine, name)? else { continue };
        if let Some((_, field)) = first_field {
            return type_error(format!("Can't set option {field} when {name} is used"));
        }
        let is_style = if name == "dateStyle" { format.add_date_style(&value) } else { format.add_time_style(&value) };
        if !is_style {
            return out_of_range(name, &value);
        }
        if !is_allowed {
            return type_error(format!("Invalid option : {name}"));
        }
        has_style = true;
    }
    options.finish("toLocaleString")?;
    let needs_date = has_date && !format.has(FormatField::Weekday, FormatField::Day);
    let needs_time = has_time && !format.has(FormatField::Hour, FormatField::Second);
    let is_complete = has_style || (has_date && has_time && (!needs_date || !needs_time));
    if needs_date && !is_complete {
        format.add_date();
    }
    if needs_time && !is_complete {
        format.add_time();
    }
    match format.text(time) {
        Some(text) => Ok(Str::new(&text).into()),
        None if date::fields(time)[0] < 1.0 => {
            unsupported("the text of a date before the year 1 for a locale is not supported; use toISOString()")
        }
        None => unsupported("this choice of fields of a date is not supported; format the parts and join them"),
    }
}

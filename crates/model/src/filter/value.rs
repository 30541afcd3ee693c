//! Values and how two of them compare. The text of a property takes the type of what it is compared with: against the
//! integer 5 it must be an integer of 32 bits, against 5.0 a float. These are the reference's rules (Java's `Integer.valueOf`,
//! `Long.valueOf`, `Double.valueOf`), except that floats in hexadecimal and digits outside ASCII are no numbers here.

use std::cmp::Ordering;

use super::evaluate::Failed;

/// A number of an expression. Its type counts: see the module.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    Int(i32),
    Long(i64),
    Float(f64),
}

/// What a part of an expression is for one message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    Text(&'a [u8]),
    Number(Number),
    Bool(bool),
}

impl Number {
    /// The smallest type that holds it.
    pub fn integer(value: i64) -> Number {
        i32::try_from(value).map_or(Number::Long(value), Number::Int)
    }

    pub fn negated(self) -> Number {
        match self {
            Number::Int(value) => Number::Int(value.wrapping_neg()),
            Number::Long(value) => Number::Long(value.wrapping_neg()),
            Number::Float(value) => Number::Float(-value),
        }
    }

    /// `text` as a number of the same type.
    fn read_like(self, text: &[u8]) -> Result<Number, Failed> {
        let text = std::str::from_utf8(text).map_err(|_| Failed)?;
        match self {
            Number::Int(_) => text.parse().map(Number::Int).map_err(|_| Failed),
            Number::Long(_) => text.parse().map(Number::Long).map_err(|_| Failed),
            Number::Float(_) => float(text).map(Number::Float),
        }
    }

    pub fn compare(self, other: Number) -> Ordering {
        match (self, other) {
            (Number::Int(a), Number::Int(b)) => a.cmp(&b),
            (Number::Int(a), Number::Long(b)) => i64::from(a).cmp(&b),
            (Number::Long(a), Number::Int(b)) => a.cmp(&i64::from(b)),
            (Number::Long(a), Number::Long(b)) => a.cmp(&b),
            (a, b) => a.as_float().total_cmp(&b.as_float()),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "as in the reference, where a long beside a double becomes one")]
    fn as_float(self) -> f64 {
        match self {
            Number::Int(value) => f64::from(value),
            Number::Long(value) => value as f64,
            Number::Float(value) => value,
        }
    }
}

impl Value<'_> {
    pub fn equals(self, other: Value<'_>) -> Result<bool, Failed> {
        match (self, other) {
            (Value::Text(a), Value::Text(b)) => Ok(a == b),
            (Value::Number(a), Value::Number(b)) => Ok(a.compare(b).is_eq()),
            (Value::Bool(a), Value::Bool(b)) => Ok(a == b),
            (Value::Text(text), Value::Number(number)) | (Value::Number(number), Value::Text(text)) => {
                Ok(number.read_like(text)?.compare(number).is_eq())
            }
            (Value::Text(text), Value::Bool(wanted)) | (Value::Bool(wanted), Value::Text(text)) => {
                Ok(text.eq_ignore_ascii_case(b"true") == wanted)
            }
            (Value::Number(_), Value::Bool(_)) | (Value::Bool(_), Value::Number(_)) => Ok(false),
        }
    }

    /// Two texts are compared as floats.
    pub fn compare(self, other: Value<'_>) -> Result<Ordering, Failed> {
        match (self, other) {
            (Value::Text(a), Value::Text(b)) => {
                let float = |text| std::str::from_utf8(text).map_err(|_| Failed).and_then(float);
                Ok(float(a)?.total_cmp(&float(b)?))
            }
            (Value::Number(a), Value::Number(b)) => Ok(a.compare(b)),
            (Value::Text(text), Value::Number(number)) => Ok(number.read_like(text)?.compare(number)),
            (Value::Number(number), Value::Text(text)) => Ok(number.compare(number.read_like(text)?)),
            // The parser lets no boolean come here.
            (Value::Bool(_), _) | (_, Value::Bool(_)) => Err(Failed),
        }
    }
}

/// A float as Java reads one: blanks around it, a suffix of its type, `NaN` and `Infinity` with a sign.
fn float(text: &str) -> Result<f64, Failed> {
    let text = text.trim_matches(|c: char| c <= ' ');
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    match unsigned {
        // Without the sign, so that it is greater than all others: Java knows one NaN only.
        "NaN" => return Ok(f64::NAN),
        "Infinity" => return Ok(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY }),
        _ => {}
    }
    let digits = unsigned.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(unsigned);
    // What else Rust takes for a float: words.
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Err(Failed);
    }
    let value: f64 = digits.parse().map_err(|_| Failed)?;
    Ok(if text.starts_with('-') { -value } else { value })
}

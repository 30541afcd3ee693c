//! SQL92 filter expressions over the properties of a message (semantics.md section 16).
//!
//! [`Filter::compile`] reads a text once; [`Filter::evaluate`] answers for one message, in three-valued logic, without
//! allocating. All property values are texts; a number beside one says how to read it. The language is the reference's,
//! quirks included, so that an expression means here what it means there. Two things it cannot do either: arithmetic, LIKE.
//!
//! What a consumer sends is bounded: the text ([`TEXT_LEN_MAX`]), its nesting ([`DEPTH_MAX`]), the properties it names
//! ([`PROPERTIES_MAX`]), and the work one message may cost ([`STEPS_MAX`]).

mod error;
mod evaluate;
mod lexer;
mod parser;
mod value;

pub use error::Error;

use crate::properties;
use evaluate::{Condition, Failed, Scope};

/// Longest expression, in bytes (RELIABILITY.md section 3.4).
pub const TEXT_LEN_MAX: usize = 4_096;

/// Deepest nesting of an expression. Parsing and evaluating recurse, and the stack is not the consumer's to spend.
pub const DEPTH_MAX: usize = 32;

/// Different properties one expression may name: their values are held on the stack.
pub const PROPERTIES_MAX: usize = 32;

/// Steps one message may cost: each part of the expression that is looked at is one, and so are 64 bytes of text searched or
/// eight names compared. A message that costs more does not match; that needs hundreds of terms over long properties.
pub const STEPS_MAX: u64 = 16_384;

/// A compiled expression.
#[derive(Clone, Debug)]
pub struct Filter {
    text: Box<str>,
    /// The properties it names; its parts refer to them by their place here.
    names: Box<[Box<str>]>,
    condition: Condition,
}

/// What an expression says of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The only one that matches.
    True,
    False,
    /// A property it needs is missing.
    Unknown,
    /// It cannot be evaluated: a property is no number where one is needed, or [`STEPS_MAX`] is passed.
    Failed,
}

impl Filter {
    /// Reads `text`.
    pub fn compile(text: &str) -> Result<Filter, Error> {
        if text.len() > TEXT_LEN_MAX {
            let what = format!("the expression has {} bytes, the limit is {TEXT_LEN_MAX}", text.len());
            return Err(Error::at(text, 0..0, what, "shorten it, or let the producer set a property to filter by"));
        }
        let (condition, names) = parser::parse(text)?;
        Ok(Filter { text: text.into(), names: names.into_boxed_slice(), condition })
    }

    /// The expression as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Evaluates the expression on a properties string. Adds what that cost to `steps`.
    pub fn evaluate(&self, properties: &[u8], steps: &mut u64) -> Verdict {
        let mut values: [&[u8]; PROPERTIES_MAX] = [&[]; PROPERTIES_MAX];
        let mut pairs = 0;
        for (name, value) in properties::iter(properties) {
            pairs += 1;
            if let Some(place) = self.names.iter().position(|wanted| wanted.as_bytes() == name) {
                values[place] = value;
            }
        }
        let mut scope = Scope::new(values, pairs * (1 + self.names.len() as u64 / 8));
        let outcome = self.condition.evaluate(&mut scope);
        *steps += scope.steps();
        match outcome {
            Ok(Some(true)) => Verdict::True,
            Ok(Some(false)) => Verdict::False,
            Ok(None) => Verdict::Unknown,
            Err(Failed) => Verdict::Failed,
        }
    }
}

impl PartialEq for Filter {
    fn eq(&self, other: &Filter) -> bool {
        self.text == other.text
    }
}

impl Eq for Filter {}

#[cfg(test)]
mod tests;

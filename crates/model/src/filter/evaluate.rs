//! A compiled expression and its evaluation for one message.
//!
//! Conditions are true, false or unknown; only what a property holds can make an evaluation fail, and a failure reaches
//! through every AND and OR that has not been decided before it.

use memchr::memmem;

use super::value::{Number, Value};
use super::{PROPERTIES_MAX, STEPS_MAX};

/// The expression cannot be evaluated on this message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed;

/// True, false, unknown; or not to be had.
type Truth = Result<Option<bool>, Failed>;

#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    Constant(bool),
    /// A property alone: false if it is there (a text is no boolean), else unknown.
    Property(usize),
    Not(Box<Condition>),
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Equal(Operand, Operand),
    Ordered {
        left: Operand,
        order: Order,
        right: Operand,
    },
    Between {
        value: Operand,
        low: Operand,
        high: Operand,
        negated: bool,
    },
    IsNull(Operand),
    Search {
        value: Operand,
        place: Place,
        text: String,
        negated: bool,
    },
    In {
        property: usize,
        texts: Vec<String>,
        negated: bool,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    Property(usize),
    Text(String),
    Number(Number),
    /// Of anything but a number this is nothing.
    Negated(Box<Operand>),
    Condition(Box<Condition>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Where a text is searched in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Anywhere,
    Start,
    End,
}

/// One message: the values of the properties that are named, and what evaluating has cost so far.
pub struct Scope<'a> {
    /// Empty: the message has no such property. (None has an empty value.)
    values: [&'a [u8]; PROPERTIES_MAX],
    steps: u64,
}

impl<'a> Scope<'a> {
    pub fn new(values: [&'a [u8]; PROPERTIES_MAX], steps: u64) -> Scope<'a> {
        Scope { values, steps }
    }

    pub fn steps(&self) -> u64 {
        self.steps
    }

    fn step(&mut self, count: usize) -> Result<(), Failed> {
        self.steps += count as u64;
        if self.steps > STEPS_MAX { Err(Failed) } else { Ok(()) }
    }

    fn property(&self, place: usize) -> Option<&'a [u8]> {
        Some(self.values[place]).filter(|value| !value.is_empty())
    }
}

impl Condition {
    pub fn evaluate<'a>(&'a self, scope: &mut Scope<'a>) -> Truth {
        scope.step(1)?;
        match self {
            Condition::Constant(value) => Ok(Some(*value)),
            Condition::Property(place) => Ok(scope.property(*place).map(|_| false)),
            Condition::Not(inner) => Ok(inner.evaluate(scope)?.map(|truth| !truth)),
            Condition::All(parts) => decide(parts, false, scope),
            Condition::Any(parts) => decide(parts, true, scope),
            Condition::Equal(left, right) => match (left.evaluate(scope)?, right.evaluate(scope)?) {
                (Some(left), Some(right)) => left.equals(right).map(Some),
                (Some(_), None) => Ok(Some(false)),
                (None, Some(_)) => Ok(None),
                (None, None) => Ok(Some(true)),
            },
            Condition::Ordered { left, order, right } => {
                let Some(left) = left.evaluate(scope)? else { return Ok(None) };
                ordered(left, *order, right, scope)
            }
            Condition::Between { value, low, high, negated } => {
                let Some(value) = value.evaluate(scope)? else { return Ok(None) };
                let (low_order, high_order) =
                    if *negated { (Order::Less, Order::Greater) } else { (Order::GreaterOrEqual, Order::LessOrEqual) };
                let above = ordered(value, low_order, low, scope)?;
                if above == Some(*negated) {
                    return Ok(above);
                }
                let below = ordered(value, high_order, high, scope)?;
                Ok(if below == Some(*negated) { below } else { above.and(below) })
            }
            Condition::IsNull(value) => Ok(Some(value.evaluate(scope)?.is_none())),
            Condition::Search { value, place, text, negated } => {
                // An empty text is nowhere, and nothing is evaluated to say so.
                if text.is_empty() {
                    return Ok(Some(false));
                }
                let Some(Value::Text(value)) = value.evaluate(scope)? else { return Ok(Some(false)) };
                scope.step(value.len() / 64)?;
                let there = match place {
                    Place::Anywhere => memmem::find(value, text.as_bytes()).is_some(),
                    Place::Start => value.starts_with(text.as_bytes()),
                    Place::End => value.ends_with(text.as_bytes()),
                };
                Ok(Some(there != *negated))
            }
            Condition::In { property, texts, negated } => {
                scope.step(texts.len() / 8)?;
                let Some(value) = scope.property(*property) else { return Ok(None) };
                Ok(Some(texts.iter().any(|text| text.as_bytes() == value) != *negated))
            }
        }
    }
}

impl Operand {
    /// `None`: missing.
    fn evaluate<'a>(&'a self, scope: &mut Scope<'a>) -> Result<Option<Value<'a>>, Failed> {
        scope.step(1)?;
        match self {
            Operand::Property(place) => Ok(scope.property(*place).map(Value::Text)),
            Operand::Text(text) => Ok(Some(Value::Text(text.as_bytes()))),
            Operand::Number(number) => Ok(Some(Value::Number(*number))),
            Operand::Negated(inner) => Ok(match inner.evaluate(scope)? {
                Some(Value::Number(number)) => Some(Value::Number(number.negated())),
                Some(Value::Text(_) | Value::Bool(_)) | None => None,
            }),
            Operand::Condition(condition) => Ok(condition.evaluate(scope)?.map(Value::Bool)),
        }
    }
}

/// The first part that is `decisive` decides; if none is, an unknown part leaves it unknown.
fn decide<'a>(parts: &'a [Condition], decisive: bool, scope: &mut Scope<'a>) -> Truth {
    let mut unknown = false;
    for part in parts {
        match part.evaluate(scope)? {
            Some(truth) if truth == decisive => return Ok(Some(decisive)),
            Some(_) => {}
            None => unknown = true,
        }
    }
    Ok(if unknown { None } else { Some(!decisive) })
}

fn ordered<'a>(left: Value<'a>, order: Order, right: &'a Operand, scope: &mut Scope<'a>) -> Truth {
    let Some(right) = right.evaluate(scope)? else { return Ok(None) };
    let found = left.compare(right)?;
    Ok(Some(match order {
        Order::Less => found.is_lt(),
        Order::LessOrEqual => found.is_le(),
        Order::Greater => found.is_gt(),
        Order::GreaterOrEqual => found.is_ge(),
    }))
}

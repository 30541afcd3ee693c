//! Words to conditions, by precedence climbing. From loose to tight: OR; AND; `=` `<>` IS NULL; the comparisons, BETWEEN, IN and
//! the searches; signs and NOT. So `NOT a = 1` is `(NOT a) = 1`, as in the reference.

use std::ops::Range;

use super::error::Error;
use super::evaluate::{Condition, Operand, Order, Place};
use super::lexer::{Lexer, Sign, Token, Word};
use super::{DEPTH_MAX, PROPERTIES_MAX};

/// Reads a whole expression. Answers the names of its properties, too.
pub fn parse(text: &str) -> Result<(Condition, Vec<Box<str>>), Error> {
    let mut parser = Parser {
        text,
        lexer: Lexer::new(text),
        token: Token::End,
        span: 0..0,
        ahead: None,
        names: Vec::new(),
        nesting: 0,
    };
    parser.advance()?;
    let term = parser.expression(Power::Or)?;
    if parser.token != Token::End {
        return Err(parser.unexpected("put AND or OR between two conditions"));
    }
    let condition = parser.condition(term)?;
    Ok((condition, parser.names))
}

/// How tight an operator binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Power {
    Or,
    And,
    Equality,
    Comparison,
    Unary,
}

/// A part that was read.
struct Term {
    operand: Operand,
    span: Range<usize>,
    depth: usize,
    /// A number as it is written, without a sign.
    literal: bool,
}

/// What became of a term when the next word was looked at.
enum Grown {
    Longer(Term),
    /// No operator of this power follows.
    Whole(Term),
}

struct Parser<'a> {
    text: &'a str,
    lexer: Lexer<'a>,
    /// The word to be looked at, and its place.
    token: Token,
    span: Range<usize>,
    /// The word after it, where it was needed.
    ahead: Option<(Token, Range<usize>)>,
    names: Vec<Box<str>>,
    nesting: usize,
}

impl Parser<'_> {
    fn expression(&mut self, power: Power) -> Result<Term, Error> {
        let mut left = match power {
            Power::Unary => return self.unary(),
            Power::Or => self.expression(Power::And)?,
            Power::And => self.expression(Power::Equality)?,
            Power::Equality => self.expression(Power::Comparison)?,
            Power::Comparison => self.unary()?,
        };
        loop {
            let read = match power {
                Power::Or => self.logic(left, Word::Or)?,
                Power::And => self.logic(left, Word::And)?,
                Power::Equality => self.equality(left)?,
                Power::Comparison | Power::Unary => self.comparison(left)?,
            };
            match read {
                Grown::Longer(term) => left = term,
                Grown::Whole(term) => return Ok(term),
            }
        }
    }

    fn logic(&mut self, left: Term, word: Word) -> Result<Grown, Error> {
        if self.token != Token::Word(word) {
            return Ok(Grown::Whole(left));
        }
        self.advance()?;
        let right = self.expression(if word == Word::Or { Power::And } else { Power::Equality })?;
        let (span, mut depth) = (left.span.start..right.span.end, left.depth.max(right.depth + 1));
        let (first, second) = (self.condition(left)?, self.condition(right)?);
        // A long chain is one wide condition: it is as good from the left, and costs no stack.
        let condition = match (first, word) {
            (Condition::Any(mut parts), Word::Or) => {
                parts.push(second);
                Condition::Any(parts)
            }
            (Condition::All(mut parts), Word::And) => {
                parts.push(second);
                Condition::All(parts)
            }
            (first, word) => {
                depth += 1;
                let parts = vec![first, second];
                if word == Word::Or { Condition::Any(parts) } else { Condition::All(parts) }
            }
        };
        self.term(condition, span, depth).map(Grown::Longer)
    }

    fn equality(&mut self, left: Term) -> Result<Grown, Error> {
        let negated = match self.token {
            Token::Sign(Sign::Equal) => false,
            Token::Sign(Sign::NotEqual) => true,
            Token::Word(Word::Is) => return self.is_null(left).map(Grown::Longer),
            _ => return Ok(Grown::Whole(left)),
        };
        self.advance()?;
        let right = self.expression(Power::Comparison)?;
        if let (Operand::Condition(constant), true) =
            (&left.operand, matches!(right.operand, Operand::Text(_)) || right.literal)
            && matches!(**constant, Condition::Constant(_))
        {
            return Err(self.refuse(&right.span, "TRUE or FALSE never equals this", "compare a property with it"));
        }
        let (span, depth) = (left.span.start..right.span.end, left.depth.max(right.depth) + 1);
        let equal = Condition::Equal(left.operand, right.operand);
        self.term(if negated { Condition::Not(Box::new(equal)) } else { equal }, span, depth).map(Grown::Longer)
    }

    fn is_null(&mut self, left: Term) -> Result<Term, Error> {
        self.advance()?;
        let negated = self.token == Token::Word(Word::Not);
        if negated {
            self.advance()?;
        }
        let end = self.span.end;
        if self.token != Token::Word(Word::Null) {
            return Err(self.unexpected("after IS comes NULL or NOT NULL; compare values with ="));
        }
        self.advance()?;
        let null = Condition::IsNull(left.operand);
        let condition = if negated { Condition::Not(Box::new(null)) } else { null };
        self.term(condition, left.span.start..end, left.depth + 1)
    }

    fn comparison(&mut self, left: Term) -> Result<Grown, Error> {
        let order = match self.token {
            Token::Sign(Sign::Less) => Order::Less,
            Token::Sign(Sign::LessOrEqual) => Order::LessOrEqual,
            Token::Sign(Sign::Greater) => Order::Greater,
            Token::Sign(Sign::GreaterOrEqual) => Order::GreaterOrEqual,
            Token::Word(Word::Not) => {
                if !matches!(
                    self.peek()?,
                    Token::Word(Word::Between | Word::In | Word::Contains | Word::StartsWith | Word::EndsWith)
                ) {
                    self.advance()?;
                    return Err(self.unexpected("after NOT comes BETWEEN, IN, CONTAINS, STARTSWITH or ENDSWITH here"));
                }
                self.advance()?;
                return self.worded(left, true);
            }
            Token::Word(_) => return self.worded(left, false),
            _ => return Ok(Grown::Whole(left)),
        };
        self.advance()?;
        let right = self.expression(Power::Unary)?;
        self.check_ordered(&left)?;
        self.check_ordered(&right)?;
        let (span, depth) = (left.span.start..right.span.end, left.depth.max(right.depth) + 1);
        self.term(Condition::Ordered { left: left.operand, order, right: right.operand }, span, depth)
            .map(Grown::Longer)
    }

    fn worded(&mut self, left: Term, negated: bool) -> Result<Grown, Error> {
        let place = match self.token {
            Token::Word(Word::Between) => return self.between(left, negated).map(Grown::Longer),
            Token::Word(Word::In) => return self.listed(left, negated).map(Grown::Longer),
            Token::Word(Word::Contains) => Place::Anywhere,
            Token::Word(Word::StartsWith) => Place::Start,
            Token::Word(Word::EndsWith) => Place::End,
            _ => return Ok(Grown::Whole(left)),
        };
        self.advance()?;
        let (text, end) = self.quoted()?;
        let condition = Condition::Search { value: left.operand, place, text, negated };
        self.term(condition, left.span.start..end, left.depth + 1).map(Grown::Longer)
    }

    fn between(&mut self, left: Term, negated: bool) -> Result<Term, Error> {
        self.advance()?;
        let low = self.expression(Power::Unary)?;
        if self.token != Token::Word(Word::And) {
            return Err(self.unexpected("BETWEEN needs two bounds with AND between them"));
        }
        self.advance()?;
        let high = self.expression(Power::Unary)?;
        for term in [&left, &low, &high] {
            self.check_ordered(term)?;
        }
        if let (Operand::Number(from), Operand::Number(to)) = (&low.operand, &high.operand)
            && !negated
            && low.literal
            && high.literal
            && from.compare(*to).is_gt()
        {
            let span = low.span.start..high.span.end;
            return Err(self.refuse(&span, "nothing lies between these bounds", "write the smaller one first"));
        }
        let (span, depth) = (left.span.start..high.span.end, left.depth.max(low.depth).max(high.depth) + 1);
        let (value, low, high) = (left.operand, low.operand, high.operand);
        self.term(Condition::Between { value, low, high, negated }, span, depth)
    }

    fn listed(&mut self, left: Term, negated: bool) -> Result<Term, Error> {
        let Operand::Property(property) = left.operand else {
            return Err(self.refuse(
                &left.span,
                "IN needs the name of a property before it",
                "compare other values with =",
            ));
        };
        self.advance()?;
        self.expect(Sign::Open, "put the texts in parentheses")?;
        let mut texts = vec![self.quoted()?.0];
        while self.token == Token::Sign(Sign::Comma) {
            self.advance()?;
            texts.push(self.quoted()?.0);
        }
        let end = self.span.end;
        self.expect(Sign::Close, "end the list with a parenthesis, and put commas between its texts")?;
        self.term(Condition::In { property, texts, negated }, left.span.start..end, left.depth + 1)
    }

    fn unary(&mut self) -> Result<Term, Error> {
        self.nesting += 1;
        if self.nesting > DEPTH_MAX {
            return Err(self.too_deep(&self.span.clone()));
        }
        let start = self.span.start;
        let term = match self.token {
            Token::Sign(Sign::Plus) => {
                self.advance()?;
                self.unary()
            }
            Token::Sign(Sign::Minus) => {
                self.advance()?;
                let inner = self.unary()?;
                let operand = match inner.operand {
                    Operand::Number(number) => Operand::Number(number.negated()),
                    other => Operand::Negated(Box::new(other)),
                };
                self.checked(Term { operand, span: start..inner.span.end, depth: inner.depth + 1, literal: false })
            }
            Token::Word(Word::Not) => {
                self.advance()?;
                let inner = self.unary()?;
                let (span, depth) = (start..inner.span.end, inner.depth + 1);
                let inner = self.condition(inner)?;
                self.term(Condition::Not(Box::new(inner)), span, depth)
            }
            _ => self.primary(),
        };
        self.nesting -= 1;
        term
    }

    fn primary(&mut self) -> Result<Term, Error> {
        let span = self.span.clone();
        let mut literal = false;
        let operand = match std::mem::replace(&mut self.token, Token::End) {
            Token::Name(name) => Operand::Property(self.place_of(name, &span)?),
            Token::Text(text) => Operand::Text(text),
            Token::Number(number) => {
                literal = true;
                Operand::Number(number)
            }
            Token::Word(Word::True) => Operand::Condition(Box::new(Condition::Constant(true))),
            Token::Word(Word::False) => Operand::Condition(Box::new(Condition::Constant(false))),
            Token::Sign(Sign::Open) => {
                self.advance()?;
                let inner = self.expression(Power::Or)?;
                let end = self.span.end;
                self.expect(
                    Sign::Close,
                    "a parenthesis is open here: close it, or put AND or OR before the next condition",
                )?;
                return Ok(Term { span: span.start..end, ..inner });
            }
            other => {
                let remedy = match other {
                    Token::Word(Word::Null) => "write IS NULL or IS NOT NULL",
                    Token::End if span.start == 0 => "write a condition, or subscribe with tags to get all messages",
                    _ => "write the name of a property, a number, a text between single quotes, or a condition",
                };
                self.token = other;
                return Err(self.unexpected(remedy));
            }
        };
        self.advance()?;
        Ok(Term { operand, span, depth: 1, literal })
    }

    fn advance(&mut self) -> Result<(), Error> {
        (self.token, self.span) = match self.ahead.take() {
            Some(ahead) => ahead,
            None => self.lexer.next()?,
        };
        Ok(())
    }

    fn peek(&mut self) -> Result<&Token, Error> {
        if self.ahead.is_none() {
            self.ahead = Some(self.lexer.next()?);
        }
        Ok(self.ahead.as_ref().map_or(&Token::End, |(token, _)| token))
    }

    fn expect(&mut self, sign: Sign, remedy: &str) -> Result<(), Error> {
        if self.token == Token::Sign(sign) { self.advance() } else { Err(self.unexpected(remedy)) }
    }

    /// A text between quotes, and where it ends.
    fn quoted(&mut self) -> Result<(String, usize), Error> {
        let end = self.span.end;
        match std::mem::replace(&mut self.token, Token::End) {
            Token::Text(text) => {
                self.advance()?;
                Ok((text, end))
            }
            other => {
                self.token = other;
                Err(self.unexpected("here stands a text between single quotes"))
            }
        }
    }

    fn place_of(&mut self, name: String, span: &Range<usize>) -> Result<usize, Error> {
        if let Some(place) = self.names.iter().position(|known| **known == *name) {
            return Ok(place);
        }
        if self.names.len() == PROPERTIES_MAX {
            let what = format!("the expression names more than {PROPERTIES_MAX} properties");
            return Err(Error::at(self.text, span.clone(), what, "let the producer set one that says the same"));
        }
        self.names.push(name.into_boxed_str());
        Ok(self.names.len() - 1)
    }

    fn term(&self, condition: Condition, span: Range<usize>, depth: usize) -> Result<Term, Error> {
        self.checked(Term { operand: Operand::Condition(Box::new(condition)), span, depth, literal: false })
    }

    fn checked(&self, term: Term) -> Result<Term, Error> {
        if term.depth > DEPTH_MAX { Err(self.too_deep(&term.span)) } else { Ok(term) }
    }

    /// A property alone is a condition, too.
    fn condition(&self, term: Term) -> Result<Condition, Error> {
        match term.operand {
            Operand::Condition(condition) => Ok(*condition),
            Operand::Property(place) => Ok(Condition::Property(place)),
            Operand::Text(_) | Operand::Number(_) | Operand::Negated(_) => {
                Err(self.refuse(&term.span, "this is not a condition", "compare it with something"))
            }
        }
    }

    /// Texts and conditions have no order.
    fn check_ordered(&self, term: &Term) -> Result<(), Error> {
        let (what, remedy) = match &term.operand {
            Operand::Text(_) => {
                ("a text has no order", "compare with a number, or use = <> IN STARTSWITH ENDSWITH CONTAINS")
            }
            Operand::Condition(condition) if matches!(**condition, Condition::Not(_)) => {
                ("a condition has no order", "NOT binds tighter than comparisons: put the comparison in parentheses")
            }
            Operand::Condition(_) => ("a condition has no order", "put AND between two comparisons"),
            Operand::Property(_) | Operand::Number(_) | Operand::Negated(_) => return Ok(()),
        };
        Err(self.refuse(&term.span, what, remedy))
    }

    fn refuse(&self, span: &Range<usize>, what: &str, remedy: &str) -> Error {
        Error::at(self.text, span.clone(), what, remedy)
    }

    fn too_deep(&self, span: &Range<usize>) -> Error {
        let what = format!("the expression is nested deeper than {DEPTH_MAX}");
        Error::at(
            self.text,
            span.start..span.start,
            what,
            "write it with fewer parentheses, signs and chained operators",
        )
    }

    fn unexpected(&self, remedy: &str) -> Error {
        let what = match self.token {
            Token::End => "the expression ends here".to_owned(),
            _ => format!("{} is not expected here", &self.text[self.span.clone()]),
        };
        Error::at(self.text, self.span.clone(), what, remedy)
    }
}

//! The words of an expression, each with its place.

use std::ops::Range;

use super::error::Error;
use super::value::Number;

#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    /// The name of a property: case matters.
    Name(String),
    Word(Word),
    /// A text between single quotes, its doubled quotes undone.
    Text(String),
    Number(Number),
    Sign(Sign),
    End,
}

/// Reserved words, in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    Not,
    And,
    Or,
    Between,
    In,
    True,
    False,
    Null,
    Is,
    Contains,
    StartsWith,
    EndsWith,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Plus,
    Minus,
    Open,
    Close,
    Comma,
}

const WORDS: [(&str, Word); 12] = [
    ("NOT", Word::Not),
    ("AND", Word::And),
    ("OR", Word::Or),
    ("BETWEEN", Word::Between),
    ("IN", Word::In),
    ("TRUE", Word::True),
    ("FALSE", Word::False),
    ("NULL", Word::Null),
    ("IS", Word::Is),
    ("CONTAINS", Word::Contains),
    ("STARTSWITH", Word::StartsWith),
    ("ENDSWITH", Word::EndsWith),
];

/// Longer signs before the ones they begin with.
const SIGNS: [(&str, Sign); 11] = [
    ("<>", Sign::NotEqual),
    ("<=", Sign::LessOrEqual),
    (">=", Sign::GreaterOrEqual),
    ("=", Sign::Equal),
    ("<", Sign::Less),
    (">", Sign::Greater),
    ("+", Sign::Plus),
    ("-", Sign::Minus),
    ("(", Sign::Open),
    (")", Sign::Close),
    (",", Sign::Comma),
];

/// Reads one word after another.
pub struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub fn new(text: &'a str) -> Lexer<'a> {
        Lexer { text, at: 0 }
    }

    /// The next word; for ever [`Token::End`] at the end.
    pub fn next(&mut self) -> Result<(Token, Range<usize>), Error> {
        self.skip_blanks_and_comments()?;
        let (start, rest) = (self.at, self.rest());
        let Some(first) = rest.chars().next() else { return Ok((Token::End, start..start)) };
        let token = if starts_name(first) {
            self.name()
        } else if first.is_ascii_digit() || first == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit()) {
            self.number()?
        } else if first == '\'' {
            self.quoted()?
        } else if let Some((sign, token)) = SIGNS.iter().find(|(sign, _)| rest.starts_with(sign)) {
            self.at += sign.len();
            Token::Sign(*token)
        } else {
            return Err(self.unknown(first));
        };
        Ok((token, start..self.at))
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_blanks_and_comments(&mut self) -> Result<(), Error> {
        loop {
            let rest = self.rest();
            let blanks = rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r', '\x0C']).len();
            self.at += blanks;
            let rest = &rest[blanks..];
            let (end, opening) = if rest.starts_with("--") {
                (rest.find(['\n', '\r']).map(|at| at + 1), "a line break")
            } else if let Some(comment) = rest.strip_prefix("/*") {
                (comment.find("*/").map(|at| at + "/**/".len()), "*/")
            } else {
                return Ok(());
            };
            let Some(len) = end else {
                return Err(Error::at(
                    self.text,
                    self.at..self.at + 2,
                    "this comment has no end",
                    format!("end it with {opening}"),
                ));
            };
            self.at += len;
        }
    }

    fn name(&mut self) -> Token {
        let rest = self.rest();
        let len = rest.find(|c: char| !starts_name(c) && !c.is_ascii_digit()).unwrap_or(rest.len());
        self.at += len;
        let name = &rest[..len];
        match WORDS.iter().find(|(word, _)| word.eq_ignore_ascii_case(name)) {
            Some((_, word)) => Token::Word(*word),
            None => Token::Name(name.to_owned()),
        }
    }

    /// `1`, `1L`: an integer of 64 bits. `1.5`, `5.`, `.5`, `5E10`: a float.
    fn number(&mut self) -> Result<Token, Error> {
        let (start, rest) = (self.at, self.rest());
        let bytes = rest.as_bytes();
        let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let whole = digits(0);
        let mut len = whole;
        if bytes.get(len) == Some(&b'.') {
            len += 1 + digits(len + 1);
        }
        if matches!(bytes.get(len), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(len + 1), Some(b'+' | b'-')));
            let exponent = digits(len + 1 + sign);
            len += if exponent > 0 { 1 + sign + exponent } else { 0 };
        }
        let refuse = |len: usize, what, remedy| Err(Error::at(self.text, start..start + len, what, remedy));
        if len > whole {
            let float: f64 = rest[..len].parse().expect("digits with a point or an exponent are a float");
            if float == 0.0 || float.is_infinite() {
                let what = "this float is out of range";
                return refuse(len, what, "use one from 4.9E-324 to 1.7976931348623157E308, or the integer 0");
            }
            self.at += len;
            return Ok(Token::Number(Number::Float(float)));
        }
        if whole > 1 && bytes[0] == b'0' {
            return refuse(
                len,
                "this integer begins with 0",
                "leave the leading zeros out, or quote it to compare text",
            );
        }
        let Ok(integer) = rest[..len].parse() else {
            return refuse(len, "this integer has more than 64 bits", "use one up to 9223372036854775807, or a float");
        };
        let suffixed = bytes[0] != b'0' && matches!(bytes.get(len), Some(b'l' | b'L'));
        self.at += len + usize::from(suffixed);
        Ok(Token::Number(Number::integer(integer)))
    }

    fn quoted(&mut self) -> Result<Token, Error> {
        let (start, rest) = (self.at, self.rest());
        let mut text = String::new();
        let mut piece_at = 1;
        while let Some(len) = rest[piece_at..].find('\'') {
            text.push_str(&rest[piece_at..piece_at + len]);
            piece_at += len + 1;
            if !rest[piece_at..].starts_with('\'') {
                self.at += piece_at;
                return Ok(Token::Text(text));
            }
            text.push('\'');
            piece_at += 1;
        }
        let what = "this text has no end";
        Err(Error::at(
            self.text,
            start..self.text.len(),
            what,
            "end it with a single quote; write a quote inside twice",
        ))
    }

    fn unknown(&self, first: char) -> Error {
        let remedy = match first {
            '"' | '`' => "put texts between single quotes, and the names of properties between none",
            '!' => "write <> for not equal, NOT for a condition",
            '*' | '/' | '%' => "there is no arithmetic: let the producer set a property to filter by",
            '&' | '|' => "write AND or OR",
            '.' => "names of properties hold letters, digits, _ and $",
            _ => "an expression holds names, numbers, texts between single quotes, operators and parentheses",
        };
        Error::at(self.text, self.at..self.at + first.len_utf8(), format!("{first:?} means nothing here"), remedy)
    }
}

fn starts_name(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || c == '$'
}

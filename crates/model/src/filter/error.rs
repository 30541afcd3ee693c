//! Why an expression is refused: what is wrong, where, and what to write instead.

use std::fmt;
use std::ops::Range;

/// Characters of the expression shown on each side of the place.
const CONTEXT: usize = 40;

/// A refused expression. Its text is for the consumer's log: three lines, the last one points at the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The place, in bytes of the expression. Empty at the end of the text.
    pub span: Range<usize>,
    pub what: String,
    pub remedy: String,
    /// Of the first character, from 1.
    column: usize,
    excerpt: String,
    /// Characters of the excerpt before the place, and in it.
    caret: (usize, usize),
}

impl Error {
    /// `span` lies between characters of `text`.
    pub(super) fn at(text: &str, span: Range<usize>, what: impl Into<String>, remedy: impl Into<String>) -> Error {
        let line_start = text[..span.start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[span.start..].find('\n').map_or(text.len(), |at| span.start + at);
        let before: Vec<_> = text[line_start..span.start].chars().collect();
        let after: Vec<_> = text[span.start..line_end].chars().collect();
        let (from, to) = (before.len().saturating_sub(CONTEXT), after.len().min(CONTEXT));
        let excerpt =
            before[from..].iter().chain(&after[..to]).map(|c| if c.is_control() { ' ' } else { *c }).collect();
        let marked = text[span.clone()].chars().count().clamp(1, to.max(1));
        Error {
            column: text[..span.start].chars().count() + 1,
            excerpt,
            caret: (before.len() - from, marked),
            span,
            what: what.into(),
            remedy: remedy.into(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, marked) = self.caret;
        writeln!(f, "{} at column {}: {}", self.what, self.column, self.remedy)?;
        writeln!(f, "    {}", self.excerpt)?;
        write!(f, "    {:before$}{}", "", "^".repeat(marked))
    }
}

impl std::error::Error for Error {}

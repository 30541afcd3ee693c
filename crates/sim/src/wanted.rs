//! What filtering consumers want, each wish twice: as the expression the broker is told, and as a plain function that decides
//! from the id of a message, which is all its properties follow from.

/// The tag of message `id`.
#[must_use]
pub fn tag_of(id: u64) -> &'static str {
    ["red", "tan", "sky"][(id % 3) as usize]
}

/// The property `n` of message `id`.
#[must_use]
pub fn number_of(id: u64) -> u64 {
    id % 10
}

/// The properties of message `id`.
#[must_use]
pub fn properties_of(id: u64) -> String {
    format!("TAGS\u{1}{}\u{2}n\u{1}{}\u{2}", tag_of(id), number_of(id))
}

/// A wish.
pub struct Wanted {
    pub expression: &'static str,
    /// `None`: tags.
    pub kind: Option<&'static str>,
    /// By tag and number.
    pub wants: fn(&str, u64) -> bool,
}

const SQL: Option<&str> = Some("SQL92");

/// Some of all kinds. An absent property is unknown: neither true nor false.
pub const ALL: [Wanted; 8] = [
    Wanted { expression: "red", kind: None, wants: |tag, _| tag == "red" },
    Wanted { expression: "sky || red", kind: None, wants: |tag, _| tag != "tan" },
    Wanted { expression: "blue", kind: None, wants: |_, _| false },
    Wanted { expression: "n > 6", kind: SQL, wants: |_, n| n > 6 },
    Wanted { expression: "TAGS = 'red' OR n = 3", kind: SQL, wants: |tag, n| tag == "red" || n == 3 },
    Wanted { expression: "n BETWEEN 2 AND 4 AND TAGS IS NOT NULL", kind: SQL, wants: |_, n| (2..=4).contains(&n) },
    Wanted {
        expression: "TAGS NOT IN ('red', 'tan') AND NOT (n < 5)",
        kind: SQL,
        wants: |tag, n| tag == "sky" && n >= 5,
    },
    Wanted { expression: "absent = 1 OR NOT (absent > 2) OR n = 0", kind: SQL, wants: |_, n| n == 0 },
];

impl Wanted {
    /// Whether message `id` is wanted.
    #[must_use]
    pub fn wants(&self, id: u64) -> bool {
        (self.wants)(tag_of(id), number_of(id))
    }
}

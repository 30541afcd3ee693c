use std::ops::Range;

use super::*;

mod naive;

/// `name=value` pairs, separated by blanks, as a properties string.
fn properties(pairs: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for pair in pairs.split_whitespace() {
        let (name, value) = pair.split_once('=').expect("a pair");
        properties::push(&mut out, name, value);
    }
    out
}

fn verdict(text: &str, pairs: &str) -> Verdict {
    let filter = Filter::compile(text).unwrap_or_else(|error| panic!("{error}"));
    filter.evaluate(&properties(pairs), &mut 0)
}

fn refused(text: &str) -> (Range<usize>, String) {
    let error = Filter::compile(text).expect_err(text);
    (error.span, error.what)
}

#[test]
fn a_number_says_how_a_property_is_read() {
    use Verdict::*;
    for (text, pairs, wanted) in [
        ("a = 1", "a=1", True),
        ("a = 1", "a=01", True),
        ("a = 1", "a=+1", True),
        ("a = 1", "a=1.0", Failed),
        ("a = 1", "a=x", Failed),
        ("a <> 1", "a=2", True),
        ("a > 5", "a=5.5", Failed),
        ("a > 5", "a=3000000000", Failed),
        ("a > 5L", "a=6", True),
        ("a > 3000000000", "a=3000000001", True),
        ("a > 5.0", "a=5.5", True),
        ("a > 5.", "a=5.5d", True),
        ("a > .5", "a=NaN", True),
        ("a > 5E10", "a=Infinity", True),
        ("a > 5.0", "a=inf", Failed),
        ("5 < a", "a=6", True),
        ("a < -5", "a=-6", True),
        ("a >= b", "a=10 b=9.5", True),
        ("a >= b", "a=x b=9.5", Failed),
        ("'5' = a", "a=5", True),
        ("5 = '05'", "a=5", True),
        ("5 = 5.0 AND 3 < 3000000000", "", True),
        ("5 = TRUE", "", False),
    ] {
        assert_eq!(verdict(text, pairs), wanted, "{text} on {pairs}");
    }
}

#[test]
fn what_is_missing_is_unknown() {
    use Verdict::*;
    for (text, pairs, wanted) in [
        ("a = 1", "", Unknown),
        ("a <> 1", "", Unknown),
        ("a = b", "a=1", False),
        ("a = b", "b=1", Unknown),
        ("a = b", "", True),
        ("a <> b", "a=1", True),
        ("a IS NULL", "", True),
        ("a IS NULL", "a=1", False),
        ("a IS NOT NULL", "a=1", True),
        ("a > 1", "", Unknown),
        ("1 > a", "", Unknown),
        ("a IN ('x')", "", Unknown),
        ("a NOT IN ('x')", "", Unknown),
        ("a CONTAINS 'x'", "", False),
        ("a NOT CONTAINS 'x'", "", False),
        ("a", "", Unknown),
        ("a", "a=true", False),
        ("NOT a", "a=true", True),
        ("a BETWEEN 1 AND 2", "", Unknown),
        ("-a = 5", "a=5", Unknown),
    ] {
        assert_eq!(verdict(text, pairs), wanted, "{text} on {pairs}");
    }
}

#[test]
fn logic_has_three_values_and_stops_when_decided() {
    use Verdict::*;
    for (text, pairs, wanted) in [
        ("a = 1 OR b = 1", "b=1", True),
        ("a = 1 OR b = 1", "b=2", Unknown),
        ("a = 1 AND b = 1", "b=2", False),
        ("a = 1 AND b = 1", "b=1", Unknown),
        ("NOT (a = 1)", "", Unknown),
        ("a = 1 OR b > 1", "a=1 b=x", True),
        ("b > 1 OR a = 1", "a=1 b=x", Failed),
        ("a = 2 AND b > 1", "a=1 b=x", False),
        ("b > 1 AND a = 2", "a=1 b=x", Failed),
        ("a = 1 OR b = 1 AND c = 1", "a=1 b=1 c=2", True),
        ("(a = 1 OR b = 1) AND c = 1", "a=1 b=1 c=2", False),
        // (NOT a) = 1: a boolean is no number.
        ("NOT a = 1", "a=2", False),
        ("NOT (a = 1)", "a=2", True),
    ] {
        assert_eq!(verdict(text, pairs), wanted, "{text} on {pairs}");
    }
}

#[test]
fn texts_are_searched_and_listed() {
    use Verdict::*;
    for (text, pairs, wanted) in [
        ("TAGS IN ('a', 'b')", "TAGS=b", True),
        ("TAGS NOT IN ('a', 'b')", "TAGS=c", True),
        ("a CONTAINS 'bc'", "a=abcd", True),
        ("a NOT CONTAINS 'bc'", "a=abd", True),
        ("a STARTSWITH 'ab'", "a=abcd", True),
        ("a NOT STARTSWITH 'ab'", "a=abcd", False),
        ("a ENDSWITH 'cd'", "a=abcd", True),
        ("a NOT ENDSWITH 'ab'", "a=abcd", True),
        ("a CONTAINS ''", "a=x", False),
        ("a NOT CONTAINS ''", "a=x", False),
        ("a = 'it''s'", "a=it's", True),
        ("a = '支付'", "a=支付", True),
        ("a = TRUE", "a=True", True),
        ("a = FALSE", "a=anything", True),
        ("TRUE = a", "a=TRUE", True),
        ("a between 1 and 2 aNd b NOT BETWEEN 1 AND 2", "a=2 b=3", True),
        ("$a_1 = 1 -- a comment\n AND /* ** another */ b = 2", "$a_1=1 b=2", True),
    ] {
        assert_eq!(verdict(text, pairs), wanted, "{text} on {pairs}");
    }
}

#[test]
fn the_last_of_two_equal_names_counts() {
    assert_eq!(verdict("a = 2", "a=1 b=0 a=2"), Verdict::True);
}

#[test]
fn a_refusal_points_at_the_place() {
    let ends = "the expression ends here";
    let no_order = "a condition has no order";
    for (text, span, what) in [
        ("", 0..0, ends),
        ("  ", 2..2, ends),
        ("a > ", 4..4, ends),
        ("a > 1 b", 6..7, "b is not expected here"),
        ("a > 1 AND", 9..9, ends),
        ("(a > 1", 6..6, ends),
        ("a = NULL", 4..8, "NULL is not expected here"),
        ("a IS 1", 5..6, "1 is not expected here"),
        ("a NOT LIKE 'x'", 6..10, "LIKE is not expected here"),
        ("a > 'x'", 4..7, "a text has no order"),
        ("a > TRUE", 4..8, no_order),
        ("1 < a < 3", 0..5, no_order),
        ("NOT a > 1", 0..5, no_order),
        ("'x' IN ('x')", 0..3, "IN needs the name of a property before it"),
        ("a IN (1)", 6..7, "1 is not expected here"),
        ("a IN ()", 6..7, ") is not expected here"),
        ("a BETWEEN 3 AND 2", 10..17, "nothing lies between these bounds"),
        ("a BETWEEN 3", 11..11, ends),
        ("a CONTAINS b", 11..12, "b is not expected here"),
        ("'x'", 0..3, "this is not a condition"),
        ("5 OR a", 0..1, "this is not a condition"),
        ("TRUE = 'x'", 7..10, "TRUE or FALSE never equals this"),
        ("a = 'x", 4..6, "this text has no end"),
        ("a == 1", 3..4, "= is not expected here"),
        ("a = \"x\"", 4..5, "'\"' means nothing here"),
        ("a + 1 > 2", 2..3, "+ is not expected here"),
        ("a.b = 1", 1..2, "'.' means nothing here"),
        ("a = 0.0", 4..7, "this float is out of range"),
        ("a = 1E999", 4..9, "this float is out of range"),
        ("a = 007", 4..7, "this integer begins with 0"),
        ("a = 9223372036854775808", 4..23, "this integer has more than 64 bits"),
        ("a = 1 -- never ends", 6..8, "this comment has no end"),
        ("a = 1 /* never ends", 6..8, "this comment has no end"),
    ] {
        assert_eq!(refused(text), (span, what.to_owned()), "{text}");
    }
}

#[test]
fn the_text_of_a_refusal_marks_the_place() {
    let error = Filter::compile("state = '支付' AN amount > 5").expect_err("AN is no operator");
    let lines: Vec<_> = error.to_string().lines().map(str::to_owned).collect();
    assert_eq!(
        lines,
        [
            "AN is not expected here at column 14: put AND or OR between two conditions",
            "    state = '支付' AN amount > 5",
            "                 ^^",
        ]
    );
    let long = format!("{} a b", "a = 1 OR ".repeat(100));
    let error = Filter::compile(&long).expect_err("b is too much").to_string();
    assert!(error.lines().all(|line| line.len() < 100), "{error}");
    assert!(error.ends_with("^"), "{error}");
}

#[test]
fn what_an_expression_may_cost_is_bounded() {
    let deep = |levels: usize| format!("{}a{}", "(".repeat(levels), ")".repeat(levels));
    assert!(Filter::compile(&deep(DEPTH_MAX - 1)).is_ok());
    assert_eq!(refused(&deep(DEPTH_MAX)).1, format!("the expression is nested deeper than {DEPTH_MAX}"));
    assert_eq!(refused(&"NOT ".repeat(1_000)).1, format!("the expression is nested deeper than {DEPTH_MAX}"));
    assert_eq!(
        refused(&format!("a{}", "=a".repeat(1_000))).1,
        format!("the expression is nested deeper than {DEPTH_MAX}")
    );
    // A chain is wide, not deep.
    assert!(Filter::compile(&vec!["a"; 800].join(" OR ")).is_ok());
    assert!(Filter::compile(&vec!["a"; 1_000].join(" OR ")).is_err());

    let names: Vec<_> = (0..=PROPERTIES_MAX).map(|n| format!("a{n}")).collect();
    assert!(Filter::compile(&names[1..].join(" OR ")).is_ok());
    assert_eq!(refused(&names.join(" OR ")).1, format!("the expression names more than {PROPERTIES_MAX} properties"));
}

#[test]
fn a_message_that_costs_too_much_does_not_match() {
    let searches = vec!["a CONTAINS 'y'"; 190].join(" OR ");
    let filter = Filter::compile(&format!("{searches} OR a IS NOT NULL")).expect("compiles");
    let mut steps = 0;
    assert_eq!(filter.evaluate(&properties("a=short"), &mut steps), Verdict::True);
    assert!(steps < 1_000, "{steps}");
    assert_eq!(filter.evaluate(&properties(&format!("a={}", "x".repeat(32_000))), &mut steps), Verdict::Failed);
    assert!(steps < 2 * STEPS_MAX, "{steps}");
}

//! The same language a second time, in the plainest words there are: a tree that is evaluated over a map, and printed with as
//! few parentheses as the precedences of semantics.md section 16 allow. Both evaluators must agree on every tree.

use std::collections::HashMap;

use proptest::prelude::*;

use crate::filter::{Filter, Verdict};
use crate::properties;

#[derive(Clone, Debug)]
enum Tree {
    Property(&'static str),
    Text(&'static str),
    Int(i32),
    Long(i64),
    Float(f64),
    Bool(bool),
    Minus(Box<Tree>),
    Not(Box<Tree>),
    And(Box<Tree>, Box<Tree>),
    Or(Box<Tree>, Box<Tree>),
    /// `=`, `<>`, `>`, `>=`, `<`, `<=`.
    Binary(&'static str, Box<Tree>, Box<Tree>),
    IsNull(Box<Tree>, bool),
    Between(Box<Tree>, bool, Box<Tree>, Box<Tree>),
    Search(Box<Tree>, &'static str, &'static str),
    In(&'static str, bool, Vec<&'static str>),
}

#[derive(Clone, Debug, PartialEq)]
enum V {
    Null,
    Text(String),
    Int(i32),
    Long(i64),
    Float(f64),
    Bool(bool),
}

const OR: u8 = 1;
const AND: u8 = 2;
const EQUALITY: u8 = 3;
const COMPARISON: u8 = 4;
const UNARY: u8 = 5;
const PRIMARY: u8 = 6;

impl Tree {
    fn level(&self) -> u8 {
        match self {
            Tree::Or(..) => OR,
            Tree::And(..) => AND,
            Tree::Binary("=" | "<>", ..) | Tree::IsNull(..) => EQUALITY,
            Tree::Binary(..) | Tree::Between(..) | Tree::Search(..) | Tree::In(..) => COMPARISON,
            Tree::Minus(_) | Tree::Not(_) => UNARY,
            _ => PRIMARY,
        }
    }

    /// The text, in parentheses if an operator of `level` would tear it apart.
    fn print(&self, level: u8) -> String {
        let text = match self {
            Tree::Property(name) => (*name).to_owned(),
            Tree::Text(text) => format!("'{}'", text.replace('\'', "''")),
            Tree::Int(n) => n.to_string(),
            Tree::Long(n) => n.to_string(),
            Tree::Float(n) => format!("{n:?}"),
            Tree::Bool(b) => b.to_string(),
            Tree::Minus(a) => format!("- {}", a.print(UNARY)),
            Tree::Not(a) => format!("not {}", a.print(UNARY)),
            Tree::Or(a, b) => format!("{} or {}", a.print(OR), b.print(AND)),
            Tree::And(a, b) => format!("{} AND {}", a.print(AND), b.print(EQUALITY)),
            Tree::Binary(sign @ ("=" | "<>"), a, b) => format!("{}{sign}{}", a.print(EQUALITY), b.print(COMPARISON)),
            Tree::Binary(sign, a, b) => format!("{} {sign} {}", a.print(COMPARISON), b.print(UNARY)),
            Tree::IsNull(a, not) => format!("{} IS {}NULL", a.print(EQUALITY), if *not { "NOT " } else { "" }),
            Tree::Between(a, not, low, high) => {
                let not = if *not { "NOT " } else { "" };
                format!("{} {not}BETWEEN {} AND {}", a.print(COMPARISON), low.print(UNARY), high.print(UNARY))
            }
            Tree::Search(a, how, text) => format!("{} {how} '{text}'", a.print(COMPARISON)),
            Tree::In(name, not, texts) => {
                let texts: Vec<_> = texts.iter().map(|text| format!("'{text}'")).collect();
                format!("{name} {}IN ({})", if *not { "NOT " } else { "" }, texts.join(" , "))
            }
        };
        if self.level() < level { format!("({text})") } else { text }
    }

    fn value(&self, map: &HashMap<&str, &str>) -> Result<V, ()> {
        Ok(match self {
            Tree::Property(name) => map.get(name).map_or(V::Null, |text| V::Text((*text).to_owned())),
            Tree::Text(text) => V::Text((*text).to_owned()),
            Tree::Int(n) => V::Int(*n),
            Tree::Long(n) => V::Long(*n),
            Tree::Float(n) => V::Float(*n),
            Tree::Bool(b) => V::Bool(*b),
            Tree::Minus(a) => match a.value(map)? {
                V::Int(n) => V::Int(-n),
                V::Long(n) => V::Long(-n),
                V::Float(n) => V::Float(-n),
                _ => V::Null,
            },
            Tree::Not(a) => match a.truth(map)? {
                Some(b) => V::Bool(!b),
                None => V::Null,
            },
            Tree::And(a, b) => {
                let a = a.truth(map)?;
                if a == Some(false) {
                    return Ok(V::Bool(false));
                }
                match (a, b.truth(map)?) {
                    (_, Some(false)) => V::Bool(false),
                    (Some(true), Some(true)) => V::Bool(true),
                    _ => V::Null,
                }
            }
            Tree::Or(a, b) => {
                let a = a.truth(map)?;
                if a == Some(true) {
                    return Ok(V::Bool(true));
                }
                match (a, b.truth(map)?) {
                    (_, Some(true)) => V::Bool(true),
                    (Some(false), Some(false)) => V::Bool(false),
                    _ => V::Null,
                }
            }
            Tree::Binary(sign @ ("=" | "<>"), a, b) => match (a.value(map)?, b.value(map)?) {
                (V::Null, V::Null) => V::Bool(*sign == "="),
                (V::Null, _) => V::Null,
                (_, V::Null) => V::Bool(*sign != "="),
                (a, b) => V::Bool(same(&a, &b)? == (*sign == "=")),
            },
            Tree::Binary(sign, a, b) => compared(sign, &a.value(map)?, || b.value(map))?,
            Tree::IsNull(a, not) => V::Bool((a.value(map)? == V::Null) != *not),
            Tree::Between(a, false, low, high) => {
                let (low, high) = (low.clone(), high.clone());
                Tree::And(Box::new(Tree::Binary(">=", a.clone(), low)), Box::new(Tree::Binary("<=", a.clone(), high)))
                    .value(map)?
            }
            Tree::Between(a, true, low, high) => {
                let (low, high) = (low.clone(), high.clone());
                Tree::Or(Box::new(Tree::Binary("<", a.clone(), low)), Box::new(Tree::Binary(">", a.clone(), high)))
                    .value(map)?
            }
            Tree::Search(_, _, "") => V::Bool(false),
            Tree::Search(a, how, text) => match a.value(map)? {
                V::Text(value) => V::Bool(match *how {
                    "CONTAINS" => value.contains(text),
                    "NOT CONTAINS" => !value.contains(text),
                    "STARTSWITH" => value.starts_with(text),
                    "NOT STARTSWITH" => !value.starts_with(text),
                    "ENDSWITH" => value.ends_with(text),
                    _ => !value.ends_with(text),
                }),
                _ => V::Bool(false),
            },
            Tree::In(name, not, texts) => match map.get(name) {
                Some(value) => V::Bool(texts.contains(value) != *not),
                None => V::Null,
            },
        })
    }

    /// As a condition: a property that is there is false.
    fn truth(&self, map: &HashMap<&str, &str>) -> Result<Option<bool>, ()> {
        match self.value(map)? {
            V::Null => Ok(None),
            V::Bool(b) => Ok(Some(b)),
            _ => Ok(Some(false)),
        }
    }
}

fn same(a: &V, b: &V) -> Result<bool, ()> {
    Ok(match (a, b) {
        (V::Text(a), V::Text(b)) => a == b,
        (V::Bool(a), V::Bool(b)) => a == b,
        (V::Bool(b), V::Text(text)) | (V::Text(text), V::Bool(b)) => (text.to_lowercase() == "true") == *b,
        (V::Bool(_), _) | (_, V::Bool(_)) => false,
        _ => number_order(a, b)? == 0,
    })
}

fn compared(sign: &str, a: &V, b: impl FnOnce() -> Result<V, ()>) -> Result<V, ()> {
    if *a == V::Null {
        return Ok(V::Null);
    }
    let b = b()?;
    if b == V::Null {
        return Ok(V::Null);
    }
    let order = match (a, &b) {
        (V::Text(a), V::Text(b)) => number_order(&V::Float(read(a)?), &V::Float(read(b)?))?,
        (a, b) => number_order(a, b)?,
    };
    Ok(V::Bool(match sign {
        ">" => order > 0,
        ">=" => order >= 0,
        "<" => order < 0,
        _ => order <= 0,
    }))
}

fn number_order(a: &V, b: &V) -> Result<i32, ()> {
    Ok(match (a, b) {
        (V::Text(text), V::Int(_)) => number_order(&V::Int(read(text)?), b)?,
        (V::Text(text), V::Long(_)) => number_order(&V::Long(read(text)?), b)?,
        (V::Text(text), V::Float(_)) => number_order(&V::Float(read(text)?), b)?,
        (_, V::Text(_)) => -number_order(b, a)?,
        (V::Int(a), _) => number_order(&V::Long(i64::from(*a)), b)?,
        (_, V::Int(b)) => number_order(a, &V::Long(i64::from(*b)))?,
        (V::Long(a), V::Long(b)) => a.cmp(b) as i32,
        (V::Long(a), _) => number_order(&V::Float(*a as f64), b)?,
        (_, V::Long(b)) => number_order(a, &V::Float(*b as f64))?,
        (V::Float(a), V::Float(b)) => a.partial_cmp(b).expect("the test has no NaN") as i32,
        _ => return Err(()),
    })
}

fn read<T: std::str::FromStr>(text: &str) -> Result<T, ()> {
    text.parse().map_err(|_| ())
}

const NAMES: [&str; 4] = ["a", "B", "_c", "TAGS"];
const VALUES: [&str; 8] = ["1", "2", "-1", "1.5", "3000000000", "true", "it's", "x"];

fn operand() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        4 => prop::sample::select(&NAMES[..]).prop_map(Tree::Property),
        2 => prop::sample::select(vec![0, 1, 2]).prop_map(Tree::Int),
        1 => Just(Tree::Long(3_000_000_000)),
        1 => prop::sample::select(vec![1.5, 1.0, 2e9]).prop_map(Tree::Float),
    ];
    leaf.prop_recursive(2, 3, 1, |inner| inner.prop_map(|tree| Tree::Minus(Box::new(tree))))
}

fn condition() -> impl Strategy<Value = Tree> {
    let order = prop::sample::select(vec![">", ">=", "<", "<="]);
    let equality = || prop::sample::select(vec!["=", "<>"]);
    let text = || prop::sample::select(&VALUES[..]);
    let name = || prop::sample::select(&NAMES[..]);
    let how = prop::sample::select(vec![
        "CONTAINS",
        "NOT CONTAINS",
        "STARTSWITH",
        "NOT STARTSWITH",
        "ENDSWITH",
        "NOT ENDSWITH",
    ]);
    let piece = prop::sample::select(vec!["", "1", "x", "tru", "00"]);
    let boxed = |tree| Box::new(tree);
    let leaf = prop_oneof![
        (order, operand(), operand()).prop_map(move |(sign, a, b)| Tree::Binary(sign, boxed(a), boxed(b))),
        (equality(), operand(), operand()).prop_map(move |(sign, a, b)| Tree::Binary(sign, boxed(a), boxed(b))),
        (equality(), operand(), text()).prop_map(move |(sign, a, b)| Tree::Binary(
            sign,
            boxed(a),
            boxed(Tree::Text(b))
        )),
        (equality(), name(), any::<bool>()).prop_map(move |(sign, a, b)| Tree::Binary(
            sign,
            boxed(Tree::Property(a)),
            boxed(Tree::Bool(b))
        )),
        (operand(), any::<bool>()).prop_map(move |(a, not)| Tree::IsNull(boxed(a), not)),
        // A property below, so that the bounds are never two numbers in the wrong order.
        (operand(), any::<bool>(), name(), operand()).prop_map(move |(a, not, low, high)| Tree::Between(
            boxed(a),
            not,
            boxed(Tree::Property(low)),
            boxed(high)
        )),
        (operand(), how, piece).prop_map(move |(a, how, text)| Tree::Search(boxed(a), how, text)),
        (name(), any::<bool>(), prop::collection::vec(prop::sample::select(vec!["1", "x", "true"]), 1..4))
            .prop_map(|(name, not, texts)| Tree::In(name, not, texts)),
        name().prop_map(Tree::Property),
        any::<bool>().prop_map(Tree::Bool),
    ];
    leaf.prop_recursive(5, 40, 2, move |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(move |(a, b)| Tree::And(boxed(a), boxed(b))),
            (inner.clone(), inner.clone()).prop_map(move |(a, b)| Tree::Or(boxed(a), boxed(b))),
            inner.clone().prop_map(move |a| Tree::Not(boxed(a))),
            (inner.clone(), inner.clone())
                .prop_filter("a constant is compared with a condition only", |(a, _)| { !matches!(a, Tree::Bool(_)) })
                .prop_map(move |(a, b)| Tree::Binary("=", boxed(a), boxed(b))),
            inner.prop_map(move |a| Tree::IsNull(boxed(a), true)),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_096))]

    #[test]
    fn two_evaluators_agree(
        tree in condition(),
        values in prop::collection::vec(prop::option::of(prop::sample::select(&VALUES[..])), 4),
    ) {
        let map: HashMap<_, _> = NAMES.iter().zip(&values).filter_map(|(n, v)| v.map(|v| (*n, v))).collect();
        let mut string = Vec::new();
        map.iter().for_each(|(name, value)| properties::push(&mut string, name, value));
        let wanted = match tree.truth(&map) {
            Ok(Some(true)) => Verdict::True,
            Ok(Some(false)) => Verdict::False,
            Ok(None) => Verdict::Unknown,
            Err(()) => Verdict::Failed,
        };
        let text = tree.print(0);
        let filter = Filter::compile(&text).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(filter.evaluate(&string, &mut 0), wanted, "{} on {:?}", text, map);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[a-cE0-9 .'=<>()+,*/\u{652f}-]{0,40}|(NOT |AND |a |= |IN |\\(|\\)|'x' |IS |NULL |1 ){0,20}") {
        match Filter::compile(&text) {
            Ok(filter) => { filter.evaluate(b"a\x011\x02b\x01x\x02", &mut 0); }
            Err(error) => {
                prop_assert!(text.get(error.span.clone()).is_some(), "{:?} in {}", error.span, text);
                prop_assert!(error.to_string().lines().count() == 3);
            }
        }
    }
}

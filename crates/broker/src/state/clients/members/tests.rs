//! Members that agree and members that do not.

use super::super::tests::client;
use super::*;

/// Topic, expression, kind, version.
type Wants<'a> = (&'a str, &'a str, Option<&'a str>, i64);

fn group(members: &[(&str, &[Wants<'_>])]) -> OnlineGroup {
    let mut group = OnlineGroup::default();
    for (connection, (id, topics)) in (0..).zip(members) {
        let mut member = Member { client: client(connection, id, 0), subscriptions: Arc::default() };
        let parse = |(topic, text, kind, version): &Wants<'_>| {
            Subscription::parse(topic, text, *kind, *version).expect("a good expression")
        };
        assert!(member.subscribe(topics.iter().map(parse).collect()));
        group.members.insert(ConnectionId(connection), member);
    }
    group
}

fn told(group: &OnlineGroup) -> Vec<String> {
    group.differences().iter().map(ToString::to_string).collect()
}

#[test]
fn members_that_say_the_same_do_not_differ_whenever_they_said_it() {
    let group = group(&[("a", &[("t", "x", None, 1)]), ("b", &[("t", "x", Some("TAG"), 9)])]);
    assert_eq!(told(&group), Vec::<String>::new());
    assert_eq!(group.subscription("t").map(|of| of.version), Some(9));
}

#[test]
fn differing_members_are_named_with_what_they_want() {
    let group = group(&[
        ("a", &[("t", "x", None, 1), ("u", "*", None, 1), ("%RETRY%g", "*", None, 1)]),
        ("b", &[("t", "x > 1", Some("SQL92"), 2), ("u", "*", None, 1)]),
        ("c", &[("t", "x", None, 3)]),
    ]);
    assert_eq!(
        told(&group),
        [r#"topic t: a, c want TAG "x"; b want SQL92 "x > 1""#, r#"topic u: c do not subscribe; a, b want TAG "*""#]
    );
    assert_eq!(group.subscriptions().keys().collect::<Vec<_>>(), ["%RETRY%g", "t", "u"]);
}

#[test]
fn a_long_list_ends() {
    let same: &[Wants<'_>] = &[("t", "x", None, 1)];
    let long = "y".repeat(200);
    let other: &[Wants<'_>] = &[("t", &long, None, 1)];
    let group = group(&[("a", same), ("b", same), ("c", same), ("d", same), ("e", same), ("f", other)]);
    let cut = "y".repeat(120);
    assert_eq!(told(&group), [format!(r#"topic t: a, b, c, d and 1 more want TAG "x"; f want TAG "{cut}"..."#)]);
}

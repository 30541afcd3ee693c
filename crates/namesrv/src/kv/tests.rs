//! Facts in, table out.

use model::record::system::System;

use super::*;

fn kv(facts: &[System]) -> KvConfig {
    let mut kv = KvConfig::default();
    facts.iter().for_each(|fact| kv.apply(fact));
    kv
}

#[test]
fn a_key_is_there_once_its_fact_is_applied_and_gone_once_its_deletion_is() {
    let mut kv = KvConfig::default();
    let put = kv.plan_put("NSP", "k", "v").expect("within the bounds");
    assert_eq!(kv.get("NSP", "k"), None);

    kv.apply(&put);
    assert_eq!(kv.get("NSP", "k"), Some("v"));
    assert_eq!(kv.namespace("NSP").map(Iterator::collect), Some(vec![("k", "v")]));

    let delete = kv.plan_delete("NSP", "k").expect("it is there");
    kv.apply(&delete);
    assert_eq!(kv, KvConfig::default());
    assert_eq!(kv.plan_delete("NSP", "k"), None);
    assert!(kv.namespace("NSP").is_none());
}

#[test]
fn its_facts_build_the_same_table_wherever_the_log_is_split() {
    let log = [
        changed("a", "k", Some("1")),
        changed("b", "k", Some("2")),
        changed("a", "k", Some("3")),
        changed("a", "l", Some("")),
        changed("b", "k", None),
        changed("c", "absent", None),
    ];
    for split in 0..=log.len() {
        let saved: Vec<System> = kv(&log[..split]).facts().collect();
        let mut loaded = kv(&saved);
        log[split..].iter().for_each(|fact| loaded.apply(fact));
        assert_eq!(loaded, kv(&log), "split at {split}");
    }
}

#[test]
fn lengths_and_the_number_of_keys_are_bounded() {
    let mut kv = KvConfig::default();
    let long = "x".repeat(256);
    assert_eq!(kv.plan_put("", "k", "v"), Err(KvError::Length { what: "namespace", len: 0, max: 255 }));
    assert_eq!(kv.plan_put("n", &long, "v"), Err(KvError::Length { what: "key", len: 256, max: 255 }));
    let huge = "x".repeat(VALUE_LEN_MAX + 1);
    assert!(matches!(kv.plan_put("n", "k", &huge), Err(KvError::Length { what: "value", .. })));

    for i in 0..KEYS_MAX {
        kv.apply(&changed("n", &i.to_string(), Some("v")));
    }
    assert_eq!(kv.plan_put("n", "one more", "v"), Err(KvError::Full));
    assert!(kv.plan_put("n", "0", "replaced").is_ok());
}

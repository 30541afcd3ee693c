//! The configuration from the outside: precedence, places of mistakes, and documentation that is true.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::value::{Levels, Percent, Size};
use super::*;

fn file(folder: &Path, name: &str, text: &str) -> std::path::PathBuf {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().expect("a name has a folder")).expect("the folder is ours");
    fs::write(&path, text).expect("the folder is ours");
    path
}

fn with_file(text: &str) -> Result<(Config, Values), Vec<String>> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = file(folder.path(), "kerolox.toml", text);
    let shown = path.display().to_string();
    load(&Sources { file: Some(path), ..Sources::default() }).map_err(|problems| {
        problems.iter().map(|problem| problem.to_string().replace(&shown, "kerolox.toml")).collect()
    })
}

fn set(assignments: &[&str]) -> Result<(Config, Values), Vec<String>> {
    load(&Sources { set: assignments.iter().map(|text| (*text).to_owned()).collect(), ..Sources::default() })
        .map_err(|problems| problems.iter().map(Problem::to_string).collect())
}

fn environment(pairs: &[(&str, &str)]) -> Result<(Config, Values), Vec<String>> {
    let environment = pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    load(&Sources { environment, ..Sources::default() })
        .map_err(|problems| problems.iter().map(Problem::to_string).collect())
}

#[test]
fn each_layer_overrides_the_one_before_and_the_origin_is_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = file(
        folder.path(),
        "kerolox.toml",
        "[storage]\nretention = \"2h\"\nmax_disk = \"50%\"\nreader_threads = 4\nsegment_bytes = \"1MiB\"\n",
    );
    file(folder.path(), "conf.d/20.toml", "[storage]\nmax_disk = \"70%\"\n");
    file(folder.path(), "conf.d/10.toml", "[storage]\nmax_disk = \"60%\"\nreader_threads = 5\nflush = \"async\"\n");
    let sources = Sources {
        dev: true,
        file: Some(path),
        environment: vec![
            ("KEROLOX_STORAGE__READER_THREADS".into(), "6".into()),
            ("KEROLOX_STORAGE__FLUSH".into(), "group".into()),
        ],
        set: vec!["storage.flush=async".into()],
    };

    let (config, values) = load(&sources).expect("all layers are right");

    let origin = |key: &str| values.get(key).1.to_string();
    let shown = folder.path().display();
    assert_eq!(config.storage.tail_cache_bytes, Size(64 << 20));
    assert_eq!(origin("storage.tail_cache_bytes"), "built-in");
    assert_eq!(config.listen.broker.0.to_string(), "127.0.0.1:10911");
    assert_eq!(origin("listen.broker"), "--dev");
    assert_eq!(config.storage.segment_bytes, Size(1 << 20));
    assert_eq!(config.storage.retention, Duration::from_secs(7_200));
    assert_eq!(origin("storage.retention"), format!("{shown}/kerolox.toml:2"));
    assert_eq!(config.storage.max_disk, Percent(70));
    assert_eq!(origin("storage.max_disk"), format!("{shown}/conf.d/20.toml:2"));
    assert_eq!(config.storage.reader_threads, 6);
    assert_eq!(origin("storage.reader_threads"), "environment KEROLOX_STORAGE__READER_THREADS");
    assert_eq!(config.storage.flush, Flush::Async);
    assert_eq!(origin("storage.flush"), "command line");
}

#[test]
fn the_printed_documentation_parses_to_the_defaults() {
    let (documented, _) = with_file(&docs()).expect("the documentation is a valid file");
    let (defaults, _) = load(&Sources::default()).expect("the defaults are valid");
    assert_eq!(documented, defaults);
}

#[test]
fn the_page_in_docs_is_what_config_docs_prints() {
    let page = include_str!("../../../../docs/configuration.md");
    let block = page.split_once("```toml\n").and_then(|(_, rest)| rest.split_once("```")).expect("a toml block").0;
    assert!(block == docs(), "docs/configuration.md is out of date: put the output of `kerolox config docs` into it");
}

#[test]
fn what_config_show_prints_is_a_file_with_the_same_values() {
    let (config, values) = set(&["storage.retention=36h", "namesrv.external=a:9876;b:9876"]).expect("right");
    let (again, _) = with_file(&show(&values, true)).expect("comments do not matter");
    assert_eq!(again, config);
}

#[test]
fn unknown_names_are_refused_with_place_and_suggestion() {
    let problems = with_file("[storage]\nretention = \"1h\"\nretentoin = \"2h\"\n\n[storge]\nflush = \"group\"\n")
        .expect_err("two mistakes");
    assert_eq!(
        problems,
        [
            "kerolox.toml:3: unknown key `storage.retentoin`; did you mean `storage.retention`?",
            "kerolox.toml:5: unknown section `storge`; did you mean `storage`?",
        ]
    );
    assert_eq!(
        set(&["colour=blue"]).expect_err("no such key"),
        ["command line: unknown key `colour`; `kerolox config docs` lists all"]
    );
    assert_eq!(
        environment(&[("KEROLOX_STORAGE__FLUSHH", "group")]).expect_err("no such key"),
        ["environment KEROLOX_STORAGE__FLUSHH: unknown key `storage.flushh`; did you mean `storage.flush`?"]
    );
    assert_eq!(
        environment(&[("KEROLOX_STORAGE_FLUSH", "group")]).expect_err("one underscore"),
        ["environment KEROLOX_STORAGE_FLUSH: write two underscores after the section: KEROLOX_STORAGE__FLUSH"]
    );
}

#[test]
fn a_bad_value_says_what_was_expected_and_where_it_stands() {
    let cases = [
        ("storage.retention=soon", "storage.retention: `soon` is not a duration: write 500ms, 30s, 10m, 72h or 7d"),
        ("storage.segment_bytes=1KiB", "storage.segment_bytes = \"1KiB\" is out of range: \"64KiB\" to \"1GiB\""),
        ("storage.segment_bytes=5XB", "storage.segment_bytes: unknown unit `XB`: use KiB, MiB, GiB or TiB"),
        ("storage.max_disk=0.85", "storage.max_disk: expected a percentage such as 85%, found \"0.85\""),
        ("storage.flush=each", "storage.flush: expected \"group\" or \"async\", found \"each\""),
        ("storage.reader_threads=0", "storage.reader_threads = 0 is out of range: 1 to 64"),
        ("storage.reader_threads=-1", "storage.reader_threads: expected a whole number, found -1"),
        ("topics.auto_create=yes", "topics.auto_create: expected true or false, found \"yes\""),
        ("listen.broker=10911", "listen.broker: expected an address and port such as 0.0.0.0:9876, found \"10911\""),
        (
            "namesrv.accept_brokers=10.0.0.0/33",
            "namesrv.accept_brokers: `10.0.0.0/33`: the prefix of this address is at most 32",
        ),
        ("namesrv.external=somewhere", "namesrv.external: expected host:port, found \"somewhere\""),
        ("delay.levels=1s 5x", "delay.levels: `5x` is not a duration: write 500ms, 30s, 10m, 72h or 7d"),
    ];
    for (assignment, text) in cases {
        assert_eq!(set(&[assignment]).expect_err(assignment), [format!("command line: {text}")]);
    }
    let problems = with_file("[storage]\n\nmax_disk = 85\n[topics]\ndefault_queues = 0\n").expect_err("two mistakes");
    assert_eq!(
        problems,
        [
            "kerolox.toml:3: storage.max_disk: expected a percentage such as 85%, found 85",
            "kerolox.toml:5: topics.default_queues = 0 is out of range: 1 to 65535",
        ]
    );
}

#[test]
fn a_file_that_is_missing_or_no_toml_is_named_with_its_line() {
    assert!(
        with_file("[storage]\nflush = \n").expect_err("no value")[0].starts_with("kerolox.toml:2: not valid TOML: ")
    );
    assert_eq!(
        with_file("storage = 1\n").expect_err("no section"),
        ["kerolox.toml:1: `storage` is a section: write [storage] and its keys below"]
    );
    let missing = load(&Sources { file: Some("no/such.toml".into()), ..Sources::default() }).expect_err("missing");
    assert!(missing[0].to_string().starts_with("no/such.toml:1: cannot read the file: "));
}

#[test]
fn namesrv_addr_fills_in_only_what_nobody_configured() {
    let addresses = |config: &Config| -> Vec<String> {
        config.namesrv.external.iter().map(|address| format!("{}:{}", address.host, address.port)).collect()
    };
    let (config, values) = environment(&[("NAMESRV_ADDR", "a:9876;10.0.0.1:9877")]).expect("right");
    assert_eq!(addresses(&config), ["a:9876", "10.0.0.1:9877"]);
    assert_eq!(values.get("namesrv.external").1.to_string(), "environment NAMESRV_ADDR");

    let both = [("NAMESRV_ADDR", "a:9876"), ("KEROLOX_NAMESRV__EXTERNAL", "[\"b:9876\"]")];
    assert_eq!(addresses(&environment(&both).expect("right").0), ["b:9876"]);
}

#[test]
fn sizes_and_durations_are_read_as_people_write_them() {
    for (text, bytes) in [("0", 0), ("4096", 4096), ("64KiB", 65_536), ("1 mib", 1 << 20), ("10GB", 10_000_000_000)] {
        assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
    }
    for text in ["", "KiB", "-1", "1.5GiB", "99999999TiB"] {
        assert!(text.parse::<Size>().is_err(), "{text}");
    }
    assert_eq!(Size(256 << 20).to_string(), "256MiB");
    assert_eq!(Size(1_500).to_string(), "1500B");
    assert_eq!(show_duration(Duration::from_secs(72 * 3600)), "3d");
    assert_eq!(show_duration(Duration::from_millis(1_500)), "1500ms");
    let levels = Levels::read(&Value::from("1s  5s 1h")).expect("right");
    assert_eq!(levels.0, [1, 5, 3600].map(Duration::from_secs));
}

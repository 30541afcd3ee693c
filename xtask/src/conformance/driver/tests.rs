//! Drivers that are shell scripts of a few lines, against no server.

use super::*;

const NOWHERE: &str = "127.0.0.1:1";

/// Runs a script as the driver `lang` of an empty work tree.
fn run_script(script: &str) -> Tally {
    let root = tempfile::tempdir().expect("a temporary folder");
    let folder = root.path().join("conformance/lang");
    std::fs::create_dir_all(&folder).expect("a new folder");
    let file = folder.join("run");
    std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).expect("a new file");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).expect("a file of ours");
    let driver = Driver::from_file(root.path(), &folder, &file).expect("an executable named run");
    assert_eq!(driver.name, "lang");
    driver.prepare().expect("nothing to prepare");
    let endpoints = Endpoints { namesrv: NOWHERE.to_owned(), broker: NOWHERE.to_owned(), grpc: NOWHERE.to_owned() };
    driver.run(&endpoints, None, None).expect("the script starts")
}

#[test]
fn lines_are_verdicts_wishes_or_log() {
    for (line, meaning) in [
        ("PASS sync-send (12 ms)", Line::Pass),
        ("FAIL order: 3 before 2", Line::Fail("order: 3 before 2")),
        ("SKIP restart: not ours", Line::Skip("restart: not ours")),
        ("@kill-restart", Line::KillRestart),
        ("@stop\r", Line::Stop),
        ("@start", Line::Start),
        ("@starting", Line::Log),
        ("PASSED", Line::Log),
        ("", Line::Log),
    ] {
        assert_eq!(parse(line), meaning, "{line}");
    }
}

#[test]
fn what_a_driver_reports_is_counted() {
    let tally = run_script("echo 'PASS a (1 ms)'; echo noise; echo 'FAIL b: no'; echo 'SKIP c: later'; exit 1");
    assert_eq!(tally.passed, 1);
    assert_eq!(tally.failed, ["lang: b: no"]);
    assert_eq!(tally.skipped, ["lang: c: later"]);
}

#[test]
fn a_driver_that_says_nothing_or_ends_badly_fails() {
    assert_eq!(run_script("exit 0").failed, ["lang: reported no scenario"]);
    assert_eq!(run_script("echo 'PASS a (1 ms)'; exit 3").failed, ["lang: ended with exit status: 3"]);
}

#[test]
fn what_a_client_prints_to_standard_error_is_no_verdict() {
    let tally = run_script("echo 'FAIL in a library' >&2; echo 'PASS a (1 ms)'");
    assert_eq!((tally.passed, tally.failed.len()), (1, 0));
}

#[test]
fn a_server_that_is_not_ours_is_not_restarted() {
    let tally = run_script(
        r#"[ "$KEROLOX_NO_RESTART" = 1 ] || exit 2
echo @kill-restart
read -r answer
[ "$answer" = "@failed this server is not ours to restart" ] && echo 'PASS told (1 ms)'"#,
    );
    assert_eq!(tally.passed, 1);
    assert_eq!(tally.failed, ["lang: @kill-restart: asked of a server that is not ours"]);
}

//! Sessions outlive their streams and end by silence or farewell.

use model::Millis;

use super::*;

const START: Timestamp = Timestamp(1_000_000);

fn caller(client_id: &str) -> Caller<'_> {
    let address = "127.0.0.1:5000".parse().expect("an address");
    Caller { client_id, language: "JAVA", version: "5.2.0", address, timeout: None }
}

#[test]
fn a_session_ends_two_minutes_after_its_last_sign_of_life() {
    let sessions = Sessions::default();
    sessions.begin(&caller("a"), START).expect("room");
    sessions.begin(&caller("b"), START).expect("room");
    sessions.heard("b", START.after(Millis(60_000)));
    let gone = |now: Timestamp| sessions.expire(now).iter().map(|gone| gone.client_id.clone()).collect::<Vec<_>>();
    assert_eq!(gone(START.after(SILENCE_MAX)), Vec::<String>::new());
    assert_eq!(gone(START.after(Millis(SILENCE_MAX.0 + 1))), ["a"]);
    assert!(sessions.heard("a", START).is_none() && sessions.end("b").is_some() && sessions.all().is_empty());
}

#[test]
fn the_newest_stream_that_takes_a_command_carries_it() {
    let sessions = Sessions::default();
    let session = sessions.begin(&caller("a"), START).expect("room");
    assert!(!session.tell(TelemetryCommand::default()), "it has no stream");
    let (old, mut from_old) = mpsc::channel(1);
    let (new, mut from_new) = mpsc::channel(1);
    session.open_stream(old);
    session.open_stream(new.clone());
    assert!(session.tell(TelemetryCommand::default()));
    assert!(from_new.try_recv().is_ok() && from_old.try_recv().is_err());
    session.close_stream(&new);
    assert!(session.tell(TelemetryCommand::default()));
    assert!(from_old.try_recv().is_ok());
    drop(from_old);
    assert!(!session.tell(TelemetryCommand::default()), "nobody reads");
}

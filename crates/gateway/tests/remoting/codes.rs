//! docs/protocols.md names every code of the protocol: how it is served, or why it is not. Served is what gets another
//! answer than "not supported" here, so the page cannot promise more than the code does.

use std::collections::BTreeMap;
use std::path::Path;

use gateway::remoting::turn::Peer;
use wire::remoting::code::{RequestCode, ResponseCode};
use wire::remoting::command::Header;
use wire::remoting::frame::{Encoding, next_frame};
use wire::remoting::reply::Request;

use crate::host::{Asked, Host};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/protocols.md");
const HANDLERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/remoting/handlers");
const OPERATIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../broker/src/ops");

/// The rows of the table under `heading`: code -> the other cells.
fn table(page: &str, heading: &str) -> BTreeMap<i32, Vec<String>> {
    let section = page.split("\n## ").find(|section| section.starts_with(heading));
    let section = section.unwrap_or_else(|| panic!("docs/protocols.md has no section {heading:?}"));
    let mut rows = BTreeMap::new();
    for line in section.lines().filter(|line| line.starts_with('|')) {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
        let Ok(code) = cells[0].parse() else { continue };
        assert!(rows.insert(code, cells[1..].to_vec()).is_none(), "{heading}: {code} stands twice");
    }
    rows
}

/// The answer to a request without fields and body. `None`: it waits for something, so it was understood.
fn answer_to(host: &Host, peer: &Peer, code: RequestCode) -> Option<ResponseCode> {
    let mut frame = Vec::new();
    Request::new(1, code).write(Encoding::Json, &mut frame);
    match host.ask(peer, &frame) {
        Asked::Waits => None,
        Asked::Answered(answer) => {
            let answer = next_frame(&answer).expect("a frame").expect("whole");
            Some(Header::parse(&answer).expect("a header").response_code())
        }
    }
}

fn is_served(host: &Host, code: RequestCode) -> bool {
    answer_to(host, &host.peer(1), code) != Some(ResponseCode::REQUEST_CODE_NOT_SUPPORTED)
}

fn page() -> String {
    std::fs::read_to_string(PAGE).expect("docs/protocols.md is part of the project")
}

#[test]
fn the_page_names_every_code_and_tells_the_truth() {
    let page = page();
    let (served, not_served) = (table(&page, "Served"), table(&page, "Not served"));
    let host = Host::start();
    for &code in RequestCode::ALL {
        let (row, reason) = (served.get(&code.0), not_served.get(&code.0));
        let name = code.name().expect("it has one");
        match (is_served(&host, code), row, reason) {
            (true, Some(cells), None) => {
                assert_eq!(cells[0], name, "{code}");
                assert!(Path::new(HANDLERS).join(&cells[2]).is_file(), "{code}: no handler {}", cells[2]);
                let operation = cells[1].strip_suffix(".rs");
                assert!(
                    operation.is_none() || Path::new(OPERATIONS).join(&cells[1]).is_file(),
                    "{code}: no operation {}",
                    cells[1]
                );
            }
            (false, None, Some(cells)) => {
                assert_eq!(cells[0], name, "{code}");
                assert!(cells[1].len() > 10, "{code}: no reason");
            }
            (true, ..) => panic!("{code} is served; docs/protocols.md must say so, once"),
            (false, ..) => panic!("{code} is not served; docs/protocols.md must say why, once"),
        }
    }
    let known = |code: &&i32| RequestCode(**code).name().is_some();
    assert_eq!(served.keys().chain(not_served.keys()).find(|code| !known(code)), None, "a code nobody knows");
}

#[test]
fn from_afar_exactly_the_marked_codes_are_refused() {
    let host = Host::start();
    let stranger = host.peer_at("192.0.2.7:40000", 1);
    let refused = |code: &i32| answer_to(&host, &stranger, RequestCode(*code)) == Some(ResponseCode::NO_PERMISSION);
    let served = table(&page(), "Served");
    let marked: Vec<_> = served.iter().filter(|(_, cells)| !cells[3].is_empty()).map(|(code, _)| *code).collect();
    assert_eq!(served.keys().copied().filter(refused).collect::<Vec<_>>(), marked);
}

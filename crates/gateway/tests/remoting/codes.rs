//! docs/protocols.md names every code of the protocol: how it is served, or why it is not. Served is what gets another
//! answer than "not supported" here, so the page cannot promise more than the code does.

use std::collections::BTreeMap;
use std::path::Path;

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

fn is_served(host: &Host, code: RequestCode) -> bool {
    let mut frame = Vec::new();
    Request::new(1, code).write(Encoding::Json, &mut frame);
    match host.ask(&host.peer(1), &frame) {
        Asked::Waits => true,
        Asked::Answered(answer) => {
            let answer = next_frame(&answer).expect("a frame").expect("whole");
            let header = Header::parse(&answer).expect("a header");
            header.response_code() != ResponseCode::REQUEST_CODE_NOT_SUPPORTED
        }
    }
}

#[test]
fn the_page_names_every_code_and_tells_the_truth() {
    let page = std::fs::read_to_string(PAGE).expect("docs/protocols.md is part of the project");
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

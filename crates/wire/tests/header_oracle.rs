//! The fast header parser against the general one: on generated headers it must read them, on
//! mutated ones it may decline, and it must never say anything else than the general one.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use wire::remoting::code::{RequestCode, ResponseCode};
use wire::remoting::command::Header;
use wire::remoting::frame::{Encoding, next_frame};
use wire::remoting::reply::{Request, Response};

/// Fails when the fast parser reads `bytes` in any way but the general one's.
fn agree(bytes: &[u8]) -> Result<(), TestCaseError> {
    match (Header::parse_json_fast(bytes), Header::parse_json_general(bytes)) {
        (Ok(Some(fast)), Ok(general)) => prop_assert_eq!(fast, general),
        (Ok(Some(fast)), Err(error)) => return Err(TestCaseError::fail(format!("{fast:?}, but {error}"))),
        (Ok(None), _) => {}
        (Err(fast), Err(general)) => prop_assert_eq!(fast, general),
        (Err(error), Ok(general)) => return Err(TestCaseError::fail(format!("{error}, but {general:?}"))),
    }
    Ok(())
}

/// Pieces that headers are made of, and pieces that are wrong in most places.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(vec![
            "{", "}", "[", "]", ":", ",", "\"", "\\", "\\\"", "\\u0001", "\\u", "\\ud83d", "null", "true", "false", "0", "-", "7",
            "-0", "007", "1.5", "1e9", "2147483648", "-2147483648", " ", "\n", "/*", "*/", "//", "'", "\"code\":", "\"flag\":\"1\"",
            "\"extFields\":{", "\"remark\":", "\"language\":\"GO\"", "\"language\":9", "\"opaque\":", "\"version\":479", "code:",
            "\"a\":\"b\"", "\"$ref\":\"$\"", "\u{FEFF}", "中", "\u{1}", "NaN", "1L",
        ]).prop_map(str::to_owned),
        1 => ".{0,3}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn what_we_write_is_read_fast_and_as_it_was_meant(
        code in any::<i32>(),
        opaque in any::<i32>(),
        remark in option::of(".{0,40}"),
        fields in vec(("[a-zA-Z_]{1,20}", "(?s).{0,40}"), 0..40),
    ) {
        let mut response = Response::new(opaque, ResponseCode(code));
        if let Some(remark) = &remark {
            response = response.remark(remark.as_str());
        }
        for (name, value) in &fields {
            response = response.field(name, value.as_str());
        }
        let mut out = Vec::new();
        response.write(Encoding::Json, &mut out);
        let frame = next_frame(&out).unwrap().unwrap();

        let header = Header::parse_json_fast(frame.header).unwrap().expect("our own headers are of the usual shape");

        prop_assert_eq!((header.code, header.opaque, header.flag), (code, opaque, 1));
        prop_assert_eq!(header.remark().map(|text| text.to_cow().into_owned()), remark);
        let read: Vec<_> = header.fields().map(|(name, value)| (name.raw().to_owned(), value.to_cow().into_owned())).collect();
        prop_assert_eq!(read, fields);
        agree(frame.header)?;
    }

    #[test]
    fn both_encodings_carry_the_same(
        code in any::<i16>(),
        opaque in any::<i32>(),
        fields in vec(("[a-zA-Z_]{1,20}", "(?s).{1,40}"), 0..40),
        body in vec(any::<u8>(), 0..40),
    ) {
        let request = Request::new(opaque, RequestCode(code.into()))
            .fields(fields.iter().map(|(name, value)| (name.as_str(), value.as_str())))
            .body(body.as_slice());
        let (mut json, mut binary) = (Vec::new(), Vec::new());
        request.write(Encoding::Json, &mut json);
        request.write(Encoding::Binary, &mut binary);
        let (json, binary) = (next_frame(&json).unwrap().unwrap(), next_frame(&binary).unwrap().unwrap());
        prop_assert_eq!(json.body, binary.body);
        let (json, mut binary) = (Header::parse(&json).unwrap(), Header::parse(&binary).unwrap());
        binary.encoding = Encoding::Json;
        prop_assert_eq!(json, binary);
    }

    #[test]
    fn any_pieces_are_read_alike(pieces in vec(piece(), 0..30)) {
        agree(pieces.concat().as_bytes())?;
        agree(format!("{{{}}}", pieces.concat()).as_bytes())?;
        agree(format!("{{\"extFields\":{{\"k\":{}}}}}", pieces.concat()).as_bytes())?;
    }

    #[test]
    fn a_damaged_header_is_read_alike(at in any::<prop::sample::Index>(), insert in piece(), cut in 0usize..4) {
        const SOUND: &str = r#"{"code":310,"extFields":{"a":"PG","d":4,"i":"KEYS\u0001k1\u0002","k":false,"x":null},"flag":0,"language":"JAVA","opaque":12,"remark":"r\"","serializeTypeCurrentRPC":"JSON","version":479}"#;
        let at = at.index(SOUND.len() - cut);
        agree(format!("{}{insert}{}", &SOUND[..at], &SOUND[at + cut..]).as_bytes())?;
    }

    #[test]
    fn no_bytes_break_a_parser(bytes in vec(any::<u8>(), 0..200)) {
        agree(&bytes)?;
        let _ = Header::parse_binary(&bytes);
        let _ = next_frame(&bytes);
    }
}

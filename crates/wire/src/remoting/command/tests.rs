//! The parsers against literals and against each other.

use super::*;

fn fields(header: &Header<'_>) -> Vec<(String, String)> {
    header.fields().map(|(key, value)| (key.to_cow().into_owned(), value.to_cow().into_owned())).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn a_java_header_is_read_without_the_general_parser() {
    let bytes = br#"{"code":310,"extFields":{"a":"PG","i":"KEYS\u0001k1\u0002"},"flag":2,"language":"JAVA","opaque":-7,"serializeTypeCurrentRPC":"JSON","version":479}"#;

    let header = Header::parse_json_fast(bytes).unwrap().unwrap();

    assert_eq!((header.code, header.version, header.opaque), (310, 479, -7));
    assert_eq!(header.language, Language::JAVA);
    assert!(header.is_oneway() && !header.is_response());
    assert_eq!(header.field("a").unwrap().as_plain(), Some("PG"));
    let properties = header.field("i").unwrap();
    assert_eq!(properties.as_plain(), None);
    let mut out = Vec::new();
    properties.unescape_into(&mut out);
    assert_eq!(out, b"KEYS\x01k1\x02");
    assert!(matches!(header.source, Source::Text(Cow::Borrowed(_))));
    assert_eq!(header.fields.spill.capacity(), 0);
}

#[test]
fn the_other_clients_shapes_are_read_fast_too() {
    let cpp = b"{\"code\":10,\"extFields\":{\"queueId\":0,\"unitMode\":false,\"x\":null},\"remark\":\"\",\"language\":\"CPP\"}\n";
    let header = Header::parse_json_fast(cpp).unwrap().unwrap();
    assert_eq!(fields(&header), pairs(&[("queueId", "0"), ("unitMode", "false")]));
    assert_eq!(header.remark().unwrap().as_plain(), Some(""));
    assert_eq!(header.language, Language::CPP);

    let empty = Header::parse_json_fast(b"{}").unwrap().unwrap();
    assert_eq!((empty.code, empty.language), (0, Language::OTHER));
}

#[test]
fn every_tolerated_shape_is_read() {
    let cases: &[&str] = &[
        r#" { "code" : 310 , "extFields" : { "a" : "1" } , "opaque" : 5 , "flag" : 0 } "#,
        r#"{code:310,extFields:{a:'1'},opaque:5}"#,
        r#"{"opaque":"5","code":"310","extFields":{"a":1},"new":{"x":[1,{"y":2}]}}"#,
        r#"{"extFields":{"a":"0"},"code":310,"opaque":5,"remark":null,"extFields":{"a":"1",},}"#,
        "{\"code\":310,\"extFields\":{\"a\":\"1\"},\"opaque\":5,\"flag\":null}\n",
        r#"{"\u0063ode":310,"extFields":{"\u0061":"1"},"opaque":5}"#,
    ];
    for case in cases {
        let header = Header::parse_json(case.as_bytes()).unwrap_or_else(|error| panic!("{case}: {error}"));
        assert_eq!((header.code, header.opaque), (310, 5), "{case}");
        assert_eq!(header.field("a").unwrap().to_cow(), "1", "{case}");
        assert_eq!(header.remark(), None, "{case}");
    }
    let by_number = Header::parse_json(br#"{"code":1,"language":9,"extFields":null}"#).unwrap();
    assert_eq!(by_number.language, Language::GO);
    let unknown = Header::parse_json(br#"{"code":1,"language":"KLINGON"}"#).unwrap();
    assert_eq!(unknown.language, Language::OTHER);
}

#[test]
fn the_last_of_two_equal_names_counts() {
    let header = Header::parse_json(br#"{"code":1,"extFields":{"a":"1","a":"2"}}"#).unwrap();
    assert_eq!(header.field("a").unwrap().as_plain(), Some("2"));
}

#[test]
fn what_is_no_header_is_refused() {
    let cases: &[(&[u8], HeaderError)] = &[
        (b"[1]", HeaderError::NotAnObject),
        (b"null", HeaderError::NotAnObject),
        (b"{\"code\":\"\xFF\"}", HeaderError::NotUtf8),
        (br#"{"code":3000000000}"#, HeaderError::Member("code")),
        (br#"{"code":1.5}"#, HeaderError::Member("code")),
        (br#"{"flag":"x"}"#, HeaderError::Member("flag")),
        (br#"{"extFields":[1]}"#, HeaderError::Member("extFields")),
        (b"", HeaderError::Json(DialectError::Broken(0))),
        (b"{\"code\":1", HeaderError::Json(DialectError::Broken(9))),
    ];
    for (bytes, error) in cases {
        assert_eq!(Header::parse_json(bytes).unwrap_err(), *error, "{}", String::from_utf8_lossy(bytes));
    }
    let large = vec![b' '; HEADER_LEN_MAX + 1];
    assert_eq!(Header::parse_json(&large).unwrap_err(), HeaderError::TooLarge(HEADER_LEN_MAX + 1));
}

#[test]
fn fields_beyond_the_inline_room_are_kept() {
    let json = |count: usize| {
        let fields: Vec<String> = (0..count).map(|at| format!("\"k{at}\":\"v{at}\"")).collect();
        format!("{{\"code\":1,\"extFields\":{{{}}}}}", fields.join(","))
    };
    for count in [0, 1, 32, 33, 100, 9_998] {
        let json = json(count);
        let header = Header::parse_json(json.as_bytes()).unwrap();
        assert_eq!(header.field_count(), count);
        assert_eq!(header.fields().count(), count);
        if count > 0 {
            let last = count - 1;
            assert_eq!(header.field(&format!("k{last}")).unwrap().as_plain(), Some(format!("v{last}").as_str()));
        }
        assert_eq!(header, Header::parse_json_general(json.as_bytes()).unwrap());
    }
    assert!(Header::parse_json(json(10_001).as_bytes()).is_err());
}

#[test]
fn a_binary_header_is_read() {
    let mut bytes = vec![0x00, 0x01, 0x00, 0x01, 0xDF, 0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 4];
    bytes.extend_from_slice("中\n".as_bytes());
    bytes.extend_from_slice(&[0, 0, 0, 19, 0, 1, b'k', 0, 0, 0, 1, b'v', 0, 5]);
    bytes.extend_from_slice(b"empty\0\0\0\0");

    let header = Header::parse_binary(&bytes).unwrap();

    assert_eq!((header.code, header.version, header.opaque, header.flag), (1, 479, 8, 1));
    assert_eq!(header.language, Language::JAVA);
    assert_eq!(header.remark().unwrap().as_plain(), Some("中\n"));
    assert_eq!(fields(&header), pairs(&[("k", "v")]));
    for end in 0..bytes.len() {
        assert!(Header::parse_binary(&bytes[..end]).is_err(), "cut at {end}");
    }
    bytes[19] = 0xFF;
    assert_eq!(Header::parse_binary(&bytes).unwrap_err(), HeaderError::NotUtf8);
}

//! What the recordings do not show: who may ask what, and the forms of bodies.

use super::*;

const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9));

fn code_of(result: Option<Result<Answer, Refusal>>) -> ResponseCode {
    match result.expect("a code of the name server") {
        Ok(_) => ResponseCode::SUCCESS,
        Err(refusal) => refusal.code,
    }
}

#[test]
fn what_changes_routes_by_hand_is_served_to_loopback_only() {
    let world = World::default();
    let fields = r#""namespace":"n","key":"k","value":"v","topic":"t","brokerName":"b""#;
    let route = br#"{"queueDatas":[]}"#;
    for code in [100, 102, 205, 216, 217, 318, 327].map(RequestCode) {
        let text = header(code, 479, fields);
        let body: &[u8] = if code == RequestCode::REGISTER_TOPIC_IN_NAMESRV { route } else { b"" };
        let refused = world.ask_from(STRANGER, &parse(&text), body);
        let Some(Err(refusal)) = refused else { panic!("{code} was served: {refused:?}") };
        assert_eq!(refusal.code, ResponseCode::NO_PERMISSION, "{code}");
        assert!(refusal.remark.contains("127.0.0.1"), "{code} does not say what to do: {}", refusal.remark);

        let served = code_of(world.ask_from("::ffff:127.0.0.1".parse().expect("an address"), &parse(&text), body));
        assert_eq!(served, ResponseCode::SUCCESS, "{code}");
    }
}

#[test]
fn brokers_are_heard_from_accepted_networks_only() {
    let world = World::default();
    let fields = r#""brokerName":"b","brokerAddr":"203.0.113.9:1","clusterName":"c","haServerAddr":"","brokerId":"0""#;
    for code in [103, 104, 904].map(RequestCode) {
        let text = header(code, 479, fields);
        // The body is broken: who is not accepted does not even get it looked at.
        let refused = world.ask_from(STRANGER, &parse(&text), b"x\x9c");
        let Some(Err(refusal)) = refused else { panic!("{code} was served: {refused:?}") };
        assert_eq!(refusal.code, ResponseCode::NO_PERMISSION, "{code}");
        assert!(refusal.remark.contains("namesrv.accept_brokers"), "{code}: {}", refusal.remark);
    }
    let accept_brokers = vec!["203.0.113.0/24".parse().expect("a network")];
    let world = World { namesrv: NameServer::new(Config { accept_brokers, ..Config::default() }), ..World::default() };
    let text = header(RequestCode::REGISTER_BROKER, 479, fields);
    assert_eq!(code_of(world.ask_from(STRANGER, &parse(&text), b"{}")), ResponseCode::SUCCESS);
}

#[test]
fn a_client_on_loopback_gets_a_loopback_route_and_the_dialect_of_its_version() {
    let world = World::default();
    let ours = Registration {
        cluster: "c",
        broker: "ours",
        id: 0,
        address: "192.0.2.1:10911",
        ha_address: "",
        zone: None,
        acting_master: None,
        timeout: None,
        version: DataVersion::default(),
        topics: &[topic("t")],
    };
    world.namesrv.write().register(&ours, Source::InProcess, Timestamp(0)).expect("ours");
    let addresses = |ip: IpAddr, version: i32, fields: &str| {
        let text = header(RequestCode::GET_ROUTEINFO_BY_TOPIC, version, &format!(r#""topic":"t"{fields}"#));
        let answer = world.ask_from(ip, &parse(&text), b"").expect("its code").expect("known");
        let body = String::from_utf8(answer.body).expect("json");
        let (_, rest) = body.split_once("\"brokerAddrs\":").expect("addresses");
        rest.split_once('}').expect("an object").0.to_owned()
    };
    let home = IpAddr::from(Ipv4Addr::LOCALHOST);
    assert_eq!(addresses(home, 400, ""), r#"{0:"127.0.0.1:10911""#);
    assert_eq!(addresses(STRANGER, 400, ""), r#"{0:"192.0.2.1:10911""#);
    assert_eq!(addresses(STRANGER, 401, ""), r#"{"0":"192.0.2.1:10911""#);
    let asks = r#","acceptStandardJsonOnly":"true""#;
    assert_eq!(addresses(STRANGER, 0, asks), r#"{"0":"192.0.2.1:10911""#);
    let zone = r#","__ZONE_MODE":"true","__ZONE_NAME":"z""#;
    let text = header(RequestCode::GET_ROUTEINFO_BY_TOPIC, 479, &format!(r#""topic":"t"{zone}"#));
    let answer = world.ask(&parse(&text), b"").expect("its code").expect("known");
    assert_eq!(answer.body, br#"{"brokerDatas":[],"filterServerTable":{},"queueDatas":[]}"#);
}

#[test]
fn order_configuration_travels_with_routes_once_it_is_switched_on() {
    let world = World::default();
    world.register(DataVersion::default(), &[topic("t"), topic("u")]);
    world.put(namesrv::ORDER_TOPIC_CONFIG, "t", "broker-a:4");
    let text = header(RequestCode::GET_ROUTEINFO_BY_TOPIC, 479, r#""topic":"t""#);
    let order = |world: &World| {
        let answer = world.ask(&parse(&text), b"").expect("its code").expect("known");
        TopicRouteData::read(&answer.body).expect("a route").order_topic_conf
    };
    assert_eq!(order(&world), None);

    let update = header(RequestCode::UPDATE_NAMESRV_CONFIG, 479, "");
    let body = b"# by hand\norderMessageEnable = true\n\n";
    assert_eq!(code_of(world.ask(&parse(&update), body)), ResponseCode::SUCCESS);
    assert_eq!(order(&world), Some("broker-a:4".to_owned()));

    let get = header(RequestCode::GET_NAMESRV_CONFIG, 479, "");
    let answer = world.ask(&parse(&get), b"").expect("its code").expect("settings");
    assert!(String::from_utf8(answer.body).expect("text").contains("orderMessageEnable=true\n"));
}

#[test]
fn topic_lists_can_be_switched_off() {
    let world = World::default();
    let update = header(RequestCode::UPDATE_NAMESRV_CONFIG, 479, "");
    let body = b"enableTopicList=false\nenableAllTopicList=false";
    assert_eq!(code_of(world.ask(&parse(&update), body)), ResponseCode::SUCCESS);
    for code in [206, 224, 311, 312, 313].map(RequestCode) {
        let text = header(code, 479, r#""cluster":"c""#);
        assert_eq!(code_of(world.ask(&parse(&text), b"")), ResponseCode::SYSTEM_ERROR, "{code}");
    }
}

#[test]
fn a_topic_is_added_and_deleted_by_hand() {
    let world = World::default();
    world.register(DataVersion::default(), &[]);
    let add = header(RequestCode::REGISTER_TOPIC_IN_NAMESRV, 479, r#""topic":"new""#);
    let data = br#"{"queueDatas":[{"brokerName":"broker-a","perm":6,"readQueueNums":2,"writeQueueNums":2}]}"#;
    assert_eq!(code_of(world.ask(&parse(&add), data)), ResponseCode::SUCCESS);
    assert!(world.namesrv.read().route("new", Viewer::Other).is_some());
    let negative = br#"{"queueDatas":[{"brokerName":"broker-a","perm":6,"readQueueNums":-2}]}"#;
    assert_eq!(code_of(world.ask(&parse(&add), negative)), ResponseCode::INVALID_PARAMETER);

    let delete = header(RequestCode::DELETE_TOPIC_IN_NAMESRV, 479, r#""topic":"new","clusterName":"DefaultCluster""#);
    assert_eq!(code_of(world.ask(&parse(&delete), b"")), ResponseCode::SUCCESS);
    assert!(world.namesrv.read().route("new", Viewer::Other).is_none());
}

#[test]
fn what_cannot_be_read_is_refused_with_the_reason() {
    let world = World::default();
    world.register(DataVersion::default(), &[]);
    let broker = r#""brokerName":"b","brokerAddr":"127.0.0.1:1","clusterName":"c","haServerAddr":"","brokerId":"0""#;
    let negative = br#"{"topicConfigSerializeWrapper":{"topicConfigTable":{"t":{"topicName":"t","perm":-1}}}}"#;
    let cases: [(i32, &str, &[u8], &str); 6] = [
        (103, "", b"{}", "brokerName"),
        (103, broker, b"x\x9cbroken", "inflated"),
        (103, broker, negative, "negative"),
        (322, broker, b"{", "json"),
        (100, r#""namespace":"n","key":"""#, b"", "value"),
        (318, "", b"kvConfigPath=/etc/passwd", "kvConfigPath"),
    ];
    for (code, fields, body, reason) in cases {
        let text = header(RequestCode(code), 479, fields);
        let refused = world.ask(&parse(&text), body);
        let Some(Err(refusal)) = refused else { panic!("{code} was served: {refused:?}") };
        assert!(refusal.remark.contains(reason), "{code}: {}", refusal.remark);
    }
}

#[test]
fn a_code_of_somebody_else_is_left_alone() {
    let text = header(RequestCode::SEND_MESSAGE_V2, 479, "");
    assert!(World::default().ask(&parse(&text), b"").is_none());
}

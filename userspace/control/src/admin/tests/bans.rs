use super::*;

fn ban(target: &str, ttl_seconds: Option<u64>) -> BanRequest {
    BanRequest {
        target: target.to_owned(),
        ttl_seconds,
        reason: "scanner".to_owned(),
    }
}

#[test]
fn bans_come_and_go() {
    let given = given();
    let client = &given.client;
    let added = client.ban(&ban("203.0.113.7", Some(600))).unwrap();
    assert_eq!(
        (added.target.as_str(), added.result, added.in_kernel),
        ("203.0.113.7", BanResult::New, false)
    );
    let again = client.ban(&ban("::ffff:203.0.113.7", None)).unwrap();
    assert_eq!(
        (again.target.as_str(), again.result),
        ("203.0.113.7", BanResult::Updated)
    );
    client.ban(&ban("2001:db8::/32", Some(60))).unwrap();
    assert!(given.instance.bans.contains("2001:db8::1".parse().unwrap()));

    let list = client.bans().unwrap().bans;
    assert_eq!(list.len(), 2);
    assert_eq!(
        (list[0].target.as_str(), list[0].remaining_seconds),
        ("203.0.113.7", None)
    );
    assert_eq!(
        (list[1].target.as_str(), list[1].remaining_seconds),
        ("2001:db8::/32", Some(60))
    );
    assert_eq!(list[1].reason, "scanner");

    assert_eq!(
        client.lift("2001:db8::/32").unwrap().target,
        "2001:db8::/32"
    );
    let flushed = client.flush().unwrap();
    assert_eq!((flushed.lifted, flushed.kept), (1, 0));
    assert!(given.instance.bans.is_empty());
}

#[test]
fn refusals_say_what_to_do() {
    let given = given();
    let client = &given.client;
    for (request, status, words) in [
        (ban("example.com", None), 400, "no address or prefix"),
        (ban("10.1.2.3/8", None), 400, "write `10.0.0.0/8`"),
        (ban("0.0.0.0/0", None), 400, "every address"),
        (ban("203.0.113.7", Some(0)), 400, "has no effect"),
        (
            ban("203.0.113.7", Some(u64::MAX)),
            400,
            "at most 3153600000 s",
        ),
    ] {
        let problem = refused(client.ban(&request));
        assert_eq!(problem.status, status);
        assert!(problem.detail.contains(words), "{problem:?}");
    }
    for text in ["203.0.113.1", "203.0.113.2", "203.0.113.3"] {
        client.ban(&ban(text, None)).unwrap();
    }
    let full = refused(client.ban(&ban("203.0.113.4", None)));
    assert_eq!(full.status, 507);
    assert!(full.detail.contains("is the limit"), "{full:?}");
}

#[test]
fn what_is_not_banned_cannot_be_lifted() {
    let given = given();
    let client = &given.client;
    let problem = refused(client.lift("203.0.113.7"));
    assert_eq!(
        (problem.status, problem.detail.as_str()),
        (404, "`203.0.113.7` is not banned")
    );
    client.ban(&ban("203.0.113.0/24", None)).unwrap();
    let problem = refused(client.lift("203.0.113.7"));
    assert!(
        problem.detail.ends_with("it is in `203.0.113.0/24`"),
        "{problem:?}"
    );
    let problem = refused(client.lift("a b&c=%"));
    assert!(
        problem.detail.contains("`a b&c=%`"),
        "escaped on the way: {problem:?}"
    );
}

#[test]
fn bans_from_files_stay() {
    let given = given();
    let file = kernel::FileBan {
        target: "198.51.100.0/24".parse().unwrap(),
        reason: "list".into(),
    };
    given.instance.bans.replace_file_bans(&[file]).unwrap();
    let client = &given.client;
    assert!(client.bans().unwrap().bans[0].from_file);
    assert_eq!(refused(client.lift("198.51.100.0/24")).status, 409);
    let again = client.ban(&ban("198.51.100.0/24", Some(5))).unwrap();
    assert_eq!(again.result, BanResult::InFile);
    assert_eq!(client.flush().unwrap().kept, 1);
}

#[test]
fn lists_are_loaded_shown_and_unloaded() {
    let given = given();
    let client = &given.client;
    let text = b"203.0.113.1 # worst\n203.0.113.2\n".to_vec();
    let loaded = client.load_ban_list("partners", text).unwrap();
    assert_eq!((loaded.bans, loaded.added), (2, 2));
    let lists = client.ban_lists().unwrap();
    assert_eq!((lists.bans, lists.lists[0].kind.as_str()), (2, "loaded"));
    let shown = client.ban_of("203.0.113.1").unwrap();
    assert_eq!(shown.bans[0].source.as_deref(), Some("partners"));
    assert_eq!(shown.bans[0].reason, "worst");

    let bad = refused(client.load_ban_list("partners", b"203.0.113.1\nwhat\n".to_vec()));
    assert_eq!(bad.status, 400);
    assert!(
        bad.detail.starts_with("partners:2: `what` is no"),
        "{bad:?}"
    );
    let bad = refused(client.load_ban_list("partners", vec![b'1', 0xff]));
    assert!(bad.detail.contains("not UTF-8 at offset 1"), "{bad:?}");
    let many = (1..=4).map(|n| format!("198.51.100.{n}\n"));
    let full = refused(client.load_ban_list("many", many.collect::<String>().into()));
    assert_eq!(full.status, 507);
    assert_eq!(refused(client.load_ban_list("", Vec::new())).status, 400);
    assert_eq!(client.ban_lists().unwrap().bans, 2);

    assert_eq!(client.unload_ban_list("partners").unwrap().removed, 2);
    assert_eq!(refused(client.unload_ban_list("partners")).status, 404);
}

#[test]
fn an_address_is_shown_with_what_concerns_it() {
    let given = given();
    let client = &given.client;
    client.ban(&ban("203.0.113.7", Some(600))).unwrap();
    client.ban(&ban("203.0.113.0/24", None)).unwrap();
    let shown = client.ban_of("203.0.113.7").unwrap();
    assert!(shown.banned && !shown.allowed && !shown.in_kernel);
    let targets: Vec<&str> = shown.bans.iter().map(|ban| ban.target.as_str()).collect();
    assert_eq!(targets, ["203.0.113.7", "203.0.113.0/24"]);
    assert_eq!(
        (shown.bans[0].reason.as_str(), shown.bans[0].packets),
        ("scanner", 0)
    );
    assert!(!client.ban_of("203.0.114.7").unwrap().banned);

    let allowed = ["203.0.113.7/32".parse().unwrap()];
    given.instance.bans.set_allowed(&allowed);
    let shown = client.ban_of("::ffff:203.0.113.7").unwrap();
    assert!(shown.allowed && !shown.banned && shown.bans.len() == 2);
    assert_eq!(shown.address, "203.0.113.7");
    let refused = client.ban_of("203.0.113.0/24").unwrap_err().to_string();
    assert!(refused.contains("is no address"), "{refused}");
}

#[test]
fn metrics_tell_of_lists_floods_and_samples() {
    let given = given();
    let client = &given.client;
    let text = b"203.0.113.1\n203.0.113.2\n".to_vec();
    client.load_ban_list("partners", text).unwrap();
    given.instance.packets.lock().unwrap().push(CounterSample {
        reason: PacketReason::Pass,
        packets: 1,
        bytes: 60,
    });
    let metrics = client.metrics().unwrap();
    for line in [
        "bascule_ban_list_bans{list=\"partners\"} 2",
        "bascule_ban_list_failing{list=\"partners\"} 0",
        "bascule_xdp_flood 1",
        "bascule_xdp_floods_total 3",
        "bascule_xdp_samples_total 9",
        "bascule_xdp_samples_lost_total 2",
    ] {
        assert!(
            metrics.lines().any(|found| found == line),
            "{line}: {metrics}"
        );
    }
}

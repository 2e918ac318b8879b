//! Sources that change, fail and come back.

use super::fetch::{FetchError, Fetched, Validators};
use super::*;
use config::{Config, Host};
use kernel::BanLimits;
use rustls::RootCertStore;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, TcpListener};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;
use tempfile::TempDir;

fn bans() -> Bans {
    Bans::new(BanLimits {
        addresses: 100,
        prefixes: 100,
    })
}

fn lists(bans: &Bans, folder: Option<&Path>) -> BanLists {
    let client = Client::new(RootCertStore::empty());
    BanLists::with_client(bans.clone(), folder.map(Path::to_owned), client)
}

fn kernel(folder: &Path, bans: &str) -> Kernel {
    let text = format!(
        "listeners: [{{ address: 127.0.0.1:8080 }}]\n\
         routes: [{{ path: /, upstream: app }}]\n\
         upstreams: {{ app: {{ endpoints: [127.0.0.1:9001] }} }}\n\
         kernel: {{ interfaces: [eth0], bans: {bans} }}\n"
    );
    let name = folder.join("bascule.yaml");
    let loaded = Config::parse(&name.to_string_lossy(), &text, &Host).unwrap();
    loaded.config.kernel.unwrap()
}

fn is_banned(bans: &Bans, address: &str) -> bool {
    bans.contains(address.parse::<IpAddr>().unwrap())
}

/// Waits for what other threads do, for ten seconds at most.
fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(10);
    while !is_so() {
        assert!(Instant::now() < until, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A server that gives one answer after the other, the last one again and again; the heads of the requests come out.
fn serving(answers: Vec<String>) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/lists/bad.txt", listener.local_addr().unwrap());
    let (heads, received) = channel();
    std::thread::spawn(move || {
        for index in 0.. {
            let Ok((stream, _)) = listener.accept() else {
                return;
            };
            let lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            let answer = answers.get(index).or(answers.last()).unwrap();
            let _ = (&stream).write_all(answer.as_bytes());
            if heads.send(head.join("\n")).is_err() {
                return;
            }
        }
    });
    (url, received)
}

fn answer(head: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {head}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")
}

#[tokio::test]
async fn files_are_followed_as_they_change_come_and_go() {
    let folder = TempDir::new().unwrap();
    let file = |name: &str| folder.path().join(name);
    fs::write(file("a.txt"), "203.0.113.1\n").unwrap();
    let bans = bans();
    let lists = lists(&bans, None);
    let kernel = kernel(folder.path(), "{ files: ['*.txt'] }");
    lists.follow(Some(&kernel)).unwrap();
    assert!(is_banned(&bans, "203.0.113.1"));

    let (seen, path) = (bans.clone(), folder.path().to_owned());
    tokio::task::spawn_blocking(move || {
        let file = |name: &str| path.join(name);
        std::thread::sleep(Duration::from_millis(700));
        fs::write(file("b.txt"), "203.0.113.2 # new\n").unwrap();
        wait_for("a file that came", || is_banned(&seen, "203.0.113.2"));
        // A file that is wrong changes nothing, for any file.
        fs::write(file("a.txt"), "203.0.113.9\nnonsense\n").unwrap();
        std::thread::sleep(Duration::from_millis(1500));
        assert!(is_banned(&seen, "203.0.113.1") && !is_banned(&seen, "203.0.113.9"));
        fs::write(file("a.txt"), "203.0.113.3\n").unwrap();
        wait_for("a file that was put right", || {
            is_banned(&seen, "203.0.113.3")
        });
        assert!(!is_banned(&seen, "203.0.113.1"));
        fs::remove_file(file("b.txt")).unwrap();
        wait_for("a file that went", || !is_banned(&seen, "203.0.113.2"));
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_url_is_fetched_once_and_then_asked_for_changes() {
    let folder = TempDir::new().unwrap();
    let (url, heads) = serving(vec![
        answer("200 OK\r\nETag: \"one\"", "203.0.113.1\n"),
        answer("304 Not Modified", ""),
        answer("500 Oops", ""),
        answer("200 OK\r\nETag: \"two\"", "203.0.113.2\n"),
        answer("200 OK\r\nETag: \"bad\"", "203.0.113.3\nnonsense\n"),
    ]);
    let bans = bans();
    let first = lists(&bans, Some(folder.path()));
    let kernel = kernel(
        folder.path(),
        &format!("{{ urls: [{{ url: '{url}', interval: 1s }}] }}"),
    );
    first.follow(Some(&kernel)).unwrap();
    let (seen, watched, path) = (bans.clone(), first.clone(), folder.path().to_owned());
    let told = tokio::task::spawn_blocking(move || {
        let next = || heads.recv_timeout(Duration::from_secs(10)).unwrap();
        assert!(!next().contains("if-none-match"));
        wait_for("the first list", || is_banned(&seen, "203.0.113.1"));
        assert!(next().contains("if-none-match: \"one\""));
        assert!(
            next().contains("if-none-match: \"one\""),
            "what failed is tried again"
        );
        assert!(is_banned(&seen, "203.0.113.1"));
        assert!(next().contains("if-none-match: \"one\""));
        wait_for("the second list", || is_banned(&seen, "203.0.113.2"));
        assert!(!is_banned(&seen, "203.0.113.1"));
        assert!(next().contains("if-none-match: \"two\""));
        let error = || watched.status()[0].error.clone();
        wait_for("what is wrong with the third", || error().is_some());
        assert!(is_banned(&seen, "203.0.113.2") && !is_banned(&seen, "203.0.113.3"));
        // The one that was wrong did not take the place of the good one on disk either.
        assert_eq!(fs::read_dir(path).unwrap().count(), 1);
        error().unwrap()
    });
    let told = told.await.unwrap();
    assert!(
        told.contains(&format!("{url}:2: `nonsense` is no address")),
        "{told}"
    );
    first.pause();

    // The next process has the last good list before it asks anybody.
    let again = self::bans();
    let second = lists(&again, Some(folder.path()));
    second.follow(Some(&kernel)).unwrap();
    second.pause();
    assert!(is_banned(&again, "203.0.113.2"));
    let status = second.status();
    assert_eq!((status[0].kind.as_str(), status[0].bans), ("url", 1));
    // No longer configured: its bans are gone.
    second.follow(None).unwrap();
    assert!(!is_banned(&again, "203.0.113.2"));
}

#[tokio::test]
async fn what_is_no_list_is_refused_with_what_was_expected() {
    let client = Client::new(RootCertStore::empty());
    let second = Duration::from_secs(1);
    for (reply, words) in [
        (
            answer("404 Not Found", ""),
            "expected status 200, found 404",
        ),
        (
            answer("302 Found\r\nLocation: http://elsewhere/", ""),
            "a redirection to `http://elsewhere/`",
        ),
        (
            answer("200 OK", "203.0.113.1\n203.0.113.2\n"),
            "at most 20 bytes",
        ),
        // Without having asked for changes nothing can be unchanged.
        (answer("304 Not Modified", ""), "found 304"),
    ] {
        let (url, _heads) = serving(vec![reply]);
        let fetched = client.get(&url, &Validators::default(), 20, second).await;
        let error = fetched.unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    let slow = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", slow.local_addr().unwrap());
    let known = Validators::default();
    let fetched = client
        .get(&url, &known, 20, Duration::from_millis(100))
        .await;
    assert!(matches!(fetched, Err(FetchError::Timeout(_))));
    let (url, _heads) = serving(vec![answer("200 OK\r\nLast-Modified: today", "")]);
    let fetched = client.get(&url, &known, 20, second).await.unwrap();
    let validators = Validators {
        etag: None,
        last_modified: Some("today".to_owned()),
    };
    let text = String::new();
    assert_eq!(fetched, Fetched::List { text, validators });
}

#[test]
fn lists_are_loaded_by_name_and_stay() {
    let folder = TempDir::new().unwrap();
    let first = bans();
    let sources = lists(&first, Some(folder.path()));
    sources.follow(None).unwrap();
    sources
        .load("one", "203.0.113.1\n203.0.113.2 # worse\n")
        .unwrap();
    let (count, change) = sources.load("two", "203.0.113.2\n203.0.113.3\n").unwrap();
    assert_eq!((count, change.added, change.removed), (2, 1, 0));
    let (_, change) = sources.load("one", "203.0.113.1\n").unwrap();
    assert_eq!(
        (change.added, change.removed),
        (0, 0),
        "the other list has it"
    );
    let error = sources
        .load("one", "203.0.113.7\n10.1.2.3/8\n")
        .unwrap_err();
    assert!(
        error.to_string().contains("one:2: `10.1.2.3/8` has bits"),
        "{error}"
    );
    assert!(is_banned(&first, "203.0.113.1") && !is_banned(&first, "203.0.113.7"));
    let many: String = (0..101).map(|n| format!("198.51.100.{n}\n")).collect();
    let error = sources.load("many", &many).unwrap_err();
    assert!(
        error.to_string().contains("`kernel.bans.limit_addresses`"),
        "{error}"
    );
    assert!(is_banned(&first, "203.0.113.3"));
    for name in ["", "a/b", &"x".repeat(65)] {
        assert!(matches!(sources.load(name, ""), Err(ListError::Name(_))));
    }

    let again = bans();
    let sources = lists(&again, Some(folder.path()));
    sources.follow(None).unwrap();
    for address in ["203.0.113.1", "203.0.113.2", "203.0.113.3"] {
        assert!(is_banned(&again, address), "{address}");
    }
    sources.unload("two").unwrap();
    assert!(!is_banned(&again, "203.0.113.3"));
    assert!(matches!(sources.unload("two"), Err(ListError::Unknown(_))));
    let last = bans();
    lists(&last, Some(folder.path())).follow(None).unwrap();
    assert!(is_banned(&last, "203.0.113.1") && !is_banned(&last, "203.0.113.3"));
}

#[test]
fn pauses_grow_with_failures_up_to_the_interval() {
    let hour = Duration::from_secs(3600);
    let within = |failures, least, most| {
        let pause = follow::pause(hour, failures);
        assert!(pause > Duration::from_secs(least) && pause <= Duration::from_secs(most));
    };
    within(0, 3239, 3600);
    within(1, 2, 5);
    within(2, 4, 10);
    within(40, 1799, 3600);
    assert!(follow::pause(Duration::from_secs(1), 9) <= Duration::from_secs(1));
}

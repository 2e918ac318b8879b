//! Verbs that talk to a running instance: one that this test starts, on the loopback.

use crate::support::{Given, Ran, bascule, command, given};
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// How long a start or an end may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

struct Running {
    given: Given,
    config: String,
    port: u16,
    process: Child,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// An endpoint that says hello to everybody.
fn endpoint() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut buffer = [0; 4096];
            if stream.read(&mut buffer).is_ok() {
                let answer =
                    b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n";
                let _ = stream.write_all(answer);
            }
        }
    });
    port
}

fn configuration(port: u16, endpoint: u16) -> String {
    format!(
        "listeners: [{{ address: 127.0.0.1:{port} }}]
admin:     {{ socket: run/admin.sock }}
routes:    [{{ path: /, upstream: app }}]
upstreams: {{ app: {{ endpoints: [127.0.0.1:{endpoint}] }} }}
timeouts:  {{ drain: 2s }}
"
    )
}

fn start() -> Running {
    let given = given();
    let port = free_port();
    let config = given.file("bascule.yaml", &configuration(port, endpoint()));
    let process = command(&[
        "run",
        "--config",
        &config,
        "--io",
        "epoll",
        "--workers",
        "1",
    ])
    .stdout(Stdio::null())
    .stderr(fs::File::create(given.path("log")).unwrap())
    .spawn()
    .unwrap();
    let mut running = Running {
        given,
        config,
        port,
        process,
    };
    let started = Instant::now();
    while running.asked(&["status"]).code != Some(0) {
        let ended = running.process.try_wait().unwrap();
        let log = fs::read_to_string(running.given.path("log")).unwrap();
        assert!(
            ended.is_none() && started.elapsed() < PATIENCE,
            "{ended:?}\n{log}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    running
}

impl Running {
    fn asked(&self, verb: &[&str]) -> Ran {
        bascule(&[verb, &["--config", &self.config]].concat())
    }

    /// The answer to a request, empty where the connection is closed.
    fn get(&self) -> String {
        let mut answer = String::new();
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) {
            let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            let _ = stream.read_to_string(&mut answer);
        }
        answer
    }
}

#[test]
fn status_shows_endpoints_and_what_they_did() {
    let running = start();
    assert!(
        running.get().starts_with("HTTP/1.1 200 "),
        "{}",
        running.get()
    );
    let text = running.asked(&["status"]).exits(0).stdout;
    for words in [
        "serving, ready",
        "1 on epoll",
        "kernel path",
        "UPSTREAM",
        "round_robin",
        "up",
    ] {
        assert!(text.contains(words), "{words} in {text}");
    }
    let json = running.asked(&["status", "--json"]).exits(0).json();
    assert_eq!(json["state"], "serving");
    assert_eq!(json["pid"], running.process.id());
    let requests = &json["upstreams"][0]["endpoints"][0]["requests"];
    assert!(requests.as_u64().unwrap() >= 1, "{json}");
}

#[test]
fn a_banned_client_is_turned_away_until_the_ban_is_lifted() {
    let running = start();
    let added = running
        .asked(&[
            "ban",
            "add",
            "127.0.0.0/8",
            "--ttl",
            "10m",
            "--reason",
            "test",
        ])
        .exits(0);
    assert!(
        added.stdout.contains("127.0.0.0/8 is banned for 10m"),
        "{}",
        added.stdout
    );
    assert!(!running.get().contains("hello"));
    let list = running.asked(&["ban", "list"]).exits(0).stdout;
    assert!(
        list.contains("127.0.0.0/8") && list.contains("test"),
        "{list}"
    );
    running
        .asked(&["ban", "del", "127.0.0.1"])
        .exits(1)
        .says("it is in `127.0.0.0/8`");
    running.asked(&["ban", "del", "127.0.0.0/8"]).exits(0);
    assert!(running.get().contains("hello"));

    running.asked(&["ban", "add", "192.0.2.1"]).exits(0);
    running
        .asked(&["ban", "add", "10.1.2.3/8"])
        .exits(1)
        .says("write `10.0.0.0/8`");
    let flushed = running.asked(&["ban", "flush", "--json"]).exits(0).json();
    assert_eq!(flushed["lifted"], 1);
    assert_eq!(running.asked(&["ban", "list"]).stdout, "nobody is banned\n");
}

#[test]
fn a_reload_is_whole_or_not_at_all() {
    let running = start();
    let (before, other) = (fs::read_to_string(&running.config).unwrap(), endpoint());
    let with_other = configuration(running.port, other);
    // The instance reloads by itself when it sees the file change; either way the new endpoint is in force afterwards.
    fs::write(&running.config, &with_other).unwrap();
    running.asked(&["reload"]).exits(0);
    let status = running.asked(&["status", "--json"]).exits(0).json();
    let address = format!("127.0.0.1:{other}");
    assert_eq!(status["upstreams"][0]["endpoints"][0]["address"], address);
    assert!(running.get().contains("hello"));

    fs::write(
        &running.config,
        before.replace("upstream: app", "upstream: appp"),
    )
    .unwrap();
    let socket = running.given.path("run/admin.sock");
    let refused = bascule(&["reload", "--socket", &socket]).exits(3);
    assert!(
        refused.stderr.contains("bascule.yaml:3:"),
        "{}",
        refused.stderr
    );
    assert!(
        refused.stderr.contains("the earlier one stays in force"),
        "{}",
        refused.stderr
    );
    assert!(running.get().contains("hello"));
}

#[test]
fn a_drain_ends_the_process_in_order() {
    let mut running = start();
    let socket = running.given.path("run/admin.sock");
    let drained = bascule(&["drain", "--wait", "--socket", &socket]).exits(0);
    assert_eq!(drained.stdout, "ended\n");
    let status = running.process.wait().unwrap();
    assert!(status.success(), "{status}");
    assert!(!std::path::Path::new(&socket).exists());
    running.asked(&["status"]).exits(4);
}

#[test]
fn a_second_instance_does_not_take_the_socket_of_the_first() {
    let running = start();
    let other =
        configuration(free_port(), 9).replace("run/", &format!("{}/", running.given.path("run")));
    let config = running.given.file("second.yaml", &other);
    bascule(&["run", "--config", &config])
        .exits(1)
        .says("another bascule answers on");
    running.asked(&["status"]).exits(0);
}

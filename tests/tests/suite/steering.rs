//! A new connection goes to the worker with the least load. Where the host does not admit the program that chooses, the kernel's
//! hash does, and the program says why.

use bascule_tests::{Bascule, Client, Io, Origin, Setup, eventually, on_both_drivers};

const WORKERS: usize = 4;

const ONE: &str = "
    timeouts: { drain: 1s }
    routes: [{ name: app, path: /, upstream: app }]
    upstreams: { app: { endpoints: [$app] } }
";

fn start(io: Io, origin: &Origin, yaml: &str) -> Bascule {
    Setup::new()
        .io(io)
        .workers(WORKERS)
        .with("app", origin.address())
        .start(yaml)
}

#[track_caller]
fn status(bascule: &Bascule) -> serde_json::Value {
    let told = bascule.command(&["status", "--json", "--socket", "admin.sock"]);
    serde_json::from_str(&told.stdout).unwrap_or_else(|error| panic!("{error}: {told:?}"))
}

/// Whether the host admits the program; says why not where it does not.
fn steers(bascule: &Bascule) -> bool {
    let status = status(bascule);
    let steering = status["steering"].as_str().unwrap();
    if !steering.starts_with("least loaded worker") {
        eprintln!("skipped: {steering}");
        return false;
    }
    true
}

/// Opens so many connections, each of which has had an answer.
fn connect(bascule: &Bascule, count: usize) -> Vec<Client> {
    (0..count)
        .map(|_| {
            let mut client = bascule.client();
            assert_eq!(client.get("/").status, 200);
            client
        })
        .collect()
}

fn connections(bascule: &Bascule) -> Vec<u64> {
    let status = status(bascule);
    let loads = status["loads"].as_array().unwrap();
    let connections = loads.iter().map(|load| load["connections"].as_u64());
    connections.map(Option::unwrap).collect()
}

on_both_drivers! {
    /// Connections that stay open are spread evenly, and so it stays after an upgrade, and with a listener that a reload brings.
    fn workers_have_equally_many_connections(io) {
        let origin = Origin::echo();
        let mut bascule = start(io, &origin, ONE);
        if !steers(&bascule) {
            return;
        }
        // How busy a worker is counts too, so a few more or less are as they should be.
        let spread_evenly = |bascule: &Bascule, count: u64| {
            let found = connections(bascule);
            assert_eq!(found.iter().sum::<u64>(), count, "{found:?}");
            let fair = count / WORKERS as u64;
            assert!(found.iter().all(|&one| one.abs_diff(fair) <= fair / 2), "{found:?}");
        };
        let kept = connect(&bascule, 80);
        spread_evenly(&bascule, 80);
        let upgraded = bascule.upgrade(&[]);
        assert_eq!(upgraded.code, Some(0), "{upgraded:?}");
        assert!(steers(&bascule), "the next process has taken the sockets over");
        let kept = (connect(&bascule, 80), kept);
        spread_evenly(&bascule, 80);
        drop(kept);
        eventually("closed connections count no more", || connections(&bascule) == [0; WORKERS]);
        bascule.rewrite(&format!("{ONE}    listeners: [{{ name: web, address: $web }}, {{ name: more, address: $more }}]"));
        let reloaded = bascule.command(&["reload", "--socket", "admin.sock"]);
        assert_eq!(reloaded.code, Some(0), "{reloaded:?}");
        assert_eq!(status(&bascule)["steering"], "least loaded worker, 2 listeners");
    }
}

/// Who wants the kernel's hash has it, and everything else as before.
#[test]
fn the_hash_can_be_asked_for() {
    let origin = Origin::echo();
    let bascule = start(Io::Epoll, &origin, &format!("    steering: hash{ONE}"));
    assert_eq!(
        status(&bascule)["steering"],
        "kernel's hash: `steering: hash`"
    );
    let kept = connect(&bascule, 40);
    eventually("every connection is counted", || {
        connections(&bascule).iter().sum::<u64>() == 40
    });
    drop(kept);
    let one = Setup::new()
        .workers(1)
        .with("app", origin.address())
        .start(ONE);
    assert_eq!(
        status(&one)["steering"],
        "kernel's hash: there is one worker"
    );
}

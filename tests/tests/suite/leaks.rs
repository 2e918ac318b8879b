//! Nothing is left of what is over: connections, files, memory.

use crate::before;
use bascule_tests::{Bascule, Client, Origin, Reply, eventually, on_both_drivers, request};
use std::time::Duration;

/// Waits until the program has as few files open as before; connections to endpoints may be kept.
#[track_caller]
fn gives_back(bascule: &Bascule, before: usize, kept: usize) {
    eventually("files are closed", || bascule.open_files() <= before + kept);
}

on_both_drivers! {
    /// A thousand connections at once are served, and gone afterwards.
    fn a_thousand_connections(io) {
        let origin = Origin::named("ok");
        let bascule = before(io, &origin);
        assert_eq!(bascule.client().get("/").status, 200);
        let files = bascule.open_files();
        let mut clients: Vec<Client> = (0..1000).map(|_| bascule.client()).collect();
        for client in &mut clients {
            client.send(request("GET", "/", &[], b""));
        }
        clients.iter_mut().for_each(|client| assert_eq!(client.answer().status, 200));
        bascule.wait_for_metric("bascule_connections", &[("listener", "web")], 1000.0);
        drop(clients);
        bascule.wait_for_metric("bascule_connections", &[("listener", "web")], 0.0);
        // Idle connections to the endpoint stay, up to the pool of each worker.
        gives_back(&bascule, files, 2 * 256);
        assert!(origin.open() <= 2 * 256, "{}", origin.open());
    }

    /// Connections that end badly, on either side, are gone afterwards too.
    fn broken_connections(io) {
        let origin = Origin::serve(|seen| match seen.target.as_str() {
            "/cut" => Reply::raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart").and_close(),
            "/slow" => {
                std::thread::sleep(Duration::from_millis(300));
                Reply::status(200, &[("Connection", "close")], "late").and_close()
            }
            _ => Reply::status(200, &[("Connection", "close")], "fine").and_close(),
        });
        let bascule = before(io, &origin);
        assert_eq!(bascule.client().get("/").status, 200);
        let files = bascule.open_files();
        for round in 0..60 {
            let mut client = bascule.client();
            client.send(request("GET", ["/cut", "/slow", "/"][round % 3], &[], b""));
            match round % 4 {
                0 => client.reset(),
                1 => drop(client),
                2 => drop(client.try_answer("GET")),
                _ => client.wire().end_sending(),
            }
        }
        bascule.wait_for_metric("bascule_connections", &[("listener", "web")], 0.0);
        gives_back(&bascule, files, 0);
        bascule.wait_for_metric("bascule_endpoint_in_flight", &[("upstream", "app")], 0.0);
    }
}

#[test]
fn reloads_leave_nothing_behind() {
    let origin = Origin::named("ok");
    let mut bascule = before(bascule_tests::Io::Epoll, &origin);
    let yaml = |limit: usize| {
        format!(
            "limits: {{ header_count: {limit} }}\n{}",
            crate::outdented(crate::ONE_ROUTE)
        )
    };
    bascule.reload(&yaml(50));
    let files = bascule.open_files();
    let memory = bascule.peak_memory();
    for round in 0..50 {
        bascule.reload(&yaml(51 + round));
        assert_eq!(bascule.client().get("/").status, 200);
    }
    gives_back(&bascule, files, 2);
    let grown = bascule.peak_memory() - memory;
    assert!(
        grown < 16 << 20,
        "{} KiB more after 50 reloads",
        grown >> 10
    );
}

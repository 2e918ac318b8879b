//! The end of the process: what is under way is finished, nothing new is let in.

use crate::{before, given};
use bascule_tests::{Bascule, Client, Origin, Reply, eventually, on_both_drivers, request};
use rustix::process::Signal;
use std::time::{Duration, Instant};

fn slow(delay: Duration) -> Origin {
    Origin::serve(move |seen| {
        if seen.target == "/slow" {
            std::thread::sleep(delay);
        }
        Reply::ok("whole")
    })
}

/// A request that is under way at its endpoint.
fn under_way(bascule: &Bascule, origin: &Origin) -> Client {
    let mut client = bascule.client();
    let before = origin.count();
    client.send(request("GET", "/slow", &[], b""));
    eventually("the request is at its endpoint", || origin.count() > before);
    client
}

on_both_drivers! {
    /// SIGTERM: the slow answer arrives, new connections are refused, idle ones end, and the exit code is 0.
    fn what_is_under_way_is_finished(io) {
        let origin = slow(Duration::from_millis(1500));
        let mut bascule = before(io, &origin);
        let mut idle = bascule.client();
        assert_eq!(idle.get("/").status, 200);
        let mut client = under_way(&bascule, &origin);
        bascule.signal(Signal::TERM);
        eventually("new connections are refused", || Client::try_connect(bascule.address("web")).is_err());
        assert!(idle.is_closed());
        let ready = bascule.admin().get("/readyz");
        assert_eq!((ready.status, ready.text().as_str()), (503, "draining\n"));
        let answer = client.answer();
        assert_eq!((answer.text().as_str(), answer.says_close() || client.is_closed()), ("whole", true));
        assert_eq!(bascule.wait_for_end(Duration::from_secs(5)).code(), Some(0));
        let lines = bascule.access_log().lines();
        assert_eq!(lines.iter().filter(|line| line["status"] == 200).count(), 2, "the last lines are written: {lines:?}");
    }

    /// What takes longer than the drain may is cut.
    fn patience_has_an_end(io) {
        let origin = slow(Duration::from_secs(8));
        let mut bascule = given(io, &origin, "timeouts: { drain: 500ms }");
        let mut client = under_way(&bascule, &origin);
        let began = Instant::now();
        bascule.signal(Signal::TERM);
        assert_eq!(bascule.wait_for_end(Duration::from_secs(5)).code(), Some(0));
        assert!(began.elapsed() >= Duration::from_millis(400), "{:?}", began.elapsed());
        assert!(client.try_answer("GET").is_err());
    }
}

#[test]
fn without_connections_the_end_comes_at_once() {
    let origin = Origin::echo();
    let mut bascule = before(bascule_tests::Io::Epoll, &origin);
    assert_eq!(bascule.client().get("/").status, 200);
    bascule.signal(Signal::INT);
    assert_eq!(bascule.wait_for_end(Duration::from_secs(3)).code(), Some(0));
    assert!(
        !bascule.path("admin.sock").exists(),
        "the admin socket is removed"
    );
}

//! What happens on connections while nobody reads from them: waiting clients that leave, kept endpoints that speak or close.

use crate::{before, given};
use bascule_tests::{Origin, Reply, eventually, on_both_drivers, request};
use std::thread::sleep;
use std::time::Duration;

on_both_drivers! {
    /// An endpoint that thinks for ever is let go when nobody waits for it any more.
    fn a_client_that_leaves_while_it_waits_frees_the_endpoint(io) {
        let origin = Origin::talk(|conversation| {
            conversation.request()?;
            let _ = conversation.wire.has_more();
            Ok(())
        });
        let bascule = given(io, &origin, "log: { access: access.json }");
        for (count, leave) in [(1, true), (2, false)] {
            let mut client = bascule.client();
            client.send(request("GET", "/", &[], b""));
            eventually("the endpoint has the request", || origin.count() == count);
            if leave { client.reset() } else { drop(client) }
            eventually("the endpoint is let go", || origin.open() == 0);
        }
        let lines = bascule.access_log().wait_for(2);
        assert!(lines.iter().all(|line| line["reason"] == "client_closed"), "{lines:#?}");
        bascule.wait_for_metric("bascule_endpoint_in_flight", &[("upstream", "app")], 0.0);
    }

    /// A client may close its sending side behind its request.
    fn a_client_that_has_said_everything_gets_its_answer(io) {
        let origin = Origin::serve(|_| {
            sleep(Duration::from_millis(300));
            Reply::ok("late")
        });
        let bascule = before(io, &origin);
        let mut client = bascule.client();
        client.send(request("GET", "/", &[], b""));
        client.wire().end_sending();
        assert_eq!(client.answer().text(), "late");
    }

    /// What an endpoint says unasked is no answer to the next request.
    fn bytes_that_nobody_asked_for_are_no_answer(io) {
        let origin = Origin::talk(|conversation| {
            while conversation.request()?.is_some() {
                conversation.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine")?;
                sleep(Duration::from_millis(50));
                conversation.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")?;
            }
            Ok(())
        });
        let bascule = before(io, &origin);
        let mut client = bascule.client();
        for method in ["GET", "POST", "GET"] {
            client.send(request(method, "/", &[], b""));
            assert_eq!(client.answer().text(), "fine", "{method}");
            sleep(Duration::from_millis(200));
        }
        assert_eq!(origin.accepted(), 3);
    }

    /// A kept connection that the endpoint closes is closed on our side as well.
    fn a_kept_connection_that_the_endpoint_closes_is_given_back(io) {
        let origin = Origin::talk(|conversation| {
            conversation.request()?;
            conversation.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine")?;
            sleep(Duration::from_millis(100));
            Ok(())
        });
        let bascule = before(io, &origin);
        bascule.wait_for_metric("bascule_connections", &[("listener", "web")], 0.0);
        let files = bascule.open_files();
        assert_eq!(bascule.client().get("/").status, 200);
        eventually("the connection is closed", || bascule.open_files() <= files);
    }
}

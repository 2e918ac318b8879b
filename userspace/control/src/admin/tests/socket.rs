use super::*;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;

impl Given {
    fn serve_again(&self, socket: &Path) -> Result<Admin<Pretended>, AdminError> {
        let bound = self
            .runtime
            .block_on(bind_to(socket, None, &mut Handed::default()))?;
        let _inside = self.runtime.enter();
        let admin = bound.serve();
        admin.speak_for(Arc::clone(&self.instance));
        Ok(admin)
    }
}

#[test]
fn only_the_owner_can_open_it() {
    let given = given();
    let mode = fs::metadata(given.client.socket())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_socket_that_somebody_answers_on_is_left_alone() {
    let given = given();
    let error = given.serve_again(given.client.socket()).err().unwrap();
    assert!(
        error.to_string().contains("another bascule answers"),
        "{error}"
    );
    given.client.status().unwrap();
}

#[test]
fn a_socket_of_the_dead_is_replaced() {
    let given = given();
    let socket = given.folder.path().join("stale.sock");
    drop(UnixListener::bind(&socket).unwrap());
    let _admin = given.serve_again(&socket).unwrap();
    Client::new(socket).status().unwrap();
}

#[test]
fn a_file_of_the_name_is_not_touched() {
    let given = given();
    let path = given.folder.path().join("notes.txt");
    fs::write(&path, "mine").unwrap();
    let error = given.serve_again(&path).err().unwrap();
    assert!(error.to_string().contains("is no socket"), "{error}");
    assert_eq!(fs::read_to_string(path).unwrap(), "mine");
}

#[test]
fn an_end_removes_the_file_but_not_that_of_a_successor() {
    let mut given = given();
    let socket = given.client.socket().to_owned();
    fs::remove_file(&socket).unwrap();
    let successor = given.serve_again(&socket).unwrap();
    drop(given.admin.take());
    given.client.status().unwrap();
    drop(successor);
    assert!(!socket.exists());
    match given.client.status() {
        Err(ClientError::NotRunning { .. }) => {}
        other => panic!("{other:?}"),
    }
}

/// Rules may take seconds to compile: a probe that comes before is answered, not kept waiting.
#[test]
fn a_start_is_told_to_who_asks() {
    let given = given();
    let socket = given.folder.path().join("early.sock");
    let bound = given
        .runtime
        .block_on(bind_to(&socket, None, &mut Handed::default()))
        .unwrap();
    let inside = given.runtime.enter();
    let admin = bound.serve();
    drop(inside);
    let early = Given {
        client: Client::new(socket),
        admin: None,
        ..given
    };
    let ask = |path| {
        early.raw(&format!(
            "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        ))
    };
    assert!(ask("/healthz").starts_with("HTTP/1.1 200 "));
    let answer = ask("/readyz");
    assert!(
        answer.starts_with("HTTP/1.1 503 ") && answer.ends_with("starting\n"),
        "{answer}"
    );
    assert!(ask("/metrics").starts_with("HTTP/1.1 503 "));
    let error = early.client.status().unwrap_err().to_string();
    assert!(error.contains("is starting"), "{error}");
    admin.speak_for(Arc::clone(&early.instance));
    assert!(ask("/readyz").starts_with("HTTP/1.1 200 "));
    early.client.status().unwrap();
}

#[test]
fn an_address_that_is_taken_is_named() {
    let given = given();
    let socket = given.folder.path().join("second.sock");
    let bound = given.runtime.block_on(bind_to(
        &socket,
        Some(given.address),
        &mut Handed::default(),
    ));
    let error = bound.err().unwrap().to_string();
    assert!(
        error.contains(&format!("admin.address {}", given.address)),
        "{error}"
    );
}

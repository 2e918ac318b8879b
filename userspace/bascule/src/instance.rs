//! Finds the running instance.

use crate::arguments::Place;
use config::Config;
use control::admin::socket_path;
use control::client::Client;

/// The client of the instance that was named: by its socket, or by its configuration.
pub(crate) fn client(place: &Place) -> Client {
    let socket = place.socket.clone().unwrap_or_else(|| {
        let path = &place.file.config;
        // A configuration that is broken at the moment must not keep anybody from asking the instance that runs: then
        // the usual place is tried.
        let admin = Config::load(path).map(|loaded| loaded.config.admin);
        socket_path(path, &admin.unwrap_or_default())
    });
    Client::new(socket)
}

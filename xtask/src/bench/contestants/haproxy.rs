//! HAProxy.

use super::{Listens, POOL, Place, Recipe, Rules, on_its_core};
use crate::bench::host;
use crate::failure::{Outcome, at};
use crate::run;
use std::fs;

pub(super) fn recipe(place: &Place, _: &'static str, _: Rules) -> Outcome<Option<Recipe>> {
    let Some(program) = run::find("haproxy") else {
        return Ok(None);
    };
    let listens = Listens::choose()?;
    // It wants the certificate and its key in one file.
    let read = |path| fs::read_to_string(path).map_err(at(path));
    let both = read(&place.certificate)? + &read(&place.key)?;
    let both = place.write("haproxy.pem", &both)?;
    let text = configuration(place, listens, &both.display().to_string());
    let file = place.write("haproxy.cfg", &text)?;
    let mut command = on_its_core(place, &program);
    command.args(["-db", "-f"]).arg(file);
    Ok(Some(Recipe {
        version: host::version("haproxy", "-v"),
        listens,
        command,
        is_ready: |_, _| true,
    }))
}

fn configuration(place: &Place, Listens { plain, tls }: Listens, certificate: &str) -> String {
    format!(
        "\
global
    nbthread 1
    maxconn 8192
    ssl-default-bind-options ssl-min-ver TLSv1.3

defaults
    mode http
    no log
    maxconn 8192
    timeout connect 3s
    timeout client 75s
    timeout server 60s
    timeout http-request 15s
    timeout http-keep-alive 75s
    option http-keep-alive
    option forwardfor
    http-reuse always

frontend web
    bind {plain} backlog 4096
    bind {tls} backlog 4096 ssl crt {certificate} alpn http/1.1
    http-request set-header X-Forwarded-Proto https if {{ ssl_fc }}
    http-request set-header X-Forwarded-Proto http if !{{ ssl_fc }}
    http-request set-header X-Forwarded-Host %[req.hdr(host)]
    http-request set-header X-Request-Id %[uuid()]
    default_backend app

backend app
    server app {backend} pool-max-conn {POOL} pool-purge-delay 60s
",
        backend = place.backend,
    )
}

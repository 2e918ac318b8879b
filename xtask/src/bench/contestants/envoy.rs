//! Envoy.

use super::{Listens, Place, Recipe, Rules, on_its_core};
use crate::bench::host;
use crate::failure::Outcome;
use crate::{run, tree};
use std::net::SocketAddr;
use std::path::PathBuf;

pub(super) fn recipe(place: &Place, _: &'static str, _: Rules) -> Outcome<Option<Recipe>> {
    let Some(program) = program() else {
        return Ok(None);
    };
    let listens = Listens::choose()?;
    let file = place.write("envoy.yaml", &configuration(place, listens))?;
    let mut command = on_its_core(place, &program);
    command
        .args(["--concurrency", "1", "--disable-hot-restart"])
        .args(["--log-level", "error", "--config-path"])
        .arg(file);
    Ok(Some(Recipe {
        version: version(&program.to_string_lossy()),
        listens,
        command,
        is_ready: |_, _| true,
    }))
}

/// In PATH, or where `xtask setup` puts it.
fn program() -> Option<PathBuf> {
    let own = tree::tools().join("python/bin/envoy");
    run::find("envoy").or_else(|| run::is_program(&own).then_some(own))
}

/// `…/envoy  version: <commit>/1.40.0/Clean/RELEASE/BoringSSL` without the place and the commit.
fn version(program: &str) -> String {
    let line = host::version(program, "--version");
    let number = line.split('/').rev().nth(3).unwrap_or(&line);
    format!("Envoy {number}")
}

fn configuration(place: &Place, Listens { plain, tls }: Listens) -> String {
    let transport_socket = format!(
        "
      transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          common_tls_context:
            alpn_protocols: [http/1.1]
            tls_params: {{ tls_minimum_protocol_version: TLSv1_3, tls_maximum_protocol_version: TLSv1_3 }}
            tls_certificates:
            - certificate_chain: {{ filename: \"{}\" }}
              private_key: {{ filename: \"{}\" }}",
        place.certificate.display(),
        place.key.display(),
    );
    format!(
        "\
static_resources:
  listeners:
{}{}  clusters:
  - name: app
    type: STATIC
    connect_timeout: 3s
    circuit_breakers:
      thresholds:
      - {{ max_connections: 8192, max_pending_requests: 8192, max_requests: 8192 }}
    load_assignment:
      cluster_name: app
      endpoints:
      - lb_endpoints:
        - endpoint: {{ address: {{ socket_address: {{ address: {}, port_value: {} }} }} }}
",
        listener("plain", plain, ""),
        listener("tls", tls, &transport_socket),
        place.backend.ip(),
        place.backend.port(),
    )
}

/// Envoy adds X-Forwarded-For, X-Forwarded-Proto and X-Request-Id by itself.
fn listener(name: &str, address: SocketAddr, transport_socket: &str) -> String {
    format!(
        "  - name: {name}
    address: {{ socket_address: {{ address: {}, port_value: {} }} }}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          \"@type\": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: {name}
          codec_type: HTTP1
          use_remote_address: true
          common_http_protocol_options: {{ idle_timeout: 75s }}
          route_config:
            virtual_hosts:
            - name: all
              domains: [\"*\"]
              routes: [{{ match: {{ prefix: / }}, route: {{ cluster: app, timeout: 60s }} }}]
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{ \"@type\": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }}
{}
",
        address.ip(),
        address.port(),
        transport_socket.trim_start_matches('\n'),
    )
}

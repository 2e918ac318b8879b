//! nginx, and the same with ModSecurity.

use super::{Listens, POOL, Place, Recipe, Rules, on_its_core};
use crate::bench::host;
use crate::failure::Outcome;
use crate::run;
use crate::setup::NGINX_MODSECURITY;
use std::path::Path;

pub(super) fn recipe(place: &Place, name: &'static str, rules: Rules) -> Outcome<Option<Recipe>> {
    let Some(program) = run::find("nginx") else {
        return Ok(None);
    };
    if rules != Rules::None && !Path::new(NGINX_MODSECURITY).exists() {
        return Ok(None);
    }
    let listens = Listens::choose()?;
    let text = configuration(place, name, rules, listens);
    let file = place.write(&format!("{name}.conf"), &text)?;
    let mut command = on_its_core(place, &program);
    command
        .args(["-e", "stderr", "-p"])
        .arg(&place.folder)
        .arg("-c")
        .arg(file);
    Ok(Some(Recipe {
        version: host::version("nginx", "-v").replace("nginx version: ", ""),
        listens,
        command,
        is_ready: |_, _| true,
    }))
}

fn configuration(
    place: &Place,
    name: &str,
    rules: Rules,
    Listens { plain, tls }: Listens,
) -> String {
    // Only root may choose a user, and a worker of another user could not open files in our folder.
    let user = if run::is_root() { "user root;\n" } else { "" };
    let folder = place.folder.display();
    let (module, modsecurity) = match (rules, &place.crs) {
        (Rules::Crs, Some(file)) => (
            format!("load_module {NGINX_MODSECURITY};\n"),
            format!(
                "modsecurity on;\n    modsecurity_rules_file {};\n    ",
                file.display()
            ),
        ),
        _ => Default::default(),
    };
    format!(
        "\
{module}{user}daemon off;
worker_processes 1;
pid {folder}/{name}.pid;
error_log stderr crit;
events {{
    worker_connections 8192;
    use epoll;
}}
http {{
    {modsecurity}access_log off;
    server_tokens off;
    tcp_nodelay on;
    keepalive_timeout 75s;
    keepalive_requests 1000000000;
    client_body_temp_path {folder}/{name}-body;
    proxy_temp_path {folder}/{name}-proxy;
    fastcgi_temp_path {folder}/{name}-fastcgi;
    uwsgi_temp_path {folder}/{name}-uwsgi;
    scgi_temp_path {folder}/{name}-scgi;
    upstream backend {{
        server {backend};
        keepalive {POOL};
        keepalive_requests 1000000000;
        keepalive_timeout 60s;
    }}
    server {{
        listen {plain} reuseport backlog=4096;
        listen {tls} ssl reuseport backlog=4096;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        ssl_protocols TLSv1.3;
        location / {{
            proxy_pass http://backend;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-Host $http_host;
            proxy_set_header X-Request-Id $request_id;
            proxy_buffer_size 16k;
            proxy_buffers 8 32k;
            proxy_busy_buffers_size 64k;
            proxy_max_temp_file_size 0;
        }}
    }}
}}
",
        backend = place.backend,
        certificate = place.certificate.display(),
        key = place.key.display(),
    )
}

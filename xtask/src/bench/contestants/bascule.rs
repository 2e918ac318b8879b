//! bascule, once with each I/O driver.

use super::{Listens, POOL, Place, Recipe, on_its_core};
use crate::bench::host;
use crate::failure::Outcome;
use crate::tree;

pub(super) fn recipe(place: &Place, name: &'static str) -> Outcome<Option<Recipe>> {
    let program = tree::profile("dist").join("bascule");
    let listens = Listens::choose()?;
    let text = configuration(place, name, listens);
    let file = place.write(&format!("{name}.yaml"), &text)?;
    let mut command = on_its_core(place, &program);
    command.arg("run").arg("--config").arg(file);
    Ok(Some(Recipe {
        name,
        version: host::version(&program.to_string_lossy(), "--version"),
        listens,
        command,
    }))
}

fn configuration(place: &Place, name: &str, Listens { plain, tls }: Listens) -> String {
    let io = if name.contains("epoll") {
        "epoll"
    } else {
        "uring"
    };
    let (policies, policy) = if name.ends_with("-waf") {
        ("waf: { own: { rules: shipped } }\n", ", waf: own")
    } else {
        ("", "")
    };
    format!(
        "\
workers: 1
io: {io}
admin: {{ socket: {name}.sock }}
listeners:
  - {{ name: plain, address: \"{plain}\" }}
  - name: tls
    address: \"{tls}\"
    tls: {{ certificates: [{{ cert: {certificate}, key: {key} }}], policy: modern }}
limits: {{ requests_per_connection: 100000000 }}
{policies}routes: [{{ path: /{policy}, upstream: app }}]
upstreams: {{ app: {{ endpoints: [\"{backend}\"], pool: {{ idle_per_endpoint: {POOL} }} }} }}
log: {{ level: warn, access: off }}
",
        backend = place.backend,
        certificate = place.certificate.display(),
        key = place.key.display(),
    )
}

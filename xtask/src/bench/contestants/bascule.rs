//! bascule, once with each I/O driver, and with rules.

use super::{Listens, POOL, Place, Recipe, Rules, on_its_core};
use crate::bench::host;
use crate::failure::Outcome;
use crate::{run, tree};
use std::process::Command;

pub(super) fn recipe(place: &Place, name: &'static str, rules: Rules) -> Outcome<Option<Recipe>> {
    let program = tree::profile("dist").join("bascule");
    let listens = Listens::choose()?;
    let text = configuration(place, name, rules, listens);
    let file = place.write(&format!("{name}.yaml"), &text)?;
    let mut command = on_its_core(place, &program);
    command.arg("run").arg("--config").arg(file);
    Ok(Some(Recipe {
        version: host::version(&program.to_string_lossy(), "--version"),
        listens,
        command,
        is_ready: match rules {
            Rules::None => |_, _| true,
            Rules::Shipped | Rules::Crs => is_fast,
        },
    }))
}

/// Whether the rules are compiled in full; until then they serve on a slower path.
fn is_fast(place: &Place, name: &str) -> bool {
    let mut command = Command::new("curl");
    command
        .args(["--silent", "--max-time", "5", "--unix-socket"])
        .arg(place.folder.join(format!("{name}.sock")))
        .arg("http://localhost/metrics");
    let metrics = run::output(&mut command).unwrap_or_default();
    metrics
        .lines()
        .any(|line| line == "bascule_waf_complete{policy=\"own\"} 1")
}

fn configuration(
    place: &Place,
    name: &str,
    rules: Rules,
    Listens { plain, tls }: Listens,
) -> String {
    let io = if name.contains("epoll") {
        "epoll"
    } else {
        "uring"
    };
    let policy = if rules == Rules::None {
        ""
    } else {
        ", waf: own"
    };
    let policies = match (rules, &place.crs) {
        (Rules::Shipped, _) => "waf: { own: { rules: shipped } }\n".to_owned(),
        (Rules::Crs, Some(file)) => format!(
            "waf: {{ own: {{ rules: \"{}\", mode: block, paranoia: 1 }} }}\n",
            file.display()
        ),
        _ => String::new(),
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

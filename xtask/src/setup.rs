//! `cargo xtask setup`: finds out what the host has and installs the rest, or says how.

mod apt;
mod bench;
mod needs;

use crate::ebpf::toolchain;
use crate::failure::{Failure, Outcome};
use crate::run;
use needs::Need;

/// Where Debian's package has ModSecurity for nginx.
pub(crate) const NGINX_MODSECURITY: &str = "/usr/lib/nginx/modules/ngx_http_modsecurity_module.so";
/// Where Debian's package has the OWASP Core Rule Set.
pub(crate) const CRS: &str = "/usr/share/modsecurity-crs";

/// What a host may be prepared for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Group {
    /// Compiling the binary. Without these nothing works, so a gap is an error.
    Build,
    /// Compiling the BPF programs. Without these everything but the kernel path works.
    Kernel,
    /// Running the demo and the tests in network namespaces.
    Demo,
    /// The contestants and the load generators of `xtask bench`.
    Bench,
}

const EXPECTED: &str = "build, kernel, demo, bench or all";

/// Prepares the host for the groups that were named.
pub(crate) fn task(arguments: &[String]) -> Outcome {
    let mut groups = Vec::new();
    for argument in arguments {
        groups.extend(match argument.as_str() {
            "build" => vec![Group::Build],
            "kernel" => vec![Group::Kernel],
            "demo" => vec![Group::Demo],
            "bench" => vec![Group::Bench],
            "all" => vec![Group::Build, Group::Kernel, Group::Demo, Group::Bench],
            _ => {
                return Err(Failure::Argument {
                    found: argument.clone(),
                    expected: EXPECTED,
                });
            }
        });
    }
    if groups.is_empty() {
        groups = vec![Group::Build, Group::Kernel, Group::Demo];
    }
    prepare(&groups)?;
    println!("setup: ready");
    Ok(())
}

/// What `build` needs first.
pub(crate) fn for_build() -> Outcome {
    prepare(&[Group::Build, Group::Kernel])
}

/// What `test` and the demo need first.
pub(crate) fn for_test() -> Outcome {
    prepare(&[Group::Build, Group::Kernel, Group::Demo])
}

/// What `bench` needs first. Contestants that cannot be installed are left out of the run.
pub(crate) fn for_bench() -> Outcome {
    prepare(&[Group::Build, Group::Kernel, Group::Demo, Group::Bench])
}

fn prepare(groups: &[Group]) -> Outcome {
    let missing: Vec<&Need> = needs::ALL
        .iter()
        .filter(|need| groups.contains(&need.group) && !(need.present)())
        .collect();
    if !missing.is_empty() {
        install(&missing)?;
    }
    if groups.contains(&Group::Kernel) {
        toolchain::install_linker_if_possible();
    }
    if groups.contains(&Group::Bench) {
        bench::install_python_tools();
    }
    Ok(())
}

/// Installs packages in one go. Only a gap in what the build needs is an error; other gaps are said in one line.
fn install(missing: &[&Need]) -> Outcome {
    let mut packages: Vec<&str> = missing
        .iter()
        .flat_map(|need| need.packages())
        .copied()
        .collect();
    packages.sort_unstable();
    packages.dedup();
    let remedy = format!("sudo apt-get install -y {}", packages.join(" "));

    if apt::may_install() {
        println!("setup: installing {}", packages.join(" "));
        if let Err(failure) = apt::install(&packages) {
            // One package that this release of the distribution lacks must not keep the others away.
            eprintln!("setup: {failure}; trying one by one");
            for need in missing {
                if let Err(failure) = apt::install(need.packages()) {
                    eprintln!("setup: {}: {failure}", need.name);
                }
            }
        }
    }
    let mut lacking = Vec::new();
    for need in missing.iter().filter(|need| !(need.present)()) {
        if need.group == Group::Build {
            lacking.push(need.name);
        } else {
            eprintln!("setup: without {} there is no {}", need.name, need.serves);
        }
    }
    if lacking.is_empty() {
        if missing.iter().any(|need| !(need.present)()) && !run::is_root() {
            eprintln!("setup: to have it, run\n    {remedy}");
        }
        return Ok(());
    }
    Err(Failure::Missing {
        what: lacking.join(", "),
        remedy,
    })
}

//! What the host should have, how to see that it is there and which Debian packages bring it.

use super::{CRS, Group, NGINX_MODSECURITY};
use crate::ebpf::toolchain;
use crate::run;
use std::path::Path;
use std::process::Command;

/// One thing that the host should have.
pub(super) struct Need {
    pub(super) name: &'static str,
    pub(super) group: Group,
    /// What is not possible without it.
    pub(super) serves: &'static str,
    pub(super) present: fn() -> bool,
    packages: &'static [&'static str],
    /// Where another architecture has another package for the same thing.
    packages_arm: Option<&'static [&'static str]>,
}

impl Need {
    /// The packages that bring it on this machine.
    pub(super) fn packages(&self) -> &'static [&'static str] {
        match self.packages_arm {
            Some(packages) if cfg!(target_arch = "aarch64") => packages,
            _ => self.packages,
        }
    }
}

pub(super) const ALL: &[Need] = &[
    need(
        "a C and C++ compiler",
        Group::Build,
        "build",
        || has_all(&["cc", "c++"]),
        &["build-essential"],
    ),
    need(
        "pkg-config",
        Group::Build,
        "build",
        || has("pkg-config"),
        &["pkg-config"],
    ),
    Need {
        packages_arm: Some(&["libvectorscan-dev"]),
        ..need(
            "libhs",
            Group::Build,
            "build",
            || library("libhs"),
            &["libhyperscan-dev"],
        )
    },
    need(
        "libpcre2-8",
        Group::Build,
        "build",
        || library("libpcre2-8"),
        &["libpcre2-dev"],
    ),
    need(
        "a Rust compiler for BPF",
        Group::Kernel,
        "kernel path",
        || toolchain::compiler().is_some(),
        &["rustc-web", "libstd-rust-web-dev-bpf"],
    ),
    // Only to compile bpf-linker, so no longer asked for once that is there.
    need(
        "LLVM for bpf-linker",
        Group::Kernel,
        "kernel path",
        || toolchain::linker().is_some() || toolchain::llvm().is_some(),
        &["llvm-22-dev"],
    ),
    need(
        "ip",
        Group::Demo,
        "demo in network namespaces",
        || has("ip"),
        &["iproute2"],
    ),
    need(
        "curl",
        Group::Demo,
        "demo",
        || has("curl"),
        &["curl", "ca-certificates"],
    ),
    need(
        "nginx",
        Group::Bench,
        "nginx in the bench",
        || has("nginx"),
        &["nginx-light"],
    ),
    need(
        "ModSecurity for nginx",
        Group::Bench,
        "nginx with a WAF in the bench",
        || Path::new(NGINX_MODSECURITY).exists(),
        &["libnginx-mod-http-modsecurity"],
    ),
    need(
        "haproxy",
        Group::Bench,
        "HAProxy in the bench",
        || has("haproxy"),
        &["haproxy"],
    ),
    need(
        "nft",
        Group::Bench,
        "nftables in the bench",
        || has("nft"),
        &["nftables"],
    ),
    need(
        "libmodsecurity",
        Group::Bench,
        "ModSecurity in the bench",
        || Path::new("/usr/include/modsecurity/modsecurity.h").exists(),
        &["libmodsecurity-dev"],
    ),
    need(
        "the Core Rule Set",
        Group::Bench,
        "rules in the bench",
        || Path::new(CRS).exists(),
        &["modsecurity-crs"],
    ),
    need("wrk", Group::Bench, "bench", || has("wrk"), &["wrk"]),
    need(
        "python3 with venv",
        Group::Bench,
        "Envoy and k6 in the bench",
        || run::succeeds(Command::new("python3").args(["-c", "import venv, ensurepip"])),
        &["python3", "python3-venv"],
    ),
];

const fn need(
    name: &'static str,
    group: Group,
    serves: &'static str,
    present: fn() -> bool,
    packages: &'static [&'static str],
) -> Need {
    Need {
        name,
        group,
        serves,
        present,
        packages,
        packages_arm: None,
    }
}

fn has(program: &str) -> bool {
    run::find(program).is_some()
}

fn has_all(programs: &[&str]) -> bool {
    programs.iter().all(|program| has(program))
}

fn library(name: &str) -> bool {
    run::succeeds(Command::new("pkg-config").args(["--exists", name]))
}

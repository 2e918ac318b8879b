//! `bascule check`

use crate::arguments::ConfigFile;
use crate::failure::Failure;
use crate::output::Output;
use control::{CheckReport, KernelPath};
use serde_json::{Value as Json, json};
use std::path::Path;

pub(super) fn check(file: &ConfigFile, output: &Output) -> Result<(), Failure> {
    let report = control::check(&file.config).map_err(Failure::Config)?;
    if !report.warnings.is_empty() {
        output.note(&report.warnings.to_string());
    }
    output.result(&as_json(&file.config, &report), || {
        as_text(&file.config, &report)
    })
}

fn as_json(path: &Path, report: &CheckReport) -> Json {
    let policy = |policy: &control::PolicyReport| {
        let tried = policy.self_test().cloned().unwrap_or_default();
        json!({
            "name": policy.name,
            "rules": policy.rules,
            "detection_rules": policy.detection_rules,
            "coverage": policy.coverage.categories,
            "self_test": { "attacks": tried.attacks, "recognised": tried.recognised, "blocked": tried.blocked, "missed": tried.missed },
        })
    };
    let interface =
        |one: &control::InterfaceReport| json!({ "name": one.name, "present": one.present });
    json!({
        "config": path.to_string_lossy(),
        "valid": true,
        "warnings": report.warnings.json(),
        "routes": report.routes,
        "waf": report.policies.iter().map(policy).collect::<Vec<_>>(),
        "io": { "driver": report.io, "reason": report.io_reason },
        "kernel_path": {
            "path": match report.kernel.path() {
                KernelPath::Xdp => "xdp",
                KernelPath::UserSpace => "user_space",
            },
            "obstacles": report.kernel.obstacles(),
            "kernel": report.kernel.kernel,
            "interfaces": report.kernel.interfaces.iter().map(interface).collect::<Vec<_>>(),
        },
    })
}

fn as_text(path: &Path, report: &CheckReport) -> String {
    let mut text = format!("{}: valid\n", path.display());
    text.push_str("routes, in the order in which they are tried:\n");
    for route in &report.routes {
        text.push_str(&format!("  {route}\n"));
    }
    for policy in &report.policies {
        text.push_str(&format!(
            "waf {}: {} rules, {} of them detect\n",
            policy.name, policy.rules, policy.detection_rules
        ));
        text.push_str(&policy.coverage.table());
        if let Some(tried) = policy.self_test() {
            text.push_str(&format!(
                "  self-test: {} of {} attacks recognised, {} blocked\n",
                tried.recognised, tried.attacks, tried.blocked
            ));
        }
    }
    match &report.io_reason {
        None => text.push_str(&format!("I/O: {}\n", report.io)),
        Some(reason) => text.push_str(&format!("I/O: {}, because {reason}\n", report.io)),
    }
    text.push_str(&report.kernel.to_string());
    text
}

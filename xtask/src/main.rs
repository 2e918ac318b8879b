//! Every task that a developer or CI runs: `cargo xtask <task>`.
#![forbid(unsafe_code)]
#![allow(
    clippy::print_stdout,
    reason = "a task talks to the person who typed it"
)]

mod bench;
mod build;
mod crs;
mod demo;
mod ebpf;
mod failure;
mod fuzz;
mod proc;
mod run;
mod service;
mod setup;
mod test;
mod tidy;
mod tree;
mod undo;
mod vm;

use failure::{Failure, Outcome};
use std::process::ExitCode;

/// A task: its name, its line in the list and what it does with the arguments that follow its name.
struct Task {
    name: &'static str,
    help: &'static str,
    run: fn(&[String]) -> Outcome,
}

/// In the order a newcomer needs them.
const TASKS: &[Task] = &[
    Task {
        name: "setup",
        help: "install what the host lacks: [build] [kernel] [demo] [bench] [all]; the first three by default",
        run: setup::task,
    },
    Task {
        name: "ebpf",
        help: "build the BPF programs to target/bpf/",
        run: ebpf::task,
    },
    Task {
        name: "build",
        help: "setup, ebpf and the binary: [--release] [cargo arguments]",
        run: build::task,
    },
    Task {
        name: "test",
        help: "setup, ebpf, the binary and every test: [arguments of the test runner]",
        run: test::task,
    },
    Task {
        name: "demo",
        help: "setup, build and the main job on real traffic: [--once] to check each step and end",
        run: demo::task,
    },
    Task {
        name: "bench",
        help: "bascule beside nginx, HAProxy and Envoy: l7 [--quick] [--waf] [--only names] [--cases names] [--rounds N] [--seconds N]; the rule engine beside libmodsecurity: waf [--crs DIR] [--rounds N] [--kinds names] [--levels 1,2]; the least loaded worker beside the kernel's hash: steering [--rounds N] [--workers N] [--connections N]; the kernel path beside nftables and HAProxy: kernel [--quick] [--parts names] [--rounds N]",
        run: bench::task,
    },
    Task {
        name: "crs",
        help: "the regression tests of the Core Rule Set: --crs DIR --tests FILE.jsonl… [--only REGEX] [--report FILE] [--overrides FILE]",
        run: crs::task,
    },
    Task {
        name: "vm",
        help: "the tests of the kernel room on Linux 6.1 and 6.12, each in a virtual machine: [--kernel 6.1|6.12]… [--seconds N] [test programs]",
        run: vm::task,
    },
    Task {
        name: "tidy",
        help: "check layering, unsafe, length, words, rustfmt and clippy",
        run: tidy::task,
    },
    Task {
        name: "fuzz",
        help: "run the fuzz targets, 60 s each: [--seconds N] [targets]",
        run: fuzz::task,
    },
];

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    match dispatch(&name, &rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask {name}: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(name: &str, arguments: &[String]) -> Outcome {
    if matches!(name, "" | "help" | "-h" | "--help") {
        print_tasks();
        return Ok(());
    }
    if name == undo::TASK {
        return undo::task(arguments);
    }
    let Some(task) = TASKS.iter().find(|task| task.name == name) else {
        print_tasks();
        return Err(Failure::UnknownTask);
    };
    (task.run)(arguments)
}

fn print_tasks() {
    println!("cargo xtask <task>\n");
    for task in TASKS {
        println!("  {:<7} {}", task.name, task.help);
    }
}

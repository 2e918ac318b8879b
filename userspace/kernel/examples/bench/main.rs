//! What the kernel path costs, and what peers cost beside it: started by `cargo xtask bench kernel`, as root.
#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "it is a tool for people"
)]

#[path = "../../tests/support/mod.rs"]
mod support;

mod bans;
mod cpu;
mod drops;
mod figures;
mod forwards;
mod limits;
mod options;
mod services;
mod tcp;
mod traffic;
mod wire;

use figures::Figures;
use options::{Options, Part};
use std::process::ExitCode;
use traffic::Traffic;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench kernel: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let options = Options::parse(std::env::args().skip(1))?;
    if !support::kernel_path_is_there() {
        return Err("this host cannot load the programs; `bascule check` says why".to_owned());
    }
    let mut traffic = Traffic::load(&options.traffic)?;
    let mut figures = Figures::default();
    for part in &options.parts {
        match part {
            Part::Bans => bans::measure(&options, &mut traffic, &mut figures),
            Part::Services => services::measure(&options, &mut traffic, &mut figures),
            Part::Limits => limits::measure(&options, &mut traffic, &mut figures),
            Part::Drops => drops::measure(&options, &mut traffic, &mut figures),
            Part::Forwards => forwards::measure(&options, &mut traffic, &mut figures),
            Part::Tcp => tcp::measure(&options, &mut figures),
        }
    }
    print!("{}", figures.table());
    if let Some(out) = &options.out {
        let text = format!("{:#}\n", figures.json(options.rounds));
        std::fs::write(out, text).map_err(|error| format!("{}: {error}", out.display()))?;
        println!("\nall figures: {}", out.display());
    }
    Ok(())
}

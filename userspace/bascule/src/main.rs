//! The `bascule` command: verbs in, exit codes out. What the verbs do is in `control`; here is how people ask for it
//! and what they get to see.
#![forbid(unsafe_code)]

mod arguments;
mod commands;
mod duration;
mod failure;
mod instance;
mod logging;
mod output;

use arguments::Arguments;
use clap::Parser;
use failure::Failure;
use output::Output;
use std::process::ExitCode;

fn main() -> ExitCode {
    // Wrong usage ends in here, with exit code 2.
    let arguments = Arguments::parse();
    let output = Output::new(arguments.json);
    match commands::run(arguments.command, &output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if failure.is_closed_pipe() => ExitCode::SUCCESS,
        Err(Failure::Told(code)) => code.into(),
        Err(failure) => {
            output.failure(&failure);
            failure.exit_code().into()
        }
    }
}

//! The verbs, a file each.

mod ban;
mod check;
mod crs;
mod drain;
mod key;
mod reload;
mod replay;
mod rules;
mod run;
mod schema;
mod status;
mod unwrap;
mod upgrade;
mod version;

use crate::arguments::Command;
use crate::failure::Failure;
use crate::output::Output;

/// Does what was typed.
pub(crate) fn run(command: Command, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Run(run) => run::run(&run),
        Command::Check(file) => check::check(&file, output),
        Command::Reload(place) => reload::reload(&place, output),
        Command::Status(place) => status::status(&place, output),
        Command::Upgrade(upgrade) => upgrade::upgrade(&upgrade, output),
        Command::Unwrap(unwrap) => unwrap::unwrap(&unwrap, output),
        Command::Drain(drain) => drain::drain(&drain, output),
        Command::Ban(ban) => ban::ban(ban, output),
        Command::Key(key) => key::key(key, output),
        Command::Rules(command) => rules::rules(command, output),
        Command::Replay(replay) => replay::replay(&replay, output),
        Command::Crs(crs) => crs::crs(crs, output),
        Command::Schema => schema::schema(output),
        Command::Version => version::version(output),
    }
}

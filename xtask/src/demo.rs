//! `cargo xtask demo`: from a fresh clone to bascule at work on real traffic.

mod place;
mod show;
mod site;
mod stage;
mod story;
mod token;

use crate::failure::{Failure, Outcome};
use crate::undo::Undo;
use crate::{build, ebpf, run, setup};
use place::Place;
use show::Show;
use site::Site;
use stage::Stage;
use std::io::Write;

/// Installs what is missing, builds, shows. With `--once` it ends then, and fails where a step came out other than
/// expected; without, everything stays up to be played with.
pub(crate) fn task(arguments: &[String]) -> Outcome {
    let once = match arguments {
        [] => false,
        [only] if only == "--once" => true,
        [first, ..] => {
            return Err(Failure::Argument {
                found: first.clone(),
                expected: "--once, or nothing",
            });
        }
    };
    setup::for_test()?;
    let kernel_path = ebpf::build_if_possible()?;
    build::binary(&["--release".to_owned()])?;
    run::run(run::cargo().args(["build", "--release", "--package", "bascule-benches"]))?;

    let mut undo = Undo::begin()?;
    let place = Place::make(&mut undo)?;
    if let (ebpf::Build::Skipped(why), Place::Namespaces { .. }) = (kernel_path, &place) {
        println!("without XDP: {why}");
    }
    let site = Site::make(&place, &mut undo)?;
    let mut stage = Stage::set(&place, &site, &mut undo)?;
    let mut show = Show::new();
    story::tell(&mut show, &mut stage, &mut undo)?;
    let unmet = show.finish();
    if !once {
        stay(&stage);
    }
    if unmet > 0 {
        return Err(Failure::Unmet(unmet));
    }
    Ok(())
}

/// Says what can be tried, and waits for Enter or Ctrl-C.
fn stay(stage: &Stage<'_>) {
    println!("\nEverything stays up. Try, in another terminal:\n");
    println!("{}", stage.instructions());
    print!("Enter or Ctrl-C ends it: ");
    // A terminal that does not take the prompt is no reason to end.
    let _ = std::io::stdout().flush();
    let mut line = String::new();
    if !matches!(std::io::stdin().read_line(&mut line), Ok(count) if count > 0) {
        // There is no terminal: until a signal ends us.
        loop {
            std::thread::park();
        }
    }
}

//! `bascule run`

use crate::arguments::{Io, Run};
use crate::failure::Failure;
use crate::logging;
use config::Config;
use control::{Predecessor, StartOptions};

pub(super) fn run(run: &Run) -> Result<(), Failure> {
    let predecessor = Predecessor::find();
    let outcome = serve(run, predecessor.as_ref());
    if let (Err(failure), Some(predecessor)) = (&outcome, &predecessor) {
        let is_config = matches!(failure, Failure::Config(_));
        predecessor.refuse(&failure.text(), is_config);
    }
    outcome
}

fn serve(run: &Run, predecessor: Option<&Predecessor>) -> Result<(), Failure> {
    // Read here for the log alone, so that everything after this is logged as the operator wants it.
    let loaded = Config::load(&run.file.config).map_err(Failure::Config)?;
    logging::begin(&loaded.config.log)?;
    drop(loaded);
    let options = StartOptions {
        config: run.file.config.clone(),
        io: run.io.map(|io| match io {
            Io::Auto => config::Io::Auto,
            Io::Uring => config::Io::Uring,
            Io::Epoll => config::Io::Epoll,
        }),
        workers: run.workers.map(usize::from),
    };
    control::run(&options, predecessor)?;
    Ok(())
}

//! `cargo xtask bench l7`: bascule beside nginx, HAProxy and Envoy, in requests per second of their own CPU time. `bench waf` is the
//! rule engine beside libmodsecurity, `bench steering` the least loaded worker beside the kernel's hash, `bench kernel` the kernel
//! path beside nftables and `HAProxy`.

mod case;
mod check;
mod contestants;
mod crs;
mod host;
mod json;
mod kernel;
mod measure;
mod options;
mod place;
mod report;
mod steering;
mod waf;
mod wrk;

use crate::failure::Outcome;
use crate::undo::Undo;
use crate::{build, ebpf, run, setup, tree};
use case::Case;
use contestants::Contestant;
use measure::Results;
use options::Options;
use place::Place;
use std::fs;

/// Runs the comparison and writes a table to standard output and the figures to `target/bench/l7.json`.
pub(crate) fn task(arguments: &[String]) -> Outcome {
    if let Some((name, rest)) = arguments.split_first()
        && name == "waf"
    {
        return waf::task(rest);
    }
    if let Some((name, rest)) = arguments.split_first()
        && name == "steering"
    {
        return steering::task(rest);
    }
    if let Some((name, rest)) = arguments.split_first()
        && name == "kernel"
    {
        return kernel::task(rest);
    }
    let options = Options::parse(arguments)?;
    setup::for_bench()?;
    if options.wants("bascule") {
        ebpf::build_if_possible()?;
        build::binary(&["--profile".to_owned(), "dist".to_owned()])?;
    }
    run::run(run::cargo().args(["build", "--release", "--package", "bascule-benches"]))?;

    let mut undo = Undo::begin()?;
    let place = Place::prepare(&options, &mut undo)?;
    let mut contestants = contestants::start(&options, &place, &mut undo)?;
    let cases: Vec<Case> = Case::all().filter(|case| options.covers(*case)).collect();
    for contestant in &contestants {
        check::refuses_attacks(contestant)?;
        for case in &cases {
            check::answers_right(contestant, case, &place)?;
        }
    }
    let before = host::load();
    let results = measure_all(&options, &cases, &mut contestants, &place)?;
    let host = host::Facts::gather(&place, &contestants, before);

    report::print(&cases, &contestants, &results);
    let path = tree::profile("bench").join("l7.json");
    let text = report::json(&options, &host, &cases, &contestants, &results);
    fs::write(&path, text).map_err(crate::failure::at(&path))?;
    println!("\nall figures: {}", path.display());
    report::verdict(&contestants, &results)
}

/// Every case, round by round. Contestants take turns within a round, and another one begins in the next.
fn measure_all(
    options: &Options,
    cases: &[Case],
    contestants: &mut [Contestant],
    place: &Place,
) -> Outcome<Results> {
    let mut results = Results::default();
    let seconds = (options.seconds + 1) * options.rounds * cases.len() * contestants.len();
    println!(
        "{} contestants, {} cases, {} rounds of {} s: about {} min",
        contestants.len(),
        cases.len(),
        options.rounds,
        options.seconds,
        seconds.div_ceil(60)
    );
    for case in cases {
        for contestant in contestants.iter_mut() {
            measure::warm_up(contestant, case, place)?;
        }
        for round in 0..options.rounds {
            for turn in 0..contestants.len() {
                let index = (turn + round) % contestants.len();
                let Some(contestant) = contestants.get_mut(index) else {
                    continue;
                };
                let sample = measure::run(contestant, case, options.seconds, place)?;
                println!(
                    "{case:<12} round {}  {:<17} {:>7.0} req/CPU-s  {:>7.0} req/s",
                    round + 1,
                    contestant.name,
                    sample.per_cpu_second(),
                    sample.per_second()
                );
                results.add(*case, contestant.name, sample);
            }
        }
    }
    Ok(results)
}

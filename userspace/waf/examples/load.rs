//! What a start costs: milliseconds to read and to compile rules, without databases, with fresh ones, and with kept ones.
//!
//!     cargo run --release -p bascule-waf --example load -- CACHE_DIRECTORY RULE_FILE...
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use waf::{CompileOptions, DirectoryCache, RuleSet};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().ok_or("which directory keeps databases?")?;
    let files: Vec<String> = arguments.collect();
    let started = Instant::now();
    let document =
        seclang::load(&files, &seclang::FsLoader).map_err(|problems| format!("{problems:#?}"))?;
    println!("read      {:?}", started.elapsed());
    let documents = [document];
    let compile = |name: &str, options: &CompileOptions| {
        let started = Instant::now();
        let rules = RuleSet::compile(&documents, options).map_err(|errors| {
            let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
            errors.join("\n")
        })?;
        println!("{name:9} {:?}  {:?}", started.elapsed(), rules.stats());
        Ok::<_, String>(rules)
    };
    let ungated = CompileOptions {
        gates: false,
        ..CompileOptions::default()
    };
    let without = CompileOptions {
        compile_databases: false,
        ..CompileOptions::default()
    };
    let kept = CompileOptions {
        databases: Some(Arc::new(DirectoryCache::new(&directory))),
        ..CompileOptions::default()
    };
    compile("ungated", &ungated)?;
    compile("bytes", &without)?;
    compile("fresh", &kept)?;
    compile("kept", &kept)?;
    compile("kept", &kept)?;
    Ok(())
}

//! Short files and functions.

use super::exceptions::{Excess, Subject, settle};
use super::{Source, rust};

/// Lines of a source file, tests included.
const FILE_MAX_LINES: usize = 500;
/// Lines of a function from `fn` to its closing brace.
const FUNCTION_MAX_LINES: usize = 80;

pub(super) fn check(sources: &[Source]) -> Vec<String> {
    let mut measured = Vec::new();
    for source in sources.iter().filter(|source| source.path.ends_with(".rs")) {
        let lines = source.text.lines().count();
        if lines > FILE_MAX_LINES {
            measured.push(Excess {
                subject: Subject {
                    path: source.path.clone(),
                    function: None,
                },
                lines,
                finding: format!(
                    "{}: {lines} lines, {FILE_MAX_LINES} at most: split it by subject",
                    source.path
                ),
            });
        }
        for function in rust::functions(&rust::code(&source.text)) {
            if function.lines > FUNCTION_MAX_LINES {
                let rust::Function { name, line, lines } = function;
                measured.push(Excess {
                    finding: format!(
                        "{}:{line}: `{name}` has {lines} lines, {FUNCTION_MAX_LINES} at most",
                        source.path
                    ),
                    subject: Subject {
                        path: source.path.clone(),
                        function: Some(name),
                    },
                    lines,
                });
            }
        }
    }
    settle(measured, sources)
}

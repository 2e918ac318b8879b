//! A grammar compiles, or says where it does not; and holding a document against it ends within its budget.
//!
//! The input is a grammar, a NUL and a document: lines that begin with `<` are elements with attributes as words, `/` ends one, other
//! lines are texts. Behind a second NUL may stand JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use schema::{Attribute, Document, Dtd, Files, Finding, JsonSchema, Work, XmlSchema};

const BUDGET: u64 = 1 << 20;

fn document(text: &str) -> Document {
    let mut document = Document::default();
    for line in text.lines() {
        match line.strip_prefix('<') {
            Some(element) => {
                let mut words = element.split(' ');
                let name = words.next().unwrap_or_default();
                let attributes = words.map(|word| {
                    let (name, value) = word.split_once('=').unwrap_or((word, ""));
                    Attribute {
                        name: name.to_owned(),
                        value: value.to_owned(),
                    }
                });
                document.enter(name, attributes.collect());
            }
            None if line == "/" => document.leave(),
            None => document.text(line),
        }
    }
    document
}

fn ended(outcome: Result<(), Finding>, work: &Work) {
    assert!(work.spent() <= BUDGET);
    if let Err(Finding::Exhausted) = outcome {
        assert_eq!(work.spent(), BUDGET);
    }
}

fuzz_target!(|text: &str| {
    let (grammar, rest) = text.split_once('\0').unwrap_or((text, ""));
    let (tree, json) = rest.split_once('\0').unwrap_or((rest, rest));
    let files = Files::of([("x", grammar.as_bytes().to_vec())]);
    let document = document(tree);
    let lines = 2 + grammar.matches('\n').count();
    match Dtd::read(&files, "x") {
        Ok(dtd) => {
            let mut work = Work::of(BUDGET);
            ended(dtd.check(&document, &mut work), &work);
        }
        Err(problem) => assert!(problem.line <= lines, "{problem}"),
    }
    match XmlSchema::read(&files, "x") {
        Ok(schema) => {
            let mut work = Work::of(BUDGET);
            ended(schema.check(&document, &mut work), &work);
        }
        Err(problem) => assert!(problem.line <= lines, "{problem}"),
    }
    match JsonSchema::read(&files, "x") {
        Ok(schema) => {
            let mut work = Work::of(BUDGET);
            ended(schema.check(json.as_bytes(), &mut work), &work);
        }
        Err(problem) => assert!(problem.line <= lines, "{problem}"),
    }
});

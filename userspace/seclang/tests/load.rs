//! Files, `Include` and data files, from memory and from the file system.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use seclang::ast::Directive;
use seclang::{Diagnostic, Document, FsLoader, Loader, load, load_str};

/// Files by name. A pattern is a name with one `*`.
struct Memory(BTreeMap<PathBuf, Vec<u8>>);

impl Memory {
    fn of(files: &[(&str, &str)]) -> Self {
        let files = files
            .iter()
            .map(|(name, text)| (PathBuf::from(name), text.as_bytes().to_vec()));
        Self(files.collect())
    }
}

impl Loader for Memory {
    fn read(&self, path: &Path, _limit: usize) -> io::Result<Vec<u8>> {
        self.0
            .get(path)
            .cloned()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        let pattern = pattern.to_string_lossy();
        let (head, tail) = pattern.split_once('*').unwrap_or((&pattern, ""));
        let fits = |name: &str| {
            if pattern.contains('*') {
                name.starts_with(head) && name.ends_with(tail) && !name[head.len()..].contains('/')
            } else {
                name == pattern
            }
        };
        Ok(self
            .0
            .keys()
            .filter(|path| fits(&path.to_string_lossy()))
            .cloned()
            .collect())
    }
}

fn markers(document: &Document) -> Vec<&str> {
    let names = document
        .directives
        .iter()
        .filter_map(|directive| match &directive.value {
            Directive::Marker(name) => Some(name.as_str()),
            _ => None,
        });
    names.collect()
}

fn shown(errors: &[Diagnostic]) -> Vec<String> {
    errors
        .iter()
        .map(|error| error.to_string().lines().next().unwrap_or("").to_owned())
        .collect()
}

#[test]
fn included_files_stand_in_the_place_of_the_directive_sorted_by_name() {
    let files = Memory::of(&[
        (
            "etc/main.conf",
            "SecMarker A\nInclude rules/*.conf\nIncludeOptional no.conf\nIncludeOptional opt.conf\nSecMarker Z",
        ),
        ("etc/rules/2.conf", "SecMarker C"),
        ("etc/opt.conf", "SecMarker D"),
        ("etc/rules/1.conf", "SecMarker B\nInclude deep/x.conf"),
        ("etc/rules/deep/x.conf", "SecMarker BB"),
    ]);
    let document = load(&["etc/main.conf"], &files).expect("it loads");
    assert_eq!(markers(&document), ["A", "B", "BB", "C", "D", "Z"]);
    let place = document.sources.locate(document.directives[2].span);
    assert_eq!(place.to_string(), "etc/rules/deep/x.conf:1:1");
}

#[test]
fn what_is_missing_or_wrong_is_told_for_all_files() {
    let files = Memory::of(&[
        ("a.conf", "Include no.conf\nInclude b.conf\nSecFoo"),
        (
            "b.conf",
            "SecBar\nSecRule ARGS \"@pmFromFile words.data\" \"id:1\"",
        ),
    ]);
    let errors = load(&["a.conf", "c.conf"], &files).expect_err("it does not load");
    assert_eq!(
        shown(&errors),
        [
            "c.conf: no file `c.conf`",
            "a.conf:1:1: no file `no.conf`",
            "a.conf:3:1: unknown directive `SecFoo`",
            "b.conf:1:1: unknown directive `SecBar`",
            "b.conf:2:15: cannot read words.data: entity not found",
        ]
    );
}

#[test]
fn ids_are_unique_over_all_files() {
    let files = Memory::of(&[("a.conf", "SecAction id:5"), ("b.conf", "\nSecAction id:5")]);
    let errors = load(&["*.conf"], &files).expect_err("it does not load");
    assert_eq!(
        shown(&errors),
        ["b.conf:2:11: rule id 5 is used twice, first at a.conf:1:11"]
    );
}

#[test]
fn a_file_that_includes_itself_ends() {
    let files = Memory::of(&[("a.conf", "Include a.conf\nInclude a.conf\n")]);
    let errors = load(&["a.conf"], &files).expect_err("it does not load");
    assert!(
        shown(&errors)
            .iter()
            .any(|error| error.ends_with("levels of Include: more than 16")),
        "{errors:?}"
    );
}

#[test]
fn data_files_are_relative_to_the_file_that_names_them() {
    let files = Memory::of(&[
        ("etc/a.conf", "Include sub/b.conf"),
        (
            "etc/sub/b.conf",
            "SecRule ARGS \"@pmFromFile words.data more.data\" \"id:1\"",
        ),
        ("etc/sub/words.data", "union"),
        ("etc/sub/more.data", "select"),
    ]);
    let document = load(&["etc/a.conf"], &files).expect("it loads");
    let span = document.directives[0].span;
    assert_eq!(
        document.data_file(span, "words.data").map(AsRef::as_ref),
        Some(b"union".as_slice())
    );
    assert_eq!(
        document.data_file(span, "more.data").map(AsRef::as_ref),
        Some(b"select".as_slice())
    );
    assert!(document.data_file(span, "other.data").is_none());
}

#[test]
fn a_text_is_loaded_like_a_file() {
    let files = Memory::of(&[("etc/b.conf", "SecMarker B")]);
    let document = load_str("etc/inline", "Include b.conf\nSecMarker C", &files).expect("it loads");
    assert_eq!(markers(&document), ["B", "C"]);
}

#[test]
fn other_encodings_are_refused() {
    let files = Memory(BTreeMap::from([(
        PathBuf::from("a.conf"),
        b"SecMarker \xff".to_vec(),
    )]));
    let errors = load(&["a.conf"], &files).expect_err("it does not load");
    assert_eq!(shown(&errors), ["a.conf: the file is not UTF-8"]);
}

#[test]
fn the_file_system_is_read_in_order() {
    let directory = tempfile::tempdir().expect("a directory");
    let write =
        |name: &str, text: &str| std::fs::write(directory.path().join(name), text).expect("a file");
    write("b.conf", "SecMarker B\n");
    write(
        "a.conf",
        "SecMarker A\nSecRule ARGS \"@pmFromFile x.data\" \"id:1\"\n",
    );
    write("x.data", "word");
    write("c.txt", "SecMarker C\n");
    let document = load(&[directory.path().join("*.conf")], &FsLoader).expect("it loads");
    assert_eq!(markers(&document), ["A", "B"]);
    assert!(
        document
            .data_file(document.directives[1].span, "x.data")
            .is_some()
    );
    let errors = load(&[directory.path().join("*.none")], &FsLoader).expect_err("nothing is found");
    assert_eq!(errors.len(), 1);
}

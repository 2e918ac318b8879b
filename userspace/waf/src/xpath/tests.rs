//! Paths on one small document.

use super::{Name, Tree, XPath};

fn name(written: &str, namespace: &str) -> Name {
    Name {
        written: written.to_owned(),
        namespace: namespace.to_owned(),
    }
}

/// `<shop><book id="1" k:lang="en">One<price>30</price></book><book id="2"><k:price>49</k:price>Two</book><x/></shop>`
fn shop() -> Tree {
    let mut tree = Tree::default();
    tree.enter(name("shop", ""), Vec::new());
    tree.enter(
        name("book", ""),
        vec![
            (name("id", ""), b"1".to_vec()),
            (name("k:lang", "urn:k"), b"en".to_vec()),
        ],
    );
    tree.text(b"O");
    tree.text(b"ne");
    tree.enter(name("price", ""), Vec::new());
    tree.text(b"30");
    tree.leave();
    tree.leave();
    tree.enter(name("book", ""), vec![(name("id", ""), b"2".to_vec())]);
    tree.enter(name("k:price", "urn:k"), Vec::new());
    tree.text(b"49");
    tree.leave();
    tree.text(b"Two");
    tree.leave();
    tree.enter(name("x", ""), Vec::new());
    tree.leave();
    tree.leave();
    tree
}

fn prefix(prefix: &str) -> Option<String> {
    (prefix == "p").then(|| "urn:k".to_owned())
}

#[track_caller]
fn finds(path: &str, expected: &[&str]) {
    let compiled = XPath::read(path, &prefix).unwrap_or_else(|error| panic!("{error}"));
    let (found, _) = compiled.find(&shop(), u64::MAX);
    let found: Vec<String> = found
        .iter()
        .map(|text| String::from_utf8_lossy(text).into_owned())
        .collect();
    assert_eq!(found, expected, "{path}");
}

#[test]
fn steps_and_names() {
    finds("/", &["One3049Two"]);
    finds("/*", &["One3049Two"]);
    finds("/shop/book", &["One30", "49Two"]);
    finds("/book", &[]);
    finds("//book/text()", &["One", "Two"]);
    finds("//text()", &["One", "30", "49", "Two"]);
    finds("//@id", &["1", "2"]);
    finds("//@*", &["1", "en", "2"]);
    finds("//@p:lang", &["en"]);
    finds("//@p:*", &["en"]);
    finds("//@lang", &[]);
    finds("//price", &["30"]);
    finds("//p:price", &["49"]);
    finds("//*", &["One3049Two", "One30", "30", "49Two", "49", ""]);
    finds("/shop/book/price/..", &["One30"]);
    finds(
        "/shop/child::book/descendant-or-self::node()/price",
        &["30"],
    );
    finds("//price/ancestor::*", &["One3049Two", "One30"]);
    finds("//x/preceding-sibling::book", &["One30", "49Two"]);
    finds("//book/following-sibling::*", &["49Two", ""]);
    finds("//@id/parent::node()", &["One30", "49Two"]);
    finds("//book/self::*", &["One30", "49Two"]);
}

#[test]
fn predicates() {
    finds("//book[1]", &["One30"]);
    finds("//book[last()]", &["49Two"]);
    finds("//book[position() > 1]", &["49Two"]);
    finds("//x/preceding-sibling::book[1]", &["49Two"]);
    finds("//book[@id='2']", &["49Two"]);
    finds("//book[@id != '2']/@id", &["1"]);
    finds("//book[@id >= 1 and price]", &["One30"]);
    finds("//book[not(price) or text() = 'One']", &["One30", "49Two"]);
    finds("//book[price > 29.5][@p:lang = \"en\"]", &["One30"]);
    finds("/shop/*[local-name()='price' or name()='x']", &[""]);
    finds("//*[local-name() = 'price']", &["30", "49"]);
    finds("//*[name(.) = 'k:price']", &["49"]);
    finds("//*[namespace-uri() = 'urn:k']", &["49"]);
    finds("//book[contains(., 'ne3')]", &["One30"]);
    finds("//book[starts-with(text(), 'T')]/@id", &["2"]);
    finds(
        "//book[string-length(@id) = 1 and count(*) = 1]/@id",
        &["1", "2"],
    );
    finds("//*[normalize-space() = '']", &[""]);
    finds("//book[string(@id) = string(1)]/@id", &["1"]);
    finds("//book[true() and not(false())][2]/@id", &["2"]);
    finds("//price[text()]", &["30"]);
}

#[test]
fn what_is_no_path() {
    for path in [
        "",
        "book[",
        "//",
        "/a/",
        "a b",
        "q:a",
        "book[1",
        "foo()",
        "/a[contains('x')]",
        "bad::a",
        "@text()",
        "a[b=]",
        "//a[not(]",
    ] {
        assert!(XPath::read(path, &prefix).is_err(), "{path}");
    }
    let deep = format!("a{}", "[(((((((((b".repeat(8));
    assert!(XPath::read(&deep, &prefix).is_err());
}

#[test]
fn no_more_nodes_are_looked_at_than_allowed() {
    let mut tree = Tree::default();
    for _ in 0..200 {
        tree.enter(name("a", ""), Vec::new());
    }
    let path = XPath::read("//a[//a[//a[//a[//b]]]]", &prefix).unwrap();
    let (found, visited) = path.find(&tree, 10_000);
    assert!(found.is_empty() && visited < 20_000, "{visited}");
}

proptest::proptest! {
    /// Whatever is written as a path is read or refused, and what is read finds something or nothing, within its bound.
    #[test]
    fn anything_can_be_written(parts in proptest::collection::vec(proptest::sample::select(vec![
        "/", "//", ".", "..", "@", "*", "a", "book", "p:price", "q:x", "[", "]", "(", ")", ",", "=", "!=", "<", ">=", " and ", " or ",
        "text()", "node()", "position()", "last()", "count(", "contains(", "not(", "'x'", "\"", "1", "2.5", "::", "ancestor::", "é",
    ]), 0..14)) {
        if let Ok(path) = XPath::read(&parts.concat(), &prefix) {
            let (_, visited) = path.find(&shop(), 1000);
            assert!(visited < 3000, "{visited}");
        }
    }
}

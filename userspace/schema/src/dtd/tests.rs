//! Documents held against DTDs.

use proptest::prelude::*;

use super::Dtd;
use crate::testing::wrong;
use crate::{Files, ProblemKind};

fn read(text: &str) -> Result<Dtd, crate::Problem> {
    Dtd::read(&Files::of([("a.dtd", text.as_bytes().to_vec())]), "a.dtd")
}

#[track_caller]
fn holds(dtd: &str, right: &[&str], wrongs: &[(&str, &str)]) {
    let dtd = read(dtd).unwrap();
    for text in right {
        assert_eq!(
            wrong(|document, work| dtd.check(document, work), text),
            "",
            "{text}"
        );
    }
    for (text, why) in wrongs {
        let found = wrong(|document, work| dtd.check(document, work), text);
        assert!(
            !found.is_empty() && found.contains(why),
            "{text}: `{found}`"
        );
    }
}

#[test]
fn content_models() {
    holds(
        "<!-- c --><!ELEMENT a (b, (c | d)*, e?)><!ELEMENT b (#PCDATA)><!ELEMENT c EMPTY><!ELEMENT d ANY><!ELEMENT e (#PCDATA | c)*>",
        &[
            "<a><b>x</b></a>",
            "<a> <b/> <c/><d>text<b/></d><c/> <e>x<c/>y</e></a>",
            "<b>any declared element may be the root</b>",
        ],
        &[
            ("<a></a>", "`a` ends too early: expected b"),
            (
                "<a><b/><e/><c/></a>",
                "`c` may not stand here in `a`: nothing may follow",
            ),
            ("<a><b/>x</a>", "may not hold the text"),
            ("<a><b><c/></b></a>", "may not stand"),
            ("<c> </c>", "may not hold"),
            ("<c><!-- x --></c>", "must be empty"),
            ("<d><x/></d>", "`x` is not declared"),
            ("<x/>", "`x` is not declared"),
            ("", "no document"),
        ],
    );
}

#[test]
fn attributes() {
    holds(
        "<!ELEMENT a (a*)><!ATTLIST a id ID #IMPLIED to IDREF #IMPLIED all IDREFS #IMPLIED k (x|y) 'x' n NMTOKEN #IMPLIED v CDATA #FIXED '1&amp;2'>
         <!ATTLIST a xmlns CDATA #FIXED 'urn:a' must CDATA #REQUIRED><!NOTATION gif PUBLIC 'gif'><!ENTITY pic SYSTEM 'p.gif' NDATA gif><!ATTLIST a e ENTITY #IMPLIED>",
        &[
            "<a must=''/>",
            "<a must='' id='x' to='y' k=' y ' v='1&2' xmlns='urn:a' e='pic'><a must='' id='y' all='x  y' n='-1'/></a>",
        ],
        &[
            ("<a/>", "lacks the attribute `must`"),
            ("<a must='' id='1x'/>", "may not be `1x`"),
            ("<a must='' to='x'/>", "no element has the ID `x`"),
            ("<a must='' id='x'><a must='' id='x'/></a>", "two elements have the ID"),
            ("<a must='' k='z'/>", "may not be `z`"),
            ("<a must='' v='2'/>", "may not be `2`"),
            ("<a must='' xmlns='urn:b'/>", "may not be"),
            ("<a must='' xmlns:p='urn:b'/>", "has no attribute `xmlns:p`"),
            ("<a must='' e='no'/>", "may not be `no`"),
        ],
    );
}

#[test]
fn parameter_entities_and_sections() {
    let files = Files::of([
        (
            "dtd/main.dtd",
            &b"<?xml version='1.0' encoding='UTF-8'?>
<!ENTITY % more SYSTEM '../more.mod'> <!ENTITY % yes 'INCLUDE'> <!ENTITY % inline 'b | i'>
<!ELEMENT p (#PCDATA | %inline;)*> %more;
<![%yes;[ <!ELEMENT i (#PCDATA)> ]]> <![IGNORE[ <![ x [ ]]> nonsense ]]>"[..],
        ),
        ("more.mod", b"<!ELEMENT b (#PCDATA)>"),
    ]);
    let dtd = Dtd::read(&files, "dtd/main.dtd").unwrap();
    let wrong = |text| wrong(|document, work| dtd.check(document, work), text);
    assert_eq!(wrong("<p>x<b>y</b><i/></p>"), "");
    assert!(!wrong("<p><p/></p>").is_empty());
}

#[test]
fn what_is_wrong_with_a_dtd() {
    for (text, says) in [
        ("<!ELEMENT a (b,c|d)>", "a.dtd:1: expected , or )"),
        ("\n<!ELEMENT a", "a.dtd:2: expected a blank"),
        (
            "<!ELEMENT a ANY>\n<!ELEMENT a ANY>",
            "a.dtd:2: element `a` is declared twice",
        ),
        ("%none;", "there is no parameter entity `none`"),
        ("<!ENTITY % a '%b;'>", "there is no parameter entity `b`"),
        (
            "<!ENTITY % a '&#37;a;'>%a;",
            "entity `a` is defined by itself",
        ),
        (
            "<!ENTITY % a SYSTEM 'none.mod'>%a;",
            "`none.mod` was not loaded",
        ),
        ("<html/>", "expected <!ELEMENT"),
        ("<![INCLUDE[", "expected ]]>"),
    ] {
        let problem = read(text).unwrap_err();
        assert!(problem.to_string().contains(says), "{text}: {problem}");
        assert!(!problem.kind.is_ours(), "{text}");
    }
    let remote = read("<!ENTITY % a SYSTEM 'http://example.com/a.mod'>%a;").unwrap_err();
    assert!(
        matches!(remote.kind, ProblemKind::Unsupported(_)),
        "{remote}"
    );
    let mut laughs = "<!ENTITY % e0 'aaaaaaaaaa'>".to_owned();
    for level in 1..12 {
        let before = level - 1;
        let ten = format!("%e{before};").repeat(10);
        laughs.push_str(&format!("<!ENTITY % e{level} '{ten}'>"));
    }
    let problem = read(&laughs).unwrap_err();
    assert!(
        matches!(problem.kind, ProblemKind::Limit { .. }),
        "{problem}"
    );
}

proptest! {
    #[test]
    fn no_text_panics(text in "(<!(ELEMENT|ATTLIST|ENTITY|\\[|--)|[ab%;()|,*?'\"&#> ]|EMPTY|#PCDATA|\\]\\]>){0,40}") {
        let _ = read(&text);
    }
}

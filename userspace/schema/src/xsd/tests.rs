//! Documents held against schemas.

use proptest::prelude::*;

use super::XmlSchema;
use crate::testing::{document, wrong};
use crate::{Files, Finding, Problem, ProblemKind, Work};

/// A schema of the namespace `urn:t`, prefix `t`.
fn schema_of(inside: &str) -> String {
    format!(
        "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema' xmlns:t='urn:t' targetNamespace='urn:t' elementFormDefault='qualified'>\n{inside}</xs:schema>"
    )
}

fn read(inside: &str) -> Result<XmlSchema, Problem> {
    XmlSchema::read(
        &Files::of([("a.xsd", schema_of(inside).into_bytes())]),
        "a.xsd",
    )
}

/// `<a …` becomes `<a xmlns='urn:t' …` with `xsi`.
fn says(schema: &XmlSchema, text: &str) -> String {
    let end = text.find(['/', '>', ' ']).unwrap();
    let head = "xmlns='urn:t' xmlns:t='urn:t' xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' xmlns:xs='http://www.w3.org/2001/XMLSchema'";
    let text = format!("{} {head}{}", &text[..end], &text[end..]);
    wrong(|document, work| schema.check(document, work), &text)
}

#[track_caller]
fn holds(inside: &str, right: &[&str], wrongs: &[(&str, &str)]) {
    let schema = read(inside).unwrap_or_else(|problem| panic!("{problem}"));
    for text in right {
        assert_eq!(says(&schema, text), "", "{text}");
    }
    for (text, why) in wrongs {
        let found = says(&schema, text);
        assert!(
            !found.is_empty() && found.contains(why),
            "{text}: `{found}`"
        );
    }
}

#[test]
fn content_models() {
    holds(
        "<xs:element name='a'><xs:complexType><xs:sequence><xs:element name='b' type='xs:int'/><xs:choice minOccurs='0' maxOccurs='2'><xs:element name='c'/><xs:group ref='t:g'/></xs:choice></xs:sequence></xs:complexType></xs:element>
         <xs:group name='g'><xs:sequence><xs:element name='d' type='xs:string' maxOccurs='unbounded'/></xs:sequence></xs:group>
         <xs:element name='all'><xs:complexType><xs:all><xs:element name='x' type='xs:string'/><xs:element name='y' minOccurs='0'/></xs:all></xs:complexType></xs:element>
         <xs:element name='m'><xs:complexType mixed='true'><xs:sequence><xs:element ref='t:a' minOccurs='0'/></xs:sequence></xs:complexType></xs:element>
         <xs:element name='none'><xs:complexType/></xs:element>",
        &[
            "<a><b>1</b></a>",
            "<a> <b> 1 </b><c><any/></c><d/><d>x</d></a>",
            "<all><y/><x/></all>",
            "<all><x/></all>",
            "<m>x<a><b>2</b></a>y</m>",
            "<none/>",
        ],
        &[
            ("<a/>", "`a` ends too early: expected {urn:t}b"),
            ("<a><b>x</b></a>", "`x` is not a whole number"),
            ("<a><b>1</b><c/><c/><c/></a>", "may not stand here"),
            ("<a><b>1</b>text</a>", "may not hold the text `text`"),
            ("<a><b>1<c/></b></a>", "may not stand"),
            ("<all><y/></all>", "expected {urn:t}x"),
            ("<all><x/><x/></all>", "may not stand"),
            ("<none>x</none>", "may not hold"),
            ("<none a='1'/>", "may not have the attribute `a`"),
            ("<unknown/>", "`unknown` is not declared"),
        ],
    );
}

#[test]
fn wildcards() {
    holds(
        "<xs:element name='a'><xs:complexType><xs:sequence><xs:any namespace='##other' processContents='lax' minOccurs='0' maxOccurs='unbounded'/></xs:sequence><xs:anyAttribute namespace='##any' processContents='lax'/></xs:complexType></xs:element>
         <xs:element name='s'><xs:complexType><xs:sequence><xs:any processContents='strict'/></xs:sequence></xs:complexType></xs:element>
         <xs:element name='k'><xs:complexType><xs:sequence><xs:any processContents='skip'/></xs:sequence></xs:complexType></xs:element>
         <xs:element name='n' type='xs:int'/>
         <xs:attribute name='flag'><xs:simpleType><xs:restriction base='xs:boolean'><xs:pattern value='0|1'/></xs:restriction></xs:simpleType></xs:attribute>",
        &[
            "<a x='1' t:flag='1'><x xmlns='urn:x'><n xmlns='urn:t'>5</n></x></a>",
            "<a><x xmlns='urn:x' xsi:type='xs:int'>5</x></a>",
            "<s><n>1</n></s>",
            "<k><n>x</n></k>",
        ],
        &[
            ("<a t:flag='true'/>", "does not match the pattern"),
            ("<a><n>1</n></a>", "may not stand"),
            ("<a><x xmlns='urn:x'><n xmlns='urn:t'>x</n></x></a>", "`x` is not"),
            ("<a><x xmlns='urn:x' xsi:type='xs:int'>x</x></a>", "`x` is not"),
            ("<a><x xmlns='urn:x' xsi:type='xs:nothing'>x</x></a>", "is not declared"),
            ("<s><x xmlns='urn:x'/></s>", "is not declared"),
        ],
    );
}

#[test]
fn simple_types() {
    holds(
        "<xs:element name='r'><xs:simpleType><xs:restriction base='xs:decimal'><xs:minInclusive value='1'/><xs:maxExclusive value='10'/><xs:fractionDigits value='1'/></xs:restriction></xs:simpleType></xs:element>
         <xs:simpleType name='size'><xs:restriction base='xs:token'><xs:enumeration value='S'/><xs:enumeration value='M'/></xs:restriction></xs:simpleType>
         <xs:element name='l'><xs:simpleType><xs:restriction><xs:simpleType><xs:list itemType='t:size'/></xs:simpleType><xs:maxLength value='2'/></xs:restriction></xs:simpleType></xs:element>
         <xs:element name='u'><xs:simpleType><xs:union memberTypes='xs:int t:size'/></xs:simpleType></xs:element>
         <xs:element name='d'><xs:simpleType><xs:restriction base='xs:date'><xs:minInclusive value='2024-01-01'/></xs:restriction></xs:simpleType></xs:element>
         <xs:element name='f' type='xs:int' fixed='7'/><xs:element name='q' type='xs:QName'/>
         <xs:element name='p'><xs:simpleType><xs:restriction base='xs:string'><xs:length value='3'/><xs:pattern value='[A-Z]+'/><xs:pattern value='[0-9]+'/></xs:restriction></xs:simpleType></xs:element>",
        &[
            "<r>9.9</r>", "<r> 1.00 </r>", "<l>S  M</l>", "<l/>", "<u>5</u>", "<u> M </u>", "<d>2024-02-29</d>",
            "<f>7</f>", "<f/>", "<f>007</f>", "<q>t:x</q>", "<p>ABC</p>", "<p>123</p>",
        ],
        &[
            ("<r>10</r>", "beyond the bound 10"), ("<r>0.9</r>", "beyond"), ("<r>1.55</r>", "too many digits"),
            ("<l>S M S</l>", "wrong length"), ("<l>X</l>", "enumeration"), ("<u>x</u>", "union"),
            ("<d>2023-12-31</d>", "beyond"), ("<d>2023-02-30</d>", "not a date"), ("<f>8</f>", "another text"),
            ("<q>no:x</q>", "prefix"), ("<p>AB1</p>", "pattern"), ("<p>ABCD</p>", "length"),
        ],
    );
}

#[test]
fn derived_types() {
    holds(
        "<xs:complexType name='base'><xs:sequence><xs:element name='b' minOccurs='0'/></xs:sequence><xs:attribute name='x' type='xs:int' use='required'/></xs:complexType>
         <xs:complexType name='more'><xs:complexContent><xs:extension base='t:base'><xs:sequence><xs:element name='c'/></xs:sequence><xs:attributeGroup ref='t:ag'/></xs:extension></xs:complexContent></xs:complexType>
         <xs:complexType name='less'><xs:complexContent><xs:restriction base='t:base'><xs:attribute name='x' type='xs:int' fixed='1'/></xs:restriction></xs:complexContent></xs:complexType>
         <xs:attributeGroup name='ag'><xs:attribute name='y'/><xs:attribute ref='xml:lang'/></xs:attributeGroup>
         <xs:complexType name='price'><xs:simpleContent><xs:extension base='xs:decimal'><xs:attribute name='unit' type='xs:string'/></xs:extension></xs:simpleContent></xs:complexType>
         <xs:complexType name='abs' abstract='true'><xs:sequence/></xs:complexType>
         <xs:element name='e' type='t:base' nillable='true'/><xs:element name='closed' type='t:base' block='extension'/>
         <xs:element name='p' type='t:price'/><xs:element name='abs' type='t:abs'/>
         <xs:element name='head' abstract='true' type='t:base'/><xs:element name='one' substitutionGroup='t:head'/><xs:element name='two' type='t:more' substitutionGroup='t:one'/>
         <xs:element name='list'><xs:complexType><xs:sequence><xs:element ref='t:head' maxOccurs='unbounded'/></xs:sequence></xs:complexType></xs:element>",
        &[
            "<e x='1'/>", "<e x='1' xsi:nil='true'/>", "<e x='1' y='' xml:lang='de' xsi:type='t:more'><b/><c/></e>",
            "<e xsi:type='t:less'/>", "<p unit='EUR'>1.50</p>", "<list><one x='1'/><two x='1'><c/></two></list>",
            "<closed x='1' xsi:type='t:less'/>",
        ],
        &[
            ("<e/>", "lacks the attribute `x`"), ("<e x='a'/>", "attribute `x` of `e`: `a` is not"),
            ("<e x='1' xsi:nil='true'><b/></e>", "may not stand"), ("<p xsi:nil='true'/>", "may not be nil"),
            ("<e x='1' xsi:type='t:more'/>", "expected {urn:t}b, {urn:t}c"), ("<e x='1' xsi:type='xs:int'/>", "may not stand for its type"),
            ("<e x='2' xsi:type='t:less'/>", "another value"), ("<p>x</p>", "not a decimal"), ("<abs/>", "abstract"),
            ("<list><head x='1'/></list>", "may not stand"), ("<closed x='1' xsi:type='t:more'><c/></closed>", "may not stand for"),
            ("<head x='1'/>", "abstract"),
        ],
    );
}

#[test]
fn names_and_keys() {
    holds(
        "<xs:element name='a'><xs:complexType><xs:sequence>
           <xs:element name='i' maxOccurs='unbounded'><xs:complexType><xs:attribute name='n' type='xs:int'/><xs:attribute name='r' type='xs:int'/><xs:attribute name='id' type='xs:ID'/><xs:attribute name='to' type='xs:IDREFS'/></xs:complexType></xs:element>
         </xs:sequence></xs:complexType>
         <xs:key name='k'><xs:selector xpath='t:i'/><xs:field xpath='@n'/></xs:key><xs:keyref name='kr' refer='t:k'><xs:selector xpath='.//t:i'/><xs:field xpath='@r'/></xs:keyref></xs:element>",
        &["<a><i n='1' id='x'/><i n='2' r='01' to='x y'/><i n='3' id='y'/></a>"],
        &[
            ("<a><i n='1'/><i n='01'/></a>", "`k` has the value"), ("<a><i/></a>", "field of the key `k` has no value"),
            ("<a><i n='1' r='2'/></a>", "`kr` refers to"), ("<a><i n='1' to='z'/></a>", "nothing has the ID `z`"),
            ("<a><i n='1' id='x'/><i n='2' id='x'/></a>", "two nodes have the ID"),
        ],
    );
}

#[test]
fn files_that_include_and_import() {
    let other = "<schema xmlns='http://www.w3.org/2001/XMLSchema' targetNamespace='urn:o' xmlns:t='urn:t'><import namespace='urn:t' schemaLocation='a.xsd'/><element name='o'><complexType><sequence><element ref='t:c'/></sequence></complexType></element></schema>";
    let plain = "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema' elementFormDefault='qualified'><xs:element name='c' type='ct'/><xs:simpleType name='ct'><xs:restriction base='xs:int'/></xs:simpleType></xs:schema>";
    let main = schema_of(
        "<xs:include schemaLocation='sub/plain.xsd'/><xs:import namespace='urn:o' schemaLocation='./o.xsd'/><xs:element name='a'><xs:complexType><xs:sequence><xs:element xmlns:o='urn:o' ref='o:o'/></xs:sequence></xs:complexType></xs:element>",
    );
    let files = |main: String| {
        Files::of([
            ("r/a.xsd", main.into_bytes()),
            ("r/o.xsd", other.as_bytes().to_vec()),
            ("r/sub/plain.xsd", plain.as_bytes().to_vec()),
        ])
    };
    let schema = XmlSchema::read(&files(main), "r/a.xsd").unwrap();
    assert_eq!(
        says(
            &schema,
            "<a><o xmlns='urn:o'><c xmlns='urn:t'>1</c></o></a>"
        ),
        ""
    );
    assert!(
        says(
            &schema,
            "<a><o xmlns='urn:o'><c xmlns='urn:t'>x</c></o></a>"
        )
        .contains("`x`")
    );
    for (inside, says) in [
        (
            "<xs:include schemaLocation='none.xsd'/>",
            "r/a.xsd:2: the file `r/none.xsd` was not loaded",
        ),
        (
            "<xs:include schemaLocation='http://example.com/a.xsd'/>",
            "the schema at `http://example.com/a.xsd`: nothing is fetched",
        ),
        (
            "<xs:include schemaLocation='o.xsd'/>",
            "r/o.xsd:1: `urn:o` is not the namespace",
        ),
    ] {
        let problem = XmlSchema::read(&files(schema_of(inside)), "r/a.xsd").unwrap_err();
        assert!(problem.to_string().contains(says), "{problem}");
    }
}

#[test]
fn what_is_wrong_with_a_schema() {
    for (inside, says, is_ours) in [
        (
            "<xs:element name='a' type='t:no'/>",
            "a.xsd:2: there is no type `t:no`",
            false,
        ),
        (
            "<xs:element name='a'/>\n<xs:element name='a'/>",
            "a.xsd:3: element `a` is declared twice",
            false,
        ),
        (
            "<xs:redefine schemaLocation='b.xsd'/>",
            "xs:redefine is not supported",
            true,
        ),
        (
            "<xs:elment name='a'/>",
            "expected a declaration, found the element `elment`",
            false,
        ),
        (
            "<xs:element name='a'><xs:complexType><xs:sequence><xs:element name='b' minOccurs='0'/><xs:element name='b'/></xs:sequence></xs:complexType></xs:element>",
            "content model of `a` is ambiguous: `{urn:t}b`",
            false,
        ),
        (
            "<xs:complexType name='c'><xs:complexContent><xs:extension base='t:c'/></xs:complexContent></xs:complexType>",
            "type `c` is defined by itself",
            false,
        ),
        (
            "<xs:group name='g'><xs:sequence><xs:group ref='t:g'/></xs:sequence></xs:group>",
            "group `t:g` is defined by itself",
            false,
        ),
        (
            "<xs:simpleType name='s'><xs:restriction base='xs:int'><xs:length value='1'/></xs:restriction></xs:simpleType>",
            "`length` is not a facet that this type has",
            false,
        ),
        (
            "<xs:simpleType name='s'><xs:restriction base='xs:int'><xs:maxInclusive value='x'/></xs:restriction></xs:simpleType>",
            "`x` is not a value of the base type",
            false,
        ),
        (
            "<xs:simpleType name='s'><xs:restriction base='xs:string'><xs:pattern value='('/></xs:restriction></xs:simpleType>",
            "regular expression",
            false,
        ),
        (
            "<xs:element name='a'><xs:complexType><xs:sequence><xs:element name='b' maxOccurs='1000000'/></xs:sequence></xs:complexType></xs:element>",
            "more than 20000 places",
            true,
        ),
        (
            "<xs:element name='a'><xs:alternative/></xs:element>",
            "xs:alternative is not supported",
            true,
        ),
        (
            "<xs:element name='a' type='xs:int' fixed='x'/>",
            "`x` is not a value of its type",
            false,
        ),
        ("<xs:element", "not well-formed", false),
    ] {
        let problem = read(inside).unwrap_err();
        assert!(problem.to_string().contains(says), "{inside}: {problem}");
        assert_eq!(problem.kind.is_ours(), is_ours, "{problem}");
    }
}

#[test]
fn groups_that_double_each_time_have_an_end() {
    let mut groups =
        "<xs:group name='g0'><xs:sequence><xs:element name='e'/></xs:sequence></xs:group>"
            .to_owned();
    for level in 1..40 {
        let before = level - 1;
        groups.push_str(&format!("<xs:group name='g{level}'><xs:sequence><xs:group ref='t:g{before}'/><xs:group ref='t:g{before}'/></xs:sequence></xs:group>"));
    }
    let problem = read(&groups).unwrap_err();
    assert!(
        matches!(problem.kind, ProblemKind::Limit { .. }),
        "{problem}"
    );
}

#[test]
fn work_has_an_end() {
    let schema = read("<xs:element name='a'><xs:complexType><xs:sequence><xs:element name='b' maxOccurs='unbounded'/></xs:sequence></xs:complexType></xs:element>").unwrap();
    let text = format!("<a xmlns='urn:t'>{}</a>", "<b/>".repeat(1000));
    let document = document(&text);
    let mut work = Work::of(1000);
    assert_eq!(schema.check(&document, &mut work), Err(Finding::Exhausted));
    assert_eq!(work.spent(), 1000);
    let mut enough = Work::of(100_000);
    assert_eq!(schema.check(&document, &mut enough), Ok(()));
}

proptest! {
    #[test]
    fn no_schema_panics(inside in "(<xs:(element|complexType|sequence|choice|group|simpleType|restriction|attribute|any)( (name|ref|type|base|value|maxOccurs|use)='(t:)?[abx0-9]{0,2}')*/?>|</xs:[a-z]{3,8}>){0,20}") {
        let _ = read(&inside);
    }
}

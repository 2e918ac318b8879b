//! Shelves: units that a scan finds stand apart by what they could match, so that a value is scanned for little else.
//!
//! The bytes of a text decide which shelves can hold anything for it; a shelf of these on which none of its class's units for the
//! chains that end in the text stands is passed over.

use seclang::ast::{Transformation, Variable};

use super::gate::{OTHER_VALUES, PLAIN_VALUES};
use super::plain::PLAIN;
use super::rule::{Condition, Link};
use crate::bytes::ByteSet;
use crate::transform;

/// How many shelves there are.
pub(crate) const SHELVES: usize = 4 * PARTS;

/// Shelves for values with the same bytes. Rules about arguments and cookies alone stand apart, so that headers and URIs are not
/// scanned for them; and so do those whose chains rewrite almost every value, so that the outcome is scanned for them alone.
pub(crate) const PARTS: usize = 4;

/// A set of shelves, a bit each.
pub(crate) type ShelfSet = u16;
const _: () = assert!(SHELVES <= ShelfSet::BITS as usize, "each shelf has a bit");

const QUOTES: ByteSet = ByteSet::of(b"'\"`");
const MARKS: ByteSet = ByteSet::of(b"<>${}[]\\|^~#!")
    .union(ByteSet::range(0, 31))
    .union(ByteSet::range(127, 255));

/// The shelves of a value with these bytes: plain values have their own; others have the common ones, and those for quotes and
/// for marks if they hold any.
pub(crate) fn shelves(presence: &ByteSet) -> ShelfSet {
    let plain = presence.is_subset_of(&PLAIN);
    let has = [
        plain,
        !plain,
        !plain && presence.intersects(&QUOTES),
        !plain && presence.intersects(&MARKS),
    ];
    has.iter().rev().fold(0, |set, &has| {
        set << PARTS | if has { (1 << PARTS) - 1 } else { 0 }
    })
}

/// The shelf of a unit for a kind of values, by the bytes that it needs.
pub(super) fn shelf(kind: usize, needs: &[ByteSet], link: &Link, condition: &Condition) -> usize {
    let needs = |bytes: &ByteSet| needs.iter().any(|set| set.is_subset_of(bytes));
    let kind = if kind == PLAIN_VALUES {
        0
    } else if needs(&QUOTES) {
        2
    } else if needs(&MARKS) {
        3
    } else {
        1
    };
    let wide = !condition
        .targets
        .iter()
        .all(|target| is_field(target.variable));
    let rewrites = link.chain.iter().any(rewrites);
    kind * PARTS + usize::from(wide) * 2 + usize::from(rewrites)
}

/// The kind of values that a shelf is for.
pub(super) fn kind_of(shelf: usize) -> usize {
    if shelf < PARTS {
        PLAIN_VALUES
    } else {
        OTHER_VALUES
    }
}

/// Whether values of the variable are what forms and cookies hold, which most rules look at.
fn is_field(variable: Variable) -> bool {
    use Variable as V;
    matches!(
        variable,
        V::Args
            | V::ArgsGet
            | V::ArgsPost
            | V::ArgsNames
            | V::ArgsGetNames
            | V::ArgsPostNames
            | V::RequestCookies
            | V::RequestCookiesNames
            | V::Xml
            | V::RequestXml
    )
}

/// Whether a step changes many a harmless value.
fn rewrites(step: &Transformation) -> bool {
    const USUAL: ByteSet = ByteSet::range(b'a', b'z')
        .union(ByteSet::range(b'A', b'Z'))
        .union(ByteSet::of(b" "));
    transform::triggers(*step).intersects(&USUAL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{CompileOptions, RuleSet};

    /// The shelf of a rule for values that are not plain.
    fn shelf_of(rule: &str, needs: &[u8]) -> usize {
        let document = seclang::parse_str("rules", rule).unwrap();
        let rules = RuleSet::compile(&[document], &CompileOptions::default()).unwrap();
        let link = &rules.rules[0].links[0];
        let needs = needs.iter().map(|&byte| ByteSet::EMPTY.with(byte));
        let needs: Vec<ByteSet> = needs.collect();
        shelf(OTHER_VALUES, &needs, link, link.condition.as_ref().unwrap())
    }

    #[test]
    fn units_stand_where_values_that_they_match_are_looked_for() {
        let rule = |rest: &str| format!("SecRule {rest}\"");
        let fields = rule("ARGS|REQUEST_COOKIES \"@rx x\" \"id:1,phase:2,t:urlDecodeUni");
        let lower = rule("ARGS \"@rx x\" \"id:1,phase:2,t:lowercase");
        let wide = rule("ARGS|REQUEST_HEADERS \"@rx x\" \"id:1,phase:2");
        let shelves_of = |text: &[u8]| {
            let set = shelves(&ByteSet::present_in(text));
            (0..SHELVES)
                .filter(|shelf| set & 1 << shelf != 0)
                .collect::<Vec<_>>()
        };
        for (needs, text) in [
            (&b""[..], &b"a(b"[..]),
            (b"'a", b"a'b"),
            (b"<", b"a<b"),
            (b"a<'", b"'a<"),
            (b"\x00", b"\0"),
        ] {
            let found = [&fields, &lower, &wide].map(|rule| shelf_of(rule, needs));
            assert_eq!(found.map(kind_of), [OTHER_VALUES; 3]);
            assert!(found.iter().all(|shelf| shelves_of(text).contains(shelf)));
            assert!(found[0] != found[1] && found[1] != found[2] && found[0] != found[2]);
        }
        assert!(!shelves_of(b"a(b").contains(&shelf_of(&fields, b"'")));
        let plain = shelves_of(b"plain");
        assert!(plain.iter().all(|&shelf| kind_of(shelf) == PLAIN_VALUES));
    }
}

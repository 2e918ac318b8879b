//! The corners of the language, one a test.

use crate::ast::{
    Action, Change, Collection, Ctl, Directive, IdRange, NoOp, OperatorKind, PartsChange, Phase,
    RuleChoice, Sanitise, Segment, Selector, Setting, Severity, Target, Transformation, Use,
    Variable,
};
use crate::{Document, parse_str};

fn parse(text: &str) -> Document {
    parse_str("test.conf", text).unwrap_or_else(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        panic!("{}", lines.join("\n"));
    })
}

/// The directives without their places.
fn directives(text: &str) -> Vec<Directive> {
    parse(text)
        .directives
        .into_iter()
        .map(|directive| directive.value)
        .collect()
}

/// The targets, the operator and the actions of a text with one rule.
fn targets(list: &str) -> Vec<Target> {
    let document = parse(&format!("SecRule {list} \"@rx x\" \"id:1\""));
    let condition = document
        .rules()
        .next()
        .and_then(|rule| rule.starter.condition.clone());
    let targets = condition.expect("a rule with a condition").targets;
    targets.into_iter().map(|target| target.value).collect()
}

fn operator(word: &str) -> (bool, OperatorKind, String) {
    let document = parse(&format!("SecRule ARGS {word} \"id:1\""));
    let condition = document
        .rules()
        .next()
        .and_then(|rule| rule.starter.condition.clone());
    let operator = condition.expect("a rule with a condition").operator.value;
    (
        operator.negated,
        operator.kind,
        operator.argument.to_string(),
    )
}

/// The actions behind `id:1`.
fn actions(list: &str) -> Vec<Action> {
    let document = parse(&format!("SecAction \"id:1,{list}\""));
    let rule = document.rules().next().expect("a rule");
    let actions = rule.starter.actions.iter().skip(1);
    actions.map(|action| action.value.clone()).collect()
}

fn target(variable: Variable, selector: Selector) -> Target {
    let usage = Use::Values;
    Target {
        usage,
        variable,
        selector,
    }
}

#[test]
fn a_backslash_at_the_end_of_a_line_joins_the_next_one() {
    let joined =
        directives("SecRule ARGS \\\n  \"@contains a\\\nb\" \\\r\n\t\"id:1,\\\n    deny\"\n");
    assert_eq!(
        joined,
        directives("SecRule ARGS \"@contains ab\" \"id:1,deny\"")
    );
}

#[test]
fn blanks_behind_a_continuation_belong_to_a_quoted_text() {
    assert_eq!(operator("\"@contains a\\\n  b\"").2, "a  b");
}

#[test]
fn a_text_in_single_quotes_goes_over_several_lines() {
    let found = actions("msg:'one \\\ntwo, \\\nthree'");
    assert_eq!(found, actions("msg:'one two, three'"));
}

#[test]
fn a_comment_stands_only_where_a_line_begins() {
    let document = parse("# one\n  # two \\\nSecMarker a#b\n");
    let comments: Vec<&str> = document
        .comments
        .iter()
        .map(|comment| comment.value.as_str())
        .collect();
    assert_eq!(comments, ["# one", "# two \\"]);
    assert_eq!(
        document.directives[0].value,
        Directive::Marker("a#b".to_owned())
    );
}

#[test]
fn in_quotes_only_the_quote_is_escaped() {
    assert_eq!(operator(r#""@rx \x5c\s\\ \"q\"""#).2, r#"\x5c\s\\ "q""#);
    // A quote behind two backslashes is an escaped one too, as in the other engines.
    assert_eq!(operator(r#""@rx a\\"b""#).2, r#"a\"b"#);
    assert_eq!(operator(r"'@rx it\'s'").2, "it's");
}

#[test]
fn names_are_read_without_case() {
    let found = directives(
        "secruleengine detectiononly\nSECRULE args_names|tx:X \"@BEGINSWITH a\" \"ID:1,T:LowerCase,Deny\"",
    );
    let canonical = directives(
        "SecRuleEngine DetectionOnly\nSecRule ARGS_NAMES|TX:X \"@beginsWith a\" \"id:1,t:lowercase,deny\"",
    );
    assert_eq!(found, canonical);
}

#[test]
fn targets_are_split_outside_of_regular_expressions_and_quotes() {
    let regex = |variable, text: &str| target(variable, Selector::Regex(text.to_owned()));
    assert_eq!(
        targets("ARGS:/a|b/|REQUEST_COOKIES:/c\\/|d/"),
        [
            regex(Variable::Args, "a|b"),
            regex(Variable::RequestCookies, "c\\/|d")
        ]
    );
    assert_eq!(
        targets("\"ARGS:'/it's|/'|ARGS:'a|b'|ARGS:a.b\""),
        [
            regex(Variable::Args, "it's|"),
            target(Variable::Args, Selector::Key("a|b".to_owned())),
            target(Variable::Args, Selector::Key("a.b".to_owned())),
        ]
    );
    assert_eq!(targets("\"ARGS | ARGS_NAMES\"").len(), 2);
}

#[test]
fn what_follows_a_document_is_an_xpath() {
    let path = |text: &str| target(Variable::Xml, Selector::XPath(text.to_owned()));
    assert_eq!(targets("XML:/*|XML://@*"), [path("/*"), path("//@*")]);
}

#[test]
fn a_target_counts_excludes_or_is_inspected() {
    let usages: Vec<Use> = targets("ARGS|!ARGS:a|&ARGS:/b/")
        .iter()
        .map(|target| target.usage)
        .collect();
    assert_eq!(usages, [Use::Values, Use::Exclude, Use::Count]);
}

#[test]
fn a_dot_selects_as_in_modsecurity_3() {
    assert_eq!(targets("TX.score"), targets("TX:score"));
}

#[test]
fn a_bare_pattern_is_a_regular_expression() {
    let rx = OperatorKind::Rx;
    assert_eq!(operator("^foo$"), (false, rx, "^foo$".to_owned()));
    assert_eq!(operator("!^foo$"), (true, rx, "^foo$".to_owned()));
    assert_eq!(operator("\"! @rx a\""), (true, rx, "a".to_owned()));
    assert_eq!(operator("\" @rx\""), (false, rx, " @rx".to_owned()));
    assert_eq!(operator("\"@rx   a b \""), (false, rx, "a b ".to_owned()));
    assert_eq!(
        operator("\"!@within |a|b|\""),
        (true, OperatorKind::Within, "|a|b|".to_owned())
    );
    assert_eq!(
        operator("@detectSQLi"),
        (false, OperatorKind::DetectSqli, String::new())
    );
}

#[test]
fn macros_are_parsed_and_patterns_keep_what_is_none() {
    let found = actions("msg:'%{tx.A-b} %{MATCHED_VAR}%{request_headers:host}% %{'");
    let [Action::Msg(text)] = found.as_slice() else {
        panic!("one msg")
    };
    assert_eq!(text.segments.len(), 5);
    assert_eq!(text.macros().count(), 3);
    assert_eq!(
        text.to_string(),
        "%{tx.A-b} %{MATCHED_VAR}%{request_headers.host}% %{"
    );
    assert_eq!(operator("\"@rx ^%{tx.bad}%{2}$\"").2, "^%{tx.bad}%{2}$");
    assert_eq!(operator("\"@pm a %{nothing}\"").2, "a %{nothing}");
}

#[test]
fn commas_in_single_quotes_do_not_end_an_action() {
    let literal = crate::ast::Template::literal;
    assert_eq!(
        actions(r"msg:'a, \'b\': c',deny"),
        [Action::Msg(literal("a, 'b': c")), Action::Deny]
    );
    assert_eq!(
        actions("msg:it's,deny,"),
        [Action::Msg(literal("it's")), Action::Deny]
    );
    assert_eq!(
        actions(" severity : '2' ,ver:a:b"),
        [
            Action::Severity(Severity::Critical),
            Action::Ver("a:b".to_owned())
        ]
    );
}

#[test]
fn phases_have_numbers_and_names() {
    let phases = ["1", "request", "3", "response", "'logging'"]
        .map(|phase| actions(&format!("phase:{phase}")));
    let numbers: Vec<u8> = phases
        .iter()
        .flatten()
        .map(|action| match action {
            Action::Phase(phase) => phase.number(),
            _ => 0,
        })
        .collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    assert_eq!(
        parse("SecAction id:1")
            .rules()
            .next()
            .map(super::Rule::phase),
        Some(Phase::RequestBody)
    );
    assert_eq!(
        parse("SecAction id:1,phase:1,phase:3")
            .rules()
            .next()
            .map(super::Rule::phase),
        Some(Phase::ResponseHeaders)
    );
}

#[test]
fn setvar_sets_adds_subtracts_and_unsets() {
    let change = |list: &str| match actions(list).as_slice() {
        [Action::SetVar(set)] => (set.collection, set.name.to_string(), set.change.clone()),
        other => panic!("{other:?}"),
    };
    let literal = crate::ast::Template::literal;
    let tx = Collection::Tx;
    assert_eq!(
        change("setvar:TX.a=5"),
        (tx, "a".to_owned(), Change::Set(literal("5")))
    );
    assert_eq!(
        change("setvar:tx.a"),
        (tx, "a".to_owned(), Change::Set(literal("1")))
    );
    assert_eq!(
        change("setvar:'tx.a='"),
        (tx, "a".to_owned(), Change::Set(literal("")))
    );
    assert_eq!(
        change("setvar:'tx.a=x=y'"),
        (tx, "a".to_owned(), Change::Set(literal("x=y")))
    );
    assert_eq!(
        change("setvar:ip.a=-2"),
        (
            Collection::Ip,
            "a".to_owned(),
            Change::Subtract(literal("2"))
        )
    );
    assert_eq!(change("setvar:!tx.a"), (tx, "a".to_owned(), Change::Unset));
    let (_, name, added) = change("setvar:'tx.n_%{tx.0}=+%{tx.critical_anomaly_score}'");
    assert_eq!(name, "n_%{tx.0}");
    assert!(
        matches!(added, Change::Add(by) if matches!(by.segments.as_slice(), [Segment::Macro(_)]))
    );
}

#[test]
fn ctl_options_are_typed() {
    let ctl = |list: &str| match actions(list).as_slice() {
        [Action::Ctl(ctl)] => ctl.clone(),
        other => panic!("{other:?}"),
    };
    let range = |first, last| RuleChoice::Ids(IdRange { first, last });
    assert_eq!(
        ctl("ctl:ruleRemoveById=1-999999"),
        Ctl::RuleRemove(range(1, 999_999))
    );
    assert_eq!(
        ctl("ctl:RULEREMOVEBYTAG=OWASP_CRS"),
        Ctl::RuleRemove(RuleChoice::Tag("OWASP_CRS".to_owned()))
    );
    let args = |selector| target(Variable::Args, selector);
    assert_eq!(
        ctl("ctl:ruleRemoveTargetById=942100;ARGS:q"),
        Ctl::RuleRemoveTarget {
            rules: range(942_100, 942_100),
            target: args(Selector::Key("q".to_owned()))
        }
    );
    assert_eq!(
        ctl("ctl:'ruleRemoveTargetByTag=x;ARGS:/a,b/'"),
        Ctl::RuleRemoveTarget {
            rules: RuleChoice::Tag("x".to_owned()),
            target: args(Selector::Regex("a,b".to_owned()))
        }
    );
    assert!(
        matches!(ctl("ctl:auditLogParts=+E"), Ctl::AuditLogParts(PartsChange::Add(parts)) if parts.contains('E'))
    );
}

#[test]
fn a_chain_is_one_rule() {
    let document = parse(
        "SecRule ARGS a \"id:1,phase:1,chain,deny\"\n# between\n  SecRule ARGS b \"t:none,chain\"\n  SecRule ARGS c\nSecMarker M\n",
    );
    assert_eq!(document.directives.len(), 2);
    let rule = document.rules().next().expect("a rule");
    assert_eq!((rule.id(), rule.chained.len()), (1, 2));
    assert_eq!(
        rule.chained[0].actions[0].value,
        Action::Transform(Transformation::None)
    );
}

#[test]
fn exclusions_after_the_fact_are_nodes() {
    let range = |first, last| IdRange { first, last };
    assert_eq!(
        directives("SecRuleRemoveById 1 2-5 \"6-7, 9\"\nSecRuleRemoveByTag \"attack-.*\""),
        [
            Directive::RuleRemoveById(vec![range(1, 1), range(2, 5), range(6, 7), range(9, 9)]),
            Directive::RuleRemoveByTag("attack-.*".to_owned()),
        ]
    );
    let updated = directives(
        "SecRuleUpdateTargetById 1:2 \"!ARGS:a,!ARGS:/b,c/|TX\"\nSecRuleUpdateActionById 9 \"pass,t:none\"",
    );
    let [
        Directive::RuleUpdateTarget { link, targets, .. },
        Directive::RuleUpdateActionById { id, actions, .. },
    ] = updated.as_slice()
    else {
        panic!("{updated:?}")
    };
    assert_eq!((*link, targets.len(), *id, actions.len()), (2, 3, 9, 2));
}

#[test]
fn settings_are_typed() {
    assert_eq!(
        directives("SecArgumentSeparator \"&\"\nSecAuditLogParts abz\nSecAuditLogDirMode 0750\nSecAuditLogType parallel\nSecResponseBodyMimeType text/plain text/html\nSecUnicodeMapFile unicode.mapping 20127")
            .len(),
        6
    );
    let typed = directives(
        "SecRequestBodyLimit 13107200\nSecXMLExternalEntity Off\nSecUploadFileMode default",
    );
    assert_eq!(
        typed,
        [
            Directive::Setting(Setting::RequestBodyLimit(13_107_200)),
            Directive::Setting(Setting::XmlExternalEntity(false)),
            Directive::Setting(Setting::UploadFileMode(None)),
        ]
    );
}

#[test]
fn no_ops_are_kept() {
    let Some(Directive::NoOp {
        directive,
        arguments,
    }) = directives("SecHashParam rv\n").pop()
    else {
        panic!("a no-op")
    };
    assert_eq!(
        (directive, arguments),
        (NoOp::HashParam, vec!["rv".to_owned()])
    );
    assert_eq!(directives("SecContentInjection Off").len(), 1);
}

#[test]
fn a_dataset_has_its_lines() {
    let found = directives("SecDataset bad `\n one\n# two\n\n three \\\n`\nSecMarker x");
    let entries = vec!["one".to_owned(), "three \\".to_owned()];
    assert_eq!(
        found[0],
        Directive::Dataset {
            name: "bad".to_owned(),
            entries
        }
    );
    assert_eq!(found.len(), 2);
}

#[test]
fn a_backtick_in_a_word_is_no_line_of_a_dataset() {
    let errors = parse_str("test.conf", "SecDataset a x`y\n").expect_err("no lines");
    assert!(errors[0].to_string().contains("lines between backticks"));
    assert_eq!(errors[0].column, 14);
}

#[test]
fn the_name_of_a_dataset_is_one_word() {
    let errors =
        parse_str("test.conf", "SecDataset `\none\n two ` `\nx\n`\n").expect_err("no name");
    assert!(
        errors[0]
            .to_string()
            .contains("a name and lines between backticks"),
        "{}",
        errors[0]
    );
}

#[test]
fn places_are_of_the_file_and_not_of_the_joined_line() {
    let text = "# é\nSecRule ARGS \"@rx \\\"x\" \\\n    \"id:7,\\\n    msg:'m'\"\n";
    let document = parse(text);
    let rule = document.rules().next().expect("a rule");
    let place = |index: usize| {
        let at = document.sources.locate(rule.starter.actions[index].span);
        (at.line, at.column)
    };
    assert_eq!(place(0), (3, 6));
    assert_eq!(place(1), (4, 5));
    assert_eq!(document.sources.text(rule.starter.actions[0].span), "id:7");
}

#[test]
fn the_canonical_form_keeps_comments_and_sets_rules_apart() {
    let text = "# head\n\n\n  # second\nsecrule  \"args|!args:'a b'\" \"!@RX  a\\\"b\"  \\\n \"id:7,T:none,msg:'x, y',chain\"\n# why\nSecRule XML:/* b setvar:TX.a=+%{TX:b},ctl:ruleRemoveTargetById=1-2;ARGS:/c/\nSecMarker 'A B'\nSecAuditLogDirMode 0750\n";
    let expected = concat!(
        "# head\n\n# second\n",
        "SecRule \"ARGS|!ARGS:a b\" \"!@rx a\\\"b\" \\\n    \"id:7,\\\n    t:none,\\\n    msg:'x, y',\\\n    chain\"\n",
        "    # why\n",
        "    SecRule XML:/* \"@rx b\" \\\n        \"setvar:'tx.a=+%{tx.b}',\\\n        ctl:ruleRemoveTargetById=1-2;ARGS:/c/\"\n\n",
        "SecMarker \"A B\"\nSecAuditLogDirMode 0750\n",
    );
    assert_eq!(crate::format(&parse(text)), expected);
}

#[test]
fn what_is_hidden_and_what_fades() {
    let found = actions(
        "sanitiseArg:pw,sanitizeRequestHeader:'Authorization',sanitiseMatched,sanitiseMatchedBytes:1/4,sanitizeMatchedBytes,deprecatevar:session.score=60/300",
    );
    let [arg, header, matched, some, all, fades] = found.as_slice() else {
        panic!("{found:?}");
    };
    let hidden = |action: &Action| match action {
        Action::Sanitise(what) => what.clone(),
        _ => panic!("{action:?}"),
    };
    assert_eq!(hidden(arg), Sanitise::Arg("pw".into()));
    assert_eq!(
        hidden(header),
        Sanitise::RequestHeader("Authorization".into())
    );
    assert_eq!(hidden(matched), Sanitise::Matched);
    assert_eq!(hidden(some), Sanitise::MatchedBytes { front: 1, back: 4 });
    assert_eq!(hidden(all), Sanitise::MatchedBytes { front: 0, back: 0 });
    assert_eq!(fades.to_string(), "deprecatevar:'session.score=60/300'");
    for wrong in [
        "sanitiseMatched:x",
        "sanitiseArg",
        "sanitiseMatchedBytes:1",
        "deprecatevar:ip.x=1",
    ] {
        let rule = format!("SecAction \"id:1,{wrong}\"");
        assert!(parse_str("x", &rule).is_err(), "{wrong}");
    }
}

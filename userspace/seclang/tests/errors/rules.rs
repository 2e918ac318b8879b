//! Rules, their parts, and other directives.

use super::check;

#[test]
fn targets_and_operators() {
    check(&[
        (
            "SecRule ARGS||TX x \"id:1\"",
            1,
            14,
            "empty target",
            Some("remove the separator, or name a variable"),
        ),
        (
            "SecRule ARGS: x \"id:1\"",
            1,
            9,
            "nothing behind the colon of the variable",
            Some("name a key, or remove the colon"),
        ),
        (
            "SecRule REQUEST_URI:a x \"id:1\"",
            1,
            9,
            "REQUEST_URI is one value and takes no selector",
            Some("remove the colon and the selector"),
        ),
        (
            "SecRule ARGS:/a x \"id:1\"",
            1,
            14,
            "the selector begins like a regular expression and has no end",
            Some("end it with `/`, and put the target list in double quotes if it holds blanks"),
        ),
        (
            "SecRule !ARGS x \"id:1\"",
            1,
            9,
            "the rule only excludes and inspects nothing",
            Some("add a target without `!`"),
        ),
        (
            "SecRule !&ARGS x \"id:1\"",
            1,
            10,
            "only a variable and its selector may stand here, no `!` or `&`",
            Some("remove the sign"),
        ),
        (
            "SecRule ARGS @pm \"id:1\"",
            1,
            14,
            "@pm takes phrases, found nothing",
            None,
        ),
        (
            "SecRule ARGS \"@streq %{tx.a%{tx.b}\" \"id:1\"",
            1,
            24,
            "a macro inside of a macro",
            Some("store the inner one with setvar first"),
        ),
    ]);
}

#[test]
fn actions_and_their_values() {
    check(&[
        (
            "SecAction \"id:0\"",
            1,
            15,
            "id takes a rule id, a number from 1 on, found `0`",
            None,
        ),
        (
            "SecAction \"id:-1\"",
            1,
            15,
            "id takes a rule id, a number from 1 on, found `-1`",
            None,
        ),
        (
            "SecAction \"id:1,phase:6\"",
            1,
            23,
            "phase takes 1 to 5, request, response or logging, found `6`",
            None,
        ),
        (
            "SecAction \"id:1,status:42\"",
            1,
            24,
            "status takes a status from 100 to 599, found `42`",
            None,
        ),
        (
            "SecAction \"id:1,msg\"",
            1,
            17,
            "msg takes a text, found nothing",
            None,
        ),
        (
            "SecAction \"id:1,deny:403\"",
            1,
            17,
            "deny takes no value",
            Some("remove the colon and what follows it"),
        ),
        (
            "SecAction \"id:1,allow:all\"",
            1,
            23,
            "allow takes nothing, phase or request, found `all`",
            None,
        ),
        (
            "SecAction \"id:1,setvar:tx\"",
            1,
            24,
            "setvar takes a collection, a dot and a name, such as `tx.score`, found `tx`",
            None,
        ),
        (
            "SecAction \"id:1,setvar:tx.a=,deny\"",
            1,
            24,
            "setvar takes `!tx.name`, or `tx.name=value` (in single quotes if the value is empty), found `tx.a=`",
            None,
        ),
        (
            "SecAction \"id:1,ctl:ruleRemoveById=a\"",
            1,
            36,
            "ctl:ruleRemoveById takes a rule id or a range such as 100-199, found `a`",
            None,
        ),
        (
            "SecAction \"id:1,ctl:ruleRemoveTargetById=5;!ARGS\"",
            1,
            44,
            "only a variable and its selector may stand here, no `!` or `&`",
            Some("remove the sign"),
        ),
        (
            "SecAction \"id:1,id:2\"",
            1,
            17,
            "`id` stands twice",
            Some("remove one of them"),
        ),
    ]);
}

#[test]
fn rules_and_chains() {
    check(&[
        (
            "SecRule ARGS x",
            1,
            1,
            "the rule has no id",
            Some("add an id of your own range, such as `id:1001`"),
        ),
        (
            "SecRule ARGS",
            1,
            1,
            "SecRule takes targets, an operator and actions, found 1",
            Some("put an argument that holds blanks in double quotes"),
        ),
        (
            "SecAction id:1\nSecAction id:1",
            2,
            11,
            "rule id 1 is used twice, first at rules.conf:1:11",
            Some("give one of them another id, or load the file once"),
        ),
        (
            "SecAction id:1,chain\nSecMarker a",
            1,
            16,
            "`chain` is not followed by a rule",
            Some("put the SecRule that belongs to it directly behind it, or remove `chain`"),
        ),
        (
            "SecAction id:1,chain\nSecRule ARGS x id:2",
            2,
            16,
            "`id:2` on a chained rule",
            Some("move it to the first rule of the chain"),
        ),
        (
            "SecAction id:1,chain\nSecRule ARGS x t:none,deny",
            2,
            23,
            "`deny` on a chained rule",
            Some("move it to the first rule of the chain"),
        ),
        (
            "SecAction id:1,chain\nSecRule ARGS x skipAfter:A",
            2,
            16,
            "`skipAfter:A` on a chained rule",
            Some("move it to the first rule of the chain"),
        ),
    ]);
}

#[test]
fn directives_and_their_arguments() {
    check(&[
        (
            "SecRuleEngine Maybe",
            1,
            15,
            "SecRuleEngine takes On, Off or DetectionOnly, found `Maybe`",
            None,
        ),
        (
            "SecRequestBodyLimit 12MB",
            1,
            21,
            "SecRequestBodyLimit takes a number of bytes, found `12MB`",
            None,
        ),
        (
            "SecRequestBodyLimit",
            1,
            1,
            "SecRequestBodyLimit takes one argument, found 0",
            Some("put an argument that holds blanks in double quotes"),
        ),
        (
            "SecAuditLogParts ABX",
            1,
            18,
            "SecAuditLogParts takes letters A to K and Z, found `ABX`",
            None,
        ),
        (
            "SecRuleRemoveById 5-1",
            1,
            19,
            "SecRuleRemoveById takes rule ids and ranges such as 100-199, found `5-1`",
            None,
        ),
        (
            "SecRuleUpdateActionById 5 \"id:6\"",
            1,
            28,
            "`id` of a rule cannot be changed",
            Some("remove it here, or load a rule of your own instead"),
        ),
        (
            "SecDefaultAction \"phase:2,log\"",
            1,
            1,
            "SecDefaultAction needs a disruptive action other than block",
            Some("write for instance `phase:2,log,auditlog,pass`"),
        ),
        (
            "SecDefaultAction \"pass\"",
            1,
            1,
            "SecDefaultAction needs a phase",
            Some("write for instance `phase:2,log,auditlog,pass`"),
        ),
        (
            "SecDefaultAction \"phase:2,pass,t:none\"",
            1,
            32,
            "`t:none` cannot be a default action",
            Some("put it on the rules themselves"),
        ),
        (
            "SecDefaultAction \"phase:2,pass\"\nSecDefaultAction \"phase:2,deny\"",
            2,
            1,
            "second SecDefaultAction for phase 2, the first is at rules.conf:1:1",
            Some("keep one of them"),
        ),
    ]);
}

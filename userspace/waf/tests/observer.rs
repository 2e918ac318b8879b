//! An observer sees every step, and changes nothing.
#![allow(clippy::unwrap_used)] // These are tests.
mod common;

use std::sync::{Arc, Mutex};

use common::{compile, get};
use waf::{CompileOptions, Event, Mode, Observer, Scratch, Transaction};

#[derive(Default)]
struct Story(Vec<String>);

impl Observer for Story {
    fn see(&mut self, event: &Event<'_>) {
        let text = String::from_utf8_lossy;
        self.0.push(match *event {
            Event::Phase(phase) => format!("phase {phase}"),
            Event::Rule { id, .. } => format!("rule {id}"),
            Event::Removed { id, .. } => format!("removed {id}"),
            Event::Skipped { id, by, .. } => format!("{by} skips {id}"),
            Event::Link(link) => format!("link {link}"),
            Event::Excluded { variable, key } => format!("without {variable}:{}", text(key)),
            Event::Value {
                variable,
                key,
                bytes,
            } => format!("{variable}:{} is {}", text(key), text(bytes)),
            Event::Transformed { by, bytes, changed } => {
                format!("{by} gives {} ({changed})", text(bytes))
            }
            Event::Tested {
                bytes,
                argument,
                matched,
                ..
            } => format!("test {} of {} is {matched}", text(argument), text(bytes)),
            Event::Captured { group, bytes } => format!("group {group} is {}", text(bytes)),
            Event::Set { name, value } => {
                format!("{} becomes {:?}", text(name), value.map(text))
            }
            Event::ValueOver => return,
            Event::LinkOver { matched } => format!("link over {matched}"),
            Event::RuleOver {
                matched,
                intervention,
                ..
            } => format!("rule over {matched} {}", intervention.is_none()),
        });
    }
}

const RULES: &str = r#"
SecRuleEngine On
SecAction "id:1,phase:1,pass,nolog,ctl:ruleRemoveById=5,ctl:ruleRemoveTargetById=2;ARGS:b"
SecRule ARGS "@rx ^(sel)ect$" "id:2,phase:1,pass,t:urlDecode,t:lowercase,capture,setvar:tx.score=+5,chain"
    SecRule TX:score "@ge 5" "t:none"
SecRule TX:score "@eq 5" "id:3,phase:1,pass,nolog,skipAfter:END"
SecRule ARGS "@contains x" "id:4,phase:1,deny"
SecMarker END
SecRule ARGS "@contains y" "id:5,phase:1,deny"
SecRule TX:score "@ge 5" "id:6,phase:1,deny"
"#;

fn story(gates: bool) -> (Vec<String>, Transaction) {
    let options = CompileOptions {
        gates,
        ..CompileOptions::default()
    };
    let exchange = get("/?a=SELECT&b=select");
    let rules = Arc::new(compile(RULES, &options).unwrap());
    let mut transaction = Transaction::new(rules, &exchange.connection(), Mode::Block);
    let story = Arc::new(Mutex::new(Story::default()));
    transaction.observe(Box::new(Arc::clone(&story)));
    exchange.run(&mut transaction, &mut Scratch::new());
    let told = std::mem::take(&mut story.lock().unwrap().0);
    (told, transaction)
}

#[test]
fn it_sees_every_step_with_and_without_gates() {
    let (story, transaction) = story(true);
    assert_eq!(story, self::story(false).0);
    assert_eq!(
        story,
        [
            "phase 1",
            "rule 1",
            "link 0",
            "link over true",
            "rule over true true",
            "rule 2",
            "link 0",
            "without ARGS:b",
            "ARGS:a is SELECT",
            "urlDecode gives SELECT (false)",
            "lowercase gives select (true)",
            "test ^(sel)ect$ of select is true",
            "group 0 is select",
            "group 1 is sel",
            "score becomes Some(\"5\")",
            "link over true",
            "link 1",
            "TX:score is 5",
            "test 5 of 5 is true",
            "link over true",
            "rule over true true",
            "rule 3",
            "link 0",
            "TX:score is 5",
            "test 5 of 5 is true",
            "link over true",
            "rule over true true",
            "3 skips 4",
            "removed 5",
            "rule 6",
            "link 0",
            "TX:score is 5",
            "test 5 of 5 is true",
            "link over true",
            "rule over true false",
            "phase 5",
        ]
    );
    assert!(!transaction.intervention().is_none());
}

#[test]
fn what_it_sees_is_what_happens_without_it() {
    let exchange = get("/?a=SELECT&b=select");
    let rules = Arc::new(compile(RULES, &CompileOptions::default()).unwrap());
    let mut alone = Transaction::new(rules, &exchange.connection(), Mode::Block);
    exchange.run(&mut alone, &mut Scratch::new());
    let (_, observed) = story(true);
    assert_eq!(alone.matches(), observed.matches());
    assert_eq!(alone.intervention(), observed.intervention());
    assert_eq!(alone.anomaly_score(), observed.anomaly_score());
}

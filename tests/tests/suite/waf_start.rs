//! A start with many rules: it serves at once, is faster soon, and the next start has everything from the cache.

use bascule_tests::{Bascule, Origin, Setup, eventually};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The rule that blocks, with enough company to be worth a database.
fn rules(word: &str) -> String {
    let mut text = format!(
        "SecRuleEngine On\nSecRule ARGS \"@rx {word}[0-9]+evil\" \"id:1,phase:1,deny,status:418\"\n"
    );
    for id in 2..40 {
        text += &format!(
            "SecRule ARGS \"@rx {word}{id}(?:a|bc)+d\" \"id:{id},phase:1,deny,msg:'x'\"\n"
        );
    }
    text
}

fn yaml(cache: &str) -> String {
    format!(
        "cache: {cache}
waf: {{ own: {{ rules: own.conf }} }}
routes: [{{ path: /, waf: own, upstream: app }}]
upstreams: {{ app: {{ endpoints: [$app] }} }}
"
    )
}

fn setup(origin: &Origin, word: &str) -> Setup {
    Setup::new()
        .with("app", origin.address())
        .file("own.conf", rules(word))
}

fn blocks(bascule: &Bascule, word: &str) -> bool {
    let hit = bascule.client().get(&format!("/?a={word}1evil")).status;
    let miss = bascule.client().get(&format!("/?a={word}evil")).status;
    assert_eq!(miss, 200);
    hit == 418
}

fn is_complete(bascule: &Bascule) -> bool {
    bascule
        .metrics()
        .sum("bascule_waf_complete", &[("policy", "own")])
        == 1.0
}

fn kept(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

#[test]
fn rules_serve_at_once_and_are_faster_soon() {
    let origin = Origin::echo();
    let mut bascule = setup(&origin, "red").start(&yaml("kept"));
    assert!(blocks(&bascule, "red"), "from the first request on");
    eventually("all is compiled", || is_complete(&bascule));
    assert!(blocks(&bascule, "red"));
    let folder = bascule.path("kept");
    let mode = fs::metadata(&folder).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let first = kept(&folder).len();
    assert!(first > 0);
    // Another set of rules comes at a reload in the same way.
    fs::write(bascule.path("own.conf"), rules("blue")).unwrap();
    let before = bascule.generation();
    bascule.reload(&yaml("kept"));
    assert!(bascule.generation() > before);
    assert!(blocks(&bascule, "blue"));
    eventually("all is compiled again", || is_complete(&bascule));
    assert_eq!(kept(&folder).len(), 2 * first);
    assert!(blocks(&bascule, "blue"));
}

#[test]
fn what_is_kept_serves_from_the_start_and_what_is_damaged_is_made_again() {
    let origin = Origin::echo();
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("kept");
    let yaml = yaml(&folder.display().to_string());
    let first = setup(&origin, "red").start(&yaml);
    eventually("all is compiled", || is_complete(&first));
    drop(first);
    let second = setup(&origin, "red").start(&yaml);
    assert!(is_complete(&second), "nothing is left to compile");
    assert!(blocks(&second, "red"));
    drop(second);
    let entries = kept(&folder);
    let entry = &entries[0];
    let mut bytes = fs::read(entry).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(entry, bytes).unwrap();
    let third = setup(&origin, "red").start(&yaml);
    assert!(blocks(&third, "red"));
    eventually("all is compiled again", || is_complete(&third));
    assert_eq!(kept(&folder), entries);
}

#[test]
fn a_folder_that_others_can_write_is_not_used() {
    let origin = Origin::echo();
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("kept");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, PermissionsExt::from_mode(0o777)).unwrap();
    let bascule = setup(&origin, "red").start(&yaml(&folder.display().to_string()));
    assert!(blocks(&bascule, "red"));
    eventually("all is compiled", || is_complete(&bascule));
    assert!(kept(&folder).is_empty());
    assert!(bascule.log().contains("compiled rule sets are not kept"));
}

/// What is in force is told by category and level, and tried with attacks.
#[test]
fn coverage_is_told_and_a_policy_is_tried_out() {
    let origin = Origin::echo();
    let bascule = Setup::new()
        .with("app", origin.address())
        .file("tame.conf", "SecRuleEngine DetectionOnly\nInclude more.conf\n")
        .file("more.conf", "SecRule ARGS \"@contains passwd\" \"id:1,phase:1,deny,msg:'x',tag:'attack-lfi',tag:'paranoia-level/2'\"\n")
        .file("blind.conf", "SecRule ARGS \"@contains xyzzy\" \"id:1,phase:1,deny,msg:'x'\"\n")
        .start(
            "
        waf: { own: { rules: shipped }, tame: { rules: tame.conf }, blind: { rules: blind.conf } }
        routes:
          - { path: /, waf: own, upstream: app }
          - { path: /tame/, waf: tame, upstream: app }
          - { path: /blind/, waf: blind, upstream: app }
        upstreams: { app: { endpoints: [$app] } }
        ",
        );
    let concerns = [
        "`tame` recognises attacks and blocks none",
        "`blind` recognises none",
    ];
    eventually("the policies are tried out", || {
        let log = bascule.log();
        concerns.iter().all(|concern| log.contains(concern))
    });
    assert!(
        !bascule.log().contains("`own` recognises"),
        "{}",
        bascule.log()
    );
    let status = bascule
        .command(&["status", "--socket", "admin.sock", "--json"])
        .stdout;
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    let policy = |name: &str| {
        let policies = status["waf"].as_array().unwrap();
        policies
            .iter()
            .find(|policy| policy["name"] == name)
            .unwrap()
            .clone()
    };
    assert_eq!(
        policy("tame")["coverage"],
        serde_json::json!({ "lfi": [0, 1, 0, 0] })
    );
    let own = policy("own");
    assert!(
        own["coverage"]["sqli"][0]
            .as_u64()
            .is_some_and(|rules| rules > 3),
        "{own}"
    );
    assert!(
        own["self_test"]["blocked"]
            .as_u64()
            .is_some_and(|attacks| attacks > 3),
        "{own}"
    );
    let checked = bascule.command(&["check", "--config", "bascule.yaml"]);
    assert_eq!(checked.code, Some(0), "{}", checked.stderr);
    assert!(
        checked.stdout.contains("waf own:") && checked.stdout.contains("PL 1"),
        "{}",
        checked.stdout
    );
    assert!(
        concerns
            .iter()
            .all(|concern| checked.stderr.contains(concern)),
        "{}",
        checked.stderr
    );
}

#[test]
fn a_policy_whose_rules_are_all_excluded_is_an_error() {
    let refused = Setup::new().refused(
        "
        waf: { own: { rules: shipped, exclude: { ids: [1-999999999] } } }
        routes: [{ path: /, waf: own, upstream: app }]
        upstreams: { app: { endpoints: [127.0.0.1:1] } }
        ",
    );
    assert_eq!(refused.code, Some(3));
    assert!(
        refused.stderr.contains("detects nothing"),
        "{}",
        refused.stderr
    );
}

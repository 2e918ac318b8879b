//! Releases, good and evil.

use super::*;
use std::io::Write as _;

const FILES: &[(&str, &str)] = &[
    (
        "crs-setup.conf.example",
        "SecAction \"id:900990,phase:1,pass,nolog,setvar:tx.crs_setup_version=4000\"\n",
    ),
    (
        "rules/REQUEST-901-INITIALIZATION.conf",
        "SecRule ARGS \"@rx attack\" \"id:901001,phase:2,deny,log,msg:'x',t:lowercase,tag:'attack-sqli',tag:'paranoia-level/1'\"\n",
    ),
    (
        "rules/REQUEST-900-EXCLUSION-RULES-BEFORE-CRS.conf.example",
        "# yours\n",
    ),
    ("rules/words.data", "one\ntwo\n"),
    ("tests/regression/1.yaml", "tests: []\n"),
];

fn zipped(files: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
    for (name, text) in files {
        let options = zip::write::SimpleFileOptions::default();
        writer.start_file(*name, options).expect("a file");
        writer.write_all(text.as_bytes()).expect("bytes");
    }
    writer.finish().expect("an archive").into_inner()
}

fn tarred(files: &[(&str, &str)]) -> Vec<u8> {
    let encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut builder = tar::Builder::new(encoder);
    for (name, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        // As an attacker writes it: `set_path` would refuse.
        let field = &mut header.as_old_mut().name;
        field[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        builder.append(&header, text.as_bytes()).expect("a file");
    }
    builder
        .into_inner()
        .expect("an archive")
        .finish()
        .expect("bytes")
}

fn in_folder(folder: &str) -> Vec<(String, &'static str)> {
    FILES
        .iter()
        .map(|(name, text)| (format!("{folder}/{name}"), *text))
        .collect()
}

fn borrowed<'a>(files: &'a [(String, &'a str)]) -> Vec<(&'a str, &'a str)> {
    files
        .iter()
        .map(|(name, text)| (name.as_str(), *text))
        .collect()
}

struct Given {
    folder: tempfile::TempDir,
}

fn given() -> Given {
    Given {
        folder: tempfile::tempdir().expect("a folder"),
    }
}

impl Given {
    fn to(&self) -> PathBuf {
        self.folder.path().join("crs")
    }

    fn file(&self, name: &str, bytes: &[u8]) -> Release {
        let path = self.folder.path().join(name);
        fs::write(&path, bytes).expect("a file");
        Release::Path(path)
    }
}

#[test]
fn archives_and_folders_are_installed_and_checked() {
    let files = in_folder("coreruleset-4.0.0");
    for bytes in [zipped(&borrowed(&files)), tarred(&borrowed(&files))] {
        let given = given();
        let release = given.file("release", &bytes);
        let checksum = verified(&bytes, None).expect("a checksum");
        let installed =
            install(&release, Some(&checksum.to_uppercase()), &given.to()).expect("it installs");
        assert!(
            installed.verified && installed.check.is_valid(),
            "{}",
            installed.text()
        );
        assert_eq!(
            installed.check.coverage.categories["sqli"].by_level,
            [1, 0, 0, 0]
        );
        for name in [
            "crs-setup.conf",
            "engine.conf",
            "rules/words.data",
            "rules/REQUEST-900-EXCLUSION-RULES-BEFORE-CRS.conf",
        ] {
            assert!(given.to().join(name).is_file(), "{name}");
        }
        assert!(!given.to().join("tests").exists());
        assert!(
            installed.text().contains("crs-setup.conf\n"),
            "{}",
            installed.text()
        );
    }
}

#[test]
fn what_is_yours_is_kept_and_old_rules_go() {
    let given = given();
    let release = given.file("a.zip", &zipped(FILES));
    install(&release, None, &given.to()).expect("it installs");
    let setup = given.to().join("crs-setup.conf");
    fs::write(
        &setup,
        "# mine\nSecAction \"id:900991,phase:1,pass,nolog\"\n",
    )
    .expect("a file");
    let old = given.to().join("rules/REQUEST-999-OLD.conf");
    let own = given.to().join("rules/my-rules.conf");
    for path in [&old, &own] {
        fs::write(path, "# rules\n").expect("a file");
    }
    let again = install(&release, None, &given.to()).expect("it installs");
    assert!(
        again.kept.contains(&"crs-setup.conf".to_owned()),
        "{:?}",
        again.kept
    );
    assert!(
        fs::read_to_string(&setup)
            .expect("a file")
            .starts_with("# mine")
    );
    assert!(!old.exists() && own.exists());
}

#[test]
fn names_that_lead_elsewhere_install_nothing() {
    for name in [
        "../evil.conf",
        "/etc/evil.conf",
        "rules/../../evil.conf",
        "c:\\evil.conf",
        "rules//evil.conf",
    ] {
        let mut files = FILES.to_vec();
        files.push((name, "SecRuleEngine Off\n"));
        for bytes in [zipped(&files), tarred(&files)] {
            let given = given();
            let release = given.file("release", &bytes);
            let error = install(&release, None, &given.to()).expect_err(name);
            assert!(matches!(error, CrsError::Path(_)), "{name}: {error}");
            assert!(!given.to().exists());
        }
    }
}

#[test]
fn a_wrong_checksum_installs_nothing() {
    let given = given();
    let release = given.file("a.zip", &zipped(FILES));
    let error = install(&release, Some("00ff"), &given.to()).expect_err("it is wrong");
    assert!(
        error
            .to_string()
            .contains("expected the SHA-256 00ff, found "),
        "{error}"
    );
    assert!(!given.to().exists());
    let fetched = Release::Fetched(zipped(FILES));
    let error = install(&fetched, None, &given.to()).expect_err("it has none");
    assert!(matches!(error, CrsError::NoChecksum { .. }), "{error}");
}

#[test]
fn what_is_no_release_says_what_one_is() {
    let given = given();
    for (bytes, words) in [
        (b"hello".to_vec(), "a .zip or .tar.gz"),
        (
            zipped(&[("a.conf", "# x\n")]),
            "without `crs-setup.conf.example`",
        ),
        (zipped(&FILES[..1]), "no `rules/*.conf`"),
        (zipped(&[]), "no rule files at all"),
    ] {
        let release = given.file("release", &bytes);
        let error = install(&release, None, &given.to()).expect_err(words);
        assert!(error.to_string().contains(words), "{words}: {error}");
    }
    let folder = Release::Path(given.folder.path().to_owned());
    assert!(matches!(
        install(&folder, Some("00"), &given.to()),
        Err(CrsError::ChecksumOfFolder(_))
    ));
}

#[test]
fn an_archive_that_unpacks_to_too_much_is_refused() {
    let given = given();
    let large = "#".repeat(17 << 20);
    let mut files = FILES.to_vec();
    files.push(("rules/large.data", &large));
    for bytes in [zipped(&files), tarred(&files)] {
        let release = given.file("release", &bytes);
        let error = install(&release, None, &given.to()).expect_err("it is too large");
        assert!(matches!(error, CrsError::TooLarge { .. }), "{error}");
    }
}

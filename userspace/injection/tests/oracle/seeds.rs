//! Real values: attacks and ordinary ones from the reference data.

use base64::Engine as _;
use serde_json::Value;

/// The values of a field of a file of the reference data; none where the data are not there.
fn lines(file: &str) -> Vec<Value> {
    let root = std::env::var("BASCULE_SHARED")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared").to_owned());
    match std::fs::read_to_string(format!("{root}/waf/tests/{file}")) {
        Ok(text) => text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect(),
        Err(_) => {
            println!("skipped: reference data not found ({file})");
            Vec::new()
        }
    }
}

/// Payloads of a file for which `wanted` holds: its `expect` is the argument.
pub(crate) fn payloads(file: &str, wanted: impl Fn(&str) -> bool) -> Vec<Vec<u8>> {
    lines(file)
        .iter()
        .filter(|line| line["expect"].as_str().is_some_and(&wanted))
        .filter_map(|line| Some(line["payload"].as_str()?.as_bytes().to_vec()))
        .collect()
}

/// Names and values of the parameters in the requests of the rule set's own tests, decoded.
pub(crate) fn parameters() -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for test in lines("crs-ftw-dev.jsonl") {
        for stage in test["stages"].as_array().unwrap() {
            let input = &stage["input"];
            let uri = input["uri"].as_str().unwrap_or_default();
            let query = uri.split_once('?').map_or("", |(_, query)| query);
            let data = input["data"].as_str().unwrap_or_default();
            found.push(data.as_bytes().to_vec());
            for part in query.split('&').chain(data.split('&')) {
                for text in part.splitn(2, '=') {
                    found.push(decode(text.as_bytes()));
                }
            }
        }
    }
    found.retain(|value| !value.is_empty() && value.len() < 2000);
    found
}

/// The inputs of the unit cases of operators.
#[allow(dead_code, reason = "the benchmark leaves them out")]
pub(crate) fn operators() -> Vec<Vec<u8>> {
    lines("operators-dev.jsonl")
        .iter()
        .filter_map(|case| {
            base64::engine::general_purpose::STANDARD
                .decode(case["input_b64"].as_str()?)
                .ok()
        })
        .collect()
}

/// The files of the folder that `BASCULE_VALUES` names, a value each.
#[allow(dead_code, reason = "the benchmark leaves them out")]
pub(crate) fn learned() -> Vec<Vec<u8>> {
    let Some(folder) = std::env::var_os("BASCULE_VALUES") else {
        return Vec::new();
    };
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    files
        .iter()
        .map(|file| std::fs::read(file).unwrap())
        .collect()
}

fn decode(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [byte, tail @ ..] = rest {
        let hex = |byte: u8| char::from(byte).to_digit(16);
        match (*byte, tail) {
            (b'%', &[high, low, ref after @ ..]) => {
                if let (Some(high), Some(low)) = (hex(high), hex(low)) {
                    decoded.push((high * 16 + low) as u8);
                    rest = after;
                    continue;
                }
                decoded.push(b'%');
            }
            (b'+', _) => decoded.push(b' '),
            (byte, _) => decoded.push(byte),
        }
        rest = tail;
    }
    decoded
}

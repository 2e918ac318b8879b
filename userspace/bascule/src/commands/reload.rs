//! `bascule reload`

use crate::arguments::Place;
use crate::failure::Failure;
use crate::instance;
use crate::output::Output;

pub(super) fn reload(place: &Place, output: &Output) -> Result<(), Failure> {
    let reload = instance::client(place).reload()?;
    output.note(&reload.warnings_text);
    output.result(&reload, || {
        let mut text = String::new();
        for change in &reload.changes_text {
            text.push_str(change);
            text.push('\n');
        }
        let changed = match reload.changes_text.len() {
            0 => "nothing changed in the configuration".to_owned(),
            1 => "1 change".to_owned(),
            count => format!("{count} changes"),
        };
        text.push_str(&format!(
            "generation {} is in force: {changed}\n",
            reload.generation
        ));
        text
    })
}

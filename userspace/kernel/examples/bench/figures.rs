//! What was measured, held against what was aimed at: the table and the file.

use serde_json::{Value, json};

/// One line of the table.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    /// What it belongs to; the heading of its table.
    pub(crate) group: &'static str,
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    /// One value a round.
    pub(crate) rounds: Vec<f64>,
}

impl Figure {
    pub(crate) fn new(
        group: &'static str,
        name: impl Into<String>,
        unit: &'static str,
        rounds: Vec<f64>,
    ) -> Self {
        Self {
            group,
            name: name.into(),
            unit,
            rounds,
        }
    }

    pub(crate) fn median(&self) -> f64 {
        median(&self.rounds)
    }

    fn least(&self) -> f64 {
        self.rounds.iter().copied().fold(f64::NAN, f64::min)
    }
}

/// The median; not a number where there is nothing.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match (sorted.get(middle), sorted.len() % 2) {
        (None, _) => f64::NAN,
        (Some(value), 1) => *value,
        (Some(value), _) => {
            f64::midpoint(sorted.get(middle - 1).copied().unwrap_or(*value), *value)
        }
    }
}

/// What is aimed at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Bound {
    /// What is not a number holds nothing.
    pub(crate) fn holds(self, value: f64) -> bool {
        match self {
            Self::AtMost(bound) => value <= bound,
            Self::AtLeast(bound) => value >= bound,
        }
    }

    fn text(self, unit: &str) -> String {
        match self {
            Self::AtMost(bound) => format!("<= {bound} {unit}"),
            Self::AtLeast(bound) => format!(">= {bound} {unit}"),
        }
    }
}

/// A figure that has something to be held against.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    pub(crate) value: f64,
    pub(crate) bound: Bound,
}

impl Target {
    fn verdict(&self) -> &'static str {
        match (self.value.is_nan(), self.bound.holds(self.value)) {
            (true, _) => "not measured",
            (false, true) => "holds",
            (false, false) => "falls short",
        }
    }
}

/// All of a run.
#[derive(Default)]
pub(crate) struct Figures {
    figures: Vec<Figure>,
    targets: Vec<Target>,
    /// What a reader has to know: what was left out, and why.
    notes: Vec<String>,
}

impl Figures {
    /// Adds a line, shown at once: a run takes minutes.
    pub(crate) fn add(&mut self, figure: Figure) {
        println!("{}", line(&figure));
        self.figures.push(figure);
    }

    pub(crate) fn note(&mut self, note: impl Into<String>) {
        let note = note.into();
        println!("note: {note}");
        self.notes.push(note);
    }

    /// A target for the median of a line.
    pub(crate) fn aim(&mut self, group: &str, name: &str, bound: Bound) {
        let found = self.find(group, name);
        let (value, unit) = found.map_or((f64::NAN, ""), |it| (it.median(), it.unit));
        self.targets.push(Target {
            name: format!("{group}: {name}"),
            unit,
            value,
            bound,
        });
    }

    /// The median of a line; not a number where it was not measured.
    pub(crate) fn median_of(&self, group: &str, name: &str) -> f64 {
        self.find(group, name).map_or(f64::NAN, Figure::median)
    }

    /// A target for how many times one group's line is another's.
    pub(crate) fn aim_across(&mut self, [one, other]: [(&str, &str); 2], bound: Bound) {
        self.targets.push(Target {
            name: format!("{}: {} / {}: {}", one.0, one.1, other.0, other.1),
            unit: "x",
            value: self.median_of(one.0, one.1) / self.median_of(other.0, other.1),
            bound,
        });
    }

    /// A target for how many times one line's median is another's.
    pub(crate) fn aim_at_ratio(&mut self, group: &str, [one, other]: [&str; 2], bound: Bound) {
        self.targets.push(Target {
            name: format!("{group}: {one} / {other}"),
            unit: "x",
            value: self.median_of(group, one) / self.median_of(group, other),
            bound,
        });
    }

    fn find(&self, group: &str, name: &str) -> Option<&Figure> {
        let mut all = self.figures.iter();
        all.find(|figure| figure.group == group && figure.name == name)
    }

    /// Everything once more, in order, with the targets behind it.
    pub(crate) fn table(&self) -> String {
        let mut text = String::new();
        let mut groups: Vec<&str> = Vec::new();
        for figure in &self.figures {
            if !groups.contains(&figure.group) {
                groups.push(figure.group);
            }
        }
        for group in groups {
            text += &format!("\n{group}\n");
            for figure in self.figures.iter().filter(|figure| figure.group == group) {
                text += &format!("{}\n", line(figure));
            }
        }
        if !self.targets.is_empty() {
            text += &format!("\n{:>12} {:>10}  targets\n", "aim", "found");
        }
        for target in &self.targets {
            text += &format!(
                "{:>12} {:>10}  {}: {}\n",
                target.bound.text(target.unit),
                digits(target.value),
                target.verdict(),
                target.name
            );
        }
        for note in &self.notes {
            text += &format!("note: {note}\n");
        }
        text
    }

    pub(crate) fn json(&self, rounds: usize) -> Value {
        let figures = self.figures.iter().map(|figure| {
            json!({
                "group": figure.group, "name": figure.name, "unit": figure.unit,
                "median": figure.median(), "least": figure.least(), "rounds": figure.rounds,
            })
        });
        let targets = self.targets.iter().map(|target| {
            let (kind, bound) = match target.bound {
                Bound::AtMost(bound) => ("at_most", bound),
                Bound::AtLeast(bound) => ("at_least", bound),
            };
            json!({
                "name": target.name, "unit": target.unit, kind: bound,
                "found": target.value, "verdict": target.verdict(),
            })
        });
        json!({
            "bench": "kernel",
            "rounds": rounds,
            "figures": figures.collect::<Vec<_>>(),
            "targets": targets.collect::<Vec<_>>(),
            "notes": self.notes,
        })
    }
}

fn line(figure: &Figure) -> String {
    format!(
        "  {:<64} {:>14} {}",
        figure.name,
        digits(figure.median()),
        figure.unit
    )
}

/// Three digits that count; more are not true.
fn digits(value: f64) -> String {
    if value.is_nan() {
        "-".to_owned()
    } else if value.abs() >= 1e5 {
        format!("{value:.3e}")
    } else if value.abs() >= 100.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.1}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(&[7.0]), 7.0);
        assert!(median(&[]).is_nan());
    }

    fn measured() -> Figures {
        let mut figures = Figures::default();
        figures.add(Figure::new("one", "a", "ns", vec![50.0, 61.0, 59.0]));
        figures.add(Figure::new("one", "b", "ns", vec![10.0]));
        figures
    }

    #[test]
    fn a_target_holds_falls_short_or_was_not_measured() {
        let mut figures = measured();
        figures.aim("one", "a", Bound::AtMost(60.0));
        figures.aim("one", "a", Bound::AtMost(58.9));
        figures.aim("two", "a", Bound::AtMost(60.0));
        figures.aim_at_ratio("one", ["a", "b"], Bound::AtLeast(5.9));
        figures.aim_at_ratio("one", ["a", "b"], Bound::AtLeast(6.0));
        figures.aim_at_ratio("one", ["a", "c"], Bound::AtLeast(6.0));
        let verdicts: Vec<_> = figures.targets.iter().map(Target::verdict).collect();
        let (holds, short, none) = ("holds", "falls short", "not measured");
        assert_eq!(verdicts, [holds, short, none, holds, short, none]);
        let table = figures.table();
        assert!(
            table.contains("one: a / b") && table.contains(">= 5.9 x"),
            "{table}"
        );
    }

    #[test]
    fn the_file_has_every_round() {
        let json = measured().json(3);
        let first = json.pointer("/figures/0").expect("a figure");
        assert_eq!(first["rounds"], json!([50.0, 61.0, 59.0]));
        assert_eq!(
            (&first["median"], &first["least"]),
            (&json!(59.0), &json!(50.0))
        );
    }

    #[test]
    fn figures_have_no_more_digits_than_they_are_good_for() {
        assert_eq!(digits(59.04), "59.0");
        assert_eq!(digits(1234.5), "1234");
        assert_eq!(digits(2_345_678.0), "2.346e6");
        assert_eq!(digits(f64::NAN), "-");
    }
}

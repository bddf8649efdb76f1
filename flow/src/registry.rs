//! Registries are data: every choice that a person can make is an [`Entry`] with its parameters, ranges and
//! defaults. Command-line choices, help, the page's selectors, names in URLs, docs and tests iterate over them;
//! no second list exists.
//!
//! A family (schedules, solvers, ...) is declared once with the macro `family!`. Adding a member is one new file
//! beside the others and one line in that declaration, which also declares the file's module.
//!
//! The text form of a choice is `id`, or `id:name=value,name=value` when a value differs from its default; then
//! all parameters are printed.

use crate::error::{Error, nearest};
use crate::number;
use std::fmt;

/// One parameter of an entry: its name, its range and its default.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ParamSpec {
    /// The name in text forms.
    pub name: &'static str,
    /// The label beside a control.
    pub label: &'static str,
    /// One line that a visitor understands.
    pub about: &'static str,
    /// The value when none is given.
    pub default: f64,
    /// The smallest accepted value.
    pub min: f64,
    /// The largest accepted value.
    pub max: f64,
    /// The step of a slider.
    pub step: f64,
}

/// One member of a family.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entry {
    /// The id in text forms, URLs and files: lowercase and stable.
    pub id: &'static str,
    /// The label in a selector.
    pub label: &'static str,
    /// One line that a visitor understands.
    pub about: &'static str,
    /// When to choose it: one sentence for the docs.
    pub when: &'static str,
    /// The defining formula.
    pub formula: &'static str,
    /// The paper or book that it comes from.
    pub source: &'static str,
    /// Its parameters, in the order of the text form.
    pub params: &'static [ParamSpec],
}

/// A family of entries: everything of one kind.
#[derive(Clone, Debug)]
pub struct Family {
    /// The kind in error messages: `solver`.
    pub kind: &'static str,
    /// The kind's plural, as `flow-digits list` takes it: `solvers`.
    pub plural: &'static str,
    /// Its entries, in the order in which to show them.
    pub entries: Vec<&'static Entry>,
}

/// Every family, in the order in which to show them.
pub fn families() -> Vec<Family> {
    vec![
        crate::solver::Solver::family(),
        crate::controller::Controller::family(),
        crate::schedule::Schedule::family(),
        crate::path::Path::family(),
        crate::coupling::Coupling::family(),
        crate::time::TimeDistribution::family(),
        crate::guidance::Guidance::family(),
    ]
}

/// An entry with a valid value for each of its parameters. A `Choice` that exists is a valid one.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    entry: &'static Entry,
    values: Vec<f64>,
}

impl Choice {
    /// The entry with all parameters at their defaults.
    pub(crate) fn defaults(entry: &'static Entry) -> Self {
        Self { entry, values: entry.params.iter().map(|p| p.default).collect() }
    }

    /// Parses `id` or `id:name=value,...` against one family's entries.
    pub(crate) fn parse(
        kind: &'static str,
        entries: impl Iterator<Item = &'static Entry>,
        text: &str,
    ) -> Result<Self, Error> {
        let (id, rest) = match text.split_once(':') {
            Some((id, rest)) => (id.trim(), Some(rest)),
            None => (text.trim(), None),
        };
        let entries: Vec<_> = entries.collect();
        let Some(entry) = entries.iter().find(|entry| entry.id == id) else {
            let accepted: Vec<_> = entries.iter().map(|entry| entry.id).collect();
            return Err(Error::UnknownId {
                kind,
                got: id.to_owned(),
                nearest: nearest(id, &accepted),
                accepted,
            });
        };
        let mut choice = Self::defaults(entry);
        let mut given = vec![false; entry.params.len()];
        for part in rest.into_iter().flat_map(|rest| rest.split(',')) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let (name, value) = (name.trim(), value.trim());
            let index = choice.index(name)?;
            if std::mem::replace(&mut given[index], true) {
                return Err(choice.refuse(index, value, "one value, not two"));
            }
            let number = number::parse(value).ok_or_else(|| choice.refuse_number(index, value))?;
            choice.set(index, number)?;
        }
        Ok(choice)
    }

    /// The entry chosen.
    pub fn entry(&self) -> &'static Entry {
        self.entry
    }

    /// The values of the entry's parameters, in its order.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The value of a parameter, if the entry has one of this name.
    pub fn get(&self, name: &str) -> Option<f64> {
        let index = self.entry.params.iter().position(|p| p.name == name)?;
        self.values.get(index).copied()
    }

    /// The same choice with one parameter changed.
    pub fn with(&self, name: &str, value: f64) -> Result<Self, Error> {
        let mut changed = self.clone();
        let index = changed.index(name)?;
        changed.set(index, value)?;
        Ok(changed)
    }

    fn index(&self, name: &str) -> Result<usize, Error> {
        self.entry.params.iter().position(|p| p.name == name).ok_or_else(|| {
            let accepted: Vec<_> = self.entry.params.iter().map(|p| p.name).collect();
            Error::UnknownParameter {
                id: self.entry.id.to_owned(),
                got: name.to_owned(),
                nearest: nearest(name, &accepted),
                accepted,
            }
        })
    }

    fn set(&mut self, index: usize, value: f64) -> Result<(), Error> {
        let spec = &self.entry.params[index];
        // Written so that NaN is out of range.
        if !(value >= spec.min && value <= spec.max) {
            return Err(self.refuse_number(index, &value.to_string()));
        }
        // Adding zero turns -0 into 0, so that equal values print alike.
        self.values[index] = value + 0.0;
        Ok(())
    }

    fn refuse_number(&self, index: usize, got: &str) -> Error {
        let spec = &self.entry.params[index];
        self.refuse(index, got, &format!("a number from {} to {}", spec.min, spec.max))
    }

    fn refuse(&self, index: usize, got: &str, accepts: &str) -> Error {
        Error::Parameter {
            id: self.entry.id.to_owned(),
            parameter: self.entry.params[index].name.to_owned(),
            got: got.to_owned(),
            accepts: accepts.to_owned(),
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.entry.id)?;
        if self.entry.params.iter().zip(&self.values).all(|(spec, value)| spec.default == *value) {
            return Ok(());
        }
        for (i, (spec, value)) in self.entry.params.iter().zip(&self.values).enumerate() {
            write!(f, "{}{}={value}", if i == 0 { ':' } else { ',' }, spec.name)?;
        }
        Ok(())
    }
}

/// Declares a family: the modules of its members, the table of them, and the type that holds a valid choice.
///
/// `$Rule` is the family's trait; it must have `fn entry(&self) -> &'static Entry` and be dyn-compatible.
macro_rules! family {
    (
        $(#[$meta:meta])*
        $Name:ident, $kind:literal, $plural:literal, $Rule:ident,
        [$($module:ident :: $Unit:ident),+ $(,)?]
    ) => {
        $(mod $module;)+

        static RULES: &[&dyn $Rule] = &[$(&$module::$Unit),+];

        /// The family's entries, in the order in which to show them.
        pub fn entries() -> impl Iterator<Item = &'static $crate::registry::Entry> + Clone {
            RULES.iter().map(|rule| rule.entry())
        }

        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $Name {
            choice: $crate::registry::Choice,
            /// Position in `RULES`.
            index: usize,
        }

        impl $Name {
            /// The family as data.
            pub fn family() -> $crate::registry::Family {
                $crate::registry::Family { kind: $kind, plural: $plural, entries: entries().collect() }
            }

            /// Every member, with its parameters at their defaults.
            pub fn all() -> impl Iterator<Item = Self> {
                entries().enumerate().map(|(index, entry)| Self {
                    choice: $crate::registry::Choice::defaults(entry),
                    index,
                })
            }

            /// Parses the text form.
            pub fn parse(text: &str) -> Result<Self, $crate::Error> {
                text.parse()
            }

            /// The id in the registry.
            pub fn id(&self) -> &'static str {
                self.choice.entry().id
            }

            /// The entry and the values chosen.
            pub fn choice(&self) -> &$crate::registry::Choice {
                &self.choice
            }

            /// The same with one parameter changed.
            pub fn with(&self, name: &str, value: f64) -> Result<Self, $crate::Error> {
                Ok(Self { choice: self.choice.with(name, value)?, index: self.index })
            }

            fn from_choice_text(text: &str) -> Result<Self, $crate::Error> {
                let choice = $crate::registry::Choice::parse($kind, entries(), text)?;
                let index = entries().position(|entry| entry.id == choice.entry().id).unwrap_or(0);
                Ok(Self { choice, index })
            }

            fn rule(&self) -> &'static dyn $Rule {
                RULES[self.index]
            }
        }
    };
}

/// The text form of a family whose members are all written as a choice.
macro_rules! choice_text {
    ($Name:ident) => {
        impl std::str::FromStr for $Name {
            type Err = $crate::Error;

            fn from_str(text: &str) -> Result<Self, $crate::Error> {
                Self::from_choice_text(text)
            }
        }

        impl std::fmt::Display for $Name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.choice.fmt(f)
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::Schedule;

    #[test]
    fn every_entry_is_complete_and_its_defaults_are_in_range() {
        for family in families() {
            let mut ids = Vec::new();
            for entry in family.entries {
                assert!(!ids.contains(&entry.id), "{} twice among the {}", entry.id, family.plural);
                ids.push(entry.id);
                let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-+*".contains(c);
                assert!(entry.id.chars().all(plain), "{} needs encoding in a URL", entry.id);
                for text in [entry.label, entry.about, entry.when, entry.formula, entry.source] {
                    assert!(!text.trim().is_empty() && !text.contains('\n'), "{}", entry.id);
                }
                for sentence in [entry.about, entry.when] {
                    assert!(sentence.ends_with('.'), "{}: a sentence", entry.id);
                }
                for p in entry.params {
                    assert!(p.min <= p.default && p.default <= p.max && p.min < p.max, "{}", p.name);
                    assert!(p.step > 0.0 && p.step <= p.max - p.min, "{}: {}", entry.id, p.name);
                    assert!(!p.label.is_empty() && p.about.ends_with('.'), "{}: {}", entry.id, p.name);
                }
            }
            assert!(!ids.is_empty());
        }
    }

    #[test]
    fn a_choice_prints_its_id_alone_at_its_defaults_and_all_its_parameters_otherwise() {
        for (text, printed) in [
            ("shift", "shift"),
            ("shift:k=3", "shift"),
            ("shift:k=3.50", "shift:k=3.5"),
            ("logit-normal-cdf", "logit-normal-cdf"),
            ("logit-normal-cdf:mu=-1", "logit-normal-cdf:mu=-1,std=3"),
            ("logit-normal-cdf:std=2,mu=-0", "logit-normal-cdf:mu=0,std=2"),
            (" logit-normal-cdf: mu = 1 ", "logit-normal-cdf:mu=1,std=3"),
        ] {
            let schedule = Schedule::parse(text).unwrap();
            assert_eq!(schedule.to_string(), printed);
            assert_eq!(Schedule::parse(printed), Ok(schedule));
        }
    }

    #[test]
    fn a_bad_parameter_is_refused_with_its_name_what_it_got_and_its_range() {
        let refused = |text: &str, parameter: &str, got: &str, accepts: &str| {
            let expected = Error::Parameter {
                id: "logit-normal-cdf".into(),
                parameter: parameter.into(),
                got: got.into(),
                accepts: accepts.into(),
            };
            assert_eq!(Schedule::parse(text), Err(expected), "{text}");
        };
        let range = "a number from 0.5 to 10";
        refused("logit-normal-cdf:std=0", "std", "0", range);
        refused("logit-normal-cdf:std=-1", "std", "-1", range);
        refused("logit-normal-cdf:std=NaN", "std", "NaN", range);
        refused("logit-normal-cdf:std=inf", "std", "inf", range);
        refused("logit-normal-cdf:std=wide", "std", "wide", range);
        refused("logit-normal-cdf:std", "std", "", range);
        refused("logit-normal-cdf:std=1,std=2", "std", "2", "one value, not two");
    }

    #[test]
    fn an_unknown_parameter_names_those_that_exist() {
        let expected = |got: &str, nearest, accepted| Error::UnknownParameter {
            id: if accepted == vec!["k"] { "shift".into() } else { "linear".into() },
            got: got.into(),
            nearest,
            accepted,
        };
        assert_eq!(Schedule::parse("shift:kk=3"), Err(expected("kk", Some("k"), vec!["k"])));
        assert_eq!(Schedule::parse("shift:"), Err(expected("", None, vec!["k"])));
        assert_eq!(Schedule::parse("linear:k=3"), Err(expected("k", None, vec![])));
    }

    #[test]
    fn a_mistyped_id_of_any_family_suggests_the_nearest_and_lists_all() {
        for family in families() {
            let accepted: Vec<_> = family.entries.iter().map(|entry| entry.id).collect();
            for id in &accepted {
                // A letter too many, and where the id is long enough, a letter too few.
                let mut typos = vec![format!("{id}x"), id.to_uppercase() + "?"];
                typos.extend((id.len() > 3).then(|| id[..id.len() - 1].to_owned()));
                for typo in typos.iter().filter(|typo| !accepted.contains(&typo.as_str())) {
                    let refused = Choice::parse(family.kind, family.entries.iter().copied(), typo);
                    let Err(Error::UnknownId { kind, got, nearest, accepted: listed }) = refused else {
                        panic!("{typo}: {refused:?}");
                    };
                    assert_eq!((kind, &got, &listed), (family.kind, typo, &accepted));
                    if typo.to_lowercase() == *typo {
                        // Where two ids begin alike (heun, heun3) either may be meant.
                        assert!(
                            nearest.is_some_and(|n| n == *id
                                || n.starts_with(typo.as_str())
                                || id.starts_with(n)),
                            "{typo}: {nearest:?}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn every_parameter_of_every_family_is_kept_in_its_range_and_survives_its_text() {
        let mut checked = 0;
        for family in families() {
            for entry in family.entries.iter().copied() {
                let entries = || family.entries.iter().copied();
                for spec in entry.params {
                    for value in [spec.min, spec.max, spec.default] {
                        let text = format!("{}:{}={value}", entry.id, spec.name);
                        let choice = Choice::parse(family.kind, entries(), &text).unwrap();
                        assert_eq!(choice.get(spec.name), Some(value), "{text}");
                        let again = Choice::parse(family.kind, entries(), &choice.to_string());
                        assert_eq!(again, Ok(choice), "{text}");
                    }
                    for value in [spec.min - spec.step, spec.max + spec.step, f64::NAN, f64::INFINITY] {
                        let text = format!("{}:{}={value}", entry.id, spec.name);
                        let refused = Choice::parse(family.kind, entries(), &text).unwrap_err().to_string();
                        for part in [entry.id, spec.name, &spec.min.to_string(), &spec.max.to_string()] {
                            assert!(refused.contains(part), "{text}: {refused}");
                        }
                    }
                    let text = format!("{}:{}q=1", entry.id, spec.name);
                    match Choice::parse(family.kind, entries(), &text) {
                        Err(Error::UnknownParameter { nearest, .. }) => assert!(nearest.is_some(), "{text}"),
                        other => panic!("{text}: {other:?}"),
                    }
                    checked += 1;
                }
            }
        }
        assert!(checked > 20, "{checked}");
    }

    #[test]
    fn a_changed_parameter_is_checked_like_a_parsed_one() {
        let shift = Schedule::parse("shift").unwrap();
        assert_eq!(shift.with("k", 5.0).unwrap().to_string(), "shift:k=5");
        assert!(matches!(shift.with("k", 0.0), Err(Error::Parameter { .. })));
        assert!(matches!(shift.with("j", 1.0), Err(Error::UnknownParameter { .. })));
        assert_eq!(shift.choice().get("k"), Some(3.0));
        assert_eq!(shift.choice().get("j"), None);
    }
}

//! How hard an encoder tries, in x264's words.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// One of x264's presets, and options of x264's that refine it: `veryfast`, `veryfast:me=dia:subme=0`.
/// Other encoders take the preset for a hint, and leave the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effort {
    preset: &'static str,
    options: BTreeMap<&'static str, String>,
}

/// It is no preset, or not what refines one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EffortError {
    /// Not an x264 preset.
    #[error("unknown preset `{0}`: one of {list}", list = Effort::PRESETS.join(", "))]
    Preset(String),
    /// Not an option about effort, or not a value of it.
    #[error(
        "`{0}` does not refine a preset: name=value, with one of {list}",
        list = OPTIONS.map(|(name, _)| name).join(", ")
    )]
    Option(String),
}

enum Values {
    /// From 0 to this.
    Numbers(u32),
    /// One of these.
    Words(&'static [&'static str]),
    /// Some of these, joined by commas.
    Several(&'static [&'static str]),
}

/// What changes how long x264 looks for the best way, and neither how many bits there are, nor what a
/// decoder needs, nor where keyframes come.
const OPTIONS: [(&str, Values); 9] = [
    ("b-adapt", Values::Numbers(2)),
    ("chroma-me", Values::Numbers(1)),
    ("me", Values::Words(&["dia", "hex", "umh"])),
    ("merange", Values::Numbers(64)),
    ("mixed-refs", Values::Numbers(1)),
    ("partitions", Values::Several(&["none", "all", "p8x8", "p4x4", "b8x8", "i8x8", "i4x4"])),
    ("rc-lookahead", Values::Numbers(60)),
    ("subme", Values::Numbers(11)),
    ("trellis", Values::Numbers(2)),
];

impl Effort {
    /// x264's presets that make sense for streaming.
    pub const PRESETS: [&str; 9] = [
        "ultrafast",
        "superfast",
        "veryfast",
        "faster",
        "fast",
        "medium",
        "slow",
        "slower",
        "veryslow",
    ];

    /// x264's name of it.
    pub fn preset(&self) -> &'static str {
        self.preset
    }

    /// What refines it: x264's names, and values.
    pub fn options(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.options.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// A number among the options, if it is said.
    pub fn number(&self, name: &str) -> Option<u32> {
        self.options.get(name)?.parse().ok()
    }

    /// Takes an option as x264 reads it: in any of its spellings, `no-` before it, a value of 1 if
    /// there is none. Whether it is one that refines a preset.
    pub fn refine(&mut self, option: &str) -> bool {
        let (name, value) = option.split_once('=').unwrap_or((option, "1"));
        let name = name.replace('_', "-");
        let (name, value) = match name.strip_prefix("no-") {
            Some(name) if value == "1" => (name, "0"),
            _ => (name.as_str(), value),
        };
        let name = match name {
            "subq" => "subme",
            "me-range" => "merange",
            "analyse" => "partitions",
            name => name,
        };
        let Some((name, values)) = OPTIONS.iter().find(|(known, _)| *known == name) else {
            return false;
        };
        let Some(value) = values.canonical(value) else { return false };
        self.options.insert(name, value);
        true
    }
}

impl Values {
    /// A value as it is written here.
    fn canonical(&self, text: &str) -> Option<String> {
        match self {
            Values::Numbers(max) => {
                let number: u32 = text.parse().ok()?;
                (number <= *max).then(|| number.to_string())
            }
            Values::Words(words) => words.contains(&text).then(|| text.to_owned()),
            Values::Several(words) => {
                let mut said: Vec<&str> = text.split([',', '+', '|']).collect();
                if !said.iter().all(|word| words.contains(word)) {
                    return None;
                }
                said.sort_unstable();
                said.dedup();
                // As x264 reads them: `all` has the others, and whoever is with `none` is there.
                if said.contains(&"all") {
                    said = vec!["all"];
                } else if said.len() > 1 {
                    said.retain(|word| *word != "none");
                }
                Some(said.join(","))
            }
        }
    }
}

impl FromStr for Effort {
    type Err = EffortError;

    fn from_str(text: &str) -> Result<Effort, EffortError> {
        let mut words = text.split(':');
        let name = words.next().unwrap_or_default();
        let known = Effort::PRESETS.into_iter().find(|preset| *preset == name);
        let preset = known.ok_or_else(|| EffortError::Preset(name.to_owned()))?;
        let mut effort = Effort { preset, options: BTreeMap::new() };
        match words.find(|option| !effort.refine(option)) {
            Some(option) => Err(EffortError::Option(option.to_owned())),
            None => Ok(effort),
        }
    }
}

impl fmt::Display for Effort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.preset)?;
        self.options().try_for_each(|(name, value)| write!(f, ":{name}={value}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_the_same_reads_the_same() {
        let jellyfin =
            "veryfast:subme=0:me_range=4:rc_lookahead=10:me=dia:no_chroma_me:partitions=none";
        let same = "veryfast:chroma-me=0:me=dia:merange=4:partitions=none:rc-lookahead=10:subq=0";
        let effort: Effort = jellyfin.parse().expect("an effort");
        assert_eq!(same.parse(), Ok(effort.clone()));
        assert_eq!(effort.to_string(), same.replace("subq", "subme"));
        assert_eq!((effort.preset(), effort.number("subme")), ("veryfast", Some(0)));
        let partitions: Effort = "slow:partitions=p8x8+i4x4".parse().expect("an effort");
        assert_eq!(partitions.to_string(), "slow:partitions=i4x4,p8x8");
        let partitions = |text: &str| format!("slow:partitions={text}").parse::<Effort>();
        assert_eq!(partitions("none,p8x8"), partitions("p8x8"));
        assert_eq!(partitions("i4x4,all"), partitions("all"));
        assert!(partitions("all,p9x9").is_err());
    }

    #[test]
    fn what_is_not_about_effort_is_refused() {
        for option in ["keyint=12", "subme=12", "me=esa", "me=dia,hex", "", "subme=-1", "no-me"] {
            let refused = format!("veryfast:{option}").parse::<Effort>();
            assert_eq!(refused, Err(EffortError::Option(option.to_owned())), "{option}");
        }
        assert_eq!("".parse::<Effort>(), Err(EffortError::Preset(String::new())));
        assert_eq!("quick".parse::<Effort>(), Err(EffortError::Preset("quick".to_owned())));
    }
}

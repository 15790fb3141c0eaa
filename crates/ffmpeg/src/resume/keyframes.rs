//! Whether each segment begins with a keyframe that its line asks for, and how the line of a run that
//! goes on asks for the same ones.
//!
//! Keyframes that come of themselves, as at a change of scene, do no harm: ffmpeg ends a segment with
//! the first keyframe that is not before its due time, and there the line asks for one anyway. Within
//! the picture or two before that a change of scene may end it earlier, in one run and not in the other:
//! such a seam is seen ([`Joint`](super::Joint)).

use segue_model::Time;

use super::{micros, set};
use crate::expression::Expression;
use crate::line::Group;
use crate::understand::keyframes;

/// How keyframes come.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Keyframes {
    /// After so many pictures.
    Every(i64),
    /// By a rule of the time since a run's first picture, and of how many were forced before.
    Counted(String),
    /// By a rule of the time since the last one: each is as good as the first.
    Since,
}

impl Keyframes {
    /// If all video is encoded and keyframes come where segments of this length begin.
    pub(super) fn of(output: &Group, length: Time) -> Option<Keyframes> {
        let video =
            |name: &str| ["-codec:v", "-c:v", "-vcodec"].iter().any(|v| name.starts_with(v));
        let mut codecs = output.options.iter().filter(|option| video(&option.key())).peekable();
        if codecs.peek().is_none() || codecs.any(|option| option.text() == "copy") {
            return None;
        }
        if let Some(forced) = set(output, "force_key_frames") {
            return Keyframes::rule(forced.text().strip_prefix("expr:")?, length);
        }
        let count =
            |name: &str| set(output, name)?.text().parse().ok().filter(|count: &i64| *count > 0);
        let count = count("g").filter(|group| count("keyint_min") == Some(*group))?;
        Some(Keyframes::Every(count))
    }

    fn rule(text: &str, length: Time) -> Option<Keyframes> {
        let rule = Expression::parse(text, keyframes::VARIABLES).ok()?;
        // ffmpeg since 4.2 counts from the first picture that a run encodes. A rule that counts from
        // the start of the film forces none for as long as the line has sought.
        if keyframes::interval(&rule, length, Time::ZERO)? != length {
            return None;
        }
        let uses = |names: &[&str]| names.iter().any(|name| rule.uses(name));
        match (uses(&["n", "prev_forced_n"]), uses(&["n_forced"]), uses(&["prev_forced_t"])) {
            (false, _, false) => Some(Keyframes::Counted(text.to_owned())),
            (false, false, true) => Some(Keyframes::Since),
            _ => None,
        }
    }

    /// The rule for a run that begins so much later, with so many keyframes forced before.
    pub(super) fn moved(&self, later: Time, forced: i64) -> Option<String> {
        let Keyframes::Counted(rule) = self else { return None };
        let mut moved = String::from("expr:");
        let mut rest = rule.as_str();
        while let Some(first) = rest.chars().next() {
            // A number's exponent is no name.
            let is_of_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
            let end = match is_of_word(first) {
                true => rest.find(|c| !is_of_word(c)).unwrap_or(rest.len()),
                false => first.len_utf8(),
            };
            let (word, behind) = rest.split_at(end);
            match word {
                "t" => moved += &format!("(t+{})", micros(later)),
                "n_forced" => moved += &format!("(n_forced+{forced})"),
                word => moved += word,
            }
            rest = behind;
        }
        Some(moved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> Option<Keyframes> {
        Keyframes::rule(text, Time::from_secs(3))
    }

    #[test]
    fn rules_are_known_by_what_they_do() {
        let counted = |text: &str| Some(Keyframes::Counted(text.to_owned()));
        for text in ["gte(t,n_forced*3)", "gte(t,0+n_forced*3)", "gte(t, 3 * n_forced)"] {
            assert_eq!(rule(text), counted(text));
        }
        let since = "if(isnan(prev_forced_t),eq(t,t),gte(t,prev_forced_t+3))";
        assert_eq!(rule(since), Some(Keyframes::Since));
        assert_eq!(rule(since).unwrap().moved(Time::HALF, 1), None);
        // After a seek ffmpeg forces none by this for 1554 s.
        assert_eq!(rule("gte(t,1554+n_forced*3)"), None);
        assert_eq!(rule("gte(t,n_forced*4)"), None);
        assert_eq!(rule("gte(t,n_forced*1.5)"), None);
        assert_eq!(rule("not(mod(n,300))"), None);
    }

    /// Which of these pictures, this far apart, a rule forces.
    fn forced(rule: &str, pictures: std::ops::Range<i64>, each: f64) -> Vec<i64> {
        let rule = Expression::parse(rule, keyframes::VARIABLES).unwrap();
        let mut forced = Vec::new();
        for picture in pictures.clone() {
            let value = rule.value(&|name| match name {
                "t" => (picture - pictures.start) as f64 * each,
                "n_forced" => forced.len() as f64,
                _ => f64::NAN,
            });
            if value != 0.0 {
                forced.push(picture);
            }
        }
        forced
    }

    #[test]
    fn a_run_that_goes_on_has_its_keyframes_where_the_first_would_have_had_them() {
        let text = "gte(t,0+n_forced*3)";
        let rates = [(25, 1), (24_000, 1001), (30_000, 1001), (60_000, 1001), (24, 1)];
        for (rate, of) in rates {
            let each = Time::new(of, rate);
            let (all, seconds) = (forced(text, 0..9000, each.as_secs_f64()), each.as_secs_f64());
            assert!(all.len() > 45);
            for number in [1, 13, 14, 40] {
                let first = all[number];
                let later = each * first + Time::new(17, 1_000_000);
                let rule = rule(text).unwrap().moved(later, number as i64).unwrap();
                let rule = rule.strip_prefix("expr:").unwrap();
                assert_eq!(forced(rule, first..9000, seconds), all[number..], "{rate}: {rule}");
            }
        }
    }
}

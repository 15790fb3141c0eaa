//! Which boundaries a rule of keyframes gives.

use segue_model::Time;

use crate::expression::Expression;

/// What a `-force_key_frames` expression may use.
pub(crate) const VARIABLES: &[&str] = &["n", "n_forced", "prev_forced_n", "prev_forced_t", "t"];

/// Frames a second that a rule is tried with, so that tenths and hundredths of seconds fall on one.
const RATE: f64 = 100.0;
/// Enough keyframes to see a rule repeat.
const KEYFRAMES: usize = 12;
/// Two minutes of segments at the least.
const FRAMES_MAX: u32 = 40_000;

/// How far apart the keyframes are that an expression forces, as a part of `segment`: the rule is
/// run on made-up frames, as ffmpeg does for each frame, from `start` on. `None` if the first frame
/// is none, or they are not evenly apart by `segment` or a whole fraction of it.
///
/// A rule that counts frames depends on how many there are in a second, which no line says.
pub(crate) fn interval(rule: &Expression, segment: Time, start: Time) -> Option<Time> {
    if counts_frames(rule) {
        return None;
    }
    let times = forced(rule, start.as_secs_f64(), segment.as_secs_f64())?;
    let frame = 1.01 / RATE;
    let interval = (1..=12).find_map(|parts| {
        let wanted = segment.as_secs_f64() / f64::from(parts);
        // Less than a few frames would be taken for anything.
        let even = wanted > 4.0 * frame
            && times.windows(2).all(|pair| (pair[1] - pair[0] - wanted).abs() <= frame);
        // Many small steps may add up; none of them may.
        let last = times.last()? - times.first()?;
        let total = wanted * (times.len() - 1) as f64;
        (even && (last - total).abs() <= 2.0 * frame)
            .then(|| segment * Time::new(1, i64::from(parts)))
    })?;
    goes_on(rule, start.as_secs_f64(), interval.as_secs_f64()).then_some(interval)
}

/// Whether a rule depends on how many frames there are in a second.
pub(crate) fn counts_frames(rule: &Expression) -> bool {
    rule.uses("n") || rule.uses("prev_forced_n")
}

/// Whether a rule forces the same as at the beginning in the middle and at the end of a long film.
fn goes_on(rule: &Expression, start: f64, interval: f64) -> bool {
    [50.0, 500.0, 5_000.0, 50_000.0].into_iter().all(|forced| {
        let at = start + forced * interval;
        let forces = |t: f64| {
            let value = rule.value(&|name| match name {
                "n_forced" => forced,
                "prev_forced_t" => at - interval,
                "t" => t,
                _ => f64::NAN,
            });
            value != 0.0 && !value.is_nan()
        };
        !forces(at - 1.01 / RATE) && forces(at + 1.01 / RATE)
    })
}

fn forced(rule: &Expression, start: f64, segment: f64) -> Option<Vec<f64>> {
    let mut times: Vec<f64> = Vec::new();
    let (mut previous_n, mut previous_t) = (f64::NAN, f64::NAN);
    let frames = ((segment * RATE * KEYFRAMES as f64).ceil() as u32).min(FRAMES_MAX - 1) + 1;
    for n in 0..frames {
        let t = start + f64::from(n) / RATE;
        let forced = rule.value(&|name| match name {
            "n" => f64::from(n),
            "n_forced" => times.len() as f64,
            "prev_forced_n" => previous_n,
            "prev_forced_t" => previous_t,
            _ => t,
        });
        if forced != 0.0 && !forced.is_nan() {
            times.push(t);
            (previous_n, previous_t) = (f64::from(n), t);
        } else if times.is_empty() {
            return None;
        }
    }
    (times.len() > 2).then_some(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every(rule: &str, segment: i64, start: i64) -> Option<Time> {
        let rule = Expression::parse(rule, VARIABLES).unwrap();
        interval(&rule, Time::from_secs(segment), Time::from_secs(start))
    }

    #[test]
    fn rules_are_known_by_what_they_do() {
        let three = Some(Time::from_secs(3));
        assert_eq!(every("gte(t,n_forced*3)", 3, 0), three);
        assert_eq!(every("gte(t,0+n_forced*3)", 3, 0), three);
        assert_eq!(every("if(isnan(prev_forced_t),eq(t,t),gte(t,prev_forced_t+3))", 3, 0), three);
        assert_eq!(every("gte(t,n_forced*3)", 6, 0), three);
        assert_eq!(every("gte(t-16.000,n_forced*2)", 2, 16), Some(Time::from_secs(2)));
        assert_eq!(every("gte(t,1554+n_forced*3)", 3, 1554), three);
    }

    #[test]
    fn a_segment_of_years_is_looked_at_for_a_moment() {
        assert_eq!(every("gte(t,n_forced*999999999)", 999_999_999, 0), None);
    }

    #[test]
    fn rules_that_give_other_segments_are_none() {
        assert_eq!(every("gte(t,n_forced*4)", 3, 0), None);
        assert_eq!(every("gte(t,n_forced*7)", 3, 0), None);
        assert_eq!(every("gte(t,1554+n_forced*3)", 3, 0), None);
        assert_eq!(every("1", 3, 0), None);
        assert_eq!(every("0", 3, 0), None);
        // Frames are not seconds.
        assert_eq!(every("not(mod(n,300))", 3, 0), None);
        assert_eq!(every("gte(n,n_forced*300)", 3, 0), None);
        assert_eq!(every("if(isnan(prev_forced_n),1,eq(n,prev_forced_n+300))", 3, 0), None);
        // For a minute only.
        assert_eq!(every("gte(t,n_forced*3)*lt(t,60)", 3, 0), None);
    }
}

//! What is done when the pool does not do a line.

use segue_ffmpeg::FallbackPolicy;

use crate::Trouble;

/// Whether ffmpeg may run here instead.
pub fn may_run_here(policy: FallbackPolicy, trouble: &Trouble) -> bool {
    match trouble {
        Trouble::Unreachable(_) | Trouble::NotAJob(_) | Trouble::NotElsewhere(_) => {
            policy != FallbackPolicy::Never
        }
        Trouble::Busy(_) => policy == FallbackPolicy::WhenBusy,
    }
}

/// What to do so that it does not fail next time.
pub fn remedy(policy: FallbackPolicy, trouble: &Trouble) -> &'static str {
    match (trouble, policy) {
        (Trouble::Busy(_), FallbackPolicy::Never | FallbackPolicy::WhenUnreachable) => {
            "add a worker, or set fallback = \"when-busy\" to have ffmpeg run here then"
        }
        (Trouble::NotElsewhere(_), FallbackPolicy::Never) => {
            "fallback = \"when-unreachable\" has ffmpeg run such lines here"
        }
        (_, FallbackPolicy::Never) => {
            "`segue doctor` says what to do; fallback = \"when-unreachable\" has ffmpeg run here then"
        }
        (_, FallbackPolicy::WhenUnreachable | FallbackPolicy::WhenBusy) => {
            "and there is no ffmpeg here: `segue doctor` says what to do"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_decides_whether_ffmpeg_runs_here() {
        let policies =
            [FallbackPolicy::Never, FallbackPolicy::WhenUnreachable, FallbackPolicy::WhenBusy];
        let may = |trouble: Trouble| policies.map(|policy| may_run_here(policy, &trouble));
        let why = || "why".to_owned();
        assert_eq!(may(Trouble::Unreachable(why())), [false, true, true]);
        assert_eq!(may(Trouble::Busy(why())), [false, false, true]);
        assert_eq!(may(Trouble::NotAJob(why())), [false, true, true]);
        assert_eq!(may(Trouble::NotElsewhere(why())), [false, true, true]);
    }
}

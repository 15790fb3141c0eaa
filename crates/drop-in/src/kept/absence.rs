//! That no scheduler was there a moment ago, so that not every run has to find out.

use std::time::{Duration, SystemTime};

use super::Kept;

/// So long it is believed: a scheduler that was started again is noticed by the next film but one.
const BELIEVED: Duration = Duration::from_secs(5);
const NAME: &str = "absent";

impl Kept {
    /// How long ago these schedulers were found to be absent, if that was a moment ago.
    pub fn absent_since(&self, schedulers: &[String]) -> Option<Duration> {
        let found = self.read(NAME, 64 * 1024)?;
        if found != text(schedulers) {
            return None;
        }
        let written = self.existing()?.join(NAME).metadata().ok()?.modified().ok()?;
        // One from the future was written under another clock.
        let age = SystemTime::now().duration_since(written).ok()?;
        (age < BELIEVED).then_some(age)
    }

    /// Remembers that these schedulers are not there.
    pub fn remember_absence(&self, schedulers: &[String]) {
        // Whoever cannot remember it finds out again.
        let _ = self.write(NAME, &text(schedulers));
    }

    /// They are there.
    pub fn forget_absence(&self) {
        if let Some(directory) = self.existing() {
            let _ = std::fs::remove_file(directory.join(NAME));
        }
    }
}

fn text(schedulers: &[String]) -> Vec<u8> {
    schedulers.join("\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::super::in_directory;
    use super::*;

    #[test]
    fn absence_is_believed_for_a_moment_and_of_the_same_schedulers() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("kept");
        let kept = in_directory(&place);
        let ours = ["http://a:1".to_owned()];
        assert_eq!(kept.absent_since(&ours), None);
        kept.remember_absence(&ours);
        assert!(kept.absent_since(&ours).is_some());
        assert_eq!(kept.absent_since(&["http://b:1".to_owned()]), None);
        let file = File::options().write(true).open(place.join(NAME)).unwrap();
        for (written, believed) in [
            (SystemTime::now() - BELIEVED, false),
            (SystemTime::now() + Duration::from_secs(60), false),
            (SystemTime::now(), true),
        ] {
            file.set_modified(written).unwrap();
            assert_eq!(kept.absent_since(&ours).is_some(), believed);
        }
        kept.forget_absence();
        assert_eq!(kept.absent_since(&ours), None);
    }
}

//! Picture and sound in one file of fragmented MP4.

use segue_model::{JobRequest, Packaging, Time};

use crate::support::{job, make, quick, scattered};
use crate::written;

#[test]
fn segments_with_picture_and_sound_join_like_others() {
    for (source, offset, exact) in [
        ("h264-aac-mkv", None, true),
        ("vfr-mp4", Some(Time::ZERO), true),
        ("gap-mkv", None, false),
    ] {
        let film = segue_lab::source(source);
        let request = JobRequest {
            together: true,
            timestamp_offset: offset,
            exact,
            preset: "superfast".to_owned(),
            ..quick(Packaging::Fmp4)
        };
        let job = job(&film, &request);
        assert_eq!(job.recipe.renditions.len(), 1);
        let one = make(&film, &job, &[job.timeline.whole()]);
        let many = make(&film, &job, &scattered(&job, 1));
        assert_eq!(one.inits, many.inits, "{source}");
        if exact {
            assert!(one.segments == many.segments, "{source} has other bytes in other spans");
        }
        let (_directory, playlist) = written(&job, &many);
        assert_eq!(segue_lab::complaints(&playlist), "", "{source}");
        let report = segue_media::verify::verify(
            &playlist.to_string_lossy(),
            &Default::default(),
            &mut |_| {},
        );
        let faults = report.expect("readable").faults;
        assert!(faults.is_empty(), "{source}: {}", faults[0]);
        let known = segue_lab::probe(&playlist);
        let kinds = [0, 1].map(|at| known[&format!("streams.stream.{at}.codec_name")].as_str());
        assert_eq!(kinds, ["h264", "aac"], "{source}");
    }
}

//! Whether an encoder keeps to what its rendition's players were told.

use segue_model::colour::{MATRICES, PRIMARIES, TRANSFERS};
use segue_model::{Colour, H264Contract, Time, h264_level};

use crate::Error;
use crate::sequence_set::{SequenceSet, UNSPECIFIED};

/// Checks parameter sets (Annex B) against the contract. Players are told once, by the init section
/// and the playlist; a segment that needs more than was told would fail on some of them, and one
/// whose numbers mean other colours would show a join.
pub(crate) fn check_h264(parameter_sets: &[u8], contract: &H264Contract) -> Result<(), Error> {
    let Some(set) = SequenceSet::first(parameter_sets) else {
        return Err(Error::worker("the encoder gave no sequence parameter set that can be read"));
    };
    let breaches = breaches(&set, contract);
    if breaches.is_empty() {
        return Ok(());
    }
    let breaches = breaches.join(", ");
    Err(Error::worker(format!("the encoder does not keep to the job's contract: {breaches}")))
}

/// What differs, for a person.
fn breaches(set: &SequenceSet, contract: &H264Contract) -> Vec<String> {
    let mut breaches = Vec::new();
    let mut equal = |what: &str, made: u8, promised: u8| {
        if made != promised {
            breaches.push(format!("{what} {made} instead of {promised}"));
        }
    };
    equal("profile", set.profile, contract.profile.idc());
    equal("level", set.level, contract.level);
    equal("full range", set.full_range.into(), contract.colour.full_range.into());
    let promised = code_points(&contract.colour);
    for (what, (made, promised)) in
        ["colour primaries", "transfer characteristics", "matrix coefficients"]
            .into_iter()
            .zip(set.colour.into_iter().zip(promised))
    {
        // An encoder may leave out what it was told, and is told nothing by a name without a code
        // point; but it must not say something else.
        if let (true, Some(promised)) = (made != UNSPECIFIED, promised) {
            equal(what, made, promised);
        }
    }

    let mut at_most = |what: &str, made: u32, promised: u8| {
        if made > u32::from(promised) {
            breaches.push(format!("{made} {what}, {promised} promised"));
        }
    };
    at_most("reference frames", set.reference_frames, contract.reference_frames);
    if let Some(decoder) = set.decoder {
        at_most("frames reordered", decoder.reorder_depth, contract.reorder_depth);
    }
    let frames = set.decoder.map_or(0, |decoder| decoder.frames).max(set.reference_frames);
    // The rates follow from the job; here it is what a decoder must hold.
    let frames = u8::try_from(frames).unwrap_or(u8::MAX);
    let needed = h264_level(set.size, Time::ZERO, frames, 0);
    if needed > contract.level {
        let (width, height) = set.size;
        breaches.push(format!("{frames} frames of {width}x{height} need level {needed}"));
    }
    breaches
}

fn code_points(colour: &Colour) -> [Option<u8>; 3] {
    let find = |table: &[(&str, u8)], name: &str| {
        table.iter().find(|(known, _)| *known == name).map(|(_, code)| *code)
    };
    [
        find(&PRIMARIES, &colour.primaries),
        find(&TRANSFERS, &colour.transfer),
        find(&MATRICES, &colour.matrix),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::av::{VideoEncoder, VideoEncoderSettings};
    use crate::sequence_set::DecoderNeeds;
    use segue_model::{Effort, H264Profile, RateControl, VideoSettings};

    fn colour(primaries: &str, transfer: &str, matrix: &str) -> Colour {
        Colour {
            full_range: false,
            primaries: primaries.to_owned(),
            transfer: transfer.to_owned(),
            matrix: matrix.to_owned(),
        }
    }

    fn contract(colour: Colour) -> H264Contract {
        H264Contract {
            profile: H264Profile::High,
            level: 31,
            reference_frames: 4,
            reorder_depth: 2,
            colour,
        }
    }

    fn settings(size: (u32, u32), preset: &str, contract: H264Contract) -> VideoSettings {
        let (width, height) = size;
        VideoSettings {
            width,
            height,
            sample_aspect: Time::from_secs(1),
            orientation: segue_model::Orientation::default(),
            deinterlace: None,
            captions: true,
            keyframes: None,
            rate_control: RateControl::CappedQuality {
                crf: 20,
                bitrate_max: 60_000,
                buffer_bits: 60_000,
            },
            preset: preset.to_owned(),
            contract,
        }
    }

    /// The header of the real encoder.
    fn header(video: &VideoSettings, exact: bool) -> Vec<u8> {
        let encoder = VideoEncoder::open(&VideoEncoderSettings {
            video,
            slots_per_second: Time::from_secs(24),
            frame_rate: Time::from_secs(24),
            threads: 1,
            exact,
        });
        let encoder = encoder.expect("libx264 opens");
        encoder.parameters().expect("a header").extradata().to_vec()
    }

    /// What is wrong with the header that `change` makes of an honest one.
    fn breach(change: impl FnOnce(&mut SequenceSet)) -> String {
        let contract = contract(colour("bt709", "bt709", "bt709"));
        let mut set = SequenceSet {
            profile: 100,
            level: 31,
            size: (1280, 720),
            reference_frames: 4,
            full_range: false,
            colour: [1; 3],
            decoder: Some(DecoderNeeds { reorder_depth: 2, frames: 4 }),
        };
        assert_eq!(breaches(&set, &contract), [""; 0]);
        change(&mut set);
        breaches(&set, &contract).join(", ")
    }

    #[test]
    fn every_preset_and_both_recipes_keep_the_contract() {
        let sizes =
            [(16, 16, 10), (64, 48, 10), (1280, 720, 31), (720, 1280, 31), (1918, 1078, 40)];
        for (preset, (width, height, level)) in
            Effort::PRESETS.iter().flat_map(|preset| sizes.map(|size| (preset, size)))
        {
            for exact in [false, true] {
                let colour = colour("bt709", "unknown", "bt709");
                let contract = H264Contract { level, ..contract(colour) };
                let video = settings((width, height), preset, contract);
                let checked = check_h264(&header(&video, exact), &video.contract);
                checked.unwrap_or_else(|error| {
                    panic!("{preset} {width}x{height} exact {exact}: {error}")
                });
            }
        }
    }

    #[test]
    fn every_preset_keeps_to_every_profile() {
        for (profile, reorder_depth) in
            [(H264Profile::Baseline, 0), (H264Profile::Main, 2), (H264Profile::High, 2)]
        {
            let refined = "veryfast:subme=0:me=dia:partitions=none:trellis=2:b-adapt=2";
            for preset in Effort::PRESETS.into_iter().chain([refined]) {
                let colour = colour("bt709", "unknown", "bt709");
                let contract = H264Contract { profile, reorder_depth, ..contract(colour) };
                let video = settings((1280, 720), preset, contract);
                let checked = check_h264(&header(&video, false), &video.contract);
                checked.unwrap_or_else(|error| panic!("{preset} {profile:?}: {error}"));
            }
        }
    }

    #[test]
    fn every_colour_that_libav_names_is_written_as_promised() {
        let video = |colour| settings((64, 48), "ultrafast", contract(colour));
        let mut checked = 0;
        for (at, table) in [&PRIMARIES[..], &TRANSFERS, &MATRICES].into_iter().enumerate() {
            // x264 refuses RGB's matrix for a picture that is not RGB.
            for (name, code) in table.iter().filter(|(name, _)| *name != "gbr") {
                let mut names = ["unknown"; 3];
                names[at] = name;
                let video = video(colour(names[0], names[1], names[2]));
                let header = header(&video, true);
                check_h264(&header, &video.contract).unwrap_or_else(|e| panic!("{name}: {e}"));
                let set = SequenceSet::first(&header).expect("a set");
                // x264 knows one name less.
                let written = if *name == "ebu3213" { UNSPECIFIED } else { *code };
                assert_eq!(set.colour[at], written, "{name}");
                checked += 1;
            }
        }
        assert_eq!(checked, 42);
        for odd in ["reserved", "", "no such colour"] {
            let video = video(colour(odd, odd, odd));
            check_h264(&header(&video, true), &video.contract).expect("nothing is promised");
        }
        let full = Colour { full_range: true, ..colour("bt709", "bt709", "bt709") };
        let full = video(full);
        check_h264(&header(&full, true), &full.contract).expect("the range is promised");
    }

    #[test]
    fn another_contract_is_broken_by_the_same_header() {
        let honest = settings((1280, 720), "veryfast", contract(colour("bt709", "bt709", "bt709")));
        let header = header(&honest, true);
        let kept = &honest.contract;
        let full = Colour { full_range: true, ..kept.colour.clone() };
        for (contract, expected) in [
            (H264Contract { level: 40, ..kept.clone() }, "level 31 instead of 40"),
            (
                H264Contract { profile: H264Profile::Main, ..kept.clone() },
                "profile 100 instead of 77",
            ),
            (
                H264Contract { reference_frames: 3, ..kept.clone() },
                "4 reference frames, 3 promised",
            ),
            (H264Contract { reorder_depth: 1, ..kept.clone() }, "2 frames reordered, 1 promised"),
            (H264Contract { colour: full, ..kept.clone() }, "full range 0 instead of 1"),
            (
                contract(colour("bt2020", "bt709", "bt470bg")),
                "colour primaries 1 instead of 9, matrix coefficients 1 instead of 5",
            ),
            (
                contract(colour("bt709", "unknown", "bt709")),
                "transfer characteristics 1 instead of 2",
            ),
        ] {
            let error = check_h264(&header, &contract).expect_err(expected).to_string();
            assert!(error.ends_with(&format!(": {expected}")), "{error}");
        }
    }

    #[test]
    fn a_header_may_need_less_than_was_promised_and_not_say_what() {
        assert_eq!(breach(|set| set.reference_frames = 1), "");
        assert_eq!(breach(|set| set.decoder = None), "");
        assert_eq!(breach(|set| set.colour = [UNSPECIFIED; 3]), "");
        assert_eq!(
            breach(|set| set.decoder = Some(DecoderNeeds { reorder_depth: 0, frames: 1 })),
            ""
        );
    }

    #[test]
    fn what_a_decoder_must_hold_fits_the_level() {
        let held = DecoderNeeds { reorder_depth: 2, frames: 6 };
        let expected = "6 frames of 1280x720 need level 40";
        assert_eq!(breach(|set| set.decoder = Some(held)), expected);
        assert_eq!(breach(|set| set.size = (1920, 1080)), "4 frames of 1920x1080 need level 40");
    }

    #[test]
    fn no_parameter_set_is_an_error_not_a_panic() {
        let video = settings((64, 48), "ultrafast", contract(colour("bt709", "bt709", "bt709")));
        let header = header(&video, true);
        // The picture parameter set follows: its start code is the second.
        let end = header.windows(4).rposition(|code| code == [0, 0, 0, 1]).expect("two units");
        for length in 0..end {
            assert!(check_h264(&header[..length], &video.contract).is_err(), "{length} bytes");
        }
    }
}

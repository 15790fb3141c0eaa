//! The faults there are to plant, and what a verifier has to say of each.

use std::fs;

use super::ts::{self, Which};
use super::{Film, Packaging};

/// A fault that a verifier must find.
#[derive(Clone, Copy, Debug)]
pub struct PlantedFault {
    /// What tests call it.
    pub name: &'static str,
    /// What the verifier may call it (its JSON names): all it finds must be among these, and at
    /// least one must be found.
    pub kinds: &'static [&'static str],
    /// How many faults may be reported for it at most: a hole in picture and sound is two.
    pub faults_max: usize,
    /// Whether the segment planted into must be named; else the whole playlist is at fault.
    pub names_segment: bool,
    only: Option<Packaging>,
    needs: &'static [Which],
    plant: fn(&Film, usize),
}

impl PlantedFault {
    const fn new(
        name: &'static str,
        kinds: &'static [&'static str],
        faults_max: usize,
        plant: fn(&Film, usize),
    ) -> PlantedFault {
        PlantedFault { name, kinds, faults_max, names_segment: true, only: None, needs: &[], plant }
    }

    const fn of_list(self) -> PlantedFault {
        PlantedFault { names_segment: false, ..self }
    }

    const fn only(self, packaging: Packaging) -> PlantedFault {
        PlantedFault { only: Some(packaging), ..self }
    }

    const fn needs(self, needs: &'static [Which]) -> PlantedFault {
        PlantedFault { needs, ..self }
    }

    /// Plants it into a segment that has at least two others before it and one after it.
    pub fn plant(&self, film: &Film, segment: usize) {
        (self.plant)(film, segment);
    }

    /// Whether it can be planted into such a film.
    pub fn fits(&self, film: &Film) -> bool {
        let kinds = film.kinds();
        self.only.is_none_or(|only| only == film.packaging)
            && self.needs.iter().all(|need| kinds.contains(need))
    }
}

const GAPS: &[&str] = &["picture gap", "sound gap"];
const PICTURE: &[Which] = &[Which::Picture];
const SOUND: &[Which] = &[Which::Sound];
const BOTH: &[Which] = &[Which::Picture, Which::Sound];
/// In 1/90000 s.
const FIFTH_OF_A_SECOND: i64 = 18_000;
const SECOND: i64 = 90_000;

/// All faults that can be planted into one media playlist.
pub fn planted_faults() -> Vec<PlantedFault> {
    [in_files(), in_lists(), in_time(), in_tracks(), in_ts(), in_mp4()].concat()
}

fn in_files() -> Vec<PlantedFault> {
    let fault = PlantedFault::new;
    vec![
        fault("segment-missing", &["missing segment"], 1, |film, at| film.delete(at)),
        fault("segment-empty", &["empty segment"], 1, |film, at| film.write(at, &[])),
        fault("segment-truncated", &["truncated segment"], 1, |film, at| film.cut(at, 1)),
        fault("segment-repeated", &["repeated frames"], 1, |film, at| film.repeat(at, false)),
        fault("segment-repeated-with-new-times", &["repeated frames"], 1, |film, at| {
            film.repeat(at, true);
        }),
    ]
}

fn in_lists() -> Vec<PlantedFault> {
    let fault = PlantedFault::new;
    vec![
        fault("duration-wrong", &["wrong duration"], 1, |film, at| film.lengthen(at, -0.3)),
        fault("target-duration-too-small", &["target duration exceeded"], 1, |film, _| {
            film.line("#EXT-X-TARGETDURATION:", Some("#EXT-X-TARGETDURATION:0"));
        })
        .of_list(),
        fault("end-missing", &["missing end"], 1, |film, _| film.forget_end()).of_list(),
        fault("line-malformed", &["malformed playlist"], 1, |film, at| {
            film.set_duration(at, "2.0s");
        })
        .of_list(),
        fault("segment-unlisted", GAPS, 2, Film::unlist_before),
    ]
}

fn in_time() -> Vec<PlantedFault> {
    let fault = PlantedFault::new;
    vec![
        fault("segment-early", &["decode time does not rise"], 2, |film, at| {
            film.shift(at..=at, Which::All, -SECOND);
        }),
        fault("segment-late", GAPS, 2, |film, at| {
            film.shift(at..=at, Which::All, FIFTH_OF_A_SECOND);
        }),
        fault("rest-late", GAPS, 2, |film, at| {
            film.shift(at..=film.count() - 1, Which::All, FIFTH_OF_A_SECOND);
        }),
        fault("sound-late", &["sound gap"], 1, |film, at| {
            film.shift(at..=at, Which::Sound, FIFTH_OF_A_SECOND);
        })
        .needs(SOUND),
        fault("picture-late", &["picture gap"], 1, |film, at| {
            film.shift(at..=at, Which::Picture, FIFTH_OF_A_SECOND);
        })
        .needs(PICTURE),
    ]
}

fn in_tracks() -> Vec<PlantedFault> {
    let fault = PlantedFault::new;
    vec![
        fault("keyframe-missing", &["no keyframe"], 1, Film::spoil_first_picture).needs(PICTURE),
        fault("picture-damaged", &["decoder complaint"], 1, Film::damage).needs(PICTURE),
        fault("picture-track-missing", &["missing track"], 1, |film, at| {
            film.drop_track(at, Which::Picture);
        })
        .needs(BOTH),
        fault("sound-track-missing", &["missing track"], 1, |film, at| {
            film.drop_track(at, Which::Sound);
        })
        .needs(BOTH),
    ]
}

fn in_ts() -> Vec<PlantedFault> {
    const CUT: &[&str] = &["truncated segment", "picture gap", "sound gap", "decoder complaint"];
    let fault = |name, kinds, faults_max, plant| {
        PlantedFault::new(name, kinds, faults_max, plant).only(Packaging::Ts)
    };
    vec![
        fault("segment-cut-between-packets", CUT, 3, |film, at| film.cut(at, 188)),
        fault("last-pictures-missing", &["picture gap"], 1, |film, at| {
            let units = ts::units(&film.read(at), Which::Picture);
            film.drop_units(at, Which::Picture, |number| number + 5 >= units);
        })
        .needs(PICTURE),
        fault("picture-missing-within", &["picture gap", "decoder complaint"], 1, |film, at| {
            let units = ts::units(&film.read(at), Which::Picture);
            film.drop_units(at, Which::Picture, |number| number == units / 2);
        })
        .needs(PICTURE),
        fault("sound-missing-within", &["sound gap"], 1, |film, at| {
            film.drop_units(at, Which::Sound, |number| number == 1);
        })
        .needs(SOUND),
        fault("packet-lost", &["continuity counter error"], 1, |film, at| {
            film.write(at, &ts::drop_packet(&film.read(at)));
        })
        .needs(PICTURE),
        fault("tables-missing", &["missing PAT or PMT"], 1, Film::drop_tables),
    ]
}

fn in_mp4() -> Vec<PlantedFault> {
    let fault = |name, kinds, faults_max, plant| {
        PlantedFault::new(name, kinds, faults_max, plant).only(Packaging::FragmentedMp4)
    };
    vec![
        fault("sample-data-missing", &["truncated segment"], 1, Film::shrink_data),
        fault("init-missing", &["missing init"], 1, |film, _| {
            fs::remove_file(film.init_path()).expect("an init section");
        })
        .of_list(),
        fault("codec-tag-of-another-codec", &["wrong codec"], 1, |film, _| {
            film.rename_entry(b"hvc1");
        })
        .of_list()
        .needs(PICTURE),
        fault("codec-tag-garbage", &["wrong codec"], 1, |film, _| film.rename_entry(b"x?1z"))
            .of_list()
            .needs(PICTURE),
    ]
}

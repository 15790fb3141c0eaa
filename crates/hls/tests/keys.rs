//! Object keys: one name for each object, and back.

mod sample;

use proptest::prelude::*;
use sample::{grid, job, picture, sound};
use segue_hls::keys;
use segue_model::{Packaging, Recipe, SegmentId};

fn recipe(packaging: Packaging) -> Recipe {
    let renditions = vec![picture("720p", (1280, 720), 3_000_000), sound("audio")];
    job(grid("2"), packaging, "8", renditions).recipe
}

#[test]
fn objects_are_named_by_rendition_and_index() {
    let recipe = recipe(Packaging::Fmp4);
    let [picture, sound] = &recipe.renditions[..] else { panic!("two renditions") };
    assert_eq!(keys::MULTIVARIANT, "master.m3u8");
    assert_eq!(keys::media_playlist(picture), "720p/index.m3u8");
    assert_eq!(keys::init(Packaging::Fmp4, sound).as_deref(), Some("audio/init.mp4"));
    assert_eq!(keys::segment(Packaging::Fmp4, picture, 7), "720p/00007.m4s");
    assert_eq!(keys::segment(Packaging::MpegTs, picture, 1_234_567), "720p/1234567.ts");
}

#[test]
fn a_transport_stream_has_no_initialisation_section() {
    assert_eq!(keys::init(Packaging::MpegTs, &sound("audio")), None);
}

#[test]
fn only_the_one_name_of_a_segment_is_read() {
    let recipe = recipe(Packaging::MpegTs);
    assert_eq!(
        keys::parse_segment(&recipe, "audio/00003.ts"),
        Some(SegmentId { rendition: 1, index: 3 })
    );
    for key in [
        "",
        "/",
        "720p",
        "720p/",
        "720p/00003",
        "720p/3.ts",
        "720p/000003.ts",
        "720p/+0003.ts",
        "720p/-0003.ts",
        "720p/00003.m4s",
        "720p/00003.ts/",
        "720p/00003.ts.ts",
        "720p//00003.ts",
        "/720p/00003.ts",
        "../720p/00003.ts",
        "1080p/00003.ts",
        "720p/init.mp4",
        "720p/index.m3u8",
        "720p/99999999999.ts",
        "720p/0000٣.ts",
    ] {
        assert_eq!(keys::parse_segment(&recipe, key), None, "{key}");
    }
}

proptest! {
    #[test]
    fn every_segment_key_is_read_back(index: u32, rendition in 0..2usize, fmp4: bool) {
        let packaging = if fmp4 { Packaging::Fmp4 } else { Packaging::MpegTs };
        let recipe = recipe(packaging);
        let key = keys::segment(packaging, &recipe.renditions[rendition], index);
        let id = SegmentId { rendition: rendition as u32, index };
        prop_assert_eq!(keys::parse_segment(&recipe, &key), Some(id));
    }

    #[test]
    fn no_key_panics(key in ".{0,40}") {
        let recipe = recipe(Packaging::MpegTs);
        if let Some(id) = keys::parse_segment(&recipe, &key) {
            let rendition = &recipe.renditions[id.rendition as usize];
            prop_assert_eq!(keys::segment(recipe.packaging, rendition, id.index), key);
        }
    }
}

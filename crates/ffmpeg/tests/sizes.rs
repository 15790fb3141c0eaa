//! Sizes are worked out as ffmpeg does. `sizes.json` is what ffmpeg 5.1.9 said (`setsar=SAR,SCALE,
//! showinfo` on pictures of a colour): columns, rows and pixel shape before, the filter, and the
//! same three after. `force_divisible_by` is left out: versions of ffmpeg round it differently.

use segue_ffmpeg::job::picture::{Picture, size_after};
use segue_ffmpeg::{Program, Surroundings, decide_words};
use segue_model::Time;

#[test]
fn sizes_are_those_of_ffmpeg() {
    type Row = (u32, u32, String, String, u32, u32, String);
    let rows: Vec<Row> = serde_json::from_str(include_str!("sizes.json")).unwrap();
    assert!(rows.len() > 40);
    for (width, height, pixel, filter, out_width, out_height, out_pixel) in rows {
        let line = "-i a.mkv -map_metadata -1 -map 0:0 -map 0:1 -codec:v:0 libx264 -g:v:0 72 -codec:a:0 aac -copyts \
            -avoid_negative_ts disabled -f hls -hls_time 3 -hls_segment_filename a%d.ts \
            -hls_playlist_type vod -hls_list_size 0 -y a.m3u8 -vf";
        let mut words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let output = words.iter().position(|word| word == "a.m3u8").unwrap();
        words.pop();
        words.insert(output, filter.clone());
        words.insert(output, "-vf".to_owned());
        let decision = decide_words(Program::Ffmpeg, &words, Surroundings::default());
        let job = decision.job.unwrap_or_else(|| panic!("{filter}: {}", decision.because));
        let source = Picture { width, height, pixel: pixel.parse().unwrap() };
        let out = size_after(&job.content.video.unwrap().steps, source).unwrap();
        let expected: Time = out_pixel.parse().unwrap();
        assert_eq!(
            (out.width, out.height, out.pixel),
            (out_width, out_height, expected),
            "{filter} of {width}x{height} {pixel}"
        );
    }
}

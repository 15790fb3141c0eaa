//! The output: its options sorted to picture, sound and packaging, and the job put together.

use segue_model::Time;

use crate::expression::Expression;
use crate::finding::{Findings, Meaning, differs, immaterial, prevents, understood, unknown};
use crate::job::picture::Step;
use crate::job::{
    Boundaries, Content, Demand, FrameRate, Job, Proviso, Rotation, Timestamps, Video,
};
use crate::line::{CommandLine, Group, Opt, Value};
use crate::number;

use super::input::Input;
use super::packaging::Hls;
use super::sound::{self, SoundOptions};
use super::streams::{For, Streams};
use super::video::{self, VideoOptions};
use super::{Run, keyframes, picture};

/// The first output of a line.
pub(super) struct Output<'a> {
    group: &'a Group,
    streams: Streams,
    video: Option<VideoOptions>,
    sound: SoundOptions,
    hls: Hls,
}

impl<'a> Output<'a> {
    pub fn new(line: &CommandLine, group: &'a Group) -> Output<'a> {
        let streams = Streams::of(line, group);
        let family = streams.codec(group, For::Video).and_then(video::family);
        let sound = SoundOptions::new(streams.codec(group, For::Audio).unwrap_or_default());
        Output { group, streams, video: family.map(VideoOptions::new), sound, hls: Hls::new() }
    }

    pub fn file(&mut self, name: &str) -> Meaning {
        self.hls.file(name)
    }

    pub fn option(&mut self, option: &Opt) -> Meaning {
        if option.from_file {
            return prevents("its value is in a file that Segue does not read");
        }
        if let Some(meaning) = self.hls.option(option) {
            return meaning;
        }
        match option.name.as_str() {
            "map" => self.streams.map(option),
            "map_metadata" | "map_chapters" => match option.text() {
                "-1" => immaterial("segments carry neither titles nor chapters in any case"),
                _ => prevents("titles or chapters of other files"),
            },
            "vn" | "an" | "sn" | "dn" if option.negated => immaterial("is so without it"),
            "vn" | "an" => understood("a kind of stream that is left out"),
            "sn" | "dn" => immaterial("no subtitles and data in any case"),
            "strict" => immaterial("allows what is experimental, of which there is nothing"),
            "flags" => flags(option.text()),
            "bsf" | "absf" | "vbsf" => match self.streams.whom(option) {
                For::Audio => self.packet_filters(option.text()),
                For::Nobody => immaterial("for a stream that there is not"),
                _ => prevents("changes encoded packets"),
            },
            "t" | "to" | "ss" | "fs" | "frames" | "vframes" | "aframes" | "shortest" => {
                prevents("takes a part of the source, and jobs are of all of it")
            }
            "c" | "codec" | "vcodec" | "acodec" => self.codec(option),
            // ffmpeg's own number of threads for whatever has some.
            "threads" => immaterial("threads; workers have their own number"),
            _ => self.of_stream(option),
        }
    }

    fn codec(&mut self, option: &Opt) -> Meaning {
        if self.streams.fault.is_some() {
            return immaterial("of an output whose streams prevent a job");
        }
        match self.streams.whom(option) {
            For::Video => video::encoder(option.text()),
            For::Audio => sound::encoder(option.text()),
            For::Nobody => immaterial("for a stream that there is not"),
            For::Both if option.text() == "copy" => {
                prevents("streams are copied, and the engine encodes")
            }
            For::Both => prevents("one encoder for picture and sound"),
            For::Unclear => prevents("for which stream depends on the source"),
        }
    }

    fn of_stream(&mut self, option: &Opt) -> Meaning {
        if self.streams.fault.is_some() {
            return immaterial("of an output whose streams prevent a job");
        }
        let filters = matches!(option.name.as_str(), "vf" | "filter");
        match self.streams.whom(option) {
            For::Video if filters && !self.streams.filters.is_empty() => {
                prevents("ffmpeg refuses it for what comes out of a -filter_complex")
            }
            For::Video => self.of_video(option),
            For::Audio if self.copies_sound() => SoundOptions::of_copied(option),
            For::Audio => self.sound.option(option),
            For::Nobody => immaterial("for a stream that there is not"),
            For::Unclear => prevents("for which stream depends on the source"),
            // Without a specifier an encoder's option goes to every encoder that has it.
            For::Both => match option.name.as_str() {
                "q" | "qscale" | "filter" | "metadata" | "disposition" => unknown(),
                "vbr" | "aac_at_mode" | "aac_coder" | "afterburner" => self.sound.option(option),
                _ => self.of_video(option),
            },
        }
    }

    fn copies_sound(&self) -> bool {
        self.streams.codec(self.group, For::Audio) == Some("copy")
    }

    /// `-start_number` and `-hls_time` come later on the line, so they are looked for.
    fn packet_filters(&self, text: &str) -> Meaning {
        let last = |name: &str| self.group.options.iter().rfind(|o| o.name == name).map(Opt::text);
        let first = last("start_number").and_then(number::count).unwrap_or(0);
        let segment = last("hls_time").and_then(number::time).unwrap_or(Time::from_secs(2));
        let first = i64::try_from(first).unwrap_or(i64::MAX);
        SoundOptions::packet_filters(text, segment * first)
    }

    fn of_video(&mut self, option: &Opt) -> Meaning {
        match &mut self.video {
            Some(video) => video.option(option),
            None => {
                immaterial("not looked at, as its encoder alone keeps the line from being a job")
            }
        }
    }

    /// A `-filter_complex`.
    pub fn graph(&mut self, option: &Opt) -> Meaning {
        let Value::Graph(graph) = &option.value else {
            return prevents("ffmpeg refuses this filter graph, or it is in a file");
        };
        let filters: Vec<_> = graph.value().chains.iter().flatten().collect();
        if self.streams.filters.is_empty() {
            return picture::several(&filters);
        }
        match (picture::read(&self.streams.filters), &mut self.video) {
            (Ok((chain, meaning)), Some(video)) => {
                video.chain = chain;
                meaning
            }
            (Ok((_, meaning)), None) => meaning,
            (Err(fault), _) => prevents(fault),
        }
    }

    /// Puts the job together, and says what is missing.
    pub fn finish(self, input: &Input, run: &Run, findings: &mut Findings) -> Option<Job> {
        if let Some(fault) = &self.streams.fault {
            findings.add("(streams)", prevents(fault.clone()));
            return None;
        }
        if input.cuvid.is_misplaced() {
            let meaning = "only NVIDIA's decoders (`-c:v h264_cuvid`) have such options";
            findings.add("(-resize, -deint)", prevents(meaning));
        }
        self.encoders_named(findings);
        if !self.hls.is_hls {
            return None;
        }
        let untitled = |o: &Opt| o.name == "map_metadata" && o.suffix.is_none() && o.text() == "-1";
        if !self.group.options.iter().any(untitled) {
            let titles = "ffmpeg carries the source's titles over, and the engine does not";
            findings.add("(no -map_metadata -1)", prevents(titles));
        }
        if self.copies_sound() && self.streams.video.is_some() {
            self.sound_before_a_seek(input, findings);
        }
        let projection = self.hls.finish(run.overwrite, findings);
        let segment = self.hls.segment.unwrap_or(Time::from_secs(2));
        let (keyframes, gop) = self.keyframes(segment, findings);
        let mut provisos = self.streams.provisos.clone();
        provisos.extend(self.seek_fits(segment, input.seek, run, findings));
        provisos.extend(self.streams.video.as_ref().map(|_| Proviso::EvenPictures));
        if self.copies_sound() {
            provisos.push(Proviso::CopiedSound);
        }
        provisos.extend(gop);
        provisos.extend(input.format.clone().map(Proviso::IsFormat));
        let video = match (&self.streams.video, self.video) {
            (Some(place), Some(options)) => {
                let rate_control = options.rate_control(findings)?;
                let preset = options.effort();
                // Only what keeps the first picture's time does not repeat it from the start on.
                if !run.copy_timestamps || run.filled || options.filled {
                    provisos.push(Proviso::PictureFromStart);
                }
                if !options.plain && !options.chain.plain {
                    provisos.push(Proviso::PlainPixels);
                }
                let profile = options.highest_profile(findings);
                let frame_rate = options.frame_rate(run.uneven);
                let steps: Vec<Step> = input.cuvid.steps().chain(options.chain.steps).collect();
                provisos.extend(rates(frame_rate, &steps));
                if input.cuvid.scales() && input.rotation == Rotation::Upright {
                    provisos.push(Proviso::NotTurned);
                }
                Some(Video {
                    stream: place.pick.clone(),
                    steps,
                    rotation: input.rotation,
                    colour: options.chain.colour,
                    frame_rate,
                    rate_control,
                    preset,
                    profile,
                    level: options.level,
                    captions: options.captions,
                })
            }
            _ => None,
        };
        let encoder = self.streams.codec(self.group, For::Audio).unwrap_or_default();
        let audio = self.streams.audio.as_ref();
        let audio = audio.map(|place| self.sound.finish(place.pick.clone(), encoder));
        let content = Content {
            boundaries: Boundaries { segment, keyframes },
            packaging: self.hls.packaging,
            timestamps: Timestamps {
                from_zero: run.from_zero || !run.copy_timestamps,
                offset: self.hls.offset(),
            },
            video,
            audio,
        };
        let demand = Demand { first_segment: self.hls.first_segment };
        let source = input.source.clone()?;
        Some(Job { source, content, demand, projection: projection?, provisos })
    }

    /// Without being told, ffmpeg copies sound from the picture's keyframe before a seek on.
    fn sound_before_a_seek(&self, input: &Input, findings: &mut Findings) {
        let sought = input.seek.is_some_and(Time::is_positive);
        let told = |o: &Opt| matches!(o.name.as_str(), "bsf" | "absf") && o.text().contains("drop");
        if sought && !self.group.options.iter().any(told) {
            let meaning = "ffmpeg copies sound from the keyframe before the seek on, into its first \
                           segment; a job's segment begins with the sound that belongs to it";
            findings.add("(-ss and sound that is copied)", differs(meaning));
        }
    }

    fn encoders_named(&self, findings: &mut Findings) {
        let default = "the encoder would be ffmpeg's choice";
        for (place, kind, missing) in [
            (&self.streams.video, For::Video, "(no -codec:v)"),
            (&self.streams.audio, For::Audio, "(no -codec:a)"),
        ] {
            if place.is_some() && self.streams.codec(self.group, kind).is_none() {
                findings.add(missing, prevents(default));
            }
        }
    }

    /// How far apart keyframes are, and what a number of frames between them takes for granted.
    fn keyframes(&self, segment: Time, findings: &mut Findings) -> (Time, Option<Proviso>) {
        let Some(video) = &self.video else { return (segment, None) };
        match (&video.forced, video.gop) {
            (Some(rule), gop) => match rule_interval(rule, segment, self.begins(segment), findings)
            {
                Some(interval) => (interval, gop.map(|frames| Proviso::GopFits { frames })),
                None => {
                    let fault = match keyframes::counts_frames(rule) {
                        true => {
                            "this rule of keyframes counts frames, and a job seconds".to_owned()
                        }
                        false => format!(
                            "this rule of keyframes does not give segments of {} s",
                            segment.as_secs_f64()
                        ),
                    };
                    findings.add(format!("-force_key_frames expr:{rule}"), prevents(fault));
                    (segment, None)
                }
            },
            (None, Some(frames)) => {
                let meaning = "segments begin at multiples of -hls_time, where the caller's \
                               playlist says; ffmpeg's are a number of frames long, which is \
                               longer by up to a frame";
                findings.add(format!("(-g {frames} alone)"), differs(meaning));
                (segment, Some(Proviso::GopIsSegment { frames }))
            }
            (None, None) => {
                let fault = "boundaries would be where the encoder happens to put keyframes";
                findings.add("(no -force_key_frames and no -g)", prevents(fault));
                (segment, None)
            }
        }
    }

    /// When the first segment that is wanted begins.
    fn begins(&self, segment: Time) -> Time {
        segment * i64::from(self.hls.first_segment)
    }

    /// The seek must be to where the first segment begins. What the source must be like if it is
    /// not quite.
    fn seek_fits(
        &self,
        segment: Time,
        seek: Option<Time>,
        run: &Run,
        findings: &mut Findings,
    ) -> Option<Proviso> {
        let begins = self.begins(segment);
        let seek = seek.unwrap_or(Time::ZERO);
        if seek.is_positive() && !run.copy_timestamps {
            let fault = "after a seek, timestamps begin with 0 and not where the segment does";
            findings.add("(no -copyts)", prevents(fault));
        }
        let short = begins - seek;
        if short.abs() <= Time::new(1, 1000) {
            return None;
        }
        let (number, at) = (self.hls.first_segment, begins.as_secs_f64());
        if seek.is_positive() && short.is_positive() && short < NEAR_END {
            let meaning = format!(
                "the last {} s are not sought to, so ffmpeg would begin segment {number} with what \
                 comes before; a job begins it at {at} s, where the caller's playlist says",
                NEAR_END.as_secs_f64()
            );
            findings.add("(-ss and -start_number)", differs(meaning));
            return Some(Proviso::EndsAt(seek + NEAR_END));
        }
        let fault =
            format!("segment {number} begins at {at} s, and the line at {} s", seek.as_secs_f64());
        findings.add("(-ss and -start_number)", prevents(fault));
        None
    }
}

/// Which rates a source must have so that no picture is repeated or left out.
fn rates(frame_rate: FrameRate, steps: &[Step]) -> Vec<Proviso> {
    let by_filters = steps.iter().filter_map(|step| match step {
        Step::FrameRate(rate) => Some(*rate),
        _ => None,
    });
    let named = match frame_rate {
        FrameRate::Fixed(rate) => Some(rate),
        FrameRate::Constant | FrameRate::Variable => None,
    };
    let mut rates: Vec<Proviso> = by_filters.chain(named).map(Proviso::Rate).collect();
    rates.dedup();
    rates
}

/// Jellyfin seeks at most to so long before the end of a film, whichever segment it wants.
const NEAR_END: Time = Time::from_secs(5);

fn rule_interval(
    rule: &Expression,
    segment: Time,
    begins: Time,
    findings: &mut Findings,
) -> Option<Time> {
    // ffmpeg counts from the first frame that it encodes.
    if let Some(interval) = keyframes::interval(rule, segment, Time::ZERO) {
        let meaning = format!("a keyframe every {} s", interval.as_secs_f64());
        findings.add("(keyframes)", understood(meaning));
        return Some(interval);
    }
    let interval = keyframes::interval(rule, segment, begins)?;
    let meaning = format!(
        "counts from the start of the film, and ffmpeg since 4.2 from the first frame after the seek, so \
         that it would force none for a long time; a job has one every {} s, where the caller's \
         playlist says",
        interval.as_secs_f64()
    );
    findings.add("(keyframes)", differs(meaning));
    Some(interval)
}

fn flags(text: &str) -> Meaning {
    match text {
        "-global_header" | "+global_header" | "+cgop" => {
            immaterial("where headers go follows from the packaging; all segments stand alone")
        }
        _ => unknown(),
    }
}

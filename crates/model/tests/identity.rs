//! A job's identity: the same for the same wish, wherever and whenever it is asked, and another
//! for any other.

mod sample;

use std::collections::BTreeMap;

use segue_model::{
    AudioCodec, BoundaryRule, CopiedCodec, Deinterlace, Fingerprint, Gain, H264Profile, Hash, Job,
    JobId, Mix, Packaging, RateControl, Recipe, Rendition, Revision, Source, Time, Timeline,
};
use serde_json::{Value, json};

fn source() -> Source {
    Source {
        url: "file:///films/film.mkv".to_owned(),
        fingerprint: Fingerprint {
            size: 1_234_567,
            revision: Revision::Mtime(1_700_000_000_123_456_789),
            head_tail: Hash::of(b"the first and the last bytes"),
        },
    }
}

fn recipe() -> Recipe {
    let rendition = |name: &str, video| Rendition {
        name: name.to_owned(),
        video: Some(video),
        audio: Some(sample::stereo()),
    };
    Recipe {
        boundaries: BoundaryRule::Grid { segment: Time::from_secs(2) },
        packaging: Packaging::MpegTs,
        timestamp_offset: Time::from_secs(10),
        picture_shift: None,
        exact: false,
        renditions: vec![
            rendition("1080p", sample::encoded((1920, 1080), 6_000_000, 40)),
            rendition("720p", sample::encoded((1280, 720), 3_000_000, 40)),
        ],
    }
}

fn job() -> Job {
    let boundaries = (0..=30).map(|n| Time::from_secs(2 * n)).collect();
    let timeline = Timeline::new(boundaries).expect("a timeline");
    Job::new(source(), recipe(), sample::film(), timeline)
}

/// Everything that is not in [`recipe`]: the other variant of each choice.
fn other_recipe() -> Recipe {
    let mut recipe = recipe();
    recipe.boundaries = BoundaryRule::KeyframesCumulative { segment: Time::new(1001, 250) };
    recipe.packaging = Packaging::Fmp4;
    recipe.picture_shift = Some(Time::new(-1, 150));
    recipe.exact = true;
    recipe.renditions[0].audio = None;
    recipe.renditions[1].video = None;
    let video = recipe.renditions[0].video.as_mut().expect("a picture");
    video.sample_aspect = Time::new(64, 45);
    video.rate_control = RateControl::CappedBitrate {
        bitrate: 5_000_000,
        bitrate_max: 6_000_000,
        buffer_bits: 9_000_000,
    };
    video.contract.profile = H264Profile::Main;
    video.deinterlace = Some(Deinterlace::USUAL);
    video.keyframes = Some(Time::HALF);
    recipe
}

/// A change of these ids orphans every stored job: if it is meant, raise `canonical::VERSION`, and
/// only then write the new ones here.
#[test]
fn golden_ids() {
    let ids = [
        JobId::of(&source(), &recipe()),
        JobId::of(&source(), &other_recipe()),
        JobId::of(
            &Source {
                url: "s3://films/ü.mkv".to_owned(),
                fingerprint: Fingerprint {
                    size: 0,
                    revision: Revision::Etag("\"abc\"".to_owned()),
                    head_tail: Hash::of(b""),
                },
            },
            &recipe(),
        ),
    ];
    assert_eq!(
        ids.map(|id| id.to_string()),
        [
            "c3a48bb9a15ae9b5f6dea1707fb264b18d5af15224853c01e7a41c5e73bfac49",
            "a9f7f43488d287abd665dce6cfa64103ff56d649a445503c2ea6ea921006325c",
            "3f96689a1d78b7eabbca553dea36d0ab4f16361fa364fd20b77cd06e9f3512b6",
        ]
    );
}

#[test]
fn facts_and_timeline_follow_from_source_and_recipe_and_are_no_part_of_the_id() {
    let mut facts = sample::film();
    facts.duration = Time::from_secs(1);
    let timeline = Timeline::new(vec![Time::ZERO, Time::from_secs(1)]).expect("a timeline");
    assert_eq!(Job::new(source(), recipe(), facts, timeline).id, job().id);
}

/// Calls `visit` with each copy of `whole` that differs in one value, and where that is.
fn each_change(whole: &Value, visit: &mut dyn FnMut(&str, Value)) {
    fn walk(
        at: &Value,
        path: &str,
        put: &dyn Fn(Value) -> Value,
        visit: &mut dyn FnMut(&str, Value),
    ) {
        match at {
            Value::Object(fields) => {
                for (name, value) in fields {
                    let with = |new: Value| {
                        let mut fields = fields.clone();
                        fields.insert(name.clone(), new);
                        put(Value::Object(fields))
                    };
                    walk(value, &format!("{path}.{name}"), &with, visit);
                }
            }
            Value::Array(items) => {
                for (index, value) in items.iter().enumerate() {
                    let with = |new: Value| {
                        let mut items = items.clone();
                        items[index] = new;
                        put(Value::Array(items))
                    };
                    walk(value, &format!("{path}.{index}"), &with, visit);
                }
            }
            Value::Bool(value) => visit(path, put(json!(!value))),
            Value::Number(number) => {
                let next = number.as_u64().map(|n| n + 1).expect("all numbers are natural");
                visit(path, put(json!(next)));
            }
            // Whichever of these its type takes.
            Value::String(text) => {
                let zeros = "0".repeat(64);
                for new in [
                    "3/7",
                    "mpeg_ts",
                    "fmp4",
                    "baseline",
                    "main",
                    "high",
                    "yadif",
                    &zeros,
                    &format!("{text}x"),
                ] {
                    if new != text {
                        visit(path, put(json!(new)));
                    }
                }
            }
            Value::Null => {}
        }
    }
    walk(whole, "", &|new| new, visit);
}

#[test]
fn a_change_of_any_value_gives_another_job() {
    for recipe in [recipe(), other_recipe()] {
        let whole = serde_json::to_value((source(), recipe)).expect("json");
        let id = |whole: Value| {
            let (source, recipe): (Source, Recipe) = serde_json::from_value(whole).ok()?;
            Some(JobId::of(&source, &recipe))
        };
        let mut ids =
            BTreeMap::from([(id(whole.clone()).expect("readable"), "nothing".to_owned())]);
        let mut changed: BTreeMap<String, bool> = BTreeMap::new();
        each_change(&whole, &mut |path, new| {
            let seen = changed.entry(path.to_owned()).or_default();
            if let Some(id) = id(new.clone()) {
                *seen = true;
                let place = format!("{path} in {new}");
                assert_eq!(ids.insert(id, place.clone()), None, "{place} changes nothing");
            }
        });
        // A codec of one choice cannot be changed; everything else was.
        let unchanged: Vec<_> =
            changed.iter().filter(|(_, seen)| !**seen).map(|(path, _)| path.as_str()).collect();
        assert!(unchanged.iter().all(|path| path.ends_with(".audio.codec")), "{unchanged:?}");
        assert!(changed.len() >= 30, "{changed:?}");
    }
}

#[test]
fn a_change_of_shape_gives_another_job() {
    let video = |recipe: &mut Recipe, rate_control| {
        recipe.renditions[0].video.as_mut().expect("a picture").rate_control = rate_control;
    };
    fn sound(recipe: &mut Recipe) -> &mut segue_model::AudioSettings {
        recipe.renditions[0].audio.as_mut().expect("sound")
    }
    let mixed =
        |recipe: &mut Recipe, rows| sound(recipe).mix = Some(Mix::new(rows).expect("a mix"));
    let copied = |recipe: &mut Recipe, codec| sound(recipe).codec = AudioCodec::Copied(codec);
    let segment = Time::from_secs(2);
    type Change<'a> = (&'a str, &'a dyn Fn(&mut Source, &mut Recipe));
    let changes: [Change<'_>; 24] = [
        ("nothing", &|_, _| ()),
        ("multiples", &|_, r| r.boundaries = BoundaryRule::Multiples { segment }),
        ("greedy", &|_, r| r.boundaries = BoundaryRule::KeyframesGreedy { segment }),
        ("cumulative", &|_, r| r.boundaries = BoundaryRule::KeyframesCumulative { segment }),
        ("a rendition less", &|_, r| drop(r.renditions.pop())),
        ("another order", &|_, r| r.renditions.reverse()),
        ("no sound", &|_, r| r.renditions[0].audio = None),
        ("no sound in the other", &|_, r| r.renditions[1].audio = None),
        ("no picture", &|_, r| r.renditions[0].video = None),
        ("a rendition twice", &|_, r| r.renditions.push(r.renditions[1].clone())),
        ("bit rate", &|_, r| {
            video(
                r,
                RateControl::CappedBitrate {
                    bitrate: 20,
                    bitrate_max: 6_000_000,
                    buffer_bits: 6_000_000,
                },
            )
        }),
        ("decibels", &|_, r| {
            let sound = r.renditions[0].audio.as_mut().expect("sound");
            sound.gain = Gain::Decibels(Time::from_secs(1));
        }),
        ("a mix", &|_, r| mixed(r, vec![vec![Time::HALF; 2]; 2])),
        ("a mix of other channels", &|_, r| mixed(r, vec![vec![Time::HALF; 4]; 1])),
        ("AAC as it is", &|_, r| copied(r, CopiedCodec::Aac)),
        ("HE-AAC as it is", &|_, r| copied(r, CopiedCodec::HeAac)),
        ("AC-3 as it is", &|_, r| copied(r, CopiedCodec::Ac3)),
        ("E-AC-3 as it is", &|_, r| copied(r, CopiedCodec::Eac3)),
        ("MP3 as it is", &|_, r| copied(r, CopiedCodec::Mp3)),
        ("pictures on the grid", &|_, r| r.picture_shift = Some(Time::ZERO)),
        ("no cap", &|_, r| video(r, RateControl::Quality { crf: 20 })),
        ("entity tag", &|s, _| s.fingerprint.revision = Revision::Etag("1".to_owned())),
        ("version", &|s, _| s.fingerprint.revision = Revision::Version("1".to_owned())),
        // Lengths keep texts apart: what one loses, the next does not win.
        ("url and name", &|s, r| {
            s.url.push('1');
            r.renditions[0].name.remove(0);
        }),
    ];
    let mut ids = BTreeMap::new();
    for (change, apply) in changes {
        let (mut source, mut recipe) = (source(), recipe());
        apply(&mut source, &mut recipe);
        let before = ids.insert(JobId::of(&source, &recipe), change);
        assert_eq!(before, None, "{change} gives the same job as another");
    }
}

#[test]
fn a_job_survives_json() {
    let job = job();
    let json = serde_json::to_string_pretty(&job).expect("json");
    let read: Job = serde_json::from_str(&json).expect("a job");
    assert_eq!(read, job);
    assert!(read.is_intact());
}

#[test]
fn a_tampered_job_is_not_intact() {
    let mut job = job();
    job.recipe.exact = true;
    assert!(!job.is_intact());
}

#[test]
fn a_field_that_this_version_does_not_know_is_refused_at_every_depth() {
    fn objects(at: &Value, path: String, found: &mut Vec<String>) {
        match at {
            Value::Object(fields) => {
                found.push(path.clone());
                fields
                    .iter()
                    .for_each(|(name, value)| objects(value, format!("{path}/{name}"), found));
            }
            Value::Array(items) => items
                .iter()
                .enumerate()
                .for_each(|(index, value)| objects(value, format!("{path}/{index}"), found)),
            _ => (),
        }
    }
    let whole = serde_json::to_value(job()).expect("json");
    let mut places = Vec::new();
    objects(&whole, String::new(), &mut places);
    assert!(places.len() > 15, "{places:?}");
    for place in places {
        let mut job = whole.clone();
        let object = job.pointer_mut(&place).and_then(Value::as_object_mut).expect("an object");
        object.insert("surprise".to_owned(), json!(1));
        serde_json::from_value::<Job>(job).expect_err(&place);
    }
}

#[test]
fn a_hash_is_64_hexadecimal_digits() {
    let hash = Hash::of(b"abc");
    assert_eq!(Hash::from_hex(&hash.to_string()), Some(hash));
    for bad in ["", "00", &"g".repeat(64), &"0".repeat(63), &"0".repeat(65)] {
        assert_eq!(Hash::from_hex(bad), None, "{bad}");
    }
}

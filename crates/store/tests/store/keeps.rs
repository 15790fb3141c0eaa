//! What any store keeps and promises: each test on a directory and on a real S3 server.

use bytes::Bytes;
use segue_hls::keys;
use segue_model::{Job, Packaging, Span};
use segue_s3_lab::{BUCKET, Server};
use segue_store::{Created, Kind, Location, S3Settings, Store};

use crate::sample;
use crate::settings;

/// A store, and what it lives on.
struct Kept {
    store: Store,
    _directory: tempfile::TempDir,
    _server: Server,
}

async fn stores() -> [Kept; 2] {
    let (directory, other) = (folder(), folder());
    let path = Location::Directory(directory.path().join("new/folder"));
    let files = Store::open(&path, &S3Settings::default()).await.expect("a directory");
    let server = Server::start();
    let bucket: Location = format!("s3://{BUCKET}/under/this").parse().expect("a location");
    let s3 = Store::open(&bucket, &settings(&server)).await.expect("a bucket");
    [
        Kept { store: files, _directory: directory, _server: Server::start() },
        Kept { store: s3, _directory: other, _server: server },
    ]
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

/// Ten segments of two pictures and their sound.
fn job() -> Job {
    let renditions = vec![
        sample::picture("720p", (1280, 720), 3_000_000),
        sample::picture("360p", (640, 360), 800_000),
        sample::sound("audio"),
    ];
    sample::job(sample::grid("2"), Packaging::MpegTs, "20", renditions)
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

#[tokio::test]
async fn an_object_is_created_once_and_stays_as_it_was() {
    for Kept { store, .. } in &stores().await {
        let id = job().id;
        assert_eq!(store.read(id, "720p/00000.ts").await.expect("an answer"), None);
        let first = store.create(id, "720p/00000.ts", bytes("first")).await;
        assert_eq!(first.expect("created"), Created::Now);
        let second = store.create(id, "720p/00000.ts", bytes("the second")).await;
        assert_eq!(second.expect("found"), Created::Before(5));
        let kept = store.read(id, "720p/00000.ts").await.expect("an answer");
        assert_eq!(kept, Some(bytes("first")), "{}", store.location());
    }
}

#[tokio::test]
async fn a_store_has_one_identity_whoever_asks_first() {
    for Kept { store, .. } in &stores().await {
        let asking: Vec<_> = (0..4)
            .map(|_| {
                let store = store.clone();
                tokio::spawn(async move { store.identity().await.expect("an identity") })
            })
            .collect();
        let known = store.identity().await.expect("an identity");
        assert_eq!(known.len(), 32, "{known}");
        for asked in asking {
            assert_eq!(asked.await.expect("asked"), known, "{}", store.location());
        }
        assert!(store.usage().await.expect("usage").is_empty());
    }
    let [one, other] = stores().await;
    let (one, other) = (one.store.identity().await, other.store.identity().await);
    assert_ne!(one.expect("an identity"), other.expect("an identity"));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_create_an_object_at_once_one_does() {
    for Kept { store, .. } in &stores().await {
        for index in 0..8 {
            let key = format!("720p/{index:05}.ts");
            let create = |number: usize| {
                let (store, key) = (store.clone(), key.clone());
                let text = format!("the work of number {number}").repeat(1 + number);
                tokio::spawn(async move {
                    let created =
                        store.create(job().id, &key, bytes(&text)).await.expect("a store");
                    (created == Created::Now).then_some(text)
                })
            };
            let mut winners = Vec::new();
            for task in (0..8).map(create).collect::<Vec<_>>() {
                winners.extend(task.await.expect("a task"));
            }
            let kept = store.read(job().id, &key).await.expect("an answer").expect("an object");
            assert_eq!(winners, [String::from_utf8(kept.to_vec()).expect("text")]);
        }
    }
}

#[tokio::test]
async fn a_jobs_description_is_that_of_whoever_came_first() {
    for Kept { store, .. } in &stores().await {
        let first = job();
        let mut second = first.clone();
        second.facts.start = sample::secs("5");
        assert_eq!(store.job(first.id).await.expect("an answer"), None);
        assert_eq!(store.create_job(&first).await.expect("created"), first);
        assert_eq!(store.create_job(&second).await.expect("found"), first);
        assert_eq!(store.job(first.id).await.expect("an answer"), Some(first));
    }
}

#[tokio::test]
async fn a_description_that_is_not_what_its_name_says_is_called_damaged() {
    for Kept { store, .. } in &stores().await {
        let mut other = job();
        other.source.url.push('2');
        let stored = serde_json::to_vec(&other).expect("text");
        store.create(job().id, "job", stored.into()).await.expect("created");
        let error = store.job(job().id).await.expect_err("damaged");
        assert_eq!(error.kind(), Kind::Damaged);
        assert!(error.to_string().contains(&format!("jobs/{}/job", job().id)), "{error}");
    }
}

#[tokio::test]
async fn what_is_there_of_a_job_is_told_in_runs_and_what_cannot_be_whole_is_made_again() {
    for Kept { store, .. } in &stores().await {
        let job = job();
        let packet = "x".repeat(188);
        let rendition = &job.recipe.renditions[0];
        for index in [0, 1, 2, 5, 9] {
            let key = keys::segment(Packaging::MpegTs, rendition, index);
            store.create(job.id, &key, bytes(&packet)).await.expect("created");
        }
        let low = keys::segment(Packaging::MpegTs, &job.recipe.renditions[1], 3);
        store.create(job.id, &low, bytes(&packet)).await.expect("created");
        // Nothing in it; cut off; behind the end; of no rendition; not ours.
        let empty = keys::segment(Packaging::MpegTs, rendition, 6);
        for (key, content) in [
            (empty.as_str(), ""),
            ("720p/00007.ts", "x"),
            ("720p/00010.ts", "x"),
            ("1080p/00000.ts", "x"),
            ("notes", "x"),
        ] {
            store.create(job.id, key, bytes(content)).await.expect("created");
        }
        let span = |first, end| Span { first, end };
        let there = vec![(0, vec![span(0, 3), span(5, 6), span(9, 10)]), (1, vec![span(3, 4)])];
        assert_eq!(store.published(&job).await.expect("a list"), there);
        for key in [empty.as_str(), "720p/00007.ts"] {
            let again = store.create(job.id, key, bytes(&packet)).await;
            assert_eq!(again.expect("created"), Created::Now);
        }
    }
}

#[tokio::test]
async fn jobs_are_weighed_and_removed() {
    for Kept { store, .. } in &stores().await {
        let (one, mut other) = (job(), job());
        other.id = segue_model::JobId(segue_model::Hash::of(b"another"));
        store.create_job(&one).await.expect("created");
        store.create(one.id, "720p/00000.ts", bytes("12345")).await.expect("created");
        store.create(other.id, "720p/00000.ts", bytes("123")).await.expect("created");
        let usage = store.usage().await.expect("a list");
        assert_eq!((usage[&one.id].objects, usage[&one.id].described), (2, true));
        let rest = usage[&other.id];
        assert_eq!((rest.objects, rest.bytes, rest.described), (1, 3, false));
        let freed = store.remove(one.id).await.expect("removed");
        assert_eq!(freed, 5, "the description is gone before the rest is weighed");
        assert_eq!(store.usage().await.expect("a list").keys().collect::<Vec<_>>(), [&other.id]);
        assert_eq!(store.remove(one.id).await.expect("nothing to do"), 0);
    }
}

#[tokio::test]
async fn of_a_removed_job_a_directory_keeps_nothing_that_is_ours() {
    let directory = folder();
    let location = Location::Directory(directory.path().to_owned());
    let store = Store::open(&location, &S3Settings::default()).await.expect("a directory");
    let job = job();
    let folder = directory.path().join(format!("jobs/{}", job.id));
    store.create_job(&job).await.expect("created");
    for index in 0..40 {
        let key = format!("720p/{index:05}.ts");
        store.create(job.id, &key, bytes("x")).await.expect("created");
    }
    // A writer was killed here.
    std::fs::write(folder.join("720p/00040.ts#1"), "x").expect("written");
    assert_eq!(store.remove(job.id).await.expect("removed"), 40);
    assert!(!folder.exists());
    assert!(directory.path().join("jobs").is_dir());
    store.create_job(&job).await.expect("created again");
}

#[tokio::test]
async fn a_directory_that_is_moved_away_is_not_begun_anew() {
    let folder = folder();
    let path = folder.path().join("store");
    let location = Location::Directory(path.clone());
    let store = Store::open(&location, &S3Settings::default()).await.expect("a directory");
    store.identity().await.expect("a name");
    let job = job();
    store.create_job(&job).await.expect("created");
    std::fs::rename(&path, folder.path().join("elsewhere")).expect("moved");
    let away = |error: segue_store::StoreError| {
        assert_eq!(error.kind(), Kind::Unavailable, "{error}");
        assert!(error.to_string().contains("mounted"), "{error}");
    };
    away(store.create(job.id, "720p/00000.ts", bytes("lost")).await.expect_err("nowhere to"));
    away(store.job(job.id).await.expect_err("not there, which says nothing of the job"));
    away(store.published(&job).await.expect_err("not there"));
    away(store.usage().await.expect_err("not there"));
    assert!(!path.exists(), "it was made anew");
    std::fs::rename(folder.path().join("elsewhere"), &path).expect("back");
    assert_eq!(store.job(job.id).await.expect("an answer"), Some(job));
}

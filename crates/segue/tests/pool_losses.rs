//! What a film made by a pool lacks of its source is told, by those who watch it being made and by
//! those who ask later.

mod support;

use support::pool::Pool;
use support::{Run, run};

#[test]
fn what_a_source_lacks_is_told_when_it_is_made_and_whenever_it_is_asked_for() {
    let mut pool = Pool::start(2);
    for bad in segue_lab::bad().iter().filter(|bad| bad.salvageable) {
        let input = segue_lab::bad_source(bad.name);
        let first = Run::start(&mut pool.transcode(&input)).succeed().pop().unwrap();
        let is_cut_off = first["claimed"].as_f64().is_some();
        assert!(is_cut_off || first["damaged"].as_u64() > Some(0), "{}: {first}", bad.name);

        // A scheduler that has seen nothing of it reads it from the store.
        drop(pool.scheduler.take());
        pool.start_scheduler();
        let job = first["job"].as_str().unwrap().to_owned();
        let (code, said, errors) = run(pool.ask("job").arg(&job).arg("--json"));
        assert_eq!(code, Some(0), "{errors}");
        let later: serde_json::Value = serde_json::from_str(&said).unwrap();
        for what in ["damaged", "short_by", "claimed"] {
            assert_eq!(later[what], first[what], "{}: {what}", bad.name);
        }
        let (_, said, _) = run(pool.ask("job").arg(&job));
        assert!(said.lines().any(|line| line.starts_with("loss ")), "{said}");
    }
}

//! What is said when everything is there.

use segue_model::Time;

use super::runner::Shop;
use crate::output::SourceLoss;
use crate::progress::{
    Event, Reporter, Style, Summary, Tally, clock, counted, quoted, size, to_stderr, to_stdout,
};

/// Says what was made, how that went, what is missing in it, and how to play it.
pub fn show(shop: &Shop, tally: &Tally, deaths: u64, was_finished: bool, reporter: &Reporter) {
    let SourceLoss { damaged, short_by } = shop.output.loss();
    let playlist = shop.output.master();
    let playlist = playlist.to_string_lossy();
    let summary = Summary {
        playlist: &playlist,
        segments: tally.segments,
        bytes: shop.output.bytes(),
        made_now: tally.made_now,
        seconds: tally.elapsed.as_secs_f64(),
        speed: tally.speed(),
        deaths,
        damaged,
        short_by: short_by.map(Time::as_secs_f64),
        claimed: shop.output.job().facts.declared_duration.map(Time::as_secs_f64),
    };
    match reporter.style() {
        Style::Json => reporter.event(&Event::Done(summary)),
        Style::Text if was_finished => {
            to_stdout(&format!("{playlist} is finished already: nothing to do"));
            losses(shop, &summary, to_stdout);
        }
        Style::Text => text(shop, tally, &summary),
        // Who asked for silence still wants to know what the film lacks.
        Style::Quiet => losses(shop, &summary, to_stderr),
    }
}

fn text(shop: &Shop, tally: &Tally, summary: &Summary<'_>) {
    let job = shop.output.job();
    let names: Vec<&str> = job.recipe.renditions.iter().map(|r| r.name.as_str()).collect();
    let film = film(shop);
    let took = clock(tally.elapsed.as_secs_f64());
    let speed = summary.speed.map(|speed| format!(" ({speed:.1}x real time)")).unwrap_or_default();
    to_stdout(&format!(
        "made {} of {film} film: {} in {}, {}, in {took}{speed}",
        summary.playlist,
        names.join(", "),
        counted(summary.segments, "segment"),
        size(summary.bytes),
    ));
    if summary.deaths > 0 {
        let processes = if summary.deaths == 1 { "process" } else { "processes" };
        to_stdout(&format!(
            "  {} span {processes} died on the way; others made what was left",
            summary.deaths
        ));
    }
    losses(shop, summary, to_stdout);
    let playlist = quoted(summary.playlist);
    let directory = quoted(&shop.output.directory().to_string_lossy());
    to_stdout(&format!("play it:   mpv {playlist}   (or: ffplay {playlist})"));
    to_stdout(&format!("prove it:  segue verify {playlist}"));
    to_stdout(&format!(
        "browsers need a web server, and all but Safari a player such as hls.js: \
         python3 -m http.server -d {directory}"
    ));
}

/// How long the film is.
fn film(shop: &Shop) -> String {
    clock(shop.output.job().timeline.end().as_secs_f64())
}

/// What the segments lack, whichever run made them.
fn losses(shop: &Shop, summary: &Summary<'_>, say: fn(&str)) {
    if summary.damaged > 0 {
        let (what, were) = match summary.damaged {
            1 => ("frame or packet", "was"),
            _ => ("frames or packets", "were"),
        };
        say(&format!(
            "  {} damaged {what} in the source {were} mended or left out",
            summary.damaged
        ));
    }
    if let Some(short_by) = summary.short_by {
        say(&format!(
            "  the source ends {short_by:.1} s before it says it does: a held picture and silence \
             fill that"
        ));
    }
    if let Some(claimed) = summary.claimed {
        let claimed = clock(claimed);
        let film = film(shop);
        say(&format!("  the source is cut off: it claims {claimed}, and holds {film}"));
    }
}

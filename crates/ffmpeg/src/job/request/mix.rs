//! ffmpeg's `pan`: how channels are mixed, as it is written.

use segue_model::Time;

/// A row for each channel that is made: how much of each of the source's goes into it, as far as any
/// is named.
type Rows = Vec<Vec<Time>>;

/// What a `pan` means; `None` where it names channels by where they stand, or evens out shares.
pub(super) fn pan(text: &str) -> Option<Rows> {
    let (layout, outputs) = text.split_once('|')?;
    let mut rows = vec![Vec::new(); channels(layout.trim())?];
    for output in outputs.split('|') {
        let (name, shares) = output.split_once('=')?;
        *rows.get_mut(channel(name.trim())?)? = row(shares)?;
    }
    let length = rows.iter().map(Vec::len).max()?;
    rows.iter_mut().for_each(|row| row.resize(length, Time::ZERO));
    Some(rows)
}

/// What `second` makes of what `first` makes.
pub(super) fn after(first: &Rows, second: &Rows) -> Option<Rows> {
    let sources = first.first()?.len();
    let made = |row: &Vec<Time>| {
        let share = |source: usize| {
            row.iter().zip(first).fold(Time::ZERO, |sum, (share, through)| {
                sum + *share * through.get(source).copied().unwrap_or(Time::ZERO)
            })
        };
        // A channel that the first does not make is none that the second could take.
        (row.len() <= first.len()).then(|| (0..sources).map(share).collect())
    };
    second.iter().map(made).collect()
}

/// How many channels a layout has.
fn channels(layout: &str) -> Option<usize> {
    Some(match layout {
        "mono" | "1c" => 1,
        "stereo" | "2c" => 2,
        "5.0" | "5.0(side)" => 5,
        "5.1" | "5.1(side)" => 6,
        _ => return None,
    })
}

fn channel(name: &str) -> Option<usize> {
    name.strip_prefix('c')?.parse().ok().filter(|number| *number < 64)
}

/// Shares such as `0.5*c2+c0-0.25*c1`.
fn row(text: &str) -> Option<Vec<Time>> {
    let mut row: Vec<Time> = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let negative = rest.starts_with('-');
        let term = rest.trim_start_matches(['+', '-']);
        let end = term.find(['+', '-']).unwrap_or(term.len());
        let (term, after) = term.split_at(end);
        let (share, name) = match term.split_once('*') {
            Some((share, name)) => (share.trim().parse().ok()?, name),
            None => (Time::from_secs(1), term),
        };
        let number = channel(name.trim())?;
        if row.len() <= number {
            row.resize(number + 1, Time::ZERO);
        }
        let share: Time = if negative { -share } else { share };
        row[number] = row[number] + share;
        rest = after;
    }
    (!row.is_empty()).then_some(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(rows: &[&[&str]]) -> Option<Rows> {
        let row = |row: &&[&str]| row.iter().map(|share| share.parse().expect("a share")).collect();
        Some(rows.iter().map(row).collect())
    }

    #[test]
    fn shares_are_those_that_are_written() {
        let night = "stereo|c0=c2+0.30*c0+0.30*c4|c1=c2+0.30*c1+0.30*c5";
        let expected =
            shares(&[&["0.3", "0", "1", "0", "0.3", "0"], &["0", "0.3", "1", "0", "0", "0.3"]]);
        assert_eq!(pan(night), expected);
        assert_eq!(pan("mono|c0=-0.5*c1+c0+c0"), shares(&[&["2", "-0.5"]]));
    }

    #[test]
    fn one_mix_after_another_is_one() {
        let first = pan("5.1(side)|c0=c0|c1=c1|c2=c2|c3=c3|c4=0.5*c4+0.5*c6|c5=0.5*c5+0.5*c7");
        let second = pan("stereo|c0=c0+0.5*c4|c1=c1+0.5*c5");
        let both = after(&first.expect("a mix"), &second.expect("a mix"));
        let expected = shares(&[
            &["1", "0", "0", "0", "0.25", "0", "0.25", "0"],
            &["0", "1", "0", "0", "0", "0.25", "0", "0.25"],
        ]);
        assert_eq!(both, expected);
    }

    #[test]
    fn what_depends_on_where_channels_stand_is_left_alone() {
        for text in [
            "stereo|FL=FL+0.5*FC|FR=FR",
            "stereo|c0<c0+c1|c1=c1",
            "stereo",
            "stereo|c2=c0",
            "4.0|c0=c0",
            "stereo|c0=x*c0|c1=c1",
            "stereo|c0=c99|c1=c1",
        ] {
            assert_eq!(pan(text), None, "{text}");
        }
        let wide = pan("stereo|c0=c5|c1=c1").expect("a mix");
        assert_eq!(after(&pan("stereo|c0=c0|c1=c1").expect("a mix"), &wide), None);
    }
}

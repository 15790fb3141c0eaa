//! Channels mixed by a matrix. Pure.

use segue_model::Mix;

/// The channels that `mix` makes of `planes`, one for each of its sources.
pub(super) fn mixed(mix: &Mix, planes: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let length = planes.iter().map(Vec::len).min().unwrap_or(0);
    let made = |row: &Vec<segue_model::Time>| {
        let mut out = vec![0.0; length];
        for (share, plane) in row.iter().zip(planes) {
            let share = share.as_secs_f64() as f32;
            if share != 0.0 {
                out.iter_mut().zip(plane).for_each(|(sum, sample)| *sum += share * sample);
            }
        }
        out
    };
    mix.rows().iter().map(made).collect()
}

#[cfg(test)]
mod tests {
    use segue_model::Time;

    use super::*;

    #[test]
    fn a_channel_is_the_sum_of_its_shares() {
        let (one, half) = (Time::from_secs(1), Time::HALF);
        let mix = Mix::new(vec![vec![one, half, Time::ZERO], vec![Time::ZERO, half, -one]]);
        let planes = [vec![1.0, 2.0], vec![4.0, 6.0], vec![8.0, 9.0]];
        assert_eq!(mixed(&mix.expect("a mix"), &planes), [[3.0, 5.0], [-6.0, -6.0]]);
    }
}

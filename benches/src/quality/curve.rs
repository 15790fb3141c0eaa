//! The Bjontegaard delta: how much more rate one curve needs than another for the same quality.
//!
//! G. Bjontegaard, "Calculation of average PSNR differences between RD-curves", ITU-T VCEG-M33,
//! 2001. Each curve, log of rate over quality, is drawn through its points and integrated over the
//! qualities both cover; the difference of the means, out of the log, is the delta. Drawn with
//! piecewise cubic Hermite polynomials (F. N. Fritsch and J. Butland, "A method for constructing
//! local monotone piecewise cubic interpolants", SIAM J. Sci. Stat. Comput. 5, 1984), as VCEG-AE07
//! and later practice do: a cubic through all points overshoots where points are unevenly spaced.

/// One encoding: bits per second and PSNR.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Bits per second.
    pub rate: f64,
    /// Decibels.
    pub quality: f64,
}

/// By what part of its rate `of` needs more (or less, if negative) than `to`; `None` when the curves
/// have no quality in common, or are no curves.
pub fn delta_rate(of: &[Point], to: &[Point]) -> Option<f64> {
    let (of, to) = (Curve::through(of)?, Curve::through(to)?);
    let low = of.first().max(to.first());
    let high = of.last().min(to.last());
    if high <= low {
        return None;
    }
    let difference = (of.integral(low, high) - to.integral(low, high)) / (high - low);
    Some(difference.exp() - 1.0)
}

/// The log of rate as a function of quality.
struct Curve {
    quality: Vec<f64>,
    rate: Vec<f64>,
    slope: Vec<f64>,
}

impl Curve {
    /// `None` for fewer than three points, or when two have the same quality.
    fn through(points: &[Point]) -> Option<Curve> {
        let mut points = points.to_vec();
        points.sort_by(|a, b| a.quality.total_cmp(&b.quality));
        let quality: Vec<f64> = points.iter().map(|point| point.quality).collect();
        let rate: Vec<f64> = points.iter().map(|point| point.rate.ln()).collect();
        if points.len() < 3 || quality.windows(2).any(|pair| pair[1] - pair[0] < 1e-6) {
            return None;
        }
        let slope = slopes(&quality, &rate);
        Some(Curve { quality, rate, slope })
    }

    fn first(&self) -> f64 {
        self.quality[0]
    }

    fn last(&self) -> f64 {
        self.quality[self.quality.len() - 1]
    }

    fn at(&self, quality: f64) -> f64 {
        let after = self.quality.partition_point(|it| *it <= quality);
        let left = after.clamp(1, self.quality.len() - 1) - 1;
        let width = self.quality[left + 1] - self.quality[left];
        let t = (quality - self.quality[left]) / width;
        let (t2, t3) = (t * t, t * t * t);
        self.rate[left] * (2.0 * t3 - 3.0 * t2 + 1.0)
            + self.slope[left] * width * (t3 - 2.0 * t2 + t)
            + self.rate[left + 1] * (3.0 * t2 - 2.0 * t3)
            + self.slope[left + 1] * width * (t3 - t2)
    }

    /// Simpson's rule, exact for cubics between the points and close enough across them.
    fn integral(&self, low: f64, high: f64) -> f64 {
        const STEPS: usize = 1000;
        let step = (high - low) / STEPS as f64;
        let weight = |index: usize| match index {
            0 | STEPS => 1.0,
            odd if odd % 2 == 1 => 4.0,
            _ => 2.0,
        };
        let sum: f64 = (0..=STEPS).map(|i| weight(i) * self.at(low + step * i as f64)).sum();
        sum * step / 3.0
    }
}

/// Slopes at the points: the weighted harmonic mean of the secants on both sides, none where they
/// have different signs, so that the curve never leaves the range between two points.
fn slopes(x: &[f64], y: &[f64]) -> Vec<f64> {
    let widths: Vec<f64> = x.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let secants: Vec<f64> =
        y.windows(2).zip(&widths).map(|(pair, width)| (pair[1] - pair[0]) / width).collect();
    let last = secants.len() - 1;
    let end = |own: f64, width: f64, next: f64, next_width: f64| {
        let slope = ((2.0 * width + next_width) * own - width * next) / (width + next_width);
        if slope * own <= 0.0 {
            0.0
        } else if own * next < 0.0 && slope.abs() > 3.0 * own.abs() {
            3.0 * own
        } else {
            slope
        }
    };
    let inner = (0..last).map(|i| {
        let (before, after) = (secants[i], secants[i + 1]);
        if before * after <= 0.0 {
            return 0.0;
        }
        let (w1, w2) = (2.0 * widths[i + 1] + widths[i], widths[i + 1] + 2.0 * widths[i]);
        (w1 + w2) / (w1 / before + w2 / after)
    });
    std::iter::once(end(secants[0], widths[0], secants[1], widths[1]))
        .chain(inner)
        .chain([end(secants[last], widths[last], secants[last - 1], widths[last - 1])])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(factor: f64) -> Vec<Point> {
        let point = |(rate, quality): (f64, f64)| Point { rate: rate * factor, quality };
        [(500e3, 34.0), (900e3, 36.5), (1500e3, 38.7), (2600e3, 41.0)].map(point).to_vec()
    }

    #[test]
    fn a_curve_that_takes_a_tenth_more_everywhere_has_a_delta_of_a_tenth() {
        let delta = delta_rate(&curve(1.1), &curve(1.0)).unwrap();
        assert!((delta - 0.1).abs() < 1e-9, "{delta}");
    }

    #[test]
    fn on_a_straight_line_a_decibel_less_costs_what_the_line_says() {
        // 10 % more rate for each decibel, so one decibel less at each rate is 10 % more rate.
        let line = |shift: f64| -> Vec<Point> {
            let point = |db: i32| Point {
                rate: 1e6 * 1.1f64.powi(db),
                quality: 30.0 + f64::from(db) - shift,
            };
            (0..8).step_by(2).map(point).collect()
        };
        let delta = delta_rate(&line(1.0), &line(0.0)).unwrap();
        assert!((delta - 0.1).abs() < 1e-9, "{delta}");
    }

    #[test]
    fn curves_without_a_quality_in_common_have_no_delta() {
        let high: Vec<Point> =
            curve(1.0).iter().map(|it| Point { quality: it.quality + 20.0, ..*it }).collect();
        assert_eq!(delta_rate(&high, &curve(1.0)), None);
        assert_eq!(delta_rate(&curve(1.0)[..2], &curve(1.0)), None);
    }
}

//! What is done to a picture, and how large it comes out.

use segue_model::{DeinterlaceMethod, Time};
use serde::Serialize;

use crate::expression::Expression;

/// One thing that is done to a picture, whichever hardware does it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Frames are made of fields.
    Deinterlace {
        /// By which rule; hardware has its own, which is taken to be the better one.
        method: DeinterlaceMethod,
        /// One of each field, so twice as many, rather than one of each pair.
        every_field: bool,
        /// Frames that are not marked as interlaced stay as they are.
        marked_only: bool,
    },
    /// Another size.
    Scale(Scaling),
    /// Turned or mirrored.
    Turn(Turn),
    /// A part is cut out.
    Crop(Crop),
    /// The shape of a pixel is set, without a change to pixels.
    PixelShape(Expression),
    /// The shape of the picture is set, without a change to pixels.
    PictureShape(Expression),
    /// Frames are repeated or left out until there are so many a second.
    FrameRate(Time),
}

/// How a picture is scaled: ffmpeg's `scale` and those of the hardware, which reckon alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Scaling {
    /// Columns; 0 for the picture's own, -n for what its shape makes of the rows, a multiple of n.
    pub width: Expression,
    /// Rows.
    pub height: Expression,
    /// What gives way where the shape would change.
    pub fit: Fit,
    /// Columns and rows become multiples of this where the shape is kept.
    pub divisible_by: u32,
}

/// What gives way where a scaling would change the shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// The shape.
    Stretch,
    /// The size: it becomes smaller than asked.
    Within,
    /// The size: it becomes larger than asked.
    Around,
}

/// How a picture is turned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Turn {
    /// A quarter to the right.
    Clockwise,
    /// A quarter to the left.
    Counterclockwise,
    /// By half.
    Half,
    /// Left becomes right.
    MirrorHorizontally,
    /// Top becomes bottom.
    MirrorVertically,
}

impl Turn {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Turn::Clockwise => "turned to the right",
            Turn::Counterclockwise => "turned to the left",
            Turn::Half => "turned upside down",
            Turn::MirrorHorizontally => "mirrored from left to right",
            Turn::MirrorVertically => "mirrored from top to bottom",
        }
    }
}

/// Which part is cut out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Crop {
    /// Columns.
    pub width: Expression,
    /// Rows.
    pub height: Expression,
    /// Columns left of it.
    pub left: Expression,
    /// Rows above it.
    pub top: Expression,
}

/// Columns, rows and the shape of a pixel (width over height).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// How wide a pixel is for its height.
    pub pixel: Time,
}

/// Why a size cannot be worked out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    /// What comes out is no size.
    #[error("`{0}` gives no size of a picture of {1}x{2}")]
    Size(String, u32, u32),
}

/// Variables that a size may depend on. Chroma is that of 8-bit 4:2:0.
pub const SIZE_VARIABLES: &[&str] = &[
    "iw", "ih", "in_w", "in_h", "ow", "oh", "out_w", "out_h", "a", "sar", "dar", "hsub", "vsub",
    "ohsub", "ovsub", "w", "h",
];

const SIDE_MAX: i64 = 16_384;

/// How large a picture is after `steps`.
pub fn size_after(steps: &[Step], source: Picture) -> Result<Picture, PictureError> {
    let sides = 1..=65_535;
    if !sides.contains(&source.width) || !sides.contains(&source.height) {
        return Err(PictureError::Size("the source".to_owned(), source.width, source.height));
    }
    steps.iter().try_fold(source, |picture, step| step.apply(picture))
}

impl Picture {
    fn aspect(self) -> f64 {
        f64::from(self.width) / f64::from(self.height)
    }

    fn variable(self, name: &str, out: (f64, f64)) -> f64 {
        match name {
            "iw" | "in_w" | "w" => f64::from(self.width),
            "ih" | "in_h" | "h" => f64::from(self.height),
            "ow" | "out_w" => out.0,
            "oh" | "out_h" => out.1,
            "a" => self.aspect(),
            "sar" => self.pixel.as_secs_f64(),
            "dar" => self.aspect() * self.pixel.as_secs_f64(),
            "hsub" | "vsub" | "ohsub" | "ovsub" => 2.0,
            _ => f64::NAN,
        }
    }
}

impl Step {
    fn apply(&self, picture: Picture) -> Result<Picture, PictureError> {
        match self {
            Step::Deinterlace { .. } | Step::FrameRate(_) => Ok(picture),
            Step::Scale(scaling) => scaling.apply(picture),
            Step::Crop(crop) => crop.apply(picture),
            Step::Turn(Turn::Clockwise | Turn::Counterclockwise) => Ok(Picture {
                width: picture.height,
                height: picture.width,
                pixel: picture.pixel.recip().unwrap_or(Time::from_secs(1)),
            }),
            Step::Turn(_) => Ok(picture),
            Step::PixelShape(shape) => Ok(Picture { pixel: ratio(shape, picture)?, ..picture }),
            Step::PictureShape(shape) => {
                let storage = Time::new(i64::from(picture.width), i64::from(picture.height));
                Ok(Picture { pixel: ratio(shape, picture)? / storage, ..picture })
            }
        }
    }
}

/// A shape as ffmpeg keeps it: the nearest fraction whose terms are 100 at most.
fn ratio(expression: &Expression, picture: Picture) -> Result<Time, PictureError> {
    let value = expression.value(&|name| picture.variable(name, (f64::NAN, f64::NAN)));
    let fractions = (1..=100).map(|under| ((value * f64::from(under)).round(), under));
    let error = |(over, under): &(f64, i32)| (value - over / f64::from(*under)).abs();
    fractions
        .filter(|(over, _)| (1.0..=100.0).contains(over))
        .min_by(|one, other| error(one).total_cmp(&error(other)))
        .map(|(over, under)| Time::new(over as i64, i64::from(under)))
        .ok_or_else(|| no_size(expression, picture))
}

fn no_size(expression: &Expression, picture: Picture) -> PictureError {
    PictureError::Size(expression.to_string(), picture.width, picture.height)
}

impl Scaling {
    /// As libavfilter's `ff_scale_eval_dimensions` and `ff_scale_adjust_dimensions` do.
    fn apply(&self, picture: Picture) -> Result<Picture, PictureError> {
        let (own_width, own_height) = (i64::from(picture.width), i64::from(picture.height));
        let eval = |expression: &Expression, own: i64, out: (f64, f64)| {
            let value = expression.value(&|name| picture.variable(name, out));
            if value.is_nan() || value.abs() > 1e9 {
                return None;
            }
            Some(if value.trunc() == 0.0 { own } else { value.trunc() as i64 })
        };
        // The columns may depend on the rows, or the rows on the columns.
        let first = eval(&self.width, own_width, (f64::NAN, f64::NAN));
        let out_width = first.map_or(f64::NAN, |width| width as f64);
        let height = eval(&self.height, own_height, (out_width, f64::NAN))
            .ok_or_else(|| no_size(&self.height, picture))?;
        let width = eval(&self.width, own_width, (out_width, height as f64))
            .ok_or_else(|| no_size(&self.width, picture))?;
        let (width, height) = self.adjust(width, height, own_width, own_height);
        if !(1..=SIDE_MAX).contains(&width) || !(1..=SIDE_MAX).contains(&height) {
            return Err(no_size(&self.width, picture));
        }
        // The picture keeps its shape: what its sides lose, its pixels gain.
        let pixel = picture.pixel * Time::new(height * own_width, width * own_height);
        Ok(Picture { width: width as u32, height: height as u32, pixel })
    }

    /// With `divisible_by`, as ffmpeg does since 7.0; 5.1 rounds down, and may be a step smaller.
    fn adjust(&self, width: i64, height: i64, own_width: i64, own_height: i64) -> (i64, i64) {
        let factor = |side: i64| if side < -1 { -side } else { 1 };
        let (factor_w, factor_h) = (factor(width), factor(height));
        let (mut w, mut h) =
            if width < 0 && height < 0 { (own_width, own_height) } else { (width, height) };
        if w < 0 {
            w = rescale(h, own_width, own_height * factor_w) * factor_w;
        }
        if h < 0 {
            h = rescale(w, own_height, own_width * factor_h) * factor_h;
        }
        let by = i64::from(self.divisible_by.max(1));
        let by_height = rescale(h, own_width, own_height * by) * by;
        let by_width = rescale(w, own_height, own_width * by) * by;
        match self.fit {
            Fit::Stretch => (w, h),
            Fit::Within => (w.min(by_height) / by * by, h.min(by_width) / by * by),
            Fit::Around => {
                let up = |side: i64| (side + by - 1) / by * by;
                (up(w.max(by_height)), up(h.max(by_width)))
            }
        }
    }
}

/// `a * b / c` to the nearest, as `av_rescale`; arguments are sides of pictures, so it fits.
fn rescale(a: i64, b: i64, c: i64) -> i64 {
    let (a, b, c) = (i128::from(a), i128::from(b), i128::from(c.max(1)));
    ((a * b + c / 2) / c).clamp(-1_000_000_000, 1_000_000_000) as i64
}

impl Crop {
    fn apply(&self, picture: Picture) -> Result<Picture, PictureError> {
        let side = |expression: &Expression, most: u32| {
            let value = expression.value(&|name| picture.variable(name, (f64::NAN, f64::NAN)));
            // Chroma has half as many columns and rows, so a cut is at every second.
            let side = value.trunc() as i64 & !1;
            if value.is_nan() || side < 1 || side > i64::from(most) {
                return Err(no_size(expression, picture));
            }
            Ok(side as u32)
        };
        let width = side(&self.width, picture.width)?;
        let height = side(&self.height, picture.height)?;
        Ok(Picture { width, height, ..picture })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(width: u32, height: u32, pixel: Time) -> Picture {
        Picture { width, height, pixel }
    }

    fn scaled(width: &str, height: &str, source: Picture) -> (u32, u32) {
        let parse = |text| Expression::parse(text, SIZE_VARIABLES).unwrap();
        let scaling = Scaling {
            width: parse(width),
            height: parse(height),
            fit: Fit::Stretch,
            divisible_by: 1,
        };
        let out = size_after(&[Step::Scale(scaling)], source).unwrap();
        (out.width, out.height)
    }

    const SQUARE: Time = Time::from_secs(1);

    #[test]
    fn jellyfins_sizes_are_worked_out_as_ffmpeg_does() {
        let width = "trunc(min(max(iw,ih*a),min(1280,720*a))/2)*2";
        let height = "trunc(min(max(iw/a,ih),min(1280/a,720))/2)*2";
        assert_eq!(scaled(width, height, picture(1920, 1080, SQUARE)), (1280, 720));
        assert_eq!(scaled(width, height, picture(1920, 800, SQUARE)), (1280, 532));
        assert_eq!(scaled(width, height, picture(640, 480, SQUARE)), (640, 480));
        assert_eq!(
            scaled(
                "trunc(min(max(iw,ih*dar),426)/2)*2",
                "trunc(ow/dar/2)*2",
                picture(720, 576, Time::new(64, 45))
            ),
            (426, 238)
        );
        assert_eq!(scaled("trunc(oh*a/2)*2", "480", picture(1920, 1080, SQUARE)), (852, 480));
    }

    #[test]
    fn negative_sides_follow_the_shape() {
        assert_eq!(scaled("-2", "480", picture(1920, 1080, SQUARE)), (854, 480));
        assert_eq!(scaled("640", "-1", picture(1920, 1080, SQUARE)), (640, 360));
        assert_eq!(scaled("0", "0", picture(1919, 1080, SQUARE)), (1919, 1080));
    }

    #[test]
    fn a_size_that_is_none_is_an_error() {
        let zero = Expression::parse("0/0", SIZE_VARIABLES).unwrap();
        let scaling =
            Scaling { width: zero.clone(), height: zero, fit: Fit::Stretch, divisible_by: 1 };
        assert!(size_after(&[Step::Scale(scaling)], picture(16, 16, SQUARE)).is_err());
    }
}

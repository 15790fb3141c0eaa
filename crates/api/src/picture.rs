//! What is asked for to be done to pictures.

use segue_model::{Deinterlace, DeinterlaceMethod, FieldRequest, Orientation};

use crate::invalid::{Invalid, fits};
use crate::v1;

/// What becomes of frames that are two fields.
pub(crate) fn fields(kept: bool, made: Option<v1::Deinterlace>) -> Result<FieldRequest, Invalid> {
    match (kept, made) {
        (false, None) => Ok(FieldRequest::Usual),
        (true, None) => Ok(FieldRequest::Kept),
        (false, Some(made)) => Ok(FieldRequest::Made(made.try_into()?)),
        (true, Some(_)) => {
            let reason = "frames are made of fields, and keep_fields: leave out one of them";
            Err(Invalid::new("deinterlace", reason.to_owned()))
        }
    }
}

impl TryFrom<v1::Deinterlace> for Deinterlace {
    type Error = Invalid;

    fn try_from(wire: v1::Deinterlace) -> Result<Deinterlace, Invalid> {
        let v1::Deinterlace { method, every_field, marked_only } = wire;
        let method = match v1::DeinterlaceMethod::try_from(method) {
            Ok(v1::DeinterlaceMethod::Unspecified | v1::DeinterlaceMethod::Bwdif) => {
                DeinterlaceMethod::Bwdif
            }
            Ok(v1::DeinterlaceMethod::Yadif) => DeinterlaceMethod::Yadif,
            Err(_) => {
                let reason = format!("{method} is not known to this version: update the scheduler");
                return Err(Invalid::new("deinterlace.method", reason));
            }
        };
        Ok(Deinterlace { method, every_field, marked_only })
    }
}

impl From<Deinterlace> for v1::Deinterlace {
    fn from(made: Deinterlace) -> v1::Deinterlace {
        let Deinterlace { method, every_field, marked_only } = made;
        let method = match method {
            DeinterlaceMethod::Yadif => v1::DeinterlaceMethod::Yadif,
            DeinterlaceMethod::Bwdif => v1::DeinterlaceMethod::Bwdif,
        };
        v1::Deinterlace { method: method.into(), every_field, marked_only }
    }
}

/// How frames are turned.
pub(crate) fn orientation(wire: v1::Orientation) -> Result<Orientation, Invalid> {
    let v1::Orientation { quarter_turns, mirrored } = wire;
    let turns: u8 = fits(quarter_turns, "orientation.quarter_turns")?;
    if turns > 3 {
        let reason = format!("{turns} quarter turns: 0 to 3 are all there are");
        return Err(Invalid::new("orientation.quarter_turns", reason));
    }
    Ok(Orientation { quarter_turns: turns, mirrored })
}

impl From<Orientation> for v1::Orientation {
    fn from(orientation: Orientation) -> v1::Orientation {
        let Orientation { quarter_turns, mirrored } = orientation;
        v1::Orientation { quarter_turns: quarter_turns.into(), mirrored }
    }
}

//! Whether an encoder keeps to what its rendition's players were told.

use segue_model::H264Contract;

use crate::Error;

/// Checks parameter sets (Annex B) against the contract. Players are told once, by the init section
/// and the playlist; a segment that needs more than was told would fail on some of them.
pub(crate) fn check_h264(parameter_sets: &[u8], contract: &H264Contract) -> Result<(), Error> {
    let Some([profile, _, level]) = first_sps(parameter_sets) else {
        return Err(Error::worker("the encoder gave no sequence parameter set"));
    };
    if profile != contract.profile.idc() || level != contract.level {
        return Err(Error::worker(format!(
            "the encoder made H.264 profile {profile} level {level}, the job's contract is profile \
             {} level {}",
            contract.profile.idc(),
            contract.level
        )));
    }
    Ok(())
}

/// `profile_idc`, constraint flags and `level_idc` of the first SPS (ITU-T H.264 7.3.2.1.1).
fn first_sps(annex_b: &[u8]) -> Option<[u8; 3]> {
    let starts = annex_b.windows(4).enumerate();
    let is_sps = |window: &[u8]| window[..3] == [0, 0, 1] && window[3] & 0x1f == 7;
    let at = starts.filter(|(_, window)| is_sps(window)).map(|(at, _)| at + 4).next()?;
    annex_b.get(at..at + 3)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use segue_model::{Colour, H264Profile};

    fn contract(level: u8) -> H264Contract {
        H264Contract {
            profile: H264Profile::High,
            level,
            reference_frames: 3,
            reorder_depth: 2,
            colour: Colour {
                full_range: false,
                primaries: "bt709".into(),
                transfer: "bt709".into(),
                matrix: "bt709".into(),
            },
        }
    }

    const HIGH_31: [u8; 10] = [0, 0, 0, 1, 0x67, 100, 0, 31, 0xac, 0xd9];

    #[test]
    fn parameter_sets_that_keep_the_contract_pass() {
        assert!(check_h264(&HIGH_31, &contract(31)).is_ok());
    }

    #[test]
    fn another_level_or_profile_breaks_the_contract() {
        assert!(check_h264(&HIGH_31, &contract(40)).is_err());
        let mut main = HIGH_31;
        main[5] = 77;
        assert!(check_h264(&main, &contract(31)).is_err());
    }

    #[test]
    fn no_parameter_set_is_an_error_not_a_panic() {
        for length in 0..8 {
            assert!(check_h264(&HIGH_31[..length], &contract(31)).is_err());
        }
    }
}

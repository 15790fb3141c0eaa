//! Where two runs of a line meet: what becomes of the files of the one that goes on.

use super::counters::{self, Counters};
use super::fragments::{Init, Moves, moved};
use super::pictures::{Pictures, Stamps};
use super::playlist;
use crate::files::{Name, absolute, parted};

/// With so many of its first bytes a segment says when it begins.
const HEAD: usize = 64 << 10;

/// What the files of a run that goes on must fit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Joint {
    /// Which of them are segments.
    pub(super) segments: Option<(String, Name)>,
    /// By how much they are moved.
    pub(super) moves: Moves,
    /// Of transport streams: how much further theirs have to count; known when the seam is.
    pub(super) counters: Option<Counters>,
    /// The init section that is there, and its path.
    pub(super) init: Option<(String, Init)>,
    /// What the playlist lacks.
    pub(super) earlier: Option<Earlier>,
    /// Where it meets what is there.
    pub(super) seam: Option<Seam>,
}

/// The last segment that is there. The run that goes on makes it again, which shows whether what
/// follows joins it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Seam {
    pub(super) path: String,
    pub(super) there: Stamps,
    /// Of a transport stream: where it has counted to.
    pub(super) counters: Counters,
}

/// The segments before the one at which a run goes on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Earlier {
    /// The path of the playlist that lacks them.
    pub(super) playlist: String,
    /// The number of the first.
    pub(super) first: i64,
    /// The paths of all of them, and of the one at which the run goes on.
    pub(super) segments: Vec<String>,
}

/// A file that does not fit those that are there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// Whoever has loaded the init section that is there cannot decode what this run makes.
    #[error(
        "the worker that goes on has another encoder: what it makes cannot be decoded by the init \
         section that is there already"
    )]
    Decoder,
    /// Where it ends is not where that ends, or something is missing.
    #[error("what another worker makes does not join what is there")]
    Seam,
    /// It is not what ffmpeg makes of this line.
    #[error("what the worker that goes on has made is no such segment")]
    Damaged,
}

/// When all of a segment is shown, as it says.
pub(super) fn stamps(init: Option<&Init>, segment: &[u8]) -> Option<Stamps> {
    match init {
        Some(init) => init.stamps(segment),
        None => Stamps::in_transport_stream(segment),
    }
}

impl Joint {
    /// Whether a file is to be judged though the one that is there stays as it is.
    pub fn judges(&self, path: &str) -> bool {
        self.is_init(path) || self.seam() == Some(path)
    }

    /// The segment that must have been [`fitted`](Joint::fitted) before anything else of the run is
    /// kept.
    pub fn seam(&self) -> Option<&str> {
        self.seam.as_ref().map(|seam| seam.path.as_str())
    }

    fn is_init(&self, path: &str) -> bool {
        self.init.as_ref().is_some_and(|(init, _)| init == path)
    }

    /// Whether a file is kept as it comes.
    pub fn leaves(&self, path: &str) -> bool {
        let (directory, name) = parted(path);
        let is_segment = self.segments.as_ref().is_some_and(|(segments, pattern)| {
            *segments == directory && pattern.fits(&name) && pattern.number_in(&name).is_some()
        });
        let is_moved = is_segment && (!self.moves.is_empty() || self.counters.is_some());
        let lacks = self.earlier.as_ref().is_some_and(|earlier| earlier.playlist == path);
        !self.judges(path) && !is_moved && !lacks
    }

    /// A file of the run that goes on, as it is kept. `read` reads at most so many of the first bytes of
    /// a file.
    ///
    /// Players keep the init section that they have loaded. So it stays as it is, whatever the next
    /// one says of where its run begins; but where that describes other pictures or sound, such as
    /// those of an encoder of another version, nobody could decode what follows. Then it is better to
    /// fail: the media server begins anew, with an init section of its own.
    ///
    /// So it is where the segment that was made again does not end where the one that is there does.
    pub fn fitted(
        &mut self,
        path: &str,
        bytes: Vec<u8>,
        read: impl Fn(&str, usize) -> Option<Vec<u8>>,
    ) -> Result<Vec<u8>, Misfit> {
        match &self.init {
            Some((init, there)) if init == path => match Init::parse(&bytes) {
                Some(made) if there.serves(&made) => Ok(bytes),
                _ => Err(Misfit::Decoder),
            },
            _ if self.leaves(path) => Ok(bytes),
            // Where segments are gone already it is as good as it was.
            _ if self.earlier.as_ref().is_some_and(|earlier| earlier.playlist == path) => {
                Ok(self.playlist(&bytes, read).unwrap_or(bytes))
            }
            _ => {
                let bytes = match self.moves.is_empty() {
                    true => bytes,
                    false => moved(bytes, &self.moves).ok_or(Misfit::Damaged)?,
                };
                match &self.seam {
                    Some(seam) if seam.path == path => {
                        if !self.joins(seam, &bytes) {
                            return Err(Misfit::Seam);
                        }
                        let ahead = counters::ahead(&seam.counters, &counters::last(&bytes));
                        self.counters = self.counters.is_some().then_some(ahead);
                        Ok(bytes)
                    }
                    _ => Ok(match &self.counters {
                        Some(by) => counters::moved(bytes, by),
                        None => bytes,
                    }),
                }
            }
        }
    }

    fn joins(&self, seam: &Seam, made: &[u8]) -> bool {
        let made = stamps(self.init.as_ref().map(|(_, init)| init), made);
        made.is_some_and(|made| seam.there.is_followed_as(&made))
    }

    /// The playlist with all that was made before this run.
    fn playlist(
        &self,
        text: &[u8],
        read: impl Fn(&str, usize) -> Option<Vec<u8>>,
    ) -> Option<Vec<u8>> {
        let Earlier { first, segments, .. } = self.earlier.as_ref()?;
        let begins = |path: &str| {
            let head = read(path, HEAD)?;
            match &self.init {
                Some((_, init)) => init.first(&head),
                None => Pictures::first_in_transport_stream(&head),
            }
        };
        let beside = parted(segments.last()?).0;
        let all: Option<Vec<_>> =
            segments.iter().map(|path| Some((parted(path).1, begins(path)?))).collect();
        let text = std::str::from_utf8(text).ok()?;
        let next = |name: &str| begins(&absolute(&beside, name));
        Some(playlist::whole(text, *first, &all?, next)?.into_bytes())
    }
}

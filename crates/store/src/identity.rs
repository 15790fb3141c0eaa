//! Which store this is. Two machines may call one store by different names, and two stores by the
//! same: only what is written in it tells.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use object_store::{Error as ObjectError, ObjectStoreExt};
use segue_model::Hash;

use crate::error::{Kind, StoreError};
use crate::{Created, Location, Store};

/// Where it is written.
const IDENTITY: &str = "store";
/// Hexadecimal digits.
const DIGITS: usize = 32;

impl Store {
    /// What this store is called, for ever: whoever opens it first makes that up.
    pub async fn identity(&self) -> Result<String, StoreError> {
        if let Some(known) = self.read_identity().await? {
            return Ok(known);
        }
        let made_up = Bytes::from(make_up());
        let path = self.full_path(IDENTITY)?;
        let created = self.create_at(&path, made_up).await?;
        match (self.read_identity().await?, created) {
            (Some(known), _) => Ok(known),
            (None, Created::Now | Created::Before(_)) => {
                let words = format!("{IDENTITY} was written and is not there");
                Err(StoreError::new(self.location(), Kind::Damaged, words))
            }
        }
    }

    /// Whether a directory is still the store that it was: one that was unmounted or moved away is an
    /// empty place, where nothing is to be made or missed.
    pub(crate) async fn is_there(&self) -> Result<(), StoreError> {
        let is_directory = matches!(self.location(), Location::Directory(_));
        if !is_directory || !self.identified.load(Ordering::Relaxed) {
            return Ok(());
        }
        match self.objects.head(&self.full_path(IDENTITY)?).await {
            Ok(_) => Ok(()),
            Err(ObjectError::NotFound { .. }) => {
                let words = "it is not there any more (is it mounted? what is made waits for it)";
                Err(StoreError::new(self.location(), Kind::Unavailable, words.to_owned()))
            }
            Err(error) => Err(self.failed("it cannot be looked at", &error)),
        }
    }

    async fn read_identity(&self) -> Result<Option<String>, StoreError> {
        let path = self.full_path(IDENTITY)?;
        let read = async { self.objects.get(&path).await?.bytes().await };
        let bytes = match read.await {
            Ok(bytes) => bytes,
            Err(ObjectError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(self.failed(&format!("{IDENTITY} cannot be read"), &error)),
        };
        let digits = |bytes: &Bytes| {
            bytes.len() == DIGITS && bytes.iter().all(|byte| byte.is_ascii_hexdigit())
        };
        match String::from_utf8(bytes.to_vec()) {
            Ok(text) if digits(&bytes) => {
                self.identified.store(true, Ordering::Relaxed);
                Ok(Some(text))
            }
            _ => {
                let words = format!(
                    "{IDENTITY} is not what Segue writes (if the store is Segue's alone, remove that \
                     object; it is made anew)"
                );
                Err(StoreError::new(self.location(), Kind::Damaged, words))
            }
        }
    }
}

/// What nobody else makes up, now or ever.
fn make_up() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    // The standard library's hash maps are seeded by the system's random numbers.
    let chance = RandomState::new().hash_one(now);
    let mut text =
        Hash::of(format!("{now} {} {chance}", std::process::id()).as_bytes()).to_string();
    text.truncate(DIGITS);
    text
}

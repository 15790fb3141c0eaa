//! How an S3 server is reached, and as whom. The store is not the only one that asks: workers read
//! films from buckets with the same settings.

use object_store::ClientOptions;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};

use crate::error::{chain, shorten};

/// What the usual `AWS_*` variables say: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`,
/// `AWS_ENDPOINT_URL` for servers that are not Amazon's, and the others that its tools know.
#[derive(Clone, Default)]
pub struct S3Settings(Vec<(AmazonS3ConfigKey, String)>);

impl S3Settings {
    /// Those of this process.
    pub fn from_env() -> S3Settings {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        S3Settings::of(std::env::vars_os().filter_map(text))
    }

    /// Variables by name; those that are not about S3 are passed over.
    pub fn of(variables: impl IntoIterator<Item = (String, String)>) -> S3Settings {
        let known = |(name, value): (String, String)| {
            let key = name.starts_with("AWS_").then(|| name.to_ascii_lowercase().parse().ok());
            Some((key??, value))
        };
        S3Settings(variables.into_iter().filter_map(known).collect())
    }

    /// A client with these settings, for which a bucket has yet to be named.
    pub fn builder(&self, client: ClientOptions) -> AmazonS3Builder {
        let mut builder = AmazonS3Builder::new().with_client_options(client);
        for (key, value) in &self.0 {
            // Who writes `http://` means it.
            if *key == AmazonS3ConfigKey::Endpoint && value.starts_with("http://") {
                builder = builder.with_allow_http(true);
            }
            builder = builder.with_config(*key, value);
        }
        builder
    }
}

/// What an S3 server said, or what became of the way to it, on one line; without the request, which
/// is ours.
pub fn server_words(error: &object_store::Error) -> String {
    shorten(&chain(error))
}

impl std::fmt::Debug for S3Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the values: some are secret.
        f.debug_list().entries(self.0.iter().map(|(key, _)| key)).finish()
    }
}

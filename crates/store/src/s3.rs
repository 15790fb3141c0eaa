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
    pub fn builder(&self, client: ClientOptions) -> Result<AmazonS3Builder, EndpointError> {
        let mut builder = AmazonS3Builder::new().with_client_options(client);
        for (key, value) in &self.0 {
            if *key == AmazonS3ConfigKey::Endpoint {
                // Requests to anything else end in a panic of the client's.
                let rest = value.strip_prefix("http://").or(value.strip_prefix("https://"));
                let names_host = |host: &str| {
                    !host.is_empty()
                        && !host.starts_with('/')
                        && host.bytes().all(|byte| byte.is_ascii_graphic())
                };
                if !rest.is_some_and(names_host) {
                    return Err(EndpointError);
                }
                // Who writes `http://` means it.
                if value.starts_with("http://") {
                    builder = builder.with_allow_http(true);
                }
            }
            builder = builder.with_config(*key, value);
        }
        Ok(builder)
    }
}

/// The settings name no server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("AWS_ENDPOINT_URL is no URL: write http://host:port or https://host")]
pub struct EndpointError;

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

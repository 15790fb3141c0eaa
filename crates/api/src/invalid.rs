//! What is wrong with a message.

/// A message cannot be meant as it stands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct Invalid {
    /// Which field, as in the proto: `order.job`.
    pub field: String,
    /// What is wrong with it, and what could be there.
    pub reason: String,
}

impl Invalid {
    /// `reason` is wrong with `field`.
    pub(crate) fn new(field: &str, reason: impl Into<String>) -> Invalid {
        Invalid { field: field.to_owned(), reason: reason.into() }
    }

    /// The same, seen from the message that holds it.
    pub(crate) fn within(self, outer: &str) -> Invalid {
        Invalid { field: format!("{outer}.{}", self.field), ..self }
    }
}

/// A message that has to be there.
pub(crate) fn required<T>(value: Option<T>, field: &str) -> Result<T, Invalid> {
    value.ok_or_else(|| Invalid::new(field, "is missing"))
}

/// A number that has to fit.
pub(crate) fn fits<T, N>(value: N, field: &str) -> Result<T, Invalid>
where
    T: TryFrom<N>,
    N: Copy + std::fmt::Display,
{
    T::try_from(value).map_err(|_| Invalid::new(field, format!("{value} is out of range")))
}

//! One call to the API server: it ends in time, and its errors are in our words.

use std::{future::Future, time::Duration};

use tokio::time::timeout;

/// No call to the API server takes longer, kube's own retries (429, 503, 504) included.
pub const DEADLINE: Duration = Duration::from_secs(5);

/// Why a call to the API server failed. Never the server's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// No answer within the deadline.
    #[error("the API server did not answer in time")]
    Timeout,
    /// It refused the call: 403 is a lack of rights, 404 nothing there, 409 someone was faster.
    #[error("the API server refused the call with status {code}")]
    Refused {
        /// The HTTP status.
        code: u16,
    },
    /// It answered with something else than the object asked for.
    #[error("the API server's answer was not understood")]
    NotUnderstood,
    /// It cannot be reached.
    #[error("the API server cannot be reached")]
    Unreachable,
}

impl CallError {
    /// The object does not exist.
    pub fn is_not_found(self) -> bool {
        self == Self::Refused { code: 404 }
    }

    /// The object exists already, or was changed meanwhile.
    pub fn is_conflict(self) -> bool {
        self == Self::Refused { code: 409 }
    }
}

impl From<kube::Error> for CallError {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::Refused { code: status.code },
            kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) => Self::NotUnderstood,
            _ => Self::Unreachable,
        }
    }
}

/// Makes one call, within this time.
///
/// # Errors
/// [`CallError`]. After [`CallError::Timeout`] the server may still do what it was asked.
pub async fn within<T>(deadline: Duration, call: impl Future<Output = Result<T, kube::Error>>) -> Result<T, CallError> {
    match timeout(deadline, call).await {
        Ok(done) => done.map_err(CallError::from),
        Err(_) => Err(CallError::Timeout),
    }
}

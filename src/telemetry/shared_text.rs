//! Text that is dear to write and large: all readers within a second share one.

use std::{future::Future, sync::Arc, time::Duration};

use hyper::body::Bytes;
use tokio::{
    sync::{Mutex, OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

/// Age up to which a text is served again.
pub(super) const FRESH: Duration = Duration::from_secs(1);
/// Number of readers at a time; each may hold a text as old as a connection may live.
pub(super) const READERS: usize = 8;

/// Text that its readers share; clones share it, too.
#[derive(Clone, Debug)]
pub struct SharedText {
    /// Newest text, and the time when it was written.
    written: Arc<Mutex<Option<(Instant, Bytes)>>>,
    pub(super) readers: Arc<Semaphore>,
}

/// Reason why there is no text.
#[derive(Debug)]
pub enum NoText<E> {
    /// It has as many readers as it may have.
    Crowded,
    /// It could not be written.
    Failed(E),
}

impl Default for SharedText {
    fn default() -> Self {
        Self {
            written: Arc::default(),
            readers: Arc::new(Semaphore::new(READERS)),
        }
    }
}

/// Text in the hands of one reader: its place is free again when all is sent or the connection has ended.
struct Reading {
    text: Bytes,
    _room: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Reading {
    fn as_ref(&self) -> &[u8] {
        &self.text
    }
}

impl SharedText {
    /// Text for one more reader, at most a second old; `write` makes it anew if need be.
    ///
    /// # Errors
    /// [`NoText`].
    pub async fn read<E>(&self, write: impl Future<Output = Result<Bytes, E>>) -> Result<Bytes, NoText<E>> {
        let Ok(room) = self.readers.clone().try_acquire_owned() else {
            return Err(NoText::Crowded);
        };
        let text = self.text(write).await.map_err(NoText::Failed)?;
        Ok(Bytes::from_owner(Reading { text, _room: room }))
    }

    /// Shared text. While one reader has it written, the others wait without holding a thread.
    pub(super) async fn text<E>(&self, write: impl Future<Output = Result<Bytes, E>>) -> Result<Bytes, E> {
        let mut written = self.written.lock().await;
        let now = Instant::now();
        if let Some((at, text)) = written.as_ref()
            && now.saturating_duration_since(*at) < FRESH
        {
            return Ok(text.clone());
        }
        // Before the new one is there: it may have no reader left.
        *written = None;
        let text = write.await?;
        *written = Some((now, text.clone()));
        Ok(text)
    }
}

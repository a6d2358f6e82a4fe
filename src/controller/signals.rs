//! What asks the process to end: SIGTERM and SIGINT. Where those do not exist the operator does not run; the library has to
//! compile there, since `kubectl twp` is made of it.

use std::io;

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};
#[cfg(windows)]
use tokio::signal::windows::{CtrlC, CtrlClose, ctrl_c, ctrl_close};

/// Handlers of both.
#[cfg(unix)]
pub(super) struct Signals {
    end: Signal,
    interrupt: Signal,
}

/// Handlers of both.
#[cfg(windows)]
pub(super) struct Signals {
    end: CtrlClose,
    interrupt: CtrlC,
}

impl Signals {
    /// Catches them from now on.
    #[cfg(unix)]
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            end: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Catches them from now on.
    #[cfg(windows)]
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            end: ctrl_close()?,
            interrupt: ctrl_c()?,
        })
    }

    /// Waits for the first of them.
    pub(super) async fn received(&mut self) {
        tokio::select! {
            _ = self.end.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

//! The terminal: taken, drawn on, and given back whatever happens; what is pressed on it, and what ends the program from outside.

use std::{
    io::{self, IsTerminal, stdin, stdout},
    thread,
};

use ratatui::{
    DefaultTerminal,
    buffer::Buffer,
    crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers},
};
#[cfg(unix)]
use tokio::signal::unix::{SignalKind, signal};
#[cfg(windows)]
use tokio::signal::windows::ctrl_close;
use tokio::sync::mpsc;

use super::state::Press;

/// Terminal, until it is dropped; a panic gives it back as well.
pub struct Screen(DefaultTerminal);

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    /// There is none.
    pub fn take() -> io::Result<Self> {
        ratatui::try_init().map(Self)
    }

    /// Draws what has changed.
    ///
    /// # Errors
    /// It has gone.
    pub fn draw(&mut self, draw: impl FnOnce(&mut Buffer)) -> io::Result<()> {
        self.0.draw(|frame| draw(frame.buffer_mut())).map(drop)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// Whether there is a terminal that can be drawn on.
pub(super) fn is_there() -> bool {
    let dumb = std::env::var("TERM").is_ok_and(|kind| kind == "dumb");
    stdin().is_terminal() && stdout().is_terminal() && !dumb
}

/// Whether colours are wanted (<https://no-color.org>).
pub(super) fn has_colours() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Waits until somebody ends the program other than by a key, which would leave the terminal as it is: a signal, or a window that is
/// closed.
#[cfg(unix)]
pub(super) fn told_to_end() -> io::Result<impl Future<Output = ()>> {
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut hung_up = signal(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
            _ = hung_up.recv() => {}
        }
    })
}

/// The same where there are no signals.
#[cfg(windows)]
pub(super) fn told_to_end() -> io::Result<impl Future<Output = ()>> {
    let mut closed = ctrl_close()?;
    Ok(async move {
        closed.recv().await;
    })
}

/// Keys as they are pressed; `None` stands for another size. The thread waits for the next one until the program ends.
pub(super) fn keys() -> mpsc::UnboundedReceiver<Option<Press>> {
    let (pressed, keys) = mpsc::unbounded_channel();
    thread::spawn(move || {
        while let Ok(event) = event::read() {
            let press = match event {
                Event::Key(key) if key.kind != KeyEventKind::Release => match press(key) {
                    Some(press) => Some(press),
                    None => continue,
                },
                Event::Resize(..) => None,
                _ => continue,
            };
            if pressed.send(press).is_err() {
                return;
            }
        }
    });
    keys
}

fn press(key: KeyEvent) -> Option<Press> {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    Some(match key.code {
        KeyCode::Char('c') if control => Press::Interrupt,
        KeyCode::Char(_) if control || key.modifiers.contains(KeyModifiers::ALT) => return None,
        KeyCode::Char(letter) => Press::Letter(letter),
        KeyCode::Up => Press::Up,
        KeyCode::Down => Press::Down,
        KeyCode::Left => Press::Left,
        KeyCode::Right => Press::Right,
        KeyCode::PageUp => Press::PageUp,
        KeyCode::PageDown => Press::PageDown,
        KeyCode::Home => Press::First,
        KeyCode::End => Press::Last,
        KeyCode::Enter => Press::Enter,
        KeyCode::Esc => Press::Escape,
        KeyCode::Backspace => Press::Erase,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_with_what_is_held_down() {
        let read = |code, held| press(KeyEvent::new(code, held));
        assert_eq!(read(KeyCode::Char('c'), KeyModifiers::CONTROL), Some(Press::Interrupt));
        assert_eq!(read(KeyCode::Char('c'), KeyModifiers::NONE), Some(Press::Letter('c')));
        assert_eq!(read(KeyCode::Char('q'), KeyModifiers::CONTROL), None);
        assert_eq!(read(KeyCode::Char('G'), KeyModifiers::SHIFT), Some(Press::Letter('G')));
        assert_eq!(read(KeyCode::Enter, KeyModifiers::NONE), Some(Press::Enter));
        assert_eq!(read(KeyCode::F(1), KeyModifiers::NONE), None);
    }
}

//! A program that panics while it draws on the terminal that `kubectl twp top` takes. `tests/top/top.py` looks at the terminal then.

use taskworkerpool::cli::top::Screen;

fn main() -> std::io::Result<()> {
    let mut screen = Screen::take()?;
    screen.draw(|buffer| assert!(buffer.area.width == 0, "planted"))
}

//! Colours and weights. None of them carries a meaning alone: the word for it stands there, and so does a mark before what is selected.
#![deny(clippy::disallowed_methods)]

use ratatui::style::{Color, Modifier, Style};

use crate::view::{State, types::PodState};

/// How things look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// Whether there are colours: not where `NO_COLOR` is set.
    pub colours: bool,
}

impl Look {
    fn colour(self, colour: Color) -> Style {
        match self.colours {
            true => Style::new().fg(colour),
            false => Style::new(),
        }
    }

    pub(super) fn state(self, state: State) -> Style {
        match state {
            State::Broken | State::Degraded => self.colour(Color::Red).add_modifier(Modifier::BOLD),
            State::Late => self.colour(Color::Yellow).add_modifier(Modifier::BOLD),
            State::Unknown | State::Limited => self.colour(Color::Yellow),
            State::Scaling => self.colour(Color::Cyan),
            State::Working => self.colour(Color::Green),
            State::Idle | State::Suspended => self.faint(),
        }
    }

    pub(super) fn pod(self, state: PodState) -> Style {
        match state {
            PodState::Silent => self.colour(Color::Red).add_modifier(Modifier::BOLD),
            PodState::Draining => self.colour(Color::Yellow),
            PodState::Busy | PodState::Reserved => self.colour(Color::Green),
            PodState::Starting => self.colour(Color::Cyan),
            PodState::Idle => self.faint(),
        }
    }

    /// What is not true any more, or not all of it.
    pub(super) fn notice(self) -> Style {
        self.colour(Color::Yellow).add_modifier(Modifier::BOLD)
    }

    pub(super) fn bars(self) -> Style {
        self.colour(Color::Cyan)
    }

    pub(super) fn title(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    pub(super) fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    pub(super) fn faint(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }
}

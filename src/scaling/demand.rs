//! The backlog rule.

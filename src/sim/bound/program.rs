//! Linear program with columns that are not negative, built row by row.
#![deny(clippy::disallowed_methods)]

use clarabel::{
    algebra::CscMatrix,
    solver::{DefaultSettings, DefaultSolver, IPSolver, SolverStatus, SupportedConeT},
};

/// Reason why there is no bound.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BoundError {
    /// A time, or the exempt share, is negative, endless or no number.
    #[error("a time or share is negative, endless or no number")]
    Number,
    /// The workers have no slots.
    #[error("a worker without slots does no work")]
    Slots,
    /// The solver gave up; the text is its own.
    #[error("the linear program was not solved: {0}")]
    Unsolved(String),
}

/// Linear program that minimises its columns' cost; every row requires that a sum is not negative.
#[derive(Default)]
pub(super) struct Program {
    costs: Vec<f64>,
    constants: Vec<f64>,
    rows: Vec<usize>,
    columns: Vec<usize>,
    values: Vec<f64>,
}

impl Program {
    /// Adds a column with this cost.
    pub(super) fn column(&mut self, cost: f64) -> usize {
        let column = self.costs.len();
        self.costs.push(cost);
        self.not_negative(0.0, &[(Some(column), 1.0)]);
        column
    }

    /// Adds a row: constant + Σ factor·column ≥ 0. A term without a column is 0: fixed there, or before the start.
    pub(super) fn not_negative(&mut self, constant: f64, terms: &[(Option<usize>, f64)]) {
        for (column, factor) in terms {
            if let Some(column) = column {
                self.rows.push(self.constants.len());
                self.columns.push(*column);
                // The solver's rows read A·x + s = b, s ≥ 0.
                self.values.push(-factor);
            }
        }
        self.constants.push(constant);
    }

    /// Adds rows for a cumulative column: no less than the one before, and at most `step` more.
    pub(super) fn cap(&mut self, column: usize, step: f64, before: Option<usize>) {
        if before.is_some() {
            self.not_negative(0.0, &[(Some(column), 1.0), (before, -1.0)]);
        }
        self.not_negative(step, &[(Some(column), -1.0), (before, 1.0)]);
    }

    /// Smallest cost, from below: the dual's value bounds it also where the solver stops a little early.
    pub(super) fn solve(self) -> Result<f64, BoundError> {
        let (rows, columns) = (self.constants.len(), self.costs.len());
        let matrix = CscMatrix::new_from_triplets(rows, columns, self.rows, self.columns, self.values);
        let settings = DefaultSettings {
            verbose: false,
            ..DefaultSettings::default()
        };
        let cones = [SupportedConeT::NonnegativeConeT(rows)];
        let none = CscMatrix::zeros((columns, columns));
        let mut solver = DefaultSolver::new(&none, &self.costs, &matrix, &self.constants, &cones, settings)
            .map_err(|error| BoundError::Unsolved(error.to_string()))?;
        solver.solve();
        let solution = &solver.solution;
        match solution.status {
            SolverStatus::Solved => Ok(solution.obj_val.min(solution.obj_val_dual)),
            status => Err(BoundError::Unsolved(status.to_string())),
        }
    }
}

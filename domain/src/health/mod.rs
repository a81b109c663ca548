//! Health: what is measured, what counts as healthy, and what follows when it is not.
//!
//! Everything here is pure: samples come in, a verdict comes out. Who reads the samples is no concern of this module.
//! Whoever watches a deployment asks [`reads`] which series are needed now, reads them, and hands them to [`evaluate`];
//! the [`Evaluation`] says what follows and why, and is stored. [`replay()`] and [`compare()`] do the same over recordings.

mod between;
mod check;
mod compare;
mod definition;
mod evaluate;
mod evaluation;
mod limits;
pub mod mann_whitney;
mod metric;
mod number;
mod placeholder;
mod read;
mod replay;
mod samples;
mod standard;
#[cfg(test)]
mod tests;
mod words;

pub use between::{Between, SLOWER, turned, values_between};
pub use check::{Fault, Member};
pub use compare::{Compared, Side, Tally, compare};
pub use definition::{
    Action, Against, Answer, Baseline, Condition, Direction, During, HOLD_SECONDS, HealthDefinition, Hold,
    INTERVAL_SECONDS, LATE_SECONDS, Limit, MannWhitney, Margin, Missing, Rule, SETTLE_SECONDS,
};
pub use evaluate::evaluate;
pub use evaluation::{Comparison, Evaluation, Judged, Outcome, RuleEvaluation, Verdict};
pub use metric::{Point, Query, Samples, Series, Stat, Unread};
pub use number::Number;
pub use placeholder::{PLACEHOLDERS, Unfilled, Values};
pub use read::{Course, Measured, Read, Readings, Which, reads};
pub use replay::{Act, Ending, Happened, Mark, Recorded, Recording, Replay, replay};
pub use standard::{STANDARD, standard};

//! The AWS half of the sandbox, over its wire protocol, as a client sees it.

#[cfg(test)]
mod account;
#[cfg(test)]
mod cloudwatch;
#[cfg(test)]
mod control;
#[cfg(test)]
mod deployments;
#[cfg(test)]
mod endings;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod operations;

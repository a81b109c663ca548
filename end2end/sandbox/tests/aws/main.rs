//! The AWS half of the sandbox, over its wire protocol, as a client sees it.

#[cfg(test)]
mod account;
#[cfg(test)]
mod api_gateway;
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
mod fleet;
#[cfg(test)]
mod lambda;
#[cfg(test)]
mod lambda_deployments;
#[cfg(test)]
mod load_balancing;
#[cfg(test)]
mod operations;
#[cfg(test)]
mod rest;
#[cfg(test)]
mod rolling;
#[cfg(test)]
mod service_deployments;
#[cfg(test)]
mod task_sets;

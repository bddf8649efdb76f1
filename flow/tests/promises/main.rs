//! What `flow` promises: orders of convergence, known answers, values of independent software, and the manners of
//! the loop. Everything iterates over the registries, so that nothing registered escapes.

mod common;
mod convergence;
mod integrate;
mod known_answers;
mod oracle;

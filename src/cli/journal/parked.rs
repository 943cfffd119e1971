//! x
use super::Outcome;
use clap::Subcommand;
#[derive(Debug, Subcommand)]
pub(super) enum Parked {
    List,
}
pub(super) fn main(_p: &Parked) -> Outcome<u8> {
    Ok(0)
}

//! The command line of `cometail`.

fn main() {}

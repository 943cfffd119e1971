//! How much the built emulator bears: 10,000 clients that wait, and one that cannot get enough.
//!
//! Constraints: the clients share no code with the emulator or with cometail's own client; memory is what the kernel
//! says of the process, which has one thread; every event is accounted for. Linux only (`/proc`), and the hard limit of
//! open files has to be 10,064 at least.
//!
//! Format: `cargo bench --bench emulator`. It prints the figures, and ends with 1 when a bar is missed, with
//! 2 when it is called with anything.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench reports to the person who runs it, and stops where something is wrong"
)]

#[path = "../tests/emulator_scale/client.rs"]
mod client;
#[path = "../tests/emulator_scale/emulator.rs"]
mod emulator;
#[path = "../tests/emulator_scale/load.rs"]
mod load;

use std::process::ExitCode;

use load::BYTES_PER_CLIENT;

const CLIENTS: u64 = 10_000;
/// Events a second to one subscriber.
const RATE: f64 = 100_000.0;
/// How many calls publish how many events each.
const STREAMS: [(u64, u32); 3] = [(1, 250_000), (10, 100_000), (1_000, 1_000)];

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    // Cargo adds it to what the person typed.
    if std::env::args().skip(1).any(|text| text != "--bench") {
        eprintln!("usage: emulator");
        return ExitCode::from(2);
    }
    let crowd = load::crowd(CLIENTS).await;
    println!("{crowd}");
    let mut held = crowd.peak <= CLIENTS * BYTES_PER_CLIENT;
    for (calls, count) in STREAMS {
        let stream = load::stream(calls, count).await;
        println!("{count} events a call: {stream}");
        held &= stream.rate() >= RATE;
    }
    println!("{}", if held { "every bar held" } else { "A BAR WAS MISSED" });
    if held { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

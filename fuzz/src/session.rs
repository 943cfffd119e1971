//! A session with a hostile server. The input is a tape of steps, so that a finding can be read and a seed written:
//! one letter a step (see [`run::Run::step`]), bytes after it where the step needs some. The first byte chooses the
//! configuration. Any byte is a step; a tape that ends in the middle of one is read on as zeros.
//!
//! After every step:
//! - the exchange or the time that the state waits for is there, and the time is near;
//! - every request is a JSON array within the limit, `/meta/connect` alone in its own, no second poll beside one;
//! - handshakes keep their budget; a session ends only where it was asked to or may.
//!
//! At the end the server means well, and the session must be live, with every channel, once its longest wait is over.

mod heal;
mod run;
mod server;
mod tape;

/// Plays the tape.
pub fn check(input: &[u8]) {
    let (tape, config) = tape::Tape::new(input);
    let mut run = run::Run::new(tape, config);
    run.play();
    run.heal();
}

//! The built binary from end to end: real processes, sockets, files and signals.
//!
//! The server is the emulator, in a process of its own, or a few lines of TCP where a test wants something no
//! server should do. Every wait is for a condition, with a deadline; every test has a directory and ports of its
//! own, and its processes end with it.

#![cfg(unix)]
#![cfg(test)]

mod bad_config;
mod bad_input;
mod batches;
mod damage;
mod demo;
mod ends;
mod journal;
mod journal_commands;
mod journal_read_only;
mod live_channels;
mod missing;
mod parked_commands;
mod progress;
mod replays;
mod resume;
mod rotate;
mod run;
mod scale;
mod session;
mod status;
mod stop;
mod support;
mod tail;
mod tail_secrets;
mod webhook;
mod websocket;

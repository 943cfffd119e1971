//! The emulator under many clients and under many events.
//!
//! It runs the built binary, and reads what the kernel says of its memory. `cargo bench --bench emulator` does the same
//! with 10,000 clients and holds bars of speed, which mean something on a quiet machine only; here a machine may be
//! busy and the binary a debug one, and only the memory, and that every event comes once and in order, is held.
#![cfg(target_os = "linux")]
#![cfg(test)]

mod client;
mod emulator;
mod load;

use load::BYTES_PER_CLIENT;

#[tokio::test]
async fn two_thousand_idle_clients_cost_their_share_of_512_mib_and_each_gets_an_event_once() {
    let crowd = load::crowd(2_000).await;
    println!("{crowd}");
    let each = crowd.each();
    assert!(each <= BYTES_PER_CLIENT, "{each} bytes for each client, {BYTES_PER_CLIENT} are wanted");
}

#[tokio::test]
async fn one_subscriber_gets_all_of_many_events_once_and_in_order() {
    println!("published at once: {}", load::stream(1, 40_000).await);
    println!("published while it reads: {}", load::stream(40, 1_000).await);
}

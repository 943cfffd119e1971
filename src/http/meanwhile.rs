//! What goes on beside a wait, such as a line for who waits.
//!
//! Constraints: it begins with the wait and is dropped at its end, before anything else happens; it never ends the wait.

use std::convert::Infallible;
use std::pin::Pin;

/// Begins what goes on beside one wait.
pub type Meanwhile = fn() -> Pin<Box<dyn Future<Output = Infallible> + Send>>;

/// Waits for `work`, with what goes on beside it.
pub async fn beside<T>(meanwhile: Option<Meanwhile>, work: impl Future<Output = T>) -> T {
    let Some(begin) = meanwhile else { return work.await };
    tokio::select! {
        biased;
        done = work => done,
        never = begin() => match never {},
    }
}

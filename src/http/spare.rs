//! The memory of large bodies, used again for the next ones.
//!
//! * Memory of that size goes back to the system when it is freed, and costs a page fault for every 4 KiB when it is
//!   asked for anew: about as much as finding the events in it.
//! * Bounded: what is kept are 8 MiB in all at most, for every connection of the process together. Bodies below 64 KiB
//!   and beyond 1 MiB are left to the allocator.
//!
//! Operations: [`buffer`] gives memory, [`body`] makes a body of it, which comes back here when the body is dropped.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// The bodies that are kept, by their capacity in bytes.
const LEAST: usize = 64 << 10;
const MOST: usize = 1 << 20;
/// The capacities of all that is kept together, in bytes.
const KEPT_MAX: usize = 8 << 20;

static KEPT: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// Nothing under this lock leaves it half changed, so a poisoned lock is as good as another.
fn kept() -> MutexGuard<'static, Vec<Vec<u8>>> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An empty buffer with room for `length` bytes.
pub(super) fn buffer(length: usize) -> Vec<u8> {
    if !(LEAST..=MOST).contains(&length) {
        return Vec::with_capacity(length);
    }
    let mut kept = kept();
    let fit = kept.iter().rposition(|buffer| buffer.capacity() >= length).map(|at| kept.swap_remove(at));
    drop(kept);
    // A power of two, so that it fits bodies of about the same length as well.
    fit.unwrap_or_else(|| Vec::with_capacity(length.next_power_of_two()))
}

/// The bytes as a body.
pub(super) fn body(bytes: Vec<u8>) -> Bytes {
    if (LEAST..=MOST).contains(&bytes.capacity()) { Bytes::from_owner(Lent(bytes)) } else { bytes.into() }
}

/// A buffer that comes back.
struct Lent(Vec<u8>);

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut buffer = std::mem::take(&mut self.0);
        buffer.clear();
        let mut kept = kept();
        let all = kept.iter().map(Vec::capacity).sum::<usize>() + buffer.capacity();
        let smaller = kept.iter().position(|other| other.capacity() < buffer.capacity());
        // Whatever gives way is freed after the lock.
        let _freed = match smaller {
            _ if all <= KEPT_MAX => {
                kept.push(buffer);
                None
            }
            Some(at) => kept.get_mut(at).map(|other| std::mem::replace(other, buffer)),
            None => Some(buffer),
        };
        drop(kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded_and_used_again() {
        let bodies: Vec<_> = (0..40).map(|_| body(buffer(300 << 10))).collect();
        drop(bodies);
        assert!(kept().iter().map(Vec::capacity).sum::<usize>() <= KEPT_MAX);
        let mut again = buffer(200 << 10);
        assert!(again.is_empty() && again.capacity() >= 200 << 10);
        again.extend_from_slice(b"[]");
        assert_eq!(body(again), "[]");
        assert_eq!(buffer(10).capacity(), 10);
    }
}

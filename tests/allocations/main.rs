//! What the way of events from a server's response to a file allocates, counted by the allocator.
//!
//! The daemon runs in this process, on a runtime of its own, against a server of loopback. What it allocates for a
//! response is bounded, and does not grow with the events in it: buffers that hold a response's bytes or its places
//! are made once for each response, or grow by doubling, never once for each event.
#![cfg(test)]
#![expect(unsafe_code, reason = "a global allocator has unsafe methods; this one hands everything on")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use cometail::config;
use cometail::daemon::{self, Options};
use tokio::sync::oneshot;

#[path = "../../benches/instructions/server.rs"]
mod server;

use server::{EVENT_LEN, Server};

/// Responses before those that count.
const WARM: usize = 40;
/// Responses that count.
const COUNTED: usize = 100;
/// The longest that one run may take.
const LIMIT: Duration = Duration::from_secs(120);

/// The most allocations for a response of ten events, those of the threads that write included.
const PER_RESPONSE: usize = 60;
/// The most allocations for an event, in hundredths: what buffers that double need for more events, and what the status
/// of each second needs where the machine is slow.
const HUNDREDTHS_PER_EVENT: usize = 5;

static COUNT: AtomicUsize = AtomicUsize::new(0);
/// One run at a time: the count is the process's.
static ALONE: Mutex<()> = Mutex::new(());

thread_local! {
    static UNCOUNTED: Cell<bool> = const { Cell::new(false) };
}

struct Counting;

impl Counting {
    fn note() {
        if !UNCOUNTED.get() {
            COUNT.fetch_add(1, Ordering::Relaxed);
        }
    }
}

// SAFETY: every call goes on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::note();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Self::note();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        Self::note();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The server and the test itself are not what is measured.
fn uncounted() {
    UNCOUNTED.set(true);
}

fn wait_for_lines(path: &Path, lines: usize) {
    let (wanted, begun) = ((lines * (EVENT_LEN + 1)) as u64, Instant::now());
    while fs::metadata(path).map_or(0, |found| found.len()) < wanted {
        assert!(begun.elapsed() < LIMIT, "{lines} lines are not in the file after {LIMIT:?}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// The allocations for [`COUNTED`] responses of `events` events, with a state directory (and so a journal) or without.
fn allocations(events: usize, journal: bool) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("out.jsonl");
    let server = Server::start(events, uncounted).unwrap();
    let state = folder.path().join("state");
    let state =
        if journal { format!("dir = '{}'", state.display()) } else { String::from("persist = false") };
    let text =
        format!("[state]\n{state}\n{}[sink.out.file]\npath = '{}'\n", server.connection(), file.display());
    let config = config::parse("test", &text).unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let running = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let daemon = daemon::start(config, Options::default()).unwrap();
            tokio::select! {
                ending = daemon.run() => panic!("it ended by itself: {ending:?}"),
                _ = stopped => {}
            }
        });
    });
    server.allow(WARM);
    wait_for_lines(&file, WARM * events);
    let before = COUNT.load(Ordering::Relaxed);
    server.allow(COUNTED);
    wait_for_lines(&file, (WARM + COUNTED) * events);
    let counted = COUNT.load(Ordering::Relaxed) - before;
    stop.send(()).unwrap();
    running.join().unwrap();
    counted
}

fn hold_bounds(journal: bool) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    uncounted();
    let (few, many) = (allocations(10, journal), allocations(1_000, journal));
    println!("{COUNTED} responses of 10 events: {few} allocations, of 1,000: {many}");
    assert!(few > COUNTED, "nothing was counted");
    assert!(few <= PER_RESPONSE * COUNTED, "{few} allocations for {COUNTED} responses of ten events");
    let more = many.saturating_sub(few);
    assert!(
        more * 100 <= HUNDREDTHS_PER_EVENT * COUNTED * 990,
        "{more} allocations for {} events more in as many responses",
        COUNTED * 990
    );
}

#[test]
fn without_a_journal_no_event_costs_an_allocation() {
    hold_bounds(false);
}

#[test]
fn with_a_journal_no_event_costs_an_allocation() {
    hold_bounds(true);
}

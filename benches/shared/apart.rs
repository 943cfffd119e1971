//! A processor for one party of a bench, the others for the rest.
//!
//! Two that share a processor in one run and not in the next are as far apart in their figures as two programs. And whoever
//! looks for lines without a pause beside the program that writes them sees them only once all that runs there has
//! nothing left to do. Where there is one processor alone, all share it.

use rustix::io;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The processors of this thread as it was made, divided. Dropped, the thread has all of them again.
pub(crate) struct Apart {
    all: CpuSet,
    last: CpuSet,
    others: CpuSet,
}

impl Apart {
    pub(crate) fn new() -> io::Result<Self> {
        let all = sched_getaffinity(None)?;
        let (mut last, mut others) = (all, all);
        let highest = (0..CpuSet::MAX_CPU).rev().find(|processor| all.is_set(*processor));
        if let (Some(highest), 2..) = (highest, all.count()) {
            last.clear();
            last.set(highest);
            others.unset(highest);
        }
        Ok(Self { all, last, others })
    }

    /// Moves this thread to the last processor; the threads and processes that it starts from now on stay there too.
    pub(crate) fn to_last(&self) -> io::Result<()> {
        sched_setaffinity(None, &self.last)
    }

    /// Moves this thread, and those to come, to the others.
    pub(crate) fn to_others(&self) -> io::Result<()> {
        sched_setaffinity(None, &self.others)
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        // It was allowed before.
        let _ = sched_setaffinity(None, &self.all);
    }
}

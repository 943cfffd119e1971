//! What was sampled in a soak, second by second, and whether it grew.

/// What the kernel says of the process at one moment.
#[derive(Clone, Copy)]
pub(crate) struct Sample {
    /// Seconds since the start.
    pub(crate) second: u64,
    /// KiB.
    pub(crate) resident: u32,
    pub(crate) threads: u32,
    pub(crate) open_files: u32,
    /// Bytes of the state directory.
    pub(crate) state: u64,
    /// Events checked so far in the file, and by the webhook's receiver.
    pub(crate) in_file: u64,
    pub(crate) by_webhook: u64,
}

/// The first line of a table of samples.
pub(crate) const HEAD: &str = "second,resident_kib,threads,open_files,state_bytes,in_file,by_webhook";

impl Sample {
    /// Its line.
    pub(crate) fn line(&self) -> String {
        let Self { second, resident, threads, open_files, state, in_file, by_webhook } = self;
        format!("{second},{resident},{threads},{open_files},{state},{in_file},{by_webhook}")
    }
}

/// How much more memory the last third may have than the second, on average.
const FLAT: f64 = 1.1;
/// The samples of the start, while things come up, count for nothing.
const SETTLED: u64 = 10;

/// The text of the figures, and whether every bar was held.
pub(crate) fn judge(samples: &[Sample]) -> (String, bool) {
    let settled: Vec<_> = samples.iter().copied().filter(|one| one.second >= SETTLED).collect();
    let mut thirds = settled.chunks(settled.len().div_ceil(3).max(1));
    let [Some(first), Some(second), Some(last)] = [thirds.next(), thirds.next(), thirds.next()] else {
        return ("too few samples".to_owned(), false);
    };
    let mut text = "| third | mean RSS KiB | most | threads, median | most | open files, median | most | state MiB, most |\n|---|---|---|---|---|---|---|---|\n".to_owned();
    for (name, third) in [("first", first), ("second", second), ("last", last)] {
        let most = |of: fn(&Sample) -> u32| third.iter().map(of).max().unwrap_or_default();
        let state = third.iter().map(|one| one.state).max().unwrap_or_default() >> 20;
        let (threads, files) = (median(third, |one| one.threads), median(third, |one| one.open_files));
        let (mean, peak) = (mean(third), most(|one| one.resident));
        let (most_threads, most_files) = (most(|one| one.threads), most(|one| one.open_files));
        let line = format!(
            "| {name} | {mean:.0} | {peak} | {threads} | {most_threads} | {files} | {most_files} | {state} |"
        );
        text += &(line + "\n");
    }
    let ratio = mean(last) / mean(second);
    let same = |of: fn(&Sample) -> u32| median(last, of) == median(second, of);
    let (threads, files) = (same(|one| one.threads), same(|one| one.open_files));
    let word = |good: bool| if good { "held" } else { "MISSED" };
    let bars = format!(
        "{}: RSS of the last third {ratio:.3} of the second's, at most {FLAT}\n{}: as many threads\n{}: as many open files",
        word(ratio <= FLAT),
        word(threads),
        word(files)
    );
    (text + &bars, ratio <= FLAT && threads && files)
}

fn mean(samples: &[Sample]) -> f64 {
    let sum: f64 = samples.iter().map(|one| f64::from(one.resident)).sum();
    sum / f64::from(u32::try_from(samples.len()).unwrap_or(u32::MAX).max(1))
}

fn median(samples: &[Sample], of: fn(&Sample) -> u32) -> u32 {
    let mut values: Vec<u32> = samples.iter().map(of).collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

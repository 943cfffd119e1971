//! Records as POST requests to an HTTP endpoint, with the headers of the Standard Webhooks specification.
//!
//! * 2xx: delivered. A network error, a missed deadline, 408, 425, 429 and 5xx: tried again, for ever or for a given
//!   time, not before `Retry-After` (at most one hour). Every other status, and a redirect to another origin: refused
//!   for good.
//! * The status decides, once it is there: nothing in or about the body of an answer makes it less true.
//! * A request has one record, or by option several as a JSON array, for which events may wait a given time. One of several that is refused for good, or not
//!   delivered in its time, is repeated record by record, once, so that only the guilty ones are refused.
//! * Requests go one after another, in order. By option, several lanes run at once, at most [`CONCURRENCY_MAX`]: events
//!   that must not overtake each other share a lane, and a lane has one request under way. What is loaded together is done
//!   together; the lanes are shared out anew for each load, whose events and bytes are bounded, and so are their keys.
//! * At least once: an answer that got lost means another attempt, with the same `webhook-id`: the event's stable id,
//!   or one made of those of a batch. `webhook-timestamp` and `webhook-signature` are those of the attempt.
//! * The values of configured headers and the keys are secrets; the former never leave but for the endpoint, the
//!   latter never at all.

mod endpoint;
mod lane;
mod letter;
mod order;
mod sign;
mod verdict;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use url::Url;

use super::format::Format;
use super::queue::Run;
use super::target::{Failure, Refused, Unfit};
use crate::event::Event;
use crate::secret::Secret;
use crate::{http, retry};
use endpoint::{Endpoint, unfit};
use lane::{Lane, Progress};
pub use letter::Batch;
use order::Keys;
pub use order::Ordering;
pub use sign::{Key, KeyError};
use verdict::Again;

/// Where records are posted and how long that may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The endpoint, `http` or `https`.
    pub url: Url,
    /// Additional headers, by name.
    pub headers: Vec<(String, Secret<String>)>,
    /// What signs the requests; without keys there are no signatures.
    pub keys: Vec<Key>,
    /// How much goes into one request.
    pub batch: Batch,
    /// How long an event waits for its request to be full.
    pub batch_wait: Duration,
    /// What keeps its order where `concurrency` is more than one.
    pub ordering: Ordering,
    /// The most requests at once; from 1 to [`CONCURRENCY_MAX`].
    pub concurrency: usize,
    /// The deadline of one attempt.
    pub timeout: Duration,
    /// The waits between attempts.
    pub retry: retry::Config,
    /// How long an event is tried, from its first attempt in this process on, before it counts as refused; `None` for
    /// ever.
    pub retry_for: Option<Duration>,
    /// How the endpoint is reached.
    pub http: http::Config,
    /// Where events that the endpoint refuses for good are put aside, one JSON line each with the reason.
    pub parked: Option<PathBuf>,
    /// The size of that file, in bytes, from which on the sink waits until there is room in it.
    pub parked_max: u64,
}

/// The size of a file of parked events unless another is given: 1 GiB.
pub const PARKED_MAX: u64 = 1 << 30;

/// The most requests at once.
pub const CONCURRENCY_MAX: usize = 64;
/// The requests loaded for each of several lanes, so that few of them stand idle until the others are done.
const DEPTH: usize = 8;

/// The sink of one endpoint.
pub(super) struct Sink {
    endpoint: Endpoint,
    format: Format,
    ordering: Ordering,
    batch_wait: Duration,
    lanes: Vec<Lane>,
    /// What is loaded at once, and is loaded now.
    room: Load,
    loaded: Load,
    keys: Keys,
    /// What the last round left to say.
    said: Said,
}

/// What lanes came to.
#[derive(Default)]
struct Said {
    delivered: usize,
    refused: VecDeque<Refused>,
    again: Option<Again>,
}

impl Said {
    /// What one lane came to; of several waits, the longest counts.
    fn add(&mut self, progress: Progress) {
        self.delivered += progress.delivered;
        self.refused.extend(progress.refused);
        let Some(next) = progress.again else { return };
        let after = next.after.max(self.again.take().and_then(|again| again.after));
        self.again = Some(Again { after, ..next });
    }
}

#[derive(Clone, Copy, Default)]
struct Load {
    events: usize,
    bytes: usize,
}

impl Sink {
    /// Checks the URL, the headers and the transport's settings; the endpoint is not asked.
    pub(super) fn open(config: &Config, format: Format) -> Result<Self, Unfit> {
        let endpoint = Endpoint::new(config, format)?;
        let client = http::Client::new(&config.http)
            .map_err(|error| unfit(&config.url, error.to_string(), "correct the transport's settings"))?;
        let lanes = config.concurrency.clamp(1, CONCURRENCY_MAX);
        Ok(Self {
            endpoint,
            format,
            ordering: config.ordering,
            batch_wait: config.batch_wait,
            lanes: (0..lanes).map(|_| Lane::new(client.lane())).collect(),
            room: room(config.batch, lanes),
            loaded: Load::default(),
            keys: Keys::default(),
            said: Said::default(),
        })
    }

    /// What a request holds and how long it waits to be full, where it does.
    pub(super) fn gathers(&self) -> Option<(Batch, Duration)> {
        (!self.batch_wait.is_zero()).then_some((self.endpoint.batch, self.batch_wait))
    }

    /// Takes as many events from the front of `run` as there is room for: how many.
    pub(super) fn load(&mut self, run: &Run) -> usize {
        let mut taken = 0;
        for event in run.events.clone().map_while(|index| run.lease.batch().get(index)) {
            if self.loaded.events >= self.room.events || self.loaded.bytes >= self.room.bytes {
                break;
            }
            self.take(&event);
            taken += 1;
        }
        taken
    }

    fn take(&mut self, event: &Event<'_>) {
        let lane = self.keys.lane(self.ordering, event, self.lanes.iter().map(Lane::len));
        let format = self.format;
        self.push(lane, event.id(), |body| format.append(event, body));
    }

    /// Takes a record that was formed before, whether or not there is room.
    pub(super) fn load_record(&mut self, id: String, record: &[u8]) {
        self.push(0, id, |body| body.extend_from_slice(record));
    }

    fn push(&mut self, lane: usize, id: String, form: impl FnOnce(&mut Vec<u8>)) {
        let lane = self.lanes.get_mut(lane).expect("a lane's number is below their count");
        self.loaded.events += 1;
        self.loaded.bytes += lane.push(self.endpoint.batch, id, form);
    }

    /// Posts everything loaded; after an error, what no error has named is still loaded.
    pub(super) async fn flush(&mut self) -> Result<(), Failure> {
        if self.said.refused.is_empty() && self.said.again.is_none() {
            self.round().await;
        }
        let said = &mut self.said;
        if let Some(refused) = said.refused.pop_front() {
            return Err(Failure::Refused(refused));
        }
        if said.again.is_some() && said.delivered > 0 {
            return Err(Failure::Partly(std::mem::take(&mut said.delivered)));
        }
        if let Some(Again { error, after }) = said.again.take() {
            return Err(Failure::Retry { error, after });
        }
        (self.loaded, said.delivered) = (Load::default(), 0);
        self.keys.clear();
        Ok(())
    }

    /// Lets every lane go as far as it comes.
    async fn round(&mut self) {
        let Self { endpoint, lanes, said, .. } = self;
        if let [only] = lanes.as_mut_slice() {
            said.add(only.run(endpoint).await);
            return;
        }
        let busy = lanes.iter_mut().filter(|lane| lane.len() > 0);
        let mut runs: FuturesUnordered<_> = busy.map(|lane| lane.run(endpoint)).collect();
        while let Some(progress) = runs.next().await {
            said.add(progress);
        }
    }
}

/// What is loaded at once: a request for a single lane, several for each of many.
fn room(batch: Batch, lanes: usize) -> Load {
    let depth = if lanes > 1 { DEPTH } else { 1 };
    Load {
        events: batch.events.max(1).saturating_mul(lanes).saturating_mul(depth),
        bytes: batch.bytes.max(1).saturating_mul(lanes),
    }
}

#[cfg(test)]
mod batch_tests;
#[cfg(test)]
mod lane_tests;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wait_tests;

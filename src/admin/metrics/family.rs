//! Families of figures on their way to the encoder.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use crate::sinks::Latency;

/// The labels of one figure.
pub(super) type Labels = Vec<(&'static str, String)>;

/// What a family is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It only grows while the process lives; the encoder adds `_total` to the name.
    Counter,
    Gauge,
    Histogram,
    /// Labels alone; the encoder adds `_info` to the name.
    Info,
}

/// One figure.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Whole(u64),
    Real(f64),
    Latency(Latency),
    /// What has labels alone.
    One,
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Whole(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Whole(u64::from(value))
    }
}

/// Labels of these names and values.
pub(super) fn labels<'a>(pairs: impl IntoIterator<Item = (&'static str, &'a str)>) -> Labels {
    pairs.into_iter().map(|(name, value)| (name, value.to_owned())).collect()
}

/// One figure for each of `names`: 1 for `present`, 0 for the others. What is not among them has one too.
pub(super) fn states<'a>(
    names: &[&'a str],
    present: &'a str,
    labels_of: impl Fn(&'a str) -> Labels,
) -> Vec<(Labels, Value)> {
    let other = (!names.contains(&present)).then_some(present);
    names.iter().copied().chain(other).map(|name| (labels_of(name), Value::from(name == present))).collect()
}

/// A counter of some kind of thing: name, help and where it is found.
pub(super) type Count<T> = (&'static str, &'static str, fn(&T) -> u64);

/// A gauge of it: name, help and how it is found at a time in milliseconds, where there is one.
pub(super) type Gauge<T> = (&'static str, &'static str, fn(&T, u64) -> Option<Value>);

/// All figures of one scrape.
#[derive(Debug, Default)]
pub(super) struct Families(Vec<Family>);

#[derive(Debug)]
struct Family {
    kind: Kind,
    /// With its unit, without what the kind adds.
    name: &'static str,
    help: &'static str,
    samples: Vec<(Labels, Value)>,
}

impl Families {
    /// Adds a family, unless it is empty. A name that ends with `_seconds` or `_bytes` tells its unit.
    pub(super) fn add(
        &mut self,
        kind: Kind,
        name: &'static str,
        help: &'static str,
        samples: impl IntoIterator<Item = (Labels, Value)>,
    ) {
        let samples: Vec<_> = samples.into_iter().collect();
        if !samples.is_empty() {
            self.0.push(Family { kind, name, help, samples });
        }
    }

    /// Adds counters and gauges of all things of one kind, with the labels that name each.
    pub(super) fn add_each<T>(
        &mut self,
        (all, now): (&[T], u64),
        named: fn(&T) -> Labels,
        counts: &[Count<T>],
        gauges: &[Gauge<T>],
    ) {
        for (name, help, count) in counts {
            self.add(Kind::Counter, name, help, all.iter().map(|one| (named(one), count(one).into())));
        }
        for (name, help, gauge) in gauges {
            let known = all.iter().filter_map(|one| Some((named(one), gauge(one, now)?)));
            self.add(Kind::Gauge, name, help, known);
        }
    }
}

impl Collector for Families {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|family| family.encode(&mut encoder))
    }
}

impl Family {
    fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let (name, unit) = match self.name {
            name if name.ends_with("_seconds") => (name.trim_end_matches("_seconds"), Some(Unit::Seconds)),
            name if name.ends_with("_bytes") => (name.trim_end_matches("_bytes"), Some(Unit::Bytes)),
            name => (name, None),
        };
        let kind = match self.kind {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge => MetricType::Gauge,
            Kind::Histogram => MetricType::Histogram,
            Kind::Info => MetricType::Info,
        };
        let mut encoder = encoder.encode_descriptor(name, self.help, unit.as_ref(), kind)?;
        self.samples.iter().try_for_each(|(labels, value)| match labels.as_slice() {
            labels if self.kind == Kind::Info => encoder.encode_info(&labels),
            [] => value.encode(self.kind, &mut encoder),
            labels => value.encode(self.kind, &mut encoder.encode_family(&labels)?),
        })
    }
}

impl Value {
    fn encode(&self, kind: Kind, encoder: &mut MetricEncoder<'_>) -> fmt::Result {
        match (self, kind) {
            (Self::Whole(value), Kind::Counter) => encoder.encode_counter::<NoLabelSet, _, f64>(value, None),
            (Self::Real(value), Kind::Counter) => encoder.encode_counter::<NoLabelSet, _, f64>(value, None),
            (Self::Whole(value), _) => encoder.encode_gauge(value),
            (Self::Real(value), _) => encoder.encode_gauge(value),
            (Self::Latency(latency), _) => encode_latency(latency, encoder),
            (Self::One, _) => Ok(()),
        }
    }
}

fn encode_latency(latency: &Latency, encoder: &mut MetricEncoder<'_>) -> fmt::Result {
    let bounds = latency.bounds_us.iter().map(|bound| seconds(*bound)).chain([f64::INFINITY]);
    let buckets: Vec<_> = bounds.zip(latency.counts.iter().copied()).collect();
    let count = latency.counts.iter().sum();
    encoder.encode_histogram::<NoLabelSet>(seconds(latency.sum_us), count, &buckets, None)
}

fn seconds(micros: u64) -> f64 {
    std::time::Duration::from_micros(micros).as_secs_f64()
}

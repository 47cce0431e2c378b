//! The text that Prometheus reads.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry as Exposed;

use super::family::{FAMILIES, Family, Kind};
use super::histogram::Histogram;

/// OpenMetrics 1.0, which Prometheus reads.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All samples of one scrape.
#[derive(Debug, Default)]
pub(crate) struct Exposition(Vec<Sample>);

#[derive(Debug)]
struct Sample {
    name: &'static str,
    /// The value of its label, if it has one.
    label: Option<String>,
    value: Value,
}

#[derive(Debug)]
enum Value {
    Counter(u64),
    Gauge(f64),
    Histogram(f64, u64, Vec<(f64, u64)>),
}

impl Exposition {
    pub(crate) fn counter(&mut self, name: &'static str, label: Option<&str>, value: u64) {
        self.add(name, label, Value::Counter(value));
    }

    pub(crate) fn gauge(&mut self, name: &'static str, label: Option<&str>, value: f64) {
        self.add(name, label, Value::Gauge(value));
    }

    pub(crate) fn histogram(&mut self, name: &'static str, label: Option<&str>, histogram: &Histogram) {
        let (sum, count, buckets) = histogram.read();
        self.add(name, label, Value::Histogram(sum, count, buckets));
    }

    fn add(&mut self, name: &'static str, label: Option<&str>, value: Value) {
        self.0.push(Sample { name, label: label.map(str::to_owned), value });
    }

    /// The text.
    pub(crate) fn text(self) -> String {
        let (mut exposed, mut text) = (Exposed::default(), String::new());
        exposed.register_collector(Box::new(self));
        // A string takes every write.
        let _ = text::encode(&mut text, &exposed);
        text
    }
}

impl Collector for Exposition {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for Family { name, kind, labels, help } in &FAMILIES {
            let kind = match kind {
                Kind::Counter => MetricType::Counter,
                Kind::Gauge => MetricType::Gauge,
                Kind::Histogram => MetricType::Histogram,
            };
            let mut metric = encoder.encode_descriptor(name, help, None, kind)?;
            for sample in self.0.iter().filter(|sample| sample.name == *name) {
                let label = labels.first().zip(sample.label.as_deref());
                match label.map(|(key, value)| [(*key, value)]) {
                    None => sample.value.encode(&mut metric)?,
                    Some(label) => sample.value.encode(&mut metric.encode_family(&label)?)?,
                }
            }
        }
        Ok(())
    }
}

impl Value {
    fn encode(&self, encoder: &mut MetricEncoder<'_>) -> Result<(), fmt::Error> {
        match self {
            Self::Counter(value) => encoder.encode_counter::<NoLabelSet, u64, u64>(value, None),
            Self::Gauge(value) => encoder.encode_gauge(value),
            Self::Histogram(sum, count, buckets) => {
                encoder.encode_histogram::<NoLabelSet>(*sum, *count, buckets, None)
            }
        }
    }
}

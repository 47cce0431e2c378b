//! The text that Prometheus reads.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry as Exposed;

use super::family::{FAMILIES, Family, Kind};
use super::histogram::Histogram;

/// How a scrape is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// The text format of Prometheus, 0.0.4: what everything that scrapes can read.
    Text,
    /// OpenMetrics 1.0, for who asks for it.
    OpenMetrics,
}

impl Format {
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// All samples of one scrape.
#[derive(Debug, Default)]
pub(crate) struct Exposition(Vec<Sample>);

#[derive(Debug)]
struct Sample {
    name: &'static str,
    /// The values of its labels, in their order.
    labels: Vec<String>,
    value: Value,
}

#[derive(Debug)]
enum Value {
    Counter(u64),
    Seconds(f64),
    Gauge(f64),
    Histogram(f64, u64, Vec<(f64, u64)>),
}

impl Exposition {
    pub(crate) fn counter(&mut self, name: &'static str, labels: &[&str], value: u64) {
        self.add(name, labels, Value::Counter(value));
    }

    /// A counter of time.
    pub(crate) fn seconds(&mut self, name: &'static str, labels: &[&str], value: f64) {
        self.add(name, labels, Value::Seconds(value));
    }

    pub(crate) fn gauge(&mut self, name: &'static str, labels: &[&str], value: f64) {
        self.add(name, labels, Value::Gauge(value));
    }

    pub(crate) fn histogram(&mut self, name: &'static str, labels: &[&str], histogram: &Histogram) {
        let (sum, count, buckets) = histogram.read();
        self.add(name, labels, Value::Histogram(sum, count, buckets));
    }

    fn add(&mut self, name: &'static str, labels: &[&str], value: Value) {
        self.0.push(Sample { name, labels: labels.iter().map(|label| (*label).to_owned()).collect(), value });
    }

    /// The text.
    pub(crate) fn text(self, format: Format) -> String {
        let (mut exposed, mut text) = (Exposed::default(), String::new());
        exposed.register_collector(Box::new(self));
        // A string takes every write.
        let _ = text::encode(&mut text, &exposed);
        match format {
            Format::Text => plain(&text),
            Format::OpenMetrics => text,
        }
    }
}

/// OpenMetrics as the older format: there a counter's family has the name of its samples, and the end is not told.
fn plain(text: &str) -> String {
    let counters = FAMILIES.iter().filter(|family| family.kind == Kind::Counter);
    let counters: Vec<&str> = counters.map(|family| family.name).collect();
    let mut out = String::with_capacity(text.len());
    for line in text.lines().filter(|line| *line != "# EOF") {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some(keyword), Some(name), Some(rest)) if counters.contains(&name) => {
                out.extend(["# ", keyword, " ", name, "_total ", rest, "\n"]);
            }
            _ => out.extend([line, "\n"]),
        }
    }
    out
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
                debug_assert_eq!(labels.len(), sample.labels.len(), "{name} has other labels");
                let values = sample.labels.iter().map(String::as_str);
                let labels: Vec<(&str, &str)> = labels.iter().copied().zip(values).collect();
                match labels.is_empty() {
                    true => sample.value.encode(&mut metric)?,
                    false => sample.value.encode(&mut metric.encode_family(&labels)?)?,
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
            Self::Seconds(value) => encoder.encode_counter::<NoLabelSet, f64, u64>(value, None),
            Self::Gauge(value) => encoder.encode_gauge(value),
            Self::Histogram(sum, count, buckets) => {
                encoder.encode_histogram::<NoLabelSet>(*sum, *count, buckets, None)
            }
        }
    }
}

//! The text that Prometheus reads.

use std::fmt::{self, Write as _};

use super::family::{FAMILIES, Family, Kind};
use super::histogram::Histogram;

/// How a scrape is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// The text format of Prometheus, 0.0.4, which every scraper reads.
    Text,
    /// OpenMetrics 1.0, for scrapers that ask for it.
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

    /// The text, in that format.
    pub(crate) fn text(&self, format: Format) -> String {
        let mut out = String::with_capacity(16 * 1024);
        for family in &FAMILIES {
            // A string takes every write.
            let _ = self.write_family(&mut out, family, format);
        }
        if format == Format::OpenMetrics {
            out.push_str("# EOF\n");
        }
        out
    }

    fn write_family(&self, out: &mut String, family: &Family, format: Format) -> fmt::Result {
        let Family { name, kind, labels, help } = family;
        // In OpenMetrics the family of a counter lacks the suffix that its samples have.
        let suffix = if *kind == Kind::Counter { "_total" } else { "" };
        let family_suffix = if format == Format::Text { suffix } else { "" };
        writeln!(out, "# HELP {name}{family_suffix} {}", Escaped(help, false))?;
        writeln!(out, "# TYPE {name}{family_suffix} {}", kind.as_str())?;
        for Sample { labels: values, value, .. } in self.0.iter().filter(|sample| sample.name == *name) {
            debug_assert_eq!(labels.len(), values.len(), "{name} has other labels");
            let labels = Labels(labels, values, None);
            match value {
                Value::Counter(value) => writeln!(out, "{name}{suffix}{labels} {value}")?,
                Value::Seconds(value) | Value::Gauge(value) => {
                    writeln!(out, "{name}{suffix}{labels} {}", Number(*value))?;
                }
                Value::Histogram(sum, count, buckets) => {
                    writeln!(out, "{name}_sum{labels} {}", Number(*sum))?;
                    writeln!(out, "{name}_count{labels} {count}")?;
                    let mut total = 0;
                    for (bound, count) in buckets {
                        total += count;
                        writeln!(out, "{name}_bucket{} {total}", Labels(labels.0, values, Some(*bound)))?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// The labels of a sample, with the upper bound of a bucket where it is one.
struct Labels<'l>(&'l [&'static str], &'l [String], Option<f64>);

impl fmt::Display for Labels<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(names, values, bound) = self;
        if names.is_empty() && bound.is_none() {
            return Ok(());
        }
        f.write_char('{')?;
        for (n, (name, value)) in names.iter().zip(*values).enumerate() {
            let comma = if n == 0 { "" } else { "," };
            write!(f, "{comma}{name}=\"{}\"", Escaped(value, true))?;
        }
        if let Some(bound) = bound {
            let comma = if names.is_empty() { "" } else { "," };
            write!(f, "{comma}le=\"{}\"", Number(*bound))?;
        }
        f.write_char('}')
    }
}

/// A text without line ends, for a line of its own; within quotes also without quotes.
struct Escaped<'t>(&'t str, bool);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '\\' => f.write_str("\\\\"),
            '\n' => f.write_str("\\n"),
            '"' if self.1 => f.write_str("\\\""),
            c => f.write_char(c),
        })
    }
}

/// A number as both formats write it: a whole one has a fraction, so that it reads as a float.
struct Number(f64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            f64::INFINITY => f.write_str("+Inf"),
            value => write!(f, "{value:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn lines(format: Format) -> Vec<String> {
        let mut exposition = Exposition::default();
        exposition.gauge("fanfare_build_info", &["a\"b\\c\nd"], 1.0);
        exposition.counter("fanfare_heartbeats", &[], 7);
        exposition.seconds("process_cpu_seconds", &[], 0.25);
        let mut histogram = Histogram::default();
        histogram.observe(Duration::from_micros(20));
        histogram.observe(Duration::from_secs(60));
        exposition.histogram("fanfare_loop_turn_duration_seconds", &["3"], &histogram);
        exposition.text(format).lines().map(str::to_owned).collect()
    }

    #[test]
    fn both_formats_have_the_same_samples() {
        let samples = [
            r#"fanfare_build_info{version="a\"b\\c\nd"} 1.0"#,
            "fanfare_heartbeats_total 7",
            "process_cpu_seconds_total 0.25",
            r#"fanfare_loop_turn_duration_seconds_sum{loop="3"} 60.00002"#,
            r#"fanfare_loop_turn_duration_seconds_count{loop="3"} 2"#,
            r#"fanfare_loop_turn_duration_seconds_bucket{loop="3",le="1e-5"} 0"#,
            r#"fanfare_loop_turn_duration_seconds_bucket{loop="3",le="2.5e-5"} 1"#,
            r#"fanfare_loop_turn_duration_seconds_bucket{loop="3",le="10.0"} 1"#,
            r#"fanfare_loop_turn_duration_seconds_bucket{loop="3",le="+Inf"} 2"#,
        ];
        for format in [Format::Text, Format::OpenMetrics] {
            let lines = lines(format);
            for sample in samples {
                assert!(lines.iter().any(|line| line == sample), "{sample} in {lines:#?}");
            }
        }
    }

    #[test]
    fn a_counter_s_family_has_the_suffix_only_in_the_older_format() {
        let (text, open) = (lines(Format::Text), lines(Format::OpenMetrics));
        assert!(text.contains(&"# TYPE fanfare_heartbeats_total counter".to_owned()));
        assert!(text.contains(&"# HELP fanfare_heartbeats_total Heartbeats sent".to_owned()));
        assert!(open.contains(&"# TYPE fanfare_heartbeats counter".to_owned()));
        assert_eq!((open.last().map(String::as_str), text.last() == open.last()), (Some("# EOF"), false));
    }
}

//! Turns measurements of a step into figures of the round.

use std::time::Duration;

use anyhow::Result;

use super::course::Measured;
use super::stage::Stage;
use crate::buffers;
use crate::clock;
use crate::figure::ratio;
use crate::publish::Published;
use crate::swarm::Tally;

impl Stage<'_> {
    /// Sets the microseconds of CPU per item, if the server's processes are known.
    pub(super) fn set_each(&mut self, key: &str, cpu: Option<Duration>, count: u64) {
        if let Some(cpu) = cpu {
            self.set(key, ratio(cpu.as_secs_f64() * 1e6, count as f64));
        }
    }

    /// Sets the figures of a step that measures deliveries.
    pub(super) fn set_delivery(&mut self, measured: &Measured) -> Result<()> {
        let deliveries = measured.tally.measured;
        self.set_each("delivery_cpu_us", measured.server_cpu, deliveries);
        self.set("deliveries_per_second", ratio(deliveries as f64, measured.seconds));
        self.set_each("client_cpu_us", Some(measured.client_cpu), deliveries);
        self.set("busy", measured.published.busy as f64);
        self.set_latency(&measured.tally)
    }

    pub(super) fn set_latency(&mut self, tally: &Tally) -> Result<()> {
        let times = tally.latency.times()?;
        for (key, quantile) in [("p50_ms", 0.5), ("p90_ms", 0.9), ("p99_ms", 0.99), ("p999_ms", 0.999)] {
            self.set(key, times.millis(quantile));
        }
        self.set("max_ms", times.max_millis());
        self.latency = Some(tally.latency.clone());
        Ok(())
    }

    /// Sets the most bytes in the kernel's send buffer of one stream of the server. Sets nothing if the kernel does not report
    /// them.
    pub(super) fn set_unread(&mut self, key: &str) {
        let senders = buffers::of_senders(self.server.address.port()).unwrap_or_default();
        if let Some(&most) = senders.iter().max() {
            self.set(key, most as f64);
        }
    }

    /// Sets the figures of a step that measures publishing.
    pub(super) fn set_publishing(&mut self, measured: &Measured) {
        let Published { accepted, began, ended, acknowledgement, .. } = &measured.published;
        let seconds = clock::seconds(ended.saturating_sub(*began));
        self.set("publishes_per_second", ratio(*accepted as f64, seconds));
        self.set_each("publish_cpu_us", measured.server_cpu, *accepted);
        self.set("ack_p50_ms", acknowledgement.millis(0.5));
        self.set("ack_p99_ms", acknowledgement.millis(0.99));
    }
}

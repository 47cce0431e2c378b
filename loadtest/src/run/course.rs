//! How a step publishes, and what it takes.

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::access::Access;
use super::stage::Stage;
use crate::clock;
use crate::publish::{Door, Pace, Published, Publisher, Work};
use crate::swarm::Tally;

/// How one step publishes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Course {
    pub(super) pace: Pace,
    pub(super) events: u64,
    pub(super) is_measured: bool,
    pub(super) connections: usize,
    pub(super) batch: usize,
    /// Each request has a connection of its own.
    pub(super) is_single: bool,
    /// The server may take longer to answer by this.
    pub(super) grace: Duration,
}

/// What a step took.
pub(super) struct Measured {
    pub(super) published: Published,
    pub(super) tally: Tally,
    /// From the first event due to the last delivery, or without streams to the last acknowledgement.
    pub(super) seconds: f64,
    pub(super) server_cpu: Option<Duration>,
    pub(super) client_cpu: Duration,
}

impl Course {
    pub(super) fn measured(pace: Pace, events: u64) -> Self {
        let grace = Duration::ZERO;
        Self { pace, events, is_measured: true, connections: 1, batch: 1, is_single: false, grace }
    }

    pub(super) fn warm_up(events: u64) -> Self {
        Self { is_measured: false, ..Self::measured(Pace::InFlight(1), events) }
    }
}

impl Stage<'_> {
    pub(super) fn measure(
        &mut self,
        course: Course,
        wait: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<Measured> {
        let work = self.work(course)?;
        if self.swarm.is_some() {
            self.mark()?;
        }
        let (before, client_before) = (self.cpu()?, self.client_cpu()?);
        let mut published = self.run_publisher(&work)?;
        published.trouble.take().map_or(Ok(()), Err)?;
        wait(self)?;
        let server_cpu = self.cpu_since(before)?;
        let client_cpu = self.client_cpu()?.since(&client_before);
        let tally = if self.swarm.is_some() { self.mark()? } else { Tally::default() };
        let end = if self.swarm.is_some() { tally.last_delivery } else { published.ended };
        let seconds = clock::seconds(end.saturating_sub(published.began));
        Ok(Measured { published, tally, seconds, server_cpu, client_cpu })
    }

    pub(super) fn work(&self, course: Course) -> Result<Work> {
        let Course { pace, events, is_measured, connections, batch, is_single, grace } = course;
        let route = self.route.as_ref().context("nothing can be published to these streams")?;
        let mut headers = match (&self.peer.batch, batch) {
            (_, 1) => self.peer.headers.clone(),
            (Some(batch), _) => batch.headers.clone(),
            (None, _) => anyhow::bail!("the file of {} does not say how to publish a batch", self.peer.name),
        };
        headers.extend(self.access.map(Access::publisher_field));
        let door = Door {
            method: self.peer.method.clone(),
            host: self.server.address.to_string(),
            target: route.publish.clone(),
            headers,
            body: route.body.clone(),
        };
        let payload = self.payload;
        let (events, patience) = (Some(events), self.options.patience + grace);
        let window = 1;
        Ok(Work { door, pace, events, payload, is_measured, connections, is_single, window, batch, patience })
    }

    fn run_publisher(&mut self, work: &Work) -> Result<Published> {
        // Another number of connections, or ones that the server may have closed meanwhile.
        let mut publisher = Publisher::connect(self.server.address, work.connections)?;
        let Some(swarm) = &self.swarm else {
            return publisher.run(work, &mut self.numbers, self.stop, |_| Ok(Some(u64::MAX / 2)));
        };
        let board = swarm.board();
        board.set_waker(Some(publisher.waker()));
        let (mut pulse, mut since) = (board.view(), clock::now());
        let patience = self.options.patience;
        let (watched, reached) = (self.watched, &mut self.reached);
        let published = publisher.run(work, &mut self.numbers, self.stop, |_| {
            board.check()?;
            let view = board.view();
            if view.settled >= watched {
                reached.get_or_insert_with(clock::nanos);
            }
            if view != pulse {
                (pulse, since) = (view, clock::now());
            }
            // What never comes shows as missing.
            let is_lost = matches!(work.pace, Pace::InFlight(_)) && clock::since(since) > patience;
            Ok((!is_lost).then_some(view.settled))
        });
        board.set_waker(None);
        published
    }
}

//! Publishes for one step, and measures it.

use anyhow::{Context as _, Result};

use super::access::Access;
use super::course::{Course, Measured};
use super::stage::Stage;
use crate::clock;
use crate::publish::{Door, Pace, Published, Publisher, Work};
use crate::swarm::Tally;

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
        // The number of connections may differ, and the server may have closed earlier ones.
        let mut publisher = Publisher::connect(self.server.address, work.connections)?;
        let Some(swarm) = &self.swarm else {
            return publisher.run(work, &mut self.numbers, self.stop, |_| Ok(Some(u64::MAX / 2)));
        };
        let progress = swarm.progress();
        progress.set_waker(Some(publisher.waker()));
        let (mut pulse, mut since) = (progress.view(), clock::now());
        let patience = self.options.patience;
        let (watched, reached) = (self.watched, &mut self.reached);
        let published = publisher.run(work, &mut self.numbers, self.stop, |_| {
            progress.check()?;
            let view = progress.view();
            if view.settled >= watched {
                reached.get_or_insert_with(clock::nanos);
            }
            if view != pulse {
                (pulse, since) = (view, clock::now());
            }
            // What never arrives is counted as missing.
            let is_lost = matches!(work.pace, Pace::InFlight(_)) && clock::since(since) > patience;
            Ok((!is_lost).then_some(view.settled))
        });
        progress.set_waker(None);
        published
    }
}

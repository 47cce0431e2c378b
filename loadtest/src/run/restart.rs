//! Restarts a server while many streams are open, which reconnect by themselves.

use anyhow::Result;
use rustix::process::Signal;

use super::audience::Audience;
use super::course::{Course, WARM_UP};
use super::stage::Stage;
use crate::clock;
use crate::publish::Pace;

/// One restart, and its figures.
struct Trial {
    signal: Signal,
    half: &'static str,
    all: &'static str,
    failed: &'static str,
    most: &'static str,
}

/// The listening socket stays open, and is passed on to the next process.
const HANDED_OVER: Trial = Trial {
    signal: Signal::TERM,
    half: "handed_over_half_seconds",
    all: "handed_over_all_seconds",
    failed: "handed_over_failed",
    most: "handed_over_connects_per_second",
};
/// The next process opens its own socket.
const TERMINATED: Trial = Trial {
    signal: Signal::TERM,
    half: "terminated_half_seconds",
    all: "terminated_all_seconds",
    failed: "terminated_failed",
    most: "terminated_connects_per_second",
};
const KILLED: Trial = Trial {
    signal: Signal::KILL,
    half: "killed_half_seconds",
    all: "killed_all_seconds",
    failed: "killed_failed",
    most: "killed_connects_per_second",
};

/// In each trial, the next process starts as soon as the previous one has ended.
pub(super) fn restart(stage: &mut Stage<'_>, streams: usize, rate: f64) -> Result<()> {
    stage.open(Audience::All, streams)?;
    stage.figures.clear();
    stage.publish(Course::warm_up(WARM_UP))?;
    if !stage.peer.activated.is_empty() {
        play(stage, &HANDED_OVER, streams, rate)?;
        stage.server.keep_listener_no_longer();
    }
    play(stage, &TERMINATED, streams, rate)?;
    play(stage, &KILLED, streams, rate)
}

fn play(stage: &mut Stage<'_>, trial: &Trial, streams: usize, rate: f64) -> Result<()> {
    stage.mark()?;
    let failed = stage.tally.failed;
    let began = clock::nanos();
    stage.server.restart(trial.signal, stage.peer, stage.arguments, stage.stop)?;
    stage.closings += streams as u64;
    if stage.peer.resumes {
        // The new history keeps these for streams that have not reconnected yet.
        let events = (rate * 2.0).max(1.0) as u64;
        stage.publish_unheard(Course { is_measured: false, ..Course::measured(Pace::Rate(rate), events) })?;
    }
    stage.wait_returned()?;
    // The next event shows what a stream has lost.
    stage.publish(Course::warm_up(WARM_UP))?;
    let since = |time: u64| clock::seconds(time.saturating_sub(began));
    let (returns, attempts) = (stage.tally.returns.since(began), stage.tally.attempts.since(began));
    for (key, count) in [(trial.half, streams.div_ceil(2)), (trial.all, streams)] {
        if let Some(time) = returns.reached(count as u64) {
            stage.set(key, since(time));
        }
    }
    stage.set(trial.failed, (stage.tally.failed - failed) as f64);
    stage.set(trial.most, attempts.most_in_a_second() as f64);
    Ok(())
}

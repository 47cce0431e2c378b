//! The load: many streams, some events to all of them, and what became of each.
//!
//! The client threads (`crowd`) hold the streams; the calling thread (`conductor`) publishes and reads the server's CPU time
//! and memory between the phases.

mod board;
mod conductor;
mod crowd;
mod feed;
mod ledger;
mod order;
mod plan;
mod publisher;
mod report;
mod stream;
mod tally;
mod text;

use std::sync::Arc;
use std::sync::mpsc;
use std::thread;

use anyhow::{Result, anyhow};

use crate::cli::LoadOptions;
use crate::stop::Stop;
use board::Board;
use conductor::Conductor;
use crowd::Crowd;
pub(crate) use plan::{Pace, Plan};
pub(crate) use report::Report;
use tally::Tally;

/// Runs one load and prints its report. Whether it was clean.
pub(crate) fn command(options: &LoadOptions) -> Result<bool> {
    let plan = Plan::from_options(options)?;
    let stop = Stop::after(plan.deadline)?;
    let report = run(plan, &stop)?;
    if options.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        println!("{report}");
    }
    Ok(report.is_clean())
}

pub(crate) fn run(plan: Plan, stop: &Stop) -> Result<Report> {
    let plan = Arc::new(plan);
    let board = Arc::new(Board::new(&plan));
    let (sender, news) = mpsc::channel();
    let conductor = Conductor { plan: &plan, board: &board, news, stop };
    // Before the first thread exists that could load the server.
    let before = conductor.read()?;
    let mut crowds = Vec::new();
    for number in 0..plan.threads {
        let crowd = Crowd::new(plan.clone(), board.clone(), sender.clone(), number)?;
        let stop = stop.clone();
        crowds.push(thread::Builder::new().name(format!("crowd-{number}")).spawn(move || crowd.run(&stop))?);
    }
    drop(sender);
    let course = conductor.conduct(before);
    board.end();
    let mut tally = Tally::new()?;
    for crowd in crowds {
        tally.add(crowd.join().map_err(|_| anyhow!("a client thread panicked"))??)?;
    }
    Ok(course?.report(&plan, &tally))
}

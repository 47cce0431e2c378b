//! The floor and a server under the same load, in turns, on one machine in one run: only so are their ratios worth
//! anything.

mod child;
mod table;

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::cli::CompareOptions;
use crate::endpoint::Endpoint;
use crate::load::{self, Pace, Plan, Report};
use crate::stop::Stop;
use child::Child;
use table::table;

const PROGRAM: &str = "fanfare";

/// Runs the rounds and prints the table. Whether every load was clean.
pub(crate) fn command(options: &CompareOptions) -> Result<bool> {
    let program = server(options)?;
    let stop = Stop::after(options.shape.deadline)?;
    let (mut floors, mut servers) = (Vec::new(), Vec::new());
    for round in 1..=options.rounds {
        eprintln!("round {round} of {}: floor", options.rounds);
        floors.push(load_floor(options, &stop)?);
        eprintln!("round {round} of {}: {}", options.rounds, program.display());
        servers.push(load_server(options, &program, &stop)?);
    }
    println!("{}", table(&floors, &servers));
    for report in floors.iter().chain(&servers).filter(|report| !report.is_clean()) {
        eprintln!("not clean:\n{report}");
    }
    Ok(floors.iter().chain(&servers).all(Report::is_clean))
}

fn load_floor(options: &CompareOptions, stop: &Stop) -> Result<Report> {
    let (child, address) = Child::floor(options.floor_threads, stop)?;
    run(options, &child, &format!("http://{address}/api/sse"), stop)
}

fn load_server(options: &CompareOptions, program: &Path, stop: &Stop) -> Result<Report> {
    let (child, address) = Child::server(program, &options.server_args, stop)?;
    run(options, &child, &format!("http://{address}{}", options.path), stop)
}

fn run(options: &CompareOptions, child: &Child, url: &str, stop: &Stop) -> Result<Report> {
    let endpoint: Endpoint = url.parse()?;
    let plan = Plan::new(&options.shape, endpoint, Pace::InFlight(options.in_flight), Some(child.pid()))?;
    let report = load::run(plan, &stop.again(options.shape.deadline))?;
    if report.stopped == Some("interrupted") {
        println!("{report}");
        bail!("interrupted");
    }
    Ok(report)
}

fn server(options: &CompareOptions) -> Result<PathBuf> {
    let path = match &options.server {
        Some(path) => path.clone(),
        None => env::current_exe()?.with_file_name(PROGRAM),
    };
    if !path.is_file() {
        bail!("no server at {}: build it, or name it with --server", path.display());
    }
    Ok(path)
}

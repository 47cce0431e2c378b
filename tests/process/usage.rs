//! What a process uses, as the kernel tells.

use std::fs;
use std::time::Duration;

/// Ticks of a second in `/proc/PID/stat`, the same on every Linux that there is.
const TICKS: u64 = 100;
const MIB: usize = 1024 * 1024;

/// Open descriptors.
pub(crate) fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).expect("a process of ours").count()
}

/// Memory that it has, in bytes.
pub(crate) fn memory(pid: u32) -> usize {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a process of ours");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line of it");
    let kib: usize = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kib * 1024
}

/// Bytes as MiB, for messages.
pub(crate) fn mib(bytes: usize) -> f64 {
    bytes as f64 / MIB as f64
}

/// Processor time that it has used.
pub(crate) fn processor(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process of ours");
    // The name, in brackets, may hold anything.
    let (_, rest) = stat.rsplit_once(')').expect("a name");
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = [11, 12].map(|n| fields[n].parse::<u64>().expect("a number"));
    Duration::from_millis(ticks.iter().sum::<u64>() * 1000 / TICKS)
}

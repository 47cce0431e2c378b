//! CPU time and memory of processes, from `/proc`.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context as _, Result};

/// Ticks per second in `/proc/PID/stat`: always 100 for user space on Linux.
const USER_HZ: u64 = 100;

/// CPU time of processes and all their threads, up to one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cpu {
    /// utime + stime of `/proc/PID/stat`: includes threads that have ended, in steps of 10 ms.
    coarse: Duration,
    /// The sum of the running threads' `schedstat`, in nanoseconds.
    fine: Duration,
}

impl Cpu {
    /// The CPU time of these processes together.
    pub(crate) fn of(pids: &[u32]) -> Result<Self> {
        let mut sum = Self { coarse: Duration::ZERO, fine: Duration::ZERO };
        for pid in pids {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
            let stat = stat.with_context(|| format!("no process {pid}"))?;
            sum.coarse += coarse(&stat).context("unexpected form of /proc/PID/stat")?;
            sum.fine += fine(*pid);
        }
        Ok(sum)
    }

    /// CPU time spent since `before`: the fine reading, unless the coarse one shows that a thread has ended, whose time the
    /// fine one lacks.
    pub(crate) fn since(&self, before: &Self) -> Duration {
        let coarse = self.coarse.saturating_sub(before.coarse);
        let fine = self.fine.saturating_sub(before.fine);
        let two_ticks = Duration::from_millis(2 * 1000 / USER_HZ);
        if fine.abs_diff(coarse) <= two_ticks { fine } else { coarse }
    }
}

fn coarse(stat: &str) -> Option<Duration> {
    // The name, field 2, may hold spaces and parentheses; utime and stime are fields 14 and 15.
    let mut fields = stat[stat.rfind(')')? + 1..].split_ascii_whitespace().skip(11);
    let ticks: u64 = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 1000 / USER_HZ))
}

fn fine(pid: u32) -> Duration {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Duration::ZERO };
    let nanos = threads.flatten().filter_map(|thread| {
        let schedstat = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        schedstat.split_ascii_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

/// A process and all its descendants.
pub(crate) fn family(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    let mut next = 0;
    while let Some(&parent) = all.get(next) {
        next += 1;
        let Ok(threads) = fs::read_dir(format!("/proc/{parent}/task")) else { continue };
        for thread in threads.flatten() {
            let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            all.extend(children.split_ascii_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
    }
    all
}

/// Whether the process runs. One that has ended and was not waited for does not.
pub(crate) fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// Kernel memory of the whole machine in bytes: slabs and TCP buffers.
pub(crate) fn kernel_memory() -> Result<u64> {
    let meminfo = fs::read_to_string("/proc/meminfo").context("cannot read /proc/meminfo")?;
    let sockstat = fs::read_to_string("/proc/net/sockstat").context("cannot read /proc/net/sockstat")?;
    kernel_memory_in(&meminfo, &sockstat).context("unexpected form of /proc/meminfo or /proc/net/sockstat")
}

fn kernel_memory_in(meminfo: &str, sockstat: &str) -> Option<u64> {
    const PAGE: u64 = 4096;
    let slab = meminfo.lines().find_map(|line| line.strip_prefix("Slab:"))?;
    let kib: u64 = slab.trim().trim_end_matches("kB").trim().parse().ok()?;
    let tcp = sockstat.lines().find_map(|line| line.strip_prefix("TCP:"))?;
    let pages: u64 = tcp.split_ascii_whitespace().skip_while(|&word| word != "mem").nth(1)?.parse().ok()?;
    Some(kib * 1024 + pages * PAGE)
}

/// Proportional set size of these processes, in bytes: a page shared by two counts half in each.
pub(crate) fn pss(pids: &[u32]) -> Result<u64> {
    pids.iter().try_fold(0, |sum, &pid| Ok(sum + pss_of(pid)?))
}

fn pss_of(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let rollup = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).context("no Pss in smaps_rollup")?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib * 1024)
}

/// Resident memory of these processes, in bytes; cheap to read.
fn resident(pids: &[u32]) -> Option<u64> {
    const PAGE: u64 = 4096;
    pids.iter().try_fold(0, |sum, pid| {
        let statm = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
        Some(sum + statm.split_ascii_whitespace().nth(1)?.parse::<u64>().ok()? * PAGE)
    })
}

/// Samples the memory of processes, and keeps the highest value.
pub(crate) struct Peak {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Option<u64>>,
}

impl Peak {
    const EVERY: Duration = Duration::from_millis(50);

    pub(crate) fn start(pids: Vec<u32>) -> Result<Self> {
        let is_over = Arc::new(AtomicBool::new(false));
        let flag = is_over.clone();
        let thread = thread::Builder::new().name("memory".to_owned()).spawn(move || {
            let first = resident(&pids).filter(|_| !pids.is_empty())?;
            let mut most = first;
            while !flag.load(Ordering::Relaxed) {
                thread::sleep(Self::EVERY);
                most = most.max(resident(&pids).unwrap_or_default());
            }
            Some(most - first)
        })?;
        Ok(Self { is_over, thread })
    }

    /// The highest growth in bytes; `None` without processes.
    pub(crate) fn growth(self) -> Option<u64> {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().ok().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_with_a_name_that_looks_like_fields() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 100 0 0 0 150 25 0 0 20 0 1 0 100 0 0";
        assert_eq!(coarse(stat), Some(Duration::from_millis(1750)));
        assert_eq!(coarse("7 (a) S 1"), None);
    }

    #[test]
    fn an_ended_thread_makes_the_coarse_reading_stand() {
        let at =
            |coarse, fine| Cpu { coarse: Duration::from_millis(coarse), fine: Duration::from_millis(fine) };
        assert_eq!(at(110, 107).since(&at(0, 1)), Duration::from_millis(106));
        assert_eq!(at(110, 50).since(&at(0, 1)), Duration::from_millis(110));
    }

    #[test]
    fn this_process() {
        let pid = std::process::id();
        assert!(pss(&[pid]).unwrap() > 100_000);
        let before = Cpu::of(&[pid]).unwrap();
        assert!(Cpu::of(&[pid]).unwrap().since(&before) < Duration::from_secs(60));
        assert!(kernel_memory().unwrap() > 100_000);
    }

    #[test]
    fn a_peak_is_seen_after_it() {
        let peak = Peak::start(vec![std::process::id()]).unwrap();
        let bytes = std::hint::black_box(vec![1_u8; 64 << 20]);
        let seen = resident(&[std::process::id()]);
        thread::sleep(4 * Peak::EVERY);
        drop(bytes);
        assert!(seen.unwrap() > 64 << 20 && peak.growth().is_some());
        assert_eq!(Peak::start(Vec::new()).unwrap().growth(), None);
    }

    #[test]
    fn a_family() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = std::process::id();
        assert!(family(pid).contains(&child.id()) && family(pid)[0] == pid);
        assert!(is_alive(pid) && is_alive(child.id()));
        child.kill().unwrap();
        // It ends asynchronously, and has not been waited for.
        while is_alive(child.id()) {
            std::thread::yield_now();
        }
        child.wait().unwrap();
    }

    #[test]
    fn memory_of_the_kernel() {
        let meminfo = "MemTotal: 100 kB\nSlab:   1000 kB\nSReclaimable: 1 kB\n";
        let sockstat = "sockets: used 200\nTCP: inuse 5 orphan 0 tw 3 alloc 6 mem 2\nUDP: inuse 1 mem 9\n";
        assert_eq!(kernel_memory_in(meminfo, sockstat), Some(1000 * 1024 + 2 * 4096));
        assert_eq!(kernel_memory_in("", sockstat), None);
    }
}

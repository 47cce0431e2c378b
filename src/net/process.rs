//! What the process uses, as Linux reports it.

use std::fs;

/// Clock ticks per second in `/proc/self/stat`, the same on every architecture that Rust supports.
const TICKS: f64 = 100.0;

/// The memory available to the process, in bytes: that of the machine, or less if its control group has a limit.
pub(crate) fn machine_memory() -> Option<u64> {
    let all = field_of_kib(&fs::read_to_string("/proc/meminfo").ok()?, "MemTotal:")?;
    // In a container, its own group is at the root. "max" means no limit.
    let group = fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    Some(group.and_then(|limit| limit.trim().parse().ok()).map_or(all, |limit: u64| limit.min(all)))
}

/// The resident memory of the process, in bytes.
pub(super) fn resident_memory() -> Option<u64> {
    resident(&fs::read_to_string("/proc/self/status").ok()?)
}

/// The processor time that the process has used, in seconds.
pub(super) fn processor_time() -> Option<f64> {
    processor(&fs::read_to_string("/proc/self/stat").ok()?)
}

fn resident(status: &str) -> Option<u64> {
    field_of_kib(status, "VmRSS:")
}

fn field_of_kib(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

fn processor(stat: &str) -> Option<f64> {
    // The name, in brackets, may contain anything.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    let (user, system) = (ticks()?, ticks()?);
    Some((user + system) as f64 / TICKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_writes_is_read() {
        assert_eq!(
            resident("Name:\tfanfare\nVmHWM:\t 9 kB\nVmRSS:\t   12 kB\nRssAnon:\t 5 kB\n"),
            Some(12_288)
        );
        assert_eq!(resident("Name:\tfanfare\n"), None);
        let stat = "7 (a) 3 (b) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 5 0 100 1000 200";
        assert_eq!(processor(stat), Some(3.0));
        assert_eq!(processor("7 (a) S 1"), None);
    }
}

use crate::run::{Floor, load};

#[test]
fn a_load_on_the_floor_is_clean() {
    for (floor_threads, args) in [
        (1, "--in-flight 1"),
        (2, "--in-flight 8 --threads 2 --sources 3"),
        (1, "--rate 200 --payload 16384"),
    ] {
        let floor = Floor::start(floor_threads);
        let pid = floor.pid();
        let (success, report) =
            load(&floor.url, &format!("--streams 300 --events 40 --warm-up 2 --pid {pid} {args}"));
        assert!(success, "{args}: {report}");
        assert_eq!(report["connect"]["opened"], 300);
        assert_eq!(report["delivery"]["deliveries"], 300 * 40);
        assert_eq!(report["losses"]["missing"], 0);
        assert!(report["delivery"]["cpu_micros_each"].as_f64().unwrap() > 0.0);
        assert!(report["connect"]["cpu_micros_each"].as_f64().unwrap() > 0.0);
        assert!(report["memory"]["idle"].as_u64().unwrap() > 0);
        let latency = |name: &str| report["latency"][name].as_f64().unwrap();
        assert!(0.0 < latency("p50_millis") && latency("p50_millis") <= latency("max_millis"));
    }
}

#[test]
fn one_floor_serves_one_load_after_another() {
    let floor = Floor::start(2);
    for _ in 0..3 {
        // The numbers begin at 1 in each load; the ids of the floor go on.
        let (success, report) = load(&floor.url, "--streams 50 --events 5");
        assert!(success, "{report}");
    }
}

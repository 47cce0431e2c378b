//! The table of requests, whole, cut in two everywhere, and byte by byte.

use super::requests::{Case, cases};
use super::{LOOKS, outcome};

/// Inputs up to so many bytes are cut everywhere, others at a few places.
const CUT_EVERYWHERE: usize = 2 << 10;

fn cuts(case: &Case) -> impl Iterator<Item = usize> {
    let length = case.input.len();
    let shown = case.at.unwrap_or(length);
    let step = if length <= CUT_EVERYWHERE { 1 } else { length / 16 };
    (0..length).step_by(step).chain(shown.saturating_sub(3)..(shown + 3).min(length))
}

#[test]
fn the_table_is_large_and_its_names_are_unique() {
    let cases = cases();
    let mut names: Vec<_> = cases.iter().map(|case| case.name).collect();
    names.sort_unstable();
    let twice: Vec<_> = names.windows(2).filter(|pair| pair[0] == pair[1]).collect();
    assert!(twice.is_empty(), "{twice:?}");
    assert!(cases.len() >= 160, "{}", cases.len());
}

#[test]
fn each_case_whole() {
    for case in cases() {
        let found = outcome([&case.input[..]]);
        assert_eq!(found.seen, case.expect, "{}", case.name);
    }
}

#[test]
fn each_case_cut_in_two() {
    for case in cases() {
        for cut in cuts(&case) {
            let found = outcome([&case.input[..cut], &case.input[cut..]]);
            assert_eq!(found.seen, case.expect, "{} cut at {cut}", case.name);
        }
    }
}

#[test]
fn each_case_byte_by_byte() {
    let mut wrong = Vec::new();
    for case in cases() {
        LOOKS.set(0);
        let found = outcome(case.input.chunks(1));
        assert_eq!(found.seen, case.expect, "{}", case.name);
        if case.at.is_some() && found.rejected_at != case.at {
            wrong.push((case.name, found.rejected_at, case.at));
        }
        let most = 3 * case.input.len();
        assert!(LOOKS.get() <= most, "{}: {} looks at {} bytes", case.name, LOOKS.get(), case.input.len());
    }
    assert!(wrong.is_empty(), "known too early or too late: {wrong:#?}");
}

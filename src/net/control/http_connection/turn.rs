//! How much of one connection is looked at before others have their turn.

/// The most of one connection that a turn looks at.
#[derive(Clone, Copy)]
pub(in crate::net::control) struct Turn {
    pub(in crate::net::control) most_reads: usize,
    /// In bytes, the framing of chunks included; one is looked at in any case.
    pub(in crate::net::control) most_heads: usize,
    /// One is looked at in any case.
    pub(in crate::net::control) most_requests: usize,
}

/// What a turn has looked at so far.
#[derive(Clone, Copy, Default)]
pub(super) struct Seen {
    /// In bytes.
    pub(super) heads: usize,
    pub(super) requests: usize,
    /// Of chunks, in bytes: small ones cost as much by the byte as heads do.
    pub(super) framing: usize,
}

impl Turn {
    /// Whether the next head, or else more of a body, is for the next turn. A request that was begun is finished, unless
    /// its body has much framing.
    pub(super) fn is_over(self, seen: Seen, is_head: bool) -> bool {
        let heads = if is_head { seen.heads } else { 0 };
        let is_over = heads.saturating_add(seen.framing) >= self.most_heads;
        is_over || (is_head && seen.requests >= self.most_requests)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn framing_counts_as_heads_do() {
        let turn = Turn { most_reads: 1, most_heads: 100, most_requests: 3 };
        for (heads, framing, before_head, before_body) in
            [(0, 0, false, false), (100, 0, true, false), (60, 40, true, false), (0, 100, true, true)]
        {
            let seen = Seen { heads, framing, requests: 1 };
            assert_eq!(turn.is_over(seen, true), before_head, "{heads} {framing}");
            assert_eq!(turn.is_over(seen, false), before_body, "{heads} {framing}");
        }
        let seen = Seen { heads: 9, framing: 0, requests: 3 };
        assert!(turn.is_over(seen, true) && !turn.is_over(seen, false));
    }
}

//! How much of one connection is processed before others have their turn.

/// Limits on what a turn processes of one connection.
#[derive(Clone, Copy)]
pub(in crate::net::control) struct Turn {
    pub(in crate::net::control) most_reads: usize,
    /// In bytes, including the framing of chunks; at least one head is processed.
    pub(in crate::net::control) most_heads: usize,
    /// At least one request is processed.
    pub(in crate::net::control) most_requests: usize,
}

/// What a turn has processed so far.
#[derive(Clone, Copy, Default)]
pub(super) struct Seen {
    /// In bytes.
    pub(super) heads: usize,
    pub(super) requests: usize,
    /// Bytes of chunk framing: small chunks cost as much per byte as heads do.
    pub(super) framing: usize,
}

impl Turn {
    /// Whether the next head, or more of a body, must wait for the next turn. A request that was begun is finished,
    /// unless its body has much framing.
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

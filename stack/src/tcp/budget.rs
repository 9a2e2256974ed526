//! What all connections together may pin: of the memory that arrives, and of that which they send from.
//!
//! Invariant: an account holds what is charged to it, to the byte, and is moved with each charge; nobody ever counts. The
//! memory of a stack is given away on trust: windows promise more than there is, for most peers use little of theirs. What
//! keeps the sum within its limit is that, step by step,
//!
//! * below three quarters of it windows grow and open as far as each connection's own budget goes;
//! * above (until less than half is held) no window grows, and none opens beyond what a connection starts with;
//! * at the limit data is refused, though its place was promised, and its sender sends it again. But who holds nothing that
//!   it could read may always take one segment in order, and show a window of one, so nobody stands still for what others
//!   do not read. The sum so exceeds its limit by a segment for each connection at the most.
//!
//! No promise is taken back: a right edge that was shown stays (RFC 9293 SHLD-14), and only does not move on.

/// See the module.
#[derive(Debug)]
pub(super) struct Account {
    held: usize,
    limit: usize,
    pressed: bool,
}

/// How much of an account is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Plenty,
    Pressed,
    Full,
}

impl Account {
    pub(super) const fn new(limit: usize) -> Self {
        Self { held: 0, limit, pressed: false }
    }

    pub(super) const fn held(&self) -> usize {
        self.held
    }

    pub(super) const fn level(&self) -> Level {
        match (self.held >= self.limit, self.pressed) {
            (true, _) => Level::Full,
            (false, true) => Level::Pressed,
            (false, false) => Level::Plenty,
        }
    }

    pub(super) const fn charge(&mut self, bytes: u32) {
        self.held += bytes as usize;
        self.pressed |= self.held > self.limit - self.limit / 4;
    }

    pub(super) const fn release(&mut self, bytes: u32) {
        debug_assert!(self.held >= bytes as usize, "more is given back than was charged");
        self.held = self.held.saturating_sub(bytes as usize);
        self.pressed &= self.held > self.limit / 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pressure_begins_above_three_quarters_and_ends_at_a_half() {
        let mut account = Account::new(1000);
        account.charge(750);
        assert_eq!(account.level(), Level::Plenty);
        account.charge(1);
        assert_eq!(account.level(), Level::Pressed);
        account.release(250);
        assert_eq!(account.level(), Level::Pressed);
        account.release(1);
        assert_eq!(account.level(), Level::Plenty);
        account.charge(500);
        assert_eq!(account.level(), Level::Full);
        account.release(1000);
        assert_eq!((account.level(), account.held()), (Level::Plenty, 0));
    }
}

//! Places in a line: first come, first served, and whoever wants to leaves from the middle.
//!
//! Invariant: a place stands in a line at most once; joining and leaving take the same time however long it is.

const NIL: u32 = u32::MAX;

/// One place's neighbours in a line.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    before: u32,
    behind: u32,
    is_in: bool,
}

impl Link {
    /// Of a place that stands in no line.
    pub const OUT: Self = Self { before: NIL, behind: NIL, is_in: false };
}

#[derive(Debug)]
pub(super) struct Line<'s> {
    links: &'s mut [Link],
    first: u32,
    last: u32,
}

impl<'s> Line<'s> {
    pub(super) fn new(links: &'s mut [Link]) -> Self {
        links.fill(Link::OUT);
        Self { links, first: NIL, last: NIL }
    }

    pub(super) fn first(&self) -> Option<usize> {
        (self.first != NIL).then_some(self.first as usize)
    }

    pub(super) fn holds(&self, place: usize) -> bool {
        self.links.get(place).is_some_and(|link| link.is_in)
    }

    /// Joins at the end; whoever is in the line stays where it is.
    pub(super) fn join(&mut self, place: usize) {
        if self.holds(place) || place >= self.links.len() {
            return;
        }
        self.links[place] = Link { before: self.last, behind: NIL, is_in: true };
        match self.links.get_mut(self.last as usize) {
            Some(last) => last.behind = place as u32,
            None => self.first = place as u32,
        }
        self.last = place as u32;
    }

    pub(super) fn leave(&mut self, place: usize) {
        if !self.holds(place) {
            return;
        }
        let Link { before, behind, .. } = core::mem::replace(&mut self.links[place], Link::OUT);
        match self.links.get_mut(before as usize) {
            Some(before) => before.behind = behind,
            None => self.first = behind,
        }
        match self.links.get_mut(behind as usize) {
            Some(behind) => behind.before = before,
            None => self.last = before,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    fn drain(mut line: Line<'_>) -> Vec<usize> {
        core::iter::from_fn(|| {
            let first = line.first()?;
            line.leave(first);
            Some(first)
        })
        .collect()
    }

    #[test]
    fn who_came_first_is_first_and_anybody_may_leave() {
        let mut links = [Link::OUT; 5];
        let mut line = Line::new(&mut links);
        for place in [3, 0, 4, 1, 3] {
            line.join(place);
        }
        line.leave(4);
        line.leave(2);
        line.join(2);
        assert!(line.holds(3) && !line.holds(4));
        assert_eq!(drain(line), [3, 0, 1, 2]);
    }

    #[test]
    fn the_ends_may_leave() {
        let mut links = [Link::OUT; 3];
        let mut line = Line::new(&mut links);
        for place in [0, 1, 2] {
            line.join(place);
        }
        line.leave(0);
        line.leave(2);
        line.join(0);
        assert_eq!(drain(line), [1, 0]);
    }
}

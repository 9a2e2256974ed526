//! Lists of table indices, linked through one word each.
//!
//! Invariant: an index is on at most one list of a [`Links`]; adding it again changes nothing, so a socket with ten
//! things to do stands in line once. An index that was reused while it stood in line is met once more, for nothing.

const END: u32 = u32::MAX;
const ABSENT: u32 = u32::MAX - 1;

/// The links of all indices of a table, one word each; storage is handed in.
#[derive(Debug)]
pub(crate) struct Links<'s> {
    next: &'s mut [u32],
}

/// A first-in, first-out list of indices.
#[derive(Clone, Copy, Debug)]
pub(crate) struct List {
    head: u32,
    tail: u32,
    len: u32,
}

impl List {
    pub(crate) const EMPTY: Self = Self { head: END, tail: END, len: 0 };

    pub(crate) fn is_empty(&self) -> bool {
        self.head == END
    }

    pub(crate) fn len(&self) -> usize {
        self.len as usize
    }
}

impl<'s> Links<'s> {
    pub(crate) fn new(next: &'s mut [u32]) -> Self {
        next.fill(ABSENT);
        Self { next }
    }

    pub(crate) fn push_back(&mut self, list: &mut List, index: u32) {
        if self.next[index as usize] != ABSENT {
            return;
        }
        self.next[index as usize] = END;
        if list.tail == END {
            list.head = index;
        } else {
            self.next[list.tail as usize] = index;
        }
        list.tail = index;
        list.len += 1;
    }

    pub(crate) fn pop_front(&mut self, list: &mut List) -> Option<u32> {
        if list.is_empty() {
            return None;
        }
        let index = list.head;
        list.head = core::mem::replace(&mut self.next[index as usize], ABSENT);
        if list.head == END {
            list.tail = END;
        }
        list.len -= 1;
        Some(index)
    }
}

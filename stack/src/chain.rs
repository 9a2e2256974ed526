//! Lists through the entries of a table, oldest first: any of them can be taken out at once.
//!
//! Invariant: an entry stands in one chain at most; who puts it in takes it out before it leaves its table.

use crate::slab::Slab;

const NIL: u32 = u32::MAX;

/// An entry's neighbours in its chain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Neighbours {
    older: u32,
    newer: u32,
}

impl Neighbours {
    /// Of an entry that stands in no chain.
    pub(crate) const NONE: Self = Self { older: NIL, newer: NIL };
}

/// What can stand in a chain.
pub(crate) trait Chained {
    /// Its neighbours.
    fn neighbours(&mut self) -> &mut Neighbours;
}

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chain {
    oldest: u32,
    newest: u32,
    len: u32,
}

impl Chain {
    pub(crate) const EMPTY: Self = Self { oldest: NIL, newest: NIL, len: 0 };

    pub(crate) fn len(&self) -> usize {
        self.len as usize
    }

    /// The place of the oldest entry.
    pub(crate) fn oldest(&self) -> Option<u32> {
        Some(self.oldest).filter(|&oldest| oldest != NIL)
    }

    /// Puts the entry in place `index` behind all others.
    pub(crate) fn push<T: Chained>(&mut self, table: &mut Slab<'_, T>, index: u32) {
        let Some(entry) = table.by_index_mut(index) else { return };
        *entry.neighbours() = Neighbours { older: self.newest, newer: NIL };
        match table.by_index_mut(self.newest) {
            Some(newest) => newest.neighbours().newer = index,
            None => self.oldest = index,
        }
        self.newest = index;
        self.len += 1;
    }

    /// Takes the entry in place `index` out, which stands in this chain.
    pub(crate) fn take<T: Chained>(&mut self, table: &mut Slab<'_, T>, index: u32) {
        let Some(entry) = table.by_index_mut(index) else { return };
        let Neighbours { older, newer } = core::mem::replace(entry.neighbours(), Neighbours::NONE);
        match table.by_index_mut(older) {
            Some(older) => older.neighbours().newer = newer,
            None => self.oldest = newer,
        }
        match table.by_index_mut(newer) {
            Some(newer) => newer.neighbours().older = older,
            None => self.newest = older,
        }
        self.len -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slab::Slot;
    use proptest::prelude::*;

    struct Entry(Neighbours);

    impl Chained for Entry {
        fn neighbours(&mut self) -> &mut Neighbours {
            &mut self.0
        }
    }

    proptest! {
        #[test]
        fn a_chain_agrees_with_a_list(steps in prop::collection::vec((0u32..8, any::<bool>()), 1..100)) {
            let mut slots = [const { Slot::EMPTY }; 8];
            let mut table = Slab::new(&mut slots);
            for _ in 0..8 {
                prop_assert!(table.insert(Entry(Neighbours::NONE)).is_ok());
            }
            // The places in the chain, oldest first, and how many there are.
            let (mut chain, mut model, mut len) = (Chain::EMPTY, [0; 8], 0);
            for (index, add) in steps {
                let place = model[..len].iter().position(|&it| it == index);
                match (add, place) {
                    (true, None) => {
                        chain.push(&mut table, index);
                        model[len] = index;
                        len += 1;
                    }
                    (false, Some(place)) => {
                        chain.take(&mut table, index);
                        model.copy_within(place + 1..len, place);
                        len -= 1;
                    }
                    (_, _) => {}
                }
                prop_assert_eq!((chain.oldest(), chain.len()), (model[..len].first().copied(), len));
            }
            for &index in &model[..len] {
                prop_assert_eq!(chain.oldest(), Some(index));
                chain.take(&mut table, index);
            }
            prop_assert_eq!(chain.oldest(), None);
        }
    }
}

//! What is to be received: kept, so that a device which was reset can be told again.
//!
//! Invariant: what is written here is what the kernel and the stack asked for last, whether the device obeys or not. A
//! device that does not passes more than asked, never less, but for VLANs: before the first word about them it passes
//! untagged frames only (virtio 1.2 §5.1.6.5.3).

use lendwire_nic::{MacAddress, MulticastFilter, VlanFilter};

/// Groups that a filter holds; for more, all are received.
const GROUPS: usize = 64;

/// Numbers of VLANs: 4095 is reserved (IEEE 802.1Q).
const VLANS: u16 = 4095;

/// The filter.
pub(super) struct Filter {
    pub(super) is_promiscuous: bool,
    groups: [MacAddress; GROUPS],
    /// Groups in it; `None` for every one there is.
    count: Option<usize>,
    /// A bit for each VLAN.
    vlans: [u64; 64],
}

impl Filter {
    /// Bytes of the longest list of groups.
    pub(super) const TABLE: usize = 6 * GROUPS;

    /// Every group, no VLAN.
    pub(super) const fn new() -> Self {
        Self { is_promiscuous: false, groups: [MacAddress([0; 6]); GROUPS], count: None, vlans: [0; 64] }
    }

    /// The groups, or `None` for every one.
    pub(super) fn groups(&self) -> Option<&[MacAddress]> {
        Some(&self.groups[..self.count?])
    }

    pub(super) fn set_groups(&mut self, filter: MulticastFilter<'_>) {
        self.count = match filter {
            MulticastFilter::Only(groups) if groups.len() <= GROUPS => {
                self.groups[..groups.len()].copy_from_slice(groups);
                Some(groups.len())
            }
            MulticastFilter::Only(_) | MulticastFilter::All => None,
        };
    }

    pub(super) fn set_vlans(&mut self, filter: VlanFilter<'_>) {
        self.vlans = [0; 64];
        match filter {
            VlanFilter::All => (0..VLANS).for_each(|vlan| self.add(vlan)),
            VlanFilter::Only(vlans) => vlans.iter().filter(|vlan| **vlan < VLANS).for_each(|vlan| self.add(*vlan)),
        }
    }

    fn add(&mut self, vlan: u16) {
        self.vlans[usize::from(vlan / 64)] |= 1 << (vlan % 64);
    }

    /// The VLANs that are wanted.
    pub(super) fn vlans(&self) -> [u64; 64] {
        self.vlans
    }

    /// The VLANs that differ from `before`, and whether each is wanted now.
    pub(super) fn vlans_since(&self, before: &[u64; 64]) -> impl Iterator<Item = (u16, bool)> + use<> {
        let changed: [u64; 64] = core::array::from_fn(|index| self.vlans[index] ^ before[index]);
        let wanted = self.vlans;
        // Mostly nothing has changed: only words that have are looked into.
        let words = (0..64u16).filter(move |word| changed[usize::from(*word)] != 0);
        words
            .flat_map(|word| (0..64).map(move |bit| word * 64 + bit))
            .filter(move |vlan| has(&changed, *vlan))
            .map(move |vlan| (vlan, has(&wanted, vlan)))
    }
}

fn has(vlans: &[u64; 64], vlan: u16) -> bool {
    vlans[usize::from(vlan / 64)] >> (vlan % 64) & 1 == 1
}

//! Which frames come in: receive addresses, the multicast table, the VLAN table (8254x §13.5, 82574 §10.2).
//!
//! Invariant: the tables decide alone, RCTL never: what lets everything in is a table of ones. Only words that change are
//! written.

use lendwire_nic::{MacAddress, MulticastFilter, VlanFilter};

use super::hardware::Hardware;
use super::register;
use crate::registers::Registers;

/// RAH.AV: the address counts.
pub(super) const ADDRESS_VALID: u32 = 1 << 31;

/// Receive addresses that hold groups: all but the station's own, and the last, which firmware may use on the 82574.
const GROUPS: usize = 14;
const TABLE: usize = 128;

/// What the tables hold.
pub(super) struct Filters {
    groups: [Option<MacAddress>; GROUPS],
    multicast: [u32; TABLE],
    vlans: [u32; TABLE],
}

impl Filters {
    /// Everything comes in, and `station` is the own address.
    pub(super) fn open<R: Registers>(hardware: &Hardware<R>, station: MacAddress) -> Self {
        write_address(hardware, 0, Some(station));
        for index in 1..=GROUPS + 1 {
            write_address(hardware, index, None);
        }
        for index in 0..TABLE {
            hardware.write(register::MTA + 4 * index, u32::MAX);
            hardware.write(register::VFTA + 4 * index, u32::MAX);
        }
        Self { groups: [None; GROUPS], multicast: [u32::MAX; TABLE], vlans: [u32::MAX; TABLE] }
    }

    /// Groups beyond those that have an address register of their own are let in by hash, some others with them.
    pub(super) fn set_multicast<R: Registers>(&mut self, hardware: &Hardware<R>, filter: MulticastFilter<'_>) {
        let (mut groups, mut multicast) = ([None; GROUPS], [0; TABLE]);
        match filter {
            MulticastFilter::All => multicast = [u32::MAX; TABLE],
            MulticastFilter::Only(list) => {
                let (exact, hashed) = list.split_at(list.len().min(GROUPS));
                for (place, group) in groups.iter_mut().zip(exact) {
                    *place = Some(*group);
                }
                for group in hashed {
                    let (word, bit) = hash(*group);
                    multicast[word] |= bit;
                }
            }
        }
        for (index, (old, new)) in self.groups.iter_mut().zip(groups).enumerate() {
            if *old != new {
                *old = new;
                write_address(hardware, index + 1, new);
            }
        }
        write_changes(hardware, register::MTA, &mut self.multicast, &multicast);
    }

    pub(super) fn set_vlans<R: Registers>(&mut self, hardware: &Hardware<R>, filter: VlanFilter<'_>) {
        let mut vlans = [0; TABLE];
        match filter {
            VlanFilter::All => vlans = [u32::MAX; TABLE],
            VlanFilter::Only(list) => {
                // Number 0 is a priority tag: the frame belongs to no VLAN.
                for vlan in list.iter().copied().chain([0]).map(usize::from).filter(|vlan| *vlan < 4096) {
                    vlans[vlan / 32] |= 1 << (vlan % 32);
                }
            }
        }
        write_changes(hardware, register::VFTA, &mut self.vlans, &vlans);
    }
}

fn write_changes<R: Registers>(hardware: &Hardware<R>, table: usize, old: &mut [u32; TABLE], new: &[u32; TABLE]) {
    for (index, (old, new)) in old.iter_mut().zip(new).enumerate() {
        if old != new {
            *old = *new;
            hardware.write(table + 4 * index, *new);
        }
    }
}

/// The low word first: the high one makes the address valid.
fn write_address<R: Registers>(hardware: &Hardware<R>, index: usize, address: Option<MacAddress>) {
    let at = register::RAL + 8 * index;
    match address {
        None => hardware.write(at + 4, 0),
        Some(MacAddress([a, b, c, d, e, f])) => {
            hardware.write(at + 4, 0);
            hardware.write(at, u32::from_le_bytes([a, b, c, d]));
            hardware.write(at + 4, u32::from_le_bytes([e, f, 0, 0]) | ADDRESS_VALID);
        }
    }
}

/// Where a group stands in the multicast table: the word, and its bit. RCTL.MO is 0: bits 47 to 36 of the address.
fn hash(group: MacAddress) -> (usize, u32) {
    let [.., fifth, sixth] = group.0;
    let hash = u16::from_le_bytes([fifth, sixth]) >> 4;
    (usize::from(hash / 32), 1 << (hash % 32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_hashes_to_the_upper_bits_of_its_last_bytes() {
        // 8254x §13.5 has this example: bits 47 to 36 of 01:AA:00:12:34:56 are 0x563.
        assert_eq!(hash(MacAddress([0x01, 0xaa, 0x00, 0x12, 0x34, 0x56])), (0x563 / 32, 1 << (0x563 % 32)));
    }
}

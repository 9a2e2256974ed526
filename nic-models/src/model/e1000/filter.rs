//! Who a frame is for (SDM §3.2.1, §9.3; DS §7.1.1).

use super::map::register::{MTA, RAL, RCTL, VET, VFTA};
use super::registers::State;

const UPE: u32 = 1 << 3;
const MPE: u32 = 1 << 4;
const BAM: u32 = 1 << 15;
const VFE: u32 = 1 << 18;
const RAH_AV: u32 = 1 << 31;

impl State {
    /// Whether the driver wants `frame`.
    pub(super) fn is_wanted(&self, frame: &[u8]) -> bool {
        self.is_wanted_vlan(frame) && self.is_wanted_address(frame)
    }

    /// The tag control field of a tagged frame.
    pub(super) fn tag(&self, frame: &[u8]) -> Option<u16> {
        let mark = u16::from_be_bytes([frame[12], frame[13]]);
        (u32::from(mark) == self.word(VET)).then(|| u16::from_be_bytes([frame[14], frame[15]]))
    }

    fn is_wanted_vlan(&self, frame: &[u8]) -> bool {
        let Some(tag) = self.tag(frame).filter(|_| self.word(RCTL) & VFE != 0) else { return true };
        let number = u32::from(tag & 0xfff);
        self.word(VFTA + 4 * (number / 32)) >> (number % 32) & 1 == 1
    }

    fn is_wanted_address(&self, frame: &[u8]) -> bool {
        let control = self.word(RCTL);
        let address: [u8; 6] = frame[..6].try_into().expect("six bytes");
        let promiscuous = match address {
            [0xff, 0xff, 0xff, 0xff, 0xff, 0xff] => BAM,
            [first, ..] if first & 1 == 1 => MPE,
            _ => UPE,
        };
        if control & promiscuous != 0 {
            return true;
        }
        let exact = (0..16).map(|entry| RAL + 8 * entry).any(|at| self.is_receive_address(at, address));
        // The table is looked at for every address (QEMU); it is the driver that sets bits for groups only.
        exact || self.is_in_table(control, address)
    }

    fn is_receive_address(&self, at: u32, address: [u8; 6]) -> bool {
        let [low, high] = [self.word(at), self.word(at + 4)];
        let [a, b, c, d] = low.to_le_bytes();
        let [e, f, ..] = high.to_le_bytes();
        high & RAH_AV != 0 && address == [a, b, c, d, e, f]
    }

    /// Twelve bits of the address, chosen by RCTL.MO, are the place in the table (SDM §13.5.1).
    fn is_in_table(&self, control: u32, address: [u8; 6]) -> bool {
        let shift = [4, 3, 2, 0][(control >> 12 & 0b11) as usize];
        let place = u32::from(u16::from_le_bytes([address[4], address[5]])) >> shift & 0xfff;
        self.word(MTA + 4 * (place / 32)) >> (place % 32) & 1 == 1
    }
}

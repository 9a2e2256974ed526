//! Arbitrary frames: every header of every layer. The harness only keeps what would end a frame's way at once: the
//! destination address, and the IPv4 header's checksum.

#![no_main]

use lendwire_fuzz::{Host, MAC, assert_nothing_leaked, tables};
use lendwire_nic::{Received, Sum};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut tables = tables();
    {
        let mut host = Host::new(&mut tables);
        let mut rest = data;
        // A control byte, a length, the frame.
        while let [control, len, tail @ ..] = rest {
            let (frame, tail) = tail.split_at(tail.len().min(usize::from(*len) * 4));
            rest = tail;
            let mut frame = frame.to_vec();
            if control & 1 == 0 && frame.len() >= 6 {
                frame[..6].copy_from_slice(&MAC.0);
            }
            if control & 2 == 0 {
                mend_ipv4(&mut frame);
            }
            let checksum = if control & 4 == 0 { Received::Checked } else { Received::Unchecked };
            let split = if control & 8 == 0 { usize::MAX } else { 14 + usize::from(control >> 4) * 8 };
            host.receive(&frame, split, checksum);
            if control & 0x30 == 0x30 {
                host.pass(1 << (u32::from(control >> 6) * 8));
            }
        }
        host.finish();
    }
    drop(tables);
    assert_nothing_leaked();
});

/// Puts the right checksum into an IPv4 header.
fn mend_ipv4(frame: &mut [u8]) {
    let Some((ethernet, packet)) = frame.split_at_mut_checked(14) else { return };
    if ethernet[12..14] != [8, 0] || packet.len() < 20 {
        return;
    }
    let len = (usize::from(packet[0] & 15) * 4).clamp(20, packet.len());
    packet[10..12].fill(0);
    let checksum = Sum::of(&packet[..len]).checksum();
    packet[10..12].copy_from_slice(&checksum.to_be_bytes());
}

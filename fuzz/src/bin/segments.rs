//! Sequences of TCP segments near the numbers that matter: a peer that knows everything and means harm.

#![no_main]

use lendwire::tcp::SynCookies;
use lendwire_fuzz::{ADDRESS, Host, MAC, PEER, PEER_MAC, PORT, assert_nothing_leaked, tables};
use lendwire_nic::{Received, Sum};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut tables = tables();
    {
        // Four peers and a backlog of two: with each habit of SYN cookies some find no place.
        let cookies = [SynCookies::WhenFull, SynCookies::Always, SynCookies::Off][data.len() / 8 % 3];
        let mut host = Host::with(&mut tables, cookies);
        let mut peer = Peer { seq: [0x1000; 4], ack: 0, clock: 1000, echo: 0 };
        for step in data.chunks_exact(8) {
            let frame = peer.segment(step);
            host.receive(&frame, usize::MAX, Received::Checked);
            peer.listen(&host.nic.last);
            if step[7] & 0x80 != 0 {
                host.pass(1 << (step[7] & 31));
            }
        }
        host.finish();
    }
    drop(tables);
    assert_nothing_leaked();
});

/// Four connections' worth of numbers.
struct Peer {
    seq: [u32; 4],
    ack: u32,
    /// The peer's timestamps clock, and the host's as it was last seen.
    clock: u32,
    echo: u32,
}

impl Peer {
    /// `step`: flags, sequence offset, acknowledgment offset, length, window (2), port and options, time.
    fn segment(&mut self, step: &[u8]) -> Vec<u8> {
        let [flags, seq, ack, len, window_high, window_low, kind, time] = step else { unreachable!("chunks of eight") };
        let which = usize::from(kind & 3);
        let len = usize::from(*len) * usize::from(kind >> 6);
        let sequence = self.seq[which].wrapping_add(*seq as i8 as u32);
        let options = self.options(kind >> 2 & 15, *window_low);
        let mut tcp = Vec::new();
        tcp.extend_from_slice(&(5000 + which as u16).to_be_bytes());
        tcp.extend_from_slice(&PORT.to_be_bytes());
        tcp.extend_from_slice(&sequence.to_be_bytes());
        tcp.extend_from_slice(&self.ack.wrapping_add(*ack as i8 as u32).to_be_bytes());
        // AccECN's bit stands beside the header's length.
        tcp.extend_from_slice(&[((20 + options.len()) / 4 << 4) as u8 | window_high & 1, *flags]);
        tcp.extend_from_slice(&[*window_high, *window_low, 0, 0, 0, 0]);
        tcp.extend_from_slice(&options);
        tcp.extend((0..len).map(|at| at as u8));
        // A SYN and data move this connection's number, so that sequences make progress.
        if flags & 2 != 0 || len > 0 {
            self.seq[which] = sequence.wrapping_add(len as u32 + u32::from(flags >> 1 & 1));
        }
        in_frame(&tcp, time >> 5 & 3)
    }

    /// A list of options; `near` says how far off its numbers are.
    fn options(&mut self, which: u8, near: u8) -> Vec<u8> {
        let off = near as i8 as u32;
        let times = |value: u32, echo: u32| [&[8, 10][..], &value.to_be_bytes(), &echo.to_be_bytes()].concat();
        let block = |from: u32, len: u32| [from.to_be_bytes(), from.wrapping_add(len).to_be_bytes()].concat();
        self.clock = self.clock.wrapping_add(1);
        match which {
            0 => vec![],
            1 => vec![2, 4, 5, 0xb4],
            2 => vec![2, 4, 0, 0, 1, 3, 3, 200],
            3 => vec![1, 1, 4, 2, 254, 12, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0],
            // A SYN of today.
            4 | 5 => [&[2, 4, 5, 0xb4, 4, 2], &*times(self.clock, 0), &[1, 3, 3, near]].concat(),
            // A segment of today.
            6 | 7 => [&[1, 1], &*times(self.clock, self.echo)].concat(),
            8 => [&[1, 1], &*times(self.clock.wrapping_add(off), self.echo)].concat(),
            9 => [&[1, 1], &*times(self.clock, self.echo.wrapping_add(off))].concat(),
            10 => [&[1, 1], &*times(self.clock.wrapping_add(1 << 31), self.echo), &[near; 4]].concat(),
            // Selective acknowledgments, with times and alone; blocks that overlap, are empty or run backwards.
            11 => {
                let blocks = [block(self.ack.wrapping_add(off), 100), block(self.ack, u32::from(near))].concat();
                [&[1, 1], &*times(self.clock, self.echo), &[1, 1, 5, 18], &blocks].concat()
            }
            12 => [&[1, 1, 5, 10], &*block(self.ack.wrapping_add(1000), 1000)].concat(),
            13 => [&[1, 1, 5, 10], &*block(self.ack, off)].concat(),
            14 => {
                let blocks: Vec<u8> =
                    (1..5).flat_map(|at| block(self.ack.wrapping_add(off.wrapping_mul(at)), 20)).collect();
                [&[1, 1, 5, 34], &*blocks].concat()
            }
            _ => vec![5, near, 8, near],
        }
    }

    /// Acknowledges what the host sent last.
    fn listen(&mut self, headers: &[u8]) {
        if let Some(tcp) = headers.get(34..54)
            && headers[23] == 6
        {
            let sequence = u32::from_be_bytes([tcp[4], tcp[5], tcp[6], tcp[7]]);
            self.ack = sequence.wrapping_add(u32::from(tcp[13] >> 1 & 1));
            let options = &headers[54..];
            if let Some(at) = options.windows(2).position(|pair| pair == [8, 10])
                && let Some(value) = options[at + 2..].first_chunk()
            {
                self.echo = u32::from_be_bytes(*value);
            }
        }
    }
}

fn in_frame(tcp: &[u8], codepoint: u8) -> Vec<u8> {
    let mut ip = vec![0x45, codepoint];
    ip.extend_from_slice(&((20 + tcp.len()) as u16).to_be_bytes());
    ip.extend_from_slice(&[0, 0, 0x40, 0, 64, 6, 0, 0]);
    ip.extend_from_slice(&PEER.octets());
    ip.extend_from_slice(&ADDRESS.octets());
    let checksum = Sum::of(&ip).checksum();
    ip[10..12].copy_from_slice(&checksum.to_be_bytes());
    [&MAC.0[..], &PEER_MAC.0, &[8, 0], &ip, tcp].concat()
}

//! What the device wants to find in the headers of a TCP packet that it cuts (8254x §3.5, 82574 §7.3).
//!
//! For each piece the device writes the network header's length, the IPv4 identification and header checksum, the sequence
//! number and flags, and adds the piece's length to the pseudo-header's sum. So in the headers that it copies from, length
//! and IPv4 checksum are zero, and the sum is that of a pseudo-header without length. Invariant: only the driver's own copy
//! of the headers is edited; what is found there is compared with what the seam says, and a packet that differs is not
//! sent.

use lendwire_nic::{Checksum, HEADER_ROOM, Segmentation, Sum, TxPacket};

/// Where the headers of a packet that is to be cut begin and end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) size: u16,
    pub(super) is_ipv6: bool,
    /// The network header's first byte.
    pub(super) network: u8,
    /// TCP's first byte.
    pub(super) transport: u8,
    /// Where the TCP checksum stands.
    pub(super) checksum: u8,
    /// All headers, and nothing else.
    pub(super) header_len: u8,
    pub(super) payload_len: u16,
}

/// The packet cannot be cut: its headers are not Ethernet, IP without options or extension headers, and TCP; it asks for
/// no checksum; or it has no payload, or too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Uncuttable;

const IPV4: usize = 20;
const IPV6: usize = 40;
const TCP: u8 = 6;
const TCP_CHECKSUM: u16 = 16;

impl Cut {
    pub(super) fn of(packet: &TxPacket<'_>, segmentation: Segmentation) -> Result<Self, Uncuttable> {
        let Segmentation { size, ipv6: is_ipv6, ecn: _ } = segmentation;
        let Checksum::Fill { start, offset: TCP_CHECKSUM } = packet.offload.checksum else { return Err(Uncuttable) };
        let header = packet.header();
        let transport = usize::from(start);
        let network = transport.checked_sub(if is_ipv6 { IPV6 } else { IPV4 }).ok_or(Uncuttable)?;
        let (first, protocol) = if is_ipv6 { (0x60..=0x6f, network + 6) } else { (0x45..=0x45, network + 9) };
        let data_offset = *header.get(transport + 12).ok_or(Uncuttable)? >> 4;
        let is_right = first.contains(&header[network])
            && header[protocol] == TCP
            && transport + 4 * usize::from(data_offset) == header.len()
            && data_offset >= 5;
        let payload_len = u16::try_from(packet.payload().len()).map_err(|_| Uncuttable)?;
        if !is_right || size == 0 || payload_len == 0 || usize::from(payload_len) + header.len() - network > 0xffff {
            return Err(Uncuttable);
        }
        // All headers together are shorter than `HEADER_ROOM`.
        const _: () = assert!(HEADER_ROOM < 256);
        let checksum = (start + TCP_CHECKSUM) as u8;
        let (network, transport, header_len) = (network as u8, transport as u8, header.len() as u8);
        Ok(Self { size, is_ipv6, network, transport, checksum, header_len, payload_len })
    }

    /// Where the IPv4 header's checksum stands.
    pub(super) const fn network_checksum(&self) -> u8 {
        self.network + 10
    }

    /// Makes `front`, a copy of the packet's headers, what the device copies from.
    pub(super) fn prepare(&self, front: &mut [u8]) {
        let network = usize::from(self.network);
        if self.is_ipv6 {
            front[network + 4..][..2].fill(0);
        } else {
            front[network + 2..][..2].fill(0);
            front[network + 10..][..2].fill(0);
        }
        let field = &mut front[usize::from(self.checksum)..][..2];
        let seed = u16::from_be_bytes([field[0], field[1]]);
        let len = u16::from(self.header_len - self.transport) + self.payload_len;
        let seed = Sum::of_word(seed).without_back(Sum::of_word(len)).value();
        field.copy_from_slice(&seed.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use lendwire_nic::{Chunk, Payload};

    use super::*;

    static PAYLOAD: [Chunk; 1] = [Chunk::from_static(&[7; 5000])];

    /// Ethernet, IP and TCP with 12 bytes of options; the sum of a pseudo-header as it would stand in the packet.
    fn packet<'q>(queue: &'q [Chunk], ipv6: bool) -> TxPacket<'q> {
        let mut packet = TxPacket::new(Payload::of(queue));
        packet.push(32)[12] = 8 << 4;
        packet.offload.checksum = Checksum::Fill { start: 0, offset: 16 };
        let seed = Sum::of_word(0xabcd).then(Sum::of_word(5032)).value();
        packet.header_mut()[16..18].copy_from_slice(&seed.to_be_bytes());
        if ipv6 {
            let ip = packet.push(40);
            (ip[0], ip[6]) = (0x60, 6);
            ip[4..6].copy_from_slice(&5032u16.to_be_bytes());
        } else {
            let ip = packet.push(20);
            (ip[0], ip[9]) = (0x45, 6);
            ip[2..4].copy_from_slice(&5052u16.to_be_bytes());
            ip[10..12].copy_from_slice(&[0x12, 0x34]);
        }
        packet.push(14);
        packet.offload.segmentation = Some(Segmentation { size: 1448, ipv6, ecn: false });
        packet
    }

    fn cut(packet: &TxPacket<'_>) -> Result<Cut, Uncuttable> {
        Cut::of(packet, packet.offload.segmentation.unwrap())
    }

    #[test]
    fn lengths_go_and_the_seed_loses_the_length_that_was_in_it() {
        for (ipv6, network, transport) in [(false, 14, 34), (true, 14, 54)] {
            let packet = packet(&PAYLOAD, ipv6);
            let cut = cut(&packet).unwrap();
            assert_eq!((cut.network, cut.transport, cut.header_len), (network, transport, transport + 32));
            assert_eq!((cut.size, cut.payload_len), (1448, 5000));
            let mut front = packet.header().to_vec();
            cut.prepare(&mut front);
            assert_eq!(front[usize::from(cut.checksum)..][..2], [0xab, 0xcd]);
            let lengths = if ipv6 { vec![18, 19] } else { vec![16, 17, 24, 25] };
            for (at, (before, after)) in packet.header().iter().zip(&front).enumerate() {
                let is_edited = lengths.contains(&at) || (at as u8) >> 1 == cut.checksum >> 1;
                assert!(if lengths.contains(&at) { *after == 0 } else { is_edited || before == after }, "byte {at}");
            }
        }
    }

    #[test]
    fn headers_that_are_not_what_the_seam_says_are_refused() {
        let wrong: [fn(&mut TxPacket<'_>); 6] = [
            |packet| packet.header_mut()[14] = 0x46,
            |packet| packet.header_mut()[14] = 0x60,
            |packet| packet.header_mut()[23] = 17,
            |packet| packet.header_mut()[46] = 7 << 4,
            |packet| packet.offload.checksum = Checksum::Done,
            |packet| packet.offload.segmentation = Some(Segmentation { size: 0, ipv6: false, ecn: false }),
        ];
        for (number, wrong) in wrong.into_iter().enumerate() {
            let mut packet = packet(&PAYLOAD, false);
            assert!(cut(&packet).is_ok());
            wrong(&mut packet);
            assert_eq!(cut(&packet), Err(Uncuttable), "{number}");
        }
        assert_eq!(cut(&packet(&[], false)), Err(Uncuttable));
    }

    #[test]
    fn a_start_beyond_the_headers_is_refused() {
        for start in [0, 10, 60, 100, u16::MAX] {
            let mut packet = packet(&PAYLOAD, true);
            packet.offload.checksum = Checksum::Fill { start, offset: 16 };
            assert_eq!(cut(&packet), Err(Uncuttable), "{start}");
        }
    }
}

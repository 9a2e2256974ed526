//! What the 82574L finds out about a received frame: checksums and the hash (DS §7.1.11, §7.1.2).

use alloc::vec::Vec;

use super::map::register::{MRQC, RFCTL, RSSRK, RXCSUM};
use super::offload::folded;
use super::registers::State;
use super::status;

/// RXCSUM: check the IPv4 header, check TCP and UDP, a hash instead of a checksum.
const IPOFLD: u32 = 1 << 8;
const TUOFLD: u32 = 1 << 9;
pub(super) const PCSD: u32 = 1 << 13;
/// RFCTL: no checksums for IPv6.
const IPV6_XSUM_DIS: u32 = 1 << 11;

/// A frame's network and transport headers.
struct Headers<'a> {
    /// Both addresses.
    addresses: &'a [u8],
    is_v4: bool,
    /// Whether the IPv4 header's checksum is right.
    is_sound: bool,
    protocol: u8,
    /// None where it is a fragment or not whole.
    transport: Option<&'a [u8]>,
}

/// RFCTL: acknowledgments are frames like others.
const ACK_DIS: u32 = 1 << 12;
const TCP_ACK: u8 = 1 << 4;

const TCP: u8 = 6;
const UDP: u8 = 17;

impl<'a> Headers<'a> {
    /// Those of a frame without tag.
    fn of(frame: &'a [u8]) -> Option<Self> {
        let packet = &frame[14..];
        match frame[12..14] {
            [0x08, 0x00] if packet.len() >= 20 && packet[0] >> 4 == 4 => {
                let header = usize::from(packet[0] & 15) * 4;
                let total = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
                let is_whole = header >= 20 && header <= total && total <= packet.len();
                let is_fragment = u16::from_be_bytes([packet[6], packet[7]]) & 0x3fff != 0;
                Some(Self {
                    addresses: &packet[12..20],
                    is_v4: true,
                    is_sound: is_whole && folded(&packet[..header]) == 0xffff,
                    protocol: packet[9],
                    transport: (is_whole && !is_fragment).then(|| &packet[header..total]),
                })
            }
            [0x86, 0xdd] if packet.len() >= 40 && packet[0] >> 4 == 6 => {
                let end = 40 + usize::from(u16::from_be_bytes([packet[4], packet[5]]));
                Some(Self {
                    addresses: &packet[8..40],
                    is_v4: false,
                    is_sound: true,
                    protocol: packet[6],
                    transport: packet.get(40..end),
                })
            }
            _ => None,
        }
    }

    /// TCP's or UDP's bytes; UDP without a checksum has nothing to be checked.
    fn checked_transport(&self) -> Option<&'a [u8]> {
        let transport = self.transport?;
        match self.protocol {
            TCP => (transport.len() >= 20).then_some(transport),
            UDP => (transport.len() >= 8 && transport[6..8] != [0, 0]).then_some(transport),
            _ => None,
        }
    }

    fn is_transport_sound(&self, transport: &[u8]) -> bool {
        let tail = [&(transport.len() as u32).to_be_bytes()[..], &[0, 0, 0, self.protocol]].concat();
        folded(&[self.addresses, &tail, transport].concat()) == 0xffff
    }
}

impl State {
    /// The status bits about checksums of a frame without tag.
    pub(super) fn checksum_status(&self, frame: &[u8]) -> u32 {
        let control = self.word(RXCSUM);
        let Some(headers) = Headers::of(frame) else { return 0 };
        if !headers.is_v4 && self.word(RFCTL) & IPV6_XSUM_DIS != 0 {
            return 0;
        }
        let mut found = 0;
        if control & IPOFLD != 0 && headers.is_v4 {
            found |= status::IPCS | if headers.is_sound { 0 } else { status::IPE };
        }
        if control & TUOFLD != 0
            && let Some(transport) = headers.checked_transport()
        {
            found |= status::TCPCS;
            found |= if headers.protocol == UDP { status::UDPCS } else { 0 };
            found |= if headers.is_transport_sound(transport) { 0 } else { status::TCPE };
        }
        found
    }

    /// Whether the frame is a TCP acknowledgment, which is a cause of its own unless the driver does not want that.
    pub(super) fn is_acknowledgment(&self, frame: &[u8]) -> bool {
        if !self.kind().is_express() || self.word(RFCTL) & ACK_DIS != 0 {
            return false;
        }
        let tcp = Headers::of(frame).filter(|headers| headers.protocol == TCP).and_then(|headers| headers.transport);
        tcp.is_some_and(|tcp| tcp.len() >= 20 && tcp[13] & TCP_ACK != 0)
    }

    /// Type and value of the hash, where the driver asked for one.
    pub(super) fn hash(&self, frame: &[u8]) -> Option<(u32, u32)> {
        let wanted = self.word(MRQC);
        if wanted & 0b11 != 1 || self.word(RXCSUM) & PCSD == 0 {
            return None;
        }
        let Some(headers) = Headers::of(frame) else { return Some((0, 0)) };
        let ports = headers.transport.filter(|bytes| headers.protocol == TCP && bytes.len() >= 20).map(|it| &it[..4]);
        let [with_ports, without] = if headers.is_v4 { [(16, 1), (17, 2)] } else { [(18, 3), (20, 5)] };
        let is_wanted = |bit: u32| wanted >> bit & 1 == 1;
        let (kind, input) = match ports {
            Some(ports) if is_wanted(with_ports.0) => (with_ports.1, [headers.addresses, ports].concat()),
            _ if is_wanted(without.0) => (without.1, headers.addresses.to_vec()),
            _ => return Some((0, 0)),
        };
        Some((kind, self.toeplitz(&input)))
    }

    /// The hash of Microsoft's receive-side scaling: each bit that is set adds 32 bits of the key from there on.
    fn toeplitz(&self, input: &[u8]) -> u32 {
        let key: Vec<u8> = (0..10).flat_map(|index| self.word(RSSRK + 4 * index).to_le_bytes()).collect();
        let window = |bit: usize| {
            let bytes = [0, 1, 2, 3, 4].map(|step| u64::from(*key.get(bit / 8 + step).unwrap_or(&0)));
            let wide = bytes.iter().fold(0, |wide, byte| wide << 8 | byte);
            (wide >> (8 - bit % 8)) as u32
        };
        let bits = (0..8 * input.len()).filter(|bit| input[bit / 8] >> (7 - bit % 8) & 1 == 1);
        bits.fold(0, |hash, bit| hash ^ window(bit))
    }
}

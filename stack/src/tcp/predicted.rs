//! Header prediction (Van Jacobson, 1990): of a connection's next segment all is known but some numbers, so that one
//! compare with what is expected stands for taking it apart.
//!
//! Invariant: what is predicted is a segment of an open connection, found good in all that does not depend on where that
//! stands, but for its checksum: `ip` says so of the headers in front; the ports are the connection's, ACK is its only flag
//! but PSH, and its only option timestamps in the form of RFC 7323 appendix A, there or not there as agreed on. All else
//! goes through `segment`, and so does all of a connection that takes part in ECN: there more than that is told.

use lendwire_nic::{RxPacket, Sum};

use super::connection::Connection;
use super::ecn::Feedback;
use super::seq::Seq;
use super::{Entry, Tcp};
use crate::ip::{Expected, FRONT, InterfaceId, Ip};
use crate::slab::Key;
use crate::wire::tcp::{Flags, HEADER_LEN};
use crate::wire::tcp_options::Timestamps;

/// Connections that are predicted at a time; one gives way to the next whose ports lead to the same place.
const PLACES: usize = 8;

/// Ethernet's header, IP's, and the fixed part of TCP's.
const WHOLE: usize = FRONT + HEADER_LEN;

/// What a connection's next segments say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prediction {
    front: Expected,
    /// The ports as they stand in the header.
    ports: [u8; 4],
    options: Options,
    connection: Key,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Options {
    None,
    Timestamps,
}

/// The numbers that a predicted segment brings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said {
    pub(super) connection: Key,
    pub(super) seq: Seq,
    pub(super) ack: Seq,
    /// Not scaled yet.
    pub(super) window: u16,
    pub(super) is_pushed: bool,
    /// Zeros where the connection has none.
    pub(super) timestamps: Timestamps,
    /// Data bytes, and how many stand in front of them.
    pub(super) len: u32,
    pub(super) offset: usize,
    /// The sum of the pseudo-header.
    pub(super) pseudo: Sum,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Predictions([Option<Prediction>; PLACES]);

impl Predictions {
    pub(super) const NONE: Self = Self([None; PLACES]);

    /// Question: what `packet`, a frame, says, if it was predicted but for that.
    #[inline]
    pub(super) fn said(&self, interface: InterfaceId, packet: &RxPacket, ip: &Ip<'_>) -> Option<Said> {
        let frame = packet.front();
        let whole = frame.first_chunk::<WHOLE>()?;
        let (front, tcp) = whole.split_first_chunk::<FRONT>()?;
        let ports = tcp.first_chunk::<4>()?;
        let prediction = self.0[place_of(ports)].as_ref().filter(|it| it.ports == *ports)?;
        // What a device made one of several has its own way.
        if packet.segment_size.is_some() {
            return None;
        }
        // The lower half of the offset's byte is reserved, and AE.
        let is_pushed = tcp[13] == (Flags::ACK.bits() | Flags::PSH.bits()) as u8;
        if !is_pushed && tcp[13] != Flags::ACK.bits() as u8 {
            return None;
        }
        let (offset, timestamps) = match (prediction.options, tcp[12]) {
            (Options::Timestamps, 0x80) => {
                (WHOLE + Timestamps::LEN, Timestamps::alone(frame.get(WHOLE..WHOLE + Timestamps::LEN)?)?)
            }
            (Options::None, 0x50) => (WHOLE, Timestamps { value: 0, echo: 0 }),
            (Options::Timestamps | Options::None, _) => return None,
        };
        let found = prediction.front.front(interface, packet, front, ip)?;
        Some(Said {
            connection: prediction.connection,
            seq: Seq(u32::from_be_bytes([tcp[4], tcp[5], tcp[6], tcp[7]])),
            ack: Seq(u32::from_be_bytes([tcp[8], tcp[9], tcp[10], tcp[11]])),
            window: u16::from_be_bytes([tcp[14], tcp[15]]),
            is_pushed,
            timestamps,
            len: found.len.checked_sub(offset - FRONT)? as u32,
            offset,
            pseudo: found.pseudo,
        })
    }
}

fn place_of(ports: &[u8; 4]) -> usize {
    usize::from(ports[1] ^ ports[3]) % PLACES
}

impl Tcp<'_> {
    /// A segment came over `interface` for the connection in place `index`, and one before it: more will.
    pub(super) fn predict(&mut self, index: u32, interface: InterfaceId, ip: &Ip<'_>) {
        let (Some(connection), Some(Entry::Open(open))) =
            (self.connections.key(index), self.connections.by_index(index))
        else {
            return;
        };
        let ports = open.ports();
        let place = &mut self.predictions.0[place_of(&ports)];
        let is_known =
            place.as_ref().is_some_and(|it| it.connection == connection && it.front.is_current(interface, ip));
        if is_known || open.ecn != Feedback::None {
            return;
        }
        let Some(front) = ip.expected(interface, open.tuple.local(), open.tuple.remote()) else { return };
        let options = if open.stamps.is_some() { Options::Timestamps } else { Options::None };
        *place = Some(Prediction { front, ports, options, connection });
    }
}

impl Connection {
    /// The ports as they stand in the peer's segments.
    fn ports(&self) -> [u8; 4] {
        let ([a, b], [c, d]) = (self.tuple.remote_port.to_be_bytes(), self.tuple.local_port.to_be_bytes());
        [a, b, c, d]
    }
}

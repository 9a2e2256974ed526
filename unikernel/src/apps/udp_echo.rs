//! Sends datagrams back to where they came from (RFC 862), in the memory that they came in.
//!
//! Invariant: nothing is sent to a port that answers by itself, for two such services would never stop talking (CERT
//! CA-1996-01), and nothing is answered that everybody was asked. What cannot be sent now is dropped, as on a full wire.
//! Left out: datagrams that came in several slots.

use core::net::{IpAddr, Ipv4Addr};

use lendwire::Stack;
use lendwire::tcp::COPY_BREAK;
use lendwire::udp::{BindError, Received, UdpHandle};

use super::ECHO_PORTS;

/// Services that answer whatever they get: echo, daytime, quotes, characters, time (RFC 862 to 868).
const ANSWERING: [u16; 5] = [7, 13, 17, 19, 37];

/// The echo of both ports.
#[derive(Debug)]
pub(super) struct UdpEcho {
    sockets: [UdpHandle; ECHO_PORTS.len()],
}

impl UdpEcho {
    pub(super) fn start(stack: &mut Stack<'_>) -> Result<Self, BindError> {
        let [first, second] = ECHO_PORTS.map(|port| stack.udp_bind(None, port));
        Ok(Self { sockets: [first?, second?] })
    }

    /// Answers what has come to `socket`, if it is one of these.
    pub(super) fn serve(&self, socket: UdpHandle, stack: &mut Stack<'_>) {
        if !self.sockets.contains(&socket) {
            return;
        }
        // An error of an earlier answer concerns its client alone.
        let _ = stack.udp_take_error(socket);
        while let Some(received) = stack.udp_read(socket) {
            answer(socket, received, stack);
        }
    }
}

fn answer(socket: UdpHandle, received: Received, stack: &mut Stack<'_>) {
    let Received { from, to, mut packet, .. } = received;
    let is_from_service = ANSWERING.contains(&from.port()) || ECHO_PORTS.contains(&from.port());
    let is_to_all = to.is_multicast() || to == IpAddr::V4(Ipv4Addr::BROADCAST);
    if is_from_service || is_to_all {
        return;
    }
    let chunk = packet.pop().unwrap_or_default();
    if !packet.is_empty() {
        return;
    }
    // A small datagram would pin a whole slot until it has left. Neither way is told of a failure: nobody waits for it.
    let _ = match chunk.len() {
        0..=COPY_BREAK => stack.udp_send(socket, from, &chunk),
        _ => stack.udp_push(socket, from, chunk),
    };
}

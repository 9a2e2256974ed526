//! ARP (RFC 826), with the conflict detection of RFC 5227 §2.4.
//!
//! Invariant: an entry is made only for who asks us for our address, and changed only for who has one; everything else
//! is dropped and counted.

use core::net::Ipv4Addr;

use lendwire_nic::RxPacket;

use super::Ip;
use super::reply::{Message, Precedence};
use crate::drops::Reason;
use crate::link::{Advertisement, Delivery, Frame, Heard, InterfaceId};
use crate::time::Instant;
use crate::wire::arp::{Malformed, Operation, Packet};

impl Ip<'_> {
    pub(super) fn on_arp(
        &mut self,
        interface: InterfaceId,
        frame: Frame,
        packet: &RxPacket,
        now: Instant,
    ) -> Result<(), Reason> {
        let (operation, arp) = Packet::parse(packet.front()).map_err(|malformed| match malformed {
            Malformed::Short if packet.len() >= Packet::LEN => Reason::HeaderSplit,
            Malformed::Short => Reason::ArpShort,
            Malformed::Format => Reason::ArpFormat,
        })?;
        let state = self.interfaces.at(interface).ok_or(Reason::ArpUnsolicited)?;
        let (mac, sender, target) = (arp.sender_hardware(), arp.sender(), arp.target());
        if mac.is_multicast() || sender.is_multicast() || state.is_broadcast(sender) || sender.is_loopback() {
            return Err(Reason::ArpSender);
        }
        if mac != state.mac && state.has(sender.into()) {
            self.on_conflict(interface, sender, now);
            return Ok(());
        }
        let (own_mac, timing) = (state.mac, state.timing);
        let is_ours = state.has(target.into());
        match operation {
            Operation::Request if is_ours && mac != own_mac => {
                // RFC 5227 §1.1: who only probes has no address yet that could be learned.
                if sender != Ipv4Addr::UNSPECIFIED {
                    self.neighbours.on_mention(interface, sender.into(), mac, timing, now);
                }
                let reply = Packet::reply(own_mac, target, mac, sender);
                self.queue(interface, Message::Arp { destination: mac, packet: reply }, Precedence::Own);
                Ok(())
            }
            Operation::Request | Operation::Reply => {
                // What was sent to us alone answers us; an announcement only updates who is known (RFC 826).
                let solicited = operation == Operation::Reply && is_ours && frame.delivery == Delivery::Unicast;
                let said = Advertisement { mac: Some(mac), solicited, overriding: true, router: None };
                match self.neighbours.on_advertisement(interface, sender.into(), said, timing, now) {
                    Heard::Unasked => Err(Reason::ArpUnsolicited),
                    Heard::Noted | Heard::RouterNoMore => Ok(()),
                }
            }
        }
    }
}

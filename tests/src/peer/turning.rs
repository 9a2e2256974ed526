//! The stack polled until nothing moves, and what it sent sorted: segments to the inbox, questions answered.

use std::net::IpAddr;

use super::Peer;
use crate::frame::{self, Opened};
use crate::segment::Came;
use crate::setup::Side;

/// The turning of the stack.
impl Peer {
    /// Polls until nothing moves, and sorts what came.
    pub fn turn(&mut self) {
        for _ in 0..10_000 {
            let now = self.now();
            let polled = self.stack.poll(&mut [&mut self.nic], now, 64);
            let mut came = 0;
            while let Some(frame) = self.hand.take() {
                came += 1;
                self.sorts(&frame);
            }
            if polled.received == 0 && came == 0 {
                return;
            }
        }
        panic!("the stack never comes to rest");
    }

    fn sorts(&mut self, bytes: &[u8]) {
        match frame::open(bytes) {
            Opened::Ip { source, destination, protocol: frame::TCP, body } => {
                let pseudo = frame::pseudo(source, destination, frame::TCP, body.len());
                assert_eq!(frame::sum(&[&pseudo, &body]), 0xffff, "the stack's TCP checksum is right");
                self.inbox.push_back(Came::decode(&body, self.clock.now()));
            }
            question @ (Opened::ArpRequest { .. } | Opened::Solicitation { .. }) if self.answers_neighbours => {
                self.answer(&question);
            }
            question @ (Opened::ArpRequest { .. } | Opened::Solicitation { .. }) => self.questions.push(question),
            Opened::Ip { .. } | Opened::Other => {}
        }
    }

    pub(super) fn answer(&self, question: &Opened) {
        let mac = Side::Second.mac();
        match *question {
            Opened::ArpRequest { sender, sender_mac, target } if self.address() == IpAddr::V4(target) => {
                self.hand.put(frame::arp_reply(mac, target, sender_mac, sender));
            }
            Opened::Solicitation { sender, sender_mac, target } if self.address() == IpAddr::V6(target) => {
                self.hand.put(frame::advertisement(mac, target, sender_mac, sender));
            }
            Opened::ArpRequest { .. } | Opened::Solicitation { .. } | Opened::Ip { .. } | Opened::Other => {}
        }
    }
}

//! The whole stack behind one face: four kinds of method, and a poll that does all four in order.
//!
//! | kind | methods |
//! |---|---|
//! | questions | `next_deadline`, `has_output`, `state`, `room`, `unread`, `drops`, `work`, … |
//! | input | [`Stack::receive`], [`Stack::on_deadline`] |
//! | commands | `listen`, `connect`, `write`, `push`, `read`, `close`, … |
//! | output | [`Stack::transmit`] |
//!
//! Invariant: nothing here reads a clock, a random source or a global. Time is an argument and must not go backwards;
//! the 16 secret bytes of [`Config`] are all the randomness there is.

mod interfaces;
mod tcp;
mod udp;

pub use self::interfaces::DhcpError;

use lendwire_nic::{Nic, Pool, RxPacket, Work};

use crate::dhcp::Dhcp;
use crate::drops::Drops;
use crate::icmp::Icmp;
use crate::ip::{Arrived, Datagram, InterfaceId, Ip, Refusal, Repeated, TransportError};
use crate::slab::Slab;
use crate::storage::Storage;
use crate::tcp::{Tcp, TcpConfig, TcpStatistics};
use crate::time::Instant;
use crate::udp::Udp;
use crate::wire::protocol::Protocol;

/// What a stack is made with.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Sixteen bytes that nobody else knows, fresh at every start: initial sequence numbers, ports, addresses and
    /// table hashes are keyed with them. Constant bytes here make every connection of the machine guessable.
    pub secret: [u8; 16],
    /// Settings of TCP.
    pub tcp: TcpConfig,
}

impl Config {
    /// The default settings with a secret from the embedder's source of entropy.
    #[must_use]
    pub const fn new(secret: [u8; 16]) -> Self {
        Self { secret, tcp: TcpConfig::DEFAULT }
    }
}

/// What a poll did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Polled {
    /// Frames taken from NICs.
    pub received: usize,
    /// Whether to poll again before waiting for anything: the budget ended it, or a ring was full.
    pub again: bool,
}

/// A TCP/IP stack over the storage and the NICs that it is lent.
pub struct Stack<'s> {
    ip: Ip<'s>,
    icmp: Icmp,
    dhcp: Slab<'s, Dhcp>,
    udp: Udp<'s>,
    tcp: Tcp<'s>,
    secret: [u8; 16],
    pool: &'static Pool,
    work: Work,
    now: Instant,
}

/// Pieces of data above holes that one burst takes in: as many as an acknowledgment has room for.
const MOST_ABOVE_HOLES: u32 = 3;

impl<'s> Stack<'s> {
    /// A stack that owns `storage`, copies what it must into slots of `pool`, and lives from `now` on.
    ///
    /// # Panics
    /// If a table of `storage` is shorter than another one needs it to be.
    #[must_use]
    pub fn new(storage: Storage<'s>, config: Config, pool: &'static Pool, now: Instant) -> Self {
        Self {
            ip: Ip::new(storage.ip, config.secret),
            icmp: Icmp::new(now),
            dhcp: Slab::new(storage.dhcp),
            udp: Udp::new(storage.udp, config.secret, pool),
            tcp: Tcp::new(storage.tcp, config.tcp, pool, config.secret, now),
            secret: config.secret,
            pool,
            work: Work::default(),
            now,
        }
    }

    /// All four kinds in order: up to `budget` frames of each NIC in, deadlines, up to `budget` segments out, and one
    /// [`Nic::flush`] each.
    pub fn poll(&mut self, nics: &mut [&mut dyn Nic], now: Instant, budget: usize) -> Polled {
        self.pass(now);
        let mut polled = Polled::default();
        for (index, nic) in nics.iter_mut().enumerate() {
            let Some(interface) = self.ip.interface(index) else { break };
            let (mut left, above_holes) = (budget, self.tcp.above_holes());
            // RFC 2018 §4: an acknowledgment has room for three blocks. What more pieces above holes have changed before one
            // is sent, nobody would be told of, and it would be sent again.
            while left > 0 && self.tcp.above_holes().wrapping_sub(above_holes) < MOST_ABOVE_HOLES {
                let Some(mut packet) = nic.receive() else { break };
                left -= 1;
                if self.tcp.predicted(interface, &mut packet, &mut self.ip, now) {
                    continue;
                }
                self.tcp.end_series(&mut self.ip, now);
                match self.ip.repeated(interface, &packet) {
                    Some(repeated) if self.tcp.continues(&mut packet, &repeated, &mut self.ip, now) => {}
                    repeated => self.take(interface, packet, repeated, now),
                }
            }
            self.end_burst(now);
            polled.received += budget - left;
            polled.again |= left == 0 || self.tcp.above_holes().wrapping_sub(above_holes) >= MOST_ABOVE_HOLES;
        }
        self.on_deadline(now);
        polled.again |= self.transmit(nics, now, budget);
        for nic in nics {
            nic.flush();
        }
        polled
    }

    /// Input: a frame that `interface` received. A burst of them is better left to [`Stack::poll`], which lets TCP look
    /// at consecutive segments once.
    pub fn receive(&mut self, interface: InterfaceId, mut packet: RxPacket, now: Instant) {
        self.pass(now);
        if !self.tcp.predicted(interface, &mut packet, &mut self.ip, now) {
            self.take(interface, packet, None, now);
        }
        self.end_burst(now);
    }

    fn end_burst(&mut self, now: Instant) {
        self.tcp.end_series(&mut self.ip, now);
        self.tcp.end_burst(&mut self.ip, now);
        self.ip.end_burst();
    }

    /// One frame of a burst; `repeated` if it says what the one before it said.
    fn take(&mut self, interface: InterfaceId, packet: RxPacket, repeated: Option<Repeated>, now: Instant) {
        if let Some(repeated) = repeated {
            if let Some(datagram) = self.ip.receive_repeated(packet, &repeated) {
                self.tcp.receive(datagram, &mut self.ip, now);
            }
            return;
        }
        match self.ip.receive(interface, packet, now) {
            Arrived::Nothing => {}
            Arrived::Tcp(datagram) => self.tcp.receive(datagram, &mut self.ip, now),
            Arrived::Icmp(datagram) => {
                if let Some(error) = self.icmp.receive(datagram, &mut self.ip, &mut self.work) {
                    self.on_error(&error);
                }
            }
            Arrived::Udp(datagram) if self.dhcp_client_for(&datagram).is_some() => {
                let client = self.dhcp_client_for(&datagram).and_then(|index| self.dhcp.by_index_mut(index));
                if let Some(client) = client {
                    client.receive(datagram, &mut self.ip, now, &mut self.work);
                }
            }
            Arrived::Udp(datagram) => {
                if let Some(unwanted) = self.udp.receive(datagram, &mut self.ip, &mut self.work) {
                    self.icmp.refuse(&unwanted, Refusal::Port, &mut self.ip, now);
                }
            }
            Arrived::Refused(datagram, refusal) => self.icmp.refuse(&datagram, refusal, &mut self.ip, now),
        }
    }

    /// What ICMP says of a packet of ours goes to the transport that sent it.
    fn on_error(&mut self, error: &TransportError) {
        match error.protocol {
            Protocol::TCP => self.tcp.on_error(error, &mut self.ip, self.now),
            Protocol::UDP => self.udp.on_error(error),
            _ => {}
        }
    }

    /// Input: time has passed.
    pub fn on_deadline(&mut self, now: Instant) {
        self.pass(now);
        self.ip.on_deadline(now);
        for index in self.dhcp_clients() {
            if let Some(client) = self.dhcp.by_index_mut(index) {
                client.on_deadline(&mut self.ip, now);
            }
        }
        self.tcp.on_deadline(now);
    }

    /// Output: hands the NICs what is ready, up to about `budget` packets. Returns whether something is left that could
    /// be sent once a ring has room. The NICs are not flushed.
    pub fn transmit(&mut self, nics: &mut [&mut dyn Nic], now: Instant, budget: usize) -> bool {
        self.pass(now);
        if self.ip.take_resolved() {
            self.tcp.retry_waiting();
            self.udp.retry_waiting();
        }
        let mut left = budget;
        let mut messages_left = false;
        for index in self.dhcp_clients() {
            if let Some(client) = self.dhcp.by_index_mut(index) {
                messages_left |= client.transmit(nics, &mut self.ip, now, &mut self.work);
            }
        }
        let replies_left = self.ip.transmit(nics, now, &mut self.work);
        let datagrams_left = self.udp.transmit(nics, &mut self.ip, now, &mut left, &mut self.work);
        self.tcp.transmit(nics, &mut self.ip, now, &mut left);
        // A packet may have begun to ask for a neighbour: the question goes out in the same round.
        let questions_left = self.ip.transmit(nics, now, &mut self.work);
        messages_left || replies_left || questions_left || datagrams_left || self.tcp.has_output()
    }

    /// Question: when [`Stack::on_deadline`] has something to do, if ever.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let leases = self.dhcp_clients().filter_map(|index| self.dhcp.by_index(index)?.next_deadline());
        leases.chain(self.ip.next_deadline()).chain(self.tcp.next_deadline()).min()
    }

    /// Question: whether [`Stack::transmit`] has something to do.
    #[must_use]
    pub fn has_output(&self) -> bool {
        let asks = self.dhcp_clients().any(|index| self.dhcp.by_index(index).is_some_and(Dhcp::has_output));
        asks || self.ip.has_output() || self.udp.has_output() || self.tcp.has_output()
    }

    /// Question: whether [`Stack::next_event`] or [`Stack::next_udp_event`] may name somebody, now or when memory is free
    /// again: before that has been asked, a machine should not sleep.
    #[must_use]
    pub fn has_news(&self) -> bool {
        self.tcp.has_news() || self.udp.has_news()
    }

    /// The places of DHCP clients: as many as interfaces, at most.
    fn dhcp_clients(&self) -> core::ops::Range<u32> {
        0..if self.dhcp.len() == 0 { 0 } else { self.dhcp.capacity() as u32 }
    }

    fn dhcp_client_for(&self, datagram: &Datagram) -> Option<u32> {
        self.dhcp_clients().find(|&index| self.dhcp.by_index(index).is_some_and(|client| client.wants(datagram)))
    }

    /// Time that goes backwards is the commonest fault of kernels that embed a stack.
    fn pass(&mut self, now: Instant) {
        debug_assert!(now >= self.now, "time went backwards: {now:?} comes after {:?}", self.now);
        self.now = self.now.max(now);
    }
}

/// Counts.
impl Stack<'_> {
    /// Question: what was dropped, by reason.
    #[must_use]
    pub fn drops(&self) -> Drops {
        let mut drops = self.ip.drops.clone();
        drops += self.tcp.drops();
        drops
    }

    /// Question: payload bytes copied, summed and verified.
    #[must_use]
    pub fn work(&self) -> Work {
        let mut work = self.work;
        work += self.tcp.work();
        work
    }

    /// Question: what TCP has done.
    #[must_use]
    pub fn tcp_statistics(&self) -> TcpStatistics {
        self.tcp.statistics()
    }
}

//! A DHCP client for IPv4 (RFC 2131): one interface, one lease.
//!
//! Invariant: the interface has the leased address exactly as long as the lease lasts. The first message goes out at
//! once: RFC 2131 §4.4.1 would have it wait for one to ten seconds, so that a building whose power comes back does not
//! speak all at once; a machine that boots to serve pays for every one of them. Left out: remembering a lease over a
//! reboot, probing the address before it is used and declining it (RFC 5227 §2.1), release, inform.

mod lease;
mod message;

use core::hash::Hasher;
use core::net::Ipv4Addr;

use lendwire_nic::{MacAddress, Nic, Payload, Pool, TxPacket, Work};
use siphasher::sip::SipHasher13;
use zerocopy::IntoBytes;

pub use self::lease::Lease;
use self::lease::Offer;
use crate::drops::Reason;
use crate::ip::{BadChecksum, Datagram, Envelope, Ip, NotSent};
use crate::link::InterfaceId;
use crate::time::{Instant, Span};
use crate::udp;
use crate::wire::address::Cidr;
use crate::wire::dhcpv4::{CLIENT_PORT, Kind, Message, REPLY, SERVER_PORT, option};
use crate::wire::protocol::Protocol;
use crate::wire::udp::{CHECKSUM_OFFSET, HEADER_LEN, Header};

/// RFC 2131 §4.1: the first retransmission after 4 seconds, each of the next after twice as long, up to 64; each with
/// up to a second more or less.
const FIRST_WAIT: Span = Span::from_secs(4);
const MAX_DOUBLINGS: u8 = 4;
const JITTER: Span = Span::from_secs(1);
/// How long a server's hardware address may take to find before it is tried again.
const NEIGHBOUR_WAIT: Span = Span::from_secs(1);
/// Requests for an offer before another one is looked for (RFC 2131 §3.1.5).
const MAX_REQUESTS: u8 = 4;
/// RFC 2131 §4.4.5: between two requests to renew, unless the lease ends before.
const SHORTEST_RENEWAL: Span = Span::from_secs(60);

/// RFC 2131 §4.4, figure 5. INIT is SELECTING before its first message.
#[derive(Clone, Copy, Debug)]
enum State {
    /// Looking for a server.
    Selecting,
    /// A server was chosen.
    Requesting(Offer),
    /// All is well until the first time of the lease.
    Bound(Lease),
    /// The server is asked for more time.
    Renewing(Lease),
    /// Any server is asked for more time.
    Rebinding(Lease),
}

/// The client of one interface.
#[derive(Debug)]
pub struct Dhcp {
    interface: InterfaceId,
    mac: MacAddress,
    secret: [u8; 16],
    pool: &'static Pool,
    state: State,
    transaction: u32,
    /// Numbers made from the secret so far.
    drawn: u64,
    /// Messages sent in this state.
    sent: u8,
    /// Whether one is to be sent now.
    is_due: bool,
    /// When the next message is due, or the state ends.
    deadline: Option<Instant>,
    began: Instant,
    /// When the last message was sent: a lease runs from there (RFC 2131 §4.4.1).
    asked: Instant,
}

impl Dhcp {
    /// A client that looks for a server from `now` on.
    ///
    /// # Panics
    /// If the pool's slots are shorter than 512 bytes.
    pub(crate) fn new(
        interface: InterfaceId,
        mac: MacAddress,
        secret: [u8; 16],
        pool: &'static Pool,
        now: Instant,
    ) -> Self {
        assert!(pool.slot_size() >= message::ROOM, "a DHCP message needs a slot of 512 bytes");
        let mut client = Self {
            interface,
            mac,
            secret,
            pool,
            state: State::Selecting,
            transaction: 0,
            drawn: 0,
            sent: 0,
            is_due: false,
            deadline: None,
            began: now,
            asked: now,
        };
        client.enter(State::Selecting, now);
        client
    }

    pub(crate) const fn interface(&self) -> InterfaceId {
        self.interface
    }

    /// Question: the lease that the interface has.
    pub(crate) const fn lease(&self) -> Option<&Lease> {
        match &self.state {
            State::Selecting | State::Requesting(_) => None,
            State::Bound(lease) | State::Renewing(lease) | State::Rebinding(lease) => Some(lease),
        }
    }

    /// Question: whether a datagram that `ip` took for UDP's is for this client.
    pub(crate) fn wants(&self, datagram: &Datagram) -> bool {
        datagram.interface == self.interface
            && datagram.protocol == Protocol::UDP
            && datagram.source.is_ipv4()
            && Header::parse(datagram.transport()).is_some_and(|header| header.destination_port.get() == CLIENT_PORT)
    }

    /// Input: a datagram that [`Dhcp::wants`].
    pub(crate) fn receive(&mut self, datagram: Datagram, ip: &mut Ip<'_>, now: Instant, work: &mut Work) {
        if let Err(reason) = self.on_datagram(datagram, ip, now, work) {
            ip.drops.count(reason);
        }
    }

    /// Question: when [`Dhcp::on_deadline`] has something to do.
    pub(crate) const fn next_deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Question: whether [`Dhcp::transmit`] has something to do.
    pub(crate) const fn has_output(&self) -> bool {
        self.is_due
    }

    /// Input: time has passed.
    pub(crate) fn on_deadline(&mut self, ip: &mut Ip<'_>, now: Instant) {
        if self.deadline.is_none_or(|deadline| deadline > now) {
            return;
        }
        match self.state {
            State::Selecting => self.ask_again(now),
            State::Requesting(_) if self.sent >= MAX_REQUESTS => self.enter(State::Selecting, now),
            State::Requesting(_) => self.ask_again(now),
            State::Bound(lease) if lease.has_ended(now) => self.lose(lease, ip, now),
            State::Bound(lease) => {
                self.began = now;
                self.enter(State::Renewing(lease), now);
            }
            State::Renewing(lease) if lease.rebinds_at.is_some_and(|at| at <= now) => {
                self.enter(State::Rebinding(lease), now);
            }
            State::Renewing(_) => self.ask_again(now),
            State::Rebinding(lease) if lease.has_ended(now) => self.lose(lease, ip, now),
            State::Rebinding(_) => self.ask_again(now),
        }
    }

    /// Output: sends the message that is due. Returns whether it still is, for want of room in a ring or a pool.
    pub(crate) fn transmit(
        &mut self,
        nics: &mut [&mut dyn Nic],
        ip: &mut Ip<'_>,
        now: Instant,
        work: &mut Work,
    ) -> bool {
        if !self.is_due {
            return false;
        }
        let Some(mut slot) = self.pool.take() else { return true };
        let len = self.write(slot.bytes_mut(), now);
        let message = [slot.freeze(len)];
        let (source, destination) = match self.state {
            // RFC 2131 §4.4.5: who has an address asks its server alone, and then everybody, from that address.
            State::Renewing(lease) => (lease.address(), lease.server),
            State::Rebinding(lease) => (lease.address(), Ipv4Addr::BROADCAST),
            State::Selecting | State::Requesting(_) | State::Bound(_) => (Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST),
        };
        let mut packet = TxPacket::new(Payload::of(&message));
        let header = Header::new(CLIENT_PORT, SERVER_PORT, (HEADER_LEN + len) as u16);
        packet.push(HEADER_LEN).copy_from_slice(header.as_bytes());
        let envelope = Envelope {
            interface: Some(self.interface),
            ..Envelope::new(source.into(), destination.into(), Protocol::UDP, Some(CHECKSUM_OFFSET))
        };
        match ip.send(nics, &envelope, &mut packet, now, work) {
            Err(NotSent::Full(_)) => return true,
            Err(NotSent::Unresolved) => {
                self.is_due = false;
                self.deadline = Some(self.next_attempt(now).min(now + NEIGHBOUR_WAIT));
                return false;
            }
            // Lost on the way or lost here: the next one is due when its time comes.
            Ok(()) | Err(NotSent::NoRoute | NotSent::Silent) => {}
        }
        self.is_due = false;
        self.asked = now;
        self.sent = self.sent.saturating_add(1);
        self.deadline = Some(self.next_attempt(now));
        false
    }

    fn on_datagram(
        &mut self,
        mut datagram: Datagram,
        ip: &mut Ip<'_>,
        now: Instant,
        work: &mut Work,
    ) -> Result<(), Reason> {
        let header = udp::check_header(&datagram)?;
        datagram.truncate_transport(usize::from(header.len.get()));
        let packet = match header.checksum.get() {
            0 => datagram.into_uncovered_payload(HEADER_LEN),
            _ => datagram.into_payload(HEADER_LEN, work).map_err(|BadChecksum| Reason::UdpChecksum)?,
        };
        if packet.front().len() < packet.len() {
            return Err(Reason::HeaderSplit);
        }
        let message = Message::parse(packet.front()).map_err(|_| Reason::DhcpMalformed)?;
        let header = message.header;
        let is_ours = header.transaction.get() == self.transaction && header.client_hardware[..6] == self.mac.0;
        if header.operation != REPLY || !is_ours {
            return Err(Reason::DhcpUnexpected);
        }
        match (self.state, message.kind().ok_or(Reason::DhcpMalformed)?) {
            (State::Selecting, Kind::Offer) => {
                let offer = Offer::of(&message).ok_or(Reason::DhcpLease)?;
                // RFC 2131 §4.4.1: the request carries the offer's transaction.
                self.proceed(State::Requesting(offer), now);
                Ok(())
            }
            (State::Requesting(offer), Kind::Ack) => {
                let lease = Lease::of(&message, self.asked).ok_or(Reason::DhcpLease)?;
                if lease.server != offer.server {
                    return Err(Reason::DhcpUnexpected);
                }
                self.bind(lease, None, ip, now)
            }
            (State::Renewing(old) | State::Rebinding(old), Kind::Ack) => {
                let lease = Lease::of(&message, self.asked).ok_or(Reason::DhcpLease)?;
                self.bind(lease, Some(old), ip, now)
            }
            (State::Requesting(offer), Kind::Nak) if message.address(option::SERVER) == Some(offer.server) => {
                self.enter(State::Selecting, now);
                Ok(())
            }
            (State::Renewing(lease) | State::Rebinding(lease), Kind::Nak) => {
                self.lose(lease, ip, now);
                Ok(())
            }
            (_, _) => Err(Reason::DhcpUnexpected),
        }
    }

    /// Takes a lease, in place of `old`.
    fn bind(&mut self, lease: Lease, old: Option<Lease>, ip: &mut Ip<'_>, now: Instant) -> Result<(), Reason> {
        if let Some(old) = old.filter(|old| old.cidr != lease.cidr || old.router != lease.router) {
            self.take_back(old, ip);
        }
        let has = ip.has_address(self.interface, lease.cidr.address());
        if !has && ip.add_address(self.interface, lease.cidr, now).is_err() {
            // No place or no use for it: the next offer may do better.
            self.enter(State::Selecting, now);
            self.is_due = false;
            return Err(Reason::DhcpLease);
        }
        if let Some(router) = lease.router
            && ip.add_route(Cidr::EVERY_IPV4, router.into(), self.interface).is_err()
        {
            ip.drops.count(Reason::NoRoute);
        }
        self.state = State::Bound(lease);
        self.is_due = false;
        self.deadline = lease.renews_at;
        Ok(())
    }

    /// The lease is over: its address goes, and another one is looked for.
    fn lose(&mut self, lease: Lease, ip: &mut Ip<'_>, now: Instant) {
        self.take_back(lease, ip);
        self.began = now;
        self.enter(State::Selecting, now);
    }

    fn take_back(&self, lease: Lease, ip: &mut Ip<'_>) {
        ip.remove_address(self.interface, lease.cidr.address());
        if let Some(router) = lease.router {
            ip.remove_route(Cidr::EVERY_IPV4, router.into(), self.interface);
        }
    }

    /// Enters a state with a transaction of its own.
    fn enter(&mut self, state: State, now: Instant) {
        self.transaction = self.draw() as u32;
        self.proceed(state, now);
    }

    fn proceed(&mut self, state: State, now: Instant) {
        self.state = state;
        self.sent = 0;
        self.ask_again(now);
    }

    fn ask_again(&mut self, now: Instant) {
        self.is_due = true;
        // As long as it cannot be sent, time goes on.
        self.deadline = Some(self.next_attempt(now));
    }

    /// When to send again, if nothing comes.
    fn next_attempt(&mut self, now: Instant) -> Instant {
        let end = match self.state {
            State::Selecting | State::Requesting(_) | State::Bound(_) => {
                let doublings = self.sent.saturating_sub(1).min(MAX_DOUBLINGS);
                let wait = FIRST_WAIT.micros() << doublings;
                let jitter = self.draw() % (2 * JITTER.micros());
                return now + Span::from_micros(wait - JITTER.micros() + jitter);
            }
            State::Renewing(lease) => lease.rebinds_at,
            State::Rebinding(lease) => lease.ends_at,
        };
        // RFC 2131 §4.4.5: half of what is left, but not more often than once a minute.
        let end = end.unwrap_or(now + SHORTEST_RENEWAL);
        let half = Span::from_micros(end.since(now).micros() / 2);
        (now + half.max(SHORTEST_RENEWAL)).min(end)
    }

    /// The next number that nobody can guess.
    fn draw(&mut self) -> u64 {
        let mut hasher = SipHasher13::new_with_key(&self.secret);
        hasher.write(b"dhcp");
        hasher.write(&self.mac.0);
        hasher.write(&self.drawn.to_be_bytes());
        self.drawn += 1;
        hasher.finish()
    }

    fn write(&self, to: &mut [u8], now: Instant) -> usize {
        let seconds = u16::try_from(now.since(self.began).micros() / 1_000_000).unwrap_or(u16::MAX);
        let draft = message::Draft { transaction: self.transaction, mac: self.mac, seconds };
        match self.state {
            State::Selecting => draft.discover(to),
            State::Requesting(offer) => draft.request(offer, to),
            State::Bound(lease) | State::Renewing(lease) | State::Rebinding(lease) => draft.renew(lease.address(), to),
        }
    }
}

#[cfg(test)]
mod tests;

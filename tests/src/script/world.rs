//! The stack under test, its cable, and the clock: what a script's lines are applied to.
//!
//! Invariant: time only moves to the stack's own deadlines or to where the script says, and at each of them the stack
//! is polled until it rests. Neighbours answer at once and by themselves; everything else is the script's.

use std::net::{IpAddr, SocketAddr};

use lendwire::tcp::TcpConfig;
use lendwire::time::{Instant, Span};
use lendwire::wire::address::Cidr;
use lendwire::{Capacities, Config, InterfaceConfig, Stack, Storage, Tables};
use lendwire_nic::{Nic, NicInfo, Offloads};

use super::wire::{self, IpHeader, Sent};
use crate::cable::{Cable, Hand};
use crate::clock::Clock;
use crate::frame::{self, Opened};
use crate::setup::{Pools, Side, Version};

/// The port that scripts bind to and connect to where they say `...`.
pub(super) const PORT: u16 = 8080;

/// Where the two ends are, as packetdrill has them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Addresses {
    pub(super) version: Version,
    pub(super) local: IpAddr,
    pub(super) remote: IpAddr,
    pub(super) gateway: IpAddr,
}

impl Addresses {
    pub(super) fn of(version: Version) -> Self {
        let parse = |text: &str| text.parse().expect("it is an address");
        let [local, remote, gateway] = match version {
            Version::V4 => ["192.168.0.1", "192.0.2.1", "192.168.0.2"].map(parse),
            Version::V6 => ["fd3d:fa7b:d17d::1", "2001:db8::1", "fd3d:fa7b:d17d::2"].map(parse),
        };
        Self { version, local, remote, gateway }
    }
}

/// What a stack is made with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Making {
    pub(super) addresses: Addresses,
    pub(super) mtu: u16,
    pub(super) offloads: Offloads,
    pub(super) tcp: TcpConfig,
}

/// Table sizes of a script's stack.
pub(super) fn capacities() -> Capacities {
    Capacities {
        interfaces: 1,
        neighbours: 8,
        routes: 4,
        replies: 32,
        sockets: 4,
        datagrams: 64,
        listeners: 8,
        handshakes: 64,
        connections: 64,
        time_waits: 64,
        cells: 8192,
        ..Capacities::default()
    }
}

/// A packet of the stack, and when it came.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) at: Instant,
    pub(super) sent: Sent,
}

/// See the module.
pub(super) struct World<'s> {
    pub(super) stack: Stack<'s>,
    pub(super) addresses: Addresses,
    clock: Clock,
    start: Instant,
    nic: Cable,
    hand: Hand,
    /// What came since it was last asked for.
    fresh: Vec<Seen>,
}

impl<'s> World<'s> {
    /// A stack in `tables` that has its addresses, as if it had them for long.
    ///
    /// # Errors
    /// What is wrong with the addresses.
    pub(super) fn new(tables: &'s mut Tables, making: &Making) -> Result<Self, String> {
        let clock = Clock::new();
        let pools = pools();
        let info = NicInfo {
            name: "script",
            address: Side::First.mac(),
            mtu: making.mtu,
            offloads: making.offloads,
            max_parts: 64,
            queues: 1,
        };
        let (nic, hand) = Cable::new(info, pools.receive);
        let storage: Storage<'s> = tables.lend();
        let config = Config { tcp: making.tcp, ..Config::new([0x5c; 16]) };
        let mut stack = Stack::new(storage, config, pools.transmit, clock.now());
        let Addresses { version, local, remote, gateway } = making.addresses;
        let interface = InterfaceConfig { autoconfigure: false, loopback: false };
        let interface = stack.add_interface(nic.info(), interface, clock.now()).map_err(|why| format!("{why:?}"))?;
        let (prefix, prefix_there) = match version {
            Version::V4 => (16, 24),
            Version::V6 => (48, 32),
        };
        let cidr = Cidr::new(local, prefix).map_err(|why| format!("{why:?}"))?;
        stack.add_address(interface, cidr, clock.now()).map_err(|why| format!("{why:?}"))?;
        if !cidr.contains(remote) {
            let network = Cidr::new(remote, prefix_there).map_err(|why| format!("{why:?}"))?.network();
            stack.add_route(network, gateway, interface).map_err(|why| format!("{why:?}"))?;
        }
        let mut world =
            Self { stack, addresses: making.addresses, clock, start: clock.now(), nic, hand, fresh: Vec::new() };
        // Duplicate address detection and announcements are over before the script begins.
        let ready = clock.now() + Span::from_secs(5);
        while world.step(ready)? {}
        world.clock.advance_to(ready);
        world.start = world.clock.now();
        world.fresh.clear();
        Ok(world)
    }

    pub(super) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Microseconds since the script began.
    pub(super) fn elapsed(&self) -> u64 {
        self.since_start(self.now())
    }

    pub(super) fn since_start(&self, at: Instant) -> u64 {
        at.since(self.start).micros()
    }

    /// The stack's next deadline, in microseconds since the script began.
    pub(super) fn next_deadline(&self) -> Option<u64> {
        self.stack.next_deadline().map(|at| self.since_start(at))
    }

    /// Moves on to `micros` since the script began, where no deadline lies between.
    pub(super) fn move_to(&mut self, micros: u64) {
        self.clock.advance_to(self.start + Span::from_micros(micros));
    }

    /// One deadline of the stack, if there is one before `end`.
    fn step(&mut self, end: Instant) -> Result<bool, String> {
        self.turn()?;
        let Some(next) = self.stack.next_deadline().filter(|&next| next <= end) else { return Ok(false) };
        self.clock.advance_to(next);
        Ok(true)
    }

    /// Polls until nothing moves.
    ///
    /// # Errors
    /// What the stack sent that cannot be read, or that it never rests.
    pub(super) fn turn(&mut self) -> Result<(), String> {
        for _ in 0..10_000 {
            let now = self.now();
            let polled = self.stack.poll(&mut [&mut self.nic], now, 64);
            let mut came = 0;
            while let Some(frame) = self.hand.take() {
                came += 1;
                self.sort(&frame)?;
            }
            if polled.received == 0 && came == 0 {
                return Ok(());
            }
        }
        Err("the stack never comes to rest".into())
    }

    /// What the stack sent since this was last asked.
    pub(super) fn take(&mut self) -> Vec<Seen> {
        std::mem::take(&mut self.fresh)
    }

    /// What goes into a packet behind its IP header.
    pub(super) fn room(&self) -> usize {
        let header = if self.addresses.version == Version::V4 { 20 } else { 40 };
        usize::from(self.nic.info().mtu).saturating_sub(header)
    }

    /// Puts a packet on the wire to the stack.
    pub(super) fn inject(&mut self, header: IpHeader, ends: (SocketAddr, SocketAddr), protocol: u8, body: Vec<u8>) {
        let (ethertype, packet) = wire::packet(header, (ends.0.ip(), ends.1.ip()), protocol, body);
        self.hand.put(frame::ethernet(Side::First.mac(), Side::Second.mac(), ethertype, &packet));
    }

    fn sort(&mut self, bytes: &[u8]) -> Result<(), String> {
        let mac = Side::Second.mac();
        let is_ip = [frame::IPV4, frame::IPV6].contains(&u16::from_be_bytes([bytes[12], bytes[13]]));
        match frame::open(bytes) {
            Opened::ArpRequest { sender, sender_mac, target } if self.addresses.local != IpAddr::V4(target) => {
                self.hand.put(frame::arp_reply(mac, target, sender_mac, sender));
            }
            Opened::Solicitation { sender, sender_mac, target } if self.addresses.local != IpAddr::V6(target) => {
                self.hand.put(frame::advertisement(mac, target, sender_mac, sender));
            }
            Opened::Ip { .. } if is_ip => {
                let sent = wire::read(&bytes[14..]).map_err(|why| format!("the stack sent a bad packet: {why}"))?;
                let is_for_script = |sent: &Sent| sent.ends.1.ip() == self.addresses.remote;
                if let Some(sent) = sent.filter(is_for_script) {
                    self.fresh.push(Seen { at: self.clock.now(), sent });
                }
            }
            Opened::ArpRequest { .. } | Opened::Solicitation { .. } | Opened::Ip { .. } | Opened::Other => {}
        }
        Ok(())
    }
}

/// Memory that all scripts of a thread use, one after the other: a script's tables give back what they hold.
fn pools() -> Pools {
    thread_local! {
        static POOLS: Pools = Pools::leaked(4096);
    }
    POOLS.with(|pools| *pools)
}

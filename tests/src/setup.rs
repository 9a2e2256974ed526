//! A stack with memory, an address and a device, as tests want it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use lendwire::tcp::{TcpConfig, TcpHandle};
use lendwire::time::Instant;
use lendwire::wire::address::Cidr;
use lendwire::{AddressState, Capacities, Config, InterfaceConfig, InterfaceId, Stack, Storage};
use lendwire_nic::{MacAddress, Nic, NicInfo, Offloads, Pool};

/// Which internet protocol a test runs over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Version {
    /// The address of the first or the second end of a wire: documentation prefixes (RFC 5737, RFC 3849).
    #[must_use]
    pub const fn address(self, end: Side) -> IpAddr {
        let last = end as u16 + 1;
        match self {
            Self::V4 => IpAddr::V4(Ipv4Addr::new(192, 0, 2, last as u8)),
            Self::V6 => IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last)),
        }
    }

    const fn prefix(self) -> u8 {
        match self {
            Self::V4 => 24,
            Self::V6 => 64,
        }
    }
}

/// An end of a wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The first one: `here` in a pair, the stack under a peer's hand.
    First,
    /// The second one: `there` in a pair, the peer itself.
    Second,
}

impl Side {
    /// Its hardware address: locally administered.
    #[must_use]
    pub const fn mac(self) -> MacAddress {
        MacAddress([2, 0, 0, 0, 0, self as u8 + 1])
    }
}

/// How the stacks of a test are made.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// IPv4 or IPv6.
    pub version: Version,
    /// Bytes of a frame behind the Ethernet header.
    pub mtu: u16,
    /// What the device does for the stack.
    pub offloads: Offloads,
    /// Frames that the device takes between two flushes, or keeps on their way.
    pub ring: usize,
    /// Settings of TCP.
    pub tcp: TcpConfig,
    /// Table sizes.
    pub capacities: Capacities,
    /// The memory of each end.
    pub pools: [Pools; 2],
    /// What makes initial sequence numbers and ports; tests that want others change it.
    pub secret: u8,
}

impl Setup {
    /// IPv4 on Ethernet's MTU, no offloads, small tables, this thread's own pools, and no segments that are acknowledged
    /// before their time.
    #[must_use]
    pub fn new() -> Self {
        Self {
            version: Version::V4,
            mtu: 1500,
            offloads: Offloads::empty(),
            ring: 256,
            tcp: TcpConfig { quick_acks: 0, ..TcpConfig::DEFAULT },
            capacities: Capacities {
                interfaces: 1,
                neighbours: 8,
                routes: 4,
                replies: 16,
                listeners: 4,
                handshakes: 8,
                connections: 8,
                time_waits: 8,
                cells: 1024,
                ..Capacities::default()
            },
            pools: Pools::of_this_thread(),
            secret: 7,
        }
    }

    /// The same over IPv6.
    #[must_use]
    pub fn v6(self) -> Self {
        Self { version: Version::V6, ..self }
    }

    /// The same with other offloads.
    #[must_use]
    pub fn offloads(self, offloads: Offloads) -> Self {
        Self { offloads, ..self }
    }

    /// The same with other settings of TCP.
    #[must_use]
    pub fn tcp(self, change: impl FnOnce(&mut TcpConfig)) -> Self {
        let mut tcp = self.tcp;
        change(&mut tcp);
        Self { tcp, ..self }
    }

    /// The same with other table sizes.
    #[must_use]
    pub fn capacities(self, change: impl FnOnce(&mut Capacities)) -> Self {
        let mut capacities = self.capacities;
        change(&mut capacities);
        Self { capacities, ..self }
    }
}

impl Default for Setup {
    fn default() -> Self {
        Self::new()
    }
}

/// The slots of one end: what it sends from, and what it receives in.
#[derive(Clone, Copy, Debug)]
pub struct Pools {
    /// What `write` copies into.
    pub transmit: &'static Pool,
    /// What arrives lies here.
    pub receive: &'static Pool,
}

impl Pools {
    /// Bytes of a slot.
    pub const SLOT: usize = 2048;

    /// Pools of `slots` slots each, never given back.
    ///
    /// # Panics
    /// If there are no slots, or more than a pool can have.
    #[must_use]
    pub fn leaked(slots: usize) -> Self {
        let pool = || Pool::leaked(slots, Self::SLOT).expect("a pool of this size can be made");
        Self { transmit: pool(), receive: pool() }
    }

    /// Two pairs of pools of 1024 slots that all tests of this thread use one after the other, so that a thousand
    /// seeds do not take a thousand times their memory.
    #[must_use]
    pub fn of_this_thread() -> [Self; 2] {
        thread_local! {
            static POOLS: [Pools; 2] = [Pools::leaked(1024), Pools::leaked(1024)];
        }
        POOLS.with(|pools| *pools)
    }

    /// Slots that somebody holds.
    #[must_use]
    pub fn held(&self) -> usize {
        self.transmit.slots() - self.transmit.available() + self.receive.slots() - self.receive.available()
    }
}

/// A stack, its device, and the connections that a failed test should tell about.
pub struct End {
    /// The stack.
    pub stack: Stack<'static>,
    /// Its device.
    pub nic: Box<dyn Nic>,
    /// Its interface.
    pub interface: InterfaceId,
    /// Its address.
    pub address: IpAddr,
    /// Its memory.
    pub pools: Pools,
    watched: Vec<(&'static str, TcpHandle)>,
}

impl End {
    /// A stack on `nic`. An IPv6 address is usable only after a second of duplicate address detection.
    ///
    /// # Panics
    /// If `setup` has no place for an interface and an address.
    #[must_use]
    pub fn new(setup: &Setup, side: Side, nic: Box<dyn Nic>, now: Instant) -> Self {
        let (stack, interface) = stack_on(setup, side, nic.info(), now);
        let (address, pools) = (setup.version.address(side), setup.pools[side as usize]);
        Self { stack, nic, interface, address, pools, watched: Vec::new() }
    }

    /// One poll.
    pub fn poll(&mut self, now: Instant) -> lendwire::Polled {
        self.stack.poll(&mut [&mut *self.nic], now, 64)
    }

    /// Whether the address may be used.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let mut states = self.stack.addresses(self.interface);
        states.any(|(cidr, state)| cidr.address() == self.address && state == AddressState::Preferred)
    }

    /// `port` of this end.
    #[must_use]
    pub const fn socket(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.address, port)
    }

    /// Tells about `connection` whenever this end is described.
    pub fn watch(&mut self, name: &'static str, connection: TcpHandle) {
        self.watched.push((name, connection));
    }

    /// What a failed test prints.
    #[must_use]
    pub fn describe(&self) -> String {
        use std::fmt::Write as _;
        let mut text = String::new();
        for &(name, handle) in &self.watched {
            let (unsent, unread) = (self.stack.unacknowledged(handle), self.stack.unread(handle));
            let state = self.stack.state(handle);
            let _ = write!(text, "{name} is in {state:?}, {unsent} bytes unacknowledged, {unread} unread; ");
        }
        let drops: Vec<_> =
            self.stack.drops().iter().filter(|(_, count)| *count > 0).map(|(why, n)| (why.name(), n)).collect();
        let _ = write!(
            text,
            "{:?}; {:?}; next deadline {:?}; dropped {drops:?}; {} slots held",
            self.stack.tcp_statistics(),
            self.stack.work(),
            self.stack.next_deadline(),
            self.pools.held(),
        );
        text
    }
}

/// A stack with one interface, that of the device `info`, and an address on it.
///
/// # Panics
/// If `setup` has no place for them.
#[must_use]
pub fn stack_on(setup: &Setup, side: Side, info: &NicInfo, now: Instant) -> (Stack<'static>, InterfaceId) {
    stack_over(Storage::leaked(&setup.capacities), setup, side, info, now)
}

/// The same over memory that is given back.
///
/// # Panics
/// If `storage` has no place for them.
#[must_use]
pub fn stack_over<'s>(
    storage: Storage<'s>,
    setup: &Setup,
    side: Side,
    info: &NicInfo,
    now: Instant,
) -> (Stack<'s>, InterfaceId) {
    let mut config = Config::new([setup.secret.wrapping_add(side as u8); 16]);
    config.tcp = setup.tcp;
    let pool = setup.pools[side as usize].transmit;
    let mut stack = Stack::new(storage, config, pool, now);
    let interface = stack
        .add_interface(info, InterfaceConfig { autoconfigure: false, loopback: false }, now)
        .expect("a stack has a place for an interface");
    let cidr = Cidr::new(setup.version.address(side), setup.version.prefix()).expect("the prefix fits the address");
    stack.add_address(interface, cidr, now).expect("an interface has a place for an address");
    (stack, interface)
}

/// What a device of these tests says of itself.
#[must_use]
pub const fn nic_info(setup: &Setup, side: Side, name: &'static str) -> NicInfo {
    NicInfo { name, address: side.mac(), mtu: setup.mtu, offloads: setup.offloads, max_parts: 7, queues: 1 }
}

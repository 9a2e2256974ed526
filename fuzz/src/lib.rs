//! A host for hostile bytes: one stack with an address of each version, open ports, and a NIC that swallows.

pub mod device;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::OnceLock;

use lendwire::tcp::{FastOpen, FastOpenKeys, ListenerHandle, SynCookies, TcpHandle};
use lendwire::time::Instant;
use lendwire::udp::UdpHandle;
use lendwire::wire::address::Cidr;
use lendwire::{Capacities, Config, InterfaceConfig, InterfaceId, Stack, Tables};
use lendwire_nic::{
    Full, Interrupts, MacAddress, Nic, NicInfo, NicStatistics, Offloads, Pending, Pool, Received, RxPacket, TxPacket,
    Work,
};

/// The host's hardware address.
pub const MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);
/// The peer's.
pub const PEER_MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 2]);
/// The host's address.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
/// The peer's.
pub const PEER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
/// The port that is open, for TCP and UDP.
pub const PORT: u16 = 7;

/// Slots for received frames and for what is sent; few, so that their exhaustion is found too.
pub fn pool() -> &'static Pool {
    static POOL: OnceLock<&'static Pool> = OnceLock::new();
    POOL.get_or_init(|| Pool::leaked(64, 2048).expect("a pool of 64 slots is sound"))
}

/// A NIC that takes every packet, reads all of it as a device would, and keeps the last headers.
pub struct Swallower {
    info: NicInfo,
    /// The headers of the last packet that left.
    pub last: Vec<u8>,
    /// Packets that left.
    pub sent: usize,
    /// A sum over all bytes that left, so that they are read.
    pub sum: u64,
}

impl Nic for Swallower {
    fn info(&self) -> &NicInfo {
        &self.info
    }

    fn transmit(&mut self, packet: &TxPacket<'_>) -> Result<(), Full> {
        self.last.clear();
        self.last.extend_from_slice(packet.header());
        self.sum += packet.payload().parts().flat_map(|part| part.bytes()).map(|&byte| u64::from(byte)).sum::<u64>();
        assert!(packet.len() <= usize::from(self.info.mtu) + 18, "the stack kept the MTU");
        self.sent += 1;
        Ok(())
    }

    fn receive(&mut self) -> Option<RxPacket> {
        None
    }

    fn flush(&mut self) {}

    fn set_interrupts(&mut self, _: Interrupts) -> Pending {
        Pending::Nothing
    }

    fn statistics(&self) -> NicStatistics {
        NicStatistics::default()
    }
}

/// The stack under fire, with an application that echoes.
pub struct Host<'s> {
    /// The stack.
    pub stack: Stack<'s>,
    /// Its NIC.
    pub nic: Swallower,
    /// Virtual time, in microseconds.
    pub now: u64,
    interface: InterfaceId,
    listener: ListenerHandle,
    socket: UdpHandle,
    accepted: Vec<TcpHandle>,
}

/// Tables small enough to be filled.
pub fn tables() -> Tables {
    Tables::new(&Capacities {
        interfaces: 1,
        neighbours: 4,
        routes: 6,
        replies: 8,
        sockets: 2,
        datagrams: 4,
        listeners: 2,
        handshakes: 4,
        connections: 4,
        time_waits: 2,
        cells: 64,
        flights: 2,
        runs: 8,
        batches: 2,
        servers: 2,
    })
}

impl<'s> Host<'s> {
    /// A host at time zero.
    pub fn new(tables: &'s mut Tables) -> Self {
        Self::with(tables, SynCookies::WhenFull)
    }

    /// The same with another habit of SYN cookies.
    pub fn with(tables: &'s mut Tables, cookies: SynCookies) -> Self {
        let info = NicInfo {
            name: "swallower",
            address: MAC,
            mtu: 1500,
            offloads: Offloads::empty(),
            max_parts: 16,
            queues: 1,
        };
        let start = Instant::from_micros(0);
        let mut settings = Config::new([7; 16]);
        settings.tcp.syn_cookies = cookies;
        let mut stack = Stack::new(tables.lend(), settings, pool(), start);
        let config = InterfaceConfig { autoconfigure: true, loopback: false };
        let interface = stack.add_interface(&info, config, start).expect("the first interface has room");
        let cidr = Cidr::new(IpAddr::V4(ADDRESS), 24).expect("24 bits are a prefix");
        stack.add_address(interface, cidr, start).expect("the first address has room");
        stack.start_dhcp(interface, start).expect("the first client has room");
        let any = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), PORT);
        let listener = stack.listen(any, 2).expect("the port is free");
        stack.set_fast_open(listener, Some(FastOpen { limit: 2, keys: FastOpenKeys::Own }));
        let socket = stack.udp_bind(None, PORT).expect("the port is free");
        let nic = Swallower { info, last: Vec::new(), sent: 0, sum: 0 };
        Self { stack, nic, now: 0, interface, listener, socket, accepted: Vec::new() }
    }

    /// Hands the stack a frame, split behind `split` bytes, and lets it and the application react.
    pub fn receive(&mut self, frame: &[u8], split: usize, checksum: Received) {
        let (first, second) = frame.split_at(split.min(frame.len()));
        let mut chunks = [first, second].into_iter().filter(|bytes| !bytes.is_empty()).filter_map(|bytes| {
            let mut slot = pool().take()?;
            Some(slot.write(bytes, &mut Work::default()))
        });
        let Some(chunk) = chunks.next() else { return };
        let mut packet = RxPacket::new(chunk);
        for chunk in chunks {
            packet.push(chunk).expect("two chunks fit");
        }
        packet.checksum = checksum;
        self.stack.receive(self.interface, packet, Instant::from_micros(self.now));
        self.react();
    }

    /// Lets time pass.
    pub fn pass(&mut self, micros: u64) {
        self.now += micros;
        self.react();
    }

    fn react(&mut self) {
        let now = Instant::from_micros(self.now);
        self.stack.poll(&mut [&mut self.nic], now, 32);
        while let Some(connection) = self.stack.accept(self.listener) {
            self.accepted.push(connection);
        }
        let stack = &mut self.stack;
        self.accepted.retain(|&connection| {
            loop {
                match stack.read_chunk(connection) {
                    Ok(Some(chunk)) => drop(stack.push(connection, chunk)),
                    Ok(None) => {
                        stack.close(connection, now);
                        break false;
                    }
                    Err(lendwire::tcp::ReadError::Empty) => break true,
                    Err(_) => {
                        stack.close(connection, now);
                        break false;
                    }
                }
            }
        });
        while let Some(received) = stack.udp_read(self.socket) {
            for chunk in received.packet.chunks() {
                let _ = stack.udp_push(self.socket, received.from, chunk.clone());
            }
        }
        while stack.next_event().is_some() {}
        while stack.next_udp_event().is_some() {}
        stack.poll(&mut [&mut self.nic], now, 32);
    }

    /// Everything that was lent comes back when the stack is gone.
    pub fn finish(self) {
        drop(self);
    }
}

/// Asserts that no slot is held any more.
pub fn assert_nothing_leaked() {
    assert_eq!(pool().available(), pool().slots(), "every slot came back");
}

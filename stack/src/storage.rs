//! The memory of a stack: tables of the embedder's capacity, handed in once.
//!
//! Invariant: after start-up nothing is taken from anywhere else.

use crate::{dhcp, ip, tcp, udp};

/// All tables. Build it from `static`s, or, with the feature `alloc`, borrow it from `Tables`.
#[derive(Debug)]
pub struct Storage<'s> {
    /// Interfaces, neighbours, routes, replies.
    pub ip: ip::Storage<'s>,
    /// DHCP clients: one for each interface that leases its address.
    pub dhcp: &'s mut [crate::Slot<dhcp::Dhcp>],
    /// UDP sockets and what they queue.
    pub udp: udp::Storage<'s>,
    /// Listeners, connections and what they queue.
    pub tcp: tcp::Storage<'s>,
}

#[cfg(feature = "alloc")]
pub use owned::{Capacities, Tables};

/// Tables on the heap.
#[cfg(feature = "alloc")]
mod owned {
    use alloc::boxed::Box;

    use lendwire_nic::Cell;

    use super::Storage;
    use crate::{Slot, Timer, dhcp, ip, tcp, udp};

    /// How many of each.
    #[derive(Clone, Copy, Debug)]
    pub struct Capacities {
        /// Network interfaces.
        pub interfaces: usize,
        /// Known hardware addresses; as many destinations with a narrow path are known.
        pub neighbours: usize,
        /// Routes.
        pub routes: usize,
        /// Replies that wait for a ring: of ARP, NDP and ICMP together, and as many of TCP.
        pub replies: usize,
        /// UDP sockets.
        pub sockets: usize,
        /// Datagrams of all UDP sockets that wait to be read; as many may wait to be sent.
        pub datagrams: usize,
        /// TCP listeners.
        pub listeners: usize,
        /// Handshakes under way, of all listeners together.
        pub handshakes: usize,
        /// TCP connections.
        pub connections: usize,
        /// Connections in TIME-WAIT.
        pub time_waits: usize,
        /// Chunks queued anywhere.
        pub cells: usize,
        /// Connections that have data on the way at the same time; others wait for their turn. As many may receive.
        pub flights: usize,
        /// Runs of data on the way that are known apart: three for each flight at least.
        pub runs: usize,
        /// Flows that a burst may interleave and still be coalesced.
        pub batches: usize,
        /// Servers whose Fast Open cookies are kept, or that are not to be asked for one.
        pub servers: usize,
    }

    impl Default for Capacities {
        /// A small server's.
        fn default() -> Self {
            Self {
                interfaces: 4,
                neighbours: 64,
                routes: 16,
                replies: 64,
                sockets: 16,
                datagrams: 128,
                listeners: 16,
                handshakes: 256,
                connections: 512,
                time_waits: 1024,
                cells: 8192,
                flights: 512,
                runs: 8 * 512,
                batches: 8,
                servers: 64,
            }
        }
    }

    /// Tables that are allocated once, at start-up.
    #[derive(Debug)]
    pub struct Tables {
        interfaces: Box<[ip::InterfaceSlot]>,
        neighbours: Box<[ip::NeighbourSlot]>,
        routes: Box<[ip::RouteSlot]>,
        ip_replies: Box<[ip::ReplySlot]>,
        path_mtus: Box<[ip::PathMtuSlot]>,
        dhcp: Box<[Slot<dhcp::Dhcp>]>,
        sockets: Box<[Slot<udp::Socket>]>,
        arrivals: Box<[Slot<udp::Arrival>]>,
        departures: Box<[Slot<udp::Departure>]>,
        ports: Box<[udp::PortBucket]>,
        udp_links: Box<[u32]>,
        listeners: Box<[Slot<tcp::Listener>]>,
        handshakes: Box<[Slot<tcp::SynReceived>]>,
        connections: Box<[Slot<tcp::Entry>]>,
        time_waits: Box<[Slot<tcp::TimeWait>]>,
        buckets: Box<[tcp::Bucket]>,
        timers: Box<[Timer]>,
        tcp_links: Box<[u32]>,
        cells: Box<[Cell]>,
        blocks: Box<[Slot<tcp::Block>]>,
        writers: Box<[Slot<tcp::Writers>]>,
        tcp_replies: Box<[Option<tcp::Reply>]>,
        flights: Box<[Slot<tcp::Flight>]>,
        settings: Box<[Slot<tcp::Settings>]>,
        intakes: Box<[Slot<tcp::Intake>]>,
        runs: Box<[Slot<tcp::Run>]>,
        batches: Box<[tcp::Batch]>,
        servers: Box<[tcp::ServerSlot]>,
    }

    impl Tables {
        /// Empty tables.
        #[must_use]
        pub fn new(capacities: &Capacities) -> Self {
            let Capacities { interfaces, neighbours, routes, replies, sockets, datagrams, .. } = *capacities;
            let Capacities {
                listeners,
                handshakes,
                connections,
                time_waits,
                cells,
                flights,
                runs,
                batches,
                servers,
                ..
            } = *capacities;
            let both = connections + handshakes;
            Self {
                interfaces: filled(interfaces, || ip::InterfaceSlot::EMPTY),
                neighbours: filled(neighbours, || ip::NeighbourSlot::EMPTY),
                routes: filled(routes, || ip::RouteSlot::EMPTY),
                ip_replies: filled(replies, || ip::ReplySlot::EMPTY),
                path_mtus: filled(neighbours, || ip::PathMtuSlot::EMPTY),
                dhcp: filled(interfaces, || Slot::EMPTY),
                sockets: filled(sockets, || Slot::EMPTY),
                arrivals: filled(datagrams, || Slot::EMPTY),
                departures: filled(datagrams, || Slot::EMPTY),
                ports: filled(sockets.max(1), || udp::PortBucket::EMPTY),
                udp_links: filled(2 * sockets, || 0),
                listeners: filled(listeners, || Slot::EMPTY),
                handshakes: filled(handshakes, || Slot::EMPTY),
                connections: filled(connections, || Slot::EMPTY),
                time_waits: filled(time_waits, || Slot::EMPTY),
                // Half full at most, so that a probe is short.
                buckets: filled((2 * (both + time_waits + listeners) + 1).next_power_of_two(), || tcp::Bucket::EMPTY),
                timers: filled(both, || Timer::IDLE),
                tcp_links: filled(2 * both + 4 * connections, || 0),
                cells: filled(cells, || Cell::NEW),
                blocks: filled((cells / 4).max(16), || Slot::EMPTY),
                writers: filled(connections, || Slot::EMPTY),
                tcp_replies: filled(replies, || None),
                flights: filled(flights, || Slot::EMPTY),
                settings: filled(connections, || Slot::EMPTY),
                intakes: filled(flights, || Slot::EMPTY),
                runs: filled(runs, || Slot::EMPTY),
                batches: filled(batches, || tcp::Batch::EMPTY),
                servers: filled(servers, || tcp::ServerSlot::EMPTY),
            }
        }

        /// The tables as a stack takes them.
        pub fn lend(&mut self) -> Storage<'_> {
            Storage {
                ip: ip::Storage {
                    interfaces: &mut self.interfaces,
                    neighbours: &mut self.neighbours,
                    routes: &mut self.routes,
                    replies: &mut self.ip_replies,
                    path_mtus: &mut self.path_mtus,
                },
                dhcp: &mut self.dhcp,
                udp: udp::Storage {
                    sockets: &mut self.sockets,
                    arrivals: &mut self.arrivals,
                    departures: &mut self.departures,
                    ports: &mut self.ports,
                    links: &mut self.udp_links,
                },
                tcp: tcp::Storage {
                    listeners: &mut self.listeners,
                    handshakes: &mut self.handshakes,
                    connections: &mut self.connections,
                    time_waits: &mut self.time_waits,
                    buckets: &mut self.buckets,
                    timers: &mut self.timers,
                    links: &mut self.tcp_links,
                    cells: &mut self.cells,
                    blocks: &mut self.blocks,
                    writers: &mut self.writers,
                    replies: &mut self.tcp_replies,
                    flights: &mut self.flights,
                    settings: &mut self.settings,
                    intakes: &mut self.intakes,
                    runs: &mut self.runs,
                    batches: &mut self.batches,
                    servers: &mut self.servers,
                },
            }
        }
    }

    impl Storage<'static> {
        /// Tables on the heap that are never given back.
        #[must_use]
        pub fn leaked(capacities: &Capacities) -> Self {
            Box::leak(Box::new(Tables::new(capacities))).lend()
        }
    }

    /// `count` places.
    fn filled<T>(count: usize, place: impl Fn() -> T) -> Box<[T]> {
        (0..count).map(|_| place()).collect()
    }
}

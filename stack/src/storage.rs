//! The memory of a stack: tables of the embedder's capacity, handed in once.
//!
//! Invariant: after start-up nothing is taken from anywhere else.

use crate::{dhcp, ip, tcp, udp};

/// All tables. Build it from `static`s, or with [`Storage::leaked`].
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

/// How many of each.
#[cfg(feature = "alloc")]
#[derive(Clone, Copy, Debug)]
pub struct Capacities {
    /// Network interfaces.
    pub interfaces: usize,
    /// Known hardware addresses.
    pub neighbours: usize,
    /// Routes.
    pub routes: usize,
    /// Replies of ARP, NDP and ICMP that wait for a ring.
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
}

#[cfg(feature = "alloc")]
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
        }
    }
}

#[cfg(feature = "alloc")]
impl Storage<'static> {
    /// Tables on the heap that are never given back.
    #[must_use]
    pub fn leaked(capacities: &Capacities) -> Self {
        let Capacities { interfaces, neighbours, routes, replies, .. } = *capacities;
        let Capacities { sockets, datagrams, .. } = *capacities;
        let Capacities { listeners, handshakes, connections, time_waits, cells, .. } = *capacities;
        let both = connections + handshakes;
        Self {
            ip: ip::Storage {
                interfaces: leaked(interfaces, || ip::InterfaceSlot::EMPTY),
                neighbours: leaked(neighbours, || ip::NeighbourSlot::EMPTY),
                routes: leaked(routes, || ip::RouteSlot::EMPTY),
                replies: leaked(replies, || ip::ReplySlot::EMPTY),
            },
            dhcp: leaked(interfaces, || crate::Slot::EMPTY),
            udp: udp::Storage {
                sockets: leaked(sockets, || crate::Slot::EMPTY),
                arrivals: leaked(datagrams, || crate::Slot::EMPTY),
                departures: leaked(datagrams, || crate::Slot::EMPTY),
                ports: leaked(sockets.max(1), || udp::PortBucket::EMPTY),
                links: leaked(2 * sockets, || 0),
            },
            tcp: tcp::Storage {
                listeners: leaked(listeners, || crate::Slot::EMPTY),
                handshakes: leaked(handshakes, || crate::Slot::EMPTY),
                connections: leaked(connections, || crate::Slot::EMPTY),
                time_waits: leaked(time_waits, || crate::Slot::EMPTY),
                buckets: leaked((2 * (both + time_waits + listeners)).next_power_of_two(), || tcp::Bucket::EMPTY),
                timers: leaked(both, || crate::Timer::IDLE),
                links: leaked(2 * both + 2 * connections, || 0),
                cells: leaked(cells, || lendwire_nic::Cell::NEW),
                blocks: leaked((cells / 4).max(16), || crate::Slot::EMPTY),
                writers: leaked(connections, || crate::Slot::EMPTY),
                replies: leaked(replies, || None),
            },
        }
    }
}

/// `count` values that live for ever.
#[cfg(feature = "alloc")]
fn leaked<T>(count: usize, value: impl Fn() -> T) -> &'static mut [T] {
    alloc::boxed::Box::leak((0..count).map(|_| value()).collect())
}

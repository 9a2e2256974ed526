//! A stack that lives in `static`s: no allocator is asked for anything, from the first line on.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use lendwire::tcp::State;
use lendwire::time::Instant;
use lendwire::wire::address::Cidr;
use lendwire::{
    Config, InterfaceConfig, InterfaceSlot, IpStorage, NeighbourSlot, PathMtuSlot, ReplySlot, RouteSlot, Slot, Stack,
    Storage, Timer, tcp, udp,
};
use lendwire_drivers::loopback::{Loopback, Options, Place, Wire};
use lendwire_nic::{Cell, Chunk, Nic, Pool, Word};
use lendwire_tests::allocator::{self, Counting};
use static_cell::ConstStaticCell;

#[global_allocator]
static ALLOCATOR: Counting = Counting::SYSTEM;

/// A `&'static mut` array of places, each `$place`, that can be taken once.
macro_rules! places {
    ($count:expr, $type:ty, $place:expr) => {{
        static PLACES: ConstStaticCell<[$type; $count]> = ConstStaticCell::new([const { $place }; $count]);
        &mut PLACES.take()[..]
    }};
}

/// A pool of `$slots` slots of `$size` bytes in a `static`.
macro_rules! pool {
    ($slots:expr, $size:expr) => {{
        static BYTES: ConstStaticCell<[u8; $slots * $size]> = ConstStaticCell::new([0; $slots * $size]);
        static POOL: static_cell::StaticCell<Pool> = static_cell::StaticCell::new();
        let words = places!(Pool::words($slots), Word, Word::new(0));
        let pool: &'static Pool = POOL.init(Pool::new(BYTES.take(), $size, words).expect("the pool is sound"));
        pool
    }};
}

/// All tables of a small stack; a macro, because each use needs `static`s of its own.
macro_rules! storage {
    () => {
        Storage {
            ip: IpStorage {
                interfaces: places!(1, InterfaceSlot, InterfaceSlot::EMPTY),
                neighbours: places!(4, NeighbourSlot, NeighbourSlot::EMPTY),
                routes: places!(4, RouteSlot, RouteSlot::EMPTY),
                replies: places!(8, ReplySlot, ReplySlot::EMPTY),
                path_mtus: places!(4, PathMtuSlot, PathMtuSlot::EMPTY),
            },
            dhcp: places!(1, Slot<lendwire::dhcp::Dhcp>, Slot::EMPTY),
            udp: udp::Storage {
                sockets: places!(2, Slot<udp::Socket>, Slot::EMPTY),
                arrivals: places!(4, Slot<udp::Arrival>, Slot::EMPTY),
                departures: places!(4, Slot<udp::Departure>, Slot::EMPTY),
                ports: places!(2, udp::PortBucket, udp::PortBucket::EMPTY),
                links: places!(4, u32, 0),
            },
            tcp: tcp::Storage {
                listeners: places!(2, Slot<tcp::Listener>, Slot::EMPTY),
                handshakes: places!(4, Slot<tcp::SynReceived>, Slot::EMPTY),
                connections: places!(4, Slot<tcp::Entry>, Slot::EMPTY),
                time_waits: places!(4, Slot<tcp::TimeWait>, Slot::EMPTY),
                buckets: places!(32, tcp::Bucket, tcp::Bucket::EMPTY),
                timers: places!(8, Timer, Timer::IDLE),
                links: places!(32, u32, 0),
                cells: places!(128, Cell, Cell::NEW),
                blocks: places!(16, Slot<tcp::Block>, Slot::EMPTY),
                writers: places!(4, Slot<tcp::Writers>, Slot::EMPTY),
                replies: places!(8, Option<tcp::Reply>, None),
                flights: places!(4, Slot<tcp::Flight>, Slot::EMPTY),
                settings: places!(4, Slot<tcp::Settings>, Slot::EMPTY),
                intakes: places!(4, Slot<tcp::Intake>, Slot::EMPTY),
                runs: places!(16, Slot<tcp::Run>, Slot::EMPTY),
                batches: places!(2, tcp::Batch, tcp::Batch::EMPTY),
                servers: places!(2, tcp::ServerSlot, tcp::ServerSlot::EMPTY),
            },
        }
    };
}

fn host(storage: Storage<'static>, nic: &dyn Nic, pool: &'static Pool, number: u8) -> Stack<'static> {
    let start = Instant::from_micros(0);
    let mut stack = Stack::new(storage, Config::new([number; 16]), pool, start);
    let config = InterfaceConfig { autoconfigure: true, loopback: false };
    let interface = stack.add_interface(nic.info(), config, start).expect("the first interface has room");
    let cidr = Cidr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, number)), 24).expect("24 bits are a prefix");
    stack.add_address(interface, cidr, start).expect("the first address has room");
    stack
}

/// A connection, data both ways by lending and by copying, and its end.
fn run() -> usize {
    static WIRE: ConstStaticCell<Option<Wire>> = ConstStaticCell::new(None);
    let wire: &'static Wire = WIRE.take().insert(Wire::new([places!(64, Place, None), places!(64, Place, None)]));
    let (mut left_nic, mut right_nic) = Loopback::over(wire, &Options::default(), pool!(128, 128));
    let pool = pool!(64, 2048);
    let mut left = host(storage!(), &left_nic, pool, 1);
    let mut right = host(storage!(), &right_nic, pool, 2);
    let mut now = Instant::from_micros(0);
    let any = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 7);
    let listener = right.listen(any, 2).expect("the port is free");
    let to = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)), 7);
    let connection = left.connect(to, None, now).expect("there is a route");
    let (mut accepted, mut pushed, mut echoed) = (None, false, 0);
    for step in 1..2_000 {
        now = Instant::from_micros(step * 1_000);
        left.poll(&mut [&mut left_nic], now, 16);
        right.poll(&mut [&mut right_nic], now, 16);
        accepted = accepted.or_else(|| right.accept(listener));
        if left.state(connection) == State::Established && !pushed {
            static PAGE: [u8; 20_000] = [7; 20_000];
            left.push(connection, Chunk::from_static(&PAGE)).expect("there is room");
            assert_eq!(left.write(connection, b"copied"), Ok(6));
            pushed = true;
        }
        while let Some(Ok(Some(chunk))) = accepted.map(|accepted| right.read_chunk(accepted)) {
            right.push(accepted.expect("it was just read from"), chunk).expect("there is room");
        }
        while let Ok(Some(chunk)) = left.read_chunk(connection) {
            echoed += chunk.len();
        }
    }
    left.close(connection, now);
    echoed
}

#[test]
fn a_stack_in_statics_never_allocates() {
    let (echoed, allocations) = allocator::during(run);
    assert_eq!(echoed, 20_006);
    assert_eq!(allocations, 0);
}

//! Many connections at once, each served only when an event says so: a wake-up that is lost stops one of them for ever.

use std::collections::HashMap;

use lendwire::tcp::{ListenerHandle, PushRefused, ReadError, TcpEvent, TcpHandle};
use lendwire_drivers::impaired::{Chance, Impairments};
use lendwire_tests::pair::Pair;
use lendwire_tests::seeds::Seeds;
use lendwire_tests::setup::{End, Pools, Setup};
use lendwire_tests::stream::{self, Check, PERIOD};

#[test]
fn forty_echoes_at_once_in_memory_are_all_served() {
    let mut pair = Pair::loopback(&crowded());
    echoes(&mut pair, 40, 50_000);
}

#[test]
fn forty_echoes_at_once_through_a_ring_of_two_are_all_served() {
    let mut setup = crowded();
    setup.ring = 2;
    let mut pair = Pair::loopback(&setup);
    echoes(&mut pair, 40, 20_000);
}

#[test]
fn twenty_echoes_at_once_over_a_bad_wire_are_all_served() {
    Seeds::new("crowd", "twenty_echoes_at_once_over_a_bad_wire_are_all_served", 0, 20).run(|seed| {
        let bad = Impairments {
            loss: Chance::percent(3),
            duplication: Chance::percent(2),
            reordering: Chance::percent(5),
            held_back: 3_000,
            damage: Chance::percent(1),
            delay: 2_000,
            ..Impairments::default()
        };
        let mut pair = Pair::impaired(&crowded(), seed, [bad; 2]);
        echoes(&mut pair, 20, 20_000);
    });
}

#[test]
fn forty_echoes_at_once_that_share_few_cells_are_all_served() {
    let mut pair = Pair::loopback(&crowded().capacities(|capacities| capacities.cells = 256));
    echoes(&mut pair, 40, 20_000);
}

#[test]
fn forty_echoes_at_once_that_share_few_slots_are_all_served() {
    let few = Pools::leaked(64);
    let [first, second] = Pools::of_this_thread();
    let pools = [Pools { transmit: few.transmit, ..first }, Pools { transmit: few.receive, ..second }];
    let mut pair = Pair::loopback(&Setup { pools, ..crowded() });
    echoes(&mut pair, 40, 20_000);
}

fn crowded() -> Setup {
    Setup::new().tcp(|tcp| tcp.receive_budget = 32 * 1024).tcp(|tcp| tcp.send_budget = 16 * 1024).capacities(
        |capacities| {
            capacities.connections = 64;
            capacities.handshakes = 64;
            capacities.time_waits = 64;
            capacities.cells = 4096;
        },
    )
}

/// `count` clients send `len` bytes each and read them back.
fn echoes(pair: &mut Pair, count: usize, len: u64) {
    let listener = pair.there.stack.listen(pair.there.socket(Pair::PORT), count).expect("the port is free");
    let (remote, now) = (pair.there.socket(Pair::PORT), pair.now());
    let mut clients = HashMap::new();
    let mut order = Vec::new();
    for _ in 0..count {
        let handle = pair.here.stack.connect(remote, None, now).expect("there is room");
        clients.insert(handle, Client { gone: 0, came: Check::default(), is_done: false });
        order.push(handle);
    }
    let mut server = Server { listener, held: HashMap::new() };
    pair.run_until("every echo is complete", |pair| {
        while let Some(TcpEvent(handle)) = pair.here.stack.next_event() {
            if let Some(client) = clients.get_mut(&handle) {
                client.serve(&mut pair.here, handle, len);
            }
        }
        server.serve(&mut pair.there);
        clients.values().all(|client| client.is_done)
    });
    let now = pair.now();
    for handle in order {
        pair.here.stack.close(handle, now);
    }
    pair.run_until("everything is given back", |pair| {
        server.serve(&mut pair.there);
        let now = pair.now();
        server.close_ended(&mut pair.there, now);
        server.held.is_empty() && pair.held() == 0
    });
}

struct Client {
    gone: u64,
    came: Check,
    is_done: bool,
}

impl Client {
    fn serve(&mut self, end: &mut End, handle: TcpHandle, len: u64) {
        while self.gone < len {
            let at = (self.gone % PERIOD as u64) as usize;
            let most = ((len - self.gone) as usize).min(PERIOD - at);
            match end.stack.write(handle, &stream::content().bytes()[at..at + most]) {
                Ok(0) => break,
                Ok(written) => self.gone += written as u64,
                Err(error) => panic!("{error}: {}", end.describe()),
            }
        }
        while let Ok(Some(chunk)) = end.stack.read_chunk(handle) {
            self.came.accept(&chunk);
        }
        self.is_done = self.came.place() == len;
    }
}

/// Sends every chunk back as it came; one that finds no room is kept until an event tells of some.
struct Server {
    listener: ListenerHandle,
    held: HashMap<TcpHandle, Option<lendwire_nic::Chunk>>,
}

impl Server {
    fn serve(&mut self, end: &mut End) {
        while let Some(handle) = end.stack.accept(self.listener) {
            self.held.insert(handle, None);
            // What came before it was accepted makes no event.
            self.echo(end, handle);
        }
        while let Some(TcpEvent(handle)) = end.stack.next_event() {
            self.echo(end, handle);
        }
    }

    fn echo(&mut self, end: &mut End, handle: TcpHandle) {
        let Some(kept) = self.held.get_mut(&handle) else { return };
        loop {
            let chunk = match kept.take() {
                Some(chunk) => chunk,
                None => match end.stack.read_chunk(handle) {
                    Ok(Some(chunk)) => chunk,
                    Ok(None) | Err(ReadError::Empty) => return,
                    Err(error) => panic!("{error}: {}", end.describe()),
                },
            };
            if let Err(error) = end.stack.push(handle, chunk) {
                assert_eq!(error.reason, PushRefused::Full);
                *kept = Some(error.chunk);
                return;
            }
        }
    }

    fn close_ended(&mut self, end: &mut End, now: lendwire::time::Instant) {
        let stack = &mut end.stack;
        self.held.retain(|&handle, kept| {
            let is_over = kept.is_none() && matches!(stack.read_chunk(handle), Ok(None));
            if is_over {
                stack.close(handle, now);
            }
            !is_over
        });
    }
}

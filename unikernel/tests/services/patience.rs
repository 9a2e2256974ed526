//! Clients that never end, never come, or never read.

use lendwire::time::Span;
use lendwire_nic::Offloads;
use lendwire_unikernel::apps::HTTP_PORT;
use lendwire_unikernel::http::PATIENCE;

use crate::world::{End, World, response};

const HALF: Span = Span::from_micros(PATIENCE.as_micros() as u64 / 2);
const WHOLE: Span = Span::from_micros(PATIENCE.as_micros() as u64);

#[test]
fn a_request_that_never_ends_is_dropped_at_its_deadline() {
    let mut world = World::new(Offloads::empty());
    let mut client = world.connect(HTTP_PORT);
    // A byte now and then does not buy time.
    for byte in "GET / HTTP/1.1\r\nHost".bytes().chain(std::iter::repeat(b'a')).take(95) {
        world.say(&mut client, &[byte]);
        world.pass(Span::from_millis(100));
        world.listen(&mut client);
        assert_eq!(client.ended, None);
    }
    world.pass(Span::from_secs(1));
    world.listen(&mut client);
    assert_eq!(client.ended, Some(End::Closed));
    assert!(client.got.is_empty());
    assert_eq!(world.services.next_deadline(), None);
}

#[test]
fn every_answer_renews_the_patience() {
    let mut world = World::new(Offloads::empty());
    let mut client = world.connect(HTTP_PORT);
    for _ in 0..5 {
        world.pass(HALF);
        let mut got = world.ask(&mut client, "GET /1k HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(response(&mut got).0, "HTTP/1.1 200 OK");
    }
    world.pass(WHOLE);
    world.listen(&mut client);
    assert_eq!(client.ended, Some(End::Closed));
}

#[test]
fn who_is_slow_to_read_keeps_its_connection_and_who_never_reads_loses_it() {
    let mut world = World::new(Offloads::empty());
    let mut slow = world.connect(HTTP_PORT);
    let mut dead = world.connect(HTTP_PORT);
    for client in [&slow, &dead] {
        let taken = world.client.stack.write(client.handle, b"GET /1m HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(taken, Ok(29));
    }
    let before = world.server.stack.tcp_statistics().resets;
    for _ in 0..8 {
        world.pass(WHOLE);
        world.listen(&mut slow);
    }
    world.hear(&mut slow);
    assert_eq!(response(&mut slow.got).1.len(), 1 << 20);
    assert_eq!(world.server.stack.tcp_statistics().resets, before + 1);
    world.listen(&mut dead);
    assert_eq!(dead.ended, Some(End::Reset));
}

#[test]
fn all_memory_is_back_when_the_clients_are_gone() {
    let mut world = World::new(Offloads::empty());
    let free = world.pools.map(|pool| pool.available());
    for port in [HTTP_PORT, 5001, 5002, 5003, 7, 5004] {
        let client = world.connect(port);
        world.say_without_listening(&client, b"GET /1k HTTP/1.1\r\nHost: a\r\n\r\nGET /");
        world.client.stack.abort(client.handle);
        world.pass(Span::from_millis(10));
    }
    world.pass(WHOLE);
    assert_eq!(world.pools.map(|pool| pool.available()), free);
    assert_eq!(world.services.next_deadline(), None);
}

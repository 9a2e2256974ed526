//! Sink, source, and echo over TCP and UDP.

use lendwire::tcp::State;
use lendwire::time::Span;
use lendwire_nic::{Chunk, ChunkMut, Offloads};
use lendwire_unikernel::apps::{DIGEST_PORT, ECHO_PORTS, SINK_PORT, SOURCE_PORT};
use lendwire_unikernel::http::ONE_MEBIBYTE;

use crate::world::{End, OFFLOADS, World};

#[test]
fn megabytes_come_back_from_echo_as_they_went() {
    for (offloads, port) in OFFLOADS.into_iter().zip(ECHO_PORTS) {
        let mut world = World::new(offloads);
        let mut client = world.connect(port);
        let mut sent = crc32fast::Hasher::new();
        for _ in 0..5 {
            sent.update(&ONE_MEBIBYTE);
            world.say(&mut client, &ONE_MEBIBYTE);
        }
        world.shut(&client);
        world.hear(&mut client);
        assert_eq!(client.got.len(), 5 << 20);
        assert_eq!(crc32fast::hash(&client.got), sent.finalize());
        assert_eq!(client.ended, Some(End::Closed));
    }
}

#[test]
fn an_echo_of_whole_segments_copies_nothing() {
    let mut world = World::new(Offloads::empty());
    let mut client = world.connect(ECHO_PORTS[0]);
    world.lend(&client, Chunk::from_static(&ONE_MEBIBYTE[..1460 * 100]));
    world.hear(&mut client);
    assert!(client.got == ONE_MEBIBYTE[..1460 * 100]);
    assert_eq!(world.server.stack.work().copied, 0);
}

#[test]
fn small_pieces_come_back_too() {
    let mut world = World::new(Offloads::empty());
    let mut client = world.connect(ECHO_PORTS[0]);
    for len in [1, 2, 255, 256, 257, 3] {
        world.say(&mut client, &ONE_MEBIBYTE[..len]);
        assert!(client.got == ONE_MEBIBYTE[..len], "{len} bytes");
        client.got.clear();
    }
}

#[test]
fn who_does_not_read_its_echo_finds_its_window_closed() {
    let mut world = World::new(Offloads::empty());
    let mut client = world.connect(ECHO_PORTS[0]);
    let mut sent = Vec::new();
    for _ in 0..100 {
        let piece = &ONE_MEBIBYTE[sent.len() % 4096..][..64 << 10];
        let written = world.client.stack.write(client.handle, piece).expect("the connection stands");
        sent.extend_from_slice(&piece[..written]);
        world.pass(Span::from_millis(10));
    }
    assert!(sent.len() < 2 << 20, "{} bytes are somewhere", sent.len());
    // Another client is not concerned.
    let mut another = world.connect(ECHO_PORTS[0]);
    world.say(&mut another, b"here");
    assert_eq!(another.got, b"here");
    // And nothing is lost.
    world.hear(&mut client);
    assert!(client.got == sent);
}

#[test]
fn the_sink_takes_all_and_closes_when_the_client_does() {
    let mut world = World::new(Offloads::empty());
    let free = world.pools[0].available();
    let mut client = world.connect(SINK_PORT);
    for _ in 0..3 {
        world.say(&mut client, &ONE_MEBIBYTE);
    }
    assert_eq!(world.pools[0].available(), free);
    world.shut(&client);
    world.hear(&mut client);
    assert_eq!((client.got.len(), client.ended), (0, Some(End::Closed)));
    assert_eq!(world.server.stack.work().copied, 0);
}

#[test]
fn the_digest_says_what_it_took_without_copying_it() {
    for times in [0, 3] {
        let mut world = World::new(Offloads::empty());
        let free = world.pools[0].available();
        let mut client = world.connect(DIGEST_PORT);
        let mut sent = crc32fast::Hasher::new();
        for _ in 0..times {
            sent.update(&ONE_MEBIBYTE);
            world.say(&mut client, &ONE_MEBIBYTE);
        }
        assert_eq!(client.got, b"", "it speaks last");
        assert_eq!((world.server.stack.work().copied, world.pools[0].available()), (0, free));
        world.shut(&client);
        world.hear(&mut client);
        let answer = format!("{} {:08x}\n", times << 20, sent.finalize());
        assert_eq!((client.got, client.ended), (answer.into_bytes(), Some(End::Closed)));
    }
}

#[test]
fn the_source_gives_for_as_long_as_somebody_reads() {
    let mut world = World::new(Offloads::empty());
    let mut client = world.connect(SOURCE_PORT);
    // Its own side closed, a client may still read.
    world.shut(&client);
    for _ in 0..10_000 {
        if client.got.len() >= 4 << 20 {
            break;
        }
        world.pass(Span::from_millis(1));
        world.listen(&mut client);
    }
    assert!(client.got.len() >= 4 << 20, "the source dried up after {} bytes", client.got.len());
    for piece in client.got[..4 << 20].chunks(1 << 20) {
        assert!(piece == ONE_MEBIBYTE);
    }
    assert_eq!(world.server.stack.work().copied, 0);
    assert_eq!(world.state(&client), State::FinWait2);
    world.client.stack.abort(client.handle);
    world.pass(Span::from_secs(1));
    assert_eq!(world.services.next_deadline(), None);
}

#[test]
fn datagrams_come_back_to_who_sent_them() {
    let mut world = World::new(Offloads::empty());
    let socket = world.client.stack.udp_bind(None, 40_000).expect("the port is free");
    for port in ECHO_PORTS {
        for len in [0, 1, 256, 257, 1472] {
            let to = World::server_at(port);
            world.client.stack.udp_send(socket, to, &ONE_MEBIBYTE[..len]).expect("it fits");
            world.settle();
            let mut received = world.client.stack.udp_read(socket).expect("it came back");
            assert_eq!(received.from, to);
            assert!(*received.packet.pop().unwrap_or_default() == ONE_MEBIBYTE[..len], "{len} bytes");
        }
    }
    assert!(world.client.stack.udp_read(socket).is_none());
}

#[test]
fn a_port_that_answers_by_itself_gets_no_echo() {
    let mut world = World::new(Offloads::empty());
    for port in [7, 19, 5003] {
        let socket = world.client.stack.udp_bind(None, port).expect("the port is free");
        world.client.stack.udp_send(socket, World::server_at(7), b"for ever?").expect("it fits");
        world.settle();
        assert!(world.client.stack.udp_read(socket).is_none(), "from port {port}");
    }
}

/// Leaves `left` free slots to receive in.
fn hold_slots(world: &World, left: usize) -> Vec<ChunkMut> {
    let pool = world.pools[0];
    (left..pool.available()).map(|_| pool.take().expect("it is available")).collect()
}

#[test]
fn slots_that_are_scarce_are_not_lent() {
    let mut world = World::new(Offloads::empty());
    let held = hold_slots(&world, world.pools[0].slots() / 4 - 1);
    let mut client = world.connect(ECHO_PORTS[0]);
    world.lend(&client, Chunk::from_static(&ONE_MEBIBYTE[..14_600]));
    world.hear(&mut client);
    assert!(client.got == ONE_MEBIBYTE[..14_600]);
    assert_eq!(world.server.stack.work().copied, 14_600);
    drop(held);
}

#[test]
fn who_does_not_read_gives_way_when_slots_run_out() {
    let mut world = World::new(Offloads::empty());
    let mut stalled = world.connect(ECHO_PORTS[0]);
    let mut reading = world.connect(ECHO_PORTS[0]);
    for _ in 0..20 {
        let _ = world.client.stack.write(stalled.handle, &ONE_MEBIBYTE);
        world.pass(Span::from_millis(10));
    }
    world.say(&mut reading, b"one");
    assert_eq!(world.state(&stalled), State::Established);
    let held = hold_slots(&world, world.pools[0].slots() / 8 - 1);
    world.say(&mut reading, b"two");
    assert_eq!(reading.got, b"onetwo");
    world.pass(Span::from_secs(1));
    world.listen(&mut stalled);
    assert_eq!(stalled.ended, Some(End::Reset));
    drop(held);
}

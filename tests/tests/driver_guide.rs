//! The driver of `docs/driver-guide.md`: it works, its card is not believed, and the page shows the code that runs.

#[path = "../examples/first_driver/card.rs"]
mod card;
#[path = "../examples/first_driver/driver.rs"]
mod driver;
#[path = "../examples/first_driver/world.rs"]
mod world;

use std::path::Path;

use card::Card;
use driver::{ENTRIES, FirstNic};
use lendwire_drivers::model::Memory;
use lendwire_nic::{Chunk, Fault, Full, Interrupts, Nic, Payload, Pending, Pool, TxPacket};
use world::World;

#[test]
fn a_megabyte_comes_without_a_copy() {
    let mut world = World::new();
    assert!(world.carry(1 << 20) >= 1 << 20);
    assert_eq!(world.copied(), 0);
    let statistics = world.here.nic.statistics();
    assert!(statistics.sent > 700 && statistics.faults.iter().all(|count| *count == 0), "{statistics:?}");
    assert_eq!(world.stop(), 0);
}

#[test]
fn a_card_that_lies_about_lengths_costs_frames_and_no_slots() {
    for lie in [0, 2049, u32::MAX] {
        let mut world = World::new();
        world.cards[1].lie_about_lengths(lie);
        world.connect_until_caught();
        assert_eq!(world.there.nic.statistics().received, 0);
        assert_eq!(world.stop(), 0);
    }
}

#[test]
fn a_full_ring_changes_nothing() {
    let (mut nic, card, pool, headers) = machine();
    let payload = [const { Chunk::from_static(b"payload") }; 4];
    let mut packet = TxPacket::new(Payload::of(&payload));
    packet.push(14);
    // One entry less than a packet needs is left over.
    let fits = ENTRIES / 5;
    assert_eq!(ENTRIES % 5, 4);
    for _ in 0..fits {
        nic.transmit(&packet).unwrap();
    }
    let before = (nic.statistics(), headers.available());
    assert_eq!(nic.transmit(&packet), Err(Full));
    assert_eq!((nic.statistics(), headers.available()), before);
    nic.flush();
    card.run();
    nic.flush();
    assert_eq!(headers.available(), 128, "what was sent is let go");
    nic.transmit(&packet).unwrap();
    drop(nic);
    assert_eq!((pool.available(), headers.available()), (pool.slots(), 128));
}

#[test]
fn a_packet_that_can_never_be_sent_is_counted() {
    let (mut nic, ..) = machine();
    let payload = [const { Chunk::from_static(b"p") }; 17];
    nic.transmit(&TxPacket::new(Payload::of(&payload))).unwrap();
    assert_eq!((nic.statistics().faults[Fault::Unsendable as usize], nic.statistics().sent), (1, 0));
}

#[test]
fn arming_sees_the_frame_that_came_before() {
    let mut world = World::new();
    assert_eq!(world.here.nic.set_interrupts(Interrupts::Armed), Pending::Nothing);
    let mut packet = TxPacket::new(Payload::EMPTY);
    packet.push(60);
    world.there.nic.transmit(&packet).unwrap();
    world.there.nic.flush();
    world.cards.iter().rev().for_each(Card::run);
    assert_eq!(world.here.nic.set_interrupts(Interrupts::Masked), Pending::Nothing);
    assert_eq!(world.here.nic.set_interrupts(Interrupts::Armed), Pending::Work);
}

#[test]
fn the_guide_shows_the_driver_that_runs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the workspace");
    let read = |path: &str| std::fs::read_to_string(root.join(path)).expect("the file is there");
    let (guide, driver) = (read("docs/driver-guide.md"), read("tests/examples/first_driver/driver.rs"));
    let shown: Vec<&str> =
        guide.split("```").skip(1).step_by(2).filter_map(|block| block.strip_prefix("rust\n")).collect();
    for block in &shown {
        assert!(driver.contains(block.trim_end()), "the driver has no such lines:\n{block}");
    }
    // What the page leaves out: the first lines, and little else.
    let lines = |text: &str| text.lines().filter(|line| !line.trim().is_empty()).count();
    let (seen, all) = (shown.iter().map(|block| lines(block)).sum::<usize>(), lines(&driver));
    assert!(seen > all * 3 / 4, "{seen} of {all} lines are shown");
}

fn machine() -> (FirstNic<Memory, Card>, Card, &'static Pool, &'static Pool) {
    let (memory, other) = (Memory::new(), Memory::new());
    let [card, _] = Card::pair([&memory, &other]);
    let [pool, headers] = [(64, 2048), (128, 128)].map(|(slots, size)| Pool::leaked(slots, size).unwrap());
    memory.share_pool(pool);
    memory.share_pool(headers);
    memory.share(b"payload");
    let nic = FirstNic::start(memory, card.clone(), pool, headers).unwrap();
    (nic, card, pool, headers)
}

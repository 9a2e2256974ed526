//! A stranger's first driver, running: two machines with the card of `card.rs`, and a megabyte from one to the other.
//!
//! `docs/driver-guide.md` walks through `driver.rs`. `cargo run -p lendwire-tests --example first_driver` runs it.

mod card;
mod driver;
mod world;

use lendwire_nic::Fault;
use world::World;

fn main() {
    let mut world = World::new();
    let came = world.carry(1 << 20);
    let [sent, received] = [&world.here, &world.there].map(|end| end.nic.statistics());
    println!("{came} bytes came, {} were copied at either end", world.copied());
    println!("{} frames sent, {} received, {} kicks", sent.sent, received.received, sent.kicks);

    println!("{} slots are still held after both have stopped", world.stop());

    let mut world = World::new();
    world.cards[1].lie_about_lengths(u32::MAX);
    world.connect_until_caught();
    let caught = world.there.nic.statistics().faults[Fault::BadLength as usize];
    println!("a card that lies about lengths was caught {caught} times, and {} slots are held", world.stop());
}

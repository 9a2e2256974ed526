//! Several interfaces: what stops one stops nobody else.

use std::net::{IpAddr, Ipv4Addr};

use lendwire::time::Instant;
use lendwire::wire::address::Cidr;
use lendwire::{Capacities, Config, InterfaceConfig, Stack, Storage};
use lendwire_nic::{MacAddress, Nic, NicInfo, Offloads};
use lendwire_tests::cable::{Cable, Hand};
use lendwire_tests::frame::{self, Opened};
use lendwire_tests::setup::Pools;

const PEER_MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 9]);
const SYN: u8 = 2;
const RST_ACK: u8 = 0x14;
const SYN_ACK: u8 = 0x12;

/// One of the stack's links, with a peer's hand on it.
struct Link {
    nic: Cable,
    hand: Hand,
    own: Ipv4Addr,
    peer: Ipv4Addr,
    mac: MacAddress,
}

impl Link {
    fn new(number: u8, pools: &Pools) -> Self {
        let mac = MacAddress([2, 0, 0, 0, 1, number]);
        let offloads = Offloads::empty();
        let info = NicInfo { name: "cable", address: mac, mtu: 1500, offloads, max_parts: 16, queues: 1 };
        let (nic, hand) = Cable::new(info, pools.receive);
        let address = |host| Ipv4Addr::new(10, 0, number, host);
        Self { nic, hand, own: address(1), peer: address(2), mac }
    }

    /// The peer sends a SYN to `port`.
    fn syn(&self, port: u16) {
        let mut tcp = [40_000u16.to_be_bytes(), port.to_be_bytes()].concat();
        tcp.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 0, 0x50, SYN, 0xff, 0xff, 0, 0, 0, 0]);
        let (source, destination) = (IpAddr::V4(self.peer), IpAddr::V4(self.own));
        let checksum = !frame::sum(&[&frame::pseudo(source, destination, frame::TCP, tcp.len()), &tcp]);
        tcp[16..18].copy_from_slice(&checksum.to_be_bytes());
        let (ethertype, packet) = frame::ip(source, destination, frame::TCP, 64, &tcp);
        self.hand.put(frame::ethernet(self.mac, PEER_MAC, ethertype, &packet));
    }

    /// The flags of the segments that came; ARP is answered.
    fn came(&self) -> Vec<u8> {
        let mut flags = Vec::new();
        while let Some(sent) = self.hand.take() {
            match frame::open(&sent) {
                Opened::ArpRequest { target, .. } if target == self.peer => {
                    self.hand.put(frame::arp_reply(PEER_MAC, self.peer, self.mac, self.own));
                }
                Opened::Ip { protocol: frame::TCP, body, .. } => flags.push(body[13]),
                _ => {}
            }
        }
        flags
    }
}

fn poll(stack: &mut Stack<'_>, links: &mut [Link; 2], step: u64) {
    let [first, second] = links;
    stack.poll(&mut [&mut first.nic as &mut dyn Nic, &mut second.nic], Instant::from_micros(step * 100), 64);
}

#[test]
fn a_full_ring_holds_back_its_own_segments_and_no_others() {
    let [pools, _] = Pools::of_this_thread();
    let start = Instant::from_micros(0);
    let mut links = [Link::new(0, &pools), Link::new(1, &pools)];
    let storage = Storage::leaked(&Capacities::default());
    let mut stack = Stack::new(storage, Config::new([1; 16]), pools.transmit, start);
    for link in &links {
        let config = InterfaceConfig { autoconfigure: false, loopback: false };
        let id = stack.add_interface(link.nic.info(), config, start).expect("there is room");
        let cidr = Cidr::new(IpAddr::V4(link.own), 24).expect("24 bits are a prefix");
        stack.add_address(id, cidr, start).expect("there is room");
    }
    stack.listen("[::]:80".parse().expect("an address"), 8).expect("the port is free");
    // Both peers become known: nobody listens on port 9.
    for link in &links {
        link.syn(9);
    }
    let mut came = [Vec::new(), Vec::new()];
    for step in 1..10 {
        poll(&mut stack, &mut links, step);
        for (came, link) in came.iter_mut().zip(&links) {
            came.extend(link.came());
        }
    }
    assert_eq!(came, [[RST_ACK], [RST_ACK]]);
    // The first link's ring is full, with a reset waiting for it.
    links[0].hand.set_room(Some(0));
    links[0].syn(9);
    links[1].syn(9);
    links[1].syn(80);
    poll(&mut stack, &mut links, 20);
    assert_eq!([links[0].came(), links[1].came()], [vec![], vec![RST_ACK, SYN_ACK]]);
    links[0].hand.set_room(None);
    poll(&mut stack, &mut links, 21);
    assert_eq!(links[0].came(), [RST_ACK]);
}

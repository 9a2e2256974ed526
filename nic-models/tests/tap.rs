//! TAP against the kernel of this machine. Without the right to make an interface the tests say so and pass.
#![cfg(all(target_os = "linux", not(miri)))]

use std::net::UdpSocket;
use std::process::Command;
use std::time::{Duration, Instant};

use lendwire_drivers::tap::{Options, Tap};
use lendwire_nic::{
    Checksum, Chunk, Interrupts, Nic, Offloads, Payload, Pending, Pool, Received, RxPacket, Sum, TxPacket,
};

/// The stack's end, 198.18.N.2; the kernel's is 198.18.N.1 (RFC 2544's network for tests).
struct Link {
    tap: Tap,
    net: u8,
}

const ADDRESS: [u8; 6] = [2, 0, 0, 0, 0, 2];

fn link(net: u8, checksum_offload: bool) -> Option<Link> {
    let name = format!("lendwire{net}");
    let pool = Pool::leaked(32, 2048).unwrap();
    let tap = match Tap::open(&name, &Options { checksum_offload, ..Options::default() }, pool) {
        Ok(tap) => tap,
        Err(error) => {
            eprintln!("SKIPPED: no TAP interface on this machine ({error}); run as root to test it");
            return None;
        }
    };
    let address = format!("198.18.{net}.1/24");
    for arguments in [&["addr", "add", &address, "dev", &name][..], &["link", "set", &name, "up"]] {
        match Command::new("ip").args(arguments).status() {
            Ok(status) if status.success() => {}
            outcome => {
                eprintln!("SKIPPED: ip {arguments:?} did not work ({outcome:?})");
                return None;
            }
        }
    }
    Some(Link { tap, net })
}

impl Link {
    /// Polls until a frame satisfies `wanted`; others (the kernel's own chatter) are passed over.
    #[track_caller]
    fn receive(&mut self, wanted: impl Fn(&[u8]) -> bool) -> RxPacket {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(5) {
            match self.tap.receive() {
                Some(packet) if wanted(packet.front()) => return packet,
                Some(_) => {}
                None => std::thread::sleep(Duration::from_millis(1)),
            }
        }
        panic!("the frame did not come");
    }

    /// ARP: `operation` 1 asks for the kernel's address, 2 answers for the stack's own.
    fn arp(&mut self, operation: u8, to: [u8; 6]) {
        let mut packet = TxPacket::new(Payload::EMPTY);
        let body = packet.push(28);
        body[..8].copy_from_slice(&[0, 1, 8, 0, 6, 4, 0, operation]);
        body[8..14].copy_from_slice(&ADDRESS);
        body[14..18].copy_from_slice(&[198, 18, self.net, 2]);
        body[18..24].copy_from_slice(&to);
        body[24..28].copy_from_slice(&[198, 18, self.net, 1]);
        ethernet(&mut packet, [0xff; 6], 0x0806);
        self.tap.transmit(&packet).unwrap();
    }

    /// The kernel's hardware address.
    fn peer(&mut self) -> [u8; 6] {
        self.arp(1, [0; 6]);
        let reply = self.receive(|frame| frame[12..14] == [8, 6] && frame[21] == 2);
        reply.front()[6..12].try_into().unwrap()
    }
}

fn ethernet(packet: &mut TxPacket<'_>, to: [u8; 6], kind: u16) {
    let header = packet.push(14);
    header[..6].copy_from_slice(&to);
    header[6..12].copy_from_slice(&ADDRESS);
    header[12..].copy_from_slice(&kind.to_be_bytes());
}

/// A UDP datagram from 198.18.N.2:9 to 198.18.N.1:`port`, its checksum left to the device or taken here.
fn datagram<'q>(net: u8, port: u16, payload: &'q [Chunk], to: [u8; 6], checksum_offload: bool) -> TxPacket<'q> {
    let mut packet = TxPacket::new(Payload::of(payload));
    let len = 8 + packet.payload().len() as u16;
    let pseudo = Sum::of(&[198, 18, net, 2, 198, 18, net, 1, 0, 17]).then(Sum::of_word(len));
    let header = packet.push(8);
    header[1] = 9;
    header[2..4].copy_from_slice(&port.to_be_bytes());
    header[4..6].copy_from_slice(&len.to_be_bytes());
    let sum = pseudo.then(Sum::of(header));
    if checksum_offload {
        header[6..8].copy_from_slice(&pseudo.value().to_be_bytes());
        packet.offload.checksum = Checksum::Fill { start: 0, offset: 6 };
    } else {
        let sum = payload.iter().fold(sum, |sum, chunk| sum.then(Sum::of(chunk)));
        header[6..8].copy_from_slice(&sum.checksum().to_be_bytes());
    }
    let header = packet.push(20);
    header[..2].copy_from_slice(&[0x45, 0]);
    header[2..4].copy_from_slice(&(len + 20).to_be_bytes());
    header[8..10].copy_from_slice(&[64, 17]);
    header[12..20].copy_from_slice(&[198, 18, net, 2, 198, 18, net, 1]);
    let checksum = Sum::of(header).checksum();
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    ethernet(&mut packet, to, 0x0800);
    packet
}

/// Sends a datagram in three parts to the kernel and one back.
fn exchange(net: u8, checksum_offload: bool, expected: impl Fn(Received) -> bool) {
    let Some(mut link) = link(net, checksum_offload) else { return };
    let peer = link.peer();
    let socket = UdpSocket::bind(("198.18.0.1".replace(".0.", &format!(".{net}.")), 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let port = socket.local_addr().unwrap().port();

    let payload = [Chunk::from_static(b"three "), Chunk::from_static(b"odd"), Chunk::from_static(b" parts")];
    link.tap.transmit(&datagram(net, port, &payload, peer, checksum_offload)).unwrap();
    let mut buffer = [0; 100];
    let len = socket.recv(&mut buffer).expect("the kernel found the checksum sound");
    assert_eq!(&buffer[..len], b"three odd parts");

    link.arp(2, peer);
    socket.send_to(b"back", format!("198.18.{net}.2:9")).unwrap();
    let back = link.receive(|frame| frame[12..14] == [8, 0] && frame[23] == 17 && frame[36..38] == [0, 9]);
    assert!(expected(back.checksum), "{:?}", back.checksum);
    assert_eq!(back.front()[42..46], *b"back");
    assert_eq!(link.tap.statistics().copied, 0);
}

#[test]
fn frames_pass_both_ways() {
    exchange(200, false, |checksum| checksum == Received::Unchecked);
}

#[test]
fn checksums_are_left_to_the_other_side() {
    exchange(201, true, |checksum| checksum == Received::Local { start: 34, offset: 6 });
}

#[test]
fn armed_says_whether_a_frame_waits() {
    let Some(mut link) = link(202, false) else { return };
    // Pass over what the kernel says when an interface comes up.
    link.peer();
    link.arp(1, [0; 6]);
    let start = Instant::now();
    while link.tap.set_interrupts(Interrupts::Armed) == Pending::Nothing {
        assert!(start.elapsed() < Duration::from_secs(5));
    }
    assert!(link.tap.receive().is_some());
}

#[test]
fn offloads_are_said() {
    let Some(link) = link(203, true) else { return };
    assert_eq!(link.tap.info().offloads, Offloads::TX_CHECKSUM | Offloads::RX_CHECKSUM);
}

#[test]
fn a_name_that_no_interface_has_is_refused() {
    let pool = Pool::leaked(4, 2048).unwrap();
    for name in ["", "sixteen-bytes-ab"] {
        let error = Tap::open(name, &Options::default(), pool).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    }
}

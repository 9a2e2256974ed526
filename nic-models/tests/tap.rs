//! TAP against the kernel of this machine. Without the right to make an interface the tests say so and pass.
#![cfg(all(target_os = "linux", not(miri)))]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

use lendwire_drivers::tap::{Options, Tap};
use lendwire_nic::{
    Checksum, Chunk, Interrupts, Nic, Offloads, Payload, Pending, Pool, Received, RxPacket, Segmentation, Sum, TxPacket,
};

/// The stack's end, 198.18.N.2; the kernel's is 198.18.N.1 (RFC 2544's network for tests).
struct Link {
    tap: Tap,
    net: u8,
}

const ADDRESS: [u8; 6] = [2, 0, 0, 0, 0, 2];

fn link(net: u8, checksum_offload: bool) -> Option<Link> {
    link_with(net, &Options { checksum_offload, ..Options::default() })
}

fn link_with(net: u8, options: &Options) -> Option<Link> {
    let name = format!("lendwire{net}");
    let pool = Pool::leaked(64, 2048).unwrap();
    let tap = match Tap::open(&name, options, pool) {
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
    ipv4(&mut packet, net, 17);
    ethernet(&mut packet, to, 0x0800);
    packet
}

/// An IPv4 header from the stack to the kernel around what is there.
fn ipv4(packet: &mut TxPacket<'_>, net: u8, protocol: u8) {
    let len = packet.len() as u16 + 20;
    let header = packet.push(20);
    header[..2].copy_from_slice(&[0x45, 0]);
    header[2..4].copy_from_slice(&len.to_be_bytes());
    header[8..10].copy_from_slice(&[64, protocol]);
    header[12..20].copy_from_slice(&[198, 18, net, 2, 198, 18, net, 1]);
    let checksum = Sum::of(header).checksum();
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
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

/// A TCP connection of which one end is this file: enough of it to send and be sent to once.
struct Connection {
    port: u16,
    seq: u32,
    ack: u32,
}

impl Connection {
    /// A segment with these flags, its checksum left to the device.
    fn segment<'q>(&self, link: &Link, flags: u8, payload: &'q [Chunk], to: [u8; 6]) -> TxPacket<'q> {
        let mut packet = TxPacket::new(Payload::of(payload));
        let options: &[u8] = if flags & 2 == 0 { &[] } else { &[2, 4, 0x05, 0xb4] };
        let len = 20 + options.len() + packet.payload().len();
        let header = packet.push(20 + options.len());
        header[..2].copy_from_slice(&9u16.to_be_bytes());
        header[2..4].copy_from_slice(&self.port.to_be_bytes());
        header[4..8].copy_from_slice(&self.seq.to_be_bytes());
        header[8..12].copy_from_slice(&self.ack.to_be_bytes());
        header[12..16].copy_from_slice(&[((20 + options.len()) as u8) << 2, flags, 0xff, 0xff]);
        let pseudo = Sum::of(&[198, 18, link.net, 2, 198, 18, link.net, 1, 0, 6]).then(Sum::of_word(len as u16));
        header[16..18].copy_from_slice(&pseudo.value().to_be_bytes());
        header[20..].copy_from_slice(options);
        packet.offload.checksum = Checksum::Fill { start: 0, offset: 16 };
        ipv4(&mut packet, link.net, 6);
        ethernet(&mut packet, to, 0x0800);
        packet
    }
}

#[test]
fn large_segments_cross_uncut() {
    let options = Options { checksum_offload: true, segmentation_offload: true, ..Options::default() };
    let Some(mut link) = link_with(204, &options) else { return };
    assert_eq!(link.tap.info().offloads.bits(), 0b11_1111);
    let peer = link.peer();
    link.arp(2, peer);
    let listener = TcpListener::bind("198.18.204.1:0").unwrap();
    let mut connection = Connection { port: listener.local_addr().unwrap().port(), seq: 1000, ack: 0 };
    let is_tcp = |frame: &[u8]| frame[12..14] == [8, 0] && frame[23] == 6;
    link.tap.transmit(&connection.segment(&link, 0x02, &[], peer)).unwrap();
    let answer = link.receive(|frame| is_tcp(frame) && frame[47] == 0x12);
    connection.seq += 1;
    connection.ack = u32::from_be_bytes(answer.front()[38..42].try_into().unwrap()).wrapping_add(1);
    link.tap.transmit(&connection.segment(&link, 0x10, &[], peer)).unwrap();
    let (mut accepted, _) = listener.accept().unwrap();
    accepted.set_read_timeout(Some(Duration::from_secs(5))).unwrap();

    // One write of the TAP is forty segments of the connection.
    static PATTERN: [u8; 1460] = [0x5a; 1460];
    let payload = [const { Chunk::from_static(&PATTERN) }; 40];
    let mut large = connection.segment(&link, 0x18, &payload, peer);
    large.offload.segmentation = Some(Segmentation { size: 1460, ipv6: false, ecn: false });
    let kicks = link.tap.statistics().kicks;
    link.tap.transmit(&large).unwrap();
    assert_eq!(link.tap.statistics().kicks, kicks + 1);
    let mut arrived = vec![0; 40 * 1460];
    accepted.read_exact(&mut arrived).expect("the kernel found every checksum sound");
    assert!(arrived.iter().all(|&byte| byte == 0x5a));

    // The kernel's first flight is a packet or two.
    accepted.write_all(&[0xa5; 14_600]).unwrap();
    let mut left = 14_600;
    while left > 0 {
        let flight = link.receive(|frame| is_tcp(frame) && frame.len() > 1000);
        left -= flight.len() - 54;
        assert_eq!(flight.segment_size, Some(1460));
        assert_eq!(flight.checksum, Received::Local { start: 34, offset: 16 });
        assert!(flight.len() > 3 * 1460, "{} bytes are no large segment", flight.len());
        assert!(flight.chunks().iter().flat_map(|chunk| chunk.iter()).skip(54).all(|&byte| byte == 0xa5));
    }
}

#[test]
fn large_segments_need_their_slots_and_checksums() {
    let small = Pool::leaked(33, 2048).unwrap();
    let options = Options { checksum_offload: true, segmentation_offload: true, ..Options::default() };
    let kind = |options: &Options| Tap::open("lendwire205", options, small).unwrap_err().kind();
    assert_eq!(kind(&options), std::io::ErrorKind::InvalidInput);
    assert_eq!(kind(&Options { checksum_offload: false, ..options }), std::io::ErrorKind::InvalidInput);
}

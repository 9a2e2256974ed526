//! RFC 9293 §3.9: what TCP, applications and IP agree on: addresses, hops to live, the size of what can be received.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use lendwire::tcp::{ConnectError, State, TcpHandle, Trouble};
use lendwire::time::Instant;
use lendwire::wire::address::Cidr;
use lendwire::{Capacities, Config, Dscp, InterfaceConfig, Stack, Storage, Unreachable};
use lendwire_nic::{MacAddress, Nic, NicInfo, Offloads};
use lendwire_tests::cable::{Cable, Hand};
use lendwire_tests::frame::{self, Opened};
use lendwire_tests::segment::flag::{ACK, FIN, PSH, SYN};
use lendwire_tests::setup::Pools;

const MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);
const PEER_MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 9]);
const PEER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
/// The stack's addresses, all on one link.
const OWN: [Ipv4Addr; 3] = [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 7), Ipv4Addr::new(10, 0, 0, 8)];
const OWN6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
const PEER6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);
const PORT: u16 = 80;
const PEER_PORT: u16 = 40_000;

/// A stack with several addresses, and the other end of its link.
struct Host {
    stack: Stack<'static>,
    nic: Cable,
    hand: Hand,
    now: Instant,
    /// How often the peer's hardware address was asked for.
    questions: u32,
}

/// A segment that the stack sent.
#[derive(Debug)]
struct Sent {
    source: IpAddr,
    /// Of IPv4, as are the hops.
    traffic_class: u8,
    hops: u8,
    seq: u32,
    flags: u8,
    /// The first option, if it is this.
    mss: Option<u16>,
}

impl Host {
    fn new(change: impl FnOnce(&mut Config)) -> Self {
        let [pools, _] = Pools::of_this_thread();
        let now = Instant::from_micros(0);
        let info =
            NicInfo { name: "cable", address: MAC, mtu: 1500, offloads: Offloads::empty(), max_parts: 16, queues: 1 };
        let (nic, hand) = Cable::new(info, pools.receive);
        let mut config = Config::new([1; 16]);
        change(&mut config);
        let mut stack = Stack::new(Storage::leaked(&Capacities::default()), config, pools.transmit, now);
        let interface = stack.add_interface(nic.info(), InterfaceConfig::default(), now).expect("there is room");
        for (own, bits) in OWN.map(|own| (own.into(), 24)).into_iter().chain([(OWN6.into(), 64)]) {
            let cidr = Cidr::new(own, bits).expect("a prefix of this length");
            stack.add_address(interface, cidr, now).expect("there is room");
        }
        let mut host = Self { stack, nic, hand, now, questions: 0 };
        // Duplicate address detection is over.
        host.runs(1500);
        host
    }

    /// The peer sends a segment to one of the stack's addresses.
    fn receives(&mut self, to: Ipv4Addr, seq: u32, ack: u32, flags: u8) {
        let mut tcp = [PEER_PORT.to_be_bytes(), PORT.to_be_bytes()].concat();
        tcp.extend_from_slice(&[seq.to_be_bytes(), ack.to_be_bytes()].concat());
        tcp.extend_from_slice(&[0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        let (source, destination) = (IpAddr::V4(PEER), IpAddr::V4(to));
        let checksum = !frame::sum(&[&frame::pseudo(source, destination, frame::TCP, tcp.len()), &tcp]);
        tcp[16..18].copy_from_slice(&checksum.to_be_bytes());
        let (ethertype, packet) = frame::ip(source, destination, frame::TCP, 64, &tcp);
        self.hand.put(frame::ethernet(MAC, PEER_MAC, ethertype, &packet));
    }

    /// A router sends an ICMP error about a segment of the stack's to the peer.
    fn receives_error(&mut self, kind: u8, code: u8, sequence: u32) {
        let ports = [PORT.to_be_bytes(), PEER_PORT.to_be_bytes()].concat();
        let quoted = [&ports[..], &sequence.to_be_bytes()].concat();
        let (_, quoted) = frame::ip(OWN[0].into(), PEER.into(), frame::TCP, 64, &quoted);
        let mut message = [&[kind, code, 0, 0, 0, 0, 0, 0][..], &quoted].concat();
        let checksum = !frame::sum(&[&message]);
        message[2..4].copy_from_slice(&checksum.to_be_bytes());
        let (ethertype, packet) = frame::ip(Ipv4Addr::new(10, 0, 0, 3).into(), OWN[0].into(), 1, 64, &message);
        self.hand.put(frame::ethernet(MAC, PEER_MAC, ethertype, &packet));
    }

    /// Lets the stack run for some milliseconds; its questions for neighbours are answered.
    fn runs(&mut self, millis: u64) -> Vec<Sent> {
        let mut sent = Vec::new();
        for _ in 0..millis {
            self.stack.poll(&mut [&mut self.nic as &mut dyn Nic], self.now, 64);
            while let Some(bytes) = self.hand.take() {
                match frame::open(&bytes) {
                    Opened::ArpRequest { sender, target, .. } if target == PEER => {
                        self.questions += 1;
                        self.hand.put(frame::arp_reply(PEER_MAC, PEER, MAC, sender));
                    }
                    Opened::Solicitation { sender, target, .. } if target == PEER6 => {
                        self.hand.put(frame::advertisement(PEER_MAC, PEER6, MAC, sender));
                    }
                    Opened::Ip { source, protocol: frame::TCP, body, .. } => {
                        let seq = u32::from_be_bytes(body[4..8].try_into().expect("four bytes"));
                        let mss = body.get(20..24).filter(|option| option.starts_with(&[2, 4]));
                        let mss = mss.map(|option| u16::from_be_bytes([option[2], option[3]]));
                        sent.push(Sent {
                            source,
                            traffic_class: bytes[15],
                            hops: bytes[22],
                            seq,
                            flags: body[13],
                            mss,
                        });
                    }
                    _ => {}
                }
            }
            self.now = Instant::from_micros(self.now.micros() + 1000);
        }
        sent
    }

    /// The flags of what is sent within 20 ms, all of it from `source`.
    #[track_caller]
    fn says(&mut self, source: Ipv4Addr) -> Vec<u8> {
        let sent = self.runs(20);
        assert!(sent.iter().all(|it| it.source == source), "not all come from {source}: {sent:?}");
        sent.into_iter().map(|it| it.flags).collect()
    }
}

fn peer() -> SocketAddr {
    SocketAddr::new(IpAddr::V4(PEER), PEER_PORT)
}

#[test]
fn must_45_a_connection_keeps_the_address_that_its_syn_was_sent_to() {
    for own in OWN {
        let mut host = Host::new(|_| {});
        let listener = host.stack.listen("[::]:80".parse().expect("an address"), 4).expect("the port is free");
        host.receives(own, 100, 0, SYN);
        let sent = host.runs(20);
        assert_eq!(sent.iter().map(|it| (it.source, it.flags)).collect::<Vec<_>>(), [(own.into(), SYN | ACK)]);
        let next = sent[0].seq + 1;
        host.receives(own, 101, next, ACK);
        assert_eq!(host.says(own), []);
        let connection = host.stack.accept(listener).expect("the handshake is complete");
        assert_eq!(host.stack.ends(connection).map(|(local, _)| local.ip()), Some(own.into()));
        host.stack.write(connection, b"hello").expect("it is established");
        // Lost, and sent again.
        assert_eq!(host.says(own), [ACK | PSH]);
        assert!(host.runs(1500).iter().all(|it| it.source == own));
        host.receives(own, 101, next + 5, ACK);
        host.stack.close(connection, host.now);
        assert_eq!(host.says(own), [ACK | FIN]);
    }
}

#[test]
fn must_43_and_must_44_who_connects_names_an_address_or_has_one_chosen() {
    let mut host = Host::new(|_| {});
    let now = host.now;
    let chosen = host.stack.connect(peer(), None, now).expect("there is room");
    let named = host.stack.connect_from(SocketAddr::new(OWN[1].into(), 5000), peer(), now).expect("there is room");
    let any_port = host.stack.connect_from(SocketAddr::new(OWN[2].into(), 0), peer(), now).expect("there is room");
    let mut sources: Vec<_> = host.runs(20).into_iter().map(|it| (it.source, it.flags)).collect();
    sources.sort_unstable();
    assert_eq!(sources, OWN.map(|own| (own.into(), SYN)));
    let local = |handle| host.stack.ends(handle).expect("it is there").0;
    assert_eq!(local(chosen).ip(), OWN[0]);
    assert_eq!(local(named), SocketAddr::new(OWN[1].into(), 5000));
    assert_eq!(local(any_port).ip(), OWN[2]);
    assert!(local(any_port).port() >= 49_152, "an ephemeral one");
    let (now, foreign) = (host.now, SocketAddr::new(Ipv4Addr::new(10, 0, 0, 9).into(), 0));
    assert_eq!(host.stack.connect_from(foreign, peer(), now), Err(ConnectError::NotOurs));
    assert_eq!(
        host.stack.connect_from("[::1]:0".parse().expect("an address"), peer(), now),
        Err(ConnectError::NotOurs)
    );
    assert_eq!(host.stack.state(named), State::SynSent);
}

#[test]
fn must_49_every_segment_has_the_hops_to_live_that_were_set() {
    let mut host = Host::new(|config| config.tcp.hop_limit = 42);
    host.stack.listen(SocketAddr::new(IpAddr::V4(OWN[0]), PORT), 4).expect("the port is free");
    // A SYN-ACK, a reset, a SYN of our own.
    host.receives(OWN[0], 100, 0, SYN);
    host.receives(OWN[1], 100, 0, SYN);
    host.stack.connect(peer(), None, host.now).expect("there is room");
    let mut sent = host.runs(20);
    assert_eq!(sent.len(), 3);
    // Data and its repetition.
    let next = sent.iter().find(|it| it.flags == SYN | ACK).expect("the answer").seq + 1;
    host.receives(OWN[0], 101, next, ACK);
    host.receives(OWN[0], 101, next, ACK | FIN);
    sent.extend(host.runs(100));
    assert!(sent.len() > 3 && sent.iter().all(|it| it.hops == 42), "{sent:?}");
}

#[test]
fn shld_6_a_router_that_announces_a_smaller_mtu_makes_the_mss_smaller() {
    let mut host = Host::new(|_| {});
    let mss = |host: &mut Host| {
        host.runs(20);
        host.stack.connect(SocketAddr::new(PEER6.into(), PEER_PORT), None, host.now).expect("there is room");
        host.runs(20).into_iter().find(|it| it.flags == SYN).expect("a SYN").mss
    };
    assert_eq!(mss(&mut host), Some(1440));
    // RFC 4861 §4.2, §4.6.4: no router, but its link has an MTU of 1300.
    let (router, everybody) = (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1), Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1));
    let mut message = [&[134, 0, 0, 0, 64, 0, 0, 0][..], &[0; 8], &[5, 1, 0, 0], &1300u32.to_be_bytes()].concat();
    let pseudo = frame::pseudo(router.into(), everybody.into(), frame::ICMPV6, message.len());
    let checksum = !frame::sum(&[&pseudo, &message]);
    message[2..4].copy_from_slice(&checksum.to_be_bytes());
    let (ethertype, packet) = frame::ip(router.into(), everybody.into(), frame::ICMPV6, 255, &message);
    host.hand.put(frame::ethernet(MacAddress([0x33, 0x33, 0, 0, 0, 1]), PEER_MAC, ethertype, &packet));
    assert_eq!(mss(&mut host), Some(1240));
}

/// The peer's connection to the first address, data of ours on its way to it. Returns the number of that data.
fn with_data_in_flight(host: &mut Host) -> (TcpHandle, u32) {
    let listener = host.stack.listen(SocketAddr::new(OWN[0].into(), PORT), 4).expect("the port is free");
    host.receives(OWN[0], 100, 0, SYN);
    let next = host.runs(20)[0].seq + 1;
    host.receives(OWN[0], 101, next, ACK);
    host.runs(20);
    let connection = host.stack.accept(listener).expect("the handshake is complete");
    while host.stack.next_event().is_some() {}
    host.stack.write(connection, b"hello").expect("it is established");
    assert_eq!(host.says(OWN[0]), [ACK | PSH]);
    (connection, next)
}

#[test]
fn must_48_shld_21_and_shld_22_packets_carry_the_codepoint_of_their_connection() {
    let mut host = Host::new(|config| config.tcp.dscp = Dscp::new(10).expect("six bits"));
    host.stack.connect(peer(), None, host.now).expect("there is room");
    assert_eq!(host.runs(20)[0].traffic_class, 10 << 2, "a SYN");
    let (connection, next) = with_data_in_flight(&mut host);
    assert!(host.runs(900).iter().all(|it| it.traffic_class == 10 << 2), "as the stack says");
    host.stack.set_dscp(connection, Dscp::new(46).expect("six bits")).expect("it is established");
    let again = host.runs(1500);
    assert!(again.iter().any(|it| it.seq == next), "it is sent again");
    assert!(again.iter().filter(|it| it.seq == next).all(|it| it.traffic_class == 46 << 2), "{again:?}");
    host.receives(OWN[0], 101, next + 5, ACK | FIN);
    let acknowledgment = &host.runs(100)[0];
    assert_eq!((acknowledgment.flags, acknowledgment.traffic_class), (ACK, 46 << 2));
    assert_eq!((Dscp::new(63).map(Dscp::codepoint), Dscp::new(64)), (Some(63), None));
}

#[test]
fn must_20_shld_9_and_shld_10_at_the_third_repetition_ip_and_the_application_hear() {
    let mut host = Host::new(|_| {});
    let (connection, next) = with_data_in_flight(&mut host);
    host.questions = 0;
    let mut repetitions = 0;
    for _ in 0..10_000 {
        let trouble = host.stack.take_trouble(connection);
        assert_eq!(trouble, (repetitions == 3).then_some(Trouble::Unanswered), "after {repetitions} repetitions");
        if trouble.is_some() {
            break;
        }
        assert_eq!(host.questions, 0, "nobody suspects the next hop");
        repetitions += host.runs(1).iter().filter(|it| it.seq == next).count();
    }
    assert_eq!(host.stack.next_event().map(|event| event.0), Some(connection), "an event tells");
    // RFC 4861 §7.3.3: a suspect is asked after five seconds.
    host.runs(8_000);
    assert!(host.questions > 0, "the next hop is asked");
    assert_eq!(host.stack.state(connection), State::Established);
}

#[test]
fn must_22_the_application_hears_of_a_syn_that_nobody_answers() {
    let mut host = Host::new(|_| {});
    let connection = host.stack.connect(peer(), None, host.now).expect("there is room");
    // 1 s, 2 s.
    assert_eq!(host.runs(6_000).iter().filter(|it| it.flags == SYN).count(), 3);
    assert_eq!(host.stack.take_trouble(connection), None);
    assert_eq!(host.runs(2_000).iter().filter(|it| it.flags == SYN).count(), 1);
    assert_eq!(host.stack.take_trouble(connection), Some(Trouble::Unanswered));
    assert_eq!(host.stack.state(connection), State::SynSent);
}

#[test]
fn must_47_and_shld_25_soft_errors_are_told_once_and_end_nothing() {
    let mut host = Host::new(|_| {});
    let (connection, next) = with_data_in_flight(&mut host);
    let told = |host: &mut Host, kind, code, sequence| {
        host.receives_error(kind, code, sequence);
        host.runs(1);
        let is_told = host.stack.next_event().is_some();
        assert_eq!(host.stack.state(connection), State::Established, "must_56: it lives on");
        host.stack.take_trouble(connection).inspect(|_| assert!(is_told, "by an event"))
    };
    use Unreachable::{Host as NoHost, Network, Port, Protocol};
    for (kind, code, trouble) in [
        (3, 0, Trouble::Undelivered(Network)),
        (3, 1, Trouble::Undelivered(NoHost)),
        (3, 2, Trouble::Undelivered(Protocol)),
        (3, 3, Trouble::Undelivered(Port)),
        (11, 0, Trouble::TimeExceeded),
        (12, 0, Trouble::ParameterProblem),
    ] {
        assert_eq!(told(&mut host, kind, code, next), Some(trouble));
        assert_eq!(host.stack.take_trouble(connection), None, "once");
    }
    // RFC 5927 §4.1: what is not in flight is somebody's guess. A source quench is nothing (must_55).
    assert_eq!(told(&mut host, 3, 1, next - 1), None);
    assert_eq!(told(&mut host, 3, 1, next + 5), None);
    assert_eq!(told(&mut host, 4, 0, next), None);
    // SHLD-20: who does not ask is not bothered; the newest one is kept.
    host.receives_error(3, 0, next);
    host.receives_error(3, 1, next);
    host.runs(1);
    assert_eq!(host.stack.take_trouble(connection), Some(Trouble::Undelivered(NoHost)));
}

#[test]
fn must_56_a_soft_error_about_a_syn_is_told_and_the_attempt_goes_on() {
    let mut host = Host::new(|_| {});
    let local = SocketAddr::new(OWN[0].into(), PORT);
    let connection = host.stack.connect_from(local, peer(), host.now).expect("there is room");
    let syn = host.runs(20)[0].seq;
    host.receives_error(3, 1, syn);
    host.runs(1);
    assert_eq!(host.stack.next_event().map(|event| event.0), Some(connection));
    assert_eq!(host.stack.take_trouble(connection), Some(Trouble::Undelivered(Unreachable::Host)));
    assert_eq!(host.stack.state(connection), State::SynSent);
}

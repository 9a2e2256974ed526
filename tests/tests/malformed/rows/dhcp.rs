//! The DHCP client (RFC 2131, RFC 2132): what servers may not say to it.

use lendwire::Reason;
use lendwire_nic::MacAddress;

use crate::host::Host;
use crate::row::{Row, row};
use crate::wire::{AT_V4_BODY, Frame, MAC, PEER, UDP, datagram, packet_to};

/// Where fields of a message stand in the frame.
const AT_MESSAGE: usize = AT_V4_BODY + 8;
const AT_HARDWARE: usize = AT_MESSAGE + 1;
const AT_TRANSACTION: usize = AT_MESSAGE + 4;
const AT_YOURS: usize = AT_MESSAGE + 16;
const AT_CLIENT_HARDWARE: usize = AT_MESSAGE + 28;
const AT_MAGIC: usize = AT_MESSAGE + 236;
const AT_OPTIONS: usize = AT_MESSAGE + 240;
/// The options in the order of [`message`].
const AT_KIND: usize = AT_OPTIONS;
const AT_SERVER: usize = AT_KIND + 3;
const AT_TIME: usize = AT_SERVER + 6;
const AT_MASK: usize = AT_TIME + 6;

const OFFER: u8 = 2;
const ACK: u8 = 5;

pub(crate) fn rows() -> Vec<Row> {
    [malformed(), unexpected(), useless()].into_iter().flatten().collect()
}

/// The client has asked for offers.
fn asks(host: &mut Host) {
    host.stack.start_dhcp(host.interface, host.now).expect("there is a place");
    let said = host.says();
    let [question] = said.as_slice() else { panic!("the client asks once, not {said:?}") };
    host.transaction = *question[AT_TRANSACTION..].first_chunk().expect("a DISCOVER");
}

/// The client has asked for the address that the peer offered.
fn takes_the_offer(host: &mut Host) {
    asks(host);
    let offer = message(host, OFFER);
    assert_eq!(host.sends(offer).len(), 1, "an offer is taken");
}

fn offer(host: &Host) -> Frame {
    message(host, OFFER)
}

fn lease(host: &Host) -> Frame {
    message(host, ACK)
}

fn message(host: &Host, kind: u8) -> Frame {
    let mut body = vec![2, 1, 6, 0];
    body.extend_from_slice(&host.transaction);
    body.extend_from_slice(&[0; 8]);
    body.extend_from_slice(&[192, 0, 2, 50]);
    body.extend_from_slice(&[0; 8]);
    body.extend_from_slice(&MAC.0);
    body.extend_from_slice(&[0; 10 + 64 + 128]);
    body.extend_from_slice(&[99, 130, 83, 99]);
    body.extend_from_slice(&[53, 1, kind, 54, 4]);
    body.extend_from_slice(&PEER.octets());
    body.extend_from_slice(&[51, 4, 0, 0, 14, 16, 1, 4, 255, 255, 255, 0, 255]);
    packet_to(MacAddress::BROADCAST, PEER, [255; 4], UDP, 64, &datagram(67, 68, &body))
}

fn malformed() -> Vec<Row> {
    let wrong = |name, fault| row(name, Reason::DhcpMalformed, offer, fault).given(asks);
    vec![
        wrong("a message of 239 bytes", |it| {
            it.shorten_v4(20 + 8 + 239);
            it.set(AT_V4_BODY + 4, &(8u16 + 239).to_be_bytes());
        }),
        wrong("a message of no bytes", |it| {
            it.shorten_v4(20 + 8);
            it.set(AT_V4_BODY + 4, &8u16.to_be_bytes());
        }),
        wrong("BOOTP without the cookie", |it| it.bytes[AT_MAGIC] = 0),
        wrong("other hardware", |it| it.bytes[AT_HARDWARE] = 6),
        wrong("a hardware address of 16 bytes", |it| it.bytes[AT_HARDWARE + 1] = 16),
        wrong("an option beyond the message", |it| it.bytes[AT_MASK + 1] = 200),
        wrong("no kind", |it| it.bytes[AT_KIND] = 200),
        wrong("an unknown kind", |it| it.bytes[AT_KIND + 2] = 99),
        wrong("a kind of two bytes", |it| {
            it.set(AT_KIND, &[53, 2, 2, 2, 0, 0, 0, 0, 0]);
        }),
        row("a wrong checksum", Reason::UdpChecksum, offer, |it| it.bytes[AT_V4_BODY + 6] ^= 1)
            .given(asks)
            .unrepaired(),
        row("a lying length", Reason::UdpLength, offer, |it| it.bytes[AT_V4_BODY + 5] += 1).given(asks),
        row("a message in two buffers", Reason::HeaderSplit, offer, |it| it.cut(AT_OPTIONS)).given(asks),
    ]
}

fn unexpected() -> Vec<Row> {
    let early = |name, fault| row(name, Reason::DhcpUnexpected, offer, fault).given(asks);
    let late = |name, fault| row(name, Reason::DhcpUnexpected, lease, fault).given(takes_the_offer);
    vec![
        early("another transaction", |it| it.bytes[AT_TRANSACTION] ^= 1),
        early("for another client", |it| it.bytes[AT_CLIENT_HARDWARE + 5] = 9),
        early("another client's message", |it| it.bytes[AT_MESSAGE] = 1),
        early("a lease that nobody asked for", |it| it.bytes[AT_KIND + 2] = ACK),
        early("a refusal of what nobody asked for", |it| it.bytes[AT_KIND + 2] = 6),
        late("an offer too late", |it| it.bytes[AT_KIND + 2] = OFFER),
        late("another server's lease", |it| it.bytes[AT_SERVER + 5] = 99),
        late("another server's refusal", |it| {
            it.bytes[AT_KIND + 2] = 6;
            it.bytes[AT_SERVER + 5] = 99;
        }),
    ]
}

/// RFC 2131 table 3: what an offer and a lease must have.
fn useless() -> Vec<Row> {
    let offered = |name, fault| row(name, Reason::DhcpLease, offer, fault).given(asks);
    let leased = |name, fault| row(name, Reason::DhcpLease, lease, fault).given(takes_the_offer);
    vec![
        offered("an offer without its server", |it| it.bytes[AT_SERVER] = 200),
        offered("an offer of nothing", |it| {
            it.set(AT_YOURS, &[0; 4]);
        }),
        offered("an offer of a group", |it| {
            it.set(AT_YOURS, &[224, 0, 0, 1]);
        }),
        offered("an offer of loopback", |it| {
            it.set(AT_YOURS, &[127, 0, 0, 1]);
        }),
        leased("a lease without its time", |it| it.bytes[AT_TIME] = 200),
        leased("a lease for no time", |it| {
            it.set(AT_TIME + 2, &[0; 4]);
        }),
        leased("a lease without its server", |it| it.bytes[AT_SERVER] = 200),
        leased("a lease of class E", |it| {
            it.set(AT_YOURS, &[250, 0, 0, 1]);
        }),
        leased("a mask with a hole (RFC 950)", |it| {
            it.set(AT_MASK + 2, &[255, 0, 255, 0]);
        }),
    ]
}

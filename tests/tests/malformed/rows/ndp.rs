//! Neighbour and router discovery (RFC 4861, RFC 4862), and MLD's questions (RFC 3810).

use std::net::Ipv6Addr;

use lendwire::Reason;
use lendwire::time::Span;
use lendwire::wire::address::Cidr;
use lendwire_nic::MacAddress;
use lendwire_tests::frame::ICMPV6;

use crate::host::Host;
use crate::row::{Row, row, unwelcome};
use crate::wire::{
    ALL_NODES, ALL_NODES_MAC, AT_IP, AT_V6_BODY, Frame, HOP_BY_HOP, OWN6, PEER_LOCAL, PEER_MAC, PEER6, ndp, packet_to,
};

/// The group that `OWN6` must listen to (RFC 4291 §2.7.1).
const OWN_GROUP: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00, 1);
/// An address that the stack has just been given.
const TENTATIVE: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x99);
const STRANGER: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 77);

const AT_HOP_LIMIT: usize = AT_IP + 7;
const AT_SOURCE: usize = AT_IP + 8;
const AT_DESTINATION: usize = AT_IP + 24;
const AT_CODE: usize = AT_V6_BODY + 1;
const AT_FLAGS: usize = AT_V6_BODY + 4;
const AT_TARGET: usize = AT_V6_BODY + 8;
/// The options of a neighbour's message, and of a router's.
const AT_OPTION: usize = AT_V6_BODY + 24;
const AT_ROUTER_OPTION: usize = AT_V6_BODY + 16;

pub(crate) fn rows() -> Vec<Row> {
    [form(), questions(), answers(), routers(), prefixes(), full_tables(), conflicts()].into_iter().flatten().collect()
}

/// Who has the stack's address?
fn question(_: &Host) -> Frame {
    let message = [&[135, 0, 0, 0, 0, 0, 0, 0][..], &OWN6.octets(), &[1, 1], &PEER_MAC.0].concat();
    ndp(PEER6, OWN6, &message)
}

/// May I have the stack's address? (RFC 4862 §5.4.2)
fn probe(_: &Host) -> Frame {
    probe_for(OWN6, OWN_GROUP)
}

fn probe_for(target: Ipv6Addr, group: Ipv6Addr) -> Frame {
    ndp(Ipv6Addr::UNSPECIFIED, group, &[&[135, 0, 0, 0, 0, 0, 0, 0][..], &target.octets()].concat())
}

/// I still have my address.
fn answer(_: &Host) -> Frame {
    let message = [&[136, 0, 0, 0, 0x20, 0, 0, 0][..], &PEER6.octets(), &[2, 1], &PEER_MAC.0].concat();
    ndp(PEER6, ALL_NODES, &message)
}

/// A router that is no default router says what there is.
fn router(options: &[u8]) -> Frame {
    let head = [134, 0, 0, 0, 64, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    ndp(PEER_LOCAL, ALL_NODES, &[&head[..], options].concat())
}

/// Make addresses in this network (RFC 4862 §5.5.3).
fn prefix(network: Ipv6Addr) -> Vec<u8> {
    let (valid, preferred) = (86_400u32.to_be_bytes(), 14_400u32.to_be_bytes());
    [&[3, 4, 64, 0x40][..], &valid, &preferred, &[0; 4], &network.octets()].concat()
}

/// A network of documentation's.
const fn network(number: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, number, 0, 0, 0, 0, 0)
}

fn announcement(_: &Host) -> Frame {
    router(&prefix(network(1)))
}

/// Who listens to what?
fn query(_: &Host) -> Frame {
    let behind = [&[ICMPV6, 0, 5, 2, 0, 0, 1, 0, 130, 0, 0, 0, 0, 0, 0, 0][..], &[0; 20]].concat();
    packet_to(ALL_NODES_MAC, PEER_LOCAL, ALL_NODES, HOP_BY_HOP, 1, &behind)
}

fn form() -> Vec<Row> {
    vec![
        row("a solicitation of 23 bytes", Reason::IcmpShort, question, |it| it.shorten_v6(23)),
        row("a solicitation of 7 bytes", Reason::IcmpShort, question, |it| it.shorten_v6(7)),
        row("an advertisement of 23 bytes", Reason::IcmpShort, answer, |it| it.shorten_v6(23)).quiet(),
        row("a router's advertisement of 15 bytes", Reason::IcmpShort, announcement, |it| it.shorten_v6(15)),
        row("a wrong checksum of a solicitation", Reason::IcmpChecksum, question, |it| it.bytes[AT_V6_BODY + 2] ^= 1)
            .unrepaired(),
        row("a solicitation in two buffers", Reason::HeaderSplit, question, |it| it.cut(AT_OPTION)),
        row("a question for routers", Reason::IcmpType, question, |it| it.bytes[AT_V6_BODY] = 133),
        row("a redirect", Reason::IcmpType, question, |it| it.bytes[AT_V6_BODY] = 137),
        row("a listener's report", Reason::IcmpType, question, |it| it.bytes[AT_V6_BODY] = 131),
        row("a solicitation through a router (RFC 4861 §7.1.1)", Reason::NdpHopLimit, question, |it| {
            it.bytes[AT_HOP_LIMIT] = 254;
        }),
        row("an advertisement through a router (§7.1.2)", Reason::NdpHopLimit, answer, |it| {
            it.bytes[AT_HOP_LIMIT] = 64;
        })
        .quiet(),
        row("a router's advertisement through another one (§6.1.2)", Reason::NdpHopLimit, announcement, |it| {
            it.bytes[AT_HOP_LIMIT] = 254;
        }),
        row("MLD's question from beyond the link (RFC 3810 §6.2)", Reason::NdpHopLimit, query, |it| {
            it.bytes[AT_HOP_LIMIT] = 2;
        }),
        row("MLD's question from a global address (RFC 3810 §5.1.14)", Reason::NdpHopLimit, query, |it| {
            it.set(AT_SOURCE, &PEER6.octets());
        }),
        row("a solicitation with a code", Reason::NdpCode, question, |it| it.bytes[AT_CODE] = 1),
        row("an advertisement with a code", Reason::NdpCode, answer, |it| it.bytes[AT_CODE] = 1).quiet(),
        row("a router's advertisement with a code", Reason::NdpCode, announcement, |it| it.bytes[AT_CODE] = 1),
        row("an option of length zero (§7.1.1)", Reason::NdpOptions, question, |it| it.bytes[AT_OPTION + 1] = 0),
        row("an option beyond the message", Reason::NdpOptions, question, |it| it.bytes[AT_OPTION + 1] = 2),
        row("one byte of an option", Reason::NdpOptions, question, |it| it.shorten_v6(25)),
        row("an unknown option of length zero", Reason::NdpOptions, question, |it| {
            it.set(AT_OPTION, &[200, 0]);
        }),
        row("an advertisement's option of length zero (§7.1.2)", Reason::NdpOptions, answer, |it| {
            it.bytes[AT_OPTION + 1] = 0;
        })
        .quiet(),
        row("a router's option of length zero (§6.1.2)", Reason::NdpOptions, announcement, |it| {
            it.bytes[AT_ROUTER_OPTION + 1] = 0;
        }),
    ]
}

fn questions() -> Vec<Row> {
    vec![
        row("a solicitation for a group (§7.1.1)", Reason::NdpTarget, question, |it| {
            it.set(AT_TARGET, &ALL_NODES.octets());
        }),
        row("a solicitation for another host", Reason::NdpUnsolicited, question, |it| {
            it.set(AT_TARGET, &STRANGER.octets());
        }),
        row("a probe that is not put to the target's group (§7.1.1)", Reason::NdpSource, probe, |it| {
            it.set(0, &ALL_NODES_MAC.0).set(AT_DESTINATION, &ALL_NODES.octets());
        }),
        row("a probe that is put to the target (§7.1.1)", Reason::NdpSource, question, |it| {
            it.shorten_v6(24);
            it.set(AT_SOURCE, &[0; 16]);
        }),
        row("a probe that names its hardware (§7.1.1)", Reason::NdpSource, probe, |it| {
            let message = [&[135, 0, 0, 0, 0, 0, 0, 0][..], &OWN6.octets(), &[1, 1], &PEER_MAC.0].concat();
            *it = ndp(Ipv6Addr::UNSPECIFIED, OWN_GROUP, &message);
        }),
    ]
}

fn answers() -> Vec<Row> {
    vec![
        row("an advertisement of a group (§7.1.2)", Reason::NdpTarget, answer, |it| {
            it.set(AT_TARGET, &ALL_NODES.octets());
        })
        .quiet(),
        row("an answer to everybody that claims to be asked for (§7.1.2)", Reason::NdpFlags, answer, |it| {
            it.bytes[AT_FLAGS] |= 0x40;
        })
        .quiet(),
        row("an advertisement from nobody", Reason::NdpSource, answer, |it| {
            it.set(AT_SOURCE, &[0; 16]);
        })
        .quiet(),
        row("an advertisement that nobody asked for (§7.2.5)", Reason::NdpUnsolicited, answer, |it| {
            it.set(AT_TARGET, &STRANGER.octets());
        })
        .quiet(),
    ]
}

fn routers() -> Vec<Row> {
    vec![
        row("a router from beyond the link (§6.1.2)", Reason::NdpSource, announcement, |it| {
            it.set(AT_SOURCE, &PEER6.octets());
        }),
        row("a router without an address (§6.1.2)", Reason::NdpSource, announcement, |it| {
            it.set(AT_SOURCE, &[0; 16]);
        }),
    ]
}

/// RFC 4862 §5.5.3: which prefixes are passed over.
fn prefixes() -> Vec<Row> {
    vec![
        row("the link-local prefix (§5.5.3 b)", Reason::NdpPrefix, announcement, |it| {
            *it = router(&prefix(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0)));
        }),
        row("a group as a prefix", Reason::NdpPrefix, announcement, |it| {
            *it = router(&prefix(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0)));
        }),
        row("preferred for longer than valid (§5.5.3 c)", Reason::NdpPrefix, announcement, |it| {
            it.set(AT_ROUTER_OPTION + 8, &[0, 2, 0, 0]);
        }),
        row("no room for an identifier (§5.5.3 d)", Reason::NdpPrefix, announcement, |it| {
            it.bytes[AT_ROUTER_OPTION + 2] = 65;
        }),
        row("a prefix longer than an address", Reason::NdpPrefix, announcement, |it| {
            it.bytes[AT_ROUTER_OPTION + 2] = 129;
        }),
    ]
}

/// What a router says of itself, when it is one of many.
fn default_router(number: u16) -> Frame {
    let source = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 1, number);
    let head = [134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0];
    ndp(source, ALL_NODES, &head)
}

/// A network that lies on the link, and nothing to make addresses of.
fn on_link(number: u16) -> Frame {
    let mut option = prefix(network(number));
    option[3] = 0x80;
    router(&option)
}

/// A flood of routers must not push out what was there first.
fn full_tables() -> Vec<Row> {
    vec![
        unwelcome(
            "a fifth router",
            Reason::NdpTableFull,
            |host| {
                for number in 1..=4 {
                    host.sends(default_router(number));
                }
            },
            |_| default_router(5),
        )
        .quiet(),
        unwelcome(
            "a fifth network on the link",
            Reason::NdpTableFull,
            |host| {
                for number in 1..=4 {
                    host.sends(on_link(number));
                }
            },
            |_| on_link(5),
        )
        .quiet(),
        unwelcome(
            "an address beyond those that an interface keeps",
            Reason::NdpTableFull,
            |host| {
                // Three of its own, and five more.
                for number in 2..=6 {
                    host.sends(router(&prefix(network(number))));
                }
                host.passes(Span::from_secs(5));
            },
            announcement,
        ),
    ]
}

fn takes_an_address(host: &mut Host) {
    let cidr = Cidr::new(TENTATIVE.into(), 64).expect("the prefix fits");
    host.stack.add_address(host.interface, cidr, host.now).expect("there is a place");
    host.says();
}

/// RFC 4862 §5.4: an address that somebody else has is not ours.
fn conflicts() -> Vec<Row> {
    vec![
        row("an advertisement of our address", Reason::AddressConflict, answer, |it| {
            it.set(AT_TARGET, &OWN6.octets());
        })
        .quiet(),
        row("an advertisement of the address that we would like", Reason::AddressConflict, answer, |it| {
            it.set(AT_TARGET, &TENTATIVE.octets());
        })
        .given(takes_an_address)
        .quiet()
        .changing(),
        row("a probe for the address that we would like", Reason::AddressConflict, probe, |it| {
            let [.., a, b, c] = TENTATIVE.octets();
            let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(a), u16::from_be_bytes([b, c]));
            *it = probe_for(TENTATIVE, group);
        })
        .given(takes_an_address)
        .changing(),
        row("a solicitation for the address that we would like (§5.4.3)", Reason::NdpUnsolicited, question, |it| {
            it.set(AT_TARGET, &TENTATIVE.octets());
        })
        .given(takes_an_address),
        row(
            "a ping to the address that we would like",
            Reason::Ipv6Destination,
            |_| crate::wire::echo6(),
            |it| {
                it.set(AT_DESTINATION, &TENTATIVE.octets());
            },
        )
        .given(takes_an_address),
        row("a solicitation whose hardware is a group's, from a stranger", Reason::NdpUnsolicited, question, |it| {
            it.set(AT_TARGET, &STRANGER.octets()).set(AT_OPTION + 2, &MacAddress::BROADCAST.0);
        }),
    ]
}

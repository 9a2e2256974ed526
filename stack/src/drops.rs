//! Why a packet was dropped: one counted reason for every rule that a peer's bytes can break.

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// A reason to drop a packet, or to refuse what it asks.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason { $($(#[$doc])* $name,)* }

        impl Reason {
            /// Every reason, in the order of their counts.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its name in reports.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

// A macro, because a reason that is added must appear in the enum, in `ALL` and in `name` at once.
reasons! {
    /// A frame shorter than an Ethernet header.
    EthernetShort = "ethernet_short",
    /// A frame whose source is a group address (IEEE 802.3 §3.2.3).
    EthernetSource = "ethernet_source",
    /// A frame for another station, or for a group that nobody here joined.
    EthernetDestination = "ethernet_destination",
    /// A frame of a protocol that is not spoken here.
    EthernetType = "ethernet_type",
    /// A header that does not lie together in the first buffer.
    HeaderSplit = "header_split",
    /// An ARP packet shorter than its fixed form.
    ArpShort = "arp_short",
    /// ARP for other hardware, another protocol, or with lying lengths (RFC 826).
    ArpFormat = "arp_format",
    /// ARP with a sender that cannot be one: a group's hardware address, a broadcast or multicast address.
    ArpSender = "arp_sender",
    /// ARP that neither asks for nor answers us.
    ArpUnsolicited = "arp_unsolicited",
    /// An IPv4 packet shorter than its header.
    Ipv4Short = "ipv4_short",
    /// Not version 4.
    Ipv4Version = "ipv4_version",
    /// A header length below 20 or beyond the packet (RFC 791 §3.1).
    Ipv4HeaderLength = "ipv4_header_length",
    /// A total length below the header's or beyond the frame.
    Ipv4TotalLength = "ipv4_total_length",
    /// A wrong header checksum (RFC 1122 §3.2.1.2).
    Ipv4Checksum = "ipv4_checksum",
    /// A source that cannot be one (RFC 1122 §3.2.1.3).
    Ipv4Source = "ipv4_source",
    /// Not addressed to us.
    Ipv4Destination = "ipv4_destination",
    /// A source-routed packet.
    Ipv4SourceRoute = "ipv4_source_route",
    /// Malformed options.
    Ipv4Options = "ipv4_options",
    /// A fragment; reassembly is not built yet.
    Ipv4Fragment = "ipv4_fragment",
    /// A protocol that is not spoken here.
    Ipv4Protocol = "ipv4_protocol",
    /// An IPv6 packet shorter than its header.
    Ipv6Short = "ipv6_short",
    /// Not version 6.
    Ipv6Version = "ipv6_version",
    /// A payload length beyond the frame.
    Ipv6PayloadLength = "ipv6_payload_length",
    /// A source that cannot be one (RFC 4291 §2.7).
    Ipv6Source = "ipv6_source",
    /// Not addressed to us.
    Ipv6Destination = "ipv6_destination",
    /// Extension headers that are cut short, too many, or demand a drop (RFC 8200 §4).
    Ipv6Extension = "ipv6_extension",
    /// A fragment; reassembly is not built yet.
    Ipv6Fragment = "ipv6_fragment",
    /// A next header that is not spoken here.
    Ipv6NextHeader = "ipv6_next_header",
    /// An ICMP message shorter than its form.
    IcmpShort = "icmp_short",
    /// A wrong ICMP checksum.
    IcmpChecksum = "icmp_checksum",
    /// An ICMP type that asks nothing of a host.
    IcmpType = "icmp_type",
    /// An echo to a broadcast or multicast address (RFC 1122 §3.2.2.6).
    IcmpBroadcastEcho = "icmp_broadcast_echo",
    /// An error about something that was not sent from here.
    IcmpQuote = "icmp_quote",
    /// An error of ours that the rate limit holds back (RFC 4443 §2.4 f).
    IcmpRateLimited = "icmp_rate_limited",
    /// A neighbour message that came through a router (RFC 4861 §6.1, §7.1).
    NdpHopLimit = "ndp_hop_limit",
    /// A neighbour message with a code (RFC 4861 §6.1, §7.1).
    NdpCode = "ndp_code",
    /// A router's message from beyond the link (RFC 4861 §6.1.2), or a question from nobody that was not put to the
    /// target's group or that names a hardware address (§7.1.1).
    NdpSource = "ndp_source",
    /// A neighbour message about a group (RFC 4861 §7.1).
    NdpTarget = "ndp_target",
    /// An answer to everybody that says it was asked for (RFC 4861 §7.1.2).
    NdpFlags = "ndp_flags",
    /// A prefix that is link-local, or preferred for longer than it is valid (RFC 4862 §5.5.3).
    NdpPrefix = "ndp_prefix",
    /// A router or prefix beyond those that an interface keeps.
    NdpTableFull = "ndp_table_full",
    /// Somebody else claims an address of ours (RFC 5227 §2.4, RFC 4862 §5.4).
    AddressConflict = "address_conflict",
    /// A neighbour message with an option of length zero or beyond its end.
    NdpOptions = "ndp_options",
    /// A neighbour message about an address that is neither ours nor asked for.
    NdpUnsolicited = "ndp_unsolicited",
    /// A datagram shorter than its header, or than its length field says (RFC 768).
    UdpLength = "udp_length",
    /// A wrong UDP checksum.
    UdpChecksum = "udp_checksum",
    /// UDP over IPv6 without a checksum (RFC 8200 §8.1).
    UdpNoChecksum = "udp_no_checksum",
    /// Destination port zero.
    UdpPort = "udp_port",
    /// Nobody is bound to the port.
    UdpUnbound = "udp_unbound",
    /// The socket's queue is full.
    UdpQueueFull = "udp_queue_full",
    /// Bytes for the DHCP client that are no DHCP message (RFC 2131 §2).
    DhcpMalformed = "dhcp_malformed",
    /// A DHCP message that answers nothing that was asked.
    DhcpUnexpected = "dhcp_unexpected",
    /// An offer or a lease that lacks what it must have, or gives an address that no host can have (RFC 2131 table 3).
    DhcpLease = "dhcp_lease",
    /// A segment shorter than a TCP header.
    TcpShort = "tcp_short",
    /// A data offset below 5 words or beyond the segment (RFC 9293 §3.1).
    TcpDataOffset = "tcp_data_offset",
    /// A wrong TCP checksum (RFC 9293 MUST-3).
    TcpChecksum = "tcp_checksum",
    /// A port of zero.
    TcpPort = "tcp_port",
    /// A segment to or from an address that is not one host's (RFC 9293 MUST-57, MUST-63).
    TcpAddress = "tcp_address",
    /// An option of illegal length (RFC 9293 MUST-7).
    TcpOptions = "tcp_options",
    /// Flags that no segment may have together.
    TcpFlags = "tcp_flags",
    /// Nobody listens, no connection matches.
    TcpNoConnection = "tcp_no_connection",
    /// A connection request beyond the SYN queue or the accept queue.
    TcpBacklog = "tcp_backlog",
    /// A segment outside the receive window (RFC 9293 §3.10.7.4, first check).
    TcpOutOfWindow = "tcp_out_of_window",
    /// A reset whose sequence number is not exact (RFC 5961 §3.2).
    TcpReset = "tcp_reset",
    /// A SYN on a connection that stands (RFC 5961 §4.2).
    TcpSyn = "tcp_syn",
    /// An acknowledgment of what was never sent, or from too long ago (RFC 5961 §5.2).
    TcpAck = "tcp_ack",
    /// A selective acknowledgment of what was never sent, of nothing, or of what its own segment acknowledges without
    /// reporting a duplicate (RFC 2018 §3, RFC 2883 §4). The rest of the segment is taken.
    TcpSack = "tcp_sack",
    /// A segment older than one that came before it (RFC 7323 §5.3).
    TcpOld = "tcp_old",
    /// A segment without timestamps on a connection that agreed on them (RFC 7323 §3.2).
    TcpNoTimestamps = "tcp_no_timestamps",
    /// Data beyond a FIN, or after the application closed its reading side.
    TcpLateData = "tcp_late_data",
    /// Data that no receive budget or cell was left for.
    TcpNoRoom = "tcp_no_room",
    /// A TCP segment's urgent mark, for which no [`crate::tcp::Settings`] was left; its data is kept.
    TcpUrgent = "tcp_urgent",
    /// A report that a packet of TCP's was too big, about none that is in flight, or with an MTU that cannot be or changes
    /// nothing (RFC 5927 §7).
    TcpPathMtu = "tcp_path_mtu",
    /// Our own reply found no place in the reply queue.
    ReplyQueueFull = "reply_queue_full",
    /// Our own packet whose next hop never answered.
    NeighbourSilent = "neighbour_silent",
    /// Our own packet that no route leads to.
    NoRoute = "no_route",
}

/// A count for every [`Reason`].
#[derive(Clone, Debug)]
pub struct Drops {
    counts: [u64; Reason::ALL.len()],
}

impl Default for Drops {
    fn default() -> Self {
        Self { counts: [0; Reason::ALL.len()] }
    }
}

impl core::ops::AddAssign<&Self> for Drops {
    fn add_assign(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
    }
}

impl Drops {
    /// Counts one drop.
    pub(crate) fn count(&mut self, reason: Reason) {
        self.counts[reason as usize] += 1;
    }

    /// How often `reason` has struck.
    #[must_use]
    pub const fn of(&self, reason: Reason) -> u64 {
        self.counts[reason as usize]
    }

    /// All drops.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Every reason with its count.
    pub fn iter(&self) -> impl Iterator<Item = (Reason, u64)> {
        Reason::ALL.iter().map(|&reason| (reason, self.of(reason)))
    }
}

//! Packet lines: those that go to the stack, and those that must come from it.

use std::net::SocketAddr;

use super::ast::{Body, IcmpLine, IpInfo, Packet, Quote, Segment, TcpOption, Time, Tos};
use super::flow::Flow;
use super::icmp;
use super::matching::{self, Differences, Rules};
use super::parse_packet::{ACK, FIN, PSH, RST, SYN};
use super::print;
use super::run::{Failure, Run};
use super::trace::seconds;
use super::wire::{self, Content, IpHeader};
use super::world::Seen;
use crate::frame::{self, TCP};
use crate::stream;

/// How long `*` waits.
const PATIENCE: u64 = 3_600_000_000;
/// How much longer a late packet is looked for, to say how late it is.
const LATENESS: u64 = 600_000_000;
/// Hops that a peer's packets have left.
const TTL: u8 = 64;

/// To the stack.
impl Run<'_> {
    /// Puts a line's packet on the wire.
    pub(super) fn inject(&mut self, packet: &Packet) -> Result<(), String> {
        self.trace.add(self.world.elapsed(), print::packet(packet));
        let header = header_of(&packet.ip);
        match &packet.body {
            Body::Tcp(line) => {
                let flow = self.inbound_flow(TCP, packet.ports);
                let flow = &mut self.flows[flow];
                let live = flow.send(line);
                let ports = [flow.remote.port(), flow.local.port()];
                let most = [self.settings.inbound_mss, self.world.room()];
                for body in wire::segments(ports, &live, &Flow::payload(line), most) {
                    self.world.inject(header, (flow.remote, flow.local), TCP, body);
                }
            }
            Body::Udp(len) => {
                let flow = self.inbound_flow(wire::UDP, packet.ports);
                let flow = &self.flows[flow];
                let body = wire::datagram([flow.remote.port(), flow.local.port()], &stream::bytes(0, *len));
                self.world.inject(header, (flow.remote, flow.local), wire::UDP, body);
            }
            Body::Icmp(line) => self.inject_icmp(header, line)?,
        }
        Ok(())
    }

    /// Which flow a packet to the stack belongs to: a new one, where a listener waits for it.
    fn inbound_flow(&mut self, protocol: u8, ports: Option<(u16, u16)>) -> usize {
        let addresses = self.world.addresses;
        if let Some((source, destination)) = ports {
            let local = SocketAddr::new(addresses.local, destination);
            return self.flow(protocol, local, SocketAddr::new(addresses.remote, source));
        }
        if let Some(current) = self.current.filter(|current| self.flows[*current].protocol == protocol) {
            return current;
        }
        let local = SocketAddr::new(addresses.local, self.bound_port());
        let remote = SocketAddr::new(addresses.remote, self.next_port);
        self.next_port += 1;
        let flow = self.flow(protocol, local, remote);
        self.current = Some(flow);
        flow
    }

    fn inject_icmp(&mut self, header: IpHeader, line: &IcmpLine) -> Result<(), String> {
        let addresses = self.world.addresses;
        let (kind, code) = icmp::numbers(addresses.version, &line.kind, line.code.as_deref())?;
        let mtu = line.mtu.unwrap_or(0).to_be_bytes();
        let rest = match (line.id, line.mtu) {
            (Some(id), _) => [id.to_be_bytes(), [0, 1]].concat(),
            (None, _) => mtu.to_vec(),
        };
        let mut body = [&[kind, code, 0, 0][..], &rest].concat();
        if !line.kind.starts_with("echo") {
            body.extend(self.quoted(line.quote));
        }
        let ends = (SocketAddr::new(addresses.remote, 0), SocketAddr::new(addresses.local, 0));
        self.world.inject(header, ends, matching::icmp_protocol(addresses.version), body);
        Ok(())
    }

    /// The front of a packet of the stack, as a router quotes it.
    fn quoted(&mut self, quote: Quote) -> Vec<u8> {
        let protocol = match quote {
            Quote::Tcp(..) => TCP,
            Quote::Udp(_) => wire::UDP,
        };
        let flow = self.inbound_flow(protocol, None);
        let flow = &mut self.flows[flow];
        let ports = [flow.local.port(), flow.remote.port()];
        let (body, kept) = match quote {
            Quote::Tcp(seq, len) => {
                let seq = flow.own_number(seq);
                let segment = Segment { seq, flags: ACK, len, ..Segment::default() };
                (wire::segment(ports, &segment, &vec![0; len]), 20)
            }
            Quote::Udp(len) => (wire::datagram(ports, &vec![0; len]), 8),
        };
        let header = IpHeader { tos: 0, ttl: TTL - 1, flow_label: 0 };
        let (ethertype, mut packet) = wire::packet(header, (flow.local.ip(), flow.remote.ip()), protocol, body);
        packet.truncate(kept + if ethertype == frame::IPV4 { 20 } else { 40 });
        packet
    }
}

fn header_of(info: &IpInfo) -> IpHeader {
    let tos = match info.tos {
        Tos::Any | Tos::EctAny => 0,
        Tos::Ecn(bits) => bits,
        Tos::Whole(tos) => tos,
    };
    IpHeader { tos, ttl: info.ttl.unwrap_or(TTL), flow_label: info.flow_label.unwrap_or(0) }
}

/// From the stack.
impl Run<'_> {
    /// The packet of a line comes in time.
    pub(super) fn expect(&mut self, line: usize, packet: &Packet, time: Time, due: (u64, u64)) -> Result<(), Failure> {
        let (from, to) = due;
        let tolerance = self.tolerance(from);
        let limit = if time == Time::Any { self.world.elapsed() + PATIENCE } else { to + tolerance };
        let mut came = Vec::new();
        while self.wants_more(packet, &came) {
            // What is one for the script comes at one time.
            let limit = came.first().map_or(limit, |first: &Seen| self.world.since_start(first.at) + tolerance);
            match self.await_packet(packet, limit).map_err(|failure| failure.or_at(line))? {
                Some(seen) => came.push(seen),
                None => break,
            }
        }
        let expected = format!("expected  {}  {}", shown_time(time, due), print::packet(packet));
        let (Some(first), Some(last)) = (came.first(), came.last()) else {
            return Err(self.missing(line, packet, expected, limit));
        };
        let (first_at, last_at) = (self.world.since_start(first.at), self.world.since_start(last.at));
        let found = self.compare(packet, &came).map_err(|reason| Failure::new(line, reason))?;
        let mut details = vec![expected];
        details.extend(came.iter().map(|seen| self.as_seen(packet, seen)));
        if !found.0.is_empty() {
            let whole = found.0.iter().map(|it| format!("{}: expected {}, seen {}", it.field, it.expected, it.seen));
            let whole: Vec<_> = whole.collect();
            details.extend(whole.iter().map(|it| format!("differs   {it}")));
            return Err(Failure { line, reason: format!("wrong packet: {}", whole.join("; ")), details });
        }
        let is_early = first_at + tolerance < from;
        if time != Time::Any && (is_early || last_at > to + tolerance) {
            let (at, how) = if is_early { (first_at, "early") } else { (last_at, "late") };
            let reason =
                format!("timing error: the packet came too {how}: {}, not {}", seconds(at), shown_time(time, due));
            return Err(Failure { line, reason, details });
        }
        Ok(())
    }

    /// No packet came.
    fn missing(&mut self, line: usize, packet: &Packet, expected: String, limit: u64) -> Failure {
        let mut details = vec![expected];
        let reason = match self.await_packet(packet, limit + LATENESS) {
            Err(failure) => return failure.or_at(line),
            Ok(Some(late)) => {
                details.push(self.as_seen(packet, &late));
                format!("no packet came until {}; the next one comes too late", seconds(limit))
            }
            Ok(None) => {
                // What came of other flows or kinds may explain it.
                for other in self.queue.iter().take(3) {
                    details.push(format!(
                        "seen      {}  {}",
                        seconds(self.world.since_start(other.at)),
                        self.shown(other)
                    ));
                }
                format!("no packet came until {}", seconds(limit))
            }
        };
        Failure { line, reason, details }
    }

    /// Whether a line's bytes may come in more segments than were seen.
    fn wants_more(&self, packet: &Packet, came: &[Seen]) -> bool {
        let (Body::Tcp(line), false) = (&packet.body, came.is_empty()) else { return came.is_empty() };
        if self.settings.strict_segments {
            return false;
        }
        let mut end = None;
        let mut total = 0;
        for seen in came {
            let Content::Tcp { segment, .. } = &seen.sent.content else { return false };
            let follows = end.is_none_or(|end| end == segment.seq);
            if !follows || segment.len == 0 || segment.flags & (SYN | RST | FIN) != 0 {
                return false;
            }
            end = Some(segment.seq.wrapping_add(segment.len as u32));
            total += segment.len;
        }
        // A first segment that is not the line's is no beginning.
        let begins = self.in_script(packet, &came[0]).is_some_and(|segment| segment.seq == line.seq);
        begins && total < line.len
    }

    /// The next packet of a line's flow and kind, if it comes before `limit`.
    fn await_packet(&mut self, packet: &Packet, limit: u64) -> Result<Option<Seen>, Failure> {
        loop {
            self.turn()?;
            if let Some(seen) = self.take(packet) {
                return Ok(Some(seen));
            }
            if !self.step(limit) {
                return Ok(None);
            }
        }
    }

    fn take(&mut self, packet: &Packet) -> Option<Seen> {
        let ends = self.ends_of(packet);
        let place = self.queue.iter().position(|seen| {
            let is_kind = matches!(
                (&packet.body, &seen.sent.content),
                (Body::Tcp(_), Content::Tcp { .. })
                    | (Body::Udp(_), Content::Udp { .. })
                    | (Body::Icmp(_), Content::Icmp { .. })
            );
            let has_ends = matches!(packet.body, Body::Icmp(_)) || ends.is_none_or(|ends| ends == seen.sent.ends);
            is_kind && has_ends
        })?;
        let seen = self.queue.remove(place)?;
        let protocol = match seen.sent.content {
            Content::Tcp { .. } => TCP,
            Content::Udp { .. } => wire::UDP,
            Content::Icmp { .. } => return Some(seen),
        };
        let flow = self.flow(protocol, seen.sent.ends.0, seen.sent.ends.1);
        if packet.ports.is_none() {
            self.current = Some(flow);
        }
        if let (Body::Tcp(line), Content::Tcp { segment, .. }) = (&packet.body, &seen.sent.content) {
            self.flows[flow].learn(segment, line.seq);
            learn_stamps(&mut self.flows[flow], line, segment);
        }
        Some(seen)
    }

    fn ends_of(&self, packet: &Packet) -> Option<(SocketAddr, SocketAddr)> {
        let addresses = self.world.addresses;
        match (packet.ports, self.current) {
            (Some((source, destination)), _) => {
                Some((SocketAddr::new(addresses.local, source), SocketAddr::new(addresses.remote, destination)))
            }
            (None, Some(current)) => Some((self.flows[current].local, self.flows[current].remote)),
            (None, None) => None,
        }
    }

    /// A segment that came, in the script's numbers.
    fn in_script(&self, packet: &Packet, seen: &Seen) -> Option<Segment> {
        let Content::Tcp { segment, .. } = &seen.sent.content else { return None };
        let is_absolute = matches!(&packet.body, Body::Tcp(line) if line.absolute);
        let flow = self.find_flow(TCP, seen.sent.ends.0, seen.sent.ends.1)?;
        Some(self.flows[flow].to_script(segment, is_absolute))
    }

    fn as_seen(&self, packet: &Packet, seen: &Seen) -> String {
        let line = matching::as_line(Some(packet), &seen.sent, self.in_script(packet, seen));
        format!("seen      {}  {line}", seconds(self.world.since_start(seen.at)))
    }

    fn compare(&mut self, packet: &Packet, came: &[Seen]) -> Result<Differences, String> {
        let mut found = Differences::default();
        for seen in came {
            matching::ip(&packet.ip, seen.sent.ip, &mut found);
            self.compare_label(packet, seen, &mut found);
        }
        let first = &came[0].sent;
        match (&packet.body, &first.content) {
            (Body::Tcp(line), Content::Tcp { .. }) => self.compare_segments(line, packet, came, &mut found),
            (Body::Udp(len), Content::Udp { payload }) => self.compare_datagram(*len, payload, first.ends, &mut found),
            (Body::Icmp(line), Content::Icmp { kind, code }) => {
                let version = self.world.addresses.version;
                matching::icmp(icmp::numbers(version, &line.kind, line.code.as_deref())?, (*kind, *code), &mut found);
            }
            (_, other) => found.add("packet", "another protocol", matching::name(other)),
        }
        Ok(found)
    }

    /// All segments of a line as one: its bytes may come in pieces of any size.
    fn compare_segments(&self, line: &Segment, packet: &Packet, came: &[Seen], found: &mut Differences) {
        let rules = Rules {
            buffer_is_fixed: self.settings.receive_buffer.is_some(),
            strict: self.strict,
            tick: self.settings.tick,
            tolerance: self.settings.tolerance,
        };
        let pieces: Vec<Segment> = came.iter().filter_map(|seen| self.in_script(packet, seen)).collect();
        let (Some(first), Some(last)) = (pieces.first(), pieces.last()) else { return };
        let len = pieces.iter().map(|piece| piece.len).sum();
        // The end of what was written is pushed: that is the last piece's to say.
        let flags = pieces.iter().fold(last.flags & (PSH | FIN), |flags, piece| flags | piece.flags & !(PSH | FIN));
        let flags = if self.goes_on(line, packet) { flags | line.flags & PSH } else { flags };
        for piece in &pieces {
            let whole = Segment { seq: first.seq, len, flags, ..piece.clone() };
            matching::segment(line, &whole, &rules, found);
        }
        for pair in pieces.windows(2) {
            let end = pair[0].seq.wrapping_add(pair[0].len as u32);
            if end != pair[1].seq {
                found.add("seq", format!("{end} next"), pair[1].seq.to_string());
            }
        }
        for seen in came {
            let Content::Tcp { segment, payload } = &seen.sent.content else { continue };
            let Some(flow) = self.find_flow(TCP, seen.sent.ends.0, seen.sent.ends.1) else { continue };
            if let Err(why) = self.flows[flow].check_payload(segment, payload) {
                found.add("payload", "what was written", why);
            }
        }
    }

    /// Whether a line ends inside of what was written: Linux pushes there, too, where it cuts a large segment.
    fn goes_on(&self, line: &Segment, packet: &Packet) -> bool {
        let flow = self.ends_of(packet).and_then(|(local, remote)| self.find_flow(TCP, local, remote));
        let written = flow.map_or(0, |flow| self.flows[flow].written.len());
        !self.strict && !line.absolute && line.len > 0 && (line.seq as usize).saturating_add(line.len) <= written
    }

    fn compare_datagram(
        &mut self,
        len: usize,
        payload: &[u8],
        ends: (SocketAddr, SocketAddr),
        found: &mut Differences,
    ) {
        if len != payload.len() {
            found.add("length", len.to_string(), payload.len().to_string());
        }
        let Some(flow) = self.find_flow(wire::UDP, ends.0, ends.1) else { return };
        let flow = &mut self.flows[flow];
        let written = flow.written.get(flow.seen..flow.seen + payload.len());
        if written != Some(payload) {
            found.add("payload", "what was written", "something else");
        }
        flow.seen += payload.len();
    }

    /// A flow's label is learned when it is first named; another name must be another label.
    fn compare_label(&mut self, packet: &Packet, seen: &Seen, found: &mut Differences) {
        let Some(wanted) = packet.ip.flow_label else { return };
        let live = seen.sent.ip.flow_label;
        let Some(flow) = self.find_flow(TCP, seen.sent.ends.0, seen.sent.ends.1) else { return };
        let label = &mut self.flows[flow].label;
        match *label {
            _ if live == 0 => found.add("flow label", format!("0x{wanted:x}"), "none"),
            Some((name, known)) if name == wanted && known != live => {
                found.add("flow label", format!("0x{known:x}"), format!("0x{live:x}"));
            }
            Some((name, known)) if name != wanted && known == live => {
                found.add("flow label", "another one", "the same")
            }
            Some(_) | None => *label = Some((wanted, live)),
        }
    }
}

fn learn_stamps(flow: &mut Flow, line: &Segment, live: &Segment) {
    let stamp = |options: &Option<Vec<TcpOption>>| {
        options.iter().flatten().find_map(|option| match option {
            TcpOption::Timestamp(value, _) => *value,
            _ => None,
        })
    };
    if let (Some(script), Some(live)) = (stamp(&line.options), stamp(&live.options)) {
        flow.learn_stamp(script, live);
    }
}

fn shown_time(time: Time, (from, to): (u64, u64)) -> String {
    match time {
        Time::Any => "any time".into(),
        Time::At(_) | Time::After(_) => seconds(from),
        Time::Between(..) | Time::AfterBetween(..) => format!("{}~{}", seconds(from), seconds(to)),
    }
}

//! The grammar of packet lines: `< [ect0] S. 0:0(0) ack 1 win 1000 <mss 1460,nop,wscale 7>` and its relatives.

use super::ast::{Body, Direction, Flags, IcmpLine, IpInfo, Packet, Quote, Segment, TcpOption, Tos};
use super::cursor::{Cursor, Parsed};
use super::parse::Defines;

/// AE, the ninth control bit.
pub(super) const AE: Flags = 1 << 8;
pub(super) const CWR: Flags = 1 << 7;
pub(super) const ECE: Flags = 1 << 6;
pub(super) const URG: Flags = 1 << 5;
pub(super) const ACK: Flags = 1 << 4;
pub(super) const PSH: Flags = 1 << 3;
pub(super) const RST: Flags = 1 << 2;
pub(super) const SYN: Flags = 1 << 1;
pub(super) const FIN: Flags = 1;

/// Option kinds that have no form of their own in the tree.
pub(super) const MD5: u8 = 19;
const ACCECN: [u8; 2] = [172, 174];

/// A packet line from its direction on.
pub(super) fn packet(cursor: &mut Cursor<'_>, defines: &Defines) -> Parsed<Packet> {
    let direction = if cursor.eats("<") { Direction::In } else { Direction::Out };
    if direction == Direction::Out {
        cursor.must(">")?;
    }
    // FreeBSD's suite has what an ICMP error quotes before its name, where the IP information stands.
    let (ip, early_quote) = ip_info(cursor)?;
    if ["ipv4", "ipv6", "gre", "GREv0", "mpls", "sctp", "udplite"].contains(&cursor.peek_word()) {
        let word = cursor.peek_word();
        return cursor.error(format!("`{word}` packets are not supported"));
    }
    let ports = ports(cursor)?;
    let body = match cursor.peek_word() {
        "icmp" => icmp(cursor, early_quote, defines)?,
        "udp" => {
            cursor.word();
            let ports_inside = self::ports(cursor)?;
            cursor.must("(")?;
            let len = cursor.up_to(65_535, "a length")? as usize;
            cursor.must(")")?;
            return Ok(Packet { direction, ip, ports: ports.or(ports_inside), body: Body::Udp(len) });
        }
        _ => Body::Tcp(segment(cursor, direction, defines)?),
    };
    if direction == Direction::In && ip.tos == Tos::EctAny {
        return cursor.error("`[ect01]` is for packets from the stack only");
    }
    Ok(Packet { direction, ip, ports, body })
}

/// `[ect0]`, `(tos 0x20)`, `[ttl 3]`, `[ce, flowlabel 0x12]`; or the quote of an ICMP error.
fn ip_info(cursor: &mut Cursor<'_>) -> Parsed<(IpInfo, Option<Quote>)> {
    let mut info = IpInfo::default();
    let mut quoted = None;
    while cursor.sees("[") || cursor.sees("(") {
        let close = if cursor.eats("[") { "]" } else { ")" };
        if close == ")" {
            cursor.must("(")?;
        }
        if cursor.sees_number() || cursor.peek_word() == "udp" {
            quoted = Some(quote(cursor)?);
            cursor.must(close)?;
            continue;
        }
        loop {
            ip_field(cursor, &mut info)?;
            if !cursor.eats(",") {
                break;
            }
        }
        cursor.must(close)?;
    }
    Ok((info, quoted))
}

fn ip_field(cursor: &mut Cursor<'_>, info: &mut IpInfo) -> Parsed<()> {
    match cursor.peek_word() {
        "noecn" => info.tos = Tos::Ecn(0),
        "ect1" => info.tos = Tos::Ecn(1),
        "ect0" => info.tos = Tos::Ecn(2),
        "ce" => info.tos = Tos::Ecn(3),
        "ect01" => info.tos = Tos::EctAny,
        "tos" => {
            cursor.word();
            info.tos = Tos::Whole(cursor.up_to(0xff, "tos")? as u8);
            return Ok(());
        }
        "ttl" => {
            cursor.word();
            info.ttl = Some(cursor.up_to(0xff, "ttl")? as u8);
            return Ok(());
        }
        "flowlabel" => {
            cursor.word();
            info.flow_label = Some(cursor.up_to(0xf_ffff, "flowlabel")? as u32);
            return Ok(());
        }
        _ => return cursor.expected("noecn, ect0, ect1, ect01, ce, tos, ttl or flowlabel"),
    }
    cursor.word();
    Ok(())
}

/// `80 > 1234`
fn ports(cursor: &mut Cursor<'_>) -> Parsed<Option<(u16, u16)>> {
    let mut ahead = cursor.clone();
    if !ahead.sees_number() || ahead.integer().is_err() || !ahead.sees(">") {
        return Ok(None);
    }
    let source = cursor.up_to(65_535, "a port")? as u16;
    cursor.must(">")?;
    Ok(Some((source, cursor.up_to(65_535, "a port")? as u16)))
}

fn segment(cursor: &mut Cursor<'_>, direction: Direction, defines: &Defines) -> Parsed<Segment> {
    let flags = flags(cursor)?;
    let (seq, len) = numbers(cursor)?;
    let mut segment = Segment { flags, seq, len, absolute: cursor.eats("!"), ..Segment::default() };
    if cursor.eats_word("ack") {
        segment.ack = cursor.up_to(i64::from(u32::MAX), "ack")? as u32;
    }
    if cursor.eats_word("win") {
        segment.window = Some(cursor.up_to(65_535, "win")? as u16);
    }
    if cursor.eats_word("urg") {
        segment.urgent = cursor.up_to(65_535, "urg")? as u16;
    }
    segment.options = Some(Vec::new());
    // The options' `<` begins no packet: that has a time before it.
    if cursor.eats("<") {
        segment.options = options(cursor, direction, defines)?;
    }
    if cursor.sees("{") {
        return cursor.error("packets that are changed at random (`{mut …}`) are not supported");
    }
    if direction == Direction::In && segment.options.is_none() {
        return cursor.error("`<...>` is for packets from the stack only");
    }
    Ok(segment)
}

fn flags(cursor: &mut Cursor<'_>) -> Parsed<Flags> {
    let run = cursor.run();
    let mut flags = 0;
    for it in run.chars() {
        flags |= match it {
            'F' => FIN,
            'S' => SYN,
            'R' => RST,
            'P' => PSH,
            '.' => ACK,
            'U' => URG,
            'E' => ECE,
            'W' | 'C' => CWR,
            'A' | 'N' => AE,
            // The three bits of AccECN as a number.
            '0'..='7' => {
                let ace = it as Flags - '0' as Flags;
                // They stand next to each other, from ECE up.
                ace << ECE.trailing_zeros()
            }
            '-' if run == "-" => 0,
            _ => return cursor.error(format!("`{run}` are no control bits: F S R P . U E W A, a digit, or -")),
        };
    }
    if run.is_empty() { cursor.expected("control bits") } else { Ok(flags) }
}

/// `1:101(100)`
fn numbers(cursor: &mut Cursor<'_>) -> Parsed<(u32, usize)> {
    let most = i64::from(u32::MAX);
    let start = cursor.up_to(most, "a sequence number")?;
    cursor.must(":")?;
    let end = cursor.up_to(most, "a sequence number")?;
    cursor.must("(")?;
    let len = cursor.up_to(65_535, "a length")?;
    cursor.must(")")?;
    if (start + len) & most != end {
        return cursor
            .error(format!("{start}:{end}({len}) contradicts itself: {start} and {len} make {}", start + len));
    }
    Ok((start as u32, len as usize))
}

/// The list behind its `<`.
fn options(cursor: &mut Cursor<'_>, direction: Direction, defines: &Defines) -> Parsed<Option<Vec<TcpOption>>> {
    if cursor.eats("...") {
        cursor.must(">")?;
        return Ok(None);
    }
    let mut list = Vec::new();
    let mut has_end = cursor.eats(">");
    while !has_end {
        list.push(option(cursor, defines)?);
        has_end = cursor.eats(">");
        if !has_end {
            cursor.must(",")?;
        }
    }
    let len: usize = list.iter().map(super::wire_options::length).sum();
    if direction == Direction::In && !len.is_multiple_of(4) {
        return cursor.error(format!("the options are {len} bytes long: nop or eol must make them whole words"));
    }
    Ok(Some(list))
}

fn option(cursor: &mut Cursor<'_>, defines: &Defines) -> Parsed<TcpOption> {
    Ok(match cursor.word() {
        "nop" => TcpOption::Nop,
        "eol" => TcpOption::End,
        "sackOK" => TcpOption::SackOk,
        "mss" => TcpOption::Mss(wild(cursor, 65_535, "mss")?.map(|mss| mss as u16)),
        "wscale" => TcpOption::Scale(wild(cursor, 255, "wscale")?.map(|shift| shift as u8)),
        "TS" => {
            let most = i64::from(u32::MAX);
            let mut side = |name: &str| -> Parsed<Option<u32>> {
                if !cursor.eats_word(name) {
                    return cursor.expected(&format!("`{name}`"));
                }
                Ok(wild(cursor, most, name)?.map(|value| value as u32))
            };
            TcpOption::Timestamp(side("val")?, side("ecr")?)
        }
        "sack" => TcpOption::Sack(blocks(cursor)?),
        "FO" => TcpOption::FastOpen(false, cookie(cursor, defines)?),
        "FOEXP" => TcpOption::FastOpen(true, cookie(cursor, defines)?),
        "md5" if cursor.eats_word("valid") => TcpOption::Other(MD5, None),
        "md5" => TcpOption::Other(MD5, Some(cookie(cursor, defines)?)),
        "ECN" => accecn(cursor)?,
        other => {
            let other = other.to_owned();
            return cursor.error(format!("`{other}` is no TCP option that is known here"));
        }
    })
}

fn wild(cursor: &mut Cursor<'_>, most: i64, what: &str) -> Parsed<Option<i64>> {
    if cursor.eats("...") || cursor.eats("*") { Ok(None) } else { cursor.up_to(most, what).map(Some) }
}

fn blocks(cursor: &mut Cursor<'_>) -> Parsed<Vec<(u32, u32)>> {
    let mut blocks = Vec::new();
    while blocks.is_empty() || cursor.sees_number() {
        let left = cursor.up_to(i64::from(u32::MAX), "a SACK edge")? as u32;
        cursor.must(":")?;
        blocks.push((left, cursor.up_to(i64::from(u32::MAX), "a SACK edge")? as u32));
    }
    Ok(blocks)
}

/// Bytes in hexadecimal, or the name of such.
fn cookie(cursor: &mut Cursor<'_>, defines: &Defines) -> Parsed<Vec<u8>> {
    let word = cursor.word();
    let digits = defines.get(word).map_or(word, String::as_str);
    let bytes = (0..digits.len() / 2).map(|at| u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok());
    match bytes.collect() {
        Some(bytes) if digits.len().is_multiple_of(2) => Ok(bytes),
        Some(_) | None => {
            let word = word.to_owned();
            cursor.error(format!("`{word}` are no bytes in hexadecimal; a name needs --define={word}=…"))
        }
    }
}

/// `ECN e1b 1 ceb 0 e0b 1`: RFC 9768 §3.2.3, of the order that the first counter names.
fn accecn(cursor: &mut Cursor<'_>) -> Parsed<TcpOption> {
    let kind = ACCECN[usize::from(cursor.peek_word() == "e1b")];
    let mut bytes = Vec::new();
    while ["e0b", "ceb", "e1b"].contains(&cursor.peek_word()) {
        cursor.word();
        bytes.extend_from_slice(&(cursor.up_to(0xff_ffff, "a byte counter")? as u32).to_be_bytes()[1..]);
    }
    Ok(TcpOption::Other(kind, Some(bytes)))
}

fn icmp(cursor: &mut Cursor<'_>, early: Option<Quote>, defines: &Defines) -> Parsed<Body> {
    cursor.word();
    let named = |word: &str| defines.get(word).map_or(word, String::as_str).to_owned();
    let kind = named(cursor.word());
    let mut line = IcmpLine { kind, code: None, mtu: None, id: None, quote: early.unwrap_or(Quote::Tcp(0, 0)) };
    if !["", "mtu", "id"].contains(&cursor.peek_word()) && !cursor.sees_number() {
        line.code = Some(named(cursor.word()));
    }
    if cursor.eats_word("mtu") {
        line.mtu = Some(cursor.up_to(i64::from(u32::MAX), "mtu")? as u32);
    }
    if cursor.eats_word("id") {
        line.id = Some(cursor.up_to(65_535, "id")? as u16);
    }
    if cursor.eats("[") {
        line.quote = quote(cursor)?;
        cursor.must("]")?;
    }
    Ok(Body::Icmp(line))
}

fn quote(cursor: &mut Cursor<'_>) -> Parsed<Quote> {
    if cursor.eats_word("udp") {
        cursor.must("(")?;
        let len = cursor.up_to(65_535, "a length")? as usize;
        cursor.must(")")?;
        return Ok(Quote::Udp(len));
    }
    let (seq, len) = numbers(cursor)?;
    Ok(Quote::Tcp(seq, len))
}

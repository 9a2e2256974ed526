//! What a script says, line by line, before anything of it happens. Times are in microseconds, numbers relative as the
//! script has them.

use std::net::SocketAddr;

/// A script.
#[derive(Clone, Debug, Default)]
pub(super) struct Script {
    /// `--name=value` lines.
    pub(super) options: Vec<Setting>,
    /// Shell text before the first event.
    pub(super) init: Option<Command>,
    /// In the order of the text.
    pub(super) events: Vec<Event>,
    /// Shell text behind the last event.
    pub(super) cleanup: Option<Command>,
}

/// A `--name` or `--name=value` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    /// Where it stands.
    pub(super) line: usize,
    /// Without its dashes.
    pub(super) name: String,
    /// What stands behind `=`.
    pub(super) value: Option<String>,
}

/// Shell text in backticks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Command {
    /// Where it begins.
    pub(super) line: usize,
    /// What it says.
    pub(super) text: String,
}

/// Something that happens, and when.
#[derive(Clone, Debug)]
pub(super) struct Event {
    /// Where its time stands.
    pub(super) line: usize,
    /// When.
    pub(super) time: Time,
    /// What.
    pub(super) action: Action,
}

/// When an event is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Time {
    /// `1.5`: so long after the script's start.
    At(u64),
    /// `+1.5`: so long after the event before.
    After(u64),
    /// `*`: whenever it comes.
    Any,
    /// `1.5~1.6`.
    Between(u64, u64),
    /// `+1.5~+1.6`.
    AfterBetween(u64, u64),
}

/// What happens.
#[derive(Clone, Debug)]
pub(super) enum Action {
    /// A packet, to the stack or from it.
    Packet(Packet),
    /// A system call.
    Call(Call),
    /// Shell text.
    Command(String),
    /// `%{ … }%`.
    Code(String),
}

/// A system call and what it must return.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// When it returns, if it blocks: counted like the event's own time.
    pub(super) until: Option<u64>,
    /// Its name.
    pub(super) name: String,
    /// Its arguments.
    pub(super) arguments: Vec<Expression>,
    /// What it returns.
    pub(super) result: Expression,
    /// The name of the error.
    pub(super) errno: Option<String>,
}

/// An argument, or a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expression {
    /// `...`
    Ellipsis,
    /// A number.
    Integer(i64),
    /// A constant's name.
    Word(String),
    /// Text in quotes, and whether `...` follows.
    Text(Vec<u8>, bool),
    /// `a|b`
    Or(Vec<Expression>),
    /// `[a, b]`
    List(Vec<Expression>),
    /// `{a, b}`
    Tuple(Vec<Expression>),
    /// `{name=value, …}`; what stands in parentheses behind a name is left out.
    Record(Vec<(String, Expression)>),
    /// A `sockaddr`.
    Address(SocketAddr),
}

/// Which way a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// `<`: to the stack.
    In,
    /// `>`: from it.
    Out,
}

/// A packet line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Packet {
    /// Which way.
    pub(super) direction: Direction,
    /// What the IP header says.
    pub(super) ip: IpInfo,
    /// Source and destination port, if the line has them.
    pub(super) ports: Option<(u16, u16)>,
    /// What it carries.
    pub(super) body: Body,
}

/// What a line says of the IP header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct IpInfo {
    /// The traffic class.
    pub(super) tos: Tos,
    /// Time to live, or hop limit.
    pub(super) ttl: Option<u8>,
    /// IPv6's flow label.
    pub(super) flow_label: Option<u32>,
}

/// What a line says of the traffic class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Tos {
    /// Nothing: anything comes, zero is sent.
    #[default]
    Any,
    /// The two ECN bits (RFC 3168 §5).
    Ecn(u8),
    /// `[ect01]`: one of the two.
    EctAny,
    /// All of it.
    Whole(u8),
}

/// What a packet carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// TCP.
    Tcp(Segment),
    /// UDP with so many bytes.
    Udp(usize),
    /// ICMP of the script's version.
    Icmp(IcmpLine),
}

/// The control bits, and AE as bit 8 (RFC 9768 §3.1).
pub(super) type Flags = u16;

/// A TCP segment, as a line has it or as it was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Segment {
    /// Control bits.
    pub(super) flags: Flags,
    /// The first number.
    pub(super) seq: u32,
    /// `!` behind the numbers: they are no relative ones.
    pub(super) absolute: bool,
    /// Bytes of payload.
    pub(super) len: usize,
    /// The acknowledgment field.
    pub(super) ack: u32,
    /// The window field; what comes may have any, without.
    pub(super) window: Option<u16>,
    /// The urgent pointer.
    pub(super) urgent: u16,
    /// The options; without a list any may come.
    pub(super) options: Option<Vec<TcpOption>>,
}

/// A TCP option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TcpOption {
    /// End of the list.
    End,
    /// Nothing.
    Nop,
    /// Maximum segment size.
    Mss(Option<u16>),
    /// Window scale.
    Scale(Option<u8>),
    /// SACK permitted.
    SackOk,
    /// SACK blocks.
    Sack(Vec<(u32, u32)>),
    /// A timestamp and the one that it echoes; `...` is any.
    Timestamp(Option<u32>, Option<u32>),
    /// Fast Open's cookie, in the option of RFC 7413 or the experimental one.
    FastOpen(bool, Vec<u8>),
    /// Any other: its kind and bytes; without bytes, any.
    Other(u8, Option<Vec<u8>>),
}

/// An `icmp` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct IcmpLine {
    /// The type's name.
    pub(super) kind: String,
    /// The code's name.
    pub(super) code: Option<String>,
    /// `mtu N`
    pub(super) mtu: Option<u32>,
    /// `id N`
    pub(super) id: Option<u16>,
    /// What it quotes.
    pub(super) quote: Quote,
}

/// What an ICMP error quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quote {
    /// A segment with this number and length.
    Tcp(u32, usize),
    /// A datagram of this length.
    Udp(usize),
}

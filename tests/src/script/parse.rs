//! The grammar of scripts: settings, events with their times, system calls. Packet lines are in `parse_packet`.
//!
//! Learned from the grammars of google/packetdrill and nplab/packetdrill. Left out: SCTP, UDP-Lite, encapsulation.

use std::collections::BTreeMap;

use super::ast::{Action, Call, Command, Event, Expression, Script, Setting, Time};
use super::cursor::{Cursor, Parsed, SyntaxError};
use super::parse_expression::expression;
use super::parse_packet::packet;

/// What `--define` gave names to.
pub(super) type Defines = BTreeMap<String, String>;

/// Reads a script. `defines` are those of the command line; the script's own are added.
///
/// # Errors
/// [`SyntaxError`] at the first line that is no script, or that contradicts another one.
pub(super) fn parse(text: &str, defines: &Defines) -> Result<Script, SyntaxError> {
    let text = &chosen(text, defines)?;
    let mut cursor = Cursor::new(text);
    let mut script = Script { options: settings(&mut cursor)?, ..Script::default() };
    let mut defines = defines.clone();
    for setting in script.options.iter().filter(|setting| setting.name == "define") {
        if let Some((name, value)) = setting.value.as_deref().and_then(|value| value.split_once('=')) {
            defines.entry(name.to_owned()).or_insert_with(|| value.to_owned());
        }
    }
    if cursor.sees("`") {
        script.init = Some(command(&mut cursor)?);
    }
    while !cursor.at_end() {
        if cursor.sees("`") {
            script.cleanup = Some(command(&mut cursor)?);
            if !cursor.at_end() {
                return cursor.expected("the end of the script (a command without a time is the last thing in it)");
            }
            break;
        }
        script.events.push(event(&mut cursor, &defines)?);
    }
    check_order(&script)?;
    Ok(script)
}

/// The text without what `#ifdef NAME` … `#else` … `#endif` leaves out, lines counting as before. Names are those of
/// systems, and the stack is none of them: `--define` says which one a script is to take it for.
fn chosen(text: &str, defines: &Defines) -> Result<String, SyntaxError> {
    let mut open: Vec<bool> = Vec::new();
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let fail = |reason: &str| Err(SyntaxError { line: number, reason: reason.into() });
        let mut words = line.split_whitespace();
        match (words.next(), words.next()) {
            (Some("#ifdef"), Some(name)) => open.push(defines.contains_key(name)),
            (Some("#ifdef"), None) => return fail("`#ifdef` needs a name"),
            (Some("#else"), _) => match open.last_mut() {
                Some(last) => *last = !*last,
                None => return fail("`#else` has no `#ifdef`"),
            },
            (Some("#endif"), _) if open.pop().is_none() => return fail("`#endif` has no `#ifdef`"),
            (Some("#endif"), _) => {}
            _ if open.iter().all(|is_in| *is_in) => {
                lines.push(line);
                continue;
            }
            _ => {}
        }
        lines.push("");
    }
    if !open.is_empty() {
        return Err(SyntaxError { line: text.lines().count(), reason: "`#ifdef` has no `#endif`".into() });
    }
    Ok(lines.join("\n") + "\n")
}

fn settings(cursor: &mut Cursor<'_>) -> Parsed<Vec<Setting>> {
    let mut settings = Vec::new();
    while cursor.sees("--") {
        let line = cursor.line();
        cursor.must("--")?;
        let name = cursor.word().to_owned();
        if name.is_empty() {
            return cursor.expected("the name of an option");
        }
        let value = if cursor.eats("=") { Some(setting_value(cursor)?) } else { None };
        settings.push(Setting { line, name, value });
    }
    Ok(settings)
}

fn setting_value(cursor: &mut Cursor<'_>) -> Parsed<String> {
    if cursor.sees("\"") {
        return Ok(String::from_utf8_lossy(&cursor.string()?).into_owned());
    }
    let run = cursor.run();
    // NAME="text with spaces" and NAME=`shell` go on to their quote.
    for quote in ['"', '`'] {
        if run.matches(quote).count() == 1 {
            let more = cursor.between("", &quote.to_string())?;
            return Ok(format!("{run} {more}").replace(quote, ""));
        }
    }
    if run.is_empty() { cursor.expected("a value") } else { Ok(run.replace(['"', '`'], "")) }
}

fn command(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    let line = cursor.line();
    Ok(Command { line, text: cursor.between("`", "`")?.to_owned() })
}

fn event(cursor: &mut Cursor<'_>, defines: &Defines) -> Parsed<Event> {
    let line = cursor.line();
    let time = time(cursor)?;
    let until = if cursor.eats("...") { Some(cursor.seconds()?) } else { None };
    let action = match cursor.next_char() {
        Some('<' | '>') => Action::Packet(packet(cursor, defines)?),
        Some('`') => Action::Command(cursor.between("`", "`")?.to_owned()),
        Some('%') => Action::Code(cursor.between("%{", "}%")?.to_owned()),
        Some(it) if it.is_ascii_alphabetic() || it == '_' => Action::Call(call(cursor, until, defines)?),
        Some(_) | None => return cursor.expected("a packet, a system call, a command or code"),
    };
    check_time(time, until, &action).map_err(|reason| SyntaxError { line, reason })?;
    Ok(Event { line, time, action })
}

fn time(cursor: &mut Cursor<'_>) -> Parsed<Time> {
    if cursor.eats("*") {
        return Ok(Time::Any);
    }
    if cursor.sees("-") {
        return cursor.expected("a time (it is never negative)");
    }
    let is_relative = cursor.eats("+");
    let start = cursor.seconds()?;
    if !cursor.eats("~") {
        return Ok(if is_relative { Time::After(start) } else { Time::At(start) });
    }
    if is_relative {
        cursor.must("+")?;
    }
    let end = cursor.seconds()?;
    if end < start {
        return cursor.error("a range of time ends before it begins");
    }
    Ok(if is_relative { Time::AfterBetween(start, end) } else { Time::Between(start, end) })
}

/// Ranges and `*` are for what the stack does by itself, ends for calls.
fn check_time(time: Time, until: Option<u64>, action: &Action) -> Result<(), String> {
    match (time, until) {
        (_, Some(_)) if !matches!(action, Action::Call(_)) => return Err("only a system call has an end".into()),
        (Time::At(start) | Time::After(start), Some(end)) if end < start => {
            return Err("a system call ends before it begins".into());
        }
        (Time::At(_) | Time::After(_) | Time::Any | Time::Between(..) | Time::AfterBetween(..), _) => {}
    }
    let is_awaited = matches!(action, Action::Packet(packet) if packet.direction == super::ast::Direction::Out);
    match time {
        Time::Any if !is_awaited => Err("`*` is a time for packets from the stack only".into()),
        Time::Between(..) | Time::AfterBetween(..) if !is_awaited => {
            Err("a range is a time for packets from the stack only".into())
        }
        Time::At(_) | Time::After(_) | Time::Any | Time::Between(..) | Time::AfterBetween(..) => Ok(()),
    }
}

fn call(cursor: &mut Cursor<'_>, until: Option<u64>, defines: &Defines) -> Parsed<Call> {
    let name = cursor.word().to_owned();
    cursor.must("(")?;
    let mut arguments = Vec::new();
    while !cursor.eats(")") {
        if !arguments.is_empty() {
            cursor.must(",")?;
        }
        arguments.push(expression(cursor, defines)?);
    }
    cursor.must("=")?;
    let result = expression(cursor, defines)?;
    let word = cursor.peek_word();
    let errno = if word.starts_with('E') { Some(cursor.word().to_owned()) } else { None };
    if cursor.sees("(") {
        cursor.between("(", ")")?;
    }
    if errno.is_some() && result != Expression::Integer(-1) {
        return cursor.error("a call with an error's name returns -1");
    }
    Ok(Call { until, name, arguments, result, errno })
}

/// The first event is at time zero, and absolute times do not go back.
fn check_order(script: &Script) -> Parsed<()> {
    let Some(first) = script.events.first() else {
        return Err(SyntaxError { line: 1, reason: "there is no event in the script".into() });
    };
    let wrong = |line, reason: String| Err(SyntaxError { line, reason });
    if !matches!(first.time, Time::At(0) | Time::After(0)) {
        return wrong(first.line, "the first event must be at time 0".into());
    }
    let mut last = 0;
    for event in &script.events {
        match event.time {
            Time::At(at) | Time::Between(at, _) => {
                if at < last {
                    let [from, to] = [last, at].map(|micros| micros as f64 / 1e6);
                    return wrong(event.line, format!("time goes backward: from {from:.6} to {to:.6}"));
                }
                last = at;
            }
            // What comes after one of these may stand anywhere.
            Time::After(_) | Time::AfterBetween(..) | Time::Any => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::ast::{Body, Direction, Quote, TcpOption, Tos};
    use super::*;

    fn read(text: &str) -> Script {
        parse(text, &Defines::new()).unwrap_or_else(|error| panic!("line {}: {}", error.line, error.reason))
    }

    fn only(line: &str) -> Action {
        read(&format!("0 {line}")).events.remove(0).action
    }

    #[test]
    fn settings_commands_and_events_stand_in_their_order() {
        let script = read(
            "// first\n--tolerance_usecs=5\n--define=CC=\"re no\"\n`init`\n0 f() = 0 // x\n+.1~+.2 > . 1:1(0)\n`end`",
        );
        assert_eq!(script.options.len(), 2);
        assert_eq!(script.options[1].value.as_deref(), Some("CC=re no"));
        assert_eq!(script.init.map(|init| init.text), Some("init".into()));
        assert_eq!(script.cleanup.map(|cleanup| cleanup.line), Some(7));
        assert_eq!(script.events[1].time, Time::AfterBetween(100_000, 200_000));
    }

    #[test]
    fn calls_of_all_dialects_are_read() {
        let structures = only(
            "recvmsg(3, {msg_name(...)=..., msg_iov(2)=[{...,0}, {iov_base=..., iov_len=7}], // two\n\tmsg_flags=MSG_A|MSG_B,\n\
             msg_control(60)=[{cmsg_level=X, cmsg_type=Y, cmsg_data={scm_sec=0,scm_nsec=20}}]}, 0) = -1 (Invalid)",
        );
        let Action::Call(call) = structures else { panic!("it is a call") };
        assert_eq!((call.result, call.errno, call.arguments.len()), (Expression::Integer(-1), None, 3));
        let Action::Call(call) = only(
            "...16.00 connect(3, {sa_family = AF_INET, sin_port = htons(80), sin_addr = inet_addr(\"1.2.3.4\")}, 16) = -1 ETIMEDOUT(too late)",
        ) else {
            panic!("it is a call")
        };
        assert_eq!((call.until, call.errno.as_deref()), (Some(16_000_000), Some("ETIMEDOUT")));
        let address = "1.2.3.4:80".parse().expect("it is an address");
        assert_eq!(call.arguments[1], Expression::Address(address));
        let Action::Call(call) = only("setsockopt(3, X, Y, \"\\xf7a\" \"b\", 0xdead) = 0x02 (flags O_RDWR)") else {
            panic!("it is a call")
        };
        assert_eq!(call.arguments[3], Expression::Text(vec![0xf7, b'a', b'b'], false));
    }

    #[test]
    fn packets_of_all_dialects_are_read() {
        let Action::Packet(packet) =
            only(">[ect0] PA5. 1:11(10) ack 1 win 5 urg 3 <nop, TS val ... ecr 7,sack 1:2 3:4>")
        else {
            panic!("it is a packet")
        };
        assert_eq!((packet.direction, packet.ip.tos), (Direction::Out, Tos::Ecn(2)));
        let Body::Tcp(segment) = packet.body else { panic!("it is a segment") };
        let options = segment.options.expect("there is a list");
        assert_eq!(options[1], TcpOption::Timestamp(None, Some(7)));
        assert_eq!(options[2], TcpOption::Sack(vec![(1, 2), (3, 4)]));
        // AE and ECE by the digit, AE by the letter, too.
        assert_eq!(segment.flags, 0b1_0101_1000);
        for (line, quote) in [
            ("< [5:15(10)]icmp unreachable port_unreachable", Quote::Tcp(5, 10)),
            ("< icmp packet_too_big mtu 1400 [5:15(10)]", Quote::Tcp(5, 10)),
            ("< icmp packet_too_big mtu 1300 [udp(14)]", Quote::Udp(14)),
        ] {
            let Action::Packet(packet) = only(line) else { panic!("it is a packet") };
            let Body::Icmp(line) = packet.body else { panic!("it is ICMP") };
            assert_eq!(line.quote, quote);
        }
        let Action::Packet(packet) = only("> (tos 0x20, flowlabel 0x1) 80 > 90 R. 0:0(0)! ack 1 <...>") else {
            panic!("it is a packet")
        };
        assert_eq!((packet.ip.tos, packet.ip.flow_label, packet.ports), (Tos::Whole(0x20), Some(1), Some((80, 90))));
        assert!(matches!(packet.body, Body::Tcp(segment) if segment.absolute && segment.options.is_none()));
    }

    #[test]
    fn lines_of_other_systems_are_left_out() {
        let text = "0 f() = 0\n#ifdef BSD\nno script\n#else\n+0 g() = 0\n#endif\n+0 h() = 0";
        let script = read(text);
        assert_eq!(script.events.iter().map(|event| event.line).collect::<Vec<_>>(), [1, 5, 7]);
        assert!(parse("0 f() = 0\n#ifdef X", &Defines::new()).is_err());
    }
}

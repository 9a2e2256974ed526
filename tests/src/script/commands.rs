//! Shell text in scripts: what of it says how the stack is made, what means nothing here, and what nobody knows.
//!
//! No shell is ever run. Every command is in one of three tables, or the script fails naming it.

use lendwire::tcp::{Algorithm, Ecn, Paced, PathSearch, SynCookies, TcpConfig};
use lendwire::time::Span;

use super::fast_open::Change;
use super::keep_alive;
use super::settings::{budget_of, fix_receive, fix_send};
use super::sockets::algorithm_of;
use super::states;

/// How a setting of a kernel changes how a stack is made.
pub(super) type Apply = fn(&mut TcpConfig, &str) -> Result<(), String>;

/// What a command means.
#[derive(Clone, Debug)]
pub(super) enum Applied {
    /// A setting and its value.
    Setting(Apply, String),
    /// A question: whether a socket is in this state, or how many are.
    State(String, Option<usize>),
    /// When silent peers are asked, from now on.
    KeepAlive(keep_alive::Apply, u64),
    /// What a kernel is told of Fast Open.
    FastOpen(Change),
    /// Nothing here.
    Nothing,
}

/// Known and mapped: what of Linux and FreeBSD the stack has a setting for.
const MAPPED: &[(&str, Apply)] = &[
    ("net.ipv4.tcp_congestion_control", |tcp, value| algorithm(value).map(|it| tcp.congestion = it)),
    ("net.inet.tcp.cc.algorithm", |tcp, value| algorithm(value).map(|it| tcp.congestion = it)),
    // What that queue does for a socket, the stack does itself.
    ("net.core.default_qdisc", |tcp, value| {
        tcp.paced = if value == "fq" { Paced::Always } else { Paced::WhereItMust };
        Ok(())
    }),
    ("net.ipv4.tcp_syn_retries", |tcp, value| count(value).map(|count| tcp.syn_retries = count)),
    ("net.ipv4.tcp_synack_retries", |tcp, value| count(value).map(|count| tcp.syn_retries = count)),
    ("net.ipv4.tcp_retries2", |tcp, value| count(value).map(|count| tcp.retries = count)),
    ("net.ipv4.tcp_fin_timeout", |tcp, value| number(value).map(|it| tcp.fin_wait = Span::from_secs(it))),
    ("net.ipv4.tcp_syncookies", |tcp, value| {
        tcp.syn_cookies = match number(value)? {
            0 => SynCookies::Off,
            1 => SynCookies::WhenFull,
            _ => SynCookies::Always,
        };
        Ok(())
    }),
    ("net.inet.tcp.syncookies", |tcp, value| {
        tcp.syn_cookies = if number(value)? == 0 { SynCookies::Off } else { SynCookies::WhenFull };
        Ok(())
    }),
    ("net.inet.tcp.syncookies_only", |tcp, value| {
        tcp.syn_cookies = if number(value)? == 0 { SynCookies::WhenFull } else { SynCookies::Always };
        Ok(())
    }),
    // Linux's 2 means its own loopback alone.
    ("net.ipv4.tcp_tw_reuse", |tcp, value| number(value).map(|it| tcp.time_wait_reuse = it == 1)),
    // Linux answers one, then the next when the time is over.
    ("net.ipv4.tcp_invalid_ratelimit", |tcp, value| {
        tcp.challenge_burst = 1;
        number(value).map(|it| tcp.challenge_interval = Span::from_millis(it))
    }),
    ("net.ipv4.tcp_rto_min_us", |tcp, value| number(value).map(|it| tcp.min_rto = Span::from_micros(it))),
    ("net.ipv4.tcp_rto_max_ms", |tcp, value| number(value).map(|it| tcp.max_rto = Span::from_millis(it))),
    ("net.ipv4.tcp_timestamps", |tcp, value| switch(value).map(|it| tcp.timestamps = it)),
    ("net.ipv4.tcp_ecn_option", |tcp, value| number(value).map(|it| tcp.ecn_option = it != 0)),
    ("net.ipv4.tcp_ecn", |tcp, value| ecn(value).map(|it| tcp.ecn = it)),
    ("net.inet.tcp.ecn.enable", |tcp, value| ecn(value).map(|it| tcp.ecn = it)),
    ("net.ipv4.tcp_sack", |tcp, value| switch(value).map(|it| tcp.sack = it)),
    // Linux's first bit is RACK; the others are variations of it.
    ("net.ipv4.tcp_recovery", |tcp, value| number(value).map(|it| tcp.rack = it & 1 == 1)),
    ("net.ipv4.tcp_window_scaling", |tcp, value| switch(value).map(|it| tcp.window_scaling = it)),
    ("net.inet.tcp.sack.enable", |tcp, value| switch(value).map(|it| tcp.sack = it)),
    ("net.inet.tcp.rfc1323", |tcp, value| switch(value).map(|it| (tcp.timestamps, tcp.window_scaling) = (it, it))),
    // Half of Linux's receive buffer is its window.
    ("net.ipv4.tcp_rmem", |tcp, value| {
        let [start, most] = sizes(value)?.map(|it| budget_of(it as i64 / 2));
        (tcp.receive_budget_start, tcp.receive_budget) = (start, most);
        Ok(())
    }),
    ("net.ipv4.tcp_wmem", |tcp, value| {
        let [start, most] = sizes(value)?.map(|it| it as u32);
        (tcp.send_budget_start, tcp.send_budget) = (start, most);
        Ok(())
    }),
    ("net.ipv4.tcp_mtu_probing", |tcp, value| {
        let (timeouts, search) = match number(value)? {
            0 => (0, PathSearch::Off),
            1 => (TcpConfig::DEFAULT.black_hole_timeouts, PathSearch::Narrowed),
            _ => (TcpConfig::DEFAULT.black_hole_timeouts, PathSearch::Always),
        };
        (tcp.black_hole_timeouts, tcp.path_search) = (timeouts, search);
        Ok(())
    }),
    // Linux counts data, not packets.
    ("net.ipv4.tcp_base_mss", |tcp, value| number(value).map(|it| tcp.search_from = it as u16 + 40)),
    ("net.inet.tcp.pmtud_blackhole_detection", |tcp, value| {
        number(value)
            .map(|it| tcp.black_hole_timeouts = if it == 0 { 0 } else { TcpConfig::DEFAULT.black_hole_timeouts })
    }),
    ("net.inet.tcp.rexmit_initial", |tcp, value| number(value).map(|it| tcp.initial_rto = Span::from_millis(it))),
    ("net.inet.tcp.rexmit_min", |tcp, value| number(value).map(|it| tcp.min_rto = Span::from_millis(it))),
    ("net.inet.tcp.delacktime", |tcp, value| number(value).map(|it| tcp.ack_delay = Span::from_millis(it))),
    ("net.inet.tcp.msl", |tcp, value| number(value).map(|it| tcp.time_wait = Span::from_millis(2 * it))),
    ("net.inet.tcp.finwait2_timeout", |tcp, value| number(value).map(|it| tcp.fin_wait = Span::from_millis(it))),
    ("net.inet.tcp.recvspace", |tcp, value| number(value).map(|it| fix_receive(tcp, budget_of(it as i64)))),
    ("net.inet.tcp.sendspace", |tcp, value| number(value).map(|it| fix_send(tcp, it as u32))),
];

/// Known, and nothing to set: what the stack does is what its packets show, and a line that expects otherwise fails.
const UNMAPPED: &[&str] = &[
    "kern.eventtimer",
    "kern.ipc.maxsockbuf",
    "kern.timecounter",
    "net.core.optmem_max",
    "net.core.rmem_",
    "net.core.somaxconn",
    "net.core.wmem_",
    "net.inet.icmp.",
    "net.inet.tcp.",
    "net.inet6.",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_",
    "net.ipv6.",
    "vm.",
];

/// Settings that would change what a script shows, and that the stack cannot be told.
const REFUSED: &[&str] = &["net.ipv4.tcp_base_mss", "net.inet.tcp.mssdflt"];

/// Programs about devices, counters, caches and modules of a kernel that is not there.
const IRRELEVANT: &[&str] = &[
    "cat",
    "chmod",
    "dd",
    "echo",
    "ethtool",
    "kldload",
    "kldstat",
    "kldunload",
    "lsmod",
    "modprobe",
    "netstat",
    "nstat",
    "rm",
    "sleep",
    "sockstat",
    "ss",
    "sync",
    "tcpdump",
    "true",
    "umask",
    ":",
];

/// Reads shell text.
///
/// # Errors
/// Which command is unknown, or which value is none.
pub(super) fn read(text: &str) -> Result<Vec<Applied>, String> {
    let joined = text.replace("\\\n", " ");
    let mut applied = Vec::new();
    for line in joined.lines() {
        let line = without_comment(line);
        for command in line.replace("&&", ";").replace("||", ";").split(';') {
            applied.extend(pipeline(command.trim())?);
        }
    }
    Ok(applied)
}

/// One command, or several of which each reads what the one before prints.
fn pipeline(text: &str) -> Result<Vec<Applied>, String> {
    let mut stages = text.split('|').map(str::trim);
    let first = stages.next().unwrap_or_default();
    let asks = format!("`{text}` asks a kernel: not supported by the stack");
    if first.starts_with("grep ") {
        return Err(asks);
    }
    let applied = one(first)?;
    let searches: Vec<_> = stages.map(words).filter(|words| words.first().is_some_and(|word| word == "grep")).collect();
    if searches.is_empty() || ["kldstat", "lsmod"].iter().any(|name| first.starts_with(name)) {
        return Ok(applied);
    }
    match (first.split_whitespace().next(), state_asked_for(&searches)) {
        (Some("sockstat"), Some((state, count))) => Ok(vec![Applied::State(state.clone(), count)]),
        (_, _) => Err(asks),
    }
}

/// `… | grep STATE`, or `… | grep -c STATE | grep 1`.
fn state_asked_for(searches: &[Vec<String>]) -> Option<(&String, Option<usize>)> {
    match searches {
        [.., last] if last.last().is_some_and(|word| states::is_name(word)) => Some((last.last()?, None)),
        [.., counts, last] if counts.iter().any(|word| word == "-c") => {
            let state = counts.last().filter(|word| states::is_name(word))?;
            Some((state, Some(last.last()?.parse().ok()?)))
        }
        [] | [..] => None,
    }
}

fn without_comment(line: &str) -> &str {
    match line.find('#') {
        Some(0) => "",
        Some(at) if line[..at].ends_with(char::is_whitespace) => &line[..at],
        Some(_) | None => line,
    }
}

fn one(command: &str) -> Result<Vec<Applied>, String> {
    let words = words(command);
    let Some(program) = words.first() else { return Ok(Vec::new()) };
    let name = program.rsplit('/').next().unwrap_or(program);
    match name {
        "sysctl" => words[1..].iter().filter(|word| word.contains('=')).map(|word| setting(word)).collect(),
        "set_sysctls.py" => {
            let settings = words[1..].iter().map(|word| word.trim_start_matches("/proc/sys/"));
            settings.map(|word| setting(&dotted(word))).collect()
        }
        // Linux's defaults are this stack's, and what differs shows.
        name if name.starts_with("defaults") && name.ends_with(".sh") => {
            let quick_acks = TcpConfig::DEFAULT.quick_acks.to_string();
            let acks = Applied::Setting(|tcp, value| count(value).map(|it| tcp.quick_acks = it), quick_acks);
            Ok([acks].into_iter().chain(Change::script_defaults(program).map(Applied::FastOpen)).collect())
        }
        name if name.starts_with("sysctl_restore") => Ok(vec![Applied::Nothing]),
        "tc" if !command.contains("limit 0") && !command.contains("netem") => Ok(vec![Applied::Nothing]),
        "ip" if words.get(1).is_some_and(|word| word == "tcp_metrics") => Ok(vec![Applied::Nothing]),
        name if IRRELEVANT.contains(&name) => Ok(vec![Applied::Nothing]),
        _ => Err(format!("the command `{command}` is unknown here: nobody can say what it means for the stack")),
    }
}

/// `name=value`; quotes are gone already.
fn setting(text: &str) -> Result<Applied, String> {
    let Some((name, value)) = text.split_once('=') else { return Err(format!("`{text}` sets nothing")) };
    if REFUSED.contains(&name) {
        return Err(format!("sysctl {name}: not supported by the stack"));
    }
    if let Some(change) = fast_open(name, value) {
        return change.map(Applied::FastOpen);
    }
    if let Some((_, apply)) = MAPPED.iter().find(|(known, _)| *known == name) {
        return Ok(Applied::Setting(*apply, value.to_owned()));
    }
    if let Some(apply) = keep_alive::sysctl(name) {
        return Ok(Applied::KeepAlive(apply, number(value)?));
    }
    if UNMAPPED.iter().any(|known| name.starts_with(known)) {
        return Ok(Applied::Nothing);
    }
    Err(format!("sysctl {name} is unknown here"))
}

/// What is said of Fast Open.
fn fast_open(name: &str, value: &str) -> Option<Result<Change, String>> {
    match name {
        "net.ipv4.tcp_fastopen" => Some(Change::bits(value)),
        "net.ipv4.tcp_fastopen_key" => Some(Change::keys(value)),
        "net.inet.tcp.fastopen.client_enable" => Some(switch(value).map(Change::Client)),
        "net.inet.tcp.fastopen.server_enable" => Some(switch(value).map(Change::Server)),
        _ => None,
    }
}

/// `net/ipv4/name=value` to `net.ipv4.name=value`.
fn dotted(text: &str) -> String {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    format!("{}={value}", name.replace('/', "."))
}

/// Words of a command; quotes hold words together and vanish.
fn words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for it in command.chars() {
        match (it, quote) {
            ('"' | '\'', None) => quote = Some(it),
            (it, Some(open)) if it == open => quote = None,
            (it, None) if it.is_whitespace() => words.push(String::new()),
            (it, _) => words.last_mut().expect("there is a last one").push(it),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// A number, also `$((32*1024*1024))` and `0x3`.
fn number(value: &str) -> Result<u64, String> {
    let value = value.trim();
    let product = value.strip_prefix("$((").and_then(|rest| rest.strip_suffix("))")).unwrap_or(value);
    let factor = |text: &str| match text.trim().strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.trim().parse().ok(),
    };
    let number = product.split('*').try_fold(1_u64, |product, text| product.checked_mul(factor(text)?));
    number.ok_or_else(|| format!("`{value}` is no number"))
}

/// The two systems count alike, but that Linux has one number more.
fn ecn(value: &str) -> Result<Ecn, String> {
    match number(value)? {
        0 => Ok(Ecn::Off),
        1 => Ok(Ecn::Classic),
        2 | 4 | 5 => Ok(Ecn::Passive),
        3 => Ok(Ecn::Accurate),
        other => Err(format!("{other} is no way of ECN")),
    }
}

/// Anything but zero is on.
fn switch(value: &str) -> Result<bool, String> {
    number(value).map(|value| value != 0)
}

fn count(value: &str) -> Result<u8, String> {
    number(value)?.try_into().map_err(|_| format!("{value} is above 255"))
}

fn algorithm(value: &str) -> Result<Algorithm, String> {
    algorithm_of(value.trim()).ok_or_else(|| format!("congestion control `{value}`: not supported by the stack"))
}

/// Of Linux's three sizes, minimum, default and maximum, the last two.
fn sizes(value: &str) -> Result<[u64; 2], String> {
    match value.split_whitespace().collect::<Vec<_>>()[..] {
        [_, start, most] => Ok([number(start)?, number(most)?]),
        _ => Err(format!("`{value}` are no three sizes")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_of_both_systems_are_known_or_named() {
        let mut tcp = TcpConfig::DEFAULT;
        let text = "../common/defaults.sh\n../common/set_sysctls.py /proc/sys/net/ipv4/tcp_syn_retries=3 \\\n\
                    /proc/sys/net/ipv4/tcp_timestamps=0 # off\nsysctl -q net.ipv4.tcp_wmem=\"4096 50000 $((4*1024*1024))\"";
        for applied in read(text).expect("all of it is known") {
            if let Applied::Setting(apply, value) = applied {
                apply(&mut tcp, &value).expect("it is a value");
            }
        }
        assert_eq!((tcp.syn_retries, tcp.timestamps, tcp.sack), (3, false, true));
        assert_eq!((tcp.send_budget_start, tcp.send_budget), (50_000, 4_194_304));
        assert_eq!(read("sysctl -w kern.made.up=1").unwrap_err(), "sysctl kern.made.up is unknown here");
        assert!(read("ip route change 1.2.3.4 mtu lock 660").unwrap_err().contains("is unknown here"));
        assert!(read("/tmp/sysctl_restore_${PPID}.sh").is_ok() && read("kldstat | grep cubic").is_ok());
        assert!(
            matches!(&*read("sockstat -s | grep x | grep 'CLOSED'").unwrap(), [Applied::State(name, None)] if name == "CLOSED")
        );
        assert!(
            matches!(&*read("sockstat | grep x | grep -c LISTEN | grep 2").unwrap(), [Applied::State(name, Some(2))] if name == "LISTEN")
        );
        assert!(read("nstat | grep -q Retrans").unwrap_err().contains("asks a kernel"));
    }
}

//! What a script is run with: its own `--name=value` lines, those of the command line, and what they leave open.

use super::Options;
use super::ast::{Action, Expression, Script};
use super::commands::{self, Applied};
use super::constants;
use super::dialect::Dialect;
use super::fast_open::Kernel;
use super::foreseen::foresee;
use super::sockets::Units;
use super::world::{Addresses, Making, PORT};
use crate::setup::Version;
use lendwire::tcp::{KeepAlive, PathSearch, TcpConfig};

/// How far from its time a thing may happen, where the script does not say: packetdrill's own.
const TOLERANCE: u64 = 4_000;

/// FreeBSD's buffers, where its scripts do not set them: `net.inet.tcp.recvspace` and `sendspace`.
pub(super) const FREEBSD_RECEIVE: i64 = 65_536;
const FREEBSD_SEND: u32 = 32_768;

/// Packets that Linux starts to search from: `tcp_base_mss` and headers.
const LINUX_BASE: u16 = 1024 + 40;

/// Settings that concern a kernel, a tunnel device or Python, of which there is none here.
const IRRELEVANT: &[&str] = &[
    "code_command",
    "code_format",
    "code_sockopt",
    "debug",
    "define",
    "feature",
    "gateway_ip",
    "init_scripts",
    "is_anyip",
    "netmask_ip",
    "non_fatal",
    "persistent_tun_dev",
    "send_omit_free",
    "so_filename",
    "so_flags",
    "speed",
    "tcp_md5_secret",
    "tcp_ts_ecr_scaled",
    "tun_device",
    "verbose",
    "wire_client",
    "wire_client_dev",
    "wire_server",
    "wire_server_at",
    "wire_server_dev",
    "wire_server_ip",
    "wire_server_port",
];

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) tolerance: u64,
    pub(super) tolerance_percent: u64,
    /// A line is one segment: nothing is gathered.
    pub(super) strict_segments: bool,
    /// As [`super::Options::strict`], by the script's own wish.
    pub(super) strict: bool,
    /// The script is to be read, and not run.
    pub(super) dry_run: bool,
    pub(super) tick: Option<u64>,
    /// Bytes of each packet, where a line has more for the stack.
    pub(super) inbound_mss: usize,
    pub(super) bind_port: u16,
    pub(super) connect_port: u16,
    pub(super) dialect: Dialect,
    /// SO_RCVBUF and SO_SNDBUF, as the script sets them.
    pub(super) receive_buffer: Option<i64>,
    pub(super) send_buffer: Option<i64>,
    /// When silent peers are asked, where a socket does not say.
    pub(super) keep_alive: KeepAlive,
    pub(super) making: Making,
    pub(super) fast_open: Kernel,
}

impl Settings {
    /// What `options` and then `script` say, over `version`, or else over its own.
    ///
    /// # Errors
    /// The line and what is wrong there.
    pub(super) fn of(
        script: &Script,
        text: &str,
        version: Version,
        options: &Options,
    ) -> Result<Self, (usize, String)> {
        let own = own_version(script).map_err(|reason| (1, reason))?;
        let version = own.unwrap_or(version);
        // A script for both versions has segment sizes for IPv4; packetdrill's runs over IPv6 add the longer header.
        let mtu = if own.is_none() && version == Version::V6 { 1520 } else { 1500 };
        let mut settings = Self {
            tolerance: TOLERANCE,
            tolerance_percent: 0,
            strict_segments: false,
            strict: false,
            dry_run: false,
            tick: None,
            inbound_mss: usize::MAX,
            bind_port: PORT,
            connect_port: PORT,
            dialect: Dialect::of(script, text),
            receive_buffer: None,
            send_buffer: None,
            keep_alive: KeepAlive::DEFAULT,
            fast_open: Kernel::default(),
            making: Making {
                addresses: Addresses::of(version),
                mtu,
                offloads: options.offloads,
                // Only Linux does the first, and its scripts say that they want its defaults; the others are off there.
                tcp: TcpConfig {
                    quick_acks: 0,
                    black_hole_timeouts: 0,
                    path_search: PathSearch::Off,
                    ecn_option: false,
                    search_from: LINUX_BASE,
                    ..TcpConfig::DEFAULT
                },
            },
        };
        for (name, value) in &options.settings {
            settings.take(name, value.as_deref()).map_err(|reason| (0, reason))?;
        }
        for setting in &script.options {
            settings.take(&setting.name, setting.value.as_deref()).map_err(|reason| (setting.line, reason))?;
        }
        if settings.dialect == Dialect::FreeBsd {
            fix_receive(&mut settings.making.tcp, budget_of(FREEBSD_RECEIVE));
            fix_send(&mut settings.making.tcp, FREEBSD_SEND);
        }
        settings.take_commands(script)?;
        settings.take_buffers(script)?;
        foresee(script, &mut settings.making.tcp)?;
        Ok(settings)
    }

    /// In what `tcp_info` counts.
    pub(super) fn units(&self) -> Units {
        match self.dialect {
            Dialect::Linux => Units::Segments,
            Dialect::FreeBsd => Units::Bytes,
        }
    }

    fn take(&mut self, name: &str, value: Option<&str>) -> Result<(), String> {
        let number = || value.and_then(|value| value.parse::<u64>().ok()).ok_or(format!("--{name} needs a number"));
        let port = || number().and_then(|port| u16::try_from(port).map_err(|_| format!("--{name} is no port")));
        // A prefix length may follow.
        let host = value.map(|value| value.split('/').next().unwrap_or(value));
        let address = || host.and_then(|host| host.parse().ok()).ok_or(format!("--{name} needs an address"));
        match name {
            "ip_version" | "strict_segments" => self.strict_segments |= name == "strict_segments",
            "strict" => self.strict = true,
            "dry_run" => self.dry_run = true,
            "tolerance_usecs" => self.tolerance = number()?,
            "tolerance_percent" => self.tolerance_percent = number()?,
            "mtu" => self.making.mtu = number()?.try_into().map_err(|_| "--mtu is above 65535".to_owned())?,
            "mss" => self.inbound_mss = number()?.max(1) as usize,
            "tcp_ts_tick_usecs" => self.tick = Some(number()?).filter(|tick| *tick != 0),
            "bind_port" => self.bind_port = port()?,
            "connect_port" => self.connect_port = port()?,
            "local_ip" => self.making.addresses.local = address()?,
            "remote_ip" => self.making.addresses.remote = address()?,
            "bsd" => self.dialect = Dialect::FreeBsd,
            "linux" => self.dialect = Dialect::Linux,
            name if IRRELEVANT.contains(&name) => {}
            name => return Err(format!("--{name} is no option that is known here")),
        }
        Ok(())
    }

    /// Commands before anything else happens choose how the stack is made.
    fn take_commands(&mut self, script: &Script) -> Result<(), (usize, String)> {
        let leading = script.events.iter().map_while(|event| match &event.action {
            Action::Command(text) => Some((event.line, text.as_str())),
            Action::Packet(_) | Action::Call(_) | Action::Code(_) => None,
        });
        for (line, text) in script.init.iter().map(|init| (init.line, init.text.as_str())).chain(leading) {
            for applied in commands::read(text).map_err(|reason| (line, reason))? {
                match applied {
                    Applied::Setting(apply, value) => {
                        apply(&mut self.making.tcp, &value).map_err(|reason| (line, reason))?;
                    }
                    Applied::FastOpen(change) => self.fast_open.take(&change),
                    Applied::KeepAlive(apply, value) => apply(&mut self.keep_alive, value),
                    Applied::State(..) | Applied::Nothing => {}
                }
            }
        }
        Ok(())
    }

    /// The stack sizes buffers when it is made: the first size that the script sets before a connection can begin is read
    /// ahead. What is set on a connection is the connection's own.
    fn take_buffers(&mut self, script: &Script) -> Result<(), (usize, String)> {
        for event in &script.events {
            let Action::Call(call) = &event.action else { continue };
            if ["listen", "connect"].contains(&call.name.as_str()) {
                break;
            }
            let [_, _, Expression::Word(name), value, ..] = call.arguments.as_slice() else { continue };
            let place = match (call.name.as_str(), name.as_str()) {
                ("setsockopt", "SO_RCVBUF") => &mut self.receive_buffer,
                ("setsockopt", "SO_SNDBUF") => &mut self.send_buffer,
                (_, _) => continue,
            };
            let bytes = constants::number(value).map_err(|reason| (event.line, reason))?;
            place.get_or_insert(bytes);
        }
        if let Some(bytes) = self.receive_buffer {
            fix_receive(&mut self.making.tcp, budget_of(bytes));
        }
        if let Some(bytes) = self.send_buffer {
            let budget = self.send_budget(bytes);
            fix_send(&mut self.making.tcp, budget);
        }
        Ok(())
    }

    /// What an SO_SNDBUF of `bytes` lets be written: Linux doubles what it is given.
    pub(super) fn send_budget(&self, bytes: i64) -> u32 {
        let factor = if self.dialect == Dialect::Linux { 2 } else { 1 };
        bytes.saturating_mul(factor).clamp(1, i64::from(u32::MAX)) as u32
    }
}

/// A receive buffer that does not grow.
pub(super) const fn fix_receive(tcp: &mut TcpConfig, budget: u32) {
    (tcp.receive_budget, tcp.receive_budget_start) = (budget, budget);
}

/// A send buffer that does not grow.
pub(super) const fn fix_send(tcp: &mut TcpConfig, budget: u32) {
    (tcp.send_budget, tcp.send_budget_start) = (budget, budget);
}

/// The least memory that a window of `bytes` takes: the stack shows five eighths of it.
pub(super) fn budget_of(bytes: i64) -> u32 {
    let near = (bytes.saturating_mul(8) / 5).clamp(1, i64::from(u32::MAX) - 8) as u32;
    (near..near + 8).find(|budget| window_of(*budget) >= bytes).unwrap_or(near + 8)
}

/// The window that `budget` bytes of memory are worth.
pub(super) fn window_of(budget: u32) -> i64 {
    i64::from(budget / 2 + budget / 8)
}

/// `--ip_version`, if the script has it.
pub(super) fn own_version(script: &Script) -> Result<Option<Version>, String> {
    let Some(setting) = script.options.iter().find(|setting| setting.name == "ip_version") else { return Ok(None) };
    match setting.value.as_deref() {
        // What such a socket sends is IPv4.
        Some("ipv4" | "ipv4-mapped-ipv6") => Ok(Some(Version::V4)),
        Some("ipv6") => Ok(Some(Version::V6)),
        Some(other) => Err(format!("--ip_version={other} is not supported: ipv4 or ipv6")),
        None => Err("--ip_version needs ipv4 or ipv6".into()),
    }
}

//! `cargo xtask run`: builds, boots, asks for the first page, and shows where the guest answers.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::accel::{self, Accel, Request};
use crate::bulk;
use crate::failure::{EXIT_CODES, Failure};
use crate::image;
use crate::install;
use crate::probe::{self, Client};
use crate::qemu::{Arch, Guest, HttpPort, KernelLine, Net, Nic, Offloads, Options, Serial, Service};
use crate::stats;
use crate::tap::{self, Cidr};
use crate::transfer;

/// From QEMU's start to the guest's `ready`, DHCP included.
const READY_LIMIT: Duration = Duration::from_secs(30);
/// From `ready` to the first byte of a response.
const REPLY_LIMIT: Duration = Duration::from_secs(15);
/// For one page: a megabyte from a translated guest on a busy machine.
const PAGE_LIMIT: Duration = Duration::from_secs(60);

/// The command's arguments.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub struct Arguments {
    /// The guest's network card
    #[arg(long, value_enum, default_value = "virtio")]
    nic: Nic,
    /// The guest's processor
    #[arg(long, value_enum, default_value = "x86_64")]
    arch: Arch,
    /// Whether the card does checksums and segmentation for the guest, as far as it and the network can
    #[arg(long, value_enum, default_value = "on")]
    offloads: Offloads,
    /// The guest's network: `user` (QEMU's own, no root needed) or `tap:NAME` (a TAP device of this host)
    #[arg(long, default_value = "user", value_parser = Net::parse)]
    net: Net,
    /// The port of 127.0.0.1 that leads to the guest's HTTP, with --net user
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// What runs the guest
    #[arg(long, value_enum, default_value = "auto")]
    accel: Request,
    /// Processors of the guest
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..))]
    smp: u8,
    /// Writes every frame of the run to this file
    #[arg(long, value_name = "FILE.pcapng")]
    capture: Option<PathBuf>,
    /// Fetches every page, checks it, prints the counters and ends
    #[arg(long)]
    once: bool,
    /// Moves this much each way through the guest's source and sink, prints what each packet cost, and ends
    #[arg(long, value_name = "MEGABYTES", num_args = 0..=1, default_missing_value = "256")]
    bulk: Option<u32>,
    /// The guest's IPv4 address: `dhcp` or A.B.C.D/N. With --net tap the default is the address after the TAP device's
    /// own, with that as the gateway (host 10.77.0.1/24: guest 10.77.0.2/24), and DHCP where it has none
    #[arg(long, value_parser = ip_value)]
    ip: Option<String>,
    /// The guest's IPv4 gateway
    #[arg(long)]
    gw: Option<std::net::Ipv4Addr>,
    /// The guest's IPv6 address: `auto` or X/N
    #[arg(long, value_parser = ip6_value)]
    ip6: Option<String>,
    /// Whether the guest polls or sleeps when idle
    #[arg(long, value_parser = ["adaptive", "always", "never"])]
    poll: Option<String>,
    /// Has the guest stop its card and start it again this often before it serves
    #[arg(long, value_name = "TIMES", value_parser = clap::value_parser!(u32).range(1..=1000))]
    restart: Option<u32>,
}

/// Runs the command.
///
/// # Errors
/// Any [`Failure`].
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let accel = accel::on_this_host(arguments.accel, arguments.arch)?;
    let http_port = HttpPort::Exactly(arguments.port);
    let mut options = Options {
        arch: arguments.arch,
        net: arguments.net.clone(),
        nic: arguments.nic,
        offloads: arguments.offloads,
        http_port,
        accel,
        processors: arguments.smp,
        capture: arguments.capture.clone(),
        serial: Serial::Print,
        ..Options::new("")
    };
    // Booting checks these again; nobody should wait for a build to hear of them.
    options.check()?;
    options.kernel = kernel_line(arguments)?;
    if arguments.net == Net::User {
        http_port.check()?;
    }
    options.qemu = Some(install::tool(arguments.arch.emulator())?);
    options.image = image::build(arguments.arch)?;
    println!("booting with {}", describe(accel));
    let mut guest = Guest::boot(options)?;
    let waker = guest.waker();
    ctrlc::set_handler(move || waker.wake()).expect("the process sets one handler");

    let outcome = serve(&mut guest, arguments);
    let frames = guest.stop();
    // A failed run's frames are the ones that somebody wants to see.
    match (&arguments.capture, &frames) {
        (Some(_), Ok(0)) => println!("no frame was captured"),
        (Some(file), Ok(frames)) => println!("{frames} frames are in {}", file.display()),
        (None, _) | (_, Err(_)) => {}
    }
    outcome.and(frames.map(drop))
}

fn serve(guest: &mut Guest, arguments: &Arguments) -> Result<(), Failure> {
    let ready = guest.wait_ready(READY_LIMIT).map_err(|failure| with_network_advice(failure, arguments))?;
    let Some(http) = guest.address(Service::Http) else {
        return Err(Failure::Silent("the guest has no IPv4 address. Give it one with --ip A.B.C.D/N".into()));
    };
    let replied =
        probe::first_reply(guest, http, REPLY_LIMIT).map_err(|failure| with_network_advice(failure, arguments))?;
    println!();
    println!(
        "first reply {:.3} s after QEMU's start (the guest was ready {:.3} s after its entry)",
        (replied - guest.started()).as_secs_f64(),
        ready.after.as_secs_f64()
    );
    let addresses = ready.ip4.map(IpAddr::from).into_iter().chain(ready.ip6.iter().copied().map(IpAddr::from));
    println!("the guest has {}", addresses.map(|address| address.to_string()).collect::<Vec<_>>().join(" and "));
    print_services(guest);
    println!("    curl http://{http}/\n");

    let client = Client::new(http, PAGE_LIMIT);
    if arguments.once {
        for line in probe::check_pages(&client)? {
            println!("{line}");
        }
        if let Some(echo) = guest.address(Service::Echo) {
            println!("{}", transfer::check_echo(echo, 1 << 20, PAGE_LIMIT)?);
        }
        if let Some(digest) = guest.address(Service::Digest) {
            println!("{}", transfer::check_digest(digest, 16 << 20, PAGE_LIMIT)?);
        }
    }
    if let Some(megabytes) = arguments.bulk {
        for transfer in bulk::measure(guest, &client, u64::from(megabytes) * 1_000_000)? {
            println!("{transfer}");
        }
    }
    if arguments.once || arguments.bulk.is_some() {
        return print_stats(&client);
    }
    println!("Ctrl-C ends it");
    match guest.wait_for::<()>("Ctrl-C", Duration::MAX, |_| None) {
        Err(Failure::Interrupted) => print_stats(&client),
        other => other,
    }
}

fn print_services(guest: &Guest) {
    for service in Service::ALL {
        let Some(address) = guest.address(service) else { continue };
        println!("    {:21} {:17} port {} of the guest", address.to_string(), service.name(), service.guest_port());
    }
}

fn print_stats(client: &Client) -> Result<(), Failure> {
    let stats = client.stats()?;
    print!("\nthe guest's counters:\n{}", stats::table(&stats));
    println!("\n{}", stats::for_each_packet(&stats));
    Ok(())
}

fn with_network_advice(failure: Failure, arguments: &Arguments) -> Failure {
    let Failure::Silent(message) = failure else { return failure };
    let advice = match &arguments.net {
        Net::None => "It has no network.".to_owned(),
        Net::User => "Run again with --capture FILE.pcapng to see what was on the wire.".to_owned(),
        Net::Tap(name) => format!(
            "Without a DHCP server on {name} the guest needs --ip A.B.C.D/N; a firewall of the host may also keep {name} silent."
        ),
    };
    Failure::Silent(format!("{message}\n{advice}"))
}

/// What the guest is told; on a TAP device with an address, its neighbour unless the user says otherwise.
fn kernel_line(arguments: &Arguments) -> Result<KernelLine, Failure> {
    let mut kernel = KernelLine {
        ip: arguments.ip.clone(),
        gw: arguments.gw.map(|gateway| gateway.to_string()),
        ip6: arguments.ip6.clone(),
        poll: arguments.poll.clone(),
        restart: arguments.restart,
        words: String::new(),
    };
    let Net::Tap(name) = &arguments.net else { return Ok(kernel) };
    tap::check(name, arguments.nic.queue_pairs())?;
    if kernel.ip.is_some() {
        return Ok(kernel);
    }
    let Some(host) = tap::address(name) else { return Ok(kernel) };
    let guest = host.neighbour().ok_or_else(|| {
        Failure::Missing(format!(
            "{}/{} on {name} leaves no address for the guest. Give one with --ip",
            host.address, host.prefix
        ))
    })?;
    kernel.ip = Some(format!("{}/{}", guest.address, guest.prefix));
    kernel.gw.get_or_insert(host.address.to_string());
    Ok(kernel)
}

fn describe(accel: Accel) -> &'static str {
    match accel {
        Accel::Tcg => "TCG, QEMU's translator",
        Accel::Kvm => "KVM",
    }
}

fn ip_value(text: &str) -> Result<String, String> {
    if text == "dhcp" || Cidr::parse(text).is_some() {
        return Ok(text.to_owned());
    }
    Err("expected `dhcp` or A.B.C.D/N".into())
}

fn ip6_value(text: &str) -> Result<String, String> {
    let is_prefix = |(address, length): (&str, &str)| {
        address.parse::<std::net::Ipv6Addr>().is_ok() && length.parse::<u8>().is_ok_and(|length| length <= 128)
    };
    if text == "auto" || text.split_once('/').is_some_and(is_prefix) {
        return Ok(text.to_owned());
    }
    Err("expected `auto` or X/N".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked_before_the_boot() {
        for text in ["dhcp", "10.0.0.2/24"] {
            assert!(ip_value(text).is_ok(), "{text}");
        }
        for text in ["auto", "10.0.0.2", "fec0::1/64", "10.0.0.2/24 poll=never"] {
            assert!(ip_value(text).is_err(), "{text}");
        }
        for text in ["auto", "fec0::5/64"] {
            assert!(ip6_value(text).is_ok(), "{text}");
        }
        for text in ["dhcp", "fec0::5", "fec0::5/129", "10.0.0.1/8"] {
            assert!(ip6_value(text).is_err(), "{text}");
        }
    }
}

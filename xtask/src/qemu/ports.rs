//! Host ports that user networking forwards to the guest's services.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};

use crate::failure::Failure;

/// A service of the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// HTTP/1.1 on 80.
    Http,
    /// What is sent to TCP 5001 is dropped.
    Sink,
    /// TCP 5002 sends without end.
    Source,
    /// TCP and UDP echo on 5003.
    Echo,
    /// TCP and UDP echo on 7 (RFC 862).
    EchoWellKnown,
    /// TCP 5004 says how many bytes it was sent, and their CRC-32.
    Digest,
}

/// A transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Service {
    /// All of them.
    pub const ALL: [Service; 6] =
        [Service::Http, Service::Sink, Service::Source, Service::Echo, Service::EchoWellKnown, Service::Digest];

    /// The port inside the guest.
    pub fn guest_port(self) -> u16 {
        match self {
            Service::Http => 80,
            Service::Sink => 5001,
            Service::Source => 5002,
            Service::Echo => 5003,
            Service::EchoWellKnown => 7,
            Service::Digest => 5004,
        }
    }

    /// The transports it is served on.
    pub fn transports(self) -> &'static [Transport] {
        match self {
            Service::Http | Service::Sink | Service::Source | Service::Digest => &[Transport::Tcp],
            Service::Echo | Service::EchoWellKnown => &[Transport::Tcp, Transport::Udp],
        }
    }

    /// What a person calls it.
    pub fn name(self) -> &'static str {
        match self {
            Service::Http => "HTTP",
            Service::Sink => "TCP sink",
            Service::Source => "TCP source",
            Service::Echo | Service::EchoWellKnown => "TCP and UDP echo",
            Service::Digest => "TCP digest",
        }
    }

    /// The host port to try first when the user named one for HTTP: near the guest's own, above the privileged ones.
    fn preferred_host_port(self) -> u16 {
        match self {
            Service::EchoWellKnown => 5007,
            other => other.guest_port(),
        }
    }
}

/// Which host port leads to the guest's HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpPort {
    /// This one or none; the other services take the ports of [`Service::guest_port`] where those are free.
    Exactly(u16),
    /// Any free one, and any free ones for the other services: many guests run side by side.
    Free,
}

impl HttpPort {
    /// Says whether the port can be had now.
    ///
    /// # Errors
    /// [`Failure::Port`] when it cannot.
    pub fn check(self) -> Result<(), Failure> {
        match self {
            HttpPort::Free => Ok(()),
            HttpPort::Exactly(port) => hold(Service::Http, port).map(drop).map_err(|error| refused(port, &error)),
        }
    }
}

/// A host port on 127.0.0.1 that leads to a service, on each of its transports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forward {
    /// The service.
    pub service: Service,
    /// The port on the host.
    pub host_port: u16,
}

/// Chooses a free host port for each service.
///
/// The ports are free when looked at; another program may still take one before QEMU does, and QEMU then says so.
///
/// # Errors
/// [`Failure::Port`] when the port asked for cannot be had.
pub(super) fn choose(http: HttpPort) -> Result<Vec<Forward>, Failure> {
    let mut held = Vec::new();
    let mut forwards = Vec::new();
    for service in Service::ALL {
        let taken = match (http, service) {
            (HttpPort::Exactly(port), Service::Http) => hold(service, port).map_err(|error| refused(port, &error))?,
            (HttpPort::Exactly(_), other) => hold(other, other.preferred_host_port()).or_else(|_| hold_any(other))?,
            (HttpPort::Free, service) => hold_any(service)?,
        };
        forwards.push(Forward { service, host_port: taken.port });
        // Kept until all are chosen, so that none is chosen twice.
        held.push(taken);
    }
    Ok(forwards)
}

struct Held {
    port: u16,
    _tcp: TcpListener,
    _udp: Option<UdpSocket>,
}

fn hold(service: Service, port: u16) -> std::io::Result<Held> {
    let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    let port = tcp.local_addr()?.port();
    let udp = match service.transports().contains(&Transport::Udp) {
        true => Some(UdpSocket::bind((Ipv4Addr::LOCALHOST, port))?),
        false => None,
    };
    Ok(Held { port, _tcp: tcp, _udp: udp })
}

/// A free port; tried again where TCP has it and UDP does not.
fn hold_any(service: Service) -> Result<Held, Failure> {
    (0..16)
        .find_map(|_| hold(service, 0).ok())
        .ok_or_else(|| Failure::Port(format!("no free port on 127.0.0.1 for the guest's {}", service.name())))
}

fn refused(port: u16, error: &std::io::Error) -> Failure {
    Failure::Port(match error.kind() {
        ErrorKind::AddrInUse => {
            format!(
                "port {port} of 127.0.0.1 is taken by another program. Choose another one with --port, say --port {}",
                port.wrapping_add(1).max(1024)
            )
        }
        ErrorKind::PermissionDenied => {
            format!("port {port} of 127.0.0.1 needs more rights than this user has. Choose one above 1023 with --port")
        }
        _ => format!("port {port} of 127.0.0.1 cannot be used ({error}). Choose another one with --port"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_named_with_the_flag() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let Err(Failure::Port(message)) = choose(HttpPort::Exactly(port)) else { panic!("a taken port was chosen") };
        assert!(message.contains(&format!("port {port} ")) && message.contains("--port"), "{message}");
    }

    #[test]
    fn every_service_gets_a_port_of_its_own() {
        let forwards = choose(HttpPort::Free).unwrap();
        let mut ports: Vec<u16> = forwards.iter().map(|forward| forward.host_port).collect();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), Service::ALL.len());
        assert!(!ports.contains(&0));
    }

    #[test]
    fn the_port_asked_for_is_the_port_given() {
        let port = hold_any(Service::Http).unwrap().port;
        assert_eq!(choose(HttpPort::Exactly(port)).unwrap()[0], Forward { service: Service::Http, host_port: port });
    }
}

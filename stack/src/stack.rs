//! The whole stack behind one face: four kinds of method, and a poll that does all four in order.
//!
//! | kind | methods |
//! |---|---|
//! | questions | `next_deadline`, `has_output`, `state`, `room`, `unread`, `drops`, `work`, … |
//! | input | [`Stack::receive`], [`Stack::on_deadline`] |
//! | commands | `listen`, `connect`, `write`, `push`, `read`, `close`, … |
//! | output | [`Stack::transmit`] |
//!
//! Invariant: nothing here reads a clock, a random source or a global. Time is an argument and must not go backwards;
//! the 16 secret bytes of [`Config`] are all the randomness there is.

use core::net::{IpAddr, SocketAddr};

use lendwire_nic::{Chunk, Nic, NicInfo, Pool, RxPacket, Work};

use crate::drops::Drops;
use crate::icmp::Icmp;
use crate::ip::{
    AddAddressError, AddInterfaceError, AddRouteError, AddressState, Arrived, InterfaceConfig, InterfaceId, Ip,
    Refusal, TransportError,
};
use crate::storage::Storage;
use crate::tcp::{
    ConnectError, ListenError, ListenerHandle, PushError, ReadError, State, Tcp, TcpConfig, TcpEvent, TcpHandle,
    TcpStatistics, WriteError,
};
use crate::time::Instant;
use crate::wire::address::Cidr;
use crate::wire::protocol::Protocol;

/// What a stack is made with.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Sixteen bytes that nobody else knows, fresh at every start: initial sequence numbers, ports, addresses and
    /// table hashes are keyed with them. Constant bytes here make every connection of the machine guessable.
    pub secret: [u8; 16],
    /// Settings of TCP.
    pub tcp: TcpConfig,
}

impl Config {
    /// The default settings with a secret from the embedder's source of entropy.
    #[must_use]
    pub const fn new(secret: [u8; 16]) -> Self {
        Self { secret, tcp: TcpConfig::DEFAULT }
    }
}

/// What a poll did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Polled {
    /// Frames taken from NICs.
    pub received: usize,
    /// Whether to poll again before waiting for anything: the budget ended it, or a ring was full.
    pub again: bool,
}

/// A TCP/IP stack over the storage and the NICs that it is lent.
pub struct Stack<'s> {
    ip: Ip<'s>,
    icmp: Icmp,
    tcp: Tcp<'s>,
    work: Work,
    now: Instant,
}

impl<'s> Stack<'s> {
    /// A stack that owns `storage`, copies what it must into slots of `pool`, and lives from `now` on.
    ///
    /// # Panics
    /// If a table of `storage` is shorter than another one needs it to be.
    #[must_use]
    pub fn new(storage: Storage<'s>, config: Config, pool: &'static Pool, now: Instant) -> Self {
        Self {
            ip: Ip::new(storage.ip, config.secret),
            icmp: Icmp::new(now),
            tcp: Tcp::new(storage.tcp, config.tcp, pool, config.secret, now),
            work: Work::default(),
            now,
        }
    }

    /// All four kinds in order: up to `budget` frames of each NIC in, deadlines, up to `budget` segments out, and one
    /// [`Nic::flush`] each.
    pub fn poll(&mut self, nics: &mut [&mut dyn Nic], now: Instant, budget: usize) -> Polled {
        let mut polled = Polled::default();
        for index in 0..nics.len() {
            let Some(interface) = self.ip.interface(index) else { break };
            let mut left = budget;
            while left > 0 {
                let Some(packet) = nics[index].receive() else { break };
                self.receive(interface, packet, now);
                left -= 1;
            }
            polled.received += budget - left;
            polled.again |= left == 0;
        }
        self.on_deadline(now);
        polled.again |= self.transmit(nics, now, budget);
        for nic in nics {
            nic.flush();
        }
        polled
    }

    /// Input: a frame that `interface` received.
    pub fn receive(&mut self, interface: InterfaceId, packet: RxPacket, now: Instant) {
        self.pass(now);
        match self.ip.receive(interface, packet, now) {
            Arrived::Nothing => {}
            Arrived::Tcp(datagram) => self.tcp.receive(datagram, &mut self.ip, now),
            Arrived::Icmp(datagram) => {
                if let Some(error) = self.icmp.receive(datagram, &mut self.ip, &mut self.work) {
                    self.on_error(&error);
                }
            }
            Arrived::Udp(datagram) => self.icmp.refuse(&datagram, Refusal::Port, &mut self.ip, now),
            Arrived::Refused(datagram, refusal) => self.icmp.refuse(&datagram, refusal, &mut self.ip, now),
        }
    }

    /// What ICMP says of a packet of ours goes to the transport that sent it.
    fn on_error(&mut self, error: &TransportError) {
        if error.protocol == Protocol::TCP {
            self.tcp.on_error(error);
        }
    }

    /// Input: time has passed.
    pub fn on_deadline(&mut self, now: Instant) {
        self.pass(now);
        self.ip.on_deadline(now);
        self.tcp.on_deadline(now);
    }

    /// Output: hands the NICs what is ready, up to about `budget` packets. Returns whether something is left that could
    /// be sent once a ring has room. The NICs are not flushed.
    pub fn transmit(&mut self, nics: &mut [&mut dyn Nic], now: Instant, budget: usize) -> bool {
        self.pass(now);
        if self.ip.take_resolved() {
            self.tcp.retry_waiting();
        }
        let mut left = budget;
        let replies_left = self.ip.transmit(nics, now, &mut self.work);
        self.tcp.transmit(nics, &mut self.ip, now, &mut left);
        // A packet may have begun to ask for a neighbour: the question goes out in the same round.
        let questions_left = self.ip.transmit(nics, now, &mut self.work);
        replies_left || questions_left || self.tcp.has_output()
    }

    /// Question: when [`Stack::on_deadline`] has something to do, if ever.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.ip.next_deadline().into_iter().chain(self.tcp.next_deadline()).min()
    }

    /// Question: whether [`Stack::transmit`] has something to do.
    #[must_use]
    pub fn has_output(&self) -> bool {
        self.ip.has_output() || self.tcp.has_output()
    }

    /// Time that goes backwards is the commonest fault of kernels that embed a stack.
    fn pass(&mut self, now: Instant) {
        debug_assert!(now >= self.now, "time went backwards: {now:?} comes after {:?}", self.now);
        self.now = self.now.max(now);
    }
}

/// Interfaces, addresses and routes.
impl Stack<'_> {
    /// Command: takes a NIC into service. The NICs of every poll stand in the order of these calls.
    ///
    /// # Errors
    /// See [`AddInterfaceError`].
    pub fn add_interface(
        &mut self,
        info: &NicInfo,
        config: InterfaceConfig,
        now: Instant,
    ) -> Result<InterfaceId, AddInterfaceError> {
        self.ip.add_interface(info, config, now)
    }

    /// Command: gives `interface` an address, and a route to its network.
    ///
    /// # Errors
    /// See [`AddAddressError`].
    pub fn add_address(&mut self, interface: InterfaceId, cidr: Cidr, now: Instant) -> Result<(), AddAddressError> {
        self.ip.add_address(interface, cidr, now)
    }

    /// Command: takes an address away; whether it was there.
    pub fn remove_address(&mut self, interface: InterfaceId, address: IpAddr) -> bool {
        self.ip.remove_address(interface, address)
    }

    /// Question: the addresses of `interface`.
    pub fn addresses(&self, interface: InterfaceId) -> impl Iterator<Item = (Cidr, AddressState)> {
        self.ip.addresses(interface)
    }

    /// Command: sends what goes to `destination` to `gateway`.
    ///
    /// # Errors
    /// See [`AddRouteError`].
    pub fn add_route(
        &mut self,
        destination: Cidr,
        gateway: IpAddr,
        interface: InterfaceId,
    ) -> Result<(), AddRouteError> {
        self.ip.add_route(destination, gateway, interface)
    }
}

/// TCP.
impl Stack<'_> {
    /// Command: accepts connections to `local`, up to `backlog` of them waiting. An unspecified IPv6 address stands
    /// for every address of both versions.
    ///
    /// # Errors
    /// See [`ListenError`].
    pub fn listen(&mut self, local: SocketAddr, backlog: usize) -> Result<ListenerHandle, ListenError> {
        self.tcp.listen(local, backlog)
    }

    /// Command: stops listening; connections that nobody accepted are reset.
    pub fn unlisten(&mut self, listener: ListenerHandle) {
        self.tcp.unlisten(listener);
    }

    /// Command: takes the connection that has waited longest to be accepted. Data may have come before: read first,
    /// then wait for events.
    pub fn accept(&mut self, listener: ListenerHandle) -> Option<TcpHandle> {
        self.tcp.accept(listener)
    }

    /// Command: begins to connect to `remote`, from `local_port` or an ephemeral one (RFC 6056). An event tells when
    /// it is decided.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub fn connect(
        &mut self,
        remote: SocketAddr,
        local_port: Option<u16>,
        now: Instant,
    ) -> Result<TcpHandle, ConnectError> {
        self.pass(now);
        self.tcp.connect(remote, local_port, &self.ip, now)
    }

    /// Command: copies `bytes` into the queue, summing in the same step. Returns how many were taken: fewer when the
    /// send budget or memory is used up. An event tells when there is room again.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub fn write(&mut self, connection: TcpHandle, bytes: &[u8]) -> Result<usize, WriteError> {
        self.tcp.write(connection, bytes)
    }

    /// Command: lends `chunk` to the connection until its peer has acknowledged it and no device reads it any more.
    ///
    /// # Errors
    /// [`PushError`] with the chunk.
    pub fn push(&mut self, connection: TcpHandle, chunk: Chunk) -> Result<(), PushError> {
        self.tcp.push(connection, chunk)
    }

    /// Command: copies what has arrived into `to`; returns how many bytes. Zero is the end of the peer's data.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn read(&mut self, connection: TcpHandle, to: &mut [u8]) -> Result<usize, ReadError> {
        self.tcp.read(connection, to)
    }

    /// Command: takes the next chunk of what has arrived, as it lies where the device put it. Dropping it frees the
    /// slot. `None` is the end of the peer's data.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn read_chunk(&mut self, connection: TcpHandle) -> Result<Option<Chunk>, ReadError> {
        self.tcp.read_chunk(connection)
    }

    /// Command: sends a FIN behind what is queued; reading goes on.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub fn shutdown(&mut self, connection: TcpHandle, now: Instant) -> Result<(), WriteError> {
        self.pass(now);
        self.tcp.shutdown(connection, now)
    }

    /// Command: gives the handle up. What is queued is still sent, then a FIN; unread data makes it a reset.
    pub fn close(&mut self, connection: TcpHandle, now: Instant) {
        self.pass(now);
        self.tcp.close(connection, now);
    }

    /// Command: gives the handle up and resets the connection.
    pub fn abort(&mut self, connection: TcpHandle) {
        self.tcp.abort_connection(connection);
    }

    /// Command: turns Nagle's algorithm off (`true`) or on.
    pub fn set_nodelay(&mut self, connection: TcpHandle, nodelay: bool) {
        self.tcp.set_nodelay(connection, nodelay);
    }

    /// Question: the connection's state by its RFC name.
    #[must_use]
    pub fn state(&self, connection: TcpHandle) -> State {
        self.tcp.state(connection)
    }

    /// Question: the local and the remote end.
    #[must_use]
    pub fn ends(&self, connection: TcpHandle) -> Option<(SocketAddr, SocketAddr)> {
        self.tcp.ends(connection)
    }

    /// Question: how many bytes [`Stack::write`] would take.
    #[must_use]
    pub fn room(&self, connection: TcpHandle) -> usize {
        self.tcp.room(connection)
    }

    /// Question: bytes that are queued or in flight.
    #[must_use]
    pub fn unacknowledged(&self, connection: TcpHandle) -> usize {
        self.tcp.unacknowledged(connection)
    }

    /// Question: bytes that wait to be read.
    #[must_use]
    pub fn unread(&self, connection: TcpHandle) -> usize {
        self.tcp.unread(connection)
    }

    /// Question, once each: a connection on which something happened. A new connection shows up at
    /// [`Stack::accept`], not here.
    pub fn next_event(&mut self) -> Option<TcpEvent> {
        self.tcp.next_event()
    }
}

/// Counts.
impl Stack<'_> {
    /// Question: what was dropped, by reason.
    #[must_use]
    pub fn drops(&self) -> Drops {
        let mut drops = self.ip.drops.clone();
        drops += self.tcp.drops();
        drops
    }

    /// Question: payload bytes copied, summed and verified.
    #[must_use]
    pub fn work(&self) -> Work {
        let mut work = self.work;
        work += self.tcp.work();
        work
    }

    /// Question: what TCP has done.
    #[must_use]
    pub fn tcp_statistics(&self) -> TcpStatistics {
        self.tcp.statistics()
    }
}

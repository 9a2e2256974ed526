//! The programs that the image serves, on the stack's public face alone: HTTP, a sink, a source, a digest and echo over
//! TCP, and echo over UDP.
//!
//! Invariant: what a client is served is kept in a table beside the stack's, found by the connection's place; nothing
//! walks all clients and nothing allocates. A client that does not read, or a memory that is full, stops its own
//! conversation and no other.
//!
//! | file | what it is |
//! |---|---|
//! | `http`, `sink`, `source`, `digest`, `echo` | one TCP conversation each |
//! | `udp_echo` | both of its sockets |
//! | `line` | clients in order of their deadlines, and those that wait for memory |
//! | `report` | the counters as the pages show them |

mod digest;
mod echo;
mod http;
mod line;
mod report;
mod sink;
mod source;
mod udp_echo;

use core::net::{Ipv6Addr, SocketAddr};
use core::ops::ControlFlow;

use lendwire::tcp::{ListenError, ListenerHandle, TcpEvent, TcpHandle};
use lendwire::time::{Instant, Span};
use lendwire::udp::BindError;
use lendwire::{InterfaceId, Polled, Stack};
use lendwire_nic::{Content, Nic, Pool};

use self::line::Line;
use self::udp_echo::UdpEcho;
use crate::http::PATIENCE;

pub use self::line::Link;

/// HTTP/1.1.
pub const HTTP_PORT: u16 = 80;
/// What is sent there is dropped.
pub const SINK_PORT: u16 = 5001;
/// Sends for as long as somebody reads.
pub const SOURCE_PORT: u16 = 5002;
/// Sends back what it gets; 7 is RFC 862's.
pub const ECHO_PORTS: [u16; 2] = [5003, 7];
/// Says how many bytes it was sent, and their CRC-32.
pub const DIGEST_PORT: u16 = 5004;

const LISTENERS: usize = 6;
/// Connections of one service that may wait to be accepted.
const BACKLOG: usize = 128;

/// The memory of a [`Server`]: as many of each as the stack has connections.
#[derive(Debug)]
pub struct Storage<'s> {
    /// What is known of each client.
    pub places: &'s mut [Place],
    /// The order in which patience with them ends.
    pub patience: &'s mut [Link],
    /// The order in which those that wait for memory are asked again.
    pub starved: &'s mut [Link],
    /// The order in which those that do not read give way when memory gets short.
    pub stalled: &'s mut [Link],
}

/// What a [`Server`] serves from.
#[derive(Clone, Copy, Debug)]
pub struct Supplies {
    /// What `/1k` serves.
    pub one_kibibyte: &'static Content,
    /// What `/1m` serves, and the source over and over.
    pub one_mebibyte: &'static Content,
    /// The pool that frames arrive in.
    pub receive_pool: &'static Pool,
    /// How many of its slots ought to stay free, besides those that the device has. With fewer, echo copies instead of
    /// lending; with fewer than half of them, clients that do not read give way.
    pub receive_reserve: usize,
    /// The pool that the stack copies to.
    pub transmit_pool: &'static Pool,
}

/// Room for one client.
#[derive(Debug, Default)]
pub struct Place(Option<Client>);

impl Place {
    /// Nobody.
    pub const EMPTY: Self = Self(None);
}

#[derive(Debug)]
struct Client {
    handle: TcpHandle,
    conversation: Conversation,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is no heap to put the large one on")]
enum Conversation {
    Http(http::Conversation),
    Sink,
    Source(source::Conversation),
    Echo(echo::Conversation),
    Digest(digest::Conversation),
}

/// What a conversation waits for, or that it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// An event of its connection.
    Wait,
    /// An acknowledgment that makes room. Until then nothing is read, so what the client sends stays in memory.
    Stalled,
    /// Memory, of which nobody will tell.
    Starved,
    /// It is over: what is queued is still sent.
    Close,
    /// It is over at once.
    Abort,
}

/// One step of a conversation; broken off where it can go no further now.
type Step = ControlFlow<Verdict>;

#[derive(Clone, Copy, Debug)]
enum Service {
    Http,
    Sink,
    Source,
    Echo,
    Digest,
}

const SERVICES: [(u16, Service); LISTENERS] = [
    (HTTP_PORT, Service::Http),
    (SINK_PORT, Service::Sink),
    (SOURCE_PORT, Service::Source),
    (ECHO_PORTS[0], Service::Echo),
    (ECHO_PORTS[1], Service::Echo),
    (DIGEST_PORT, Service::Digest),
];

/// All services of one stack.
///
/// The stack's owner calls [`Server::poll`], or [`Server::on_events`] between the stack's input and its output, and
/// comes back at [`Server::next_deadline`] at the latest.
#[derive(Debug)]
pub struct Server<'s> {
    listeners: [(ListenerHandle, Service); LISTENERS],
    places: &'s mut [Place],
    patience: Line<'s>,
    starved: Line<'s>,
    stalled: Line<'s>,
    udp_echo: UdpEcho,
    http: http::Desk,
    supplies: Supplies,
}

/// Why the services cannot be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartError {
    /// There is no TCP listener for one of them.
    Tcp(ListenError),
    /// There is no UDP socket for one of them.
    Udp(BindError),
}

impl From<ListenError> for StartError {
    fn from(error: ListenError) -> Self {
        Self::Tcp(error)
    }
}

impl From<BindError> for StartError {
    fn from(error: BindError) -> Self {
        Self::Udp(error)
    }
}

/// What the pages tell besides the stack's own counters.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// The device that clients are behind.
    pub nic: &'a dyn Nic,
    /// Heap allocations since the server was started.
    pub allocations: u64,
}

/// What a conversation is given for a turn.
struct Turn<'a, 's> {
    stack: &'a mut Stack<'s>,
    now: Instant,
    surroundings: Surroundings<'a>,
}

impl<'s> Server<'s> {
    /// Listens on every port of [`HTTP_PORT`], [`SINK_PORT`], [`SOURCE_PORT`], [`ECHO_PORTS`] and [`DIGEST_PORT`], on all
    /// addresses.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(stack: &mut Stack<'_>, storage: Storage<'s>, supplies: Supplies) -> Result<Self, StartError> {
        let mut listen = |port| stack.listen(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port), BACKLOG);
        let [a, b, c, d, e, f] = SERVICES.map(|(port, service)| listen(port).map(|handle| (handle, service)));
        let Storage { places, patience, starved, stalled } = storage;
        places.fill_with(Place::default);
        Ok(Self {
            listeners: [a?, b?, c?, d?, e?, f?],
            places,
            patience: Line::new(patience),
            starved: Line::new(starved),
            stalled: Line::new(stalled),
            udp_echo: UdpEcho::start(stack)?,
            http: http::Desk::new(),
            supplies,
        })
    }

    /// All four kinds in order, for a stack with one NIC: up to `budget` frames in, what is due at `now`, the services,
    /// up to `budget` segments out, one flush. An answer leaves in the round in which its question came.
    /// `allocations` is how often the heap was used since the start.
    pub fn poll(
        &mut self,
        stack: &mut Stack<'_>,
        nic: &mut dyn Nic,
        interface: InterfaceId,
        now: Instant,
        budget: usize,
        allocations: u64,
    ) -> Polled {
        let mut received = 0;
        while received < budget
            && let Some(packet) = nic.receive()
        {
            stack.receive(interface, packet, now);
            received += 1;
        }
        stack.on_deadline(now);
        self.on_events(stack, now, Surroundings { nic, allocations });
        let is_left = stack.transmit(&mut [nic], now, budget);
        nic.flush();
        Polled { received, again: received == budget || is_left }
    }

    /// Input: takes what the stack has accepted and what happened to the clients, and does what is due at `now`.
    pub fn on_events(&mut self, stack: &mut Stack<'_>, now: Instant, surroundings: Surroundings<'_>) {
        let mut turn = Turn { stack, now, surroundings };
        for (listener, service) in self.listeners {
            while let Some(handle) = turn.stack.accept(listener) {
                self.admit(handle, service, &mut turn);
            }
        }
        while let Some(TcpEvent(handle)) = turn.stack.next_event() {
            if self.client(handle.index()).is_some_and(|client| client.handle == handle) {
                self.serve(handle.index(), &mut turn);
            }
        }
        while let Some(socket) = turn.stack.next_udp_event() {
            self.udp_echo.serve(socket, turn.stack);
        }
        self.feed_starved(&mut turn);
        self.relieve(&mut turn);
        self.end_patience(&mut turn);
    }

    /// Question: when [`Server::on_events`] has something to do although nothing happened, if ever.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.patience_end(self.patience.first()?)
    }

    /// Question: whether nobody waits for memory, of which no event tells.
    #[must_use]
    pub fn is_fed(&self) -> bool {
        self.starved.first().is_none()
    }

    /// Question: HTTP responses that were handed to the stack whole.
    #[must_use]
    pub fn responses(&self) -> u64 {
        self.http.responses
    }

    fn admit(&mut self, handle: TcpHandle, service: Service, turn: &mut Turn<'_, '_>) {
        let place = handle.index();
        if place >= self.places.len() {
            // The storage is smaller than the stack's: there is no room to serve this one.
            return turn.stack.abort(handle);
        }
        turn.stack.set_nodelay(handle, true);
        let conversation = match service {
            Service::Http => Conversation::Http(http::Conversation::new(turn.now)),
            Service::Sink => Conversation::Sink,
            Service::Source => Conversation::Source(source::Conversation::default()),
            Service::Echo => Conversation::Echo(echo::Conversation::default()),
            Service::Digest => Conversation::Digest(digest::Conversation::default()),
        };
        self.places[place].0 = Some(Client { handle, conversation });
        self.renew_patience(place, turn.now);
        // Data may have come with the handshake.
        self.serve(place, turn);
    }

    fn serve(&mut self, place: usize, turn: &mut Turn<'_, '_>) {
        let responses = self.http.responses;
        let Some(Client { handle, conversation }) = &mut self.places[place].0 else { return };
        let verdict = match conversation {
            Conversation::Http(conversation) => conversation.serve(*handle, turn, &mut self.http, &self.supplies),
            Conversation::Sink => sink::serve(*handle, turn.stack),
            Conversation::Source(conversation) => conversation.serve(*handle, turn.stack, self.supplies.one_mebibyte),
            Conversation::Echo(conversation) => conversation.serve(*handle, turn.stack, &self.supplies),
            Conversation::Digest(conversation) => conversation.serve(*handle, turn.stack),
        };
        if self.http.responses != responses {
            self.renew_patience(place, turn.now);
        }
        self.settle(place, verdict, turn);
    }

    fn settle(&mut self, place: usize, verdict: Verdict, turn: &mut Turn<'_, '_>) {
        match verdict {
            Verdict::Wait => {
                self.starved.leave(place);
                self.stalled.leave(place);
            }
            Verdict::Stalled => {
                self.starved.leave(place);
                self.stalled.join(place);
            }
            Verdict::Starved => self.starved.join(place),
            Verdict::Close => {
                if let Some(client) = self.dismiss(place) {
                    turn.stack.close(client.handle, turn.now);
                }
            }
            Verdict::Abort => {
                if let Some(client) = self.dismiss(place) {
                    turn.stack.abort(client.handle);
                }
            }
        }
    }

    fn dismiss(&mut self, place: usize) -> Option<Client> {
        self.starved.leave(place);
        self.stalled.leave(place);
        self.patience.leave(place);
        self.places[place].0.take()
    }

    /// Slots to receive in that run out would make the machine deaf, to acknowledgments that free some too: who has not
    /// read for the longest time gives way.
    fn relieve(&mut self, turn: &mut Turn<'_, '_>) {
        let Supplies { receive_pool, receive_reserve, .. } = self.supplies;
        // Hardly ever does anybody stall, and then the slots need not be counted.
        while let Some(place) = self.stalled.first()
            && !receive_pool.has(receive_reserve / 2)
        {
            self.settle(place, Verdict::Abort, turn);
        }
    }

    /// Asks those that wait for memory, until one has to go on waiting.
    fn feed_starved(&mut self, turn: &mut Turn<'_, '_>) {
        while let Some(place) = self.starved.first() {
            self.starved.leave(place);
            self.serve(place, turn);
            if self.starved.holds(place) {
                return;
            }
        }
    }

    fn end_patience(&mut self, turn: &mut Turn<'_, '_>) {
        while let Some(place) = self.patience.first() {
            if self.patience_end(place).is_some_and(|end| end > turn.now) {
                return;
            }
            self.patience.leave(place);
            let Some(Client { handle, conversation: Conversation::Http(conversation) }) = &mut self.places[place].0
            else {
                continue;
            };
            match conversation.on_deadline(*handle, turn.stack) {
                None => self.renew_patience(place, turn.now),
                Some(over) => self.settle(place, over, turn),
            }
        }
    }

    /// Only HTTP has a deadline, and all its deadlines are equally far, so the line is in their order.
    fn renew_patience(&mut self, place: usize, now: Instant) {
        if let Some(Client { conversation: Conversation::Http(conversation), .. }) = &mut self.places[place].0 {
            conversation.patience_ends = now + Span::from_micros(PATIENCE.as_micros() as u64);
            self.patience.leave(place);
            self.patience.join(place);
        }
    }

    fn patience_end(&self, place: usize) -> Option<Instant> {
        match &self.client(place)?.conversation {
            Conversation::Http(conversation) => Some(conversation.patience_ends),
            Conversation::Sink | Conversation::Source(_) | Conversation::Echo(_) | Conversation::Digest(_) => None,
        }
    }

    fn client(&self, place: usize) -> Option<&Client> {
        self.places.get(place)?.0.as_ref()
    }
}

/// What to wait for when the stack takes no more: an acknowledgment will make room, if something is in flight.
fn refused(handle: TcpHandle, stack: &Stack<'_>) -> Verdict {
    if stack.unacknowledged(handle) > 0 { Verdict::Stalled } else { Verdict::Starved }
}

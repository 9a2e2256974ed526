//! One end of a link in memory, with a stack on it: what the works ask of ours and of the peers alike.
//!
//! Invariant: a work is written once, over [`Host`]; nothing in it knows whose stack it drives. Both ends live on one
//! thread, and time is a number that the work hands in.

/// Who takes the checksums of what is sent and received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksums {
    /// Each end in full, in software: taken over every byte that is sent, verified over every byte that arrives.
    Software,
    /// A device that has them done: neither end sums payload.
    Device,
}

/// When data that came in order is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledged {
    /// As the stack's makers have it.
    AsUsual,
    /// In the next poll, so that nothing waits for a timer while time hardly passes.
    AtOnce,
}

/// What two hosts are made for.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Bytes of a frame behind the Ethernet header.
    pub mtu: u16,
    /// Bytes that may be on the way, and that a socket may keep each way.
    pub window: usize,
    /// Who sums.
    pub checksums: Checksums,
    /// When data is acknowledged.
    pub acknowledged: Acknowledged,
    /// Connections that each end can have at the same time.
    pub connections: usize,
    /// Listeners that each end can have.
    pub listeners: usize,
    /// TIME-WAITs that each end can have.
    pub time_waits: usize,
}

impl Setup {
    /// Ethernet's MTU, a window of 64 KiB, checksums in software, a few connections.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            mtu: 1500,
            window: 64 << 10,
            checksums: Checksums::Software,
            acknowledged: Acknowledged::AsUsual,
            connections: 4,
            listeners: 4,
            time_waits: 4,
        }
    }
}

impl Default for Setup {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether what arrives is compared with what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// Every byte, before anything is timed.
    Checked,
    /// Its length only.
    Timed,
}

/// Bytes that are sent again and again, of a length that divides every window.
pub struct Pattern {
    /// The bytes, twice: from any place of the first half on, a whole period lies in one piece.
    twice: Box<[u8]>,
}

impl Pattern {
    /// Bytes until it repeats.
    pub const PERIOD: usize = 64 << 10;

    /// Bytes without a shorter period.
    #[must_use]
    pub fn new() -> Self {
        let mut state = 0x9e37_79b9_u32;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state as u8
        };
        let once: Vec<u8> = (0..Self::PERIOD).map(|_| next()).collect();
        Self { twice: [once.clone(), once].concat().into() }
    }

    /// The same bytes for as long as the process lives.
    #[must_use]
    pub fn shared() -> &'static Self {
        static PATTERN: std::sync::OnceLock<Pattern> = std::sync::OnceLock::new();
        PATTERN.get_or_init(Self::new)
    }

    /// What a stream has from byte `at` on, up to a period of it.
    #[must_use]
    pub fn from(&self, at: u64) -> &[u8] {
        let start = (at % Self::PERIOD as u64) as usize;
        &self.twice[start..start + Self::PERIOD]
    }

    /// Whether `bytes` are what the stream has at `at`.
    #[must_use]
    pub fn is_at(&self, at: u64, bytes: &[u8]) -> bool {
        let mut at = at;
        bytes.chunks(Self::PERIOD).all(|piece| {
            let is_right = self.from(at)[..piece.len()] == *piece;
            at += piece.len() as u64;
            is_right
        })
    }
}

impl Default for Pattern {
    fn default() -> Self {
        Self::new()
    }
}

/// One end of a link.
pub trait Host: Sized + 'static {
    /// Whose stack it is.
    const NAME: &'static str;

    /// A connection.
    type Connection: Copy;

    /// Whether it can be made for so much, in a time that anybody would wait.
    #[must_use]
    fn can(setup: &Setup) -> bool {
        let _ = setup;
        true
    }

    /// Two hosts on one link.
    fn pair(setup: &Setup) -> [Self; 2];

    /// Takes in what has arrived, looks after what is due, and sends. Says whether a frame moved.
    fn poll(&mut self, now: u64) -> bool;

    /// When it has something to do by itself, in microseconds.
    fn next_deadline(&mut self, now: u64) -> Option<u64>;

    /// Accepts connections to `port`, up to `backlog` of them waiting.
    fn listen(&mut self, port: u16, backlog: usize);

    /// A connection that came in on `port`.
    fn accept(&mut self, port: u16) -> Option<Self::Connection>;

    /// Begins to connect to `port` of the other host.
    fn connect(&mut self, port: u16, now: u64) -> Self::Connection;

    /// Whether data may be written.
    fn is_open(&mut self, connection: Self::Connection) -> bool;

    /// Sends at once, whatever waits to be acknowledged.
    fn set_nodelay(&mut self, connection: Self::Connection);

    /// Copies as much of `bytes` as there is room for.
    fn write(&mut self, connection: Self::Connection, bytes: &[u8]) -> usize;

    /// Lends what `pattern` has at `at`, as much as there is room for, by the stack's way without a copy by the
    /// application. It may be more than the room where the stack takes it.
    fn lend(&mut self, connection: Self::Connection, pattern: &'static Pattern, at: u64, pass: Pass) -> usize;

    /// Copies what has arrived.
    fn read(&mut self, connection: Self::Connection, to: &mut [u8]) -> usize;

    /// Shows what has arrived where it lies, and gives it back.
    fn take<F: FnMut(&[u8])>(&mut self, connection: Self::Connection, look: F) -> usize;

    /// Gives a connection up in order.
    fn close(&mut self, connection: Self::Connection, now: u64);

    /// Makes the host's one UDP socket, on `port`.
    fn udp_bind(&mut self, port: u16);

    /// Copies `bytes` into a datagram for `port` of the other host. Says whether there was room.
    fn udp_send(&mut self, port: u16, bytes: &[u8]) -> bool;

    /// Copies the next datagram, or says that there is none.
    fn udp_read(&mut self, to: &mut [u8]) -> Option<usize>;

    /// Frames that have left.
    fn sent(&self) -> u64;

    /// The frame that left last. What left before this was asked for the first time is not known.
    fn last_sent(&mut self) -> Vec<u8>;

    /// Puts a frame of up to 256 bytes in front of the host, as if it came over the link.
    fn inject(&mut self, frame: &[u8]);

    /// Bytes that one more idle connection takes of its tables, all told; smoltcp's has two buffers of its window besides.
    fn idle_bytes() -> usize;
}

/// Two hosts, and the time.
pub struct Pair<H: Host> {
    /// The end that connects.
    pub here: H,
    /// The end that listens.
    pub there: H,
    /// Microseconds.
    pub now: u64,
    /// How often nothing moved until a timer fired: a work that is not about timers has none.
    pub stalls: u64,
}

impl<H: Host> Pair<H> {
    /// The port that [`Pair::connected`] uses.
    pub const PORT: u16 = 80;
    /// Turns without progress until a work is given up.
    const PATIENCE: u32 = 10_000;

    /// Two hosts on a link.
    #[must_use]
    pub fn new(setup: &Setup) -> Self {
        let [here, there] = H::pair(setup);
        Self { here, there, now: 1_000_000, stalls: 0 }
    }

    /// Both ends once. Says whether a frame moved.
    pub fn turn(&mut self) -> bool {
        self.now += 1;
        let moved = self.here.poll(self.now);
        self.there.poll(self.now) | moved
    }

    /// On to the next deadline of either end.
    pub fn pass(&mut self) {
        let deadlines = [self.here.next_deadline(self.now), self.there.next_deadline(self.now)];
        self.now = deadlines.into_iter().flatten().min().unwrap_or(self.now).max(self.now + 1);
        self.stalls += 1;
    }

    /// Turns, and passes time where nothing moves, until `done` says so.
    ///
    /// # Panics
    /// If it does not come.
    #[track_caller]
    pub fn until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let mut still = 0;
        while !done(self) {
            let moved = self.turn();
            still = if moved { 0 } else { still + 1 };
            // A host may have to be asked twice until it sends what the application has just asked for.
            if still > 2 {
                self.pass();
            }
            assert!(still < Self::PATIENCE, "{} never came: {what}", H::NAME);
        }
    }

    /// Turns until nothing moves any more.
    pub fn settle(&mut self) {
        let mut still = 0;
        while still < 3 {
            still = if self.turn() { 0 } else { still + 1 };
        }
    }

    /// A connection from here to there.
    #[track_caller]
    pub fn connect(&mut self, port: u16) -> (H::Connection, H::Connection) {
        let here = self.here.connect(port, self.now);
        let mut there = None;
        self.until("the connection", |pair| {
            there = there.or_else(|| pair.there.accept(port));
            there.is_some() && pair.here.is_open(here)
        });
        (here, there.expect("it was accepted"))
    }

    /// The first connection.
    #[track_caller]
    pub fn connected(&mut self) -> (H::Connection, H::Connection) {
        self.there.listen(Self::PORT, 4);
        self.connect(Self::PORT)
    }
}

//! Listeners and connections.

use core::net::SocketAddr;

use lendwire_nic::Chunk;

use super::Stack;
use crate::ip::Dscp;
use crate::tcp::{
    Algorithm, ConnectError, FastOpen, KeepAlive, ListenError, ListenerHandle, OptionError, PushError, ReadError,
    State, TcpEvent, TcpHandle, TcpInfo, TcpUsage, Trouble, WriteError,
};
use crate::time::{Instant, Span};

impl Stack<'_> {
    /// Command: accepts connections to `local`, up to `backlog` of them waiting. `0.0.0.0` stands for every IPv4
    /// address of ours, `[::]` for every address of both versions. Listeners on one port go together as long as their
    /// addresses differ, and the most specific one is asked: an address before `0.0.0.0`, and that before `[::]`.
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

    /// Command: what the listener offers of TCP Fast Open from now on; `None`, as at first, is nothing. A connection that
    /// was opened fast shows up at [`Stack::accept`] with its data before its handshake is complete, in
    /// [`State::SynReceived`], and may be written to. What came with a SYN may come twice (RFC 7413 §2.1, §6.1): only a
    /// service that can stand that ought to offer it. Says whether there is such a listener.
    pub fn set_fast_open(&mut self, listener: ListenerHandle, fast_open: Option<FastOpen>) -> bool {
        self.tcp.set_fast_open(listener, fast_open)
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
        self.tcp.connect(None, local_port, remote, &self.ip, now)
    }

    /// Command: [`Stack::connect`] from an address of ours that the application names (RFC 9293 §3.9.1.1). Port zero
    /// stands for an ephemeral one.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub fn connect_from(
        &mut self,
        local: SocketAddr,
        remote: SocketAddr,
        now: Instant,
    ) -> Result<TcpHandle, ConnectError> {
        self.pass(now);
        let port = Some(local.port()).filter(|port| *port != 0);
        self.tcp.connect(Some(local.ip()), port, remote, &self.ip, now)
    }

    /// Command: [`Stack::connect`] by TCP Fast Open (RFC 7413). What is written or lent to it before the next poll goes with
    /// the SYN, as far as there is a cookie of the server and room, and the rest when the connection stands. Without a
    /// cookie one is asked for. The server may see the SYN's data twice: only what can stand that ought to be sent so (§6.1).
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub fn connect_fast_open(
        &mut self,
        remote: SocketAddr,
        local_port: Option<u16>,
        now: Instant,
    ) -> Result<TcpHandle, ConnectError> {
        self.pass(now);
        self.tcp.connect_fast_open(local_port, remote, &self.ip, now)
    }

    /// Question: how many bytes would go with the SYN of [`Stack::connect_fast_open`] to `remote`: none without its cookie.
    #[must_use]
    pub fn fast_open_room(&self, remote: SocketAddr, now: Instant) -> usize {
        self.tcp.fast_open_room(remote, &self.ip, now)
    }

    /// Command: copies `bytes` into the queue, summing in the same step unless every device completes
    /// checksums. Returns how many were taken: fewer when the
    /// send budget or memory is used up. An event tells when there is room again.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub fn write(&mut self, connection: TcpHandle, bytes: &[u8]) -> Result<usize, WriteError> {
        self.tcp.write(connection, bytes, &self.ip)
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

    /// Command: asks the peer now and then whether it is there while nothing else is said, or no longer (`None`, as at
    /// first). One that does not answer is reset, and the connection ends with [`crate::tcp::Ended::TimedOut`] (RFC 9293
    /// §3.8.4).
    ///
    /// # Errors
    /// See [`OptionError`].
    pub fn set_keep_alive(
        &mut self,
        connection: TcpHandle,
        keep_alive: Option<KeepAlive>,
        now: Instant,
    ) -> Result<(), OptionError> {
        self.pass(now);
        self.tcp.set_keep_alive(connection, keep_alive, now)
    }

    /// Command: how long data may wait in vain for an acknowledgment or a window before the connection ends with
    /// [`crate::tcp::Ended::TimedOut`], in place of [`crate::tcp::TcpConfig::retries`] (RFC 9293 §3.8.3). It also bounds
    /// keep-alives.
    ///
    /// # Errors
    /// See [`OptionError`].
    pub fn set_user_timeout(&mut self, connection: TcpHandle, timeout: Option<Span>) -> Result<(), OptionError> {
        self.tcp.set_user_timeout(connection, timeout)
    }

    /// Command: how long the stack may go on after [`Stack::close`] until it resets the connection. Zero makes `close` a
    /// reset; `None`, as at first, leaves it to the timers that all connections have.
    ///
    /// # Errors
    /// See [`OptionError`].
    pub fn set_linger(&mut self, connection: TcpHandle, linger: Option<Span>) -> Result<(), OptionError> {
        self.tcp.set_linger(connection, linger)
    }

    /// Command: holds back what does not fill a segment (`true`), for 200 ms at most, or lets it go.
    ///
    /// # Errors
    /// See [`OptionError`].
    pub fn set_cork(&mut self, connection: TcpHandle, cork: bool) -> Result<(), OptionError> {
        self.tcp.set_cork(connection, cork)
    }

    /// Command: the Differentiated Services codepoint of everything that is sent from now on, in place of
    /// [`crate::tcp::TcpConfig::dscp`] (RFC 9293 §3.9.1.9). As a rule it stays as it is while a connection lives (SHLD-23).
    ///
    /// # Errors
    /// See [`OptionError`].
    pub fn set_dscp(&mut self, connection: TcpHandle, dscp: Dscp) -> Result<(), OptionError> {
        self.tcp.set_dscp(connection, dscp)
    }

    /// Command: tells the peer that everything queued so far is urgent (RFC 9293 §3.8.5). New applications ought not to
    /// (SHLD-13); data stays in line.
    ///
    /// # Errors
    /// See [`OptionError`].
    pub fn mark_urgent(&mut self, connection: TcpHandle) -> Result<(), OptionError> {
        self.tcp.mark_urgent(connection)
    }

    /// Question: what has gone wrong since this was asked last, and ended nothing yet (RFC 9293 §3.9.1.8): an ICMP error,
    /// or a segment that was repeated three times. An event tells that there is something to ask.
    pub fn take_trouble(&mut self, connection: TcpHandle) -> Option<Trouble> {
        self.tcp.take_trouble(connection)
    }

    /// Question: how many bytes from the next one to read lie before the end of what the peer marked as urgent, whether
    /// they have come or not; `None` when it marked nothing, or that was read.
    #[must_use]
    pub fn urgent(&self, connection: TcpHandle) -> Option<usize> {
        self.tcp.urgent(connection)
    }

    /// Command: changes the congestion control of a connection. Its window stays as it is.
    pub fn set_congestion(&mut self, connection: TcpHandle, algorithm: Algorithm) {
        self.tcp.set_congestion(connection, algorithm);
    }

    /// Command: lets unread data pin `bytes` bytes of slots, instead of what the connection's reading would have it grow
    /// to. The window is some five eighths of it, as far as the scale of the handshake can show; what was promised stays.
    ///
    /// # Errors
    /// See [`OptionError`].
    pub fn set_receive_budget(&mut self, connection: TcpHandle, bytes: u32) -> Result<(), OptionError> {
        self.tcp.set_receive_budget(connection, bytes)
    }

    /// Command: lets `bytes` bytes wait to be sent or acknowledged, whatever the congestion window is.
    ///
    /// # Errors
    /// See [`OptionError`].
    pub fn set_send_budget(&mut self, connection: TcpHandle, bytes: u32) -> Result<(), OptionError> {
        self.tcp.set_send_budget(connection, bytes)
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

    /// Question: what the stack knows of the connection's path and peer, once it is established.
    #[must_use]
    pub fn info(&self, connection: TcpHandle) -> Option<TcpInfo> {
        self.tcp.info(connection)
    }

    /// Question: how much of each table of TCP is in use.
    #[must_use]
    pub fn tcp_usage(&self) -> TcpUsage {
        self.tcp.usage()
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

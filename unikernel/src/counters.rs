//! The figures that the pages show, gathered by whoever has the stack and the driver.

/// Everything counted since boot, at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counters<'a> {
    /// Microseconds since the image was entered.
    pub uptime_micros: u64,
    /// Frames that the NIC handed to the stack.
    pub frames_received: u64,
    /// Frames that the NIC took from the stack.
    pub frames_sent: u64,
    /// What was dropped: reason and count.
    pub drops: &'a [(&'a str, u64)],
    /// Payload bytes that the CPU copied.
    pub payload_copied: u64,
    /// Payload bytes that the CPU read to sum them.
    pub payload_summed: u64,
    /// Payload bytes that the CPU read to check them, where no device had.
    pub payload_verified: u64,
    /// TCP connections that clients opened.
    pub connections: u64,
    /// TCP segments that arrived.
    pub segments_received: u64,
    /// TCP segments that left.
    pub segments_sent: u64,
    /// Segments sent again.
    pub retransmissions: u64,
    /// Times that an acknowledgment did not come in time.
    pub timeouts: u64,
    /// Resets sent.
    pub resets: u64,
    /// Times the device was told of new work.
    pub kicks: u64,
    /// Interrupts taken from the device.
    pub interrupts: u64,
    /// Heap allocations since the services were started: none, or something is wrong.
    pub allocations_after_start: u64,
    /// The pool that frames arrive in.
    pub receive_pool: PoolUse,
    /// The pool that payload is written to.
    pub transmit_pool: PoolUse,
}

/// How full a pool is.
#[derive(Clone, Copy, Debug, Default)]
pub struct PoolUse {
    /// Slots in the pool.
    pub slots: u64,
    /// Slots that somebody holds.
    pub in_use: u64,
}

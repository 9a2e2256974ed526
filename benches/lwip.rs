//! lwIP behind the face of `lwip/shim.h`: no operating system, the raw API, pools, and a link that hands its buffers over.
//!
//! Invariant: a configuration of lwIP has one copy for each end, whose state is global. [`Lwip`] is the only user of its
//! copy while it lives, on one thread; `unsafe` is what C's face needs, and nothing else.

use std::cell::RefCell;
use std::ffi::{c_int, c_void};
use std::marker::PhantomData;

use crate::host::{Acknowledged, Checksums, Host, Pass, Pattern, Setup};

/// `struct lwip_end`. What takes no pointer can be called with any numbers that came from the same table.
#[repr(C)]
struct Table {
    start: unsafe extern "C" fn(*const Table, u8, u16, c_int),
    poll: extern "C" fn(u64) -> u32,
    sleep: extern "C" fn() -> u64,
    listen: extern "C" fn(u16) -> c_int,
    accept: extern "C" fn(u16) -> i32,
    connect: extern "C" fn(u16) -> i32,
    is_open: extern "C" fn(i32) -> c_int,
    set_nodelay: extern "C" fn(i32),
    write: unsafe extern "C" fn(i32, *const u8, usize, c_int) -> usize,
    read: unsafe extern "C" fn(i32, *mut u8, usize) -> usize,
    take: unsafe extern "C" fn(i32, extern "C" fn(*mut c_void, *const u8, usize), *mut c_void) -> usize,
    close: extern "C" fn(i32),
    inject: unsafe extern "C" fn(*const u8, usize),
    sent: extern "C" fn() -> u64,
    last_sent: unsafe extern "C" fn(*mut u8, usize) -> usize,
    udp_bind: extern "C" fn(u16) -> c_int,
    udp_send: unsafe extern "C" fn(u16, *const u8, usize) -> usize,
    udp_read: unsafe extern "C" fn(*mut u8, usize) -> usize,
    connection_size: extern "C" fn() -> usize,
    checksum: unsafe extern "C" fn(*const u8, usize) -> u16,
    arrive: extern "C" fn() -> *mut c_void,
    let_go: unsafe extern "C" fn(*mut c_void),
}

unsafe extern "C" {
    /// Numbers in, and a table that lives for ever, or none, out.
    safe fn lwip_find(window: u32, connections: u32, checksums: c_int, side: c_int) -> Option<&'static Table>;
}

/// `BYTES` that are copied, or lent until they are acknowledged.
const LENT: c_int = 0;
const COPIED: c_int = 1;

/// See the module.
pub struct Lwip {
    table: &'static Table,
    /// The copy is this thread's.
    thread: PhantomData<*const ()>,
}

thread_local! {
    static IN_USE: RefCell<Vec<*const Table>> = const { RefCell::new(Vec::new()) };
}

impl Lwip {
    /// Connections and TIME-WAITs of the copies for few.
    const FEW: usize = 16;
    /// The same of those for many, and the window of these.
    const MANY: usize = 10064;
    const MANY_WINDOW: u32 = 16384;

    /// The checksum of `bytes`, by the function that lwIP sums segments with.
    #[must_use]
    pub fn checksum(bytes: &[u8]) -> u16 {
        let table = find(&Setup::new(), 0).expect("there is a copy of lwIP for the usual setup");
        // SAFETY: lwIP reads `bytes.len()` bytes during the call, and nothing else.
        unsafe { (table.checksum)(bytes.as_ptr(), bytes.len()) }
    }
}

fn find(setup: &Setup, side: usize) -> Option<&'static Table> {
    let checksums = c_int::from(setup.checksums == Checksums::Software);
    let (window, connections) = match setup.connections + setup.time_waits {
        // The least window that a copy for few has.
        0..=Lwip::FEW => (setup.window.max(64 << 10) as u32, Lwip::FEW),
        entities if entities <= Lwip::MANY && setup.window <= Lwip::MANY_WINDOW as usize => {
            (Lwip::MANY_WINDOW, Lwip::MANY)
        }
        _ => return None,
    };
    lwip_find(window, connections as u32, checksums, side as c_int)
}

impl Drop for Lwip {
    fn drop(&mut self) {
        IN_USE.with_borrow_mut(|tables| tables.retain(|table| !std::ptr::eq(*table, self.table)));
    }
}

impl Host for Lwip {
    const NAME: &'static str = "lwip";
    type Connection = i32;

    fn can(setup: &Setup) -> bool {
        find(setup, 0).is_some()
    }

    fn pair(setup: &Setup) -> [Self; 2] {
        let tables = [0, 1].map(|side| find(setup, side).expect("there is a copy of lwIP for this setup"));
        let at_once = c_int::from(setup.acknowledged == Acknowledged::AtOnce);
        for (side, table) in tables.into_iter().enumerate() {
            IN_USE.with_borrow_mut(|in_use| {
                assert!(!in_use.contains(&std::ptr::from_ref(table)), "a copy of lwIP has one user at a time");
                in_use.push(table);
            });
            // SAFETY: the other table is a static of the same configuration, and nobody else uses either.
            unsafe { (table.start)(tables[1 - side], side as u8, setup.mtu, at_once) };
        }
        tables.map(|table| Self { table, thread: PhantomData })
    }

    fn poll(&mut self, now: u64) -> bool {
        (self.table.poll)(now) > 0
    }

    fn next_deadline(&mut self, now: u64) -> Option<u64> {
        Some(now + (self.table.sleep)())
    }

    fn listen(&mut self, port: u16, _: usize) {
        assert!((self.table.listen)(port) != 0, "lwIP cannot listen on {port}");
    }

    fn accept(&mut self, port: u16) -> Option<i32> {
        Some((self.table.accept)(port)).filter(|connection| *connection >= 0)
    }

    fn connect(&mut self, port: u16, _: u64) -> i32 {
        let connection = (self.table.connect)(port);
        assert!(connection >= 0, "lwIP cannot connect to {port}");
        connection
    }

    fn is_open(&mut self, connection: i32) -> bool {
        (self.table.is_open)(connection) != 0
    }

    fn set_nodelay(&mut self, connection: i32) {
        (self.table.set_nodelay)(connection);
    }

    fn write(&mut self, connection: i32, bytes: &[u8]) -> usize {
        // SAFETY: lwIP reads `bytes.len()` bytes during the call.
        unsafe { (self.table.write)(connection, bytes.as_ptr(), bytes.len(), COPIED) }
    }

    fn lend(&mut self, connection: i32, pattern: &'static Pattern, at: u64, _: Pass) -> usize {
        let bytes = pattern.from(at);
        // SAFETY: lwIP reads them until they are acknowledged, and they live for ever.
        unsafe { (self.table.write)(connection, bytes.as_ptr(), bytes.len(), LENT) }
    }

    fn read(&mut self, connection: i32, to: &mut [u8]) -> usize {
        // SAFETY: lwIP writes up to `to.len()` bytes during the call.
        unsafe { (self.table.read)(connection, to.as_mut_ptr(), to.len()) }
    }

    fn take<F: FnMut(&[u8])>(&mut self, connection: i32, mut look: F) -> usize {
        extern "C" fn show<F: FnMut(&[u8])>(look: *mut c_void, bytes: *const u8, len: usize) {
            // SAFETY: the context is the `look` of the caller below, which is borrowed by it alone.
            let look = unsafe { &mut *look.cast::<F>() };
            // SAFETY: lwIP shows `len` bytes of a pbuf that it holds during the call.
            look(unsafe { std::slice::from_raw_parts(bytes, len) });
        }
        let context: *mut F = &raw mut look;
        // SAFETY: `show` is called during this call only, with the context that it expects.
        unsafe { (self.table.take)(connection, show::<F>, context.cast()) }
    }

    fn close(&mut self, connection: i32, _: u64) {
        (self.table.close)(connection);
    }

    fn udp_bind(&mut self, port: u16) {
        assert!((self.table.udp_bind)(port) != 0, "lwIP has no socket for {port}");
    }

    fn udp_send(&mut self, port: u16, bytes: &[u8]) -> bool {
        // SAFETY: lwIP reads `bytes.len()` bytes during the call.
        unsafe { (self.table.udp_send)(port, bytes.as_ptr(), bytes.len()) == bytes.len() }
    }

    fn udp_read(&mut self, to: &mut [u8]) -> Option<usize> {
        // SAFETY: lwIP writes up to `to.len()` bytes during the call.
        let len = unsafe { (self.table.udp_read)(to.as_mut_ptr(), to.len()) };
        Some(len).filter(|len| *len > 0)
    }

    fn sent(&self) -> u64 {
        (self.table.sent)()
    }

    fn last_sent(&mut self) -> Vec<u8> {
        let mut frame = vec![0; 256];
        // SAFETY: lwIP writes up to `frame.len()` bytes during the call.
        let len = unsafe { (self.table.last_sent)(frame.as_mut_ptr(), frame.len()) };
        frame.truncate(len);
        frame
    }

    fn inject(&mut self, frame: &[u8]) {
        assert!(frame.len() <= 256, "a small frame");
        // SAFETY: lwIP reads `frame.len()` bytes during the call, which fit into its buffer.
        unsafe { (self.table.inject)(frame.as_ptr(), frame.len()) };
    }

    fn idle_bytes() -> usize {
        let table = find(&Setup::new(), 0).expect("there is a copy of lwIP for the usual setup");
        (table.connection_size)()
    }
}

//! A Linux TAP interface: the stack on one side, the host's kernel on the other.
//!
//! Invariant: nothing is copied but by the kernel. A packet goes out by one gathering write of its headers and parts; a
//! frame comes in by one scattering read into pool slots. Nothing blocks and nothing allocates after `open`.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;

use lendwire_nic::{
    ChunkMut, Fault, Full, Interrupts, MAX_CHUNKS, MacAddress, Nic, NicInfo, NicStatistics, Pending, Pool, RxPacket,
    TxPacket,
};
use zerocopy::{FromBytes, IntoBytes};

use crate::long_packet::{LARGEST_FRAME, append, slots_for};
use crate::sendable::is_sendable;
use crate::virtio::{Features, HEADER_LEN, Header, Senseless};

/// How the interface looks to the stack.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The stack's address on the link; the kernel's end has one of its own.
    pub address: MacAddress,
    /// Bytes of a frame behind the Ethernet header: the interface's own MTU.
    pub mtu: u16,
    /// Whether checksums are left to each other: each frame has a virtio header then, and none that stays on this
    /// machine is ever summed.
    pub checksum_offload: bool,
    /// Whether TCP segments of up to 64 KiB cross uncut, both ways. It needs `checksum_offload`, and a pool with slots
    /// for such a segment.
    pub segmentation_offload: bool,
}

impl Default for Options {
    /// The locally administered address `02:00:00:00:00:02`, Ethernet's MTU, no offload.
    fn default() -> Self {
        Self {
            address: MacAddress([2, 0, 0, 0, 0, 2]),
            mtu: 1500,
            checksum_offload: false,
            segmentation_offload: false,
        }
    }
}

/// A TAP interface. [`AsRawFd`] gives what to wait on.
#[derive(Debug)]
pub struct Tap {
    file: File,
    pool: &'static Pool,
    /// Slots for the next frame, as many as the longest one takes.
    slots: [Option<ChunkMut>; MOST_SLOTS],
    slots_needed: usize,
    /// A frame that was read to learn whether there is one.
    early: Option<RxPacket>,
    header_len: usize,
    agreed: Features,
    info: NicInfo,
    statistics: NicStatistics,
}

/// Payload parts of one packet.
const MAX_PARTS: u16 = 48;
/// Slots of one frame: the largest one takes 33 of 2 KiB.
const MOST_SLOTS: usize = 64;

impl Tap {
    /// Opens the interface `name`, which is made where there is none and root is there; it lasts as long as the value
    /// unless it was there before. Frames arrive in slots of `pool`.
    ///
    /// # Errors
    /// What the system says: without the right to the interface `PermissionDenied`, without TAP in the kernel
    /// `NotFound`. A name that is empty or of 16 bytes or more, or an MTU beyond what
    /// [`MAX_CHUNKS`] slots hold, is `InvalidInput`, and so is a pool that cannot hold the segments that were asked for.
    pub fn open(name: &str, options: &Options, pool: &'static Pool) -> io::Result<Self> {
        if name.is_empty() || name.len() >= libc::IFNAMSIZ {
            return Err(io::Error::new(ErrorKind::InvalidInput, "an interface name has 1 to 15 bytes"));
        }
        if options.segmentation_offload && !options.checksum_offload {
            return Err(io::Error::new(ErrorKind::InvalidInput, "segmentation needs checksums to be left off too"));
        }
        let slots_needed = (usize::from(options.mtu) + 18).div_ceil(pool.slot_size());
        if slots_needed > MAX_CHUNKS {
            return Err(io::Error::new(ErrorKind::InvalidInput, "the MTU needs more slots than a packet has"));
        }
        let agreed = agreed(options);
        let slots_needed = if agreed.intersects(Features::LARGE_RECEIVE) {
            let slots = slots_for(LARGEST_FRAME, pool).filter(|&slots| slots <= MOST_SLOTS);
            slots.ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "the pool cannot hold a large segment"))?
        } else {
            slots_needed
        };
        let file = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open("/dev/net/tun")?;
        control::attach(&file, name, options.checksum_offload)?;
        if options.checksum_offload {
            control::offload(&file, agreed)?;
        }
        let header_len = if options.checksum_offload { HEADER_LEN } else { 0 };
        let info = NicInfo {
            name: "tap",
            address: options.address,
            mtu: options.mtu,
            offloads: agreed.offloads(),
            max_parts: MAX_PARTS,
            queues: 1,
        };
        let slots = [const { None }; MOST_SLOTS];
        Ok(Self {
            file,
            pool,
            slots,
            slots_needed,
            early: None,
            header_len,
            agreed,
            info,
            statistics: Default::default(),
        })
    }

    /// The next frame from the kernel; a bad one is dropped and counted.
    fn read(&mut self) -> Option<RxPacket> {
        loop {
            let needed = self.slots_needed;
            for slot in &mut self.slots[..needed] {
                if slot.is_none() {
                    *slot = self.pool.take();
                }
            }
            if self.slots[..needed].iter().any(Option::is_none) {
                self.statistics.count(Fault::NoSlot);
                return None;
            }
            let mut header = [0; HEADER_LEN];
            let mut buffers: [IoSliceMut<'_>; MOST_SLOTS + 1] = core::array::from_fn(|_| IoSliceMut::new(&mut []));
            buffers[0] = IoSliceMut::new(&mut header[..self.header_len]);
            for (buffer, slot) in buffers[1..].iter_mut().zip(self.slots.iter_mut().flatten()) {
                *buffer = IoSliceMut::new(slot.bytes_mut());
            }
            let len = match self.file.read_vectored(&mut buffers) {
                Ok(len) => len,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                Err(_) => {
                    self.statistics.count(Fault::Broken);
                    return None;
                }
            };
            match self.arrived(header, len) {
                Ok(packet) => return Some(packet),
                Err(fault) => self.statistics.count(fault),
            }
        }
    }

    /// Makes a packet of a read of `len` bytes, the header's included.
    fn arrived(&mut self, header: [u8; HEADER_LEN], len: usize) -> Result<RxPacket, Fault> {
        let len = len.checked_sub(self.header_len).filter(|&len| len > 0).ok_or(Fault::BadLength)?;
        let mut packet: Option<RxPacket> = None;
        let mut left = len;
        for place in &mut self.slots[..len.div_ceil(self.pool.slot_size())] {
            let slot = place.take().expect("every slot was there before the read");
            let filled = left.min(slot.room());
            let chunk = slot.freeze(filled);
            left -= filled;
            match &mut packet {
                None => packet = Some(RxPacket::new(chunk)),
                Some(packet) => append(packet, chunk, self.pool)?,
            }
        }
        let mut packet = packet.ok_or(Fault::BadLength)?;
        if self.header_len > 0 {
            let header = Header::read_from_bytes(&header).map_err(|_| Fault::BadHeader)?;
            let verdict = header.received(len, self.agreed).map_err(|Senseless| Fault::BadHeader)?;
            (packet.checksum, packet.segment_size) = (verdict.checksum, verdict.segment_size);
        }
        Ok(packet)
    }
}

/// What both ends leave to each other, in the words of virtio.
fn agreed(options: &Options) -> Features {
    let checksums = Features::CSUM | Features::GUEST_CSUM;
    match (options.checksum_offload, options.segmentation_offload) {
        (false, _) => Features::empty(),
        (true, false) => checksums,
        (true, true) => checksums | Features::LARGE_TRANSMIT | Features::LARGE_RECEIVE,
    }
}

impl Nic for Tap {
    fn info(&self) -> &NicInfo {
        &self.info
    }

    fn transmit(&mut self, packet: &TxPacket<'_>) -> Result<(), Full> {
        if !is_sendable(packet, &self.info) {
            self.statistics.count(Fault::Unsendable);
            return Ok(());
        }
        let header = Header::of(&packet.offload, packet.header().len());
        let mut buffers = [IoSlice::new(&[]); MAX_PARTS as usize + 2];
        buffers[0] = IoSlice::new(&header.as_bytes()[..self.header_len]);
        buffers[1] = IoSlice::new(packet.header());
        for (buffer, part) in buffers[2..].iter_mut().zip(packet.payload().parts()) {
            *buffer = IoSlice::new(part.bytes());
        }
        loop {
            match self.file.write_vectored(&buffers) {
                Ok(_) => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Err(Full),
                // The interface is down, or gone: the frame is lost as on any wire.
                Err(_) => {
                    self.statistics.count(Fault::Broken);
                    return Ok(());
                }
            }
        }
        self.statistics.sent += 1;
        self.statistics.sent_bytes += packet.len() as u64;
        // Each write is a call of the kernel: what a doorbell is elsewhere.
        self.statistics.kicks += 1;
        Ok(())
    }

    fn receive(&mut self) -> Option<RxPacket> {
        let packet = match self.early.take() {
            Some(packet) => packet,
            None => self.read()?,
        };
        self.statistics.received += 1;
        self.statistics.received_bytes += packet.len() as u64;
        Some(packet)
    }

    fn flush(&mut self) {}

    fn set_interrupts(&mut self, interrupts: Interrupts) -> Pending {
        if interrupts == Interrupts::Armed && self.early.is_none() {
            self.early = self.read();
        }
        match interrupts {
            Interrupts::Armed if self.early.is_some() => Pending::Work,
            Interrupts::Armed | Interrupts::Masked => Pending::Nothing,
        }
    }

    fn statistics(&self) -> NicStatistics {
        self.statistics
    }
}

impl AsRawFd for Tap {
    fn as_raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

/// The calls that only `ioctl` makes (Linux, Documentation/networking/tuntap.rst).
mod control {
    use super::{AsRawFd, Features, File, HEADER_LEN, io};

    /// Makes `file` the other end of interface `name`: whole Ethernet frames, nothing before them but a virtio header
    /// where one is asked for.
    pub(super) fn attach(file: &File, name: &str, virtio_header: bool) -> io::Result<()> {
        let flags = libc::IFF_TAP | libc::IFF_NO_PI | if virtio_header { libc::IFF_VNET_HDR } else { 0 };
        let mut request = libc::ifreq {
            ifr_name: [0; libc::IFNAMSIZ],
            ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_flags: flags as libc::c_short },
        };
        // `open` checked the length: the last byte stays zero.
        for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
            *to = from as libc::c_char;
        }
        // SAFETY: TUNSETIFF reads and writes one `ifreq`, which lives across the call.
        checked(unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw mut request) })
    }

    /// Uses the virtio header with `num_buffers`, and takes frames of which the rest of `agreed` was left undone.
    pub(super) fn offload(file: &File, agreed: Features) -> io::Result<()> {
        let len = HEADER_LEN as libc::c_int;
        // SAFETY: TUNSETVNETHDRSZ reads one `int`, which lives across the call.
        checked(unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETVNETHDRSZ, &raw const len) })?;
        let flags = [
            (Features::GUEST_CSUM, libc::TUN_F_CSUM),
            (Features::GUEST_TSO4, libc::TUN_F_TSO4),
            (Features::GUEST_TSO6, libc::TUN_F_TSO6),
            (Features::GUEST_ECN, libc::TUN_F_TSO_ECN),
        ];
        let flags = flags.into_iter().filter(|(feature, _)| agreed.contains(*feature));
        let flags = flags.fold(0, |all, (_, flag)| all | libc::c_ulong::from(flag));
        // SAFETY: TUNSETOFFLOAD takes its argument by value.
        checked(unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETOFFLOAD, flags) })
    }

    fn checked(outcome: libc::c_int) -> io::Result<()> {
        if outcome < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

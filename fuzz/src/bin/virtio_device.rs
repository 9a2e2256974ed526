//! The device's side of virtio-net from arbitrary bytes: what it offers, what its registers say, what it completes, and
//! what it writes into its rings, split and packed, over PCI and MMIO, while its driver is used.
//!
//! The status and the sizes of queues are the model's own: a device that says it stopped and goes on cannot be survived.

#![no_main]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use lendwire_drivers::driver::Driver as _;
use lendwire_drivers::model::{
    ConfigModel, ControlManner, MMIO, Memory, ModelRegisters, Offer, VirtioNetModel, feature,
};
use lendwire_drivers::pci::Region;
use lendwire_drivers::platform::{Message, Wiring};
use lendwire_drivers::registers::Registers;
use lendwire_drivers::virtio::{PairSlot, ProbeError, Reception, VirtioNet};
use lendwire_fuzz::device::{self, Input, assert_all_came_back};
use lendwire_nic::{
    Checksum, Chunk, Interrupts, MacAddress, MulticastFilter, Nic, Offloads, Payload, Pool, RxPacket, Segmentation,
    TxPacket, VlanFilter,
};
use libfuzzer_sys::fuzz_target;

type Driver = VirtioNet<Memory, Twisted>;

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let [receive, transmit] = pools();
    let memory = Memory::new();
    // A device that reaches no pool works on copies.
    if input.byte() % 8 != 7 {
        memory.share_pool(receive);
        memory.share_pool(transmit);
    }
    {
        let device = VirtioNetModel::new(&memory, offer(&mut input));
        let lies = Lies::default();
        if let Ok(driver) = probe(&device, &memory, &lies, &mut input) {
            let mut machine = Machine { device, driver, lies, transmit, kept: Vec::new(), is_wide: false };
            while !input.is_empty() {
                machine.step(&mut input);
            }
            machine.finish();
        }
    }
    assert_all_came_back(&memory, [receive, transmit]);
});

fn pools() -> [&'static Pool; 2] {
    device::pools(2048)
}

/// Mostly a length that a buffer has, sometimes any.
fn len(input: &mut Input<'_>) -> u32 {
    match input.byte() {
        byte @ ..200 => u32::from(byte),
        200..240 => u32::from(input.half()),
        240.. => input.word(),
    }
}

fn offer(input: &mut Input<'_>) -> Offer {
    let usual = Offer::default().features;
    // Each bit turns a feature of the usual device; without VERSION_1 and an address there is little to see.
    let features = (usual ^ u64::from_le_bytes(input.bytes())) | feature::VERSION_1 | feature::MAC;
    let sizes = [8, 16, 64, 256, 2, 3, 12, 32_768, 0, 1];
    let kind = input.byte();
    Offer {
        features: if kind & 1 == 0 { features } else { features | feature::CTRL_VQ },
        mtu: if kind & 2 == 0 { 1500 } else { input.half() },
        pairs: u16::from(kind >> 6) + 1,
        claimed_pairs: (kind & 4 != 0).then(|| input.half()),
        rss_table: if kind & 8 == 0 { 128 } else { input.half() },
        queue_size: sizes[usize::from(input.byte()) % sizes.len()],
        notify_offset: (kind & 16 != 0).then(|| input.half()),
        hurries: kind & 32 != 0,
        control: manner(input.byte()),
        ..Offer::default()
    }
}

fn manner(byte: u8) -> ControlManner {
    match byte {
        // It takes the driver's time.
        0xff => ControlManner::Silent,
        0xf0..0xff => ControlManner::Misnumbers,
        0xe0..0xf0 => ControlManner::Garbles,
        0xd0..0xe0 => ControlManner::Refuses,
        0..0xd0 => ControlManner::Obeys,
    }
}

fn probe(device: &VirtioNetModel, memory: &Memory, lies: &Lies, input: &mut Input<'_>) -> Result<Driver, ProbeError> {
    let how = input.byte();
    if how & 0xf0 == 0 {
        lies.add(input.bytes::<8>());
    }
    let [receive, _] = pools();
    let message = |data| Message { address: 0xfee0_0000, data };
    if how & 1 == 0 {
        let registers = Twisted::of(device, MMIO, lies).ok_or(ProbeError::NotMapped)?;
        return VirtioNet::probe_mmio_with(registers, MMIO.len, memory.clone(), receive, Wiring::Line);
    }
    let config = device.config_space();
    if how & 2 != 0 {
        config.poke(u16::from(input.byte()) & 0xfc, u32::from_le_bytes(input.bytes()));
    }
    let messages = [message(1), message(2), message(3)];
    let wiring = if how & 4 == 0 { Wiring::Messages(&messages) } else { Wiring::Line };
    // A configuration space that was changed may lead to other registers than it says, which the model takes amiss: only
    // what is in its place is mapped. The driver asks for common, notify, device, then interrupt status or MSI-X table.
    let last = if how & 4 == 0 { ConfigModel::MSIX_TABLE } else { ConfigModel::REGISTERS + 0x1000 };
    let [common, notify, own] = [0, 0x3000, 0x2000].map(|at| ConfigModel::REGISTERS + at);
    let mut places = [common, notify, own, last].into_iter();
    let (device, lies) = (device.clone(), lies.clone());
    let map = move |region: Region| {
        let is_there = places.next() == Some(region.physical) && region.len <= 0x1000;
        is_there.then(|| Twisted::of(&device, region, &lies)).flatten()
    };
    VirtioNet::probe_with(&config, memory.clone(), map, receive, wiring)
}

/// What registers say instead of the truth, as long as there is any: one byte a read, and no byte below 128 lies.
#[derive(Clone, Default)]
struct Lies(Rc<RefCell<VecDeque<u8>>>);

impl Lies {
    fn add<const N: usize>(&self, bytes: [u8; N]) {
        self.0.borrow_mut().extend(bytes);
    }

    fn next(&self) -> Option<u8> {
        self.0.borrow_mut().pop_front().filter(|byte| *byte >= 128)
    }
}

/// Registers that lie.
struct Twisted {
    honest: ModelRegisters,
    region: Region,
    lies: Lies,
}

impl Twisted {
    fn of(device: &VirtioNetModel, region: Region, lies: &Lies) -> Option<Self> {
        Some(Self { honest: device.registers(region)?, region, lies: lies.clone() })
    }

    fn twist(&self, offset: usize, value: u32) -> u32 {
        // Status, size and reset of a queue.
        let own: &[usize] = if self.region == MMIO { &[0x34, 0x70, 0xc0] } else { &[20, 24, 58] };
        let is_own = own.contains(&offset) && (self.region == MMIO || self.region.physical == ConfigModel::REGISTERS);
        if is_own {
            return value;
        }
        match self.lies.next() {
            Some(0xff) => u32::MAX,
            Some(byte) => value ^ u32::from(byte & 0x7f) * 0x0101_0101,
            None => value,
        }
    }
}

impl Registers for Twisted {
    fn read8(&self, offset: usize) -> u8 {
        self.twist(offset, u32::from(self.honest.read8(offset))) as u8
    }

    fn read16(&self, offset: usize) -> u16 {
        self.twist(offset, u32::from(self.honest.read16(offset))) as u16
    }

    fn read32(&self, offset: usize) -> u32 {
        self.twist(offset, self.honest.read32(offset))
    }

    fn write8(&self, offset: usize, value: u8) {
        self.honest.write8(offset, value);
    }

    fn write16(&self, offset: usize, value: u16) {
        self.honest.write16(offset, value);
    }

    fn write32(&self, offset: usize, value: u32) {
        self.honest.write32(offset, value);
    }
}

/// A driver in use, and its device.
struct Machine {
    device: VirtioNetModel,
    driver: Driver,
    lies: Lies,
    transmit: &'static Pool,
    /// Received packets that are held on to.
    kept: Vec<RxPacket>,
    /// Further pairs were asked for.
    is_wide: bool,
}

impl Machine {
    fn step(&mut self, input: &mut Input<'_>) {
        let step = input.byte();
        match step % 32 {
            0..8 => self.transmit(input),
            8..11 => self.driver.flush(),
            11..13 => self.receive(step),
            13 => self.arm(step),
            14 => self.tell(input),
            15 => drop(self.driver.on_configuration_change()),
            16 => drop(self.driver.acknowledge()),
            17 => self.widen(input),
            18 => drop(self.driver.restart()),
            19 => self.lies.add(input.bytes::<4>()),
            20 => self.event(input),
            queue_step => self.on_queue(queue_step, input),
        }
    }

    fn transmit(&mut self, input: &mut Input<'_>) {
        let shape = input.byte();
        let mut payload: Vec<Chunk> = Vec::new();
        for _ in 0..shape % 8 {
            let Some(slot) = self.transmit.take() else { break };
            payload.push(slot.freeze(usize::from(input.byte()).max(1)));
        }
        let mut packet = TxPacket::new(Payload::of(&payload));
        packet.push(40);
        packet.push(14);
        packet.flow = u32::from(shape >> 4);
        if shape & 8 != 0 {
            packet.offload.checksum = Checksum::Fill { start: 34, offset: u16::from(input.byte()) };
            let kind = input.byte();
            packet.offload.segmentation =
                (kind & 4 != 0).then_some(Segmentation { size: 100, ipv6: kind & 1 != 0, ecn: kind & 2 != 0 });
        }
        let _ = self.driver.transmit(&packet);
    }

    fn receive(&mut self, step: u8) {
        let Some(packet) = self.driver.receive() else { return };
        let sum: u64 = packet.chunks().iter().flat_map(|chunk| chunk.iter()).map(|byte| u64::from(*byte)).sum();
        std::hint::black_box(sum);
        if step & 64 != 0 && self.kept.len() < 8 {
            self.kept.push(packet);
        } else {
            self.kept.clear();
        }
    }

    fn arm(&mut self, step: u8) {
        let interrupts = if step & 64 == 0 { Interrupts::Armed } else { Interrupts::Masked };
        let _ = self.driver.set_interrupts(interrupts);
    }

    /// What the kernel and the stack ask for.
    fn tell(&mut self, input: &mut Input<'_>) {
        let groups = [MacAddress([1, 0, 0, 0, 0, 1]); 70];
        let what = input.byte();
        match what % 8 {
            0 => self.driver.set_multicast(MulticastFilter::All),
            1 => self.driver.set_multicast(MulticastFilter::Only(&groups[..usize::from(what >> 3)])),
            2 => self.driver.set_vlans(VlanFilter::Only(&[input.half(), input.half()])),
            3 => drop(self.driver.set_reception(Reception::Everything)),
            4 => drop(self.driver.set_reception(Reception::Own)),
            5 => drop(self.driver.set_address(MacAddress(input.bytes()))),
            6 => drop(self.driver.set_receive_offloads(Offloads::from_bits_truncate(input.half()))),
            _ => self.driver.set_vlans(VlanFilter::Only(&[])),
        }
    }

    fn widen(&mut self, input: &mut Input<'_>) {
        if !std::mem::replace(&mut self.is_wide, true) {
            let slots: Box<[PairSlot]> = (0..input.byte() % 4).map(|_| PairSlot::EMPTY).collect();
            let _ = self.driver.widen(slots, [7; 40]);
        }
    }

    /// What happens to the device.
    fn event(&mut self, input: &mut Input<'_>) {
        let event = input.byte();
        match event % 8 {
            0 => self.device.need_reset(),
            1 => self.device.set_link(event & 8 == 0),
            2 => self.device.ask_for_announcement(),
            3 => self.device.interrupt_for_config(),
            4 => self.device.change(|offer| offer.features ^= 1 << (event >> 3) | 1 << 34),
            5 => self.device.change(|offer| offer.control = manner(event)),
            6 => self.device.change(|offer| offer.hurries = event & 8 != 0),
            _ => self.device.change(|offer| offer.mtu = u16::from(event) * 8),
        }
    }

    /// What the device does with a queue.
    fn on_queue(&mut self, step: u8, input: &mut Input<'_>) {
        let queue = usize::from(input.byte()) % self.device.queues();
        // The pair that it belongs to; the control queue belongs to none.
        let first = if queue | 1 < self.device.queues() { queue & !1 } else { 0 };
        match step {
            21..24 => {
                let (header, len) = (input.bytes(), len(input) as usize % 3000);
                self.device.deliver_on(first, header, input.bytes(), &vec![step; len]);
            }
            24 | 25 => {
                let Some(chain) = self.device.take(queue) else { return };
                self.device.fill(&chain, &input.bytes::<20>());
                self.device.complete(queue, u32::from(chain.head), len(input));
                self.device.publish(queue);
            }
            26 => {
                self.device.complete(queue, len(input), len(input));
                self.device.publish(queue);
            }
            27 => self.device.publish_ahead(queue, input.half()),
            28 => {
                let (area, offset) = (usize::from(input.byte()) % 3, u64::from(input.half()) % 4096);
                self.device.scribble(queue, area, offset, &input.bytes::<8>());
            }
            29 => {
                let Some(chain) = self.device.take(queue) else { return };
                self.device.scribble_tables(queue, &chain, input.byte());
                self.device.complete(queue, u32::from(chain.head), len(input));
                self.device.publish(queue);
            }
            _ => drop(self.device.send_all_on(first + 1)),
        }
    }

    /// Stops the device.
    fn finish(mut self) {
        self.driver.quiesce().expect("the model stops when it is told to");
    }
}

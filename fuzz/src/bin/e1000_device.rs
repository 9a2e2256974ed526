//! The device's side of the e1000 family from arbitrary bytes: what its registers say, what it claims of descriptors, and
//! what it writes over them, while its driver is used.
//!
//! CTRL, RCTL and TCTL are the model's own: a device that says it stopped and goes on cannot be survived. What the driver
//! must not do ends the run in the model.

#![no_main]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use lendwire_drivers::driver::Driver as _;
use lendwire_drivers::e1000::{E1000, FrameCheck, ProbeError, Settings};
use lendwire_drivers::model::e1000::{
    Claim, E1000Model, E1000Registers, Eeprom, Kind, Offer, Reset, Transmits, register,
};
use lendwire_drivers::model::{ConfigModel, Memory};
use lendwire_drivers::pci::Region;
use lendwire_drivers::platform::{Message, Wiring};
use lendwire_drivers::registers::Registers;
use lendwire_fuzz::device::{self, Input, assert_all_came_back};
use lendwire_nic::{
    Checksum, Chunk, Interrupts, MacAddress, MulticastFilter, Nic, Offloads, Payload, Pool, RxPacket, Segmentation,
    TxPacket, VlanFilter,
};
use libfuzzer_sys::fuzz_target;

type Driver = E1000<Memory, Twisted>;

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let [receive, transmit] = pools();
    let memory = Memory::new();
    memory.share_pool(receive);
    memory.share_pool(transmit);
    {
        let device = E1000Model::new(&memory, offer(&mut input));
        let lies = Lies::default();
        if let Ok(driver) = probe(&device, &memory, &lies, &mut input) {
            let mut machine = Machine { device, driver, lies, transmit, kept: Vec::new(), is_tampered: false };
            while !input.is_empty() {
                machine.step(&mut input);
            }
            machine.finish();
        }
    }
    assert_all_came_back(&memory, [receive, transmit]);
});

fn pools() -> [&'static Pool; 2] {
    device::pools(512)
}

/// Mostly a length that a buffer has, sometimes any.
fn len(input: &mut Input<'_>) -> u16 {
    match input.byte() {
        byte @ ..200 => 4 * u16::from(byte),
        200.. => input.half(),
    }
}

const ADDRESS: [u8; 6] = [2, 0, 0, 0, 0, 1];

fn offer(input: &mut Input<'_>) -> Offer {
    let shape = input.byte();
    Offer {
        address: ADDRESS,
        reset: if shape & 4 == 0 { Reset::AddressOnly } else { Reset::Whole },
        transmits: if shape & 8 == 0 { Transmits::AtOnce } else { Transmits::WhenAsked },
        has_valid_address: shape & 0x30 != 0x30,
        eeprom: if shape & 0xc0 == 0xc0 { Eeprom::Silent } else { Eeprom::Answers },
        ..Offer::honest(Kind::ALL[usize::from(shape & 3)])
    }
}

fn settings(input: &mut Input<'_>) -> Settings {
    let shape = input.byte();
    Settings {
        mtu: [1500, 6000, 9000, 100][usize::from(shape & 3)],
        offloads: if shape & 4 == 0 { Offloads::all() } else { Offloads::from_bits_truncate(input.half()) },
        frame_check: if shape & 8 == 0 { FrameCheck::ByDevice } else { FrameCheck::ByDriver },
        ..Settings::default()
    }
}

fn probe(device: &E1000Model, memory: &Memory, lies: &Lies, input: &mut Input<'_>) -> Result<Driver, ProbeError> {
    let [receive, _] = pools();
    let settings = settings(input);
    let how = input.byte();
    if how & 0x70 == 0 {
        lies.add(input.bytes::<8>());
    }
    if how & 0x07 == 7 {
        device.unplug_after(input.half().into());
    }
    let config = device.config_space();
    if how & 8 != 0 {
        config.poke(u16::from(input.byte()) & 0xfc, input.word());
    }
    let message = |data| Message { address: 0xfee0_0000, data };
    let messages = [message(1), message(2), message(3)];
    let wiring = match how & 3 {
        0 => Wiring::Messages(&messages),
        1 => Wiring::Line,
        _ => Wiring::Polled,
    };
    let (device, lies) = (device.clone(), lies.clone());
    let mut mapped = 0;
    let map = move |region: Region| {
        mapped += 1;
        // What configuration space was changed to may lie where there is nothing.
        let is_device = region.physical == ConfigModel::E1000_REGISTERS && mapped == 1;
        let is_table = region.physical == ConfigModel::MSIX_TABLE && region.len <= 0x50 && mapped == 2;
        let honest = device.registers(region).filter(|_| is_device || is_table)?;
        Some(Twisted { honest, is_device, lies: lies.clone() })
    };
    E1000::probe_with(&config, memory.clone(), map, receive, wiring, settings)
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
    honest: E1000Registers,
    is_device: bool,
    lies: Lies,
}

impl Registers for Twisted {
    fn read8(&self, offset: usize) -> u8 {
        self.honest.read8(offset)
    }

    fn read16(&self, offset: usize) -> u16 {
        self.honest.read16(offset)
    }

    fn read32(&self, offset: usize) -> u32 {
        let value = self.honest.read32(offset);
        let is_own = [register::CTRL, register::RCTL, register::TCTL].contains(&(offset as u32));
        if is_own || !self.is_device {
            return value;
        }
        match self.lies.next() {
            Some(0xff) => u32::MAX,
            Some(byte) => value ^ (u32::from(byte & 0x7f) * 0x0101_0101),
            None => value,
        }
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
    device: E1000Model,
    driver: Driver,
    lies: Lies,
    transmit: &'static Pool,
    /// Received packets that are held on to.
    kept: Vec<RxPacket>,
    /// Whether the device has touched what was not its turn: it takes no honest step any more.
    is_tampered: bool,
}

impl Machine {
    fn step(&mut self, input: &mut Input<'_>) {
        let step = input.byte();
        match step % 32 {
            0..6 => self.transmit(input),
            6..10 => self.driver.flush(),
            10..13 => self.receive(step),
            13 => self.arm(step),
            14 => self.tell(input),
            15 => drop(self.driver.on_configuration_change()),
            16 => drop(self.driver.acknowledge()),
            17 => drop(self.driver.hardware_statistics()),
            18 => self.lies.add(input.bytes::<4>()),
            19 => self.event(input),
            // A device that was not started, or only half, reaches for nothing.
            _ if self.device.register(register::RCTL) & 2 == 0 => {}
            device_step => self.on_device(device_step, input),
        }
    }

    fn transmit(&mut self, input: &mut Input<'_>) {
        let shape = input.byte();
        let mut payload: Vec<Chunk> = Vec::new();
        for _ in 0..shape % 8 {
            let Some(slot) = self.transmit.take() else { break };
            payload.push(slot.freeze(usize::from(input.byte()).max(1)));
        }
        let len: usize = payload.iter().map(Chunk::len).sum();
        let mut packet = TxPacket::new(Payload::of(&payload));
        let ipv6 = shape & 16 != 0;
        packet.push(20)[12] = 5 << 4;
        packet.offload.checksum = Checksum::Fill { start: 0, offset: 16 };
        if ipv6 {
            let ip = packet.push(40);
            (ip[0], ip[6]) = (0x60, 6);
        } else {
            let ip = packet.push(20);
            (ip[0], ip[9]) = (0x45, 6);
            ip[2..4].copy_from_slice(&(40 + len as u16).to_be_bytes());
        }
        packet.push(14)[0] = 2;
        if shape & 8 != 0 {
            let size = input.byte();
            packet.offload.segmentation = Some(Segmentation { size: size.into(), ipv6, ecn: false });
        }
        match shape >> 5 {
            0 => packet.offload.checksum = Checksum::Done,
            1 => packet.offload.checksum = Checksum::Fill { start: input.byte().into(), offset: input.byte().into() },
            2 => packet.offload.vlan = Some(input.half()),
            _ => {}
        }
        let _ = self.driver.transmit(&packet);
    }

    fn receive(&mut self, step: u8) {
        let Some(packet) = self.driver.receive() else { return };
        assert!(packet.chunks().iter().all(|chunk| !chunk.is_empty() && chunk.len() <= 512), "chunks lie in slots");
        // Whole buffers, and at least the longest frame.
        assert!(packet.len() <= usize::from(self.driver.info().mtu) + 22 + 512, "a frame is no longer than asked for");
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

    /// What the stack asks for.
    fn tell(&mut self, input: &mut Input<'_>) {
        let groups: Vec<MacAddress> = (0..32).map(|group| MacAddress([1, 0, 0, 0, group, 1])).collect();
        let what = input.byte();
        match what % 4 {
            0 => self.driver.set_multicast(MulticastFilter::All),
            1 => self.driver.set_multicast(MulticastFilter::Only(&groups[..usize::from(what >> 3)])),
            2 => self.driver.set_vlans(VlanFilter::All),
            _ => self.driver.set_vlans(VlanFilter::Only(&[input.half(), input.half()])),
        }
    }

    /// What happens to the device.
    fn event(&mut self, input: &mut Input<'_>) {
        let event = input.byte();
        match event % 8 {
            0 => self.device.unplug_after(u64::from(event >> 3)),
            1..4 => self.device.set_cable(event & 8 == 0),
            _ => self.device.raise(input.word()),
        }
    }

    /// What the device does with its rings.
    fn on_device(&mut self, step: u8, input: &mut Input<'_>) {
        let index = u32::from(input.half());
        match step {
            20..23 if !self.is_tampered => {
                let len = usize::from(len(input));
                let frame = [&ADDRESS[..], &[step; 6], &input.bytes::<4>(), &vec![index as u8; len]].concat();
                self.device.deliver(&frame);
            }
            23 if !self.is_tampered => self.device.transmit(index),
            20..27 => drop(self.device.claim(claim(input))),
            27 | 28 => {
                self.is_tampered = true;
                self.device.claim_at(index, claim(input));
            }
            29 => {
                self.is_tampered = true;
                self.device.claim_sent(index);
            }
            30 => {
                self.is_tampered = true;
                self.device.overwrite_receive(index, input.bytes());
            }
            _ => {
                self.is_tampered = true;
                self.device.overwrite_transmit(index, input.bytes());
            }
        }
        self.device.sent();
        self.device.messages();
    }

    /// Stops the device, which answers again whatever happened to it.
    fn finish(self) {
        let Self { device, mut driver, lies, kept, .. } = self;
        lies.0.borrow_mut().clear();
        device.plug_in();
        driver.quiesce().expect("the model stops when it is told to");
        drop((driver, kept));
    }
}

/// Mostly a whole frame or a part of one, sometimes anything.
fn claim(input: &mut Input<'_>) -> Claim {
    let shape = input.byte();
    let status = match shape % 4 {
        0 | 1 => 0b11,
        2 => 1,
        _ => input.word(),
    };
    let hash = (shape & 4 != 0).then(|| (input.word(), input.word()));
    Claim { len: len(input), status, vlan: input.half(), hash }
}

//! The card that the first driver is for, in software: what its designer would have put into hardware.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use lendwire_drivers::model::Memory;
use lendwire_drivers::registers::Registers;

use crate::driver::{DONE, ENTRIES, ENTRY, LAST, register};

/// The card. Clones are the same card.
#[derive(Clone)]
pub(crate) struct Card {
    memory: Memory,
    state: Rc<RefCell<State>>,
}

struct State {
    registers: [u8; 0x28],
    done: [u32; 2],
    /// Frames on the wire toward this card, and toward its neighbour.
    wires: [Rc<RefCell<VecDeque<Vec<u8>>>>; 2],
    /// What it says instead of a received frame's length.
    lie: Option<u32>,
}

const RECEIVE: usize = 0;
const TRANSMIT: usize = 1;

impl Card {
    /// Two cards with a wire between them, each in a machine with memory of its own.
    pub(crate) fn pair(memories: [&Memory; 2]) -> [Self; 2] {
        let wires: [Rc<RefCell<VecDeque<Vec<u8>>>>; 2] = Default::default();
        [0, 1].map(|side| {
            let mut registers = [0; 0x28];
            registers[..6].copy_from_slice(&[2, 0, 0, 0, 0, side as u8 + 1]);
            let wires = [wires[side].clone(), wires[1 - side].clone()];
            let state = State { registers, done: [0; 2], wires, lie: None };
            Self { memory: memories[side].clone(), state: Rc::new(RefCell::new(state)) }
        })
    }

    /// Makes it say that every received frame has `len` bytes.
    pub(crate) fn lie_about_lengths(&self, len: u32) {
        self.state.borrow_mut().lie = Some(len);
    }

    /// Does what there is to do on both rings.
    pub(crate) fn run(&self) {
        let mut state = self.state.borrow_mut();
        if state.word(register::RUN) == 0 {
            return;
        }
        let mut frame = Vec::new();
        while state.done[TRANSMIT] != state.word(register::GIVEN[TRANSMIT]) {
            let (at, bus, len) = state.next(TRANSMIT, &self.memory);
            frame.extend(self.memory.read(bus, len));
            let flags = self.memory.read16(at + 12);
            self.memory.write16(at + 12, flags | DONE);
            if flags & LAST != 0 {
                state.wires[TRANSMIT].borrow_mut().push_back(std::mem::take(&mut frame));
            }
        }
        while state.done[RECEIVE] != state.word(register::GIVEN[RECEIVE]) {
            let Some(frame) = state.wires[RECEIVE].borrow_mut().pop_front() else { break };
            let (at, bus, len) = state.next(RECEIVE, &self.memory);
            assert!(frame.len() <= len, "a frame fits a slot");
            self.memory.write(bus, &frame);
            self.memory.write(at + 8, &state.lie.unwrap_or(frame.len() as u32).to_le_bytes());
            self.memory.write16(at + 12, DONE | LAST);
        }
    }
}

impl State {
    fn word(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.registers[at..at + 4].try_into().expect("four bytes"))
    }

    /// Steps to the next descriptor of `ring`: where it lies, and its buffer.
    fn next(&mut self, ring: usize, memory: &Memory) -> (u64, u64, usize) {
        let base = u64::from(self.word(register::RING[ring])) | u64::from(self.word(register::RING[ring] + 4)) << 32;
        let at = base + u64::from(self.done[ring]) % ENTRIES as u64 * ENTRY as u64;
        self.done[ring] += 1;
        let entry = memory.read(at, 12);
        let (bus, len) = entry.split_at(8);
        let bus = u64::from_le_bytes(bus.try_into().expect("eight bytes"));
        (at, bus, u32::from_le_bytes(len.try_into().expect("four bytes")) as usize)
    }
}

impl Registers for Card {
    fn read8(&self, offset: usize) -> u8 {
        self.state.borrow().registers[offset]
    }

    fn read16(&self, offset: usize) -> u16 {
        u16::from_le_bytes([self.read8(offset), self.read8(offset + 1)])
    }

    fn read32(&self, offset: usize) -> u32 {
        self.state.borrow().word(offset)
    }

    fn write8(&self, offset: usize, value: u8) {
        self.state.borrow_mut().registers[offset] = value;
    }

    fn write16(&self, offset: usize, value: u16) {
        value.to_le_bytes().into_iter().enumerate().for_each(|(byte, value)| self.write8(offset + byte, value));
    }

    fn write32(&self, offset: usize, value: u32) {
        value.to_le_bytes().into_iter().enumerate().for_each(|(byte, value)| self.write8(offset + byte, value));
    }
}

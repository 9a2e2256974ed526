//! The register file as memory-mapped I/O, version 2 (virtio 1.2 §4.2.2).

use super::registers::config;
use super::state::State;

/// Physical address of the registers.
pub(super) const REGISTERS: u64 = 0xfeb0_0e00;
/// Bytes of them.
pub(super) const LEN: usize = 0x200;

/// Device configuration begins here.
const CONFIG: u64 = 0x100;

pub(super) fn read(state: &mut State, at: u64, width: usize) -> u32 {
    if let Some(at) = at.checked_sub(CONFIG) {
        return config(state, at, width);
    }
    // §4.2.2.2: control registers are read 32 bits at a time.
    assert_eq!(width, 4, "the driver reads {width} bytes at {at:#x}");
    match at {
        0x000 => 0x7472_6976,
        0x004 => 2,
        0x008 => 1,
        0x00c => 0x554d_4551,
        0x010 => state.offered(),
        0x034 => state.queue().map_or(0, |queue| u32::from(queue.size)),
        0x044 => u32::from(state.queue().is_some_and(|queue| queue.is_enabled)),
        0x060 => u32::from(state.interrupt_status),
        0x070 => u32::from(state.status),
        0x0b0..0x0c0 => u32::MAX,
        0x0c0 => state.is_resetting(),
        0x0fc => state.generation(),
        _ => panic!("the driver reads the register at {at:#x}"),
    }
}

pub(super) fn write(state: &mut State, at: u64, width: usize, value: u32) {
    assert_eq!(width, 4, "the driver writes {width} bytes at {at:#x}");
    match at {
        0x014 => state.feature_select[0] = value,
        0x020 => state.accept(value),
        0x024 => state.feature_select[1] = value,
        0x030 => state.queue_select = value as u16,
        0x038 => state.set_size(value),
        0x044 => state.enable(value),
        0x050 => state.notify(value as usize),
        0x064 => state.interrupt_status &= !(value as u8),
        0x070 => state.write_status(value as u8),
        0x080 | 0x084 | 0x090 | 0x094 | 0x0a0 | 0x0a4 => {
            let shift = if at & 4 == 0 { 0 } else { 32 };
            state.set_address((at as usize - 0x080) / 0x10, shift, value);
        }
        0x0c0 if value == 1 => state.reset_queue(),
        _ => panic!("the driver writes the register at {at:#x}"),
    }
}

//! Devices that no bus leads to: a PC says nothing of them; microvm's are on the command line.

use lendwire_unikernel::command_line::MmioDevice;

/// None.
pub(crate) fn devices() -> impl Iterator<Item = MmioDevice> {
    core::iter::empty()
}

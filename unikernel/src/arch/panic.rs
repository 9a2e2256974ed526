//! What a panic says before it ends the machine.

use core::panic::PanicInfo;

use super::{exit, serial};

#[panic_handler]
fn on_panic(panic: &PanicInfo<'_>) -> ! {
    match panic.location() {
        Some(place) => serial::line(format_args!("panic: {} ({place})", panic.message())),
        None => serial::line(format_args!("panic: {}", panic.message())),
    }
    exit::fail()
}

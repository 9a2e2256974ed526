//! `/stats`: the counters as JSON (RFC 8259).

use core::fmt::{self, Write};

use crate::counters::{Counters, PoolUse};
use crate::fixed_text::FixedText;

/// The JSON text, in `room`; `None` when it does not fit.
pub(super) fn render<'b>(counters: &Counters<'_>, room: &'b mut [u8]) -> Option<&'b [u8]> {
    let mut text = FixedText::new(room);
    write_object(&mut text, counters).ok()?;
    text.finish()
}

fn write_object(text: &mut FixedText<'_>, counters: &Counters<'_>) -> fmt::Result {
    // Destructured so that a new counter cannot be forgotten here.
    let Counters {
        uptime_micros,
        frames_received,
        frames_sent,
        drops,
        payload_copied,
        payload_summed,
        payload_verified,
        connections,
        segments_received,
        segments_sent,
        retransmissions,
        timeouts,
        resets,
        kicks,
        interrupts,
        allocations_after_start,
        receive_pool,
        transmit_pool,
    } = counters;
    for (name, value) in [
        ("{\n  \"uptime_us\"", uptime_micros),
        ("  \"frames_received\"", frames_received),
        ("  \"frames_sent\"", frames_sent),
        ("  \"payload_bytes_copied\"", payload_copied),
        ("  \"payload_bytes_summed\"", payload_summed),
        ("  \"payload_bytes_verified\"", payload_verified),
        ("  \"connections\"", connections),
        ("  \"segments_received\"", segments_received),
        ("  \"segments_sent\"", segments_sent),
        ("  \"retransmissions\"", retransmissions),
        ("  \"timeouts\"", timeouts),
        ("  \"resets\"", resets),
        ("  \"kicks\"", kicks),
        ("  \"interrupts\"", interrupts),
        ("  \"allocations_after_start\"", allocations_after_start),
    ] {
        writeln!(text, "{name}: {value},")?;
    }
    write!(text, "  \"pools\": {{\"receive\": ")?;
    write_pool(text, receive_pool)?;
    write!(text, ", \"transmit\": ")?;
    write_pool(text, transmit_pool)?;
    write!(text, "}},\n  \"drops\": {{")?;
    for (index, (reason, count)) in drops.iter().enumerate() {
        write!(text, "{}\n    \"", if index == 0 { "" } else { "," })?;
        write_escaped(text, reason)?;
        write!(text, "\": {count}")?;
    }
    writeln!(text, "{}}}\n}}", if drops.is_empty() { "" } else { "\n  " })
}

fn write_pool(text: &mut FixedText<'_>, pool: &PoolUse) -> fmt::Result {
    let PoolUse { slots, in_use } = pool;
    write!(text, "{{\"slots\": {slots}, \"in_use\": {in_use}}}")
}

/// RFC 8259 §7.
fn write_escaped(text: &mut FixedText<'_>, string: &str) -> fmt::Result {
    for character in string.chars() {
        match character {
            '"' | '\\' => write!(text, "\\{character}")?,
            '\0'..='\x1f' => write!(text, "\\u{:04x}", u32::from(character))?,
            _ => text.write_char(character)?,
        }
    }
    Ok(())
}

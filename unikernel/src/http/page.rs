//! `/`: a page for people, with the counters as they are at this moment.

use core::fmt::{self, Write};

use crate::counters::Counters;
use crate::fixed_text::FixedText;

/// The HTML text, in `room`; `None` when it does not fit.
pub(super) fn render<'b>(counters: &Counters<'_>, room: &'b mut [u8]) -> Option<&'b [u8]> {
    let mut text = FixedText::new(room);
    write_page(&mut text, counters).ok()?;
    text.finish()
}

const START: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Lendwire</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 42em; margin: 2em auto; padding: 0 1em }
td { padding: 0 1em 0 0 } td + td { text-align: right; font-variant-numeric: tabular-nums }
</style>
<h1>Lendwire</h1>
<p>This page comes from a unikernel: one program on a bare x86_64 machine, with no operating system under it. Its TCP/IP
stack lends buffers to the network card instead of copying them.
<p><a href="/1k">/1k</a> and <a href="/1m">/1m</a> are 1024 and 1048576 bytes of static content, sent without a copy;
<a href="/stats">/stats</a> has the figures below as JSON. TCP port 5001 takes bytes, 5002 gives bytes, 5003 and 7 echo, 5004 says the CRC-32 of what it took.
<h2>Since boot</h2>
<table>
"#;

fn write_page(text: &mut FixedText<'_>, counters: &Counters<'_>) -> fmt::Result {
    text.write_str(START)?;
    for (name, value, unit) in [
        ("Up for", counters.uptime_micros / 1000, " ms"),
        ("Frames received", counters.frames_received, ""),
        ("Frames sent", counters.frames_sent, ""),
        ("Payload copied", counters.payload_copied, " bytes"),
        ("Payload summed", counters.payload_summed, " bytes"),
        ("Connections", counters.connections, ""),
        ("Segments received", counters.segments_received, ""),
        ("Segments sent", counters.segments_sent, ""),
        ("Retransmissions", counters.retransmissions, ""),
        ("Kicks of the device", counters.kicks, ""),
        ("Interrupts from the device", counters.interrupts, ""),
        ("Heap allocations since the start", counters.allocations_after_start, ""),
        ("Receive slots in use", counters.receive_pool.in_use, ""),
        ("Receive slots", counters.receive_pool.slots, ""),
        ("Transmit slots in use", counters.transmit_pool.in_use, ""),
        ("Transmit slots", counters.transmit_pool.slots, ""),
    ] {
        writeln!(text, "<tr><td>{name}<td>{value}{unit}")?;
    }
    // A reason that never occurred is of no interest to a person.
    for (reason, count) in counters.drops.iter().filter(|(_, count)| *count > 0) {
        text.write_str("<tr><td>Dropped: ")?;
        write_escaped(text, reason)?;
        writeln!(text, "<td>{count}")?;
    }
    text.write_str("</table>\n</html>\n")
}

fn write_escaped(text: &mut FixedText<'_>, string: &str) -> fmt::Result {
    for character in string.chars() {
        match character {
            '<' => text.write_str("&lt;")?,
            '&' => text.write_str("&amp;")?,
            _ => text.write_char(character)?,
        }
    }
    Ok(())
}

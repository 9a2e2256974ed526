//! Which of the loader's memory becomes the heap: all RAM between the image and 4 GiB.

use super::start_info::HandedOver;
use crate::arch::memory;

/// The identity map of `boot.s` ends here.
const MAPPED_END: u64 = 1 << 32;

/// Gives the heap all usable RAM that neither the image nor the firmware holds; the bytes it got.
pub(super) fn claim(handed_over: &HandedOver) -> usize {
    let mut claimed = 0;
    for region in handed_over.regions() {
        // The image starts where low memory ends, with the firmware's tables in it, so one bound skips both.
        let start = region.start.max(memory::image_end());
        let end = region.start.saturating_add(region.len).min(MAPPED_END);
        if start >= end {
            continue;
        }
        // SAFETY: the loader calls it usable RAM, it is identity-mapped, and nothing uses it yet: it is above the
        // image, and what the loader handed over was copied.
        claimed += unsafe { memory::claim(start..end) };
    }
    claimed
}

//! Segments, and the stack that processor exceptions run on.

use ::x86_64::VirtAddr;
use ::x86_64::instructions::segmentation::{CS, Segment};
use ::x86_64::instructions::tables::load_tss;
use ::x86_64::structures::gdt::{Descriptor, GlobalDescriptorTable};
use ::x86_64::structures::tss::TaskStateSegment;
use spin::Once;

/// The code segment that `boot.s` and this table share.
pub(super) const CODE_SELECTOR: u16 = 8;
/// The interrupt stack that exceptions switch to, as a gate names it: one more than its place in the TSS.
pub(super) const FAULT_STACK: u8 = 1;

static TASK_STATE: Once<TaskStateSegment> = Once::new();
static SEGMENTS: Once<GlobalDescriptorTable> = Once::new();

unsafe extern "C" {
    /// The end of the stack for exceptions (`image.ld`).
    static __fault_stack_top: u8;
}

/// Loads a table with the code segment and a task state whose first interrupt stack is the fault stack, so that even
/// an overflow of the main stack gets to say what it was.
pub(super) fn load() {
    let task_state = TASK_STATE.call_once(|| {
        let mut task_state = TaskStateSegment::new();
        let top = (&raw const __fault_stack_top).addr() as u64;
        task_state.interrupt_stack_table[usize::from(FAULT_STACK) - 1] = VirtAddr::new(top);
        task_state
    });
    let mut task_selector = None;
    let segments = SEGMENTS.call_once(|| {
        let mut segments = GlobalDescriptorTable::new();
        let code = segments.append(Descriptor::kernel_code_segment());
        assert!(code.0 == CODE_SELECTOR, "the first descriptor follows the null one");
        task_selector = Some(segments.append(Descriptor::tss_segment(task_state)));
        segments
    });
    segments.load();
    let code = ::x86_64::structures::gdt::SegmentSelector(CODE_SELECTOR);
    // SAFETY: the table just loaded holds a 64-bit code segment there.
    unsafe { CS::set_reg(code) };
    let task_selector = task_selector.expect("start-up loads the segments once");
    // SAFETY: the selector names the task state, which is `'static` and not loaded yet.
    unsafe { load_tss(task_selector) };
}

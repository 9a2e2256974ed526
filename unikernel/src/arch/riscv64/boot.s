# From the firmware's jump (supervisor mode, no translation, no stack) to Rust.
#
# At entry: a0 is this hart's number, a1 the device tree's address, interrupts are off ("RISC-V boot requirements and
# constraints", Linux documentation). The loader has cleared .bss, as the ELF specification asks of p_memsz.

.section .boot.text, "ax"
.global image_entry
image_entry:
    rdtime a2                       # time counts from here
    csrw sie, zero
    csrci sstatus, 2                # SIE: interrupts stay masked
    csrw satp, zero
    li t0, 1 << 13                  # FS: floating-point registers do not trap
    csrs sstatus, t0
    la t0, exception_entry
    csrw stvec, t0
    la t0, __fault_stack_top        # exceptions run on a stack of their own
    csrw sscratch, t0
    la sp, __stack_top
    li fp, 0
    li ra, 0
    call {start}
    unimp

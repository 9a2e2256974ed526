// From QEMU's jump (EL1, no translation, no stack) to Rust.
//
// QEMU runs an ELF image from its entry with the device tree at the start of RAM (its documentation of "virt", section
// "Hardware configuration information for bare-metal programming"). The loader has cleared .bss, as the ELF
// specification asks of p_memsz.

.section .boot.text, "ax"
.global image_entry
image_entry:
    msr daifset, #15                // interrupts stay masked
    isb
    mrs x19, cntvct_el0             // time counts from here
    mov x0, #(3 << 20)              // CPACR_EL1.FPEN: vector registers do not trap
    msr cpacr_el1, x0
    ldr x0, =exception_vectors
    msr vbar_el1, x0

    mov x0, #0xff04                 // MAIR_EL1: 0 is Device-nGnRE, 1 is Normal, write-back
    msr mair_el1, x0
    // TCR_EL1: 39 bits of address, 4 KiB granule, walks cacheable and inner shareable, nothing in the upper half
    ldr x0, =(25 | 1 << 8 | 1 << 10 | 3 << 12 | 1 << 23)
    mrs x1, id_aa64mmfr0_el1        // IPS: what the processor has, 48 bits at most
    and x1, x1, #15
    mov x2, #5
    cmp x1, x2
    csel x1, x1, x2, lo
    orr x0, x0, x1, lsl #32
    msr tcr_el1, x0
    ldr x0, =boot_regions
    msr ttbr0_el1, x0
    tlbi vmalle1
    dsb nsh
    isb
    // SCTLR_EL1: the bits that read as one, and instruction cache, stack alignment check, data cache, translation
    ldr x0, =(0x30d00800 | 1 << 12 | 1 << 3 | 1 << 2 | 1)
    msr sctlr_el1, x0
    isb

    msr spsel, #1                   // exceptions run on a stack of their own,
    ldr x0, =__fault_stack_top
    mov sp, x0
    msr spsel, #0                   // everything else on SP_EL0
    ldr x0, =__stack_top
    mov sp, x0
    mov x29, xzr
    mov x30, xzr
    mov x0, x19                     // the counter at entry
    bl {start}
    brk #0
.ltorg

// The first 2 GiB mapped to themselves: devices below 1 GiB, memory above. Holes at zero, so that a null pointer faults,
// and below the stack (image.ld), so that an overflow does. Constants, not code: the loader is faster at copying them
// than the guest is at making them.
.section .data.boot, "aw"
.balign 4096
.global boot_regions
boot_regions:
    .quad boot_devices + 3
    .quad boot_memory + 3
    .fill 510, 8, 0
boot_devices:
    .quad 0
    .set physical, 0x200000
    .rept 511
    .quad physical + {device}
    .set physical, physical + 0x200000
    .endr
boot_memory:
    .quad 0x40000000 + {memory}
    .quad 0
    .set physical, 0x40400000
    .rept 510
    .quad physical + {memory}
    .set physical, physical + 0x200000
    .endr

# From the PVH entry (32-bit protected mode, no paging) to Rust in long mode.
#
# At entry: ebx holds the physical address of hvm_start_info; flat 4 GiB segments; interrupts off; no stack
# (Xen's "x86/HVM direct boot ABI"). The loader has cleared .bss, as the ELF specification asks of p_memsz.

.section .note.pvh, "a", @note
.align 4
    .long 4                         # name size
    .long 8                         # descriptor size
    .long 18                        # XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .quad pvh_entry

.section .boot.text, "ax"
.code32
.global pvh_entry
pvh_entry:
    cli
    cld
    rdtsc                           # time counts from here
    movl %eax, %esi
    movl %edx, %edi

    movl $boot_pml4, %eax
    movl %eax, %cr3
    movl %cr4, %eax
    orl $0x20, %eax                 # PAE
    movl %eax, %cr4
    movl $0xc0000080, %ecx          # EFER
    rdmsr
    orl $0x100, %eax                # LME
    wrmsr
    movl $0x80010001, %eax          # PG, WP, PE
    movl %eax, %cr0
    lgdt boot_gdt_pointer
    ljmp $8, $long_mode

.code64
long_mode:
    xorl %eax, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %fs
    movl %eax, %gs
    movl %eax, %ss
    movl $__stack_top, %esp
    xorl %ebp, %ebp
    shlq $32, %rdi                  # second argument: the time-stamp counter at entry
    movl %esi, %esi
    orq %rdi, %rsi
    movl %ebx, %edi                 # first argument: hvm_start_info
    call {start}
    ud2

.section .rodata.boot, "a"
.align 8
boot_gdt:
    .quad 0
    .quad 0x00af9b000000ffff        # 64-bit code
boot_gdt_pointer:
    .word 15
    .long boot_gdt

# The low 4 GiB mapped to themselves: the first 2 MiB by small pages (to leave holes in), the rest by 2 MiB pages.
# Constants, not code: the loader is faster at copying them than the guest is at making them.
.section .data.boot, "aw"
.align 4096
.global boot_pml4
boot_pml4:
    .quad boot_pdpt + 3
    .fill 511, 8, 0
.global boot_pdpt
boot_pdpt:
    .quad boot_directories + 3
    .quad boot_directories + 0x1003
    .quad boot_directories + 0x2003
    .quad boot_directories + 0x3003
    .fill 508, 8, 0
.global boot_directories
boot_directories:
    .quad boot_first_pages + 3
    .set physical, 0x200000
    .rept 2047
    .quad physical + 0x83
    .set physical, physical + 0x200000
    .endr
.global boot_first_pages
boot_first_pages:
    .set physical, 0
    .rept 512
    .quad physical + 3
    .set physical, physical + 0x1000
    .endr

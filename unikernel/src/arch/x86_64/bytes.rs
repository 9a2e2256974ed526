//! Copying and filling memory, for the compiler's own needs: plain 64-bit moves, eight at a time.
//!
//! The compiler's run-time library uses `rep movsq`, which a translating hypervisor executes step by step (some 20 times
//! slower), and whose start costs more than the copy for the few hundred bytes that are moved here.

/// C's `memcpy`.
///
/// # Safety
/// As C's: both runs of `len` bytes are valid, and they do not overlap.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "sysv64" fn memcpy(to: *mut u8, from: *const u8, len: usize) -> *mut u8 {
    core::arch::naked_asm!(
        "mov rax, rdi",
        "cmp rdx, 8",
        "jb 7f",
        "sub rdx, 64",
        "jb 3f",
        "2:",
        "mov rcx, [rsi]",
        "mov r8, [rsi + 8]",
        "mov r9, [rsi + 16]",
        "mov r10, [rsi + 24]",
        "mov [rdi], rcx",
        "mov [rdi + 8], r8",
        "mov [rdi + 16], r9",
        "mov [rdi + 24], r10",
        "mov rcx, [rsi + 32]",
        "mov r8, [rsi + 40]",
        "mov r9, [rsi + 48]",
        "mov r10, [rsi + 56]",
        "mov [rdi + 32], rcx",
        "mov [rdi + 40], r8",
        "mov [rdi + 48], r9",
        "mov [rdi + 56], r10",
        "add rsi, 64",
        "add rdi, 64",
        "sub rdx, 64",
        "jae 2b",
        // Of what is left the low bits of the length still tell: 64 was taken off.
        "3:",
        "test dl, 32",
        "jz 4f",
        "mov rcx, [rsi]",
        "mov r8, [rsi + 8]",
        "mov r9, [rsi + 16]",
        "mov r10, [rsi + 24]",
        "mov [rdi], rcx",
        "mov [rdi + 8], r8",
        "mov [rdi + 16], r9",
        "mov [rdi + 24], r10",
        "add rsi, 32",
        "add rdi, 32",
        "4:",
        "test dl, 16",
        "jz 5f",
        "mov rcx, [rsi]",
        "mov r8, [rsi + 8]",
        "mov [rdi], rcx",
        "mov [rdi + 8], r8",
        "add rsi, 16",
        "add rdi, 16",
        "5:",
        "test dl, 8",
        "jz 6f",
        "mov rcx, [rsi]",
        "mov [rdi], rcx",
        "add rsi, 8",
        "add rdi, 8",
        // The last bytes with some of those before them once more, for there are eight at least.
        "6:",
        "and edx, 7",
        "jz 9f",
        "mov rcx, [rsi + rdx - 8]",
        "mov [rdi + rdx - 8], rcx",
        "ret",
        "7:",
        "cmp edx, 4",
        "jb 8f",
        "mov ecx, [rsi]",
        "mov r8d, [rsi + rdx - 4]",
        "mov [rdi], ecx",
        "mov [rdi + rdx - 4], r8d",
        "ret",
        "8:",
        "test edx, edx",
        "jz 9f",
        "mov cl, [rsi]",
        "mov [rdi], cl",
        "inc rsi",
        "inc rdi",
        "dec edx",
        "jmp 8b",
        "9:",
        "ret",
    )
}

/// C's `memset`.
///
/// # Safety
/// As C's: the run of `len` bytes is valid.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "sysv64" fn memset(to: *mut u8, value: i32, len: usize) -> *mut u8 {
    core::arch::naked_asm!(
        "mov rax, rdi",
        "movzx ecx, sil",
        "mov r8, 0x0101010101010101",
        "imul rcx, r8",
        "sub rdx, 64",
        "jb 3f",
        "2:",
        "mov [rdi], rcx",
        "mov [rdi + 8], rcx",
        "mov [rdi + 16], rcx",
        "mov [rdi + 24], rcx",
        "mov [rdi + 32], rcx",
        "mov [rdi + 40], rcx",
        "mov [rdi + 48], rcx",
        "mov [rdi + 56], rcx",
        "add rdi, 64",
        "sub rdx, 64",
        "jae 2b",
        "3:",
        "add rdx, 56",
        "js 5f",
        "4:",
        "mov [rdi], rcx",
        "add rdi, 8",
        "sub rdx, 8",
        "jns 4b",
        "5:",
        "add rdx, 8",
        "jz 7f",
        "6:",
        "mov [rdi], cl",
        "inc rdi",
        "dec rdx",
        "jnz 6b",
        "7:",
        "ret",
    )
}

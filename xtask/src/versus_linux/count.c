/*
 * A plugin of QEMU's translator that counts the guest's instructions in a file that others read while it runs.
 *
 * Each translated block adds the number of its instructions when it is entered: an addition that the translator puts
 * into the block, without a call. It is not atomic, so the guest must have one processor. An instruction with a `rep`
 * prefix counts once, however often it repeats, and a guest that is halted enters no block.
 *
 * Arguments: counts=PATH, a file of HEADER + 3 * N words of zero, and blocks=N, how many blocks are told apart
 * by their addresses (0: only the sum is kept).
 *
 * The file, in words of 64 bits of this host:
 *     0                   instructions so far
 *     1                   blocks told apart so far
 *     HEADER + 3 * i ...  of block i: its address, its instructions, how often it was entered
 *
 * Debian's QEMU has the entry points and no header, so they are declared here (QEMU 7.2, include/qemu/qemu-plugin.h).
 */
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define HEADER 8
#define WORDS_A_BLOCK 3

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };

typedef struct {
    const char *target_name;
    struct { int min, cur; } version;
    _Bool system_emulation;
    struct { int smp_vcpus, max_vcpus; } system;
} qemu_info_t;

typedef void (*translated)(qemu_plugin_id_t, struct qemu_plugin_tb *);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, translated);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, enum qemu_plugin_op, void *, uint64_t);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *);

EXPORT int qemu_plugin_version = 1;

static uint64_t *words;
static uint64_t blocks;

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    uint64_t instructions = qemu_plugin_tb_n_insns(tb);
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_inline(tb, QEMU_PLUGIN_INLINE_ADD_U64, &words[0], instructions);
    /* One processor, and translation is under QEMU's lock: nobody else takes a place. */
    if (words[1] < blocks) {
        uint64_t *block = words + HEADER + WORDS_A_BLOCK * words[1]++;
        block[0] = qemu_plugin_tb_vaddr(tb);
        block[1] = instructions;
        qemu_plugin_register_vcpu_tb_exec_inline(tb, QEMU_PLUGIN_INLINE_ADD_U64, &block[2], 1);
    }
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
    const char *path = NULL;
    for (int i = 0; i < argc; i++) {
        if (!strncmp(argv[i], "counts=", 7))
            path = argv[i] + 7;
        else if (!strncmp(argv[i], "blocks=", 7))
            blocks = strtoull(argv[i] + 7, NULL, 10);
    }
    if (!path || !info->system_emulation || info->system.max_vcpus != 1) {
        fprintf(stderr, "count: needs counts=PATH, and a machine with one processor\n");
        return -1;
    }
    size_t length = (HEADER + WORDS_A_BLOCK * blocks) * sizeof *words;
    int file = open(path, O_RDWR);
    struct stat status;
    if (file < 0 || fstat(file, &status) || (uint64_t)status.st_size < length) {
        fprintf(stderr, "count: %s is not a file of %zu bytes\n", path, length);
        return -1;
    }
    words = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (words == MAP_FAILED) {
        perror("count: mmap");
        return -1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    return 0;
}

/* One end of a link with lwIP on it, for `benches/lwip.rs`. Each configuration and each end is a copy of lwIP of its own
   (see build.sh), for lwIP keeps its state in globals; all of them have this face. */
#ifndef LENDWIRE_SHIM_H
#define LENDWIRE_SHIM_H

#include <stddef.h>
#include <stdint.h>

typedef void (*look_fn)(void *context, const uint8_t *bytes, size_t len);

struct lwip_end {
    /* Makes the end ready and joins it to the other one: `other` is that one's table. What was there before is gone.
       `acknowledge_at_once`: what was read is acknowledged in the next poll, and not when a timer fires. */
    void (*start)(const struct lwip_end *other, uint8_t side, uint16_t mtu, int acknowledge_at_once);
    /* Takes in what has arrived, runs timers, sends what is due. Returns how many frames moved. */
    uint32_t (*poll)(uint64_t now_us);
    /* Microseconds until a timer. */
    uint64_t (*sleep)(void);
    int (*listen)(uint16_t port);
    /* A connection's number, or -1. */
    int32_t (*accept)(uint16_t port);
    int32_t (*connect)(uint16_t port);
    int (*is_open)(int32_t connection);
    void (*set_nodelay)(int32_t connection);
    size_t (*write)(int32_t connection, const uint8_t *bytes, size_t len, int copy);
    size_t (*read)(int32_t connection, uint8_t *to, size_t len);
    size_t (*take)(int32_t connection, look_fn look, void *context);
    void (*close)(int32_t connection);
    /* Puts a frame in front of the end, as the link would. */
    void (*inject)(const uint8_t *frame, size_t len);
    /* Frames that have left. */
    uint64_t (*sent)(void);
    /* Copies every frame that leaves into `to`, `size` bytes at the most: the length of the last one is in `last`. */
    size_t (*last_sent)(uint8_t *to, size_t size);
    int (*udp_bind)(uint16_t port);
    size_t (*udp_send)(uint16_t port, const uint8_t *bytes, size_t len);
    size_t (*udp_read)(uint8_t *to, size_t len);
    size_t (*connection_size)(void);
    uint16_t (*checksum)(const uint8_t *bytes, size_t len);

    /* What the other end's copy uses of this one. */
    struct pbuf *(*arrive)(void);
    void (*let_go)(struct pbuf *);
};

/* The copy for a configuration and a side, or NULL. */
const struct lwip_end *lwip_find(uint32_t window, uint32_t connections, int checksums, int side);

#endif

/* See shim.h. Compiled once for each configuration and each end; TABLE is the name of its table. */
#include "shim.h"

#include <string.h>

#include "lwip/etharp.h"
#include "lwip/inet_chksum.h"
#include "lwip/init.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/tcp.h"
#include "lwip/timeouts.h"
#include "lwip/udp.h"
#include "netif/ethernet.h"

/* Frames on the link each way, as everybody has. */
#define RING 256
/* Frames of up to this length are copied when they arrive, longer ones have their headers copied and the rest lent: what
   our own loopback does, and what a device with split headers does. */
#define SMALL 256
#define BODIES 4
#define FRAMES (WINDOW / 600 + 1024)

struct frame {
    struct pbuf_custom head;
    struct pbuf_custom body[BODIES];
    struct pbuf *from;
    struct frame *next;
    uint32_t holders;
    uint8_t bytes[SMALL];
};

struct connection {
    struct tcp_pcb *pcb;
    /* What has arrived: packets one behind the other. */
    struct pbuf *head, *tail;
    int32_t next;
    uint16_t offset;
    uint8_t open, dirty;
};

struct listener {
    struct tcp_pcb *pcb;
    int32_t first, last;
};

static const struct lwip_end *other;
static struct netif netif;
static uint8_t side, started, at_once;
static uint64_t base, now;

static struct pbuf *ring[RING];
static uint32_t ring_first, ring_len;
static uint64_t sent;

static struct frame frames[FRAMES];
static struct frame *free_frames;

static struct connection connections[CONNECTIONS];
static int32_t free_connection;
static int32_t dirty[CONNECTIONS];
static uint32_t dirty_len;

static struct listener listeners[LISTENERS];
static uint16_t listener_count, listener_of[65536];

static struct udp_pcb *udp;
static struct pbuf *datagrams[RING];
static uint32_t datagram_first, datagram_len;

static int is_tapped;
static uint8_t tapped[2048];
static size_t tapped_len;

u32_t sys_now(void) {
    return (u32_t)(now / 1000);
}

/* --- the link --- */

static err_t link_output(struct netif *it, struct pbuf *p) {
    (void)it;
    if (ring_len == RING) {
        return ERR_MEM;
    }
    if (is_tapped) {
        tapped_len = pbuf_copy_partial(p, tapped, sizeof tapped, 0);
    }
    pbuf_ref(p);
    ring[(ring_first + ring_len++) % RING] = p;
    sent++;
    return ERR_OK;
}

static struct pbuf *arrive(void) {
    if (ring_len == 0) {
        return NULL;
    }
    struct pbuf *p = ring[ring_first];
    ring_first = (ring_first + 1) % RING;
    ring_len--;
    return p;
}

static void let_go(struct pbuf *p) {
    pbuf_free(p);
}

static void frame_free(struct frame *frame) {
    if (--frame->holders > 0) {
        return;
    }
    if (frame->from != NULL) {
        other->let_go(frame->from);
    }
    frame->next = free_frames;
    free_frames = frame;
}

static void head_free(struct pbuf *p) {
    frame_free((struct frame *)p);
}

static void body_free(struct pbuf *p) {
    size_t place = (size_t)((uint8_t *)p - (uint8_t *)frames);
    frame_free(&frames[place / sizeof(struct frame)]);
}

static struct frame *frame_take(void) {
    struct frame *frame = free_frames;
    if (frame == NULL) {
        abort();
    }
    free_frames = frame->next;
    frame->holders = 1;
    frame->from = NULL;
    return frame;
}

static void frame_input(struct frame *frame, uint16_t len, struct pbuf *rest) {
    struct pbuf *p = pbuf_alloced_custom(PBUF_RAW, len, PBUF_REF, &frame->head, frame->bytes, SMALL);
    if (rest != NULL) {
        pbuf_cat(p, rest);
    }
    if (netif.input(p, &netif) != ERR_OK) {
        pbuf_free(p);
    }
}

/* Ethernet, IPv4 and TCP or UDP: how long their headers are. */
static uint16_t header_len(const uint8_t *bytes) {
    if (bytes[23] == IP_PROTO_TCP) {
        return (uint16_t)(14 + 20 + (bytes[14 + 20 + 12] >> 4) * 4);
    }
    return 14 + 20 + 8;
}

static struct pbuf *lend(struct frame *frame, int index, uint8_t *bytes, uint16_t len) {
    if (index == BODIES) {
        abort();
    }
    frame->body[index].custom_free_function = body_free;
    frame->holders++;
    return pbuf_alloced_custom(PBUF_RAW, len, PBUF_REF, &frame->body[index], bytes, len);
}

static void take_in(struct pbuf *p) {
    struct frame *frame = frame_take();
    if (p->tot_len <= SMALL) {
        uint16_t len = pbuf_copy_partial(p, frame->bytes, SMALL, 0);
        other->let_go(p);
        frame_input(frame, len, NULL);
        return;
    }
    uint16_t headers = header_len(p->payload);
    memcpy(frame->bytes, p->payload, headers);
    frame->from = p;
    struct pbuf *rest = NULL;
    int count = 0;
    for (struct pbuf *part = p; part != NULL; part = part->next) {
        uint16_t skip = part == p ? headers : 0;
        if (part->len == skip) {
            continue;
        }
        struct pbuf *body = lend(frame, count++, (uint8_t *)part->payload + skip, (uint16_t)(part->len - skip));
        if (rest == NULL) {
            rest = body;
        } else {
            pbuf_cat(rest, body);
        }
    }
    frame_input(frame, headers, rest);
}

static void inject(const uint8_t *bytes, size_t len) {
    struct frame *frame = frame_take();
    memcpy(frame->bytes, bytes, len);
    frame_input(frame, (uint16_t)len, NULL);
}

static err_t link_init(struct netif *it) {
    it->name[0] = 'l';
    it->name[1] = 'w';
    it->hwaddr_len = 6;
    it->output = etharp_output;
    it->linkoutput = link_output;
    it->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET | NETIF_FLAG_LINK_UP;
    return ERR_OK;
}

/* --- connections --- */

static int32_t connection_take(struct tcp_pcb *pcb) {
    int32_t index = free_connection;
    if (index < 0) {
        return -1;
    }
    struct connection *it = &connections[index];
    free_connection = it->next;
    *it = (struct connection){.pcb = pcb, .next = -1};
    return index;
}

static void on_error(void *argument, err_t error) {
    (void)error;
    struct connection *it = argument;
    if (it != NULL) {
        it->pcb = NULL;
        it->open = 0;
    }
}

static err_t on_data(void *argument, struct tcp_pcb *pcb, struct pbuf *p, err_t error) {
    (void)pcb;
    (void)error;
    struct connection *it = argument;
    if (p == NULL) {
        return ERR_OK;
    }
    struct pbuf *last = p;
    while (last->next != NULL) {
        last = last->next;
    }
    if (it->head == NULL) {
        it->head = p;
    } else {
        it->tail->next = p;
    }
    it->tail = last;
    return ERR_OK;
}

static err_t on_connected(void *argument, struct tcp_pcb *pcb, err_t error) {
    (void)pcb;
    (void)error;
    ((struct connection *)argument)->open = 1;
    return ERR_OK;
}

static err_t on_accept(void *argument, struct tcp_pcb *pcb, err_t error) {
    if (error != ERR_OK || pcb == NULL) {
        return ERR_VAL;
    }
    struct listener *listener = argument;
    int32_t index = connection_take(pcb);
    if (index < 0) {
        return ERR_MEM;
    }
    connections[index].open = 1;
    tcp_arg(pcb, &connections[index]);
    tcp_recv(pcb, on_data);
    tcp_err(pcb, on_error);
    if (listener->first < 0) {
        listener->first = index;
    } else {
        connections[listener->last].next = index;
    }
    listener->last = index;
    return ERR_OK;
}

static int end_listen(uint16_t port) {
    struct tcp_pcb *pcb = tcp_new();
    if (pcb == NULL || listener_count == LISTENERS || tcp_bind(pcb, IP_ADDR_ANY, port) != ERR_OK) {
        return 0;
    }
    struct listener *listener = &listeners[listener_count];
    *listener = (struct listener){.pcb = tcp_listen(pcb), .first = -1, .last = -1};
    if (listener->pcb == NULL) {
        return 0;
    }
    tcp_arg(listener->pcb, listener);
    tcp_accept(listener->pcb, on_accept);
    listener_of[port] = listener_count++;
    return 1;
}

static int32_t end_accept(uint16_t port) {
    struct listener *listener = &listeners[listener_of[port]];
    int32_t index = listener->first;
    if (index >= 0) {
        listener->first = connections[index].next;
    }
    return index;
}

static int32_t end_connect(uint16_t port) {
    struct tcp_pcb *pcb = tcp_new();
    if (pcb == NULL) {
        return -1;
    }
    int32_t index = connection_take(pcb);
    if (index < 0) {
        tcp_abort(pcb);
        return -1;
    }
    tcp_arg(pcb, &connections[index]);
    tcp_recv(pcb, on_data);
    tcp_err(pcb, on_error);
    ip_addr_t remote = IPADDR4_INIT_BYTES(192, 0, 2, side == 0 ? 2 : 1);
    return tcp_connect(pcb, &remote, port, on_connected) == ERR_OK ? index : -1;
}

static int end_is_open(int32_t index) {
    return connections[index].open;
}

static void end_set_nodelay(int32_t index) {
    tcp_nagle_disable(connections[index].pcb);
}

/* What is written goes out at the next poll. */
static void mark(int32_t index) {
    if (!connections[index].dirty) {
        connections[index].dirty = 1;
        dirty[dirty_len++] = index;
    }
}

static size_t end_write(int32_t index, const uint8_t *bytes, size_t len, int copy) {
    struct tcp_pcb *pcb = connections[index].pcb;
    size_t written = 0;
    while (written < len) {
        size_t room = LWIP_MIN(LWIP_MIN(pcb->snd_buf, len - written), 0xffff);
        if (room == 0 || tcp_write(pcb, bytes + written, (u16_t)room, copy ? TCP_WRITE_FLAG_COPY : 0) != ERR_OK) {
            break;
        }
        written += room;
    }
    if (written > 0) {
        mark(index);
    }
    return written;
}

/* Takes `count` bytes off the front of what has arrived; whole pbufs go back. */
static void advance(struct connection *it, size_t count) {
    it->offset = (uint16_t)(it->offset + count);
    while (it->head != NULL && it->offset >= it->head->len) {
        struct pbuf *p = it->head;
        it->offset = (uint16_t)(it->offset - p->len);
        it->head = p->next;
        p->next = NULL;
        p->tot_len = p->len;
        pbuf_free(p);
    }
}

static void tell(struct connection *it, size_t count) {
    while (count > 0) {
        u16_t part = (u16_t)LWIP_MIN(count, 0xffff);
        tcp_recved(it->pcb, part);
        count -= part;
    }
}

static size_t end_read(int32_t index, uint8_t *to, size_t len) {
    struct connection *it = &connections[index];
    size_t read = 0;
    while (it->head != NULL && read < len) {
        size_t part = LWIP_MIN((size_t)(it->head->len - it->offset), len - read);
        memcpy(to + read, (uint8_t *)it->head->payload + it->offset, part);
        read += part;
        advance(it, part);
    }
    tell(it, read);
    if (at_once && read > 0) {
        tcp_set_flags(it->pcb, TF_ACK_NOW);
        mark(index);
    }
    return read;
}

static size_t end_take(int32_t index, look_fn look, void *context) {
    struct connection *it = &connections[index];
    size_t taken = 0;
    while (it->head != NULL) {
        size_t part = it->head->len - it->offset;
        if (part > 0) {
            look(context, (uint8_t *)it->head->payload + it->offset, part);
        }
        taken += part;
        advance(it, part);
    }
    tell(it, taken);
    return taken;
}

static void forget(struct connection *it) {
    while (it->head != NULL) {
        it->offset = it->head->len;
        advance(it, 0);
    }
    it->open = 0;
    it->pcb = NULL;
}

static void end_close(int32_t index) {
    struct connection *it = &connections[index];
    struct tcp_pcb *pcb = it->pcb;
    forget(it);
    it->next = free_connection;
    free_connection = index;
    if (pcb != NULL) {
        tcp_arg(pcb, NULL);
        tcp_recv(pcb, NULL);
        tcp_err(pcb, NULL);
        if (tcp_close(pcb) != ERR_OK) {
            tcp_abort(pcb);
        }
    }
}

/* --- UDP --- */

static void on_datagram(void *argument, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *from, u16_t port) {
    (void)argument;
    (void)pcb;
    (void)from;
    (void)port;
    if (datagram_len == RING) {
        pbuf_free(p);
        return;
    }
    datagrams[(datagram_first + datagram_len++) % RING] = p;
}

static int end_udp_bind(uint16_t port) {
    udp = udp_new();
    if (udp == NULL || udp_bind(udp, IP_ADDR_ANY, port) != ERR_OK) {
        return 0;
    }
    udp_recv(udp, on_datagram, NULL);
    return 1;
}

static size_t end_udp_send(uint16_t port, const uint8_t *bytes, size_t len) {
    if (ring_len == RING) {
        return 0;
    }
    struct pbuf *p = pbuf_alloc(PBUF_TRANSPORT, (u16_t)len, PBUF_RAM);
    if (p == NULL) {
        return 0;
    }
    memcpy(p->payload, bytes, len);
    ip_addr_t remote = IPADDR4_INIT_BYTES(192, 0, 2, side == 0 ? 2 : 1);
    err_t error = udp_sendto(udp, p, &remote, port);
    pbuf_free(p);
    return error == ERR_OK ? len : 0;
}

static size_t end_udp_read(uint8_t *to, size_t len) {
    if (datagram_len == 0) {
        return 0;
    }
    struct pbuf *p = datagrams[datagram_first];
    datagram_first = (datagram_first + 1) % RING;
    datagram_len--;
    size_t read = pbuf_copy_partial(p, to, (u16_t)len, 0);
    pbuf_free(p);
    return read;
}

/* --- the whole --- */

static uint32_t end_poll(uint64_t at) {
    now = base + at;
    uint64_t before = sent;
    uint32_t received = 0;
    struct pbuf *p;
    while ((p = other->arrive()) != NULL) {
        take_in(p);
        received++;
    }
    sys_check_timeouts();
    uint32_t count = dirty_len;
    dirty_len = 0;
    for (uint32_t at_dirty = 0; at_dirty < count; at_dirty++) {
        struct connection *it = &connections[dirty[at_dirty]];
        it->dirty = 0;
        if (it->pcb != NULL) {
            tcp_output(it->pcb);
            /* The ring was full. */
            if (it->pcb->flags & TF_NAGLEMEMERR) {
                mark(dirty[at_dirty]);
            }
        }
    }
    return received + (uint32_t)(sent - before);
}

static uint64_t end_sleep(void) {
    u32_t milliseconds = sys_timeouts_sleeptime();
    if (milliseconds == SYS_TIMEOUTS_SLEEPTIME_INFINITE) {
        return 1000000;
    }
    uint64_t span = (uint64_t)milliseconds * 1000, passed = now % 1000;
    return span > passed ? span - passed : 1;
}

/* Whatever the last user left. */
static void clear(void) {
    for (int32_t index = 0; index < CONNECTIONS; index++) {
        struct tcp_pcb *pcb = connections[index].pcb;
        forget(&connections[index]);
        if (pcb != NULL) {
            tcp_arg(pcb, NULL);
        }
        connections[index] = (struct connection){.next = index + 1 < CONNECTIONS ? index + 1 : -1};
    }
    free_connection = 0;
    dirty_len = 0;
    while (tcp_active_pcbs != NULL) {
        tcp_abort(tcp_active_pcbs);
    }
    while (tcp_bound_pcbs != NULL) {
        tcp_abort(tcp_bound_pcbs);
    }
    while (tcp_tw_pcbs != NULL) {
        tcp_abort(tcp_tw_pcbs);
    }
    for (uint16_t index = 0; index < listener_count; index++) {
        tcp_close(listeners[index].pcb);
    }
    listener_count = 0;
    if (udp != NULL) {
        udp_remove(udp);
        udp = NULL;
    }
    while (datagram_len > 0) {
        uint8_t none;
        end_udp_read(&none, 0);
    }
    struct pbuf *p;
    while ((p = arrive()) != NULL) {
        pbuf_free(p);
    }
}

static void end_start(const struct lwip_end *with, uint8_t which, uint16_t mtu, int acknowledge_at_once) {
    other = with;
    side = which;
    at_once = acknowledge_at_once != 0;
    ip4_addr_t address, mask, gateway;
    IP4_ADDR(&address, 192, 0, 2, side + 1);
    IP4_ADDR(&mask, 255, 255, 255, 0);
    IP4_ADDR(&gateway, 0, 0, 0, 0);
    if (!started) {
        for (size_t index = 0; index < FRAMES; index++) {
            frames[index].head.custom_free_function = head_free;
            frames[index].next = free_frames;
            free_frames = &frames[index];
        }
        lwip_init();
        netif_add(&netif, &address, &mask, &gateway, NULL, link_init, ethernet_input);
        netif_set_default(&netif);
        memcpy(netif.hwaddr, (uint8_t[]){2, 0, 0, 0, 0, side + 1}, 6);
        netif_set_up(&netif);
        started = 1;
    }
    clear();
    netif.mtu = mtu;
    base = now;
    is_tapped = 0;
}

static uint64_t end_sent(void) {
    return sent;
}

static size_t end_last_sent(uint8_t *to, size_t size) {
    is_tapped = 1;
    size_t len = LWIP_MIN(tapped_len, size);
    memcpy(to, tapped, len);
    return len;
}

static size_t end_connection_size(void) {
    return sizeof(struct tcp_pcb);
}

static uint16_t end_checksum(const uint8_t *bytes, size_t len) {
    return inet_chksum(bytes, (u16_t)len);
}

const struct lwip_end TABLE = {
    .start = end_start,
    .poll = end_poll,
    .sleep = end_sleep,
    .listen = end_listen,
    .accept = end_accept,
    .connect = end_connect,
    .is_open = end_is_open,
    .set_nodelay = end_set_nodelay,
    .write = end_write,
    .read = end_read,
    .take = end_take,
    .close = end_close,
    .inject = inject,
    .sent = end_sent,
    .last_sent = end_last_sent,
    .udp_bind = end_udp_bind,
    .udp_send = end_udp_send,
    .udp_read = end_udp_read,
    .connection_size = end_connection_size,
    .checksum = end_checksum,
    .arrive = arrive,
    .let_go = let_go,
};

/*
 * The whole of user space in the Linux guest: loads the modules of its network card, takes the address that the kernel's
 * command line names, and serves what our image serves, on the same ports, from one epoll loop. Says on the serial port
 * what our image says there.
 *
 * Command line: address=A.B.C.D (a /24), `nginx` to start nginx too.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PIECE 65536
#define ONE_MEBIBYTE (1 << 20)

enum service { HTTP, SINK, SOURCE, ECHO, SERVICES };
static const unsigned short PORTS[SERVICES] = { 80, 5001, 5002, 5003 };

/* What epoll hands back: a listener, or a client with how far it is. */
struct place {
    int descriptor;
    enum service service;
    _Bool is_listener;
    off_t offset;
    size_t held;
    char request[1024];
};

static int queue;
static int one_mebibyte;
static char response[2048];
static size_t response_length;
static char piece[PIECE];

static void die(const char *what)
{
    printf("init: %s: %s\n", what, strerror(errno));
    fflush(stdout);
    /* The kernel panics when its init ends, and QEMU ends with it. */
    sleep(1);
    exit(1);
}

static void load_modules(void)
{
    static const char *const MODULES[] = { "failover", "net_failover", "virtio_ring", "virtio",
        "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "virtio_net" };
    for (size_t i = 0; i < sizeof MODULES / sizeof *MODULES; i++) {
        char path[64];
        snprintf(path, sizeof path, "/modules/%s.ko", MODULES[i]);
        int file = open(path, O_RDONLY | O_CLOEXEC);
        /* A kernel may have it built in. */
        if (file < 0)
            continue;
        if (syscall(SYS_finit_module, file, "", 0) && errno != EEXIST)
            die(path);
        close(file);
        unlink(path);
    }
}

static void read_file(const char *path, char *room, size_t size)
{
    int file = open(path, O_RDONLY);
    ssize_t length = file < 0 ? 0 : read(file, room, size - 1);
    room[length < 0 ? 0 : length] = 0;
    if (file >= 0)
        close(file);
}

static void take_address(const char *device, const char *address)
{
    struct ifreq request = { 0 };
    struct sockaddr_in *ip = (struct sockaddr_in *)&request.ifr_addr;
    int socket_ = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    strncpy(request.ifr_name, device, IFNAMSIZ - 1);
    ip->sin_family = AF_INET;
    if (inet_pton(AF_INET, address, &ip->sin_addr) != 1 || ioctl(socket_, SIOCSIFADDR, &request))
        die("SIOCSIFADDR");
    inet_pton(AF_INET, "255.255.255.0", &ip->sin_addr);
    if (ioctl(socket_, SIOCSIFNETMASK, &request))
        die("SIOCSIFNETMASK");
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    if (ioctl(socket_, SIOCSIFFLAGS, &request))
        die("SIOCSIFFLAGS");
    close(socket_);
}

static void watch(struct place *place, unsigned events)
{
    struct epoll_event event = { .events = events, .data.ptr = place };
    if (epoll_ctl(queue, EPOLL_CTL_ADD, place->descriptor, &event))
        die("epoll_ctl");
}

static void listen_on(enum service service)
{
    struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(PORTS[service]) };
    struct place *place = calloc(1, sizeof *place);
    int on = 1;
    place->descriptor = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    place->service = service;
    place->is_listener = 1;
    setsockopt(place->descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    /* Inherited by what it accepts. */
    setsockopt(place->descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (bind(place->descriptor, (struct sockaddr *)&any, sizeof any) || listen(place->descriptor, 128))
        die("listen");
    watch(place, EPOLLIN);
}

/* Whether all of it went out. A client of these services reads its answers, so a short write is an error. */
static _Bool say(int descriptor, const char *bytes, size_t length)
{
    return write(descriptor, bytes, length) == (ssize_t)length;
}

static _Bool serve_http(struct place *place)
{
    for (;;) {
        ssize_t count = read(place->descriptor, place->request + place->held, sizeof place->request - place->held);
        if (count < 0)
            return errno == EAGAIN;
        if (count == 0)
            return 0;
        _Bool is_full = place->held + (size_t)count == sizeof place->request;
        place->held += (size_t)count;
        char *end;
        while ((end = memmem(place->request, place->held, "\r\n\r\n", 4))) {
            size_t taken = (size_t)(end + 4 - place->request);
            if (memcmp(place->request, "GET /1k ", 8) || !say(place->descriptor, response, response_length))
                return 0;
            place->held -= taken;
            memmove(place->request, place->request + taken, place->held);
        }
        if (place->held == sizeof place->request)
            return 0;
        /* A read that did not fill its room took all there was: epoll tells of more. */
        if (!is_full)
            return 1;
    }
}

static _Bool serve_echo(int descriptor)
{
    ssize_t count = read(descriptor, piece, sizeof piece);
    if (count < 0)
        return errno == EAGAIN;
    return count > 0 && say(descriptor, piece, (size_t)count);
}

static _Bool serve_sink(int descriptor)
{
    ssize_t count = read(descriptor, piece, sizeof piece);
    return count > 0 || (count < 0 && errno == EAGAIN);
}

static _Bool serve_source(struct place *place)
{
    for (;;) {
        ssize_t count = sendfile(place->descriptor, one_mebibyte, &place->offset, (size_t)(ONE_MEBIBYTE - place->offset));
        if (count < 0)
            return errno == EAGAIN;
        if (place->offset == ONE_MEBIBYTE)
            place->offset = 0;
    }
}

static void admit(const struct place *listener)
{
    int descriptor = accept4(listener->descriptor, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor < 0)
        return;
    struct place *place = calloc(1, sizeof *place);
    place->descriptor = descriptor;
    place->service = listener->service;
    watch(place, listener->service == SOURCE ? EPOLLOUT : EPOLLIN);
}

static void serve(struct place *place)
{
    _Bool stays = 0;
    switch (place->service) {
    case HTTP: stays = serve_http(place); break;
    case SINK: stays = serve_sink(place->descriptor); break;
    case SOURCE: stays = serve_source(place); break;
    case ECHO: stays = serve_echo(place->descriptor); break;
    case SERVICES: break;
    }
    if (!stays) {
        close(place->descriptor);
        free(place);
    }
}

static void prepare_response(void)
{
    int length = snprintf(response, sizeof response,
        "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 1024\r\n\r\n");
    int file = open("/www/1k", O_RDONLY | O_CLOEXEC);
    if (file < 0 || read(file, response + length, 1024) != 1024)
        die("/www/1k");
    close(file);
    response_length = (size_t)length + 1024;
}

int main(void)
{
    char line[512];
    mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
    mount("proc", "/proc", "proc", 0, NULL);
    int console = open("/dev/console", O_RDWR);
    for (int standard = 0; standard < 3; standard++)
        dup2(console, standard);
    load_modules();
    read_file("/proc/cmdline", line, sizeof line);
    char *address = strstr(line, "address=");
    if (!address)
        die("no address=");
    char *name = strstr(line, " nginx");
    _Bool has_nginx = name != NULL;
    address = strtok(address + 8, " \n");
    take_address("lo", "127.0.0.1");
    take_address("eth0", address);

    queue = epoll_create1(EPOLL_CLOEXEC);
    one_mebibyte = open("/www/1m", O_RDONLY | O_CLOEXEC);
    if (queue < 0 || one_mebibyte < 0)
        die("/www/1m");
    prepare_response();
    for (enum service service = 0; service < SERVICES; service++)
        listen_on(service);
    if (has_nginx && fork() == 0) {
        execl("/usr/sbin/nginx", "nginx", "-c", "/etc/nginx.conf", (char *)NULL);
        die("nginx");
    }
    printf("ready mac=unknown ip4=%s/24 ip6=none us=0\n", address);
    fflush(stdout);
    for (;;) {
        struct epoll_event events[64];
        int count = epoll_wait(queue, events, 64, -1);
        for (int i = 0; i < count; i++) {
            struct place *place = events[i].data.ptr;
            if (place->is_listener)
                admit(place);
            else
                serve(place);
        }
    }
}

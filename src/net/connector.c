#include "net/connector.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bucket.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"

enum {
    SLOTS = 64,
    CANDIDATE_SLOTS = 16,
    ACCOUNT_START_MS = 10,   /* 100 a second */
    CANDIDATE_START_MS = 20, /* 50 a second */
    /* A tenth of a second's worth at once, so that a few accounts start together and a thousand
     * still do not exceed the rate by much. */
    ACCOUNT_BURST = 10,
    CANDIDATE_BURST = 5,
    STAGGER_MS = 250,    /* RFC 8305 section 5 */
    REMEMBERED_MAX = 32, /* targets that nobody asks for at the moment */
    SHOWN_HOST_SIZE = 128,
};

struct lane {
    struct list queue;
    struct bucket bucket;
    size_t in_flight, most;
};

struct connector {
    struct loop *loop;
    struct resolver *resolver;
    int64_t connect_timeout_ms;
    struct lane lanes[2];
    size_t in_flight;
    struct timer pump; /* starts what is queued, when slots and tokens are there */
    struct map targets;
    struct list idle; /* targets without attempts, the one used longest ago first */
    size_t idle_count;
    struct list ready; /* attempts with a result */
    struct list told;  /* attempts whose callers know, and still hold their slots */
    struct timer tell;
};

/* One bare connect. Lives until libuv has let go of it; `target` is NULL from when it is closed. */
struct dial {
    uv_tcp_t tcp;
    uv_connect_t request;
    struct target *target;
    size_t place; /* in the target's list of addresses */
    struct timer deadline;
};

/* A host and port, what is known about it, and what is being done to find out. */
struct target {
    struct map_node by_name;
    struct list node; /* idle */
    struct connector *connector;
    size_t attempts;       /* that refer to it, in whatever state */
    struct list waiting;   /* attempts that hold a slot and want an address */
    struct address winner; /* of the last race; length 0: none */
    struct address loser;  /* connected, but the handshake failed; length 0: none */
    /* While somebody waits: a look-up, then a race. */
    struct lookup *lookup;
    struct address_list addresses;
    struct dial *dials[ADDRESS_LIST_MAX];
    size_t dialled, failed;
    struct timer stagger;
    int last_status; /* of libuv */
    uint16_t port;
    char host[];
};

enum attempt_state { ATTEMPT_QUEUED, ATTEMPT_WAITING, ATTEMPT_READY, ATTEMPT_TOLD };

struct attempt {
    struct list node; /* its lane's queue, its target's waiting, ready or told */
    struct target *target;
    enum attempt_state state;
    enum connector_lane lane;
    connector_fn *fn;
    void *arg;
    struct address winner; /* length 0: none */
    struct err *failure;
    struct offer *offer; /* NULL: none; it is there until `fn` has returned */
};

/* The socket that won a race. It outlives its attempt where that ends inside its own call. */
struct offer {
    struct attempt *to; /* NULL: it has ended */
    int socket;         /* -1: it was taken */
};

struct target_name {
    const char *host;
    uint16_t port;
};

static void dial_next(struct target *target);

static bool has_name(const struct map_node *node, const void *key)
{
    const struct target *target = map_owner(node, struct target, by_name);
    const struct target_name *name = key;
    return target->port == name->port && strcmp(target->host, name->host) == 0;
}

static uint64_t hash_name(const struct connector *connector, const struct target_name *name)
{
    return map_hash(&connector->targets, name->host, strlen(name->host)) + name->port;
}

static struct target *target_find(struct connector *connector, const char *host, uint16_t port)
{
    struct target_name name = {host, port};
    struct map_node *node =
        map_find(&connector->targets, hash_name(connector, &name), has_name, &name);
    return node ? map_owner(node, struct target, by_name) : NULL;
}

static void on_stagger(void *arg)
{
    dial_next(arg);
}

static struct target *target_new(struct connector *connector, const char *host, uint16_t port)
{
    size_t length = strlen(host);
    struct target *target = mem_new(sizeof *target + length + 1);
    struct target_name name = {host, port};
    target->connector = connector;
    target->port = port;
    memcpy(target->host, host, length);
    list_init(&target->node);
    list_init(&target->waiting);
    timer_init(&target->stagger, on_stagger, target);
    map_add(&connector->targets, &target->by_name, hash_name(connector, &name));
    return target;
}

static void on_dial_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void dial_close(struct dial *dial)
{
    struct target *target = dial->target;
    target->dials[dial->place] = NULL;
    dial->target = NULL;
    loop_timer_cancel(target->connector->loop, &dial->deadline);
    uv_close((uv_handle_t *)&dial->tcp, on_dial_closed);
}

/* Ends the look-up or race, whatever it has come to. */
static void target_rest(struct target *target)
{
    if (target->lookup)
        resolver_cancel(target->lookup);
    target->lookup = NULL;
    loop_timer_cancel(target->connector->loop, &target->stagger);
    for (size_t i = 0; i < target->dialled; i++)
        if (target->dials[i])
            dial_close(target->dials[i]);
    target->dialled = target->failed = 0;
    target->addresses.count = 0;
}

static void target_free(struct target *target)
{
    target_rest(target);
    list_remove(&target->node);
    map_remove(&target->connector->targets, &target->by_name);
    free(target);
}

static void target_hold(struct target *target)
{
    if (!list_empty(&target->node)) {
        list_remove(&target->node);
        target->connector->idle_count--;
    }
    target->attempts++;
}

/* Without attempts only what was learned is worth keeping, and only so much of it. */
static void target_release(struct target *target)
{
    struct connector *connector = target->connector;
    if (--target->attempts)
        return;
    if (!target->winner.length && !target->loser.length) {
        target_free(target);
        return;
    }
    list_append(&connector->idle, &target->node);
    if (connector->idle_count < REMEMBERED_MAX)
        connector->idle_count++;
    else
        target_free(list_owner(list_first(&connector->idle), struct target, node));
}

static void attempt_ready(struct attempt *attempt)
{
    struct connector *connector = attempt->target->connector;
    list_remove(&attempt->node);
    list_append(&connector->ready, &attempt->node);
    attempt->state = ATTEMPT_READY;
    if (!timer_is_set(&connector->tell))
        loop_timer_set(connector->loop, &connector->tell, 0);
}

static void target_won(struct target *target, const struct address *winner)
{
    target->winner = *winner;
    target_rest(target);
    list_each_safe(node, &target->waiting) {
        struct attempt *attempt = list_owner(node, struct attempt, node);
        attempt->winner = target->winner;
        attempt_ready(attempt);
    }
}

static void offer_end(struct offer *offer)
{
    if (offer->to)
        offer->to->offer = NULL;
    if (offer->socket >= 0)
        close(offer->socket);
    free(offer);
}

/* libuv does not part with the descriptor of a handle, which is about to be closed: a copy is kept
 * for whoever has waited longest. Where there are none left, that one connects itself. */
static void hand_over(struct target *target, struct dial *dial)
{
    uv_os_fd_t socket;
    struct list *first = list_first(&target->waiting);
    if (!first || uv_fileno((uv_handle_t *)&dial->tcp, &socket) != 0)
        return;
    struct offer *offer = mem_new(sizeof *offer);
    offer->to = list_owner(first, struct attempt, node);
    offer->to->offer = offer;
    offer->socket = fcntl(socket, F_DUPFD_CLOEXEC, 0);
}

static void target_lost(struct target *target, const struct err *err)
{
    target_rest(target);
    list_each_safe(node, &target->waiting) {
        struct attempt *attempt = list_owner(node, struct attempt, node);
        attempt->failure = mem_new(sizeof *attempt->failure);
        *attempt->failure = *err;
        attempt_ready(attempt);
    }
}

static void all_failed(struct target *target)
{
    char host[SHOWN_HOST_SIZE];
    struct err err;
    int code = target->last_status == UV_ETIMEDOUT ? ERR_TIMEOUT : ERR_IO;
    text_printable(host, sizeof host, target->host, strlen(target->host));
    err_set(&err, code,
            "None of the %zu addresses of \"%s\" took a connection on port %u; the last try said: "
            "%s",
            target->addresses.count, host, target->port, uv_strerror(target->last_status));
    target->winner.length = 0;
    target_lost(target, &err);
}

static void dial_failed(struct target *target, int status)
{
    target->last_status = status;
    target->failed++;
    if (target->dialled < target->addresses.count)
        dial_next(target);
    else if (target->failed == target->dialled)
        all_failed(target);
}

static void on_connected(uv_connect_t *request, int status)
{
    struct dial *dial = request->data;
    struct target *target = dial->target;
    if (!target)
        return;
    if (status == 0) {
        hand_over(target, dial);
        target_won(target, &target->addresses.items[dial->place]);
        return;
    }
    dial_close(dial);
    dial_failed(target, status);
}

static void on_dial_deadline(void *arg)
{
    struct dial *dial = arg;
    struct target *target = dial->target;
    dial_close(dial);
    dial_failed(target, UV_ETIMEDOUT);
}

/* 0 when it is under way. */
static int dial_start(struct target *target, size_t place)
{
    struct connector *connector = target->connector;
    struct dial *dial = mem_new(sizeof *dial);
    dial->target = target;
    dial->place = place;
    dial->tcp.data = dial->request.data = dial;
    timer_init(&dial->deadline, on_dial_deadline, dial);
    int status = uv_tcp_init(&connector->loop->uv, &dial->tcp);
    if (status != 0) {
        free(dial);
        return status;
    }
    target->dials[place] = dial;
    status = uv_tcp_connect(&dial->request, &dial->tcp, &target->addresses.items[place].any,
                            on_connected);
    if (status != 0)
        dial_close(dial);
    else
        loop_timer_set(connector->loop, &dial->deadline, connector->connect_timeout_ms);
    return status;
}

/* Tries addresses until one try is under way. */
static void dial_next(struct target *target)
{
    while (target->dialled < target->addresses.count) {
        int status = dial_start(target, target->dialled++);
        if (status == 0)
            break;
        target->last_status = status;
        target->failed++;
    }
    if (target->dialled < target->addresses.count)
        loop_timer_set(target->connector->loop, &target->stagger, STAGGER_MS);
    else
        loop_timer_cancel(target->connector->loop, &target->stagger);
    if (target->failed == target->addresses.count)
        all_failed(target);
}

/* The address in the list that won the last time, or the only one there is. */
static const struct address *known_winner(const struct target *target,
                                          const struct address_list *addresses)
{
    if (addresses->count == 1)
        return &addresses->items[0];
    for (size_t i = 0; i < addresses->count && target->winner.length; i++)
        if (address_same_host(&addresses->items[i], &target->winner))
            return &addresses->items[i];
    return NULL;
}

/* A path may take connects and swallow what is bigger (a tunnel with a wrong MTU), and would win
 * each race again. */
static void put_loser_last(struct target *target)
{
    struct address_list *list = &target->addresses;
    for (size_t i = 0; target->loser.length && i + 1 < list->count; i++) {
        struct address address = list->items[i];
        if (!address_same_host(&address, &target->loser))
            continue;
        memmove(&list->items[i], &list->items[i + 1], (list->count - i - 1) * sizeof address);
        list->items[list->count - 1] = address;
        return;
    }
}

static void on_addresses(void *arg, const struct address_list *addresses, const struct err *err)
{
    struct target *target = arg;
    target->lookup = NULL;
    if (!addresses) {
        target_lost(target, err);
        return;
    }
    const struct address *winner = known_winner(target, addresses);
    if (winner) {
        target_won(target, winner);
        return;
    }
    target->addresses = *addresses;
    put_loser_last(target);
    dial_next(target);
}

/* Joins what is under way for this host and port, or begins it. */
static void target_join(struct target *target, struct attempt *attempt)
{
    list_append(&target->waiting, &attempt->node);
    attempt->state = ATTEMPT_WAITING;
    if (target->lookup || target->addresses.count)
        return;
    target->lookup = resolver_start(target->connector->resolver, RESOLVER_MESSENGER, target->host,
                                    target->port, true, on_addresses, target);
}

static void schedule_pump(struct connector *connector, int64_t after_ms)
{
    loop_timer_set(connector->loop, &connector->pump, after_ms);
}

static bool may_start(const struct connector *connector, const struct lane *lane)
{
    return !list_empty(&lane->queue) && connector->in_flight < SLOTS &&
           lane->in_flight < lane->most;
}

static void start_queued(struct connector *connector, struct lane *lane)
{
    int64_t now_ms = loop_now_ms(connector->loop);
    while (may_start(connector, lane) && bucket_take(&lane->bucket, now_ms)) {
        struct attempt *attempt = list_owner(list_first(&lane->queue), struct attempt, node);
        list_remove(&attempt->node);
        lane->in_flight++;
        connector->in_flight++;
        target_join(attempt->target, attempt);
    }
}

/* Accounts come first. What waits for a slot is woken by connector_end, what waits for a token by
 * the timer. */
static void on_pump(void *arg)
{
    struct connector *connector = arg;
    int64_t now_ms = loop_now_ms(connector->loop), next_ms = INT64_MAX;
    start_queued(connector, &connector->lanes[CONNECTOR_ACCOUNT]);
    start_queued(connector, &connector->lanes[CONNECTOR_CANDIDATE]);
    for (size_t i = 0; i < 2; i++) {
        const struct lane *lane = &connector->lanes[i];
        int64_t token_ms = bucket_next_ms(&lane->bucket, now_ms);
        if (may_start(connector, lane) && token_ms < next_ms)
            next_ms = token_ms;
    }
    if (next_ms != INT64_MAX)
        schedule_pump(connector, next_ms - now_ms);
}

/* Its function may do whatever it likes: end this attempt, or free everything. */
static void tell(struct attempt *attempt, const struct address *winner, const struct err *err)
{
    struct offer *offer = attempt->offer;
    attempt->fn(attempt->arg, winner, err);
    if (offer)
        offer_end(offer);
}

/* One a turn, as the last thing. */
static void on_tell(void *arg)
{
    struct connector *connector = arg;
    struct list *first = list_first(&connector->ready);
    if (!first)
        return;
    struct attempt *attempt = list_owner(first, struct attempt, node);
    struct address winner = attempt->winner;
    struct err err = {.code = 0};
    if (attempt->failure)
        err = *attempt->failure;
    list_remove(&attempt->node);
    list_append(&connector->told, &attempt->node);
    attempt->state = ATTEMPT_TOLD;
    if (!list_empty(&connector->ready))
        loop_timer_set(connector->loop, &connector->tell, 0);
    tell(attempt, winner.length ? &winner : NULL, winner.length ? NULL : &err);
}

static void lane_init(struct lane *lane, int64_t start_ms, int64_t burst, size_t most)
{
    list_init(&lane->queue);
    bucket_init(&lane->bucket, start_ms, burst);
    lane->most = most;
}

struct connector *connector_new(struct loop *loop, struct resolver *resolver,
                                const struct config *config)
{
    struct connector *connector = mem_new(sizeof *connector);
    connector->loop = loop;
    connector->resolver = resolver;
    connector->connect_timeout_ms = config->net_connect_timeout_ms;
    lane_init(&connector->lanes[CONNECTOR_ACCOUNT], ACCOUNT_START_MS, ACCOUNT_BURST, SLOTS);
    lane_init(&connector->lanes[CONNECTOR_CANDIDATE], CANDIDATE_START_MS, CANDIDATE_BURST,
              CANDIDATE_SLOTS);
    timer_init(&connector->pump, on_pump, connector);
    timer_init(&connector->tell, on_tell, connector);
    map_init(&connector->targets);
    list_init(&connector->idle);
    list_init(&connector->ready);
    list_init(&connector->told);
    return connector;
}

void connector_reload(struct connector *connector, const struct config *config)
{
    connector->connect_timeout_ms = config->net_connect_timeout_ms;
}

static void attempt_free(struct attempt *attempt)
{
    if (attempt->offer && attempt->state == ATTEMPT_TOLD)
        attempt->offer->to = NULL; /* it is being told */
    else if (attempt->offer)
        offer_end(attempt->offer);
    free(attempt->failure);
    free(attempt);
}

static void free_attempts(struct list *attempts)
{
    list_each_safe(node, attempts)
        attempt_free(list_owner(node, struct attempt, node));
}

static void free_target(void *arg, struct map_node *node)
{
    (void)arg;
    struct target *target = map_owner(node, struct target, by_name);
    free_attempts(&target->waiting);
    target_free(target);
}

void connector_free(struct connector *connector)
{
    if (!connector)
        return;
    loop_timer_cancel(connector->loop, &connector->pump);
    loop_timer_cancel(connector->loop, &connector->tell);
    free_attempts(&connector->lanes[CONNECTOR_ACCOUNT].queue);
    free_attempts(&connector->lanes[CONNECTOR_CANDIDATE].queue);
    free_attempts(&connector->ready);
    free_attempts(&connector->told);
    map_each(&connector->targets, free_target, NULL);
    map_fini(&connector->targets);
    free(connector);
}

struct attempt *connector_start(struct connector *connector, enum connector_lane lane,
                                const char *host, uint16_t port, connector_fn *fn, void *arg)
{
    struct target *target = target_find(connector, host, port);
    if (!target)
        target = target_new(connector, host, port);
    target_hold(target);
    struct attempt *attempt = mem_new(sizeof *attempt);
    attempt->target = target;
    attempt->lane = lane;
    attempt->fn = fn;
    attempt->arg = arg;
    list_init(&attempt->node);
    list_append(&connector->lanes[lane].queue, &attempt->node);
    schedule_pump(connector, 0);
    return attempt;
}

void connector_end(struct attempt *attempt)
{
    struct target *target = attempt->target;
    struct connector *connector = target->connector;
    list_remove(&attempt->node);
    if (attempt->state != ATTEMPT_QUEUED) {
        connector->lanes[attempt->lane].in_flight--;
        connector->in_flight--;
        schedule_pump(connector, 0);
    }
    if (attempt->state == ATTEMPT_WAITING && list_empty(&target->waiting))
        target_rest(target);
    attempt_free(attempt);
    target_release(target);
}

int connector_take_socket(struct attempt *attempt)
{
    struct offer *offer = attempt->state == ATTEMPT_TOLD ? attempt->offer : NULL;
    int taken = offer ? offer->socket : -1;
    if (offer)
        offer->socket = -1;
    return taken;
}

void connector_failed(struct attempt *attempt)
{
    struct target *target = attempt->target;
    if (!attempt->winner.length)
        return;
    if (target->winner.length && address_same_host(&target->winner, &attempt->winner))
        target->winner.length = 0;
    target->loser = attempt->winner;
}

static void target_forget(void *arg, struct map_node *node)
{
    (void)arg;
    struct target *target = map_owner(node, struct target, by_name);
    target->winner.length = target->loser.length = 0;
}

void connector_forget_all(struct connector *connector)
{
    while (!list_empty(&connector->idle))
        target_free(list_owner(list_first(&connector->idle), struct target, node));
    connector->idle_count = 0;
    map_each(&connector->targets, target_forget, NULL);
}

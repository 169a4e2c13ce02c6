/* The messenger's server: one queue per device, delivered in order behind a window, again to every
 * new connection until it is answered; one connection per device, of which the newest wins. */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

enum {
    LINKS_MOST = 512,
    HELD_MOST = 8 /* settled.md "hold time" */,
    REFUSED_HANDSHAKE = 403,
    PROOF_MS = MINUTE, /* signal.proof */
};

enum link_step { STEP_NONE, STEP_HANDSHAKE, STEP_PUMP, STEP_MUTE, STEP_DOWN };

struct link {
    const struct link_events *events;
    void *arg;
    const char *password;
    unsigned account;
    bool candidate, started, up, proven, drained, freed;
    bool dead;   /* the other side has hung up without a word */
    bool mute;   /* it was accepted, and shows nothing of its queue */
    bool tested; /* since the machine slept */
    uint32_t connection;
    unsigned waited; /* messages that waited when it connected */
    unsigned next;   /* the next one to deliver */
    unsigned unanswered;
    enum link_step step;
    struct timer timer;
    struct link_down down; /* for STEP_DOWN */
    /* For LINKS and GIVEN_UP: what this link has been told. */
    int64_t not_before_ms, latest_start_ms, up_since_ms;
    int64_t at_once_ms;       /* the machine slept: it must be made at this very moment; 0: no */
    bool demanded;            /* not_before_ms, by the server */
    int64_t refused_first_ms; /* since it last showed its queue; 0: not */
    unsigned refusals;        /* since then, or since its account was given up */
    bool waits_refused;       /* it went down because it was refused */
    unsigned displacements;
    bool contested;
};

static struct {
    struct link *links[LINKS_MOST];
    unsigned count;
    uint32_t connections;
} messenger;

static void on_timer(void *arg);
static struct link *own_link(unsigned account);

void messenger_begin(void)
{
    messenger.connections = 0;
}

static struct device *device_of(const struct link *link)
{
    return &world.devices[link->account];
}

/* Somebody else's refusal, that of `other`, showed that it was no word about this account. */
static void note_absolved(unsigned account, const struct link *other)
{
    struct link *link = own_link(account);
    if (!link || link == other || link->started || !link->waits_refused)
        return;
    link->refusals = 0;
    link->refused_first_ms = 0;
    if (link->latest_start_ms > world.now_ms + 2 * MINUTE)
        link->latest_start_ms = world.now_ms + 2 * MINUTE;
}

static bool is_refused_for_good(const struct link *link)
{
    const struct device *device = device_of(link);
    return device->dead || password_read(link->password) != device->password;
}

static void plan(struct link *link, enum link_step step, int64_t after_ms)
{
    link->step = step;
    outside_set(&link->timer, after_ms);
}

static struct link *link_open(void *arg, const struct link_request *request,
                              const struct link_events *events, void *owner)
{
    (void)arg;
    struct link *link = calloc(1, sizeof *link);
    *link = (struct link){.events = events,
                          .arg = owner,
                          .password = request->password,
                          .account = (unsigned)account_of_uuid(request->uuid, request->device),
                          .candidate = request->candidate,
                          .latest_start_ms = world.now_ms};
    timer_init(&link->timer, on_timer, link);
    if (messenger.count == LINKS_MOST)
        abort();
    messenger.links[messenger.count++] = link;
    return link;
}

static size_t count_started(void)
{
    size_t count = 0;
    for (unsigned i = 0; i < messenger.count; i++)
        count += messenger.links[i]->started;
    return count;
}

/* An account that has no link at the moment needs one, unless nobody lets it in. */
static bool needs_link(unsigned account)
{
    const struct account *known = account_at(account);
    const struct link *link = own_link(account);
    return known && link && !link->started && known->state != ACCOUNT_REFUSED &&
           known->state != ACCOUNT_DISABLED;
}

static void check_room(const struct link *link)
{
    size_t needed = count_started() + 1;
    if (!world.links_most)
        return;
    counters[COUNT_NO_ROOM] += needed == world.links_most;
    if (needed > world.links_most)
        broke(LINKS, "account %u: more links than there is room for", link->account);
    for (unsigned i = 0; i < world.accounts && link->candidate; i++)
        needed += needs_link(i);
    if (needed > world.links_most)
        broke(APART, "account %u: a trial takes the room that an account needs", link->account);
}

static void link_start(struct link *link)
{
    if (link->started || link->freed)
        broke(LINKS, "account %u: two connections of one link at once", link->account);
    check_room(link);
    if (world.now_ms < link->not_before_ms)
        broke(LINKS, "account %u: connects %lld ms below the floor", link->account,
              (long long)(link->not_before_ms - world.now_ms));
    link->started = true;
    link->latest_start_ms = world.now_ms;
    link->at_once_ms = 0;
    plan(link, STEP_HANDSHAKE,
         dice(link->account, 4) ? dice(link->account, 300) : dice(link->account, 20 * SECOND));
}

static void go_down(struct link *link, enum link_reason reason, int64_t retry_after_ms,
                    int64_t after_ms)
{
    if (!link->started || (link->step == STEP_DOWN && !link->dead))
        return;
    link->down = (struct link_down){.reason = reason,
                                    .status = reason == LINK_UNAUTHORIZED ? REFUSED_HANDSHAKE : 0,
                                    .retry_after_ms = retry_after_ms,
                                    .text = "It said so."};
    plan(link, STEP_DOWN, after_ms);
}

static void link_stop(struct link *link)
{
    go_down(link, LINK_STOPPED, 0, dice(link->account, 3) * 10);
}

/* One that is dead gives no answer. */
static void link_test(struct link *link)
{
    link->tested = true;
    if (link->dead)
        go_down(link, LINK_LOST, 0, dice(link->account, 20 * SECOND));
}

static void leave(struct link *link)
{
    struct device *device = device_of(link);
    if (device->connected == link)
        device->connected = NULL;
    link->started = link->up = link->dead = link->mute = false;
    link->connection = 0;
    link->step = STEP_NONE;
    outside_cancel(&link->timer);
}

static void link_free(struct link *link)
{
    leave(link);
    link->freed = true;
}

static void link_promote(struct link *link)
{
    link->candidate = false;
    world.books[link->account].gave_up_link = false;
    registration_hurries(link->account, endpoint_of(account_at(link->account)));
}

static bool is_silent(const struct message *message)
{
    return !message->urgent || (message->own && !world.config.wake_own_messages);
}

/* The messenger delivers nothing newer than its window while the oldest is unanswered, so with a
 * disk that works no answer is held for long. */
static void check_hold(unsigned account, const struct message *message)
{
    enum { STORE_RETRY_MS = 6 * SECOND, HOLD_MS = 21 * SECOND };
    int64_t held_ms = world.now_ms - message->delivered_ms;
    bool disk_worked = message->delivered_ms - disk_works_since_ms() >= STORE_RETRY_MS;
    if (disk_worked && held_ms > (message->prompt ? SECOND : HOLD_MS))
        broke(SILENCE, "account %u: an answer is held for %lld ms", account, (long long)held_ms);
}

static void link_acknowledge(struct link *link, uint64_t ack)
{
    struct device *device = device_of(link);
    struct book *book = &world.books[link->account];
    unsigned number = (unsigned)(ack & 0xffff);
    if (world.tearing_down)
        return;
    if (link->freed || !link->up || ack >> 16 != link->connection) {
        broke(ACK, "account %u: acknowledges what another connection delivered", link->account);
        return;
    }
    /* Nobody hears what comes on a connection that is dead or displaced, and the message may be out
     * on another one by now. */
    if (link->dead || device->connected != link)
        return;
    struct message *message = &device->messages[number];
    if (number >= device->count || message->delivered_on != link->connection || message->acked) {
        broke(ACK, "account %u: acknowledges a message that is not out", link->account);
        return;
    }
    trace("acknowledged: message %u of account %u", number, link->account);
    message->acked = true;
    link->unanswered--;
    while (device->first < device->count && device->messages[device->first].acked)
        device->first++;
    if (!is_silent(message)) {
        if (message->noted > book->acked)
            book->acked = message->noted;
        check_record(link->account, ACK, "when it was acknowledged");
        check_hold(link->account, message);
    }
    if (link->step != STEP_DOWN)
        plan(link, STEP_PUMP, 0);
}

/* How many were first refused within minutes of each other, this one among them, and nobody was let
 * in since (settled.md "Fleet rules need three accounts"). */
static unsigned count_alike(unsigned account, enum refusal kind)
{
    enum { WINDOW_MS = 10 * MINUTE };
    unsigned most = 0;
    int64_t own_ms = world.books[account].refused_ms[kind];
    for (unsigned i = 0; i < world.accounts; i++) {
        int64_t from_ms = world.books[i].refused_ms[kind];
        unsigned alike = 0;
        if (!from_ms || own_ms < from_ms || own_ms > from_ms + WINDOW_MS)
            continue;
        for (unsigned k = 0; k < world.accounts; k++)
            alike += world.books[k].refused_ms[kind] >= from_ms &&
                     world.books[k].refused_ms[kind] <= from_ms + WINDOW_MS;
        most = alike > most ? alike : most;
    }
    return most;
}

/* Whether the word of the server may be believed by what was said so far (settled.md "dead
 * credentials"): for the state that the bridge reached. */
static void check_refused(struct link *link)
{
    const struct account *account = account_at(link->account);
    struct book *book = &world.books[link->account];
    bool refused = account && account->state == ACCOUNT_REFUSED;
    if (link->freed || link->candidate || !refused || book->gave_up_link)
        return;
    unsigned alike = count_alike(link->account, REFUSED_ACCOUNT);
    if (alike >= 3)
        broke(GIVEN_UP, "account %u is given up while %u are refused alike", link->account, alike);
    if (!link->refused_first_ms || world.now_ms - link->refused_first_ms < MINUTE)
        broke(GIVEN_UP, "account %u is given up by a refusal that nobody confirmed", link->account);
    book->gave_up_link = true;
    counters[COUNT_REFUSED]++;
}

/* Where all are refused alike nobody stays given up for it, whoever was refused first. */
static void check_absolved(const struct link *by)
{
    for (unsigned i = 0; i < world.accounts; i++) {
        const struct account *account = account_at(i);
        struct book *book = &world.books[i];
        if (!account || !book->gave_up_link || account->state == ACCOUNT_DISABLED)
            continue;
        bool refused = account->state == ACCOUNT_REFUSED;
        bool alike = count_alike(i, REFUSED_ACCOUNT) >= 3;
        if (refused && alike)
            broke(GIVEN_UP, "account %u stays given up, though others are refused alike", i);
        else if (!refused && alike)
            note_absolved(i, by);
        book->gave_up_link = refused;
    }
}

static int64_t doubled(int64_t floor_ms, int64_t cap_ms, unsigned times)
{
    while (times-- && floor_ms < cap_ms)
        floor_ms *= 2;
    return floor_ms < cap_ms ? floor_ms : cap_ms;
}

static void note_first(const struct link *link, enum refusal kind)
{
    struct book *book = &world.books[link->account];
    if (!link->candidate && !book->gave_up_link && !book->refused_ms[kind])
        book->refused_ms[kind] = world.now_ms;
}

/* What is refused is asked again, by waits that double from refusal to refusal: those of an outage
 * before do not count. */
static void note_refused(struct link *link, bool was_given_up)
{
    bool given_up = world.books[link->account].gave_up_link && !link->candidate;
    int64_t floor_ms = given_up ? HOUR : MINUTE, cap_ms = given_up ? 24 * HOUR : HOUR;
    if (link->freed)
        return;
    if (given_up && !was_given_up)
        link->refusals = 0;
    link->latest_start_ms = world.now_ms + doubled(floor_ms, cap_ms, link->refusals++) * 3 / 2;
}

/* What the end of a connection demands of the next one: not before, and not later. */
static void note_floor(struct link *link, const struct link_down *down)
{
    int64_t floor_ms = SECOND, latest_ms = 8 * MINUTE;
    int64_t up_ms = link->up_since_ms ? world.now_ms - link->up_since_ms : 0;
    bool given_up = link->mute && up_ms >= PROOF_MS;
    if (up_ms >= HOUR) {
        link->displacements = 0;
        link->contested = false;
    }
    link->up_since_ms = 0;
    switch (down->reason) {
    case LINK_STOPPED:
        floor_ms = given_up ? SECOND : 0;
        break;
    case LINK_CONTESTED:
        floor_ms = doubled(10 * SECOND, 30 * MINUTE, link->displacements++);
        latest_ms = HOUR;
        counters[COUNT_CONTESTED]++;
        world.books[link->account].may_contest += !link->contested;
        link->contested = true;
        break;
    case LINK_UNAUTHORIZED:
        floor_ms = MINUTE;
        latest_ms = 36 * HOUR; /* less, as its account may not be given up: note_refused */
        if (!link->refused_first_ms)
            link->refused_first_ms = world.now_ms;
        note_first(link, REFUSED_ACCOUNT);
        break;
    case LINK_CLIENT_REFUSED:
        floor_ms = 5 * MINUTE;
        latest_ms = doubled(floor_ms, HOUR, link->refusals++) * 3 / 2;
        note_first(link, REFUSED_CLIENT);
        break;
    default:
        break;
    }
    if (down->retry_after_ms > floor_ms)
        floor_ms = down->retry_after_ms;
    if (down->retry_after_ms * 2 > latest_ms)
        latest_ms = down->retry_after_ms * 2;
    link->waits_refused = down->reason == LINK_UNAUTHORIZED || down->reason == LINK_CLIENT_REFUSED;
    link->demanded = down->retry_after_ms || floor_ms > SECOND;
    link->not_before_ms = world.now_ms + floor_ms;
    link->latest_start_ms = world.now_ms + latest_ms;
}

static void step_down(struct link *link)
{
    struct link_down down = link->down;
    trace("account %u: the connection ended: %s", link->account, link_reason_name(down.reason));
    note_floor(link, &down);
    leave(link);
    bool was_given_up = world.books[link->account].gave_up_link;
    link->events->down(link->arg, &down);
    if (down.reason != LINK_UNAUTHORIZED)
        return;
    check_refused(link);
    check_absolved(link);
    note_refused(link, was_given_up);
}

static enum link_reason fault_of(struct link *link, int64_t *retry_after_ms)
{
    struct device *device = device_of(link);
    *retry_after_ms = 0;
    if (world.fleet_left) {
        world.fleet_left--;
        counters[COUNT_FLEET] += world.fleet_fault == LINK_UNAUTHORIZED;
        return world.fleet_fault;
    }
    if (device->fault != LINK_STOPPED && device->fault_left) {
        device->fault_left--;
        *retry_after_ms = device->fault_retry_after_ms;
        return device->fault;
    }
    return is_refused_for_good(link) ? LINK_UNAUTHORIZED : LINK_STOPPED;
}

static void step_handshake(struct link *link)
{
    struct device *device = device_of(link);
    int64_t retry_after_ms;
    enum link_reason fault = fault_of(link, &retry_after_ms);
    if (fault != LINK_STOPPED && fault != LINK_SILENT) {
        go_down(link, fault, retry_after_ms,
                fault == LINK_UNREACHABLE ? dice(link->account, 30 * SECOND) : 0);
        return;
    }
    if (device->connected)
        go_down(device->connected, LINK_CONTESTED, 0, dice(link->account, 2) * 50);
    device->connected = link;
    link->up = true;
    link->proven = link->drained = false;
    link->connection = ++messenger.connections;
    link->waited = device->count;
    link->next = device->first;
    link->unanswered = 0;
    link->up_since_ms = world.now_ms;
    link->mute = fault == LINK_SILENT;
    if (link->mute)
        plan(link, STEP_MUTE, PROOF_MS + SECOND);
    else
        plan(link, STEP_PUMP, dice(link->account, 3) * 20);
    if (device->contentions) {
        device->contentions--;
        go_down(link, LINK_CONTESTED, 0, dice(link->account, 3) * 2 * SECOND);
    }
    counters[COUNT_MUTE] += link->mute;
    trace("account %u: connected%s%s", link->account, link->candidate ? " (on trial)" : "",
          link->mute ? ", and shows no queue" : "");
    link->events->up(link->arg);
}

/* Nothing that concerns this account stands against a ring for this message, so only another one's
 * trouble could: it must leave at once, or when push.jitter says. */
static bool nothing_delays(const struct link *link, const struct message *message)
{
    const struct book *book = &world.books[link->account];
    const struct endpoint_book *endpoint = endpoint_book(link->account);
    const struct account *account = account_at(link->account);
    if (is_silent(message) || link->candidate || !account || world.disallowed[link->account])
        return false;
    int64_t distance_ms = distance_most_ms(link->account);
    if (book->rings_out || book->last_ring_ms + distance_ms > world.now_ms)
        return false;
    if (book->answered_ms + distance_ms > world.now_ms) /* a ring may have been taken back then */
        return false;
    /* One that waits its turn since before may still stand in the strangers' line. */
    if (!account->endpoint.proven || world.now_ms < book->proven_ms + MINUTE)
        return false;
    if (endpoint->failures || endpoint->gone || is_denied(book->in_use))
        return false;
    return !pushes_are_held_up(book->in_use, true);
}

/* Who waits because all were refused is let in soon. For the bridge that may be true without us: it
 * counts those that were removed meanwhile, too. */
static void note_let_in(bool all_were_refused)
{
    for (unsigned i = 0; i < messenger.count; i++) {
        struct link *link = messenger.links[i];
        if (link->freed || link->started || !link->waits_refused ||
            (world.books[link->account].gave_up_link && !link->candidate))
            continue;
        if (link->not_before_ms > world.now_ms + MINUTE)
            link->not_before_ms = world.now_ms + MINUTE;
        if (all_were_refused && link->latest_start_ms > world.now_ms + 2 * MINUTE)
            link->latest_start_ms = world.now_ms + 2 * MINUTE;
    }
}

static bool all_are_refused(void)
{
    for (unsigned i = 0; i < world.accounts; i++)
        for (enum refusal kind = 0; kind < REFUSALS; kind++)
            if (world.books[i].refused_ms[kind] && count_alike(i, kind) >= 3)
                return true;
    return false;
}

/* The first sign of its queue: somebody is let in. */
static void note_proof(struct link *link)
{
    if (link->proven)
        return;
    link->proven = true;
    link->refused_first_ms = 0;
    link->refusals = 0;
    note_let_in(all_are_refused());
    for (unsigned i = 0; i < world.accounts; i++)
        memset(world.books[i].refused_ms, 0, sizeof world.books[i].refused_ms);
    if (!link->candidate)
        world.books[link->account].gave_up_link = false;
}

static bool pump_one(struct link *link)
{
    struct device *device = device_of(link);
    struct book *book = &world.books[link->account];
    unsigned number = link->next;
    if (!link->up || number >= device->count || number >= device->first + WINDOW)
        return false;
    struct message *message = &device->messages[number];
    link->next++;
    if (message->acked)
        return true;
    message->delivered_on = link->connection;
    message->delivered_ms = world.now_ms;
    message->prompt = number < link->waited || link->unanswered >= HELD_MOST;
    link->unanswered++;
    bool free = nothing_delays(link, message), at_once = free && !world.config.push_jitter_ms;
    counters[COUNT_MESSAGES]++;
    counters[COUNT_AT_ONCE] += at_once;
    unsigned rings = book->rings;
    uint64_t heard = ++world.tick;
    if (!message->noted)
        message->noted = heard;
    if (!is_silent(message))
        book->noted_ms = world.now_ms;
    trace("message %u of account %u is delivered%s", number, link->account,
          is_silent(message) ? " (silent)" : "");
    note_proof(link);
    if (!is_silent(message))
        hurry_first(link->account);
    link->events->waiting(link->arg, (uint64_t)link->connection << 16 | number, message->urgent,
                          message->own);
    if (link->freed)
        return true;
    if (!is_silent(message))
        book->heard = heard;
    if (at_once && book->rings == rings)
        broke(APART, "account %u: nothing stands against its ring, and it is not sent",
              link->account);
    else if (free && book->rings == rings)
        distance_put_off(link->account);
    return true;
}

static void step_pump(struct link *link)
{
    struct device *device = device_of(link);
    while (!link->freed && link->up && link->step == STEP_NONE && !world.broken && pump_one(link))
        if (dice(link->account, 8) == 0)
            plan(link, STEP_PUMP,
                 dice(link->account, 2) * 10); /* the next ones come in a turn of their own */
    if (link->freed || !link->up || link->drained || link->step == STEP_DOWN)
        return;
    if (device->first < link->waited || link->step == STEP_PUMP)
        return;
    link->drained = true;
    trace("account %u: the queue is empty", link->account);
    note_proof(link);
    link->events->drained(link->arg);
}

static void on_timer(void *arg)
{
    struct link *link = arg;
    enum link_step step = link->step;
    if (step == STEP_DOWN) {
        step_down(link);
        return;
    }
    link->step = STEP_NONE;
    if (step == STEP_HANDSHAKE)
        step_handshake(link);
    else if (step == STEP_MUTE)
        broke(SILENCE, "account %u: a link that shows no queue is kept", link->account);
    else
        step_pump(link);
}

const struct link_ops sim_messenger = {.messenger = "simulated",
                                       .open = link_open,
                                       .start = link_start,
                                       .stop = link_stop,
                                       .acknowledge = link_acknowledge,
                                       .test = link_test,
                                       .promote = link_promote,
                                       .free = link_free};

void messenger_process_ended(void)
{
    for (unsigned i = 0; i < messenger.count; i++) {
        struct link *link = messenger.links[i];
        if (!link->freed && !world.tearing_down)
            broke(LINKS, "a link was not freed");
        leave(link);
        free(link);
    }
    messenger.count = 0;
}

/* The link of the account itself, not of a trial. */
static struct link *own_link(unsigned account)
{
    for (unsigned i = messenger.count; i--;) {
        struct link *link = messenger.links[i];
        if (!link->freed && !link->candidate && link->account == account)
            return link;
    }
    return NULL;
}

void messenger_pump(unsigned account)
{
    struct link *link = world.devices[account].connected;
    if (link && link->step == STEP_NONE)
        plan(link, STEP_PUMP, 0);
}

void messenger_message(unsigned account, bool urgent, bool own, unsigned count)
{
    struct device *device = &world.devices[account];
    for (; count && device->count < MESSAGES; count--)
        device->messages[device->count++] = (struct message){.urgent = urgent, .own = own};
    messenger_pump(account);
}

void messenger_drop(unsigned account, enum link_reason reason, int64_t retry_after_ms)
{
    struct link *link = world.devices[account].connected;
    if (link)
        go_down(link, reason, retry_after_ms, 0);
}

void messenger_heal(void)
{
    world.fleet_left = 0;
    for (unsigned i = 0; i < world.accounts; i++)
        world.devices[i].fault_left = world.devices[i].contentions = world.devices[i].replies = 0;
    for (unsigned i = 0; i < messenger.count; i++) {
        struct link *link = messenger.links[i];
        if (link->step == STEP_MUTE)
            plan(link, STEP_PUMP, 0);
        link->mute = false;
    }
}

/* The operator allows it again: that is a new beginning. */
void messenger_allowed_again(unsigned account)
{
    struct link *link = own_link(account);
    if (!link)
        return;
    link->not_before_ms = world.now_ms;
    if (!link->started)
        link->latest_start_ms = world.now_ms;
}

int64_t messenger_latest_start_ms(unsigned account)
{
    const struct link *link = own_link(account);
    return link ? link->latest_start_ms : 0;
}

/* Sleep */

void messenger_hangs_up(void)
{
    enum { NOTICED_MS = 50 * SECOND }; /* a keep-alive every 30 s, 20 s for its answer */
    for (unsigned i = 0; i < messenger.count; i++) {
        struct link *link = messenger.links[i];
        if (link->freed || !link->up || link->step == STEP_DOWN || dice(link->account, 4) == 0)
            continue;
        trace("account %u: its connection is dead without a word", link->account);
        if (device_of(link)->connected == link)
            device_of(link)->connected = NULL;
        go_down(link, LINK_LOST, 0, NOTICED_MS);
        link->dead = true;
    }
}

/* What a server demanded is over when its own clock says so; the rest is tried at once. */
static void resume_link(struct link *link, int64_t slept_ms)
{
    const struct account *account = account_at(link->account);
    link->tested = false;
    if (link->started)
        return;
    if (link->demanded) {
        link->not_before_ms -= slept_ms;
        link->latest_start_ms -= slept_ms;
        return;
    }
    link->not_before_ms = link->latest_start_ms = world.now_ms;
    if (link->candidate || !account || account->state == ACCOUNT_DISABLED)
        return;
    link->at_once_ms = world.now_ms;
    counters[COUNT_MADE]++;
}

void messenger_resumed(int64_t slept_ms)
{
    for (unsigned i = 0; i < messenger.count; i++)
        if (!messenger.links[i]->freed)
            resume_link(messenger.links[i], slept_ms);
}

void messenger_check_tested(void)
{
    for (unsigned i = 0; i < messenger.count; i++) {
        const struct link *link = messenger.links[i];
        if (link->freed || !link->started)
            continue;
        counters[COUNT_TESTED]++;
        if (!link->tested)
            broke(SILENCE, "account %u: the machine slept, and its link is not tested",
                  link->account);
    }
}

void messenger_check_made(void)
{
    for (unsigned i = 0; i < messenger.count; i++) {
        const struct link *link = messenger.links[i];
        bool full = world.links_most && count_started() >= world.links_most;
        if (!link->freed && link->at_once_ms && !full)
            broke(SILENCE, "account %u: the machine slept, and its link is not made",
                  link->account);
    }
}

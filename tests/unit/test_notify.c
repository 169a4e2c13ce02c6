#include "base/notify.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "folder.h"

enum { DEADLINE_MS = 20000, TEXT_SIZE = 256 };

/* What systemd is: a datagram socket, and the variables that name it. */
struct manager {
    int fd;
    struct loop loop;
    struct notify notify;
    unsigned asked;
    bool alive;
};

static bool is_alive(void *arg)
{
    struct manager *manager = arg;
    manager->asked++;
    return manager->alive;
}

/* A name that begins with "@" is made one of this process. */
static void listen_at(struct manager *manager, const char *where)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char name[64];
    int used = snprintf(name, sizeof name, "%s", where);
    if (*where == '@')
        snprintf(name + used, sizeof name - (size_t)used, "-doorbell-unit-%d", getpid());
    size_t length = strlen(name);
    memset(manager, 0, sizeof *manager);
    memcpy(address.sun_path, name, length);
    if (*name == '@')
        address.sun_path[0] = '\0';
    manager->alive = true;
    manager->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(manager->fd, 0);
    ck_assert_int_eq(bind(manager->fd, (struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)),
                     0);
    setenv("NOTIFY_SOCKET", name, 1);
}

static void start(struct manager *manager)
{
    loop_init(&manager->loop);
    notify_init(&manager->notify, &manager->loop);
}

static void stop(struct manager *manager)
{
    notify_fini(&manager->notify);
    loop_fini(&manager->loop);
    close(manager->fd);
}

/* The next message that is there already. */
static bool receive(struct manager *manager, char text[TEXT_SIZE])
{
    ssize_t length = recv(manager->fd, text, TEXT_SIZE - 1, MSG_DONTWAIT);
    text[length > 0 ? length : 0] = '\0';
    return length > 0;
}

static void expect(struct manager *manager, const char *message)
{
    char text[TEXT_SIZE];
    ck_assert(receive(manager, text));
    ck_assert_str_eq(text, message);
}

static void drain(struct manager *manager)
{
    char text[TEXT_SIZE];
    while (receive(manager, text))
        ;
}

static void expect_nothing(struct manager *manager)
{
    char text[TEXT_SIZE];
    ck_assert_msg(!receive(manager, text), "%s", text);
}

static void run_until_asked(struct manager *manager, unsigned times)
{
    int64_t end = clock_ms() + DEADLINE_MS;
    while (manager->asked < times && clock_ms() < end)
        uv_run(&manager->loop.uv, UV_RUN_ONCE);
    ck_assert_uint_ge(manager->asked, times);
}

static void unset_all(void)
{
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

START_TEST(a_life_is_told_at_a_path_and_at_an_abstract_name)
{
    struct folder folder;
    struct manager manager;
    char path[64];
    enter_folder(&folder);
    snprintf(path, sizeof path, "%s/notify", folder.path);
    const char *names[] = {path, "@life"};
    for (size_t i = 0; i < 2; i++) {
        char text[TEXT_SIZE];
        long long usec = 0;
        unset_all();
        listen_at(&manager, names[i]);
        start(&manager);
        expect_nothing(&manager);
        notify_ready(&manager.notify, "1 account, 0 linked", is_alive, &manager);
        expect(&manager, "READY=1\nSTATUS=1 account, 0 linked");
        int64_t before_ms = clock_ms();
        notify_reloading(&manager.notify);
        ck_assert(receive(&manager, text));
        ck_assert_int_eq(sscanf(text, "RELOADING=1\nMONOTONIC_USEC=%lld", &usec), 1);
        ck_assert_int_ge(usec / 1000, before_ms);
        ck_assert_int_le(usec / 1000, clock_ms());
        notify_ready(&manager.notify, "1 account, 0 linked", is_alive, &manager);
        expect(&manager, "READY=1\nSTATUS=1 account, 0 linked");
        notify_stopping(&manager.notify);
        expect(&manager, "STOPPING=1");
        stop(&manager);
    }
    leave_folder(&folder);
}
END_TEST

START_TEST(the_status_is_told_when_it_changes)
{
    struct manager manager;
    unset_all();
    listen_at(&manager, "@status");
    start(&manager);
    notify_ready(&manager.notify, "2 accounts, 0 linked", is_alive, &manager);
    expect(&manager, "READY=1\nSTATUS=2 accounts, 0 linked");
    notify_status(&manager.notify, "2 accounts, 0 linked");
    expect_nothing(&manager);
    notify_status(&manager.notify, "2 accounts, 2 linked");
    expect(&manager, "STATUS=2 accounts, 2 linked");
    notify_status(&manager.notify, "2 accounts, 2 linked");
    expect_nothing(&manager);
    stop(&manager);
}
END_TEST

/* More than any kernel keeps for it. */
START_TEST(a_manager_that_does_not_read_holds_nobody_up)
{
    enum { MANY = 3000 };
    struct manager manager;
    char text[TEXT_SIZE];
    unset_all();
    listen_at(&manager, "@deaf");
    start(&manager);
    for (int i = 0; i < MANY; i++) {
        snprintf(text, sizeof text, "%d accounts, 0 linked", i);
        notify_status(&manager.notify, text);
    }
    expect(&manager, "STATUS=0 accounts, 0 linked");
    unsigned kept = 1;
    while (receive(&manager, text))
        kept++;
    ck_assert_uint_lt(kept, MANY);
    notify_status(&manager.notify, "2999 accounts, 0 linked"); /* there was no room for it */
    expect(&manager, "STATUS=2999 accounts, 0 linked");
    notify_stopping(&manager.notify);
    expect(&manager, "STOPPING=1");
    stop(&manager);
}
END_TEST

START_TEST(the_watchdog_is_fed_from_the_loop_while_all_is_alive)
{
    struct manager manager;
    unset_all();
    setenv("WATCHDOG_USEC", "20000", 1);
    listen_at(&manager, "@watchdog");
    start(&manager);
    ck_assert_int_eq(manager.notify.watchdog_ms, 10);
    ck_assert(!timer_is_set(&manager.notify.watchdog)); /* who is not ready is not watched */
    notify_ready(&manager.notify, "", is_alive, &manager);
    expect(&manager, "READY=1\nSTATUS=");
    expect_nothing(&manager);
    run_until_asked(&manager, 1);
    expect(&manager, "WATCHDOG=1");
    manager.alive = false;
    drain(&manager); /* a slow machine asks twice in a turn */
    run_until_asked(&manager, manager.asked + 2);
    expect_nothing(&manager);
    manager.alive = true;
    run_until_asked(&manager, manager.asked + 1);
    expect(&manager, "WATCHDOG=1");
    stop(&manager);
}
END_TEST

START_TEST(a_watchdog_of_another_process_or_without_sense_is_not_fed)
{
    struct manager manager;
    char own[16];
    snprintf(own, sizeof own, "%d", getpid());
    const struct {
        const char *usec, *pid;
        int64_t every_ms;
    } all[] = {{"30000000", own, 15000},
               {"30000000", NULL, 15000},
               {"30000000", "1", 0},
               {"30000000", "", 0},
               {"1", NULL, 1},
               {"0", NULL, 0},
               {"-5", NULL, 0},
               {"30s", NULL, 0},
               {"", NULL, 0}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        unset_all();
        setenv("WATCHDOG_USEC", all[i].usec, 1);
        if (all[i].pid)
            setenv("WATCHDOG_PID", all[i].pid, 1);
        listen_at(&manager, "@whose");
        start(&manager);
        ck_assert_int_eq(manager.notify.watchdog_ms, all[i].every_ms);
        notify_ready(&manager.notify, "", is_alive, &manager);
        ck_assert_int_eq(timer_is_set(&manager.notify.watchdog), all[i].every_ms > 0);
        stop(&manager);
    }
}
END_TEST

START_TEST(no_child_inherits_the_right_to_speak)
{
    struct manager manager;
    unset_all();
    setenv("WATCHDOG_USEC", "20000", 1);
    setenv("WATCHDOG_PID", "1", 1);
    listen_at(&manager, "@child");
    start(&manager);
    ck_assert_ptr_null(getenv("NOTIFY_SOCKET"));
    ck_assert_ptr_null(getenv("WATCHDOG_USEC"));
    ck_assert_ptr_null(getenv("WATCHDOG_PID"));
    stop(&manager);
}
END_TEST

/* Not set, empty, of a kind that is not known, too long, or nobody there. */
START_TEST(without_a_manager_nothing_happens)
{
    char longest[200] = "/";
    log_configure(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    memset(longest + 1, 'x', sizeof longest - 2);
    const char *names[] = {NULL, "",  "vsock:2:1234", "relative",
                           "/",  "@", longest,        "/nowhere/notify"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct manager manager = {.fd = -1, .alive = true};
        unset_all();
        setenv("WATCHDOG_USEC", "20000", 1);
        if (names[i])
            setenv("NOTIFY_SOCKET", names[i], 1);
        start(&manager);
        notify_ready(&manager.notify, "0 accounts, 0 linked", is_alive, &manager);
        notify_reloading(&manager.notify);
        notify_status(&manager.notify, "1 account, 0 linked");
        notify_stopping(&manager.notify);
        bool can_be_named = i == sizeof names / sizeof *names - 1;
        ck_assert_int_eq(manager.notify.fd >= 0, can_be_named);
        ck_assert_int_eq(timer_is_set(&manager.notify.watchdog), can_be_named);
        notify_fini(&manager.notify);
        loop_fini(&manager.loop);
    }
}
END_TEST

UNIT_MAIN("notify", a_life_is_told_at_a_path_and_at_an_abstract_name,
          the_status_is_told_when_it_changes, a_manager_that_does_not_read_holds_nobody_up,
          the_watchdog_is_fed_from_the_loop_while_all_is_alive,
          a_watchdog_of_another_process_or_without_sense_is_not_fed,
          no_child_inherits_the_right_to_speak, without_a_manager_nothing_happens)

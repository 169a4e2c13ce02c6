/* Plays random sequences of events, shrinks one that breaks the guarantee and tells it in words.
 *
 *   sim [--seed N] [--sequences M] [--seconds S] [--jobs J]    plays; exit 1 when one breaks
 *   sim --replay SEED                                          plays one, with all that happens
 */
#include "sim.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/random.h"

enum { JOBS_MOST = 16 };

/* What a worker tells, also by its sudden end. */
struct worker {
    pid_t pid;
    uint64_t playing; /* the seed */
    uint64_t counters[COUNTERS];
    enum invariant broken;
    char why[sizeof world.why];
};

struct run {
    uint64_t seed, sequences, replay;
    unsigned jobs;
    int64_t seconds;
    bool replays, brief;
    struct worker *workers;
};

static double wall_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* libsodium's dice, which the hash tables throw, are the world's. */
static const char *dice_name(void)
{
    return "simulated";
}

static void dice_bytes(void *bytes, size_t size)
{
    random_bytes(bytes, size);
}

static struct randombytes_implementation sodium_dice = {
    .implementation_name = dice_name, .random = random_u32, .buf = dice_bytes};

static void work(const struct run *run, struct worker *worker, unsigned number)
{
    struct sequence sequence;
    double end = wall_s() + (double)run->seconds;
    for (uint64_t i = number; i < run->sequences; i += run->jobs) {
        worker->playing = run->seed + i;
        sequence_make(&sequence, worker->playing);
        worker->broken = sequence_play(&sequence);
        memcpy(worker->counters, counters, sizeof counters);
        if (worker->broken) {
            memcpy(worker->why, world.why, sizeof worker->why);
            return;
        }
        if (run->seconds && i / run->jobs % 256 == 0 && wall_s() > end)
            return;
        for (unsigned k = 0; k < run->jobs; k++)
            if (__atomic_load_n(&run->workers[k].broken, __ATOMIC_RELAXED))
                return;
    }
}

/* In a process of its own: an assertion of the program's may end it. */
static enum invariant play_apart(const struct sequence *sequence, char *why)
{
    struct worker *told =
        mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status;
    fflush(stdout);
    told->broken = CRASHED;
    pid_t pid = fork();
    if (pid == 0) {
        if (!world.tracing)
            (void)!freopen("/dev/null", "w", stderr);
        told->broken = sequence_play(sequence);
        memcpy(told->why, world.why, sizeof told->why);
        fflush(stdout);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    enum invariant broken = told->broken;
    memcpy(why, told->why, sizeof told->why);
    munmap(told, sizeof *told);
    return broken;
}

/* Delta debugging: what can be left out while it still breaks the same way, perhaps with other
 * dice, is left out. */
static bool still_breaks(struct sequence *sequence, enum invariant broken)
{
    enum { THROWS = 12 };
    char why[sizeof world.why];
    for (unsigned i = 0; i < THROWS; i++, sequence->seed++)
        if (play_apart(sequence, why) == broken)
            return true;
    return false;
}

static bool leave_out(struct sequence *sequence, unsigned from, unsigned count,
                      enum invariant broken)
{
    struct sequence less = *sequence;
    less.count -= count;
    memmove(less.events + from, less.events + from + count,
            (less.count - from) * sizeof *less.events);
    if (from < less.count) /* the others stay where they were in time */
        for (unsigned i = from; i < from + count; i++)
            less.events[from].wait_ms += sequence->events[i].wait_ms;
    if (!still_breaks(&less, broken))
        return false;
    *sequence = less;
    return true;
}

static bool shorten_waits(struct sequence *sequence, enum invariant broken)
{
    bool shorter = false;
    for (unsigned i = 0; i < sequence->count; i++) {
        struct sequence less = *sequence;
        if (less.events[i].wait_ms == 0)
            continue;
        less.events[i].wait_ms = 0;
        if (still_breaks(&less, broken)) {
            *sequence = less;
            shorter = true;
        }
    }
    return shorter;
}

static void shrink(struct sequence *sequence, enum invariant broken)
{
    bool less = true;
    while (sequence->accounts > 1) {
        struct sequence fewer = *sequence;
        fewer.accounts--;
        if (!still_breaks(&fewer, broken))
            break;
        *sequence = fewer;
    }
    while (less) {
        less = false;
        for (unsigned size = sequence->count / 2 ? sequence->count / 2 : 1; size; size /= 2)
            for (unsigned from = 0; from + size <= sequence->count;)
                if (leave_out(sequence, from, size, broken))
                    less = true;
                else
                    from += size;
        less |= shorten_waits(sequence, broken);
    }
}

static void tell(const struct sequence *sequence, const char *title)
{
    printf("%s (%u accounts, options %#x, dice %llu):\n", title, sequence->accounts,
           sequence->options, (unsigned long long)sequence->seed);
    for (unsigned i = 0; i < sequence->count; i++) {
        char text[256];
        event_text(sequence, &sequence->events[i], text, sizeof text);
        printf("  %2u. %s\n", i + 1, text);
    }
}

static void tell_broken(const struct worker *worker)
{
    struct sequence sequence;
    char why[sizeof world.why];
    enum invariant broken = worker->broken;
    sequence_make(&sequence, worker->playing);
    printf("Sequence %llu breaks %s: %s\n", (unsigned long long)worker->playing,
           invariant_text(broken), worker->why);
    shrink(&sequence, broken);
    play_apart(&sequence, why);
    tell(&sequence, "Shrunk");
    printf("  %s: %s\n", invariant_text(broken), why);
    world.tracing = true;
    printf("What happens:\n");
    play_apart(&sequence, why);
}

static int replay(uint64_t seed)
{
    struct sequence sequence;
    char why[sizeof world.why];
    sequence_make(&sequence, seed);
    tell(&sequence, "Sequence");
    world.tracing = true;
    enum invariant broken = play_apart(&sequence, why);
    printf("%s %s\n", invariant_text(broken), why);
    return broken ? 1 : 0;
}

static void start(struct run *run)
{
    fflush(stdout);
    for (unsigned i = 0; i < run->jobs; i++) {
        struct worker *worker = &run->workers[i];
        pid_t pid = fork(); /* not into the memory that both share: the child's is 0 */
        if (pid == 0) {
            if (run->brief)
                (void)!freopen("/dev/null", "w", stderr);
            work(run, worker, i);
            _exit(0);
        }
        worker->pid = pid;
    }
    for (unsigned i = 0; i < run->jobs; i++) {
        struct worker *worker = &run->workers[i];
        int status = 0;
        if (waitpid(worker->pid, &status, 0) == worker->pid && WIFEXITED(status) &&
            WEXITSTATUS(status) == 0)
            continue;
        worker->broken = CRASHED;
        snprintf(worker->why, sizeof worker->why, "wait status %#x", (unsigned)status);
    }
}

static const char *const counter_texts[COUNTERS] = {
    [COUNT_SEQUENCES] = "sequences",
    [COUNT_EVENTS] = "events in them",
    [COUNT_MESSAGES] = "messages delivered to the bridge",
    [COUNT_RINGS] = "rings sent",
    [COUNT_ACCEPTED] = "rings accepted",
    [COUNT_ACKED_BY_DEBT] = "messages acknowledged on a debt on disk",
    [COUNT_CRASHES] = "SIGKILL and restart",
    [COUNT_FAILED_WRITES] = "writes that failed",
    [COUNT_GONE] = "endpoints given up",
    [COUNT_REFUSED] = "accounts given up",
    [COUNT_FLEET] = "refusals of the whole fleet",
    [COUNT_CONTESTED] = "displacements by somebody else",
    [COUNT_AT_ONCE] = "rings that nothing may delay",
    [COUNT_REPLACED] = "endpoints replaced with a ring owed",
    [COUNT_SHARED] = "rings to another account's endpoint",
    [COUNT_SPACED] = "rings that a daily budget moved apart",
    [COUNT_RENEWED] = "endpoints that came back with other keys",
    [COUNT_OUTDATED] = "rings accepted with keys that were replaced meanwhile",
    [COUNT_TAKEN_UP] = "endpoints that came back below a floor",
    [COUNT_DENIED] = "rings owed while the settings forbade their push server",
    [COUNT_NO_ROOM] = "links that took the last room",
    [COUNT_MUTE] = "links that showed no queue",
    [COUNT_PUT_OFF] = "rings that push.jitter put off",
    [COUNT_TESTED] = "links tested after the machine slept",
    [COUNT_MADE] = "links made at once then",
    [COUNT_HURRIED] = "rings tried at once then",
    [COUNT_SETTLED] = "accounts found rung once all worked",
};

static double processor_s(void)
{
    struct rusage usage;
    getrusage(RUSAGE_CHILDREN, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static int report(const struct run *run, double took_s)
{
    uint64_t sum[COUNTERS] = {0};
    const struct worker *broken = NULL;
    for (unsigned i = 0; i < run->jobs; i++) {
        for (unsigned k = 0; k < COUNTERS; k++)
            sum[k] += run->workers[i].counters[k];
        if (run->workers[i].broken && !broken)
            broken = &run->workers[i];
    }
    if (run->brief) {
        printf("%llu\t%s\n", (unsigned long long)sum[COUNT_SEQUENCES],
               broken ? invariant_text(broken->broken) : "");
        return broken ? 1 : 0;
    }
    for (unsigned k = 0; k < COUNTERS; k++)
        printf("%12llu  %s\n", (unsigned long long)sum[k], counter_texts[k]);
    printf("%12.0f  sequences a minute, in %u processes; seeds from %llu\n",
           (double)sum[COUNT_SEQUENCES] * 60 / took_s, run->jobs, (unsigned long long)run->seed);
    printf("%12.0f  sequences for each minute of one processor\n",
           (double)sum[COUNT_SEQUENCES] * 60 / processor_s());
    if (broken) {
        tell_broken(broken);
        return 1;
    }
    if (!run->seconds && sum[COUNT_SEQUENCES] != run->sequences) {
        for (unsigned i = 0; i < run->jobs; i++)
            printf("process %u ended early, at seed %llu\n", i,
                   (unsigned long long)run->workers[i].playing);
        return 1;
    }
    printf("The guarantee held in all of them.\n");
    return 0;
}

static void read_arguments(struct run *run, int count, char **arguments)
{
    for (int i = 1; i < count; i++) {
        const char *value = i + 1 < count ? arguments[i + 1] : "0";
        if (strcmp(arguments[i], "--brief") == 0) {
            run->brief = true;
            continue;
        }
        if (strcmp(arguments[i], "--seed") == 0)
            run->seed = strtoull(value, NULL, 10);
        else if (strcmp(arguments[i], "--sequences") == 0)
            run->sequences = strtoull(value, NULL, 10);
        else if (strcmp(arguments[i], "--seconds") == 0)
            run->seconds = strtoll(value, NULL, 10);
        else if (strcmp(arguments[i], "--jobs") == 0)
            run->jobs = (unsigned)strtoul(value, NULL, 10);
        else if (strcmp(arguments[i], "--replay") == 0)
            run->replays = true, run->replay = strtoull(value, NULL, 10);
        else {
            fprintf(stderr, "sim: unknown argument %s\n", arguments[i]);
            exit(2);
        }
        i++;
    }
    if (run->jobs < 1 || run->jobs > JOBS_MOST)
        run->jobs = 1;
    if (!run->sequences)
        run->sequences = UINT64_MAX;
}

int main(int count, char **arguments)
{
    struct run run = {.seed = 1, .sequences = 100000, .jobs = 2};
    read_arguments(&run, count, arguments);
    sodium_dice.uniform = NULL;
    if (randombytes_set_implementation(&sodium_dice) != 0 || sodium_init() < 0)
        return 2;
    if (run.replays)
        return replay(run.replay);
    size_t size = run.jobs * sizeof *run.workers;
    run.workers = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (run.workers == MAP_FAILED)
        return 2;
    double began = wall_s();
    start(&run);
    int result = report(&run, wall_s() - began);
    munmap(run.workers, size);
    return result;
}

#include "web/prometheus.h"

#include <inttypes.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/process.h"
#include "bridge/figures.h"

enum {
    SAMPLE_MAX = 2 * URL_ORIGIN_SIZE + 128, /* one line, all of whose origin had to be escaped */
    /* Every server of the table with every status, and as much again for all the rest. */
    TEXT_MAX = 2 * ANSWERS_ROWS * ANSWERS_STATUSES * SAMPLE_MAX,
};

static void family(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_format(out, "# HELP doorbell_%s %s\n# TYPE doorbell_%s %s\n", name, help, name, type);
}

static void sample(struct buf *out, const char *name, uint64_t value)
{
    buf_format(out, "doorbell_%s %" PRIu64 "\n", name, value);
}

/* `text` is ours and needs no escaping. */
static void labelled(struct buf *out, const char *name, const char *label, const char *text,
                     uint64_t value)
{
    buf_format(out, "doorbell_%s{%s=\"%s\"} %" PRIu64 "\n", name, label, text, value);
}

static void counter(struct buf *out, const char *name, const char *help, uint64_t value)
{
    family(out, name, "counter", help);
    sample(out, name, value);
}

static void gauge(struct buf *out, const char *name, const char *help, uint64_t value)
{
    family(out, name, "gauge", help);
    sample(out, name, value);
}

static void seconds(struct buf *out, const char *name, uint64_t value, uint64_t per_second)
{
    buf_format(out, "doorbell_%s %.6f\n", name, (double)value / (double)per_second);
}

/* What the text format escapes in a label. */
static void add_escaped(struct buf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\\' || *text == '"')
            buf_add_text(out, "\\");
        buf_add(out, *text == '\n' ? " " : text, 1);
    }
}

static void add_process(struct buf *out, const struct bridge_figures *figures)
{
    struct process_use use;
    process_look(&use);
    family(out, "build_info", "gauge", "Always 1; its label tells the version.");
    labelled(out, "build_info", "version", DOORBELL_VERSION, 1);
    gauge(out, "process_start_time_seconds", "When Doorbell started, in seconds since 1970.",
          (uint64_t)figures->started_unix);
    family(out, "process_cpu_seconds_total", "counter", "Processor time that Doorbell has used.");
    seconds(out, "process_cpu_seconds_total", (uint64_t)use.cpu_ms, 1000);
    if (use.memory_bytes >= 0)
        gauge(out, "process_resident_memory_bytes", "Memory that Doorbell occupies.",
              (uint64_t)use.memory_bytes);
    if (use.descriptors_open >= 0)
        gauge(out, "process_open_fds", "Files and connections that Doorbell has open.",
              (uint64_t)use.descriptors_open);
    if (use.descriptors_most >= 0)
        gauge(out, "process_max_fds", "Files and connections that Doorbell may have open.",
              (uint64_t)use.descriptors_most);
}

static void add_accounts(struct buf *out, const struct bridge_figures *figures)
{
    family(out, "accounts", "gauge", "Accounts by the state of their link to the messenger.");
    for (unsigned i = 0; i < ACCOUNT_STATES; i++)
        labelled(out, "accounts", "state", account_state_name(i), figures->accounts[i]);
    family(out, "endpoints", "gauge", "Accounts by the state of their UnifiedPush endpoint.");
    for (unsigned i = 0; i < ENDPOINT_STATES; i++)
        labelled(out, "endpoints", "state", endpoint_state_name(i), figures->endpoints[i]);
    gauge(out, "owed_rings",
          "Accounts for which a message waits that no accepted ring answers yet.", figures->owed);
    family(out, "owed_ring_age_seconds", "gauge",
           "How long the account that waits longest for its ring has done so; 0 where none waits.");
    seconds(out, "owed_ring_age_seconds", (uint64_t)figures->oldest_owed_ms, 1000);
}

static void add_links(struct buf *out, const struct bridge_figures *figures)
{
    counter(out, "connects_total", "Links to the messenger that came up.", figures->connects);
    counter(out, "reconnects_total",
            "Links to the messenger that came up and were not an account's first.",
            figures->reconnections);
    family(out, "disconnects_total", "counter",
           "Links that ended and attempts that failed, by reason.");
    for (unsigned i = 0; i < LINK_REASONS; i++)
        labelled(out, "disconnects_total", "reason", link_reason_name(i), figures->tally->downs[i]);
    gauge(out, "server_frame_age_seconds",
          "How long ago the messenger's server was heard last, over any link; since the start "
          "where it never was.",
          (uint64_t)figures->silent_s);
    family(out, "messages_total", "counter",
           "Messages that waited: urgent ones ring, copies of own ones and quiet ones do not.");
    for (unsigned i = 0; i < TALLY_MESSAGES; i++)
        labelled(out, "messages_total", "kind", tally_message_name(i), figures->tally->messages[i]);
}

static void add_delay(struct buf *out, const struct histogram *delay)
{
    static const char name[] = "doorbell_message_to_ring_seconds";
    uint64_t sum = 0;
    family(out, "message_to_ring_seconds", "histogram",
           "From the oldest message that a ring answers to the acceptance of that ring.");
    for (int i = 0; i < HISTOGRAM_BOUNDS; i++) {
        sum += delay->counts[i];
        buf_format(out, "%s_bucket{le=\"%g\"} %" PRIu64 "\n", name,
                   (double)histogram_bounds_ms[i] / 1000, sum);
    }
    sum += delay->counts[HISTOGRAM_BOUNDS];
    buf_format(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, sum);
    seconds(out, "message_to_ring_seconds_sum", delay->sum_ms, 1000);
    sample(out, "message_to_ring_seconds_count", sum);
}

static void add_causes(struct buf *out, const char *name, const uint64_t counts[PUSH_KINDS])
{
    static const char *const causes[PUSH_KINDS] = {
        [PUSH_RING] = "message", [PUSH_TEST] = "test", [PUSH_CONTESTED] = "notice"};
    for (unsigned i = 0; i < PUSH_KINDS; i++)
        labelled(out, name, "cause", causes[i], counts[i]);
}

static void add_answers(struct buf *out, const struct answers_row *row)
{
    for (size_t i = 0; i < ANSWERS_STATUSES; i++) {
        if (!row->counts[i])
            continue;
        buf_add_text(out, "doorbell_push_answers_total{origin=\"");
        add_escaped(out, row->origin);
        buf_format(out, "\",status=\"%s\"} %" PRIu64 "\n", answers_status_name(i), row->counts[i]);
    }
}

static void add_down(struct buf *out, const struct answers_row *row)
{
    buf_add_text(out, "doorbell_push_server_down{origin=\"");
    add_escaped(out, row->origin);
    buf_format(out, "\"} %d\n", row->down);
}

static void add_breakers(struct buf *out, const char *endpoints,
                         const unsigned counts[BREAKER_STATES])
{
    static const char *const states[BREAKER_STATES] = {
        [BREAKER_CLOSED] = "closed", [BREAKER_OPEN] = "open", [BREAKER_HALF_OPEN] = "half-open"};
    for (unsigned i = 0; i < BREAKER_STATES; i++)
        buf_format(out, "doorbell_push_servers{endpoints=\"%s\",breaker=\"%s\"} %u\n", endpoints,
                   states[i], counts[i]);
}

static void add_pushes(struct buf *out, const struct push_figures *figures)
{
    const struct answers *answers = figures->answers;
    family(out, "pushes_total", "counter", "Pushes that were sent, by what caused them.");
    add_causes(out, "pushes_total", figures->began);
    family(out, "wakes_total", "counter",
           "Pushes that the push server accepted, by what caused them.");
    add_causes(out, "wakes_total", figures->accepted);
    family(
        out, "push_answers_total", "counter",
        "How pushes ended: the push server's status, none (no answer), denied (by our settings), "
        "other.");
    for (size_t i = 0; i < answers->row_count; i++)
        add_answers(out, &answers->rows[i]);
    gauge(out, "push_waiting", "Pushes that wait for their turn or for a push server that is down.",
          figures->waiting);
    gauge(out, "push_in_flight", "Pushes that have been sent and not been answered yet.",
          figures->in_flight);
    family(out, "push_servers", "gauge",
           "Push servers in memory by the state of their breaker, for endpoints that have accepted "
           "a push (proven) and for others (unproven).");
    add_breakers(out, "proven", figures->proven);
    add_breakers(out, "unproven", figures->strangers);
    family(out, "push_server_down", "gauge",
           "1 while rings for this push server wait because it does not work; only for servers "
           "that may be named.");
    for (size_t i = 1; i < answers->row_count; i++)
        add_down(out, &answers->rows[i]);
}

static void add_store(struct buf *out, bool failing, const struct store_counts *counts)
{
    gauge(out, "store_failing", "1 while the store cannot be written, or a write to it hangs.",
          failing);
    family(out, "store_write_seconds", "summary", "How long groups of changes took to be durable.");
    seconds(out, "store_write_seconds_sum", counts->us, 1000 * 1000);
    sample(out, "store_write_seconds_count", counts->groups);
    counter(out, "store_failed_changes_total", "Changes that could not be written.",
            counts->failed);
}

static void add_lookout(struct buf *out, const struct lookout_figures *figures)
{
    gauge(
        out, "clock_wrong",
        "1 while push servers, or certificates that are not valid by it, show that this machine's "
        "clock is wrong.",
        figures->clock_wrong);
    gauge(
        out, "certificate_end_time_seconds",
        "When the certificate of web.tls_cert ends, in seconds since 1970; 0 where there is none.",
        (uint64_t)figures->certificate_ends_unix);
    gauge(out, "alerts_failing", "1 while alert.url does not take what is sent to it.",
          figures->alerts_failing);
}

static void add_road(struct buf *out, const struct signal_server *signal)
{
    struct signal_report report;
    signal_server_report(signal, &report);
    gauge(out, "signal_connections",
          "TLS connections to Signal over HTTP/2, which accounts share; over HTTP/1.1 each account "
          "has its own.",
          report.connections);
    gauge(out, "signal_streams", "Links to Signal that are open on those connections.",
          report.streams);
    gauge(out, "signal_road_fallen",
          "1 while HTTP/1.1 carries links to Signal because HTTP/2 failed.", report.why != NULL);
}

char *prometheus_text(struct bridge *bridge, struct push *push, struct store *store,
                      const struct lookout *lookout, const struct signal_server *signal)
{
    struct bridge_figures accounts;
    struct push_figures pushes;
    struct store_counts stored;
    struct lookout_figures seen;
    struct buf out;
    bridge_figures(bridge, &accounts);
    push_figures(push, &pushes);
    store_count(store, &stored);
    lookout_figures(lookout, &seen);
    buf_init(&out, TEXT_MAX);
    add_process(&out, &accounts);
    add_accounts(&out, &accounts);
    add_links(&out, &accounts);
    add_delay(&out, &accounts.tally->delay);
    add_pushes(&out, &pushes);
    add_store(&out, accounts.store_failing, &stored);
    add_lookout(&out, &seen);
    add_road(&out, signal);
    char *text = mem_copy((const char *)out.bytes, out.length);
    buf_fini(&out);
    return text;
}

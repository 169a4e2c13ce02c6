#include "account/timeline.h"

#include <stdio.h>
#include <string.h>

enum {
    COUNT_MAX = (1 << TIMELINE_COUNT_BITS) - 1,
    DETAIL_MAX = (1 << TIMELINE_DETAIL_BITS) - 1,
    KIND_MAX = (1 << TIMELINE_KIND_BITS) - 1,
};

static struct timeline_entry *last(struct timeline *timeline)
{
    if (!timeline->used)
        return NULL;
    return &timeline->entries[(timeline->next + TIMELINE_LENGTH - 1) % TIMELINE_LENGTH];
}

void timeline_note(struct timeline *timeline, enum timeline_kind kind, unsigned detail,
                   int64_t now_unix)
{
    detail = detail < DETAIL_MAX ? detail : DETAIL_MAX;
    uint32_t unix_s = now_unix > 0 ? (uint32_t)now_unix : 0;
    struct timeline_entry *newest = last(timeline);
    if (newest && newest->kind == kind && newest->detail == detail) {
        newest->unix_s = unix_s;
        if (newest->count < COUNT_MAX)
            newest->count++;
        return;
    }
    timeline->entries[timeline->next] = (struct timeline_entry){
        .unix_s = unix_s, .count = 1, .kind = kind & KIND_MAX, .detail = detail & DETAIL_MAX};
    timeline->next = (uint8_t)((timeline->next + 1) % TIMELINE_LENGTH);
    timeline->used = (uint8_t)(timeline->used + (timeline->used < TIMELINE_LENGTH));
}

const struct timeline_entry *timeline_at(const struct timeline *timeline, size_t i)
{
    size_t oldest = (size_t)timeline->next + TIMELINE_LENGTH - timeline->used;
    return &timeline->entries[(oldest + i) % TIMELINE_LENGTH];
}

static const char *const texts[] = {
    [TIMELINE_CONNECTED] = "connected to the messenger",
    [TIMELINE_DISCONNECTED] = "the connection to the messenger ended",
    [TIMELINE_MESSAGE] = "message waits",
    [TIMELINE_OWN_MESSAGE] = "own message, not rung",
    [TIMELINE_QUIET_MESSAGE] = "not urgent, not rung",
    [TIMELINE_RUNG] = "rang",
    [TIMELINE_NOT_RUNG] = "not accepted, the ring stays owed",
    [TIMELINE_DEBT] = "the owed ring is in the store",
    [TIMELINE_TEST] = "test push",
    [TIMELINE_ENDPOINT] = "new endpoint registered",
    [TIMELINE_CONTESTED] = "somebody else uses the same device",
    [TIMELINE_REFUSED] = "the messenger refuses the device",
};

static void write_status(char *text, size_t size, const struct timeline_entry *entry)
{
    text[0] = '\0';
    if (entry->detail)
        snprintf(text, size, entry->kind == TIMELINE_DISCONNECTED ? " (%u)" : ", answer %u",
                 entry->detail);
    else if (entry->kind == TIMELINE_NOT_RUNG || entry->kind == TIMELINE_TEST)
        snprintf(text, size, ", no answer");
}

void timeline_text(const struct timeline_entry *entry, char text[TIMELINE_TEXT_SIZE])
{
    char status[24], times[24] = "";
    write_status(status, sizeof status, entry);
    if (entry->count > 1)
        snprintf(times, sizeof times, " (%u times)", entry->count);
    snprintf(text, TIMELINE_TEXT_SIZE, "%s%s%s", texts[entry->kind], status, times);
}

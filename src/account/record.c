#include "account/record.h"

static uint32_t seconds(int64_t now_unix)
{
    return now_unix > 0 ? (uint32_t)now_unix : 0;
}

static void note_message(struct record *record, uint32_t *last_unix, int64_t now_unix)
{
    record->messages++;
    *last_unix = seconds(now_unix);
}

/* One that comes while a ring is under way waits for the next. */
static void note_urgent(struct record *record, int64_t now_unix, int64_t now_ms)
{
    int64_t *since = record->ring_left ? &record->behind_since_ms : &record->waits_since_ms;
    note_message(record, &record->urgent_unix, now_unix);
    if (!*since)
        *since = now_ms ? now_ms : 1;
}

static uint32_t latency_ms(const struct record *record, int64_t now_ms)
{
    if (!record->waits_since_ms)
        return 0;
    int64_t latency = now_ms - record->waits_since_ms;
    return latency < 1 ? 1 : latency < UINT32_MAX ? (uint32_t)latency : UINT32_MAX;
}

static void note_rung(struct record *record, unsigned status, int64_t now_unix, int64_t now_ms)
{
    record->rings++;
    record->rung_unix = seconds(now_unix);
    record->rung_status = (uint16_t)status;
    record->latency_ms = latency_ms(record, now_ms);
    record->waits_since_ms = record->behind_since_ms;
    record->behind_since_ms = 0;
    record->ring_left = false;
}

static void note_not_rung(struct record *record, unsigned status, int64_t now_unix)
{
    record->not_rung_unix = seconds(now_unix);
    record->not_rung_status = (uint16_t)status;
    if (!record->waits_since_ms)
        record->waits_since_ms = record->behind_since_ms;
    record->behind_since_ms = 0;
    record->ring_left = false;
}

void record_note(struct record *record, enum timeline_kind kind, unsigned detail, int64_t now_unix,
                 int64_t now_ms)
{
    switch (kind) {
    case TIMELINE_MESSAGE:
        note_urgent(record, now_unix, now_ms);
        break;
    case TIMELINE_OWN_MESSAGE:
        note_message(record, &record->own_unix, now_unix);
        break;
    case TIMELINE_QUIET_MESSAGE:
        note_message(record, &record->quiet_unix, now_unix);
        break;
    case TIMELINE_RUNG:
        note_rung(record, detail, now_unix, now_ms);
        break;
    case TIMELINE_NOT_RUNG:
        note_not_rung(record, detail, now_unix);
        break;
    case TIMELINE_DISCONNECTED:
        record->down_code = (uint16_t)detail;
        break;
    default:
        break;
    }
}

/* What came after one that was taken back is covered by this one, too. */
void record_ring_left(struct record *record)
{
    if (!record->waits_since_ms)
        record->waits_since_ms = record->behind_since_ms;
    record->behind_since_ms = 0;
    record->ring_left = true;
}

void record_state(struct record *record, int64_t now_unix)
{
    record->state_since_unix = seconds(now_unix);
}

int64_t record_waits_since_ms(const struct record *record)
{
    return record->waits_since_ms ? record->waits_since_ms : record->behind_since_ms;
}

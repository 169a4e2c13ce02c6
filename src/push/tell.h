/* What people are told about a push server as a whole, in the log and in verdicts. Never a path. */
#ifndef DOORBELL_PUSH_TELL_H
#define DOORBELL_PUSH_TELL_H

#include "push/origin.h"
#include "push/skew.h"

/* A line where something changed: the server does not answer, still does not, or does again. */
void tell_news(enum origin_news news, const struct origin_state *state, enum origin_breaker which,
               int64_t now_ms);

void tell_clock(enum skew_news news, const char *origin, int64_t ahead_s);

/* The verdict on a push that is not worth waiting until the server answers again. */
void tell_held(struct verdict *verdict, const struct origin_state *state, enum origin_breaker which,
               int64_t now_ms);

#endif

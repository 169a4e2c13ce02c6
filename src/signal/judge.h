/* What the end of a connection to the chat server means: every HTTP status and close code that was
 * seen or read (signal.md 1.4, 1.5, 8; signal-measured.md 1, 2, 5), as a reason that the account's
 * life decides by and one sentence for people. Pure. */
#ifndef DOORBELL_SIGNAL_JUDGE_H
#define DOORBELL_SIGNAL_JUDGE_H

#include "link/link.h"
#include "signal/transport.h"

void judge(struct link_down *down, const struct transport_end *end);
/* Whether a close code speaks of the device, and not of the connection or the server. */
bool judge_is_of_device(int close_code);

#endif

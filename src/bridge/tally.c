#include "bridge/tally.h"

const char *tally_message_name(enum tally_message message)
{
    static const char *const names[TALLY_MESSAGES] = {
        [TALLY_URGENT] = "urgent", [TALLY_OWN] = "own", [TALLY_QUIET] = "quiet"};
    return names[message];
}

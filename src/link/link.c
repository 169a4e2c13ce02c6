#include "link/link.h"

#include <stddef.h>

const char *link_reason_name(enum link_reason reason)
{
    static const char *const names[] = {
        [LINK_STOPPED] = "stopped",
        [LINK_UNREACHABLE] = "unreachable",
        [LINK_LOST] = "lost",
        [LINK_CLOSED] = "closed",
        [LINK_SERVER_TROUBLE] = "server_trouble",
        [LINK_RATE_LIMITED] = "rate_limited",
        [LINK_CONTESTED] = "contested",
        [LINK_UNAUTHORIZED] = "unauthorized",
        [LINK_MIDDLEBOX] = "middlebox",
        [LINK_REVOKED] = "revoked",
        [LINK_CLIENT_REFUSED] = "client_refused",
        [LINK_PROTOCOL] = "protocol",
        [LINK_MISCONFIGURED] = "misconfigured",
    };
    return (size_t)reason < sizeof names / sizeof *names ? names[reason] : "unknown";
}

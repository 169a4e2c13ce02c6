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
        [LINK_SILENT] = "silent",
        [LINK_CONTESTED] = "contested",
        [LINK_UNAUTHORIZED] = "unauthorized",
        [LINK_MIDDLEBOX] = "middlebox",
        [LINK_REVOKED] = "revoked",
        [LINK_CLIENT_REFUSED] = "client_refused",
        [LINK_PROTOCOL] = "protocol",
        [LINK_MISCONFIGURED] = "misconfigured",
        [LINK_UNTIMELY] = "untimely",
    };
    return (size_t)reason < sizeof names / sizeof *names ? names[reason] : "unknown";
}

const char *link_reason_text(enum link_reason reason)
{
    static const char *const texts[] = {
        [LINK_STOPPED] = "the link is made anew",
        [LINK_UNREACHABLE] = "the messenger's server cannot be reached",
        [LINK_LOST] = "the connection was lost",
        [LINK_CLOSED] = "the server closed the link, as it does now and then",
        [LINK_SERVER_TROUBLE] = "the messenger's server is in trouble",
        [LINK_RATE_LIMITED] = "the server asks to come again later",
        [LINK_SILENT] = "what answers takes the link and never shows the account's messages",
        [LINK_CONTESTED] = "another program connected with the same device",
        [LINK_UNAUTHORIZED] = "the messenger refuses the device",
        [LINK_MIDDLEBOX] = "something in between answers in the messenger's place",
        [LINK_REVOKED] = "the messenger ended the session",
        [LINK_CLIENT_REFUSED] = "the messenger wants a newer client",
        [LINK_PROTOCOL] = "the server and Doorbell do not understand each other",
        [LINK_MISCONFIGURED] = "what answers is not the messenger's server",
        [LINK_UNTIMELY] = "by this machine's clock its certificate is not valid",
    };
    return (size_t)reason < sizeof texts / sizeof *texts ? texts[reason] : "unknown";
}

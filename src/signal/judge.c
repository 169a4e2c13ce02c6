#include "signal/judge.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

enum { SENTENCE_SIZE = 128 }; /* without its full stop; struct link_down has 160 */

struct rule {
    int number;
    enum link_reason reason;
    const char *text;
};

static const struct rule statuses[] = {
    {101, LINK_SERVER_TROUBLE, "Signal's server answered 101, but not as a websocket should"},
    {400, LINK_MISCONFIGURED,
     "Signal's server cannot read the request (400): check the path of signal.url (or "
     "signal.http2_url)"},
    {404, LINK_MISCONFIGURED,
     "There is no websocket at this path (404): signal.url (or signal.http2_url) should end in "
     "/v1/websocket/"},
    {407, LINK_MIDDLEBOX, "A proxy in between wants credentials of its own (407)"},
    {426, LINK_MISCONFIGURED,
     "What answers speaks another protocol (426): check signal.url (or signal.http2_url)"},
    {429, LINK_RATE_LIMITED, "Signal's server has had too many requests from here (429)"},
    {431, LINK_SERVER_TROUBLE, "Signal's server found the request too long (431)"},
    {499, LINK_CLIENT_REFUSED,
     "Signal's server wants a newer client (499): update Doorbell, or set signal.user_agent"},
    {500, LINK_SERVER_TROUBLE, "Signal's server could not check the credentials (500)"},
    {502, LINK_SERVER_TROUBLE, "The server behind Signal's front is away (502)"},
    {503, LINK_SERVER_TROUBLE, "Signal's server is overloaded or in maintenance (503)"},
    {504, LINK_SERVER_TROUBLE, "The server behind Signal's front does not answer (504)"},
};

static const struct rule close_codes[] = {
    {1000, LINK_CLOSED, "Signal's server closed the link in order (1000)"},
    {1001, LINK_CLOSED, "Signal's server restarts, or heard nothing for too long (1001)"},
    {1002, LINK_PROTOCOL, "Signal's server says that we broke the websocket protocol (1002)"},
    {1003, LINK_PROTOCOL, "Signal's server does not take what we sent (1003)"},
    {1005, LINK_CLOSED, "Signal's server closed the link without giving a reason"},
    {1007, LINK_PROTOCOL, "Signal's server could not read what we sent (1007)"},
    {1009, LINK_PROTOCOL, "Signal's server found a message of ours too big (1009)"},
    {1010, LINK_PROTOCOL, "Signal's server says that we broke the websocket protocol (1010)"},
    {1011, LINK_SERVER_TROUBLE, "Signal's server is in trouble (1011)"},
    {1012, LINK_CLOSED, "Signal's server restarts (1012)"},
    {1013, LINK_SERVER_TROUBLE, "Signal's server is overloaded (1013)"},
    {1014, LINK_SERVER_TROUBLE, "The server behind Signal's front is away (1014)"},
    {4401, LINK_REVOKED,
     "Signal's server ended the session (4401): the device was unlinked, or the account registered "
     "anew"},
    {4409, LINK_CONTESTED, "Somebody else connected with the same device (4409)"},
};

#define UNPROVEN "What answers cannot prove that it is Signal"

#define COUNT(table) (sizeof(table) / sizeof *(table))

static const struct rule *find(const struct rule *table, size_t count, int number)
{
    for (size_t i = 0; i < count; i++)
        if (table[i].number == number)
            return &table[i];
    return NULL;
}

static void set(struct link_down *down, enum link_reason reason, const char *text)
{
    down->reason = reason;
    snprintf(down->text, sizeof down->text, "%s.", text);
}

/* The sentence, and what the other side said about it. */
static void set_said(struct link_down *down, enum link_reason reason, const char *text,
                     const char *said)
{
    if (!said[0]) {
        set(down, reason, text);
        return;
    }
    down->reason = reason;
    int used = snprintf(down->text, sizeof down->text, "%s: ", text);
    if (used > 0 && (size_t)used < sizeof down->text)
        snprintf(down->text + used, sizeof down->text - (size_t)used, "%.*s.",
                 (int)(sizeof down->text - 2 - (size_t)used), said);
}

static void judge_forbidden(struct link_down *down, const struct transport_end *end)
{
    if (end->has_timestamp)
        set(down, LINK_UNAUTHORIZED,
            "Signal refuses these credentials (403): the device is no longer linked, or the "
            "password is wrong");
    else
        set(down, LINK_MIDDLEBOX,
            "Something between us and Signal refuses the connection (403): a proxy, a "
            "firewall or a login page");
}

static void judge_unexpected(struct link_down *down, int status)
{
    char text[SENTENCE_SIZE];
    if (status >= 200 && status < 400) {
        snprintf(text, sizeof text,
                 "Something between us and Signal answers for it (%d): a login page, or "
                 "another server's address",
                 status);
        set(down, LINK_MIDDLEBOX, text);
        return;
    }
    snprintf(text, sizeof text, "Signal's server gave an answer that we do not expect (%d)",
             status);
    set(down, LINK_SERVER_TROUBLE, text);
}

static void judge_status(struct link_down *down, const struct transport_end *end)
{
    const struct rule *rule = find(statuses, COUNT(statuses), end->status);
    down->status = end->status;
    down->retry_after_ms = end->retry_after_ms;
    /* Whatever the status: who says when to come again does not say "never" (signal.md 1.4). */
    if (end->retry_after_ms > 0) {
        char text[SENTENCE_SIZE], wait[TEXT_AMOUNT_SIZE];
        text_amount(wait, (end->retry_after_ms + 999) / 1000);
        snprintf(text, sizeof text, "Signal's server asks us to come again in %s (%d)", wait,
                 end->status);
        set(down, LINK_RATE_LIMITED, text);
    } else if (end->status == 403) {
        judge_forbidden(down, end);
    } else if (rule) {
        set(down, rule->reason, rule->text);
    } else {
        judge_unexpected(down, end->status);
    }
}

bool judge_is_of_device(int close_code)
{
    return close_code == 4401 || close_code == 4409;
}

static void judge_close(struct link_down *down, const struct transport_end *end)
{
    const struct rule *rule = find(close_codes, COUNT(close_codes), end->close_code);
    down->close_code = end->close_code;
    if (rule) {
        /* What comes with those only says the same once more. */
        bool says_all = judge_is_of_device(rule->number);
        set_said(down, rule->reason, rule->text, says_all ? "" : end->text);
        return;
    }
    char text[SENTENCE_SIZE];
    snprintf(text, sizeof text,
             "Signal's server closed the link for a reason that we do not know (%d)",
             end->close_code);
    set_said(down, LINK_SERVER_TROUBLE, text, end->text);
}

void judge(struct link_down *down, const struct transport_end *end)
{
    *down = (struct link_down){0};
    switch (end->kind) {
    case TRANSPORT_UNREACHABLE:
        set_said(down, LINK_UNREACHABLE, "Signal's server cannot be reached", end->text);
        break;
    case TRANSPORT_TLS:
        set_said(down, LINK_MISCONFIGURED, UNPROVEN, end->text);
        break;
    case TRANSPORT_UNTIMELY:
        set_said(down, LINK_UNTIMELY, UNPROVEN, end->text);
        break;
    case TRANSPORT_NO_ROAD:
        set_said(down, LINK_MISCONFIGURED, "Signal's server cannot be used over HTTP/2", end->text);
        break;
    case TRANSPORT_STATUS:
        judge_status(down, end);
        break;
    case TRANSPORT_CLOSE:
        judge_close(down, end);
        break;
    case TRANSPORT_LOST:
        set_said(down, LINK_LOST, "The connection was lost", end->text);
        break;
    case TRANSPORT_VIOLATION:
        set_said(down, LINK_PROTOCOL, "Signal's server broke the protocol", end->text);
        break;
    case TRANSPORT_STOPPED:
        set(down, LINK_STOPPED, "We closed the link");
        break;
    }
}

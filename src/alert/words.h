/* What alerts say: one sentence what is wrong, one what to do. Accounts are pseudonyms, push
 * servers are origins; never an account id, a path or a password. Pure. */
#ifndef DOORBELL_ALERT_WORDS_H
#define DOORBELL_ALERT_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum alert_kind {
    ALERT_REFUSED,     /* an account: its credentials are dead */
    ALERT_CONTESTED,   /* an account: somebody else uses its device */
    ALERT_SILENT,      /* an account: its link is accepted, and shows no queue */
    ALERT_ENDPOINT,    /* an account: its endpoint is gone, or takes no ring for long */
    ALERT_LINKS,       /* no account is connected */
    ALERT_CLIENT,      /* the messenger's server wants another client */
    ALERT_ALIKE,       /* the messenger's server refuses all accounts alike */
    ALERT_STORE,       /* it cannot be written */
    ALERT_CLOCK,       /* ours is wrong, by a push server's or by certificates */
    ALERT_CERTIFICATE, /* ours is about to end */
    ALERT_UNLINKED,    /* no phone was ever linked */
    ALERT_KINDS,
};

const char *alert_kind_name(enum alert_kind kind); /* "refused": for programs */
/* Whether it is about accounts, of which there may be many. */
bool alert_kind_is_plural(enum alert_kind kind);

/* Why it is so, as far as the server sees it: the cause of ALERT_UNLINKED. */
enum alert_unlinked {
    UNLINKED_NOBODY_CAME,
    UNLINKED_BY_HAND,   /* there are no web pages, and no line of Molly's was pasted */
    UNLINKED_ELSEWHERE, /* a phone came to a path at which it is not answered */
    UNLINKED_MISLED,    /* the linking page was opened, and its code leads nowhere */
    UNLINKED_AT_PAGE,   /* it was opened, and nobody registered */
    UNLINKED_REFUSED,   /* a phone came and was not taken */
};

/* The cause of ALERT_LINKS: enum link_reason, and room for none. */
#define ALERT_CAUSE_OF_LINK(reason) ((unsigned)(reason) + 1)

enum { ALERT_NAMES = 3, ALERT_TEXT_SIZE = 1024 };

/* What is new about one kind. */
struct alert_news {
    enum alert_kind kind;
    size_t fresh;                   /* bad, and not told yet */
    size_t back;                    /* told as bad, and well now */
    size_t over;                    /* never told: it was bad, and is well now */
    size_t bad;                     /* of all that are bad now, told or not */
    const char *names[ALERT_NAMES]; /* of the fresh ones, or where there are none of the others;
                                       an empty one has no name */
    size_t named;
    const char *where; /* the one push server of all that are named; NULL: none, or several */
    unsigned cause;    /* of all that are named: verdict_meaning, enum alert_unlinked,
                          ALERT_CAUSE_OF_LINK; 0: not known, or several */
    int64_t lasted_ms; /* the longest of those that the message is about */
};

struct alert_message {
    enum alert_kind kind;
    bool bad;          /* something is newly bad */
    size_t count;      /* accounts that are bad now; 0 or 1 where it is not about accounts */
    const char *title; /* "account refused" */
    char text[ALERT_TEXT_SIZE];
};

void words_write(const struct alert_news *news, struct alert_message *message);

#endif

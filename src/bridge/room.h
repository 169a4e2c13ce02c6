/* Who may be connected where the process may not open enough files for everybody; how
 * many links that is enough for is the messenger's to say (struct link_ops). Accounts come
 * before trials, which strangers start: a trial gets only what no account needs, and makes way for
 * one that finds no room, unless the messenger refuses that one. Accounts that wait for room get it
 * in the order in which they came, in the turn after it came free. No account makes way for
 * anybody. Internal to bridge/. */
#ifndef DOORBELL_BRIDGE_ROOM_H
#define DOORBELL_BRIDGE_ROOM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/list.h"
#include "base/timers.h"

struct bell;
struct bridge;

struct room {
    size_t linked;       /* bells that are */
    size_t leaving;      /* of them, trials that make way and have not gone yet */
    struct list waiting; /* bells of accounts that found none, the one that came first first */
    size_t needed;       /* of those, the ones that the messenger does not refuse */
    bool said;           /* that there is too little; once */
    struct timer timer;
};

void room_init(struct bridge *bridge);
void room_fini(struct bridge *bridge); /* after the bells */

/* How many bells may be linked at once, as things are now; 0: any number. */
size_t room_most(const struct bridge *bridge);
/* There may be more of it: links may share connections now which they did not share before. */
void room_review(struct bridge *bridge);
/* Whether it may be linked now. If not, an account's is linked (bell_link) as soon as there is
 * room, and a trial is told when to ask again. */
bool room_find(struct bell *bell);
void room_entered(struct bell *bell);
void room_left(struct bell *bell);
/* It does not wait for room any more, if it did. */
void room_forget(struct bell *bell);

/* Whether accounts wait, and not only until trials have gone. */
static inline bool room_lacks(const struct room *room)
{
    return room->needed > room->leaving;
}

#endif
